"""What every command shows: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column, Table
from rich.text import Text

from hsi.core.events import Advance

from . import verbosity
from .plain import plain

TEXT_WIDTH = 68  # what is left of 80 columns beside the label
LONGEST_NAME = 78  # letters of a name in a table

# soft_wrap keeps long paths in one piece when the output is piped
stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def say(label: str, text: str) -> None:
    """One line of what was decided: a label, then the fact."""
    if verbosity.chosen.quiet:
        return
    stdout.print(f"[bold]{label:<11}[/bold] ", end="")
    stdout.print(plain(text), markup=False)


def say_wrapped(label: str, text: str) -> None:
    """As :func:`say`, in lines that fit a terminal of 80 columns."""
    lines = textwrap.wrap(" ".join(text.split()), TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
    for i, line in enumerate(lines):
        say("" if i else label, line)


def detail(label: str, text: str) -> None:
    """One line that only ``--verbose`` shows."""
    if verbosity.chosen.verbose:
        say(label, text)


def show_text(text: str) -> None:
    """Lines on stdout as they are."""
    if not verbosity.chosen.quiet:
        stdout.print(text, markup=False)


def show(table: Table) -> None:
    """A table on stdout, as wide as the terminal at most, below its title, which may be wider than a narrow table."""
    if verbosity.chosen.quiet:
        return
    title, table.title = table.title, None
    if title is not None:
        stdout.print(title, soft_wrap=False)
    stdout.print(table, soft_wrap=False)


def warn(text: str) -> None:
    """One warning on stderr."""
    stderr.print("[yellow]warning:[/yellow] ", end="")
    stderr.print(plain(text), markup=False)


def new_table(title: str | None = None) -> Table:
    """An empty table that spends no columns on frames."""
    return Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def add_name_column(table: Table, width: int = 26, heading: str = "class") -> None:
    """A column for names, the only one that gives way where the table would be too wide; long names are folded."""
    table.add_column(heading, overflow="fold", max_width=width)


def short_name(name: str) -> str:
    """A name from a file as a cell of a table: one that goes on and on is cut."""
    text = plain(name)
    return escape(text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…")


class _Done(ProgressColumn):
    """How much of how much."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f}")


class _Rate(ProgressColumn):
    """Units in a second, once they are known."""

    def render(self, task: Task) -> Text:
        unit, speed = task.fields["unit"], task.finished_speed or task.speed
        if not speed:
            return Text(unit)
        return Text(f"{unit} {speed:,.{0 if speed >= 10 else 1}f}/s")


class _Times(ProgressColumn):
    """The time that has gone by and, where the end is known, the time left."""

    def render(self, task: Task) -> Text:
        told = _clock(task.elapsed or 0)
        return Text(told if task.time_remaining is None else f"{told}, {_clock(task.time_remaining)} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def is_watched() -> bool:
    """Whether somebody looks at stderr while a command runs: not in a pipe, in CI, or when told to be quiet."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and not os.environ.get("CI") and not verbosity.chosen.quiet


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Advance]:
    """A progress bar on stderr, drawn only where somebody looks: ``advance(done, total, note)``.

    Without a total it shows that work goes on, and for how long.
    """
    note = TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis"), markup=False)
    bar = Progress(
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=16),
        _Done(),
        _Rate(),
        _Times(),
        note,
        console=stderr,
        disable=not is_watched(),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=None, note="", unit=unit)

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance
