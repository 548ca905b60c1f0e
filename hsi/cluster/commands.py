"""Commands of hsi on the workers of a Dask cluster, which write into a folder that client and workers share."""

from __future__ import annotations

import ctypes
import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hsi
from hsi.cluster.tasks import TaskQueue
from hsi.errors import ClusterError, OutputError

if TYPE_CHECKING:
    from distributed import Client

POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0  # for a command to remove what it has half-written
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Command:
    """``python -m module ARGUMENTS`` in the folder ``cwd``; what it prints goes to ``log``."""

    module: str
    arguments: tuple[str, ...]
    cwd: str
    log: str


def run_commands(
    client: Client,
    commands: Mapping[str, Command],
    shared: Path,
    ended: Callable[[str, int, float], None],
    changed: Callable[[Sequence[str]], None],
) -> None:
    """Run every command on a worker, one for each of its threads; ``shared`` is the folder that they write into.

    ``ended(name, code, seconds)`` is called for each that ends, ``changed(names)`` with those that are running.
    When this is interrupted, so are the commands. A command whose worker is lost is run by another.

    Raises :class:`ClusterError` when a worker does not see the folder, or the scheduler is lost.
    """
    with _marked(shared) as (mark, token):
        queue: TaskQueue[str] = TaskQueue(client, run_command, math.inf, "run", ahead=0)
        tasks = [(name, (command, str(mark), token)) for name, command in commands.items()]
        for name, (code, seconds) in queue.results(tasks):
            ended(name, code, seconds)
            changed(sorted(queue.submitted))


@contextmanager
def _marked(shared: Path) -> Iterator[tuple[Path, str]]:
    """A file in the shared folder, by which workers recognise the folder; they go on while it exists."""
    mark, token = shared.absolute() / f".workers-{secrets.token_hex(8)}", secrets.token_hex(16)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        with mark.open("x", encoding="ascii") as file:
            file.write(token)
    except OSError as error:
        raise OutputError(f"{shared}: cannot be written: {error.strerror}: choose another out") from None
    try:
        yield mark, token
    finally:
        mark.unlink(missing_ok=True)


def run_command(command: Command, mark: str, token: str) -> tuple[int, float]:
    """The task of a worker: exit code and seconds of a command.

    Raises :class:`ClusterError` when this machine does not see the client's folders.
    """
    from distributed import get_worker

    worker, started, content = get_worker(), time.monotonic(), ""
    with suppress(OSError):
        content = Path(mark).read_text(encoding="ascii")
    if content != token or not Path(command.cwd).is_dir():
        missing = command.cwd if content == token else Path(mark).parent
        raise ClusterError(
            f"worker {worker.address} does not see the folder {missing}: give an out in storage that all share"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // worker.state.nthreads))
    root = str(Path(hsi.__file__).resolve().parent.parent)
    path = os.pathsep.join(place for place in (root, os.environ.get("PYTHONPATH", "")) if place)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    log = Path(command.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", command.module, *command.arguments],
            cwd=command.cwd, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=_end_with_worker,
        )  # fmt: skip
        return _wait(process, Path(mark)), time.monotonic() - started


def _end_with_worker() -> None:
    """In the new process: be killed when the worker is, so that no two run the same command."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], mark: Path) -> int:
    """The exit code; a command whose client has gone is interrupted."""
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        if not mark.exists():
            process.send_signal(signal.SIGINT)
            try:
                return process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
    return process.wait()
