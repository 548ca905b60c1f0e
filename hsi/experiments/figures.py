"""Accuracy against what it costs: a panel for each split and cost, with the rows that no other row beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hsi.experiments.notes import titled
from hsi.experiments.summary import Comparison, Spread
from hsi.report.figures.style import (
    FAINT,
    INK,
    LABEL,
    RIGHT,
    SMALL,
    WRONG,
    hex_colour,
    literal,
    new_figure,
    plain_axes,
    write_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds a pixel",
    "pixel_seconds": "seconds of a core for a mapped pixel",
}
PANEL, LIST, LINE = 3.0, 2.0, 0.2  # inches of a panel, of the list of rows and of a line in it


class Row(Protocol):
    """What is drawn of a row: of a :class:`hsi.experiments.summary.RowSummary`, or of what a file tells of one."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def measures(self) -> Mapping[str, Spread | None]:
        """Its accuracies."""

    @property
    def parameters(self) -> int | None:
        """Of the network."""

    @property
    def multiply_adds(self) -> int | None:
        """For a pixel."""

    @property
    def pixel_seconds(self) -> Spread | None:
        """Of a core, for a pixel."""


class Split(Protocol):
    """What is drawn of a split."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def rule(self) -> str:
        """How it was made, in words."""

    @property
    def rows(self) -> Sequence[Row]:
        """Its rows."""


def cost_of(row: Row, cost: str) -> float | None:
    """A row's mean cost by its key in :data:`COSTS`; None where it is not known."""
    if cost == "pixel_seconds":
        return row.pixel_seconds.mean if row.pixel_seconds else None
    return row.parameters if cost == "parameters" else row.multiply_adds


@dataclass(frozen=True)
class Point:
    """A row at its cost and its mean overall accuracy in percent, with the standard deviation of several runs."""

    row: str
    cost: float
    accuracy: float
    deviation: float | None


def points(rows: Sequence[Row], cost: str) -> list[Point]:
    """The rows whose cost and accuracy are known, cheapest first."""
    found = []
    for row in rows:
        x, y = cost_of(row, cost), row.measures.get("overall_accuracy")
        if x and y:
            deviation = None if y.deviation is None else 100 * y.deviation
            found.append(Point(row.name, x, 100 * y.mean, deviation))
    return sorted(found, key=lambda point: (point.cost, -point.accuracy))


def frontier(known: Sequence[Point]) -> list[Point]:
    """Of points in order of cost, those more accurate than every point that is as cheap or cheaper."""
    found: list[Point] = []
    for point in known:
        if not found or point.accuracy > found[-1].accuracy:
            found.append(point)
    return found


def known_costs(splits: Sequence[Split]) -> list[str]:
    """The costs that at least two rows of some split have; none where no two networks are compared."""
    known = [cost for cost in COSTS if any(len(points(split.rows, cost)) > 1 for split in splits)]
    return known if "parameters" in known else []


def pareto_figure(splits: Sequence[Split], costs: Sequence[str]) -> Figure:
    """A row of panels for each split; costs are on a logarithmic axis, and the line joins the frontier.

    Rows have numbers, which a list on the right tells.
    """
    names = list(dict.fromkeys(row.name for split in splits for row in split.rows))
    figure = new_figure(PANEL * len(costs) + LIST, max(PANEL * len(splits), LINE * len(names)))
    panels = figure.subplots(len(splits), len(costs), sharey="row", squeeze=False)
    for split, of_split in zip(splits, panels, strict=True):
        for cost, axes in zip(costs, of_split, strict=True):
            _draw_panel(axes, split, cost, names)
        of_split[0].set_ylabel("overall accuracy (%)", fontsize=LABEL, color=INK)
        title = literal(titled(split.name, split.rule))
        of_split[0].set_title(title, fontsize=LABEL, color=INK, loc="left", pad=5)
    figure.subplots_adjust(right=1 - LIST / figure.get_figwidth(), wspace=0.1, hspace=0.4)
    listed = "\n".join(f"{number}  {literal(name)}" for number, name in enumerate(names, start=1))
    right = panels[0, -1].get_position()
    figure.text(right.x1 + 0.02, right.y1, listed, fontsize=SMALL, color=INK, va="top", linespacing=1.5)
    return figure


def _draw_panel(axes: Axes, split: Split, cost: str, names: Sequence[str]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    known = points(split.rows, cost)
    best = frontier(known)
    axes.set_xscale("log")
    axes.plot([point.cost for point in best], [point.accuracy for point in best], color=FAINT)
    for point in known:
        colour = hex_colour(WRONG if point in best else RIGHT)
        if point.deviation is not None:
            axes.errorbar(point.cost, point.accuracy, point.deviation, color=colour, linewidth=0.6)
        axes.plot([point.cost], [point.accuracy], "o", color=colour, markeredgewidth=0)
        where: Any = {"ha": "center", "va": "center_baseline", "color": "white", "fontsize": SMALL - 1}
        axes.text(point.cost, point.accuracy, str(names.index(point.row) + 1), **where)
    plain_axes(axes)
    for dots in axes.lines:
        dots.set_markersize(8)
    axes.margins(x=0.12)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(COSTS[cost], fontsize=LABEL, color=INK)


def write_pareto_figure(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``pareto.png`` and ``pareto.pdf`` where costs of networks are known; raises
    :class:`hsi.errors.OutputError`."""
    costs = known_costs(comparison.splits)
    if not costs:
        return []
    paths = [folder / "pareto.png", folder / "pareto.pdf"]
    for path in paths:
        write_figure(path, pareto_figure(comparison.splits, costs))
    return paths
