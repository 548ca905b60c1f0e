"""Measure what dropout left on at test time does to the accuracy of trained networks: give it run folders.

Forgetting ``model.eval()`` makes every test of one and the same network different. The network of each run folder is
tested once as it should be, and ``--repeats`` times with dropout on and all else as it should be (batch norm takes its
stored statistics); the maps are neither averaged over symmetries nor blended.
"""

from __future__ import annotations

import platform
import statistics
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from benchmarks.report import RESULTS, write_results
from hsi.core.scene import survey_scene
from hsi.inference.model_file import load_model
from hsi.io import open_labels, open_scene
from hsi.io.geotiff import read_classes
from hsi.models.windows import gather_windows
from hsi.preprocessing.reducers import reduce_scene

WINDOWS = 1024  # classified at a time


@torch.no_grad()
def accuracy(model: Any, features: torch.Tensor, rows: Any, columns: Any, codes: np.ndarray) -> float:
    """OA in percent of the head at pixels, in the mode that the model is in."""
    right = 0
    for start in range(0, len(codes), WINDOWS):
        part = slice(start, start + WINDOWS)
        windows = gather_windows(features, rows[part], columns[part], model.head_window)
        right += int((model.head(windows).argmax(1).numpy() == codes[part]).sum())
    return 100 * right / len(codes)


@torch.no_grad()
def test_run(folder: Path, scene_path: Path, repeats: int) -> dict[str, Any]:
    """OA of a run's network on its test pixels, without and with dropout."""
    saved, scene = load_model(folder / "model.safetensors"), open_scene(scene_path)
    labels, model = open_labels(None, scene), saved.model.eval()
    test = read_classes(folder / "split.tif") == 3
    padded = reduce_scene(scene, saved.reducer, survey_scene(scene).valid, margin=model.window // 2)
    rows, columns = map(torch.from_numpy, np.nonzero(test))
    pixels = (model.trunk(torch.from_numpy(padded)[None])[0], rows, columns, labels.codes()[test])
    once = accuracy(model, *pixels)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    torch.manual_seed(0)
    return {"run": folder.name, "eval": once, "dropout": [accuracy(model, *pixels) for _ in range(repeats)]}


def table(rows: list[dict[str, Any]], record: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Dropout left on at test time\n",
        f"One trained network a line, tested on the same pixels: once in `eval()`, and {record['repeats']} times with "
        f"dropout on. OA in percent; {record['machine']}, PyTorch {record['torch']}, {record['date']}.\n",
        "| run | `eval()`, every time | dropout on: mean ± sd | lowest | highest |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        values = row["dropout"]
        spread = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"
        lines.append(f"| {row['run']} | {row['eval']:.2f} | {spread} | {min(values):.2f} | {max(values):.2f} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--scene", type=click.Path(path_type=Path, exists=True), default="data/indian_pines.mat", show_default=True
)
@click.option("--repeats", type=click.IntRange(2), default=10, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "dropout_at_test.json", show_default=True)
def main(folders: tuple[Path, ...], scene: Path, repeats: int, out: Path) -> None:
    """Test the networks of run FOLDERS with and without dropout."""
    record: dict[str, Any] = {
        "repeats": repeats, "machine": platform.processor() or platform.machine(), "torch": torch.__version__,
        "date": date.today().isoformat(),
    }  # fmt: skip
    record["runs"] = [test_run(folder, scene, repeats) for folder in folders]
    write_results(out, record, table(record["runs"], record))


if __name__ == "__main__":
    main()
