"""Settings, metrics by epoch and files of a run, reported to TensorBoard or MLflow while it works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from hsi.core.events import Recorder, info, report_to, warning
from hsi.errors import UnknownNameError, UsageError
from hsi.settings import Program, Settings, plain_settings
from hsi.version import install_hint


class Tracker(ABC):
    """A run in the store of another program, ``where``; its methods raise what that program does."""

    where: str

    @abstractmethod
    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Store metrics of an epoch by name."""

    @abstractmethod
    def finish(self, settings: Mapping[str, Any], results: Mapping[str, float], made: Path | None) -> None:
        """Store settings by their dotted names, the accuracy, and the folder or file that was ``made``."""

    @abstractmethod
    def fail(self, settings: Mapping[str, Any]) -> None:
        """Mark the run as one that did not finish."""


class TrackedRun(Recorder):
    """Passes metrics to a tracker, and all else to the reporter before it.

    Where the tracker fails, there is one warning and the run goes on.
    """

    def __init__(self, kind: str, tracker: Tracker, settings: Settings) -> None:
        super().__init__()
        self.kind, self.tracker, self.settings = kind, tracker, settings
        self.results: dict[str, float] = {}
        self.made: Path | None = None
        self._failed = False

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Pass the metrics of an epoch on."""
        self.attempt(lambda: self.tracker.log_epoch(epoch, values))
        super().metrics(epoch, values)

    def complete(self, settings: Settings, accuracy: Mapping[str, Any], made: Path | None) -> None:
        """Remember the settings as they were resolved, the accuracy report, and what was written."""
        self.settings, self.made = settings, made
        names = ("overall_accuracy", "average_accuracy", "kappa")
        found = {name: accuracy.get(name) for name in names}
        found["position_accuracy"] = (accuracy.get("audit") or {}).get("position_accuracy")
        self.results = {name: float(value) for name, value in found.items() if value is not None}

    def attempt(self, act: Callable[[], None]) -> None:
        """Let the tracker do something."""
        try:
            act()
        except Exception as error:  # whatever another program and its server raise
            if not self._failed:
                warning(f"{self.kind} has failed, and the run goes on: {_one_line(error)}")
            self._failed = True


@contextmanager
def tracked(kind: str | None, name: str, settings: Settings) -> Iterator[TrackedRun | None]:
    """Within the block, report to the program ``kind`` as a run called ``name``; None: to none.

    Raises :class:`UsageError` where it is not installed or its store cannot be used.
    """
    if kind is None:
        yield None
        return
    run = TrackedRun(kind, open_tracker(kind, name), settings)
    info("tracked", f"{kind}: {run.tracker.where}")
    with report_to(run):
        try:
            yield run
        except BaseException:
            run.attempt(lambda: run.tracker.fail(plain_settings(run.settings)))
            raise
        run.attempt(lambda: run.tracker.finish(plain_settings(run.settings), run.results, run.made))


def open_tracker(kind: str, name: str) -> Tracker:
    """A new run in the store of a program."""
    if kind not in get_args(Program):
        raise UnknownNameError("program to track with", kind, get_args(Program))
    try:
        module = import_module(f"hsi.tracking.{kind}_run")
        tracker: Tracker = module.make_tracker(name)
    except ImportError as error:
        raise UsageError(f"track={kind} needs {kind}: {install_hint(kind)} ({_one_line(error)})") from error
    except Exception as error:  # such as a server that does not answer
        raise UsageError(f"track={kind}: its store cannot be used: {module.REMEDY}: {_one_line(error)}") from error
    return tracker


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
