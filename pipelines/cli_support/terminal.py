"""The terminal: results on stdout, progress and warnings on stderr, and how much of them is printed.

rich is imported with the first line that is printed, so that ``hsi --help`` starts without it.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import click

from hsi.core.events import Advance, Reporter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn
    from rich.table import Table

TEXT_WIDTH = 68  # what the label leaves of 80 columns
LONGEST_NAME = 78  # letters of a name in a table
PROGRESS = "HSI_PROGRESS"  # environment variable: "lines" prints progress for a program that reads it


@dataclass
class Verbosity:
    """``quiet`` leaves out all but warnings and errors, ``verbose`` adds details, ``debug`` tracebacks."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


chosen = Verbosity()  # of the command that this process runs


def reset_verbosity() -> None:
    """Go back to the defaults before a command line is read."""
    chosen.quiet = chosen.verbose = chosen.debug = False


def _choose(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        setattr(chosen, str(option.name), True)
        if chosen.quiet and chosen.verbose:
            raise click.UsageError("--quiet and --verbose ask for opposites: give one of them", context)


def verbosity_options() -> list[click.Option]:
    """``--quiet``, ``--verbose`` and ``--debug``, which every command takes before its name or after it."""
    texts = {
        ("-q", "--quiet"): "Print nothing but warnings and errors; files are still written.",
        ("-v", "--verbose"): "Print more: what settings came to, and the time and memory of each stage.",
        ("--debug",): "Show the traceback of an error.",
    }
    return [
        click.Option(flags, is_flag=True, expose_value=False, is_eager=True, callback=_choose, help=text)
        for flags, text in texts.items()
    ]


def plain(text: str) -> str:
    """One line without control characters: names in files may hold line breaks or codes that steer a terminal."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in text)


@cache
def console(stderr: bool = False) -> Console:
    """Stdout or stderr; long paths stay in one piece when the output is piped."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def say(label: str, *lines: str) -> None:
    """Print lines: the first behind a label, the others below it."""
    for i, line in enumerate(() if chosen.quiet else lines):
        console().print(f"[bold]{'' if i else label:<11}[/bold] ", end="")
        console().print(plain(line), markup=False)


def say_wrapped(label: str, text: str) -> None:
    """As :func:`say`, in lines that fit a terminal of 80 columns."""
    say(label, *textwrap.wrap(" ".join(text.split()), TEXT_WIDTH, break_long_words=False, break_on_hyphens=False))


def detail(label: str, text: str) -> None:
    """As :func:`say`, only with ``--verbose``."""
    if chosen.verbose:
        say(label, text)


def warn(text: str) -> None:
    """Print one warning on stderr."""
    console(stderr=True).print("[yellow]warning:[/yellow] ", end="")
    console(stderr=True).print(plain(text), markup=False)


def show(table: Table) -> None:
    """Print a table, as wide as the terminal at most, below its title, which may be wider than a narrow table."""
    if chosen.quiet:
        return
    title, table.title = table.title, None
    if title is not None:
        console().print(title, soft_wrap=False)
    console().print(table, soft_wrap=False)


def new_table(title: str | None = None) -> Table:
    """An empty table that spends no columns on frames."""
    from rich import box
    from rich.table import Table

    return Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)


def add_name_column(table: Table, width: int = 26, heading: str = "class") -> None:
    """Add a column for names, the only one that gives way where the table would be too wide; long names are folded."""
    table.add_column(heading, overflow="fold", max_width=width)


def add_number_columns(table: Table, *headings: str) -> None:
    """Add columns for numbers, which are never folded."""
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)


def class_table(title: str | None, *headings: str, width: int = 26) -> Table:
    """A table of classes: id, name and columns for numbers."""
    table = new_table(title)
    add_number_columns(table, "id")
    add_name_column(table, width)
    add_number_columns(table, *headings)
    return table


def size_of(count: int) -> str:
    """Bytes in decimal units: ``33.6 MB``."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.95 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def short_name(name: str) -> str:
    """A name from a file as a cell of a table, cut where it is longer than a line."""
    from rich.markup import escape

    text = plain(name)
    return escape(text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…")


def has_viewer() -> bool:
    """Whether stderr is a terminal on which a progress bar can be seen: no pipe, no CI, and not ``--quiet``."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and not os.environ.get("CI") and not chosen.quiet


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Advance]:
    """A progress bar on stderr, drawn only where it can be seen: ``advance(done, total, note)``.

    Without a total it shows that the work goes on, and for how long. Programs that read it set :data:`PROGRESS` and
    get a line for each percent: ``progress: 42 % training``.
    """
    if os.environ.get(PROGRESS) == "lines":
        yield _progress_lines(title)
        return
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    note = TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis"), markup=False)
    columns = (TextColumn("{task.description:<11}"), BarColumn(bar_width=16), _numbers_column(), note)
    with Progress(*columns, console=console(stderr=True), disable=not has_viewer(), transient=True) as bar:
        task = bar.add_task(title, total=None, note="", unit=unit)

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance


def _progress_lines(title: str) -> Advance:
    """Prints a line on stderr whenever the percentage is another."""
    last: int | None = None

    def advance(done: int, total: int, note: str = "") -> None:
        nonlocal last
        percent = 100 * done // total if total > 0 else 0
        if percent != last and not chosen.quiet:
            last = percent
            click.echo(f"progress: {percent} % {title}", err=True)

    advance(0, 0)
    return advance


def _numbers_column() -> ProgressColumn:
    """What is done of how much, units a second once they are known, the time taken and, if known, the time left."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Numbers(ProgressColumn):
        def render(self, task: Task) -> Text:
            count = "" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f} "
            unit, speed = task.fields["unit"], task.finished_speed or task.speed
            rate = f"{unit} {speed:,.{0 if speed >= 10 else 1}f}/s" if speed else unit
            left = "" if task.time_remaining is None else f", {_clock(task.time_remaining)} left"
            return Text(f"{count}{rate} {_clock(task.elapsed or 0)}{left}")

    return Numbers()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Terminal(Reporter):
    """Prints what the library reports."""

    info = staticmethod(say)
    debug = staticmethod(detail)
    warning = staticmethod(warn)
    progress = staticmethod(progress)
