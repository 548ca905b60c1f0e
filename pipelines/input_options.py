"""Options that say how to read a scene and its labels; every command that reads them shares these."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class SceneOptions:
    """How to read a scene."""

    variable: str | None = None
    georef: Path | None = None


@dataclass(frozen=True)
class LabelOptions:
    """How to read labels."""

    labels: Path | None = None
    label_variable: str | None = None
    background: int | None = None

    @property
    def given(self) -> bool:
        """Whether anything was said about labels."""
        return self != LabelOptions()


SCENE_CHOICES = (
    click.option("--variable", help="Which array of the file is the cube."),
    click.option("--georef", type=PATH, help="A raster that lies where the scene lies: CRS, transform."),
)
LABEL_CHOICES = (
    click.option("--labels", type=PATH, help="File with the labels, when not found with the scene."),
    click.option("--label-variable", help="Which array of the file is the labels."),
    click.option("--background", type=int, help="The label that means unlabelled. [default: 0, or what the file says]"),
)


def scene_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`SceneOptions`; they arrive together as ``scene_options``."""
    return _gathered(function, SCENE_CHOICES, SceneOptions, "scene_options")


def label_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`LabelOptions`; they arrive together as ``label_options``."""
    return _gathered(function, LABEL_CHOICES, LabelOptions, "label_options")


def _gathered(function: Callable[..., None], choices: Any, kind: Any, name: str) -> Callable[..., None]:
    @functools.wraps(function)
    def gather(**given: Any) -> None:
        gathered = kind(**{entry.name: given.pop(entry.name) for entry in fields(kind)})
        function(**{name: gathered}, **given)

    for choice in reversed(choices):
        gather = choice(gather)
    return gather
