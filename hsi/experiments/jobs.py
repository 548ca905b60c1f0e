"""``hsi`` command lines in processes of their own, several at once, each with a log; an interrupt ends them all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import hsi
from hsi.core.installation import usable_cores
from hsi.core.interrupts import interrupts_on_termination

POLL_SECONDS = 0.05
GRACE_SECONDS = 10  # for a process to remove what it has half-written
PACKAGE = Path(hsi.__file__).resolve().parent

Ended = Callable[["Job", int, float], None]
Changed = Callable[[Sequence[str]], None]


def command_module() -> str:
    """The module that ``python -m`` starts as ``hsi``: in a wheel the commands are in ``hsi``, in a checkout next to
    it."""
    return "hsi.pipelines.cli" if (PACKAGE / "pipelines").is_dir() else "pipelines.cli"


@dataclass(frozen=True)
class Job:
    """``hsi ARGUMENTS`` under a name; its output and errors go to ``log``.

    With ``any_gpu`` it computes on the first GPU that it sees, so that it may be shown one alone.
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    any_gpu: bool = False

    @property
    def command(self) -> list[str]:
        """The command line, for this Python and this package."""
        return [sys.executable, "-P", "-m", command_module(), *self.arguments]


@dataclass
class _Started:
    job: Job
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    since: float
    gpu: str | None
    threads: int


def run_jobs(jobs: Sequence[Job], slots: int, ended: Ended, changed: Changed, gpus: Sequence[str] = ()) -> None:
    """Run every job, ``slots`` at a time; they divide the cores, see :func:`threads_each`.

    ``ended(job, code, seconds)`` is called for each that ends, ``changed(names)`` when others are running than before.
    Of several ``gpus``, a job with ``any_gpu`` sees one alone in ``CUDA_VISIBLE_DEVICES``: that with the fewest running
    jobs, in turn. When this is interrupted, the running jobs are interrupted too and waited for.
    """
    waiting, running = deque(jobs), list[_Started]()
    turns = list(gpus)
    with interrupts_on_termination():  # processes of other sessions would go on without it
        try:
            while waiting or running:
                while waiting and len(running) < slots:
                    starting = min(slots - len(running), len(waiting))
                    threads = threads_each(starting, sum(one.threads for one in running))
                    job, gpu = waiting.popleft(), None
                    if job.any_gpu and len(turns) > 1:
                        gpu = min(turns, key=[one.gpu for one in running].count)
                        turns.append(turns.pop(turns.index(gpu)))
                    running.append(_start(job, threads, gpu))
                    changed([one.job.name for one in running])
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    one.log.close()
                    ended(one.job, one.process.returncode, time.monotonic() - one.since)
                    changed([one.job.name for one in running])
                time.sleep(POLL_SECONDS)
        finally:
            _stop(running)


def run_jobs_on(scheduler: str, jobs: Sequence[Job], shared: Path, ended: Ended, changed: Changed) -> None:
    """As :func:`run_jobs` on the workers of a Dask scheduler, which share the folder ``shared`` and this one.

    Raises :class:`ClusterError` when they do not, or the scheduler is lost.
    """
    from hsi.cluster.client import ClusterOptions
    from hsi.cluster.commands import Command, run_commands

    by_name = {job.name: job for job in jobs}
    module, here = command_module(), str(Path.cwd())
    commands = {job.name: Command(module, job.arguments, here, str(job.log.absolute())) for job in jobs}
    with ClusterOptions(scheduler).connected() as client:
        run_commands(client, commands, shared, lambda name, code, seconds: ended(by_name[name], code, seconds), changed)


def _environment(threads: int) -> dict[str, str]:
    """This process's environment, in which Python finds this package."""
    places = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(place for place in places if place)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def _start(job: Job, threads: int, gpu: str | None) -> _Started:
    environment = _environment(threads) | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
    job.log.parent.mkdir(parents=True, exist_ok=True)
    log = job.log.open("wb")
    process = subprocess.Popen(
        job.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
        start_new_session=True,  # so that a Ctrl-C at the terminal reaches it once, from here
        # a process started in the background may ignore interrupts, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    return _Started(job, process, log, time.monotonic(), gpu, threads)


def _stop(running: Sequence[_Started]) -> None:
    """Interrupt what still runs, and kill what does not end within the grace."""
    for one in running:
        one.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for one in running:
        try:
            one.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        one.log.close()


def threads_each(starting: int, used: int = 0) -> int:
    """Threads for each of the processes that start next: ``OMP_NUM_THREADS`` where it is set, or an equal part of the
    cores that those running do not use.

    Threads of two processes on one core wait for each other at every parallel loop, which takes longer than one.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else max(1, (usable_cores() - used) // starting)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by the names that ``CUDA_VISIBLE_DEVICES`` has for them.

    They are counted without a CUDA context, which would take memory of the first one for as long as the jobs run.
    """
    import torch

    count, listed = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(count)) if listed is None else map(str.strip, listed.split(","))
    return list(names)[:count]


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, without the word error; a text for a log without one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    written = [line.strip() for line in lines if line.strip()]
    return written[-1].removeprefix("error: ") if written else "ended without a word"
