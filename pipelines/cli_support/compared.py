"""What ``hsi compare`` writes and shows of its finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from hsi.workflows.outputs import REPORT

from ..planning import Plan
from ..reporting import write_comparison_report
from .plain import plain
from .terminal import add_name_column, new_table, progress, say, short_name, show, warn

if TYPE_CHECKING:
    from hsi.experiments.results import FailedRun, FinishedRun
    from hsi.experiments.summary import Comparison, SplitComparison, Spread


def sum_up(
    plan: Plan, finished: Sequence[FinishedRun], failed: Sequence[FailedRun], about: Mapping[str, Any]
) -> Comparison:
    """The comparison of all finished runs, split by split; a split without one is said and left out."""
    from hsi.experiments.summary import Comparison, compare_split

    planned, rows = [run.planned for run in plan.runs], plan.experiment.rows
    splits = []
    for name in dict.fromkeys(run.split for run in planned):
        of_split = [run for run in finished if run.planned.split == name]
        if not of_split:
            warn(f"no run of the split {name} finished, so it has no table")
            continue
        with progress("tests", "maps") as advance:
            wanted = [run for run in planned if run.split == name]
            splits.append(compare_split(name, rows, wanted, of_split, plan.truth, advance))
    return Comparison(plan.experiment.title, tuple(splits), tuple(finished), tuple(failed), about)


def show_comparison(comparison: Comparison, out: Path) -> None:
    """Write the tables and the figure into ``out``; show a table for each split, then what holds."""
    from hsi.experiments.figures import write_comparison_figure, write_pareto_figure
    from hsi.experiments.notes import audit_line, comparison_notes, split_notes
    from hsi.experiments.tables import sources, write_comparison

    paths = [*write_comparison(out, comparison), *write_comparison_figure(out, comparison)]
    paths += [*write_pareto_figure(out, comparison), out / REPORT]
    write_comparison_report(out / REPORT, comparison)
    for split in comparison.splits:
        _show_split(split)
        say("audit", audit_line(split))
        for i, line in enumerate(split_notes(split)):
            say("" if i else "tests", line)
    for line in (*sources(comparison), *comparison_notes(comparison)):
        say("note", line)
    for i, path in enumerate(paths):
        say("" if i else "written", str(path))
    say("open", f"{out / REPORT} in a browser, or look at {out / 'comparison.png'}")


def _show_split(split: SplitComparison) -> None:
    """Accuracies, seconds and parameters of each row within 80 columns."""
    from hsi.experiments.notes import split_title
    from hsi.experiments.results import MEASURES
    from hsi.experiments.tables import is_bold, seconds_text

    table = new_table(f"{escape(plain(split_title(split)))}\nmean ± standard deviation in percent, seconds")
    add_name_column(table, 22, "row")
    for heading in (*MEASURES.values(), "train", "total", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in split.rows:
        cells = [_cell(row.measures[key], is_bold(split, key, row.name)) for key in MEASURES]
        seconds = [seconds_text(row.seconds[stage]) for stage in ("train", "total")]
        parameters = "–" if row.parameters is None else f"{row.parameters:,}"
        table.add_row(short_name(row.name), *cells, *seconds, parameters)
    show(table)


def _cell(found: Spread | None, bold: bool) -> str:
    """A narrow ``99.26±0.10``."""
    from hsi.experiments.notes import in_percent

    text = in_percent(found).replace(" ", "")
    return f"[bold]{text}[/bold]" if bold else text
