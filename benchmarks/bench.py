"""Measure the dense engine against the patch engine on this machine: ``make bench``.

All figures of a table come from one process, after a warm-up; medians over repeats, and ratios within the run. The
patch engine needs minutes a map on a CPU, so it is timed once on the whole scene, or on ``--patch-rows`` of it, and as
other tools run it: without keeping freed memory, which the commands do for both engines.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from report import write_results

from hsi.config import ReducerSettings, TrainingSettings
from hsi.devices import describe_device, resolve_device
from hsi.heap import kept_memory
from hsi.inference import tile_scores
from hsi.models import build_model
from hsi.readers import open_labels, open_scene
from hsi.reducers import fit_reducer, reduce_scene
from hsi.splits import make_split, parse_amount
from hsi.training import Trainer
from hsi.windows import pad_scene

RESULTS = Path(__file__).parent / "results"


def median_seconds(work: Callable[[], Any], repeats: int, warm_up: bool = True) -> float:
    """Median wall time of a piece of work, after one run that does not count."""
    if warm_up:
        work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def scores_of(model: Any, components: Any, device: torch.device, engine: str) -> torch.Tensor:
    """Scores of all pixels, ``(classes, H, W)``."""
    scores = torch.empty(model.classes, *components.shape[1:])
    for block, part in tile_scores(model, components, device=device, engine=engine):
        rows, columns = block.slices
        scores[:, rows, columns] = part.cpu()
    return scores


def bench_map(
    name: str, components: Any, classes: int, device: torch.device, repeats: int, rows: int
) -> dict[str, Any]:
    """Seconds for a whole map by either engine, and how far the scores differ on the rows that both have done."""
    model = build_model(name, components=len(components), window=25, classes=classes)
    height = components.shape[1]
    rows = rows or height
    with kept_memory():
        dense = median_seconds(lambda: scores_of(model, components, device, "dense"), repeats)
    top = np.ascontiguousarray(components[:, :rows])
    scores: list[torch.Tensor] = []
    patch = median_seconds(lambda: scores.append(scores_of(model, top, device, "patch")), 1, warm_up=False)
    compare = scores_of(model, top, device, "dense")
    return {
        "model": name,
        "dense_s": dense,
        "patch_s": patch * height / rows,
        "patch_rows": rows,
        "ratio": patch * height / rows / dense,
        "largest_difference": float((scores[0] - compare).abs().max()),
        "same_class": float((scores[0].argmax(0) == compare.argmax(0)).float().mean()),
    }


def bench_training(name: str, scene: Any, device: torch.device, repeats: int) -> dict[str, Any]:
    """Seconds for one pass over all training pixels, forward and backward, by either engine."""
    components, labels, split = scene
    seconds = {}
    for engine, amp in (("patch", "off"), ("dense", "off"), ("dense", "auto")):
        model = build_model(name, components=len(components), window=25, classes=len(labels.table))
        settings = TrainingSettings(engine=engine, amp=amp, epochs=repeats + 1, lr_schedule="constant")
        nothing = np.zeros_like(split.train)
        padded = pad_scene(torch.from_numpy(components), 25).numpy()
        trainer = Trainer(
            model, padded, labels.codes(), split.train, nothing, settings, device=device, seed=0
        )  # fmt: skip
        once = engine == "patch"
        with nullcontext() if once else kept_memory():
            seconds[f"{engine}_{amp}"] = median_seconds(lambda t=trainer: t._epoch(1), 1 if once else repeats, not once)
    return {
        "model": name,
        "patch_s": seconds["patch_off"],
        "dense_float32_s": seconds["dense_off"],
        "dense_s": seconds["dense_auto"],
        "ratio": seconds["patch_off"] / seconds["dense_auto"],
    }


def bench_start(repeats: int) -> dict[str, float]:
    """Seconds for a command that only starts."""
    hsi = [sys.executable, "-m", "pipelines.cli"]
    root = Path(__file__).parent.parent
    return {
        "hsi --help": median_seconds(
            lambda: subprocess.run([*hsi, "--help"], cwd=root, check=True, capture_output=True), repeats
        )
    }


def to_markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    lines = [f"Measured {record['date']} on {record['device']}, torch {record['torch']}, {record['scene']}.", ""]
    lines += ["| map | patch engine | dense engine | ratio | largest difference of scores | same class |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for row in record["map"]:
        lines.append(
            f"| {row['model']} | {row['patch_s']:.1f} s | {row['dense_s']:.2f} s | {row['ratio']:.0f} × "
            f"| {row['largest_difference']:.1e} | {row['same_class']:.2%} |"
        )
    lines += ["", "| one training pass | patch engine | dense, float32 | dense, bfloat16 | ratio |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for row in record["training"]:
        lines.append(
            f"| {row['model']} | {row['patch_s']:.1f} s | {row['dense_float32_s']:.2f} s | {row['dense_s']:.2f} s "
            f"| {row['ratio']:.0f} × |"
        )
    lines += [""] + [f"`{name}`: {seconds:.2f} s" for name, seconds in record["start"].items()]
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--scene", "path", type=click.Path(path_type=Path), default=Path("data/indian_pines.mat"))
@click.option("--models", default="hybridsn,hybridsn-bn,hybridsn-se,hybridsn-cbam", show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--patch-rows", default=0, help="Rows of the scene for the patch engine, scaled up; 0 is all of them.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "engines.json", show_default=True)
def main(path: Path, models: str, repeats: int, patch_rows: int, device: str, out: Path) -> None:
    """Time both engines on a scene and write the figures as JSON and Markdown."""
    where = resolve_device(device)
    scene = open_scene(path)
    labels = open_labels(None, scene)
    valid = np.ones(labels.values.shape, bool)
    reducer = fit_reducer(scene, ReducerSettings(components=30), valid)
    components = reduce_scene(scene, reducer, valid)
    split = make_split(labels, train=parse_amount("10%"), seed=0)
    record: dict[str, Any] = {
        "date": date.today().isoformat(),
        "device": describe_device(where) + f", {platform.machine()}",
        "torch": torch.__version__,
        "scene": f"{path.stem} {scene.height} × {scene.width}, {reducer.components} components, window 25",
        "map": [],
        "training": [],
    }
    names = models.split(",")
    for name in names:
        click.echo(f"map {name}", err=True)
        record["map"].append(bench_map(name, components, len(labels.table), where, repeats, patch_rows))
    for name in names[1:3]:
        click.echo(f"train {name}", err=True)
        record["training"].append(bench_training(name, (components, labels, split), where, repeats))
    record["start"] = bench_start(repeats)
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
