"""Figures of a comparison: box plot of accuracies, Pareto plot of accuracy and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from hsi.core.colours import FAINT, INK, RIGHT, WRONG, hex_colour
from hsi.experiments.notes import split_title
from hsi.experiments.summary import Comparison, RowSummary, SplitComparison, Spread
from hsi.report.figures.look import scaled
from hsi.report.figures.registry import RegisteredFigure, drawings, figure, write_figures
from hsi.report.figures.style import LABEL, SMALL, literal, new_figure, plain_axes, shortened
from hsi.report.records import Amount, Count, Record, Share, read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds a pixel",
    "pixel_seconds": "seconds of a core for a mapped pixel",
}
COMPARISON_FIGURES: dict[str, RegisteredFigure] = {}
PANEL, LIST, LINE = 3.0, 2.0, 0.2  # inches of a Pareto panel, of the list of rows and of a line in it
PANEL_WIDTH, ROW_HEIGHT, MARGIN = 3.6, 0.3, 0.7  # inches of a box plot
LONGEST_NAME = 40
MOST_PANELS, MOST_ROWS = 12, 100  # of a stored comparison: a picture of more takes gigabytes


class PositionRecord(Record):
    """Accuracy by position alone."""

    mean: Share


class SpreadRecord(Record):
    """Mean and standard deviation over runs."""

    mean: Annotated[float, Field(ge=-1, le=1e18)]
    deviation: Amount | None = None


class RowRecord(Record):
    """A row of a split; those of older versions of hsi have no costs."""

    name: str
    measures: dict[str, SpreadRecord | None]
    parameters: Count | None
    multiply_adds: Count | None = None
    pixel_seconds: SpreadRecord | None = None


class SplitRecord(Record):
    """A split and its rows."""

    name: str
    rule: str
    position: PositionRecord | None
    rows: tuple[RowRecord, ...] = Field(min_length=1)


class OutcomeRecord(Record):
    """A run."""

    row: str
    split: str
    overall_accuracy: Share | None


class ComparisonRecord(Record):
    """The parts of a ``comparison.json`` that its figures are drawn from."""

    splits: tuple[SplitRecord, ...] = Field(min_length=1, max_length=MOST_PANELS)
    runs: tuple[OutcomeRecord, ...]

    @model_validator(mode="after")
    def _few_rows(self) -> ComparisonRecord:
        if len({row.name for split in self.splits for row in split.rows}) > MOST_ROWS:
            raise ValueError(f"it has more than {MOST_ROWS} rows")
        return self


Row = RowSummary | RowRecord
Split = SplitComparison | SplitRecord


@dataclass(frozen=True)
class Boxes:
    """A panel: overall accuracies (0 to 1) of the runs of each row, and that by position alone where it is known."""

    title: str
    accuracies: Mapping[str, Sequence[float]]
    position: float | None


def boxes_of(comparison: Comparison | ComparisonRecord) -> list[Boxes]:
    """The panels of a comparison, one for each split."""
    if isinstance(comparison, Comparison):
        runs = [(run.planned.split, run.planned.row, run.report["overall_accuracy"]) for run in comparison.finished]
    else:
        runs = [(run.split, run.row, run.overall_accuracy) for run in comparison.runs]
    panels = []
    for split in comparison.splits:
        known = [(row, value) for name, row, value in runs if name == split.name and value is not None]
        accuracies = {row.name: [value for name, value in known if name == row.name] for row in split.rows}
        position = None if split.position is None else split.position.mean
        panels.append(Boxes(split_title(split.name, split.rule), accuracies, position))
    return panels


@figure("comparison", "overall accuracy of every run", COMPARISON_FIGURES)
def comparison_figure(panels: Sequence[Boxes]) -> Figure:
    """Overall accuracy of every run; the first row is on top, the position-only accuracy a dashed line."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.accuracies))
    figure = new_figure(PANEL_WIDTH * len(panels), MARGIN + ROW_HEIGHT * len(names))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_boxes(axes, panel, names)
    labels = [literal(shortened(name, LONGEST_NAME)) for name in names]
    drawn[0].set_yticks(range(len(names)), labels, fontsize=scaled(LABEL), color=INK)
    drawn[0].set_ylim(len(names) - 0.5, -0.5)
    figure.subplots_adjust(wspace=0.08)
    return figure


