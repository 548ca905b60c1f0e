"""What the library reports while it works: facts, warnings and progress, and who receives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol


class Advance(Protocol):
    """Move a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``, with a note behind the bar."""


class Reporter(Protocol):
    """Who is told: the command line prints, a notebook may draw a bar, :class:`Silent` drops it all."""

    def say(self, label: str, text: str) -> None:
        """One line of what was decided: a label, then the fact."""

    def detail(self, label: str, text: str) -> None:
        """One line for who wants to know more."""

    def warn(self, text: str) -> None:
        """One warning."""

    def progress(self, title: str, unit: str) -> AbstractContextManager[Advance]:
        """A stage of the work, which moves from 0 to a total of ``unit``."""


class Silent:
    """A listener to whom nothing matters; children listen to some of it."""

    def say(self, label: str, text: str) -> None:
        """Drop a line."""

    def detail(self, label: str, text: str) -> None:
        """Drop a detail."""

    def warn(self, text: str) -> None:
        """Drop a warning."""

    @contextmanager
    def progress(self, title: str, unit: str) -> Iterator[Advance]:
        """Drop a stage's progress."""
        yield lambda done, total, note="": None


_LISTENER: ContextVar[Reporter] = ContextVar("listener", default=Silent())  # noqa: B039 (it has no state)


@contextmanager
def report_to(listener: Reporter) -> Iterator[None]:
    """Within the block, and this thread, all that is told goes to ``listener``."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def info(label: str, text: str) -> None:
    """Tell what was decided."""
    _LISTENER.get().say(label, text)


def debug(label: str, text: str) -> None:
    """Tell what only who wants to know more should read."""
    _LISTENER.get().detail(label, text)


def warning(text: str) -> None:
    """Tell what a user should look at."""
    _LISTENER.get().warn(text)


def progress(title: str, unit: str = "") -> AbstractContextManager[Advance]:
    """Tell how far a stage is: ``with progress("survey", "rows") as advance: advance(done, total)``."""
    return _LISTENER.get().progress(title, unit)


Report = Callable[[str, int, int, str], None]


class Recorder:
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


class TqdmReporter(Recorder):
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


def reporter_for(progress: bool | Report | None) -> Recorder:
    """What listens for ``progress``: True for bars, a function that is called, or None (or False) for silence."""
    if progress is True:
        return TqdmReporter()
    return Recorder(progress or None)
