"""A comparison as a picture: a box for each row and a point for each run, a panel for each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from hsi.experiments.notes import split_title, titled
from hsi.experiments.summary import Comparison, Spread
from hsi.report.figures.style import (
    FAINT,
    INK,
    LABEL,
    RIGHT,
    WRONG,
    hex_colour,
    literal,
    new_figure,
    plain_axes,
    shortened,
    write_figure,
)
from hsi.report.records import Share, Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH, ROW_HEIGHT, MARGIN = 3.6, 0.3, 0.7  # inches
LONGEST_NAME = 40
MOST_PANELS, MOST_ROWS = 12, 100  # of a stored comparison: a picture of more takes gigabytes


@dataclass(frozen=True)
class Boxes:
    """A panel: overall accuracies (0 to 1) of the runs of each row, and that by position alone where it is known."""

    title: str
    accuracies: Mapping[str, Sequence[float]]
    position: float | None


def boxes_of(comparison: Comparison) -> list[Boxes]:
    """The panels of a comparison, one for each split."""
    panels = []
    for split in comparison.splits:
        runs = [run for run in comparison.finished if run.planned.split == split.name]
        found = [(run.planned.row, run.report["overall_accuracy"]) for run in runs]
        position = None if split.position is None else split.position.mean
        panels.append(_boxes(split_title(split), [row.name for row in split.rows], found, position))
    return panels


class PositionTold(Told):
    """Accuracy by position alone."""

    mean: Share


class RowTold(Told):
    """A row of a split; those of older versions of hsi tell no costs."""

    name: str
    measures: dict[str, Spread | None]
    parameters: int | None = Field(ge=0)
    multiply_adds: int | None = Field(default=None, ge=0)
    pixel_seconds: Spread | None = None


class SplitTold(Told):
    """A split and its rows."""

    name: str
    rule: str
    position: PositionTold | None
    rows: tuple[RowTold, ...] = Field(min_length=1)


class OutcomeTold(Told):
    """A run."""

    row: str
    split: str
    overall_accuracy: Share | None


class ComparisonTold(Told):
    """What figures are drawn from of a ``comparison.json``."""

    splits: tuple[SplitTold, ...] = Field(min_length=1, max_length=MOST_PANELS)
    runs: tuple[OutcomeTold, ...]

    @model_validator(mode="after")
    def _few_rows(self) -> ComparisonTold:
        if len({row.name for split in self.splits for row in split.rows}) > MOST_ROWS:
            raise ValueError(f"it has more than {MOST_ROWS} rows")
        return self


def stored_boxes(found: ComparisonTold) -> list[Boxes]:
    """The panels of a stored comparison, which :func:`hsi.report.records.read_record` reads."""
    return [_stored_boxes(split, found.runs) for split in found.splits]


def _stored_boxes(split: SplitTold, runs: Sequence[OutcomeTold]) -> Boxes:
    found = [(run.row, run.overall_accuracy) for run in runs if run.split == split.name]
    position = None if split.position is None else split.position.mean
    return _boxes(titled(split.name, split.rule), [row.name for row in split.rows], found, position)


def _boxes(title: str, rows: Sequence[str], found: Sequence[tuple[str, float | None]], position: float | None) -> Boxes:
    known = [(row, value) for row, value in found if value is not None]
    return Boxes(title, {name: [value for row, value in known if row == name] for name in rows}, position)


def comparison_figure(panels: Sequence[Boxes]) -> Figure:
    """Overall accuracy of every run; the first row is on top, the position-only accuracy a dashed line."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.accuracies))
    figure = new_figure(PANEL_WIDTH * len(panels), MARGIN + ROW_HEIGHT * len(names))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel, names)
    told = [literal(shortened(name, LONGEST_NAME)) for name in names]
    drawn[0].set_yticks(range(len(names)), told, fontsize=LABEL, color=INK)
    drawn[0].set_ylim(len(names) - 0.5, -0.5)
    figure.subplots_adjust(wspace=0.08)
    return figure


def _draw_panel(axes: Axes, panel: Boxes, names: Sequence[str]) -> None:
    values = [[100 * accuracy for accuracy in panel.accuracies.get(name, ())] for name in names]
    line = {"color": INK, "linewidth": 0.8}
    axes.boxplot(
        values, positions=range(len(names)), orientation="horizontal", widths=0.55, showfliers=False,
        manage_ticks=False, boxprops=line, whiskerprops=line, capprops=line,
        medianprops={"color": hex_colour(WRONG), "linewidth": 1.4},
    )  # fmt: skip
    for place, found in enumerate(values):
        steps = [(i + 0.5) / len(found) - 0.5 for i in range(len(found))]
        heights = [place + 0.3 * step for step in steps]
        axes.plot(found, heights, "o", color=hex_colour(RIGHT), alpha=0.75, markeredgewidth=0)
    if panel.position is not None:
        axes.axvline(100 * panel.position, color=FAINT, linestyle="--")
    plain_axes(axes)
    axes.set_xlabel("overall accuracy (%); dashed: by position alone", fontsize=LABEL, color=INK)
    axes.set_title(literal(panel.title), fontsize=LABEL, color=INK, loc="left", pad=5)


def write_comparison_figure(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``comparison.png`` and ``comparison.pdf``; raises :class:`hsi.errors.OutputError`."""
    paths = [folder / "comparison.png", folder / "comparison.pdf"]
    for path in paths:
        write_figure(path, comparison_figure(boxes_of(comparison)))
    return paths
