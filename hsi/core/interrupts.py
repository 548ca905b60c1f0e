"""Interrupts: a signal to end counts as one, and where work can be kept it waits until that is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """An interrupt by the signal of that number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """Whether an interrupt came that waits."""

    asked: Interrupted | None = None


def exit_code(error: BaseException | None) -> int:
    """128 and the number of the signal, as shells have it; 130 for Ctrl-C."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@contextmanager
def interrupts_on_termination() -> Iterator[None]:
    """Being terminated or hung up on raises :class:`Interrupted`, so that what is half-written is put away."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(ENDING, interrupt):
        yield


@contextmanager
def defer_interrupts() -> Iterator[Stop]:
    """The first interrupt is only noted, for the work to stop where it can be kept; a second one is raised."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise stop.asked
        stop.asked = Interrupted(number)

    with _handled((signal.SIGINT, *ENDING), note):
        yield stop
    if stop.asked:  # it came after the last moment to heed it
        raise stop.asked


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Handler) -> Iterator[None]:
    """Handle signals while it lasts; outside the main thread, where Python cannot, they stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
