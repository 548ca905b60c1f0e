"""Compare the default recipe with other classifiers on generated scenes like those of a coarse sensor.

Fields are about three pixels wide with mixed borders, and noise rises at the ends of the spectrum: a network's window
covers several fields. Each seed generates a scene and splits it. Generated scenes do not predict the accuracy on real
ones; they show whether a method is misled by the surroundings of a pixel.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click
from scipy.io import savemat

from benchmarks.report import RESULTS, run_hsi, write_results
from hsi.core.synthetic import make_scene

SCENE: dict[str, Any] = {
    "height": 110,
    "width": 110,
    "bands": 200,
    "classes": 6,
    "field": 3,
    "noise": 0.08,
    "labelled_share": 0.35,
}


def run_seed(seed: int, models: str, work: Path, jobs: int) -> dict[str, Any]:
    """One scene, one run for each model: the record of ``hsi compare``."""
    cube, truth, _ = make_scene(**SCENE, seed=seed)
    path, out = work / f"coarse{seed}.mat", work / f"compare{seed}"
    savemat(path, {"cube": cube, "gt": truth})
    run_hsi("compare", path, "--models", models, "--train", "20%", "--seeds", f"{seed},", "--jobs", jobs, "--out", out)
    record: dict[str, Any] = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return record


def accuracies(record: dict[str, Any]) -> dict[str, float]:
    """OA in percent by row."""
    return {run["row"]: 100 * run["overall_accuracy"] for run in record["runs"]}


def table(accuracy: dict[str, list[float]], record: dict[str, Any]) -> str:
    """The results for people, best first."""
    seeds = record["seeds"]
    lines = [
        "# Generated scenes of small fields\n",
        f"OA in percent on the test pixels of {len(seeds)} generated scenes, 20 % of each class for training, default "
        f"settings; {'; '.join(record['machines'])}, {record['date']}. `make_scene`: {record['scene']}.\n",
        f"| model | {' | '.join(f'scene {seed}' for seed in seeds)} | mean |",
        f"|---|{'---:|' * (len(seeds) + 1)}",
    ]
    for name, values in sorted(accuracy.items(), key=lambda item: -statistics.fmean(item[1])):
        lines.append(f"| {name} | {' | '.join(f'{v:.2f}' for v in values)} | {statistics.fmean(values):.2f} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--models", default="hybridsn-bn,svm,svm-window,rf,logistic,gml,knn", show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "coarse_scene.json", show_default=True)
def main(work: Path, models: str, seeds: int, jobs: int, out: Path) -> None:
    """Make the scenes and their runs in the folder WORK; finished runs in it are used again."""
    work.mkdir(parents=True, exist_ok=True)
    records = [run_seed(seed, models, work, jobs) for seed in range(seeds)]
    rows = [accuracies(record) for record in records]
    accuracy = {name: [row[name] for row in rows] for name in rows[0]}
    record = {"scene": SCENE, "seeds": list(range(seeds)), "overall_accuracy": accuracy}
    record |= {key: records[0][key] for key in ("machines", "date", "versions")}
    write_results(out, record, table(accuracy, record))


if __name__ == "__main__":
    main()
