"""The ``run.json`` and ``accuracy.json`` of a finished run, checked, since folders are exchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hsi.core.labels import LARGEST_ID
from hsi.errors import ConfigError, SceneFileError
from hsi.settings import validated

Count = Annotated[int, Field(ge=0, le=10**15)]
Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """The fields of a JSON file that are read again; others are ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Record)


class ClassRecord(Record):
    """A class of the table."""

    id: int = Field(ge=0, le=LARGEST_ID)
    name: str


class BinRecord(Record):
    """Pixels of similar confidence."""

    low: Share
    high: Share
    pixels: Count
    confidence: Share | None
    accuracy: Share | None

    @model_validator(mode="after")
    def _known_where_there_are_pixels(self) -> BinRecord:
        if self.pixels and (self.confidence is None or self.accuracy is None):
            raise ValueError("a bin with pixels has no confidence or accuracy")
        return self


class CalibrationRecord(Record):
    """The reliability of a map."""

    pixels: int = Field(ge=1, le=10**15)
    error: Share
    bins: tuple[BinRecord, ...]


class AccuracyRecord(Record):
    """What figures are drawn from of an ``accuracy.json``."""

    classes: tuple[ClassRecord, ...] = Field(min_length=1)
    confusion_matrix: tuple[tuple[Count, ...], ...]
    calibration: CalibrationRecord | None = None

    @model_validator(mode="after")
    def _square(self) -> AccuracyRecord:
        classes = len(self.classes)
        if [len(row) for row in self.confusion_matrix] != [classes] * classes:
            raise ValueError(f"the confusion matrix is not one of {classes} classes")
        if sorted({entry.id for entry in self.classes}) != [entry.id for entry in self.classes]:
            raise ValueError("the ids of the classes do not rise")
        return self


Amount = Annotated[float, Field(ge=0, le=1e18)]


class RatedClass(ClassRecord):
    """A class and its accuracy."""

    producers_accuracy: Share | None


class AuditRecord(Record):
    """The leakage audit of a run."""

    position_accuracy: Share | None = None
    contains_training: Share | None = None
    leak_free: Count | None = None
    leak_free_accuracy: Share | None = None
    test: Count | None = None


class AreaRecord(Record):
    """A class of the map."""

    pixels: Count


class RatedRun(Record):
    """What is compared of an ``accuracy.json``."""

    overall_accuracy: Share | None
    average_accuracy: Share | None
    kappa: Annotated[float, Field(ge=-1, le=1)] | None
    split: str
    split_hash: str
    classes: tuple[RatedClass, ...] = Field(min_length=1)
    audit: AuditRecord | None
    areas: tuple[AreaRecord, ...] = ()


class MachineRecord(Record):
    """Where a run was made."""

    processor: str
    threads: int
    cores: int


class WorkRecord(Record):
    """What is compared of a ``run.json``: its cost and how it was made."""

    command: tuple[str, ...]
    settings: dict[str, Any]
    seconds: dict[str, Amount]
    cpu_seconds: dict[str, Amount] = {}
    peak_memory_bytes: Amount = 0  # absent in records of older versions
    parameters: Count | None = None
    weight_bytes: Count | None = None
    multiply_adds: dict[str, Count] | None = None
    recipe: dict[str, Any] = {}
    machine: MachineRecord | None = None
    device: str = "cpu"

    @model_validator(mode="after")
    def _complete(self) -> WorkRecord:
        if "train" not in self.seconds:
            raise ValueError("the seconds of the training are missing")
        if self.multiply_adds is not None and self.recipe.get("engine") not in self.multiply_adds:
            raise ValueError("the multiply-adds are those of another engine")
        return self


class EpochRecord(Record):
    """An epoch of the history."""

    epoch: Count
    loss: float
    accuracy: Share
    lr: float
    validation_accuracy: Share | None = None


class InputsRecord(Record):
    """The scene, the ``parts`` that it is joined from, the ``window`` of it (first row and column, height and width) of
    an area of interest, and its labels."""

    scene: str
    parts: tuple[str, ...] = ()
    asset: str | None = None
    variable: str | None = None
    axes: str | None = None
    window: tuple[Count, Count, Count, Count] | None = None
    sha256: dict[str, str] = {}
    title: str | None = None
    recognised_as: str | None = None
    wavelengths_nm: tuple[float, ...] | None = None


class BandsRecord(Record):
    """The bands that were used, counted from 1."""

    used: tuple[Annotated[int, Field(ge=1, le=10**6)], ...] = Field(alias="kept")


class PixelsRecord(Record):
    """Pixels of a map: how many, and their runs in words (:mod:`hsi.inference.training_pixels`)."""

    pixels: Count
    runs: str


class MapRecord(Record):
    """What is read of the JSON file of a map: the files that trained its model by SHA-256, and where on the map."""

    trained_on: dict[str, str] = {}
    training_pixels: PixelsRecord | None = None


class RunRecord(Record):
    """What is read of a ``run.json`` to draw or repeat its run; ``asked`` is None where it cannot be repeated."""

    inputs: InputsRecord
    bands: BandsRecord
    history: tuple[EpochRecord, ...] | None = None
    asked: dict[str, Any] | None = None
    denoising: dict[str, Any] | None = None
    versions: dict[str, Any] = {}
    machine: dict[str, Any] = {}

    @model_validator(mode="after")
    def _a_wavelength_for_each_band(self) -> RunRecord:
        wavelengths = self.inputs.wavelengths_nm
        if wavelengths and len(wavelengths) != len(self.bands.used):
            raise ValueError(f"{len(wavelengths)} wavelengths are given for {len(self.bands.used)} bands")
        return self


def read_record(path: Path, kind: type[Kind]) -> Kind:
    """The record in a JSON file. Raises :class:`SceneFileError` for a file that is missing or is no such record."""
    return check_record(path, read_json(path), kind)


def check_record(path: Path, content: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """The record in the content of a JSON file; raises :class:`SceneFileError` for what is no such record."""
    try:
        return validated(kind, content)
    except ConfigError as error:
        raise SceneFileError(f"{path}: is damaged, or of another version of hsi: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A mapping from a JSON file; raises :class:`SceneFileError` for a file that is missing or holds no mapping."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SceneFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise SceneFileError(f"{path}: is damaged, expected JSON ({error})") from error
    if not isinstance(content, dict):
        raise SceneFileError(f"{path}: is damaged, expected a JSON object")
    return content
