"""Messages, warnings and progress of the library, and the reporters that receive them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``, with a note behind the bar."""


class Reporter:
    """Receives messages and progress, and ignores them; the command line and :class:`Recorder` override it."""

    def info(self, label: str, text: str, /) -> None:
        """A message: a label, then the fact."""

    def debug(self, label: str, text: str) -> None:
        """A message of minor interest."""

    def warning(self, text: str) -> None:
        """A warning."""

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics of an epoch of the training, by name."""

    def progress(self, title: str, unit: str) -> AbstractContextManager[Advance]:
        """A stage of the work, which moves from 0 to a total of ``unit``."""
        return nullcontext(lambda done, total, note="": None)


_REPORTER: ContextVar[Reporter] = ContextVar("reporter", default=Reporter())  # noqa: B039 (it has no state)


@contextmanager
def report_to(reporter: Reporter) -> Iterator[None]:
    """Within the block, and in this thread, messages and progress go to ``reporter``."""
    token = _REPORTER.set(reporter)
    try:
        yield
    finally:
        _REPORTER.reset(token)


def info(label: str, text: str) -> None:
    """Report a message: a label, then the fact."""
    _REPORTER.get().info(label, text)


def debug(label: str, text: str) -> None:
    """Report a message of minor interest."""
    _REPORTER.get().debug(label, text)


def warning(text: str) -> None:
    """Report a warning."""
    _REPORTER.get().warning(text)


def metrics(epoch: int, values: Mapping[str, float]) -> None:
    """Report metrics of an epoch of the training, by name."""
    _REPORTER.get().metrics(epoch, values)


def progress(title: str, unit: str = "") -> AbstractContextManager[Advance]:
    """Report the progress of a stage: ``with progress("survey", "rows") as advance: advance(done, total)``."""
    return _REPORTER.get().progress(title, unit)


Report = Callable[[str, int, int, str], None]


class Recorder(Reporter):
    """Stores messages and warnings, and passes all on to the reporter before it, such as the command line's.

    ``report(stage, done, total, note)`` is called instead as the work advances, where it is given.
    """

    def __init__(self, report: Report | None = None) -> None:
        self.report, self.outer = report, _REPORTER.get()
        self.messages: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def info(self, label: str, text: str) -> None:
        """Store a message."""
        self.messages.append((label, text))
        self.outer.info(label, text)

    def debug(self, label: str, text: str) -> None:
        """Pass a message of minor interest on."""
        self.outer.debug(label, text)

    def warning(self, text: str) -> None:
        """Store a warning."""
        self.warnings.append(text)
        self.outer.warning(text)

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Pass the metrics of an epoch on."""
        self.outer.metrics(epoch, values)

    def progress(self, title: str, unit: str) -> AbstractContextManager[Advance]:
        """Pass the progress of a stage on."""
        report = self.report
        if report is None:
            return self.outer.progress(title, unit)

        def advance(done: int, total: int, note: str = "") -> None:
            report(title, done, total, note)

        return nullcontext(advance)


class TqdmReporter(Recorder):
    """Draws a bar for each stage, in a notebook a widget."""

    @contextmanager
    def progress(self, title: str, unit: str) -> Iterator[Advance]:
        """Draw the bar of a stage."""
        from tqdm.auto import tqdm

        with tqdm(desc=title, unit=f" {unit}", leave=False) as bar:

            def advance(done: int, total: int, note: str = "") -> None:
                bar.total = total
                bar.set_postfix_str(note, refresh=False)
                bar.update(done - bar.n)

            yield advance


def reporter_for(progress: bool | Report | None) -> Recorder:
    """The reporter for an argument ``progress``: True for bars, a function to call, or None (or False) for silence."""
    return TqdmReporter() if progress is True else Recorder(progress or None)
