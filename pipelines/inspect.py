"""``hsi inspect``: what is in a file, before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from hsi.core.georeference import crs_name, pixel_size
from hsi.core.labels import LabelMap
from hsi.core.scene import PixelSurvey, Scene
from hsi.errors import HsiError
from hsi.preprocessing.bands import BandSelection, format_ranges
from hsi.settings import LABEL_INPUTS, InputSettings, Settings
from hsi.splits import choose_rule, count_polygons, field_kind
from hsi.workflows.inputs import (
    bad_pixels,
    choose_input_bands,
    estimate_memory,
    open_any_labels,
    open_any_scene,
    recognised,
    survey_input,
)

from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import add_number_columns, say, say_wrapped, short_name, show, size_of

FEW_PIXELS = 5
EPILOG = """\b
Examples:
  hsi inspect data/indian_pines.mat
  hsi inspect flight.hdr --labels training.tif --background 255
"""


@click.command("inspect", cls=Command, epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@input_options
def command(files: tuple[Path, ...], inputs: InputSettings) -> None:
    """Say what is in FILE, or in several that are one scene: shape, bands, classes, bad pixels, memory."""
    scene, labels, remark, known_as = open_any_scene(files, inputs), None, "", None
    try:
        labels = open_any_labels(inputs.labels, scene, inputs)
        scene, labels, known_as = recognised(scene, labels, inputs)
    except HsiError as error:
        if inputs.model_fields_set & LABEL_INPUTS:  # labels that were asked for have to be there
            raise
        remark = str(error)
    show_scene(scene, known_as)
    bands = choose_input_bands(scene, inputs)
    scene = bands.apply(scene)
    survey = survey_input(scene, inputs)
    show_survey(bands.without_useless(scene, survey), survey)
    if labels:
        show_labels(labels)
    else:
        say_wrapped("labels", remark)
    for i, (form, count) in enumerate(estimate_memory(scene, Settings()).items()):
        say_wrapped("" if i else "memory", f"{size_of(count)} {form}")


def show_scene(scene: Scene, known_as: str | None) -> None:
    """Print the facts in the file, and the benchmark scene that its labels show it to be."""
    height, width, bands = scene.shape
    place, nodata = scene.georeference, scene.nodata
    facts = {
        "file": str(scene.source or f"{scene.name} ({len(scene.tiles)} files)"),
        "format": scene.format,
        "variable": scene.variable,
        "recognised": known_as and f"as {known_as}, by its ground truth: names, colours and wavelengths are known",
        "shape": f"{height} rows x {width} columns x {bands} bands, {scene.dtype}",
        "wavelengths": f"{_span(scene.wavelengths)} nm" if scene.wavelengths else "not in the file",
        "FWHM": scene.fwhm and f"{_span(scene.fwhm)} nm",
        "marked": scene.good and f"{sum(scene.good)} bands good, {len(scene.good) - sum(scene.good)} bad by the file",
        "scale": scene.scale and f"stored numbers x {_span(scene.scale)}",
        "place": None if place else "not georeferenced",
        "CRS": place and (crs_name(place.crs) if place.crs else "none given"),
        "pixel size": place and pixel_size(place),
        "nodata": None if nodata is None or math.isnan(nodata) else f"{nodata:.10g}",
    }
    for label, fact in facts.items():
        if fact:
            say(label, fact)


def show_survey(bands: BandSelection, survey: PixelSurvey) -> None:
    """Print the results of one pass over all pixels."""
    usable = survey.invalid < survey.valid.size
    say("values", f"{survey.minimum:.6g} to {survey.maximum:.6g}" if usable else "no pixel can be used")
    say_wrapped("bad pixels", bad_pixels(survey) if survey.invalid else f"none of {survey.valid.size:,}")
    for reason, numbers in bands.to_dict()["dropped"].items():
        say_wrapped("bad bands", f"{len(numbers)} {reason} (counted from 1): {format_ranges(numbers)}")
    if not bands.dropped:
        say("bad bands", "none")


def show_labels(labels: LabelMap) -> None:
    """Print the file of the labels and the pixels of each class."""
    counts = labels.counts
    labelled, total = sum(counts.values()), labels.values.size
    say("labels", f"{labels.source}{f', variable {labels.variable}' if labels.variable else ''}")
    say("", f"{len(counts)} classes, {labelled:,} of {total:,} pixels labelled, background {labels.background}")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=72)
    add_number_columns(table, "id")
    table.add_column("name", ratio=1, overflow="fold")
    columns = {"pixels": [f"{n:,}" for n in counts.values()], "share": [f"{n / labelled:.1%}" for n in counts.values()]}
    if labels.polygons is not None:
        columns = {field_kind(labels): [f"{n:,}" for n in count_polygons(labels).values()], **columns}
    add_number_columns(table, *columns)
    for row in zip(map(str, counts), map(short_name, labels.table.names), *columns.values(), strict=True):
        table.add_row(*row)
    show(table)
    if doubt := choose_rule(labels)[1]:
        say_wrapped("test", doubt)
    few = format_ranges([number for number, count in counts.items() if count < FEW_PIXELS])
    if few:
        say_wrapped("few pixels", f"ids with fewer than {FEW_PIXELS} pixels, too few to train and test on: {few}")


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.6g}", f"{max(values):.6g}"
    return low if low == high else f"{low} to {high}"
