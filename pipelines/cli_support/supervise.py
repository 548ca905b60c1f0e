"""A command in a process of its own, so that a library that crashes on a damaged file ends in a message."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from hsi.core.interrupts import read_note, share_notes

CRASHES = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "abort",
    signal.SIGFPE: "arithmetic fault",
    signal.SIGILL: "illegal instruction",
}
if hasattr(signal, "SIGBUS"):
    CRASHES[signal.SIGBUS] = "bus error"
FROM_KERNEL = 0x80  # SI_KERNEL: the terminal sent the signal, to all processes of the command
PARENT_DEATH = 1  # PR_SET_PDEATHSIG


def supervise(work: Callable[[], None], complain: Callable[[str], None]) -> None:
    """Run ``work``, which exits, in a fork of this process, and exit as it does.

    GDAL, HDF5 and SQLite are C libraries, in which a damaged file can cause a segmentation fault. Then ``complain``
    gets a line that names the file which was being read, and the exit code is 1. Signals are passed on. Without
    Linux's ``sigwaitinfo`` the work is done in this process.
    """
    if not (sys.platform == "linux" and hasattr(signal, "sigwaitinfo")):
        return work()
    share_notes()
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    before, parent = signal.pthread_sigmask(signal.SIG_BLOCK, signals), os.getpid()
    child = os.fork()
    if child:
        _exit_like(_wait(child, signals), complain)
    ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return work()


def _wait(child: int, signals: set[signal.Signals]) -> int:
    """Pass signals on until the child ends; its exit code, or the negative number of the signal that ended it."""
    while True:
        received = signal.sigwaitinfo(signals)
        if received.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        elif received.si_code != FROM_KERNEL:
            os.kill(child, received.si_signo)


def _exit_like(code: int, complain: Callable[[str], None]) -> NoReturn:
    if code >= 0:
        sys.exit(code)
    if -code in CRASHES:
        path, fault = read_note(), CRASHES[signal.Signals(-code)]
        where = f"{path}: a library crashed while reading it" if path else "a library crashed"
        remedy = "the file is damaged: copy it again, or convert it with the program that made it" if path else ""
        complain(f"{where} ({fault}); {remedy or 'please report it with the command and its input'}")
        sys.exit(1)
    with suppress(OSError):  # SIGKILL has no handler
        signal.signal(-code, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    os.kill(os.getpid(), -code)
    sys.exit(128 - code)
