"""Measure how the calibration of finished runs depends on the temperature of their probabilities: give it run folders.

Each model maps its scene again; the probabilities of the test pixels, without the temperature that the model has, are
divided by each of ``TEMPERATURES``. Runs that differ by their seed alone are one row.
"""

from __future__ import annotations

import json
import platform
import re
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

import hsi
from benchmarks.report import RESULTS, write_results
from hsi.accuracy.calibration import measure_calibration
from hsi.inference.model_file import load_model
from hsi.io.geotiff import read_classes

TEMPERATURES = (0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
TEST = 3  # in split.tif


def scores_of_test(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logarithms ``(C, n)`` of the probabilities of a run's test pixels at temperature 1, and which are right."""
    model, record = folder / "model.safetensors", json.loads((folder / "run.json").read_text())
    mapped = hsi.predict(model, record["inputs"]["scene"], probabilities=True)
    test = read_classes(folder / "split.tif") == TEST
    right = (read_classes(folder / "map.tif") == read_classes(folder / "ground_truth.tif"))[test]
    probabilities = np.asarray(mapped.probabilities, np.float64)[test].T
    return np.log(np.maximum(probabilities, 1e-12)) * load_model(model).temperature, right


def calibration_errors(runs: list[Path]) -> dict[str, Any]:
    """Expected calibration errors at each temperature: the mean of the runs, and that of the pixels of all together."""
    tests = [scores_of_test(folder) for folder in runs]
    right = np.concatenate([of_run for _, of_run in tests])
    row: dict[str, Any] = {"runs": len(runs), "accuracy": float(np.mean([of_run.mean() for _, of_run in tests]))}
    for temperature in TEMPERATURES:
        confidence = [softmax(scores / temperature, axis=0).max(axis=0) for scores, _ in tests]
        errors = [measure_calibration(*pair) for pair in zip(confidence, (of_run for _, of_run in tests), strict=True)]
        joint = measure_calibration(np.concatenate(confidence), right)
        assert joint is not None
        row[f"{temperature:g}"] = {
            "mean": float(np.mean([found["error"] for found in errors if found])), "all": joint["error"],
        }  # fmt: skip
    return row


def table(record: dict[str, Any]) -> str:
    """The results for people."""
    heads = [f"{temperature:g}" for temperature in TEMPERATURES]
    lines = [
        "# Calibration by the temperature of probabilities\n",
        "Expected calibration error of test pixels in percent: the mean of the runs, and in brackets that of all "
        f"their pixels. {record['machine']}, PyTorch {record['torch']}, {record['date']}.\n",
        f"| runs | OA | temperature {' | '.join(heads)} |",
        f"|---|---:|{'---:|' * len(heads)}",
    ]
    for name, row in record["rows"].items():
        cells = [f"{100 * row[head]['mean']:.1f} ({100 * row[head]['all']:.1f})" for head in heads]
        lines.append(f"| {name}, {row['runs']} seeds | {100 * row['accuracy']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "temperatures.json", show_default=True)
def main(folders: tuple[Path, ...], out: Path) -> None:
    """Measure the calibration of run FOLDERS, such as those of hsi compare, at several temperatures."""
    rows: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        name = f"{folder.parent.parent.name}: {re.sub(r'-seed[0-9]+.*', '', folder.name)}"
        rows[name.replace("-", " ").replace("_", " ")].append(folder)
    record: dict[str, Any] = {
        "temperatures": TEMPERATURES, "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__, "date": date.today().isoformat(),
        "rows": {name: calibration_errors(runs) for name, runs in rows.items()},
    }  # fmt: skip
    write_results(out, record, table(record))


if __name__ == "__main__":
    main()
