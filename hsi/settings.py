"""Every setting, declared once: its type, default, help, reason and option.

The options of the commands, ``--set``, ``configs/default.yaml`` and the settings page of the documentation are made
from these declarations. A setting has a dotted name, such as ``training.lr``; YAML files are read safely.
"""

from __future__ import annotations

import difflib
import re
import reprlib
import shlex
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from hsi.errors import ConfigError, UnknownNameError, UsageError

LARGEST_CONFIG = 1 << 20  # bytes; a configuration is a page of text
RECORDED = {"command", "versions", "overall_accuracy"}  # keys of records: run.json, accuracy.json, map.json
USUAL_REDUCER = "mnf"
USUAL_WINDOW = 15  # and the largest first window that is chosen from a scene
SECOND_WINDOW = 25  # HybridSN's own
OF_EVERY_MODEL = ("mapping.min_area", "model.name", "model.window")  # of sections that mostly are for networks


def setting(
    default: Any, help: str, *, why: str = "", option: str = "", shown: str = "", metavar: str = "", **bounds: Any
) -> Any:
    """A field of a :class:`Section`.

    ``help`` says what it does, ``why`` the reason for its default, ``option`` its name on the command line where it has
    one, ``shown`` the default in words where None stands for something else, and ``bounds`` are pydantic's.
    """
    extra: dict[str, Any] = {"why": why, "option": option, "shown": shown, "metavar": metavar}
    return Field(default=default, description=help, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys; ``heading`` is that of its options in a command's help."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    heading: ClassVar[str] = ""


class InputSettings(Section):
    """How a scene and its labels are read, in every command, in Python and in experiments."""

    heading = "Input"

    labels: Path | None = setting(None, "Class raster or vector file.", option="--labels", shown="with the scene")
    label_variable: str | None = setting(None, "Array of the file that is the labels.", option="--label-variable")
    background: int | None = setting(
        None, "Label that means unlabelled.", option="--background", shown="0, or the file's"
    )
    label_field: str | None = setting(None, "Field with the class.", option="--label-field", shown="the only one")
    label_layer: str | None = setting(
        None, "Layer of a GeoPackage or ZIP.", option="--label-layer", shown="the only one"
    )
    label_name_field: str | None = setting(
        None, "Field with the names of classes whose ids are in --label-field.", option="--label-name-field"
    )
    label_crs: str | None = setting(
        None, "CRS of vector labels that name none: EPSG:32633.", option="--label-crs", shown="the file's",
        metavar="CRS",
    )  # fmt: skip
    classes: Path | None = setting(
        None, "Ids, names and colours of classes: .qml, .sld, .csv, map, model.", option="--classes",
        shown="the labels'",
    )  # fmt: skip
    all_touched: bool = setting(False, "Label every pixel that a polygon touches.", option="--all-touched")
    align: bool = setting(False, "Reproject labels to the scene, nearest neighbour.", option="--align")
    asset: str | None = setting(
        None, "Asset of a STAC Item.", option="--asset", metavar="NAME", shown="data of most bands"
    )
    variable: str | None = setting(None, "Array of the file that is the cube.", option="--variable")
    axes: str | None = setting(
        None, "Order of the cube's axes, such as BHW.", option="--axes", metavar="HWB", shown="by names and lengths"
    )
    wavelengths: Path | None = setting(
        None, "Nanometres of bands: table, scene, sensor.", option="--wavelengths",
        metavar="FILE",
    )  # fmt: skip
    georef: Path | None = setting(None, "Raster to take CRS and transform from.", option="--georef")
    aoi: Path | None = setting(None, "Area of interest: polygons, or a raster.", option="--aoi")
    mask: Path | None = setting(None, "Raster or polygons of the pixels to use.", option="--mask")
    mask_out: Path | None = setting(
        None, "Raster or polygons of pixels to leave out; of bits: qa.tif:bits=3,4.", option="--mask-out"
    )
    nodata: float | None = setting(
        None, "Stored value that means no data.", option="--nodata", shown="the file's", metavar="VALUE"
    )
    drop_bands: str | None = setting(
        None, "Bands to leave out, from 1: 104-108,220.", option="--drop-bands", metavar="BANDS"
    )
    drop_wavelengths: str | None = setting(
        None, "Bands to leave out, in nm: 1350-1450.", option="--drop-wavelengths", metavar="NM"
    )
    keep_bad_bands: bool = setting(False, "Also use bands that the file marks as bad.", option="--keep-bad-bands")

    @property
    def given(self) -> bool:
        """Whether any of them differs from its default."""
        return self != InputSettings()

    def check_raster(self, path: Path) -> None:
        """Raise :class:`UsageError` for a setting that only vector labels have, where ``path`` holds a raster."""
        self._refuse(VECTOR_INPUTS, f"{path}: holds a raster", "vector files")

    def check_vector(self, path: Path) -> None:
        """Raise :class:`UsageError` for a setting that only raster labels have, where ``path`` holds vectors."""
        where = f"{path}: holds polygons or points, not a raster"
        self._refuse(("label_variable", "align"), where, "class rasters")

    def check_in_memory(self) -> None:
        """Raise :class:`UsageError` for a setting that only labels in files have."""
        names = sorted(LABEL_INPUTS - {"labels", "background", "classes"})
        self._refuse(names, "the labels are in memory", "labels in files")

    def _refuse(self, names: Iterable[str], where: str, meant_for: str) -> None:
        given = [name for name in names if getattr(self, name) not in (None, False)]
        if given:
            raise UsageError(f"{where}: leave {' and '.join(given)} out, for {meant_for} only")


VECTOR_INPUTS = ("label_field", "label_name_field", "label_layer", "label_crs", "all_touched")
LABEL_INPUTS = {"labels", "label_variable", "background", "classes", "align", *VECTOR_INPUTS}
SCENE_INPUTS = {*InputSettings.model_fields} - LABEL_INPUTS
PIXEL_INPUTS = {"aoi", "mask", "mask_out"}  # which pixels count, of a scene or of a map


class ReducerSettings(Section):
    """How bands become components."""

    heading = "Model"

    name: str | None = setting(
        None, "mnf, pca, or identity for all bands.",
        option="--reducer", shown="mnf, or the model's",
        why="mnf: orders by signal over noise where PCA, HybridSN's choice, takes noisy bands for signal",
    )  # fmt: skip
    components: int | None = setting(
        None, "Components to reduce the bands to.",
        option="--components", shown="mnf 15, pca 30, or the model's", ge=1,
        why="mnf: 15, as good as 20 and 30 at half and a quarter of the work; pca: 30, as HybridSN",
    )  # fmt: skip
    whiten: bool = setting(
        True, "Scale components to unit variance.", why="as HybridSN: every component counts equally"
    )
    standardise: bool = setting(
        False, "pca: scale bands to unit variance first.",
        why="bands have their own spread, so that noisy dark bands stay small",
    )  # fmt: skip


class SplitSettings(Section):
    """Which labelled pixels train, validate and test. None is the default of the rule; a rule refuses what it has no
    use for."""

    heading = "Split"

    rule: str | None = setting(
        None, "random, blocks, polygons, kfold-random, kfold-blocks, kfold-polygons, given:FILE[,TEST], hong, dase; of "
        "several scenes scenes[:NAME,...], kfold-scenes.",
        option="--split", shown="polygons for vectors, else random",
        why="pixels of one field resemble each other, so polygons and points of a vector file are held out as units "
        "where each class has two or more; else random: stratified, comparable with papers, and audited for leakage",
    )  # fmt: skip
    train: str | None = setting(
        None, "Training pixels a class: 10%, 50, or 50/15 (15 of classes below 100).",
        option="--train", shown="10%, or all",
        why="10% of each class for random; for the others all pixels of their training side",
    )  # fmt: skip
    validation: str | None = setting(
        None, "Validation pixels a class, to choose the epoch.", option="--val", shown="none",
        why="nothing is chosen by validation unless asked for",
    )  # fmt: skip
    given: str | None = setting(None, "Files of the rule given.", why="given:FILE sets it")
    scenes: str | None = setting(
        None, "Names of the scenes that the rule scenes holds out.", why="scenes:NAME,NAME sets it; else the last scene"
    )
    block: int | None = setting(
        None, "Side of blocks in pixels.", ge=1,
        why="twice the distance between training and test pixels: 30 for a window of 15",
    )  # fmt: skip
    buffer: int | None = setting(
        None, "Pixels left out on each side of a border between training and test.", ge=0,
        why="half the window for blocks, so that windows do not overlap; none for polygons",
    )  # fmt: skip
    minimum: int | None = setting(
        None, "Training and test pixels of each class, where blocks or polygons can give them.", ge=1, why="5"
    )
    folds: int | None = setting(None, "Folds of a k-fold rule.", ge=2, why="5")
    fold: int | None = setting(
        None, "Fold of a kfold split to test, from 1.", option="--fold", ge=1, why="has to be given for a k-fold rule"
    )

    @model_validator(mode="before")
    @classmethod
    def _files_of_rule(cls, values: Any) -> Any:
        rule = values.get("rule") if isinstance(values, dict) else None
        name, colon, rest = rule.partition(":") if isinstance(rule, str) else ("", "", "")
        if not colon or name not in ("given", "scenes"):
            return values
        return {**values, "rule": name, name: rest.strip()}

    @model_validator(mode="after")
    def _files_where_given(self) -> SplitSettings:
        if self.rule == "given" and not self.given:
            raise ValueError("the split 'given' needs its pixels: given:split.tif, or given:train.tif,test.tif")
        if self.rule != "given" and self.given is not None:
            raise ValueError(
                f"the split '{self.rule or 'random'}' has no use for the file {self.given}: choose the rule given"
            )
        return self

    @field_validator("train", "validation", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class ModelSettings(Section):
    """Which model, and the windows that it is given."""

    heading = "Model"

    name: str = setting(
        "hybridsn-bn", "Network or baseline; 'hsi models' lists them.", option="--model",
        why="the simplest variant that trains reliably whatever the learning rate",
    )  # fmt: skip
    window: int | None = setting(
        None, "Side of the window around each pixel, odd.", option="--window", shown="by the scene", ge=1,
        why="15, as good as 25 at half the work; 11 where fields are small or test pixels far from training pixels",
    )  # fmt: skip
    second_window: int | None = setting(
        None, "Side of the window of a second network, averaged with the first by class probabilities; 0: none.",
        ge=0,
        why="25, whose errors are others; 0 where the window is 11 or given",
    )  # fmt: skip
    width: float | None = setting(
        None, "Factor of the channels of a network of blocks, such as mobilenet-v1.", gt=0, le=4, why="1, as published"
    )
    resolution: float | None = setting(
        None, "Factor of the side to which such a network resamples its window.", gt=0, le=1, why="1: not resampled"
    )

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


Spectral = Literal["none", "discriminant", "logistic", "pool", "filtered"]
Engine = Literal["auto", "dense", "patch"]
Schedule = Literal["constant", "step", "cosine", "one-cycle", "plateau"]
Optimiser = Literal["adam", "adamw"]
Program = Literal["tensorboard", "mlflow"]


class TrainingSettings(Section):
    """How the network is trained. None is the default of the engine or the schedule, which a run prints and stores."""

    heading = "Training"

    engine: Engine = setting(
        "auto", "dense (shared trunk), patch or auto.", option="--engine",
        why="dense where the network's trunk can be shared, some 60 times faster",
    )  # fmt: skip
    epochs: int | None = setting(
        None, "Passes over the training pixels.", option="--epochs", shown="by engine", ge=1,
        why="enough for 300 steps; patch where dense could be had: 100, as HybridSN",
    )  # fmt: skip
    steps: int | None = setting(
        None, "Steps of the optimiser, in complete epochs, instead of epochs.", ge=1,
        why="the same length for every engine and split",
    )  # fmt: skip
    batch: int | None = setting(
        None, "Most windows in a step.", option="--batch", shown="by engine", ge=1,
        why="patch: 256, as HybridSN; dense: tiles of about 200 x 200 pixels, at most 2048 windows",
    )  # fmt: skip
    initialisation: Literal["own", "glorot"] = setting(
        "own", "Weights before training: the network's own, or glorot, with biases of 0, as Keras has it.",
        why="He's, of HybridSN, suits short trainings; at Adam's constant 1e-3 without batch norm Glorot's is safer",
    )  # fmt: skip
    optimiser: Optimiser = setting(
        "adamw", "adam or adamw.", why="Adam whose weight decay does not depend on the gradient's scale"
    )
    lr: float | None = setting(
        None, "Highest learning rate.", option="--lr", shown="by engine and network", gt=0,
        why="dense: 1.5e-3, without batch norm 2e-3; patch: 1e-3, HybridSN's, and 1e-4 with the schedule step",
    )  # fmt: skip
    lr_schedule: Schedule = setting(
        "one-cycle", "constant, step, cosine, one-cycle or plateau.", option="--lr-schedule",
        why="warm-up lets networks without batch norm start; the decay to zero ends them well",
    )  # fmt: skip
    weight_decay: float = setting(0.01, "Weight decay.", ge=0, why="AdamW's usual value")
    label_smoothing: float = setting(0.0, "Share of each label that is spread over all classes.", ge=0, lt=1)
    balance: float = setting(
        0.5, "Power of the inverse class size that weights the classes: 0 equal pixels, 1 equal classes.", ge=0, le=1,
        why="rare classes count more, by the root of their rarity; it helped OA and AA on a generated scene",
    )  # fmt: skip
    clip: float | None = setting(
        1.0, "Largest norm of the gradient; null: no limit.", gt=0,
        why="a short training at a high rate needs a bound on single steps, above all without batch norm",
    )  # fmt: skip
    augment: bool = setting(
        True, "Random flips and transpositions.", why="the eight symmetries of the square: land has no up or left"
    )
    context_dropout: float | None = setting(
        None, "Largest share of unlabelled pixels that a step removes from the windows.", ge=0, le=1,
        why="1 where the surroundings mislead, so that the network learns to classify without them; else 0",
    )  # fmt: skip
    restore_best: bool = setting(
        False, "Use the epoch of the highest training accuracy, not the last, where no pixels validate.",
        why="the schedule ends at its best; at a constant rate, as of HybridSN's authors, the last may be a bad one",
    )  # fmt: skip
    amp: Literal["auto", "off"] = setting(
        "auto", "bfloat16 in training, and in maps under SE and CBAM, where the device has it.",
        why="where device and network are faster in it; maps of other networks are in float32",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps both say how long a training is: leave one out")
        return self


class MappingSettings(Section):
    """How a map is made. None is yes or no by model and scene, see :mod:`hsi.training.window_selection`."""

    heading = "Mapping"

    symmetries: bool | None = setting(
        None, "Average with the map of the scene after a half turn.", option="--symmetries", shown="yes for HybridSN",
        why="yes: what the network learnt of directions cancels: better probabilities for twice the seconds",
    )  # fmt: skip
    blend: bool | None = setting(
        None, "Average class probabilities over similar neighbours.", option="--blend", shown="by the scene",
        why="except for small fields: similar neighbours are mostly of one class",
    )  # fmt: skip
    spectral: Spectral | None = setting(
        None, "Classifiers to join with: none, discriminant, logistic, pool or filtered.",
        why="pool: linear classifiers and an SVM of the pixel, for small fields and other ground; filtered: a "
        "discriminant and an SVM of components averaged over similar neighbours; both weighted by held-out pixels",
    )  # fmt: skip
    min_area: str | None = setting(
        None, "Smallest area of a class: 0.5ha, 5000m2 or 12px; others join their largest neighbour.",
        option="--min-area", shown="none", metavar="AREA",
        why="a map shows what the classifier found, unless a legend asks for a minimum mapping unit",
    )  # fmt: skip
    calibrate: bool | None = setting(
        None, "Fit the temperature of probabilities on --val pixels.", option="--calibrate",
        shown="yes for HybridSN, on training pixels that are held out where there is no --val",
        why="blending lowers confidence below accuracy, as pixels show that a short second training leaves out",
    )  # fmt: skip


class DenoisingSettings(Section):
    """What is done about noise first. None is the default of the method."""

    heading = "Model"

    method: str | None = setting(
        None, "Denoise the scene first: dncnn, mnf or tv.", option="--denoise", shown="no",
        why="a denoiser also removes signal, so it is left to users who have measured that it helps",
    )  # fmt: skip
    bands: str | None = setting(None, "Bands to denoise: all, noisiest:20, or 104-108,220.", why="all bands")
    stack: int | None = setting(
        None, "dncnn: neighbouring bands that are denoised together, odd.", ge=1,
        why="5: neighbouring bands share their signal and not their noise",
    )  # fmt: skip
    steps: int | None = setting(None, "dncnn: training steps.", ge=1, why="800, two minutes on one core")
    components: int | None = setting(
        None, "mnf: components to reconstruct from.", ge=1, why="those with more signal than noise"
    )
    strength: float | None = setting(
        None, "tv: multiple of the noise of each band.", gt=0, why="0.5: the noise estimate includes texture"
    )

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
    """All that decides a run's result, except its inputs."""

    heading = "Training"

    seed: int = setting(
        0, "Decides split, weights and order.", option="--seed", ge=0, lt=2**32,
        why="decides the split, the first weights, the order of steps and the augmentation",
    )  # fmt: skip
    device: str = setting(
        "auto", "auto, cpu, cuda, cuda:1 or mps.", option="--device", why="CUDA, then Apple's Metal, then the CPU"
    )
    deterministic: bool = setting(
        False, "On CUDA, use only algorithms that give the same numbers each time.",
        why="on CUDA it costs speed; a CPU gives the same numbers each time anyway",
    )  # fmt: skip
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
        given = (self.split.rule or "").startswith("given")  # its raster may hold some
        if self.mapping.calibrate and self.split.validation is None and not given:
            raise ValueError("--calibrate fits on validation pixels: give --val, for example --val 10%")
        return self


class OutputSettings(Section):
    """What is written in addition to a map or a model."""

    heading = "Output"

    stac: bool = setting(False, "Also write STAC Items of the map and model.", option="--stac")


class RunSettings(Section):
    """How a run is carried out, with no effect on its result: not part of a YAML file."""

    heading = "Training"

    checkpoint_seconds: float = setting(30.0, "Seconds between checkpoints of the training; 0: after each step.", ge=0)
    track: Program | None = setting(
        None, "Also report the run to tensorboard or mlflow.", option="--track", metavar="PROGRAM"
    )


@dataclass(frozen=True)
class Declaration:
    """One setting as it is declared: its dotted ``name``, the heading of its section, and its field."""

    name: str
    heading: str
    field: FieldInfo

    @property
    def help(self) -> str:
        """What the setting does, in a sentence."""
        return self.field.description or ""

    def extra(self, key: str) -> str:
        """``why``, ``option``, ``shown`` or ``metavar``; empty where it has none."""
        extra = self.field.json_schema_extra
        return str(extra.get(key, "")) if isinstance(extra, dict) else ""

    @property
    def default(self) -> str:
        """The default in words; empty where it is None and nothing else is meant."""
        value = self.field.default
        return self.extra("shown") or ("" if value is None or value is False else str(value))

    @property
    def kind(self) -> Any:
        """The type that a value has: ``bool``, ``int``, ``float``, ``str`` or ``Path``."""
        return str if self.choices else _alternatives(self.field.annotation)[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that a setting may be; empty where it may be others."""
        return tuple(
            word
            for part in _alternatives(self.field.annotation)
            if get_origin(part) is Literal
            for word in get_args(part)
        )


def _alternatives(annotation: Any) -> list[Any]:
    union = get_origin(annotation) in (Union, types.UnionType)
    return [part for part in get_args(annotation) if part is not type(None)] if union else [annotation]


def declarations(kind: type[Section] = Settings, prefix: str = "") -> Iterator[Declaration]:
    """Every setting of a section and of the sections in it, in order."""
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from declarations(field.annotation, f"{prefix}{name}.")
        else:
            yield Declaration(f"{prefix}{name}", kind.heading, field)


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Settings by their dotted names, without those that are None."""
    values = {entry.name: reduce(getattr, entry.name.split("."), settings) for entry in declarations()}
    return {name: value for name, value in values.items() if value is not None}


def reading_arguments(options: InputSettings) -> list[str]:
    """The options of the commands that read a scene and its labels as these settings do."""
    words = list[str]()
    for setting in declarations(InputSettings):
        value, option = getattr(options, setting.name), setting.extra("option")
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, str(value)]
    return words


def display_name(name: str) -> str:
    """A setting as a message names it: ``--lr (training.lr)``, or ``training.clip`` where it has no option."""
    known = (*declarations(), *declarations(RunSettings, "run."))
    option = next(entry.extra("option") for entry in known if entry.name == name)
    return f"{option} ({name})" if option else name


def parse_assignment(text: str) -> tuple[str, Any]:
    """A setting's name and value from ``section.key=value``; the value is YAML, and plain text for a setting of text.

    Raises :class:`UsageError` for what is no assignment and :class:`UnknownNameError` for a setting that there is not.
    """
    name, equals, value = text.partition("=")
    known = {entry.name: entry for entry in (*declarations(), *declarations(RunSettings, "run."))}
    if name not in known:
        raise UnknownNameError("setting", name, known)
    if not equals:
        raise UsageError(f"{name}: give a value: {name}=VALUE")
    if known[name].kind is str and value not in ("null", "~", ""):
        return name, value
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"{name}: the value {value[:80]!r} is not YAML") from None


def input_settings(known: Collection[str] = tuple(InputSettings.model_fields), /, **given: Any) -> InputSettings:
    """Input settings by name; None is the same as nothing.

    Raises ``TypeError`` for a name that is not ``known``, and :class:`ConfigError` for what does not fit.
    """
    for name in given:
        if name not in known:
            raise TypeError(f"got an unexpected keyword argument '{name}': known: {', '.join(sorted(known))}")
    return validated(InputSettings, {name: value for name, value in given.items() if value is not None})


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
    if path and (made := RECORDED & values.keys()):
        raise ConfigError(
            f"{path}: is a record that hsi wrote (it has {', '.join(sorted(made))}), not a configuration: "
            f"'hsi rerun {shlex.quote(str(path.parent))}' repeats a run"
        )
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
