"""Compare rules for the next place to label, with a simulated annotator who starts without labels.

A step is one stroke: the pixels of the class in the centre among the 3 x 3 around the place that a rule chooses, after
which the quick classifier is fitted again. The annotator cannot name a place without ground truth and asks for another
one; this costs a look but no stroke, and looks are counted. Accuracy is over the labelled pixels in no stroke. Each
seed draws the candidates and the random places; the generated scene is another one for each seed. Finished runs in the
folder WORK are used again.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.io import loadmat

from benchmarks.report import RESULTS, ROOT, write_results
from hsi.accuracy.statistics import signed_rank
from hsi.core.scene import scene_from_array, survey_scene
from hsi.core.synthetic import make_scene
from hsi.io import open_labels, open_scene
from hsi.labelling.quick import QuickClassifier, pixel_features
from hsi.labelling.suggest import REACH, Candidates, find_candidates, suggest_place

Labels = NDArray[np.int64]
Visited = list[tuple[int, int]]
Rule = Callable[[Candidates, Labels, Visited, "QuickClassifier | None"], tuple[int, int] | None]
GENERATED: dict[str, Any] = {"height": 120, "width": 120, "bands": 100, "classes": 10, "field": 12, "noise": 0.04}
STEPS = (2, 5, 10, 15, 20, 30, 40, 50, 60)
TITLES = {"where-next": "where next", "random": "random places", "uncertain": "most uncertain"}
COLOURS = {"where-next": "#0072b2", "random": "#7f7f7f", "uncertain": "#d55e00"}  # Okabe and Ito's, and grey


def where_next(
    candidates: Candidates, labels: Labels, visited: Visited, classifier: QuickClassifier | None
) -> tuple[int, int] | None:
    """The rule of the page."""
    place = suggest_place(candidates, labels, visited, classifier)
    return None if place is None else (place.row, place.column)


def by_score(
    candidates: Candidates, labels: Labels, visited: Visited, score: NDArray[np.floating[Any]]
) -> tuple[int, int] | None:
    """The candidate with the highest score that :func:`where_next` might suggest, too."""
    rows, columns = candidates.rows, candidates.columns
    free = labels[rows, columns] == 0
    for row, column in visited:
        free &= (abs(rows - row) > REACH) | (abs(columns - column) > REACH)
    best = int(np.where(free, score, -np.inf).argmax())
    return (int(rows[best]), int(columns[best])) if free.any() else None


def rule_named(name: str, random: np.random.Generator) -> Rule:
    """``where-next``, ``random``, or ``uncertain``: the smallest difference of the two highest probabilities, random
    places until there are two classes."""
    if name == "where-next":
        return where_next

    def choose(
        candidates: Candidates, labels: Labels, visited: Visited, classifier: QuickClassifier | None
    ) -> tuple[int, int] | None:
        score = random.random(candidates.rows.size)
        if name == "uncertain" and classifier is not None and classifier.classes_.size > 1:
            highest = np.partition(classifier.predict(candidates.features)[1], -2, axis=1)
            score = score * 1e-6 - (highest[:, -1] - highest[:, -2])
        return by_score(candidates, labels, visited, score)

    return choose


def label_scene(features: NDArray[np.float32], truth: Labels, rule: str, seed: int, most: int) -> dict[str, Any]:
    """OA and AA in percent at :data:`STEPS` strokes up to ``most``, and the looks until then."""
    choose = rule_named(rule, np.random.default_rng(seed))
    candidates = find_candidates(features, np.ones(truth.shape, bool), seed=seed)
    labels, visited, strokes = np.zeros_like(truth), Visited(), 0
    classifier: QuickClassifier | None = None
    record: dict[str, Any] = {"strokes": [], "oa": [], "aa": [], "looks": []}
    while strokes < most and (place := choose(candidates, labels, visited, classifier)) is not None:
        visited.append(place)
        row, column = place
        if truth[place] == 0:
            continue
        around = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        labels[around][truth[around] == truth[place]] = truth[place]
        strokes += 1
        if rule == "random" and strokes not in STEPS:
            continue
        classifier = QuickClassifier().fit(features, labels)
        if strokes in STEPS:
            test = (truth > 0) & (labels == 0)
            right, classes = classifier.predict(features[test])[0] == truth[test], truth[test]
            record["strokes"].append(strokes)
            record["oa"].append(100 * float(right.mean()))
            record["aa"].append(100 * float(np.mean([right[classes == i].mean() for i in np.unique(classes)])))
            record["looks"].append(len(visited))
    return record


def read_scene(name: str, seed: int, files: dict[str, Path]) -> tuple[NDArray[np.float32], Labels]:
    """Features ``(H, W, F)`` and ground truth ``(H, W)``, 0 where there is none."""
    truth: NDArray[Any]
    if name == "indian-pines":
        scene = open_scene(files[name])
        truth = open_labels(None, scene).values
    elif name == "salinas-a":
        scene = scene_from_array(loadmat(files[name] / "SalinasA_corrected.mat")["salinasA_corrected"])
        truth = loadmat(files[name] / "SalinasA_gt.mat")["salinasA_gt"]
    else:
        cube, truth, _ = make_scene(**GENERATED, seed=seed)
        scene = scene_from_array(cube)
    return pixel_features(scene, survey_scene(scene).valid), np.asarray(truth, np.int64)


def compare(runs: dict[str, dict[str, list[dict[str, Any]]]], rival: str, at: int) -> list[dict[str, Any]]:
    """The difference in OA of *where next* and a rival after so many strokes, by scene, with Wilcoxon's p."""
    rows = []
    for scene, rules in runs.items():
        ours, theirs = ([run["oa"][run["strokes"].index(at)] for run in rules[rule]] for rule in ("where-next", rival))
        gains = [one - other for one, other in zip(ours, theirs, strict=True)]
        rows.append(
            {
                "scene": scene, "rival": rival, "strokes": at, "where_next": statistics.fmean(ours),
                "theirs": statistics.fmean(theirs), "gain": statistics.fmean(gains),
                "better": sum(gain > 0 for gain in gains), "worse": sum(gain < 0 for gain in gains),
                "p": signed_rank(gains),
            }
        )  # fmt: skip
    return rows


