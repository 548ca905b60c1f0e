"""Listeners for those who call from Python: what was told is kept, and progress goes where they want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hsi.core.events import Advance

Report = Callable[[str, int, int, str], None]


class Kept:
    """Keeps what was said and warned of. ``report(stage, done, total, note)`` is called as the work moves on."""

    def __init__(self, report: Report | None = None) -> None:
        self.report = report
        self.said: list[tuple[str, str]] = []
        self.warned: list[str] = []

    def say(self, label: str, text: str) -> None:
        """Keep a line."""
        self.said.append((label, text))

    def detail(self, label: str, text: str) -> None:
        """Drop a detail."""

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warned.append(text)

    @contextmanager
    def progress(self, title: str, unit: str) -> Iterator[Advance]:
        """Pass a stage's progress on."""

        def advance(done: int, total: int, note: str = "") -> None:
            if self.report:
                self.report(title, done, total, note)

        yield advance


class Bars(Kept):
    """Draws a bar for each stage, in a notebook as one of its own."""

    @contextmanager
    def progress(self, title: str, unit: str) -> Iterator[Advance]:
        """Draw a stage's bar."""
        from tqdm.auto import tqdm

        with tqdm(desc=title, unit=f" {unit}", leave=False) as bar:

            def advance(done: int, total: int, note: str = "") -> None:
                bar.total = total
                bar.set_postfix_str(note, refresh=False)
                bar.update(done - bar.n)

            yield advance


def listener_for(progress: bool | Report | None) -> Kept:
    """What listens for ``progress``: True for bars, a function that is called, or None (or False) for silence."""
    if progress is True:
        return Bars()
    return Kept(progress or None)
