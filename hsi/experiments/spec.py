"""Experiments: which settings, splits and seeds are compared on a scene, and the runs that this comes to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from hsi.core.files import find_config, find_shipped
from hsi.errors import ConfigError, UnknownNameError, UsageError
from hsi.io.benchmark_scenes import locate_split
from hsi.io.formats.gdal import is_remote, remote_name
from hsi.io.masks import mask_file
from hsi.settings import (
    OF_EVERY_MODEL,
    InputSettings,
    Section,
    Settings,
    SplitSettings,
    read_yaml,
    settings_values,
    validated,
)
from hsi.splits import expand_folds
from hsi.version import __version__

LARGEST_SEED = 2**32 - 1
OF_NETWORKS = ("device", "reducer", "training", "mapping")  # settings that a baseline mostly has no use for
# of the input, in every key; others only where they are given, so that runs from before they were added keep their keys
FIRST_OPTIONS = frozenset(
    {"label_variable", "background", "label_field", "label_layer", "all_touched", "align"}
    | {"variable", "drop_bands", "drop_wavelengths", "keep_bad_bands"}
)
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f,]*\w[^\x00-\x1f,]*$")]
Values = Mapping[str, Any]


class SceneInput(InputSettings):
    """A scene, its labels and how to read both: what ``hsi classify`` takes. Paths are relative to the working folder;
    in a file, a path alone is short for a scene with default reading."""

    path: Path

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, (str, Path)) else value


class Published(Section):
    """What others report for a row: the overall accuracy as they print it, where, and under which split of the
    experiment (None: under each)."""

    accuracy: str
    source: str
    split: str | None = None


class Row(Section):
    """One line of the comparison: settings that differ from the shared ones, over those of ``config``, a YAML file of
    settings or the name of one that comes with this package."""

    name: Name
    config: Path | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    published: Published | None = None

    @model_validator(mode="before")
    @classmethod
    def _settings_of_config(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("config"), (str, Path)):
            return value
        own = value.get("settings") or {}
        if not isinstance(own, dict):
            return value
        return {**value, "settings": merged(settings_values(find_config(Path(value["config"]))), own)}


class NamedSplit(SplitSettings):
    """A split that every row is run with."""

    name: Name


class Experiment(Section):
    """What is compared on which scene. A row's settings win over those of a split, and these over the shared ones.

    Of the shared settings, ``device``, ``reducer``, ``training`` and ``mapping``, but for its ``min_area``, are for the
    networks where rows of networks and of baselines are mixed. Without ``splits`` that of the shared settings is used.
    """

    title: str = Field(min_length=1)
    scene: SceneInput
    seeds: tuple[int, ...] = tuple(range(5))
    settings: dict[str, Any] = Field(default_factory=dict)
    splits: tuple[NamedSplit, ...] = ()
    rows: tuple[Row, ...] = Field(min_length=1)

    @field_validator("seeds", mode="before")
    @classmethod
    def _number_of_seeds(cls, value: Any) -> Any:
        return range(_checked_count(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("seeds")
    @classmethod
    def _seeds_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return _checked_seeds(seeds)

    @model_validator(mode="after")
    def _names_once(self) -> Experiment:
        for kind, names in (("row", [row.name for row in self.rows]), ("split", [one.name for one in self.splits])):
            twice = [name for name in names if [slug(other) for other in names].count(slug(name)) > 1]
            if twice:
                raise ValueError(
                    f"the {kind} names {' and '.join(map(repr, twice[:2]))} give the same names of files: choose others"
                )
        return self

    @model_validator(mode="after")
    def _published_under_a_split(self) -> Experiment:
        known = [split.name for split in self.splits]
        for row in self.rows:
            under = row.published.split if row.published else None
            if under is not None and under not in known:
                raise ValueError(str(UnknownNameError(f"split in what is published for {row.name}", under, known)))
        return self

    @model_validator(mode="after")
    def _no_seed_in_settings(self) -> Experiment:
        if any("seed" in values for values in (self.settings, *(row.settings for row in self.rows))):
            raise ValueError("a seed among the settings has no use: list the seeds under 'seeds'")
        return self


@dataclass(frozen=True)
class PlannedRun:
    """One run: ``values`` are the settings that were given (nested, the rest is default), ``settings`` all of them."""

    row: str
    split: str
    values: Values
    settings: Settings

    @property
    def replicate(self) -> tuple[int, int | None]:
        """The seed and the fold: runs of one split that may be paired have these in common."""
        return self.settings.seed, self.settings.split.fold

    @property
    def name(self) -> str:
        """Row, split, seed and fold as a name for files."""
        seed, fold = self.replicate
        parts = [slug(self.row), slug(self.split), f"seed{seed}", *([] if fold is None else [f"fold{fold}"])]
        return "-".join(parts)


def slug(name: str) -> str:
    """A name as lower-case letters, digits and hyphens, for files; + is spelled out because rows may differ by it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", " plus ")).strip("-") or "unnamed"


