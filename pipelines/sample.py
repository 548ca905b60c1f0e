"""``hsi sample``: random pixels of a map for an interpreter, from which ``hsi evaluate --design`` estimates."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsi.accuracy.area_estimation import DESIGNS, Design
from hsi.settings import InputSettings

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.options import pixel_options
from .cli_support.terminal import class_table, say, short_name, show

if TYPE_CHECKING:
    from hsi.workflows.sample import MapSample

EPILOG = """\b
Examples:
  hsi sample map.tif --design stratified --points 300 --out sample.gpkg
  hsi sample map.tif --target-error 2% --out sample.gpkg
  hsi sample runs/demo/map.tif --design simple --points 200 --seed 1 \\
      --out sample.csv
"""


@click.command("sample", cls=Command, epilog=EPILOG)
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option(
    "--design", type=Choice(DESIGNS), default="stratified", show_default=True,
    help="Draw from each class, or from all of the map.",
)  # fmt: skip
@click.option("--points", type=int, metavar="N", help="How many pixels to draw.")
@click.option(
    "--target-error", metavar="SHARE", help="Instead, the standard error of the overall accuracy to reach: 2%."
)
@click.option(
    "--expected-accuracy", metavar="SHARE", default="80%", show_default=True,
    help="Share of each class that is right, for the standard error.",
)  # fmt: skip
@click.option(
    "--min-points", type=int, metavar="N", help="stratified: smallest number a class. [default: 50, or what suffices]"
)
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Decides which pixels are drawn.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write: .gpkg, .geojson or .csv.")
@click.option("--overwrite", is_flag=True, help="Replace a file that hsi wrote there.")
@pixel_options
def command(
    map_path: Path,
    design: Design,
    points: int | None,
    target_error: str | None,
    expected_accuracy: str,
    min_points: int | None,
    seed: int,
    out: Path,
    overwrite: bool,
    inputs: InputSettings,
) -> None:
    """Draw pixels of MAP, a class raster, at random, for an accuracy assessment.

    Each point is the centre of a pixel, with the map's class and an empty field "class" to fill in, by its name or id,
    without looking at the map. 'hsi evaluate --design' then estimates the accuracy of all of the map and the true
    areas of its classes. Points are in random order. Pixels without data and unclassified ones are not drawn.

    A stratified sample is shared among the classes by area, with at least 50 points each (Olofsson et al. 2014).
    """
    from hsi.workflows.sample import sample

    found = sample(
        map_path, out, design=design, points=points, target_error=target_error, expected_accuracy=expected_accuracy,
        min_points=min_points, seed=seed, overwrite=overwrite, **inputs.model_dump(exclude_unset=True),
    )  # fmt: skip
    show_sample(found)
    say("written", str(out))
    words = ["hsi", "evaluate", map_path, "--labels", out, "--label-field", "class", "--design", design]
    for name, value in inputs.model_dump(exclude_unset=True, exclude_none=True).items():
        words += [f"--{name.replace('_', '-')}", value]
    say("next", 'fill in the field "class", then:', shlex.join(map(str, words)))


def show_sample(found: MapSample) -> None:
    """Pixels and points of each class, and the standard error to expect."""
    table = class_table(f"{found.design} sample of {len(found.rows):,} pixels", "pixels", "share", "points")
    for row in found.classes:
        numbers = (f"{row['pixels']:,}", f"{row['share']:.2%}", f"{row['points']:,}")
        table.add_row(str(row["id"]), short_name(row["name"]), *numbers)
    show(table)
    error = f"standard error {found.standard_error:.2%} of the overall accuracy"
    say("expected", f"{error}, where {found.expected_accuracy:.0%} of each class are right")
