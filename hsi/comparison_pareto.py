"""Accuracy against what it costs: a panel for each split and cost, with the rows that no other row beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hsi.comparison import Comparison, RowSummary, SplitComparison
from hsi.comparison_notes import split_title
from hsi.drawing import DPI, FAINT, INK, RIGHT, WRONG, hex_colour, literal, new_figure, plain_axes
from hsi.paths import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds a pixel",
    "pixel_seconds": "seconds of a core for a mapped pixel",
}
PANEL = 3.4  # inches


def cost_of(row: RowSummary, cost: str) -> float | None:
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


def points(rows: Sequence[RowSummary], cost: str) -> list[Point]:
    """The rows whose cost and accuracy are known, cheapest first."""
    found = []
    for row in rows:
        x, y = cost_of(row, cost), row.measures["overall_accuracy"]
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


def known_costs(comparison: Comparison) -> list[str]:
    """The costs that at least two rows of some split have; none where no two networks are compared."""
    known = [cost for cost in COSTS if any(len(points(split.rows, cost)) > 1 for split in comparison.splits)]
    return known if "parameters" in known else []


def pareto_figure(comparison: Comparison, costs: Sequence[str]) -> Figure:
    """A row of panels for each split; costs are on a logarithmic axis, and the line joins the frontier."""
    splits = comparison.splits
    figure = new_figure(PANEL * len(costs), PANEL * len(splits))
    panels = figure.subplots(len(splits), len(costs), sharey="row", squeeze=False)
    for split, of_split in zip(splits, panels, strict=True):
        for cost, axes in zip(costs, of_split, strict=True):
            _draw_panel(axes, split, cost)
        of_split[0].set_ylabel("overall accuracy (%)", fontsize=8, color=INK)
        of_split[0].set_title(literal(split_title(split)), fontsize=8, color=INK, loc="left", pad=5)
    figure.subplots_adjust(wspace=0.1, hspace=0.4)
    return figure


def _draw_panel(axes: Axes, split: SplitComparison, cost: str) -> None:
    known = points(split.rows, cost)
    best = frontier(known)
    axes.set_xscale("log")
    axes.plot([point.cost for point in best], [point.accuracy for point in best], color=FAINT)
    for point in known:
        colour = hex_colour(WRONG if point in best else RIGHT)
        if point.deviation is not None:
            axes.errorbar(point.cost, point.accuracy, point.deviation, color=colour, linewidth=0.6)
        axes.plot([point.cost], [point.accuracy], "o", color=colour)
        place = (point.cost, point.accuracy)
        axes.annotate(literal(point.row), place, (3, 3), textcoords="offset points", fontsize=5, color=INK)
    plain_axes(axes)
    axes.margins(x=0.2)
    axes.set_xlabel(COSTS[cost], fontsize=8, color=INK)


def write_pareto_figure(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``pareto.png`` and ``pareto.pdf`` where costs of networks are known; raises
    :class:`hsi.errors.OutputError`."""
    costs = known_costs(comparison)
    if not costs:
        return []
    figure, paths = pareto_figure(comparison, costs), [folder / "pareto.png", folder / "pareto.pdf"]
    for path in paths:
        with write_atomically(path) as part:
            dated = {"CreationDate": None} if path.suffix == ".pdf" else None  # the same figures, the same file
            figure.savefig(part, dpi=DPI, bbox_inches="tight", pad_inches=0.08, metadata=dated)
    return paths
