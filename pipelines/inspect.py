"""``hsi inspect``: say what is in a file before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsi.preprocessing.bands import format_ranges
from hsi.settings import LABEL_INPUTS, InputSettings
from hsi.workflows.inputs import (
    bad_pixels,
    choose_input_bands,
    open_any_labels,
    open_any_scene,
    recognised,
    survey_input,
)

from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import say, say_wrapped, short_name, show

if TYPE_CHECKING:
    from hsi.core.labels import LabelMap
    from hsi.core.scene import PixelSurvey, Scene
    from hsi.preprocessing.bands import BandSelection

# what hsi classify does by default, for the estimate of memory
COMPONENTS, WINDOW = 30, 25
FEW_PIXELS = 5

EPILOG = """\b
Examples:
  hsi inspect data/indian_pines.mat
  hsi inspect flight.hdr --labels training.tif --background 255
"""


@click.command("inspect", cls=Command, epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@input_options
def command(file: Path, inputs: InputSettings) -> None:
    """Say what is in FILE: shape, bands, classes, bad pixels, memory."""
    scene = open_any_scene(file, inputs)
    labels, remark = find_labels(scene, inputs)
    scene, labels, known_as = recognised(scene, labels) if labels else (scene, None, None)
    say_scene(scene, known_as)
    bands = choose_input_bands(scene, inputs)
    scene = bands.apply(scene)
    survey = survey_input(scene, inputs)
    say_survey(bands.without_useless(scene, survey), survey)
    if labels:
        say_labels(labels)
    else:
        say_wrapped("labels", remark)
    say_memory(scene)


def say_scene(scene: Scene, known_as: str | None) -> None:
    """What the file says of itself, and the benchmark scene that its labels gave away."""
    from hsi.core.georeference import crs_name, pixel_size

    height, width, bands = scene.shape
    say("file", str(scene.source))
    say("format", scene.format)
    if scene.variable:
        say("variable", scene.variable)
    if known_as:
        say("recognised", f"as {known_as}, by its ground truth: names, colours and wavelengths are known")
    say("shape", f"{height} rows x {width} columns x {bands} bands, {scene.dtype}")
    if scene.wavelengths:
        say("wavelengths", f"{_span(scene.wavelengths)} nm")
    else:
        say("wavelengths", "not in the file")
    if scene.fwhm:
        say("FWHM", f"{_span(scene.fwhm)} nm")
    if scene.good:
        say("marked", f"{sum(scene.good)} bands good, {len(scene.good) - sum(scene.good)} bad by the file")
    if scene.scale:
        say("scale", f"stored numbers x {_span(scene.scale)}")
    place = scene.georeference
    if place is None:
        say("place", "not georeferenced")
    else:
        say("CRS", crs_name(place.crs) if place.crs else "none given")
        say("pixel size", pixel_size(place))
    if scene.nodata is not None and not math.isnan(scene.nodata):
        say("nodata", f"{scene.nodata:.10g}")


def say_survey(bands: BandSelection, survey: PixelSurvey) -> None:
    """What one pass over all pixels found."""
    usable = survey.invalid < survey.valid.size
    say("values", f"{survey.minimum:.6g} to {survey.maximum:.6g}" if usable else "no pixel can be used")
    total = f"{survey.valid.size:,}"
    say_wrapped("bad pixels", bad_pixels(survey) if survey.invalid else f"none of {total}")
    for reason, numbers in bands.to_dict()["dropped"].items():
        say_wrapped("bad bands", f"{len(numbers)} {reason} (counted from 1): {format_ranges(numbers)}")
    if not bands.dropped:
        say("bad bands", "none")


def find_labels(scene: Scene, options: InputSettings) -> tuple[LabelMap | None, str]:
    """The labels, or a remark on what is in the way; that is a failure only when labels were asked for."""
    from hsi.errors import HsiError

    try:
        return open_any_labels(options.labels, scene, options), ""
    except HsiError as error:
        if any(getattr(options, name) != getattr(InputSettings(), name) for name in LABEL_INPUTS):
            raise
        return None, str(error)


def say_labels(labels: LabelMap) -> None:
    """Where the labels are and how many pixels each class has."""
    from rich.table import Table

    counts = labels.counts
    labelled, total = sum(counts.values()), labels.values.size
    named = f", variable {labels.variable}" if labels.variable else ""
    say("labels", f"{labels.source}{named}")
    say("", f"{len(counts)} classes, {labelled:,} of {total:,} pixels labelled, background {labels.background}")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=72)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("name", ratio=1, overflow="fold")
    table.add_column("pixels", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for number, name in zip(labels.table.ids, labels.table.names, strict=True):
        table.add_row(str(number), short_name(name), f"{counts[number]:,}", f"{counts[number] / labelled:.1%}")
    show(table)
    few = [number for number, count in counts.items() if count < FEW_PIXELS]
    if few:
        text = f"ids with fewer than {FEW_PIXELS} pixels, too few to train and test on: {format_ranges(few)}"
        say_wrapped("few pixels", text)


def say_memory(scene: Scene) -> None:
    """What the usual run would hold, and what cutting out all patches would take instead."""
    height, width, bands = scene.shape
    pixels, components = height * width, min(COMPONENTS, bands)
    say("memory", f"{size_of(pixels * bands * 8)} as a cube of float64 (it is read in blocks)")
    say("", f"{size_of(pixels * components * 4)} as {components} components of float32")
    patches = size_of(pixels * components * 4 * WINDOW**2)
    say("", f"{patches} if every pixel's {WINDOW} x {WINDOW} patch were cut out (hsi does not)")


def size_of(count: int) -> str:
    """Bytes in decimal units: ``33.6 MB``."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.95 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.6g}", f"{max(values):.6g}"
    return low if low == high else f"{low} to {high}"
