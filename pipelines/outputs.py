"""What a run leaves in its folder, and what it shows at the end."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table

from .inputs import Inputs
from .plain import plain
from .record import Stopwatch, peak_memory, versions
from .terminal import say, stdout

if TYPE_CHECKING:
    from hsi.config import Settings
    from hsi.inference import Prediction
    from hsi.reducers import Reducer
    from hsi.splits import Split
    from hsi.training import Fitted


def mapped_ids(inputs: Inputs, prediction: Prediction) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Class ids as in the ground truth, ``(H, W)``."""
    ids: np.ndarray[Any, np.dtype[np.int64]] = np.asarray(inputs.labels.table.ids)[prediction.codes]
    return ids


def write_rasters(folder: Path, inputs: Inputs, split: Split, prediction: Prediction) -> None:
    """``map.tif``, ``confidence.tif`` and ``split.tif``."""
    from hsi.rasters import write_band, write_class_map

    where, unusable = inputs.scene.georeference, ~inputs.survey.valid
    ids = mapped_ids(inputs, prediction)
    write_class_map(folder / "map.tif", ids, inputs.labels.table, georeference=where, nodata_mask=unusable)
    confidence = np.where(unusable, np.float32(np.nan), prediction.confidence)
    write_band(
        folder / "confidence.tif", confidence, georeference=where, nodata=float("nan"),
        description="largest class probability",
    )  # fmt: skip
    write_band(
        folder / "split.tif", split.codes(), georeference=where,
        description="0 not used, 1 training, 2 validation, 3 test",
    )  # fmt: skip


def write_report(
    folder: Path, inputs: Inputs, split: Split, prediction: Prediction, fitted: Fitted, report: dict[str, Any]
) -> None:
    """``accuracy.*`` and the figures."""
    from hsi.figures import RunFigures, false_colour, write_figures
    from hsi.tables import write_tables

    write_tables(folder, report)
    scene, labels = inputs.scene, inputs.labels
    figures = RunFigures(
        title=inputs.known_as or scene.name,
        table=labels.table,
        ids=np.where(inputs.survey.valid, mapped_ids(inputs, prediction), labels.background),
        picture=false_colour(scene, inputs.survey.valid),
        truth=labels.values,
        tested=split.test,
        matrix=np.asarray(report["confusion_matrix"]),
        history=[asdict(epoch) for epoch in fitted.history],
    )
    write_figures(folder / "figures", figures)


def describe_run(
    inputs: Inputs, settings: Settings, split: Split, fitted: Fitted, reducer: Reducer, watch: Stopwatch,
    hashes: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Everything needed to know what was run: ``run.json``."""
    scene, labels, survey = inputs.scene, inputs.labels, inputs.survey
    return {
        "command": ["hsi", *sys.argv[1:]],
        "settings": settings.model_dump(),
        "recipe": fitted.recipe.to_dict(),
        "device": str(next(fitted.model.parameters()).device),
        "versions": versions(),
        "seed": settings.seed,
        "inputs": {
            "scene": str(scene.source),
            "variable": scene.variable,
            "labels": str(labels.source),
            "label_variable": labels.variable,
            "sha256": hashes,
            "recognised_as": inputs.known_as,
        },
        "bands": [band + 1 for band in scene.bands],
        "pixels": {
            "invalid": survey.invalid,
            "not_finite": survey.not_finite,
            "nodata": survey.nodata,
            "zero": survey.zero,
        },
        "reducer": f"{reducer.describe()}; fitted on all valid pixels, labelled or not",
        "split": {"rule": split.rule, "hash": split.hash, "warnings": list(split.warnings)},
        "kept_epoch": fitted.epoch,
        "history": [asdict(epoch) for epoch in fitted.history],
        "seconds": watch.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def show_accuracy(report: dict[str, Any]) -> None:
    """The per-class table, then OA, AA, kappa and the audit."""
    title = "accuracy on test pixels (PA producer's, UA user's accuracy)"
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("id", justify="right")
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=30)
    for heading in ("train", "test", "PA", "UA", "F1"):
        table.add_column(heading, justify="right")
    for row in report["classes"]:
        shares = [_percent(row[key]) for key in ("producers_accuracy", "users_accuracy", "f1")]
        table.add_row(str(row["id"]), escape(plain(row["name"])), f"{row['train']:,}", f"{row['test']:,}", *shares)
    stdout.print(table)
    if report["absent_classes"]:
        say("absent", f"no test pixel, left out of AA: {', '.join(report['absent_classes'])}")
    kappa = "undefined" if report["kappa"] is None else f"{report['kappa']:.4f}"
    say(
        "accuracy",
        f"OA {_percent(report['overall_accuracy'])}  AA {_percent(report['average_accuracy'])}  kappa {kappa}",
    )
    if report["audit"]:
        say("audit", report["audit"]["in_words"])


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.2%}"


def show_written(out: Path) -> None:
    """The paths of all that was written, and what to open."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    say("written", f"{len(files)} files in {out}")
    for path in files:
        say("", str(path))
    say("open", f"{out / 'map.tif'} in QGIS, or look at {out / 'figures' / 'map.png'}")