def find_experiment(path: Path) -> Path:
    """The file itself, or one that comes with this package when only its name is given, such as ``ablation``."""
    return find_shipped(path, "experiments")


def load_experiment(path: Path) -> Experiment:
    """An experiment from a YAML file; raises :class:`ConfigError` with the file for what does not fit."""
    return validated(Experiment, read_yaml(path), str(path))


def scene_experiment(scene: Values, models: Sequence[str], settings: Values) -> Experiment:
    """The experiment that compares models with the same settings on a scene; raises :class:`ConfigError`."""
    rows = [{"name": name, "settings": {"model": {"name": name}}} for name in models]
    values = {"title": Path(scene["path"]).stem, "scene": scene, "settings": settings, "rows": rows}
    return validated(Experiment, values, "models")


def parse_seeds(seeds: str | int | Iterable[int]) -> tuple[int, ...]:
    """Seeds from 0 on for a number of them, 5 or ``"5"``; ``"0,3,7"`` and ``[0, 3, 7]`` are these, ``"7,"`` is one.

    Raises :class:`UsageError` for anything else.
    """
    text = str(seeds) if isinstance(seeds, (str, int)) else "".join(f"{seed}," for seed in seeds)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(re.fullmatch(r"[0-9]{1,10}", word) for word in words):
        raise UsageError(f"seeds: takes a number of seeds such as 5 or a list such as 0,3,7, found '{text}'")
    try:
        return _checked_seeds([int(word) for word in words] if "," in text else range(_checked_count(int(text))))
    except ValueError as error:
        raise UsageError(f"seeds: {error}") from None


def _checked_count(count: int) -> int:
    if not 1 <= count <= 1000:
        raise ValueError(f"the number of seeds lies between 1 and 1000, found {count}")
    return count


def _checked_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    listed = tuple(seeds)
    wrong = [seed for seed in listed if not 0 <= seed <= LARGEST_SEED]
    if wrong or not listed:
        raise ValueError(f"seeds lie between 0 and {LARGEST_SEED}, found {wrong[0] if wrong else 'none'}")
    if len(set(listed)) < len(listed):
        raise ValueError(f"a seed is listed twice: {', '.join(map(str, listed))}")
    return listed


def choose_rows(experiment: Experiment, names: Sequence[str]) -> Experiment:
    """The experiment with these rows alone; raises :class:`UnknownNameError` for a name that no row has."""
    known = [row.name for row in experiment.rows]
    for name in names:
        if name not in known:
            raise UnknownNameError("row", name, known)
    return experiment.model_copy(update={"rows": tuple(row for row in experiment.rows if row.name in names)})


