"""Runs of an experiment that ended, and what they left in their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import SceneFileError
from hsi.experiments.spec import PlannedRun
from hsi.io.geotiff import read_classes
from hsi.report.records import RatedRun, WorkRecord, check_record, read_json
from hsi.splits.split import TEST

MEASURES = {"overall_accuracy": "OA", "average_accuracy": "AA", "kappa": "kappa"}
Replicate = tuple[int, int | None]


@dataclass(frozen=True)
class FinishedRun:
    """A run and what it left in its folder: ``report`` is its accuracy.json, ``record`` its run.json."""

    planned: PlannedRun
    folder: Path
    report: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def seconds(self) -> dict[str, float]:
        """The time of training and of all stages together."""
        stages = self.record["seconds"]
        return {"train": stages["train"], "total": round(sum(stages.values()), 3)}

    @property
    def multiply_adds(self) -> int | None:
        """Those of a network for a pixel, by the engine that mapped; None for a baseline and for older runs."""
        work = self.record.get("multiply_adds")
        return work[self.record["recipe"]["engine"]] if work else None

    @property
    def pixel_seconds(self) -> float | None:
        """Seconds of a core for mapping a pixel of the map, averages over symmetries included; None off the CPU and
        for older runs."""
        pixels = sum(entry["pixels"] for entry in self.report.get("areas", ()))
        spent = self.record.get("cpu_seconds", {}).get("map")
        return spent / pixels if spent and pixels and self.record.get("device") == "cpu" else None

    @property
    def audit(self) -> Mapping[str, Any]:
        """The leakage audit; empty where the split has no test pixel."""
        return self.report["audit"] or {}


@dataclass(frozen=True)
class FailedRun:
    """A run that did not finish, the last line of what it complained of and where the rest is."""

    planned: PlannedRun
    message: str
    log: Path


def read_finished(planned: PlannedRun, folder: Path) -> FinishedRun | None:
    """A finished run from its folder; None where there is none.

    Raises :class:`SceneFileError` for files that are damaged or hold something else.
    """
    places: dict[Path, type[RatedRun | WorkRecord]] = {
        folder / "accuracy.json": RatedRun,
        folder / "run.json": WorkRecord,
    }
    if not all(path.is_file() for path in places):
        return None
    report, record = contents = [read_json(path) for path in places]
    for (path, kind), content in zip(places.items(), contents, strict=True):
        check_record(path, content, kind)
    return FinishedRun(planned, folder, report, record)


def correct_pixels(run: FinishedRun) -> NDArray[np.bool_]:
    """Which test pixels a run's map has right, ``(n,)`` bool in row-major order."""
    split, ids, truth = (read_classes(run.folder / name) for name in ("split.tif", "map.tif", "ground_truth.tif"))
    if not split.shape == ids.shape == truth.shape:
        raise SceneFileError(f"{run.folder}: its map, split and labels are of different sizes: remove it")
    return np.asarray(ids[split == TEST] == truth[split == TEST])
