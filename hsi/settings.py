"""Every setting of a run: checked, frozen, loaded from safe YAML, overridden from the command line."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hsi.errors import ConfigError, UnknownNameError

LARGEST_CONFIG = 1 << 20  # bytes; a configuration is a page of text
USUAL_REDUCER = "mnf"
USUAL_WINDOW = 15  # and the largest first window that is chosen from a scene
SECOND_WINDOW = 25  # HybridSN's own


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ReducerSettings(Section):
    """How bands become components. ``name`` None means the model's own reducer (MNF for HybridSN), ``components`` None
    that reducer's own number (15 for MNF, 30 for PCA)."""

    name: str | None = None
    components: int | None = Field(default=None, ge=1)
    whiten: bool = True
    standardise: bool = False


class SplitSettings(Section):
    """Which labelled pixels train. None means: the rule's own default; a rule refuses what it has no use for.

    ``train`` and ``validation`` are "10%" or "50" (of each class), or "50/15" (15 of those with fewer than 100).
    ``given`` names the file or files of the rule "given"; ``rule: given:split.tif`` is short for both. ``block`` and
    ``buffer`` are pixels, ``minimum`` training and test pixels of each class; ``fold`` (from 1) of ``folds`` is tested.
    """

    rule: str = "random"
    train: str | None = None
    validation: str | None = None
    given: str | None = None
    block: int | None = Field(default=None, ge=1)
    buffer: int | None = Field(default=None, ge=0)
    minimum: int | None = Field(default=None, ge=1)
    folds: int | None = Field(default=None, ge=2)
    fold: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _files_of_rule(cls, values: Any) -> Any:
        rule = values.get("rule") if isinstance(values, dict) else None
        if not isinstance(rule, str) or not rule.startswith("given:"):
            return values
        return {**values, "rule": "given", "given": rule.removeprefix("given:").strip()}

    @model_validator(mode="after")
    def _files_where_given(self) -> SplitSettings:
        if self.rule == "given" and not self.given:
            raise ValueError("the split 'given' needs its pixels: given:split.tif, or given:train.tif,test.tif")
        if self.rule != "given" and self.given is not None:
            raise ValueError(f"the split '{self.rule}' has no use for the file {self.given}: choose the rule given")
        return self

    @field_validator("train", "validation", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class ModelSettings(Section):
    """Which model, and the side of the window it looks at (odd): None means the model's own, which for HybridSN is
    chosen from the scene. ``second_window`` is that of a second network, whose class probabilities are averaged with
    the first's; 0 means none, and None is none beside a ``window``, and else chosen from the scene as well. ``width``
    multiplies the channels, and ``resolution`` the side that the window is resampled to, of a network that is a table
    of blocks; None means 1."""

    name: str = "hybridsn-bn"
    window: int | None = Field(default=None, ge=1)
    second_window: int | None = Field(default=None, ge=0)
    width: float | None = Field(default=None, gt=0, le=4)
    resolution: float | None = Field(default=None, gt=0, le=1)

    @property
    def windows(self) -> tuple[int, ...]:
        """The sides of the windows of all networks, as far as they are known."""
        return tuple(window for window in (self.window, self.second_window) if window)

    def describe_windows(self) -> str:
        """Such as ``window 15``, or ``windows 15 and 25``."""
        return f"window{'s' * (len(self.windows) > 1)} {' and '.join(map(str, self.windows))}"

    @field_validator("window", "second_window")
    @classmethod
    def _odd(cls, window: int | None) -> int | None:
        if window and window % 2 == 0:
            raise ValueError(
                f"the window is {window}; it must be odd, to have a middle pixel: try {window - 1} or {window + 1}"
            )
        return window


Spectral = Literal["none", "discriminant", "logistic"]
Engine = Literal["auto", "dense", "patch"]
Schedule = Literal["constant", "step", "cosine", "one-cycle", "plateau"]
Optimiser = Literal["adam", "adamw"]


class TrainingSettings(Section):
    """How the network learns. None means: the engine's or the schedule's own default, printed and stored by a run.

    ``steps`` of the optimiser are taken in whole epochs, instead of ``epochs``.
    ``lr`` is the highest learning rate of the schedule, ``batch`` the most windows of a step, ``balance``
    the power of the inverse class size by which classes are weighted (0: all pixels alike, 1: all classes alike), and
    ``clip`` the largest norm of the gradient, None for no limit. ``context_dropout`` is the largest share of unlabelled
    pixels that a step takes out of the windows; None means 1 with HybridSN where surroundings mislead, and else 0.
    """

    engine: Engine = "auto"
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch: int | None = Field(default=None, ge=1)
    optimiser: Optimiser = "adamw"
    lr: float | None = Field(default=None, gt=0)
    lr_schedule: Schedule = "one-cycle"
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    clip: float | None = Field(default=1.0, gt=0)
    augment: bool = True
    context_dropout: float | None = Field(default=None, ge=0, le=1)
    amp: Literal["auto", "off"] = "auto"

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps both say how long a training is: leave one out")
        return self


class MappingSettings(Section):
    """How a map is made. ``symmetries`` averages class probabilities over the eight symmetries of the square, eight
    times the work; ``blend`` averages them over the neighbours that look alike; ``spectral`` joins the network with a
    linear classifier of the pixel's own components. None means no for other methods than HybridSN, and with it
    symmetries always, the others as :mod:`hsi.training.window_selection` finds.
    ``calibrate`` fits the temperature of the probabilities on validation pixels."""

    symmetries: bool | None = None
    blend: bool | None = None
    spectral: Spectral | None = None
    calibrate: bool = False


class DenoisingSettings(Section):
    """What is done about noise before all else; ``method`` None means nothing.

    ``bands`` are those that are cleaned: "all", "noisiest:20", or numbers from 1 such as "104-108,220"; None means all.
    None for the others means the method's own: ``stack`` and ``steps`` are of dncnn, ``components`` of mnf,
    ``strength`` of tv.
    """

    method: str | None = None
    bands: str | None = None
    stack: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    components: int | None = Field(default=None, ge=1)
    strength: float | None = Field(default=None, gt=0)

    @field_validator("stack")
    @classmethod
    def _odd(cls, stack: int | None) -> int | None:
        if stack is not None and stack % 2 == 0:
            raise ValueError(f"the stack is {stack} bands; it must be odd: try {stack - 1} or {stack + 1}")
        return stack

    @model_validator(mode="after")
    def _nothing_without_method(self) -> DenoisingSettings:
        given = [name for name, value in self.model_dump().items() if value is not None]
        if self.method is None and given:
            raise ValueError(f"{given[0]} has no effect without a method: give dncnn, mnf or tv, or leave it out")
        return self


class Settings(Section):
    """Everything that decides a run's result, apart from its inputs. ``deterministic`` allows no algorithm on CUDA that
    gives other numbers from time to time; on a CPU there is none."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    device: str = "auto"
    deterministic: bool = False
    denoising: DenoisingSettings = DenoisingSettings()
    reducer: ReducerSettings = ReducerSettings()
    split: SplitSettings = SplitSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    mapping: MappingSettings = MappingSettings()

    @model_validator(mode="after")
    def _plateau_needs_validation(self) -> Settings:
        if self.training.lr_schedule == "plateau" and self.split.validation is None:
            raise ValueError("the plateau schedule watches validation pixels: give --val, for example --val 5%")
        return self

    @model_validator(mode="after")
    def _calibration_needs_validation(self) -> Settings:
        given = self.split.rule.startswith("given")  # its raster may hold some
        if self.mapping.calibrate and self.split.validation is None and not given:
            raise ValueError("--calibrate fits on validation pixels: give --val, for example --val 10%")
        return self


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a YAML file (or the defaults), with dotted overrides such as ``{"model.window": 15}`` on top.

    Raises :class:`ConfigError` with the file, the setting and the near names for anything that does not fit.
    """
    values = settings_values(path, overrides)
    return validated(Settings, values, str(path) if path else "")


def settings_values(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a YAML file and dotted overrides say, as nested and unchecked values; what they do not say is absent.

    Raises :class:`ConfigError` for a file that is no mapping and an override below something that is no section.
    """
    values = read_yaml(path) if path else {}
    for dotted, value in (overrides or {}).items():
        _set(values, dotted, value, path)
    return values


Checked = TypeVar("Checked", bound=BaseModel)


def validated(kind: type[Checked], values: Mapping[str, Any], where: str = "") -> Checked:
    """Values as a checked model; raises :class:`ConfigError`, which begins with ``where``, for what does not fit."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = _explain(error, kind)
    except UnicodeEncodeError as error:  # YAML and JSON can name half of a surrogate pair
        wrong = f"holds {error.object[error.start : error.end]!a}, which is no character"
    raise ConfigError(f"{where}: {wrong}" if where else wrong)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read safely; empty for an empty file. Raises :class:`ConfigError` for all else."""
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ConfigError(f"{path}: larger than {LARGEST_CONFIG} bytes, which is no configuration")
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected settings such as 'seed: 0', found a {type(values).__name__}")
    return values


def _set(values: dict[str, Any], dotted: str, value: Any, path: Path | None) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{path}: {section} is a section with settings below it, found {_shown(inner)}")
        values = inner
    values[key] = value


def _explain(error: ValidationError, kind: type[BaseModel]) -> str:
    """The first problem in one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(kind, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        return f"unknown setting '{where}': {hint}known here: {', '.join(known)}"
    if first["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", first["ctx"]["expected"])
        given = _shown(first["input"]).strip("'")
        return f"{where}: {UnknownNameError('choice', given, choices)}"
    message = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] == "value_error" else f" (found {_shown(first['input'])})"
    return f"{f'{where}: ' if where else ''}{message}{found}"


def _shown(value: object) -> str:
    """A value short enough for a message, however deep and long it is."""
    brief = reprlib.Repr()
    brief.maxlevel = 2
    return brief.repr(value)[:80]


def _known_keys(kind: type[BaseModel], sections: tuple[int | str, ...]) -> list[str]:
    model: Any = kind
    for section in sections:
        if isinstance(section, str):  # a number is a place in a list
            annotation = model.model_fields[section].annotation
            model = next(part for part in (annotation, *get_args(annotation)) if hasattr(part, "model_fields"))
    return list(model.model_fields)
