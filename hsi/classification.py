"""What :func:`hsi.classify` returns: the map with its confidence, the accuracy report, and all that a run writes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core import notebook as markup
from hsi.io.dataarray import class_attributes, map_like, placed
from hsi.report.sections import interval, percent
from hsi.workflows.classify import Assessed, write_run
from hsi.workflows.provenance import StageTimer
from hsi.workflows.run_folder import run_folder

if TYPE_CHECKING:
    import xarray

    from hsi.core.labels import ClassTable, LabelMap
    from hsi.core.scene import Scene
    from hsi.settings import Settings
    from hsi.splits import Split

COMMAND = ("hsi.classify",)  # what run.json names where a command line would be


@dataclass(frozen=True, eq=False)
class Classification:
    """A classified scene.

    ``classes`` ``(H, W)`` are class ids, ``nodata`` where no pixel could be used; ``confidence`` ``(H, W)`` float32 is
    the largest class probability (None for baselines without), ``probabilities`` ``(H, W, C)`` float32 all of them,
    in the order of ``table``, where they were asked for; both are NaN without data. ``report`` is what
    ``accuracy.json`` holds, ``settings`` what the run came to, ``said`` and ``warnings`` what the command would have
    printed, ``folder`` where the run was written.
    """

    scene: Scene
    labels: LabelMap
    classes: NDArray[Any]
    confidence: NDArray[np.float32] | None
    probabilities: NDArray[np.float32] | None
    nodata: int
    report: Mapping[str, Any]
    settings: Settings
    split: Split
    said: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    folder: Path | None
    assessed: Assessed
    watch: StageTimer
    files: Mapping[str, bytes] = field(default_factory=dict)
    array: xarray.DataArray | None = None

    @property
    def table(self) -> ClassTable:
        """Ids, names and colours of the classes."""
        return self.labels.table

    @property
    def overall_accuracy(self) -> float | None:
        """The share of the test pixels that the map has right; None without test pixels."""
        return self._share("overall_accuracy")

    @property
    def average_accuracy(self) -> float | None:
        """The mean of the producer's accuracies of the classes that have test pixels; None without."""
        return self._share("average_accuracy")

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa on the test pixels; None where it is not defined."""
        return self._share("kappa")

    def _share(self, name: str) -> float | None:
        value: float | None = self.report[name]
        return value

    def save(self, out: Path | str, *, overwrite: bool = False) -> Path:
        """Write all that ``hsi classify`` leaves in a run's folder; returns the folder.

        Raises :class:`OutputError` where ``out`` is taken (an earlier run is replaced with ``overwrite``) or cannot be
        written. The folder is complete or not there.
        """
        out = Path(out)
        with run_folder(out, overwrite) as work:
            folder = work.files
            if self.folder is not None:
                shutil.copytree(self.folder, folder, dirs_exist_ok=True)
            else:
                for name, content in self.files.items():
                    (folder / name).write_bytes(content)
                write_run(self.assessed, folder, self.watch, COMMAND)
        return out

    def to_xarray(self) -> xarray.Dataset:
        """``classes``, ``confidence`` and ``probabilities`` with coordinates, CRS and the classes' names.

        Rows and columns are those of the ``DataArray`` that was classified, else y and x of the scene's place. Raises
        :class:`UsageError` unless xarray and rioxarray are installed.
        """
        named = class_attributes(self.table, self.nodata)
        found = self._layer(self.classes, "classes", named).to_dataset()
        if self.confidence is not None:
            found["confidence"] = self._layer(self.confidence, "confidence", {})
        if self.probabilities is not None:
            import xarray as xr

            planes = [self._layer(plane, "probabilities", {}) for plane in np.moveaxis(self.probabilities, 2, 0)]
            found["probabilities"] = xr.concat(planes, xr.Variable("class", list(self.table.names)))
        return found

    def _layer(self, values: NDArray[Any], name: str, attributes: dict[str, Any]) -> xarray.DataArray:
        if self.array is not None:
            return map_like(self.array, values, name, **attributes)
        return placed(values, self.scene.georeference, name, **attributes)

    def __repr__(self) -> str:
        told = f"{self.settings.model.name}, split {self.split.rule}, seed {self.settings.seed}"
        accuracy = f"OA {percent(self.overall_accuracy)} %, AA {percent(self.average_accuracy)} %"
        return f"<Classification of {self.scene.name}: {told}, {accuracy}>"

    def _repr_html_(self) -> str:
        """The accuracies, the classes with their colours, the audit in words, the warnings and a small map."""
        kappa = None if self.kappa is None else f"{self.kappa:.4f}"
        bounds = interval(self.report["intervals"]["overall_accuracy"])
        audit = self.report["audit"]
        rows: list[tuple[str, object]] = [
            (
                "model",
                f"{self.settings.model.name}, {self.settings.model.describe_windows()}, seed {self.settings.seed}",
            ),
            ("split", self.split.rule),
            ("OA %", f"{percent(self.overall_accuracy)} ({bounds})"),
            ("AA %", percent(self.average_accuracy)),
            ("kappa", kappa),
            ("leakage audit", audit["in_words"] if audit else None),
            *(("warning", warning) for warning in self.warnings),
        ]
        cells = [
            (str(c["id"]), c["name"], f"{c['train']:,}", f"{c['test']:,}",
             percent(c["producers_accuracy"]), percent(c["users_accuracy"]))
            for c in self.report["classes"]
        ]  # fmt: skip
        table = markup.render_classes(("id", "class", "train", "test", "PA %", "UA %"), cells, self.table.colours)
        pixels = markup.colour_classes(self.classes, self.table.ids, self.table.colours)
        properties = markup.render_properties(f"Classification of {self.scene.name}", rows)
        return properties + table + markup.render_picture(pixels, "class map")