def plan_runs(experiment: Experiment, where: str) -> tuple[PlannedRun, ...]:
    """Every run, seed by seed; a k-fold split that names no fold gives one for each.

    Raises :class:`UsageError` that names ``where``, the row and the split for settings that do not fit.
    """
    networks = [row for row in experiment.rows if not _is_baseline(row, experiment.settings)]
    runs: list[PlannedRun] = []
    for split in experiment.splits or (None,):
        of_split = {} if split is None else {"split": split.model_dump(exclude_unset=True, exclude={"name"})}
        for row in experiment.rows:
            shared = experiment.settings
            if networks and row not in networks:
                shared = _of_every_model(shared)
            name = split.name if split else _rule_of(shared)
            place = f"{where}: row '{row.name}', split '{name}'"
            values = merged(shared, of_split, row.settings)
            runs += (PlannedRun(row.name, name, *one) for one in _folds(values, shared, experiment.scene, place, where))
    return tuple(_with_seed(run, seed) for seed in experiment.seeds for run in runs)


def _of_every_model(values: Values) -> dict[str, Any]:
    """Settings without those that are for networks."""
    result: dict[str, Any] = {}
    for section, given in values.items():
        if section not in OF_NETWORKS:
            result[section] = given
        elif isinstance(given, Mapping):
            own = {name: value for name, value in given.items() if f"{section}.{name}" in OF_EVERY_MODEL}
            result |= {section: own} if own else {}
    return result


def _rule_of(values: Values) -> str:
    split = values.get("split")
    rule = split.get("rule") if isinstance(split, Mapping) else None
    return str(rule or "random")


def _is_baseline(row: Row, shared: Values) -> bool:
    from hsi.baselines import BASELINES

    model = merged(shared, row.settings).get("model")
    return isinstance(model, Mapping) and model.get("name") in list(BASELINES)


def _folds(values: Values, shared: Values, scene: SceneInput, place: str, where: str) -> list[tuple[Values, Settings]]:
    """The values and settings of a row and split, once for each fold to run; published splits have their files."""
    try:
        settings = validated(Settings, values)
        located = locate_split(settings, (scene.path, scene.labels))
        if located is not settings:
            settings, values = located, merged(values, {"split": {"rule": "given", "given": located.split.given}})
        folds = expand_folds(settings)
    except UsageError as error:
        raise ConfigError(f"{_blamed(error, shared, place, where)}: {error}") from None
    return [(merged(values, {"split": {"fold": one.split.fold}} if len(folds) > 1 else {}), one) for one in folds]


def _blamed(error: UsageError, shared: Values, place: str, where: str) -> str:
    """Where a mistake is: in the shared settings when these alone make it, too."""
    try:
        validated(Settings, shared)
    except ConfigError as alone:
        return f"{where}: settings" if str(alone) == str(error) else place
    return place


def _with_seed(run: PlannedRun, seed: int) -> PlannedRun:
    settings = run.settings.model_copy(update={"seed": seed})
    return replace(run, values={"seed": seed, **run.values}, settings=settings)


def merged(*layers: Values) -> dict[str, Any]:
    """Nested values on top of each other, the last layer first in rank."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = result.get(name)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                value = merged(below, value)
            result[name] = value
    return result


def run_key(settings: Settings, scene: SceneInput, contents: Iterable[str]) -> str:
    """Eight hexadecimal digits for all that decides a run: settings, how the scene is read, the SHA-256 of every input
    file and this version. Where the files lie plays no part, but for a scene behind a network."""
    fields = SceneInput.model_fields.items()
    later = {name for name, field in fields if name not in FIRST_OPTIONS and getattr(scene, name) == field.default}
    read = scene.model_dump(mode="json", exclude={"path", "labels", "georef", "mask", "wavelengths", *later})
    # by their names, because of two masks each has another effect
    read |= {name: path.name for name in ("aoi", "mask_out", "wavelengths") if (path := getattr(scene, name))}
    if scene.mask and (bits := mask_file(scene.mask)[1]):
        read["mask"] = bits
    if is_remote(scene.path):  # its contents have no hash
        read["path"] = remote_name(scene.path).partition("?")[0]  # without a signature
    # a choice that changes nothing on a CPU; runs from before there was one keep their keys
    values = settings.model_dump(mode="json", exclude=None if settings.deterministic else {"deterministic"})
    known = {"settings": values, "read": read, "files": sorted(contents), "hsi": __version__}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:8]
