"""Draw the README's picture from a finished run: ``python docs/make_images.py data/indian_pines.mat runs/demo``."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hsi.io import open_labels, open_scene
from hsi.io.benchmark_scenes import recognise_scene
from hsi.io.geotiff import read_classes

HERE = Path(__file__).parent / "images"
RIGHT, WRONG, PAPER = (0.16, 0.44, 0.70), (0.90, 0.45, 0.07), (0.93, 0.93, 0.93)


@click.command()
@click.argument("scene_path", type=click.Path(path_type=Path))
@click.argument("run", type=click.Path(path_type=Path))
def main(scene_path: Path, run: Path) -> None:
    """Write docs/images/<scene>.png: ground truth, map, and the test pixels that are right and wrong."""
    scene = open_scene(scene_path)
    labels = open_labels(None, scene)
    facts = recognise_scene(labels.values.shape, labels.counts)
    table = facts.table if facts else labels.table
    ids, tested = read_classes(run / "map.tif"), read_classes(run / "split.tif") == 3
    colours = np.full((max(table.ids) + 1, 3), PAPER)
    colours[list(table.ids)] = np.asarray(table.colours) / 255
    difference = np.full((*ids.shape, 3), PAPER)
    difference[tested & (ids == labels.values)] = RIGHT
    difference[tested & (ids != labels.values)] = WRONG
    report = json.loads((run / "accuracy.json").read_text(encoding="utf-8"))
    accuracy = f"OA {report['overall_accuracy']:.2%}, AA {report['average_accuracy']:.2%}"
    figure = Figure(figsize=(11, 4.6), dpi=110)
    axes = figure.subplots(1, 3)
    panels = (
        (colours[labels.values], "ground truth"),
        (colours[ids], f"map: {report['model']}, {report['split']}"),
        (difference, f"test pixels, right and wrong: {accuracy}"),
    )
    for axis, (picture, title) in zip(axes, panels, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_axis_off()
    patches = [Patch(color=colours[i], label=name) for i, name in zip(table.ids, table.names, strict=True)]
    figure.legend(handles=patches, loc="lower center", ncols=6, fontsize=7.5, frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.16, wspace=0.03)
    HERE.mkdir(parents=True, exist_ok=True)
    figure.savefig(HERE / f"{scene_path.stem}.png")


if __name__ == "__main__":
    main()
