"""Run ``hsi classify`` over models and seeds and write mean and standard deviation: ``python benchmarks/accuracy.py``.

Finished runs are kept and not run again, so the command can be repeated until all are there.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click
from report import write_results

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
MEASURES = {"OA": "overall_accuracy", "AA": "average_accuracy", "kappa": "kappa"}


def run(scene: Path, model: str, seed: int, train: str, runs: Path) -> dict[str, Any]:
    """The accuracy of one run, made now unless it is there."""
    out = (runs / f"{model}-{train.rstrip('%')}-seed{seed}").resolve()
    if not (out / "run.json").exists():
        options = ["--model", model, "--seed", str(seed), "--train", train, "--out", str(out)]
        command = [sys.executable, "-m", "pipelines.cli", "classify", str(scene.resolve()), *options]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    report = json.loads((out / "accuracy.json").read_text(encoding="utf-8"))
    figures = {name: report[key] for name, key in MEASURES.items()}
    return figures | {"seed": seed, "position_only": report["audit"]["position_accuracy"]}


def to_markdown(record: dict[str, Any]) -> str:
    """The record as a table of percent, mean and standard deviation over seeds."""
    lines = [f"`{record['command']}`, {record['date']}, seeds {record['seeds']}, {record['versions']}.", ""]
    lines += [
        "| model | OA (%) | AA (%) | kappa × 100 | OA of each seed | AA of each seed |",
        "|---|---:|---:|---:|---|---|",
    ]
    for name, runs in record["models"].items():
        cells = [spread([100 * run[key] for run in runs]) for key in MEASURES]
        each = (", ".join(f"{100 * run[key]:.2f}" for run in runs) for key in ("OA", "AA"))
        lines.append(f"| {name} | {' | '.join(cells)} | {' | '.join(each)} |")
    baseline = [100 * run["position_only"] for run in next(iter(record["models"].values()))]
    lines += [f"| position-only nearest neighbour (audit) | {spread(baseline)} | | | | |"]
    return "\n".join(lines) + "\n"


def spread(values: list[float]) -> str:
    """Mean ± standard deviation; one value as it is."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


@click.command()
@click.option("--scene", type=click.Path(path_type=Path), default=Path("data/indian_pines.mat"), show_default=True)
@click.option("--models", default="hybridsn-bn,hybridsn-se", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--train", default="10%", show_default=True)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs/accuracy"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "indian_pines.json", show_default=True)
def main(scene: Path, models: str, seeds: int, train: str, runs: Path, out: Path) -> None:
    """Run every model with every seed from 0 and write the accuracies as JSON and Markdown."""
    import torch

    from hsi.version import __version__

    found = {name: [run(scene, name, seed, train, runs) for seed in range(seeds)] for name in models.split(",")}
    record = {
        "command": f"hsi classify {scene} --model MODEL --train {train} --seed SEED",
        "date": date.today().isoformat(),
        "seeds": ", ".join(map(str, range(seeds))),
        "versions": f"hsi {__version__}, torch {torch.__version__}",
        "models": found,
    }
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
