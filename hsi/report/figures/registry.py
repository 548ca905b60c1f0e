"""The registry of figures: what each is called, what it shows and what it is drawn from.

A figure of a run is a function in this package whose parameters are called after fields of
:class:`hsi.report.figures.run.RunFigures`::

    @figure("entropy", "the entropy of the class probabilities")
    def entropy_figure(probabilities: NDArray[Any], title: str, ground: Ground | None = None) -> Figure:
        ...

``hsi classify`` and ``hsi plot`` draw it where the run has all that it needs; help and completion name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.report.figures.look import Look, current_look, use_look
from hsi.report.figures.style import finish, write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Draw = Callable[..., Figure]


@dataclass(frozen=True)
class RegisteredFigure:
    """What a figure ``shows``, and the function that draws it."""

    shows: str
    draw: Draw


RUN_FIGURES: dict[str, RegisteredFigure] = {}


def figure(
    name: str, shows: str, figures: dict[str, RegisteredFigure] = RUN_FIGURES
) -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """Decorator that registers a function as the figure ``name``, by default as one of a run."""

    def register(draw: Draw) -> Draw:
        figures[name] = RegisteredFigure(shows, draw)
        return draw

    return register


def drawings(figures: Mapping[str, RegisteredFigure], given: Mapping[str, Any]) -> dict[str, Callable[[], Figure]]:
    """The figures that can be drawn from what is ``given``, by name: a function without parameters draws each.

    A figure can be drawn where something other than None is given for each of its parameters without a default.
    """
    ready: dict[str, Callable[[], Figure]] = {}
    for name, registered in figures.items():
        parameters = signature(registered.draw).parameters
        values = {key: given[key] for key in parameters if given.get(key) is not None}
        if all(key in values or one.default is not one.empty for key, one in parameters.items()):
            ready[name] = partial(registered.draw, **values)
    return ready


def write_figures(
    folder: Path,
    ready: Mapping[str, Callable[[], Figure]],
    *,
    kind: str = "png",
    look: Look | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> list[Path]:
    """Write drawings into ``folder`` as ``kind`` (png, pdf or svg), each under its name; returns their paths.

    ``progress(done, total, name)`` is called before each. Raises :class:`hsi.errors.OutputError` when one cannot be
    written, and :class:`hsi.errors.UsageError` for a size that its names and labels do not fit in.
    """
    paths = []
    for done, (name, draw) in enumerate(ready.items()):
        progress(done, len(ready), name)
        paths.append(folder / f"{name}.{kind}")
        with use_look(look or current_look()):
            write_figure(paths[-1], finish(draw()))
    return paths