def mean_of(runs: list[dict[str, Any]], key: str, at: int) -> float:
    """The mean of an entry after so many strokes."""
    return statistics.fmean(run[key][run["strokes"].index(at)] for run in runs)


def table(record: dict[str, Any]) -> str:
    """The results for people."""
    runs, seeds, last = record["runs"], record["seeds"], record["steps"]
    shown = [step for step in (5, 10, 20, 30, 40, 60) if step <= last]
    lines = [
        "# Where to label next\n",
        f"OA in percent of the quick classifier on the labelled pixels in no stroke, mean of seeds {seeds[0]} to "
        f"{seeds[-1]}; strokes of 3 x 3 pixels from a blank start. *Looks* are the places shown for {last} strokes, "
        f"those without ground truth included. {record['machine']}, {record['date']}. "
        f"`make_scene` of the generated scenes: {record['generated']}.\n",
        f"| scene | rule | {' | '.join(f'{step} strokes' for step in shown)} | AA, {last} | looks |",
        f"|---|---|{'---:|' * (len(shown) + 2)}",
    ]
    for scene, rules in runs.items():
        for rule, title in TITLES.items():
            accuracy = " | ".join(f"{mean_of(rules[rule], 'oa', step):.1f}" for step in shown)
            lines.append(
                f"| {scene} | {title} | {accuracy} | {mean_of(rules[rule], 'aa', last):.1f} "
                f"| {mean_of(rules[rule], 'looks', last):.0f} |"
            )
    lines += [
        "\n*Where next* against the others, by the difference of each seed; Wilcoxon's signed-rank test, two-sided:\n",
        "| scene | strokes | against | mean difference | better / worse | p |", "|---|---:|---|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {row['scene']} | {row['strokes']} | {TITLES[row['rival']]} | {row['gain']:+.2f} "
        f"| {row['better']} / {row['worse']} | {row['p']:.3f} |"
        for row in record["tests"]
    ]
    return "\n".join(lines) + "\n"


def draw(record: dict[str, Any], path: Path) -> None:
    """The curves: mean and range over the seeds."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    panels = figure.subplots(1, len(record["runs"]), squeeze=False)[0]
    for axes, (scene, rules) in zip(panels, record["runs"].items(), strict=True):
        for rule, title in TITLES.items():
            strokes = rules[rule][0]["strokes"]
            accuracy = np.array([run["oa"] for run in rules[rule]])
            axes.fill_between(strokes, accuracy.min(0), accuracy.max(0), color=COLOURS[rule], alpha=0.15, lw=0)
            axes.plot(strokes, accuracy.mean(0), color=COLOURS[rule], label=title)
        axes.set(title=scene.replace("-", " ").title(), xlabel="strokes", ylim=(None, 101), xlim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("overall accuracy (%)")
    figure.axes[-1].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=80)


@click.command()
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--indian-pines", type=click.Path(path_type=Path), default=ROOT / "data" / "indian_pines.mat")
@click.option(
    "--salinas-a", type=click.Path(path_type=Path), help="Folder of SalinasA_corrected.mat and SalinasA_gt.mat."
)
@click.option("--scenes", default="indian-pines,salinas-a,generated", show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--first-seed", default=0, show_default=True, help="The rule was developed on seeds from 100 on.")
@click.option("--steps", type=click.IntRange(1), default=STEPS[-1], show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "active_labelling.json", show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=ROOT / "docs" / "images" / "where_next.png")
def main(
    work: Path, indian_pines: Path, salinas_a: Path, scenes: str, seeds: int, first_seed: int, steps: int, out: Path,
    picture: Path,
) -> None:  # fmt: skip
    """Label the scenes by each rule; WORK is the folder of the runs."""
    work.mkdir(parents=True, exist_ok=True)
    names, all_seeds = scenes.split(","), range(first_seed, first_seed + seeds)
    files = {"indian-pines": indian_pines, "salinas-a": salinas_a}
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {name: {rule: [] for rule in TITLES} for name in names}
    for seed in all_seeds:
        for name in names:
            paths = {rule: work / f"{name}-{rule}-{seed}-{steps}.json" for rule in TITLES}
            if not all(path.exists() for path in paths.values()):
                features, truth = read_scene(name, seed, files)
                for rule, path in paths.items():
                    if not path.exists():
                        path.write_text(json.dumps(label_scene(features, truth, rule, seed, steps)), encoding="utf-8")
                        click.echo(f"{name}, {rule}, seed {seed}", err=True)
            for rule, path in paths.items():
                runs[name][rule].append(json.loads(path.read_text(encoding="utf-8")))
    record: dict[str, Any] = {
        "seeds": list(all_seeds), "steps": steps, "generated": GENERATED, "date": date.today().isoformat(),
        "machine": platform.processor() or platform.machine(),
    }  # fmt: skip
    record["tests"] = [
        row
        for rival in ("random", "uncertain")
        for at in sorted({min(20, steps), steps})
        for row in compare(runs, rival, at)
    ]
    record["runs"] = runs
    draw(record, picture)
    write_results(out, record, table(record))


if __name__ == "__main__":
    main()
