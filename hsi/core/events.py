"""What a long piece of work tells whoever started it: decisions, warnings and progress. Nobody listens by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol


class Advance(Protocol):
    """Move a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``, with a note behind the bar."""


class Listener(Protocol):
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


_LISTENER: ContextVar[Listener] = ContextVar("listener", default=Silent())  # noqa: B039 (it has no state)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, and this thread, all that is told goes to ``listener``."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def say(label: str, text: str) -> None:
    """Tell what was decided."""
    _LISTENER.get().say(label, text)


def detail(label: str, text: str) -> None:
    """Tell what only who wants to know more should read."""
    _LISTENER.get().detail(label, text)


def warn(text: str) -> None:
    """Tell what a user should look at."""
    _LISTENER.get().warn(text)


def progress(title: str, unit: str = "") -> AbstractContextManager[Advance]:
    """Tell how far a stage is: ``with progress("survey", "rows") as advance: advance(done, total)``."""
    return _LISTENER.get().progress(title, unit)