def _draw_boxes(axes: Axes, panel: Boxes, names: Sequence[str]) -> None:
    values = [[100 * accuracy for accuracy in panel.accuracies.get(name, ())] for name in names]
    line = {"color": INK, "linewidth": 0.8}
    axes.boxplot(
        values, positions=range(len(names)), orientation="horizontal", widths=0.55, showfliers=False,
        manage_ticks=False, boxprops=line, whiskerprops=line, capprops=line,
        medianprops={"color": hex_colour(WRONG), "linewidth": 1.4},
    )  # fmt: skip
    for place, of_row in enumerate(values):
        heights = [place + 0.3 * ((i + 0.5) / len(of_row) - 0.5) for i in range(len(of_row))]
        axes.plot(of_row, heights, "o", color=hex_colour(RIGHT), alpha=0.75, markeredgewidth=0)
    if panel.position is not None:
        axes.axvline(100 * panel.position, color=FAINT, linestyle="--")
    plain_axes(axes)
    axes.set_xlabel("overall accuracy (%); dashed: by position alone", fontsize=scaled(LABEL), color=INK)
    axes.set_title(literal(panel.title), fontsize=scaled(LABEL), color=INK, loc="left", pad=5)


@dataclass(frozen=True)
class Point:
    """A row at its cost and its mean overall accuracy in percent, with the standard deviation of several runs."""

    row: str
    cost: float
    accuracy: float
    deviation: float | None


def points(rows: Sequence[Row], cost: str) -> list[Point]:
    """The rows whose accuracy and cost, a key of :data:`COSTS`, are known, cheapest first."""
    placed = []
    for row in rows:
        x, y = getattr(row, cost), row.measures.get("overall_accuracy")
        x = x.mean if isinstance(x, (Spread, SpreadRecord)) else x
        if x and y:
            deviation = None if y.deviation is None else 100 * y.deviation
            placed.append(Point(row.name, x, 100 * y.mean, deviation))
    return sorted(placed, key=lambda point: (point.cost, -point.accuracy))


def frontier(ordered: Sequence[Point]) -> list[Point]:
    """Of points in order of cost, those more accurate than every point that is as cheap or cheaper."""
    best: list[Point] = []
    for point in ordered:
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best


def known_costs(splits: Sequence[Split]) -> list[str]:
    """The costs that at least two rows of some split have; none where no two networks are compared."""
    known = [cost for cost in COSTS if any(len(points(split.rows, cost)) > 1 for split in splits)]
    return known if "parameters" in known else []


@figure("pareto", "accuracy against what compared networks cost", COMPARISON_FIGURES)
def pareto_figure(splits: Sequence[Split], costs: Sequence[str]) -> Figure:
    """A row of panels for each split; costs are on a logarithmic axis, and the line joins the frontier.

    Rows have numbers, which a list on the right explains.
    """
    names = list(dict.fromkeys(row.name for split in splits for row in split.rows))
    figure = new_figure(PANEL * len(costs) + LIST, max(PANEL * len(splits), LINE * len(names)))
    panels = figure.subplots(len(splits), len(costs), sharey="row", squeeze=False)
    for split, of_split in zip(splits, panels, strict=True):
        for cost, axes in zip(costs, of_split, strict=True):
            _draw_panel(axes, split, cost, names)
        of_split[0].set_ylabel("overall accuracy (%)", fontsize=scaled(LABEL), color=INK)
        title = literal(split_title(split.name, split.rule))
        of_split[0].set_title(title, fontsize=scaled(LABEL), color=INK, loc="left", pad=5)
    figure.subplots_adjust(right=1 - LIST / figure.get_figwidth(), wspace=0.1, hspace=0.4)
    listed = "\n".join(f"{number}  {literal(name)}" for number, name in enumerate(names, start=1))
    right = panels[0, -1].get_position()
    figure.text(right.x1 + 0.02, right.y1, listed, fontsize=scaled(SMALL), color=INK, va="top", linespacing=1.5)
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
        where: Any = {"ha": "center", "va": "center_baseline", "color": "white", "fontsize": scaled(SMALL - 1)}
        axes.text(point.cost, point.accuracy, str(names.index(point.row) + 1), **where)
    plain_axes(axes)
    for dots in axes.lines:
        dots.set_markersize(8)
    axes.margins(x=0.12)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(COSTS[cost], fontsize=scaled(LABEL), color=INK)


def figure_values(comparison: Comparison | ComparisonRecord) -> dict[str, Any]:
    """What the figures are drawn from, by the names of their parameters."""
    splits = comparison.splits
    return {"panels": boxes_of(comparison), "splits": splits, "costs": known_costs(splits) or None}


def read_comparison_figures(folder: Path) -> dict[str, Any]:
    """The values of :func:`figure_values` for the comparison in a folder.

    Raises :class:`hsi.errors.SceneFileError` for a ``comparison.json`` that is missing or damaged.
    """
    return figure_values(read_record(folder / "comparison.json", ComparisonRecord))


def write_comparison_figures(folder: Path, comparison: Comparison) -> list[Path]:
    """Write each figure as PNG and PDF; raises :class:`hsi.errors.OutputError`."""
    ready = drawings(COMPARISON_FIGURES, figure_values(comparison))
    return [
        path
        for name, draw in ready.items()
        for kind in ("png", "pdf")
        for path in write_figures(folder, {name: draw}, kind=kind)
    ]
