"""``hsi evaluate``: the accuracy of a map by reference labels that did not train it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hsi.accuracy.area_estimation import DESIGNS, Design
from hsi.errors import UsageError
from hsi.settings import InputSettings

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.options import map_options
from .cli_support.results import show_accuracy, show_estimate
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi evaluate map.tif --labels reference.gpkg --label-field class
  hsi evaluate runs/demo/map.tif --labels truth.tif --out accuracy
  hsi evaluate map.tif --labels points.gpkg --label-field class \\
      --design stratified
"""


@click.command("evaluate", cls=Command, epilog=EPILOG)
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@map_options
@click.option(
    "--design", type=Choice(DESIGNS), help="How the reference was drawn at random: from all of the map, or by class."
)
@click.option(
    "--confidence", type=click.Path(path_type=Path), help="Confidence of MAP, 0 to 1. [default: the file next to it]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for report.html, tables as .json, .csv, .md, .tex, and a figure.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that hsi wrote there.")
def command(
    map_path: Path,
    inputs: InputSettings,
    design: Design | None,
    confidence: Path | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Compare MAP, a class raster, with reference labels: accuracy per class, OA, AA and kappa.

    Classes are matched by name, or by id where one side has no names. Every labelled pixel that the map covers
    counts, so the labels must be ones that the map was not trained on.

    Where the labelled pixels are a random sample of the map, --design estimates the accuracy of all of it and the
    true area of each class, with 95 % intervals.
    """
    from hsi.workflows.evaluate import evaluate

    if inputs.labels is None:
        raise UsageError("give the reference with --labels, for example --labels reference.gpkg --label-field class")
    result = evaluate(
        map_path, inputs.labels, design=design, confidence=confidence, out=out, overwrite=overwrite,
        command=["hsi", *sys.argv[1:]], **inputs.model_dump(exclude_unset=True, exclude={"labels"}),
    )  # fmt: skip
    show_accuracy(result.report)
    if design:
        show_estimate(result.report["estimate"])
    if result.files:
        say("written", *map(str, result.files))
        say("open", f"{result.files[-1]} in a browser")
