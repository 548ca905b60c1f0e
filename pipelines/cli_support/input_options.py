"""Options that say how to read a scene and its labels; every command that reads them shares these."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from hsi.core.reading_options import LabelOptions, SceneOptions

__all__ = ["LabelOptions", "SceneOptions", "label_options", "scene_options"]

PATH = click.Path(path_type=Path)


SCENE_CHOICES = (
    click.option("--variable", help="Which array of the file is the cube."),
    click.option("--georef", type=PATH, help="A raster that lies where the scene lies: CRS, transform."),
    click.option("--mask", type=PATH, help="A raster of the scene's size; only its non-zero pixels are used."),
    click.option("--drop-bands", metavar="BANDS", help="Bands to leave out, counted from 1: 104-108,150-163,220."),
    click.option("--drop-wavelengths", metavar="NM", help="Bands to leave out, in nm: 1350-1450,1800-1950."),
    click.option("--keep-bad-bands", is_flag=True, help="Use the bands that the file marks as bad, too."),
)
SCENE_NAMES = tuple(entry.name for entry in fields(SceneOptions))  # in the same order
LABEL_CHOICES = (
    click.option("--labels", type=PATH, help="Class raster, polygons or points, when not found with the scene."),
    click.option("--label-variable", help="Which array of the file is the labels."),
    click.option("--background", type=int, help="The label that means unlabelled. [default: 0, or what the file says]"),
    click.option("--label-field", help="Field of a vector file that holds the class. [default: the only one]"),
    click.option("--label-layer", help="Layer of a GeoPackage. [default: the only one]"),
    click.option("--all-touched", is_flag=True, help="Label each pixel a polygon touches, not just by its centre."),
    click.option("--align", is_flag=True, help="Reproject a class raster on another grid, by nearest neighbour."),
)


def scene_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`SceneOptions`; they arrive together as ``scene_options``."""
    return gathered(function, SCENE_CHOICES, SceneOptions, "scene_options")


def cube_options(function: Callable[..., None]) -> Callable[..., None]:
    """Of the options of :class:`SceneOptions` those that leave all bands in; they arrive as ``scene_options``."""
    kept = [choice for name, choice in zip(SCENE_NAMES, SCENE_CHOICES, strict=True) if not name.startswith("drop")]
    return gathered(function, kept, SceneOptions, "scene_options")


def label_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`LabelOptions`; they arrive together as ``label_options``."""
    return gathered(function, LABEL_CHOICES, LabelOptions, "label_options")


def gathered(function: Callable[..., None], choices: Any, kind: Any, name: str) -> Callable[..., None]:
    """Add options that arrive together, as a ``kind`` called ``name``."""

    @functools.wraps(function)
    def gather(**given: Any) -> None:
        gathered = kind(**{entry.name: given.pop(entry.name) for entry in fields(kind) if entry.name in given})
        function(**{name: gathered}, **given)

    for choice in reversed(choices):
        gather = choice(gather)
    return gather
