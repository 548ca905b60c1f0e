"""What every command shows: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hsi.telling import Advance

from .plain import plain

# soft_wrap keeps long paths in one piece when the output is piped
stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def hush() -> None:
    """Print nothing from now on: another process speaks for this one, too."""
    stdout.quiet = stderr.quiet = True


def say(label: str, text: str) -> None:
    """One line of what was decided: a label, then the fact."""
    stdout.print(f"[bold]{label:<11}[/bold] ", end="")
    stdout.print(plain(text), markup=False)


def warn(text: str) -> None:
    """One warning on stderr."""
    stderr.print("[yellow]warning:[/yellow] ", end="")
    stderr.print(plain(text), markup=False)


def report(kind: str, text: str, style: str = "green") -> None:
    """One line on stderr about a part of the work that ended, above the progress bar where there is one."""
    stderr.print(f"[{style}]{kind}:[/{style}] ", end="")
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


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Advance]:
    """A progress bar on stderr, drawn only on a terminal: ``advance(done, total, note)``."""
    bar = Progress(
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=stderr,
        disable=not stderr.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=None, note="")

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance
