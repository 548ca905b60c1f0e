"""A comparison as a picture: a box for each row and a point for each run, a panel for each split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsi.comparison import Comparison, SplitComparison
from hsi.comparison_notes import split_title
from hsi.drawing import DPI, FAINT, INK, RIGHT, WRONG, hex_colour, literal, new_figure, plain_axes
from hsi.paths import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH, ROW_HEIGHT, MARGIN = 3.6, 0.3, 0.7  # inches


def comparison_figure(comparison: Comparison) -> Figure:
    """Overall accuracy of every run; the first row is on top, the position-only accuracy a dashed line."""
    splits = comparison.splits
    names = list(dict.fromkeys(row.name for split in splits for row in split.rows))
    figure = new_figure(PANEL_WIDTH * len(splits), MARGIN + ROW_HEIGHT * len(names))
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axes, split in zip(panels, splits, strict=True):
        _draw_panel(axes, split, names, comparison)
    panels[0].set_yticks(range(len(names)), [literal(name) for name in names], fontsize=8, color=INK)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.subplots_adjust(wspace=0.08)
    return figure


def _draw_panel(axes: Axes, split: SplitComparison, names: list[str], comparison: Comparison) -> None:
    values: list[list[float]] = [[] for _ in names]
    for run in comparison.finished:
        if run.planned.split == split.name and run.report["overall_accuracy"] is not None:
            values[names.index(run.planned.row)].append(100 * run.report["overall_accuracy"])
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
    if split.position is not None:
        axes.axvline(100 * split.position.mean, color=FAINT, linestyle="--")
    plain_axes(axes)
    axes.set_xlabel("overall accuracy (%); dashed: by position alone", fontsize=8, color=INK)
    axes.set_title(literal(split_title(split)), fontsize=8, color=INK, loc="left", pad=5)


def write_comparison_figure(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``comparison.png`` and ``comparison.pdf``; raises :class:`hsi.errors.OutputError`."""
    figure, paths = comparison_figure(comparison), [folder / "comparison.png", folder / "comparison.pdf"]
    for path in paths:
        with write_atomically(path) as part:
            dated = {"CreationDate": None} if path.suffix == ".pdf" else None  # the same figures, the same file
            figure.savefig(part, dpi=DPI, bbox_inches="tight", pad_inches=0.08, metadata=dated)
    return paths
