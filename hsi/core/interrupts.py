"""Interrupts by Ctrl-C and by signals to terminate, raised or deferred; and what was read when a library crashed."""

from __future__ import annotations

import mmap
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
TERMINATION = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


NOTE_BYTES = 4096
_notes: mmap.mmap | None = None


class Interrupted(KeyboardInterrupt):
    """An interrupt by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """Whether a deferred interrupt is waiting."""

    asked: Interrupted | None = None


def exit_code(error: BaseException | None) -> int:
    """128 and the number of the signal, as in shells; 130 for Ctrl-C."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@contextmanager
def interrupts_on_termination() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise :class:`Interrupted`, so that unfinished files are removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(TERMINATION, interrupt):
        yield


@contextmanager
def defer_interrupts() -> Iterator[Stop]:
    """Within the block the first interrupt is only noted, so that work can be saved first; a second one is raised."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise stop.asked
        stop.asked = Interrupted(number)

    with _handled((signal.SIGINT, *TERMINATION), note):
        yield stop
    if stop.asked:  # it came after the last check
        raise stop.asked


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Handler) -> Iterator[None]:
    """Handle signals within the block; outside the main thread, where Python cannot, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def share_notes() -> None:
    """Share with processes forked later which file is being read; see :func:`reading`."""
    global _notes
    _notes = mmap.mmap(-1, NOTE_BYTES)


def read_note() -> str:
    """The file that a forked process is or was reading; empty where it reads none."""
    return _notes[:].rstrip(b"\0").decode("utf-8", "replace") if _notes else ""


@contextmanager
def reading(path: Path | str | None) -> Iterator[None]:
    """Note within the block, for the process that this one was forked from, that a file is being read."""
    if _notes is None:
        yield
        return
    before = _notes[:]
    _notes[:] = str(path or "").encode("utf-8", "replace")[:NOTE_BYTES].ljust(NOTE_BYTES, b"\0")
    try:
        yield
    finally:
        _notes[:] = before
