"""Tasks handed out to workers a few at a time, and their results in order of arrival, whatever happens to workers."""

from __future__ import annotations

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hsi.errors import ClusterError, HsiError

if TYPE_CHECKING:
    from distributed import Client, Future

Name = TypeVar("Name", int, str)  # of a task

LOOK_SECONDS = 1.0  # how often workers and time limits are looked at
AHEAD = 1  # tasks that usually wait at each worker while its threads are at work
TRIES = 4  # how often a task is handed out before it is given up
WORKERLESS_SECONDS = 60.0  # how long there may be no worker at all, such as while they are started again


@dataclass
class _Handed:
    """A task that was handed out, perhaps several times."""

    arguments: tuple[Any, ...]
    futures: list[Future] = field(default_factory=list)
    since: float = 0.0


class TaskQueue(Generic[Name]):
    """Runs ``function(*arguments)`` on the workers of a client; ``limit`` seconds after a task was handed out without a
    result it is sent to another worker as well, and whichever is first counts.

    A task whose worker is lost is run by another. Workers that let a limit pass get no further task until something
    comes from them. Workers may come and go at any time.
    """

    def __init__(
        self, client: Client, function: Callable[..., Any], limit: float, name: str, ahead: int = AHEAD
    ) -> None:
        self.ahead = ahead
        self.client, self.function, self.limit, self.name = client, function, limit, name
        self.address = str(client.scheduler.address)
        self.threads: Mapping[str, int] = {}
        self.suspects: set[str] = set()
        self.handed: dict[Name, _Handed] = {}
        self.arrived: queue.SimpleQueue[tuple[Name, Future, Any]] = queue.SimpleQueue()
        self.looked = self.workers_seen = 0.0

    def results(self, tasks: Sequence[tuple[Name, tuple[Any, ...]]]) -> Iterator[tuple[Name, Any]]:
        """Name and result of each ``(name, arguments)``, as they arrive.

        Raises what a task raises if it is an :class:`HsiError`, else :class:`ClusterError`: when the scheduler is lost,
        no worker is left, or a task fails or gets no result however often it is handed out.
        """
        waiting = deque(tasks)
        try:
            self._look()
            while waiting or self.handed:
                while waiting and len(self.handed) < self._room():
                    name, arguments = waiting.popleft()
                    self._hand_out(name, _Handed(arguments))
                try:
                    name, future, outcome = self.arrived.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    self._look()
                    continue
                if time.monotonic() - self.looked > LOOK_SECONDS:
                    self._look()
                if name in self.handed and self._is_result(name, future, outcome):
                    self._forget(name)
                    yield name, outcome.result()
        finally:
            for name in list(self.handed):
                self._forget(name)

    def _room(self) -> int:
        return sum(count + self.ahead for worker, count in self.threads.items() if worker not in self.suspects)

    def _look(self) -> None:
        """Find who is there, and send elsewhere what took too long."""
        self.looked = time.monotonic()
        if self.client.status != "running":
            raise self._lost()
        try:
            found = self.client.scheduler_info()["workers"]
        except (OSError, TimeoutError):
            raise self._lost() from None
        self.threads = {address: facts["nthreads"] for address, facts in found.items()}
        self.suspects &= self.threads.keys()
        if self.suspects == self.threads.keys():
            self.suspects = set()  # all are slow: no one is to blame
        if self.threads:
            self.workers_seen = self.looked
        elif self.looked - (self.workers_seen or self.looked) > WORKERLESS_SECONDS:
            raise ClusterError(f"{self.address}: has had no worker for {WORKERLESS_SECONDS:.0f} s")
        self.workers_seen = self.workers_seen or self.looked
        late = [name for name, task in self.handed.items() if self.looked - task.since > self.limit]
        if late:
            self._blame(late)
            for name in late:
                self._hand_out(name, self.handed[name])

    def _blame(self, late: Sequence[Name]) -> None:
        """Give no more to workers that hold late tasks."""
        keys = {future.key for name in late for future in self.handed[name].futures}
        for held in (self.client.processing(), self.client.has_what()):
            self.suspects |= {worker for worker, here in held.items() if keys & set(map(str, here))}
        if not self.threads.keys() - self.suspects:
            self.suspects = set()

    def _hand_out(self, name: Name, task: _Handed) -> None:
        if len(task.futures) == TRIES:
            raise ClusterError(f"{self.name} {name}: {TRIES} times no result came within {self.limit:g} s from workers")
        key = f"{self.name}-{name}-{len(task.futures) + 1}-{time.monotonic_ns()}"
        where = sorted(self.threads.keys() - self.suspects) or None
        future = self.client.submit(self.function, *task.arguments, key=key, workers=where, pure=False)
        task.futures.append(future)
        task.since = time.monotonic()
        self.handed[name] = task
        # what waits also brings the result here, which may take as long as the work where a worker hangs
        waiter = asyncio.run_coroutine_threadsafe(_outcome(future), self.client.loop.asyncio_loop)
        waiter.add_done_callback(lambda outcome: self.arrived.put((name, future, outcome)))

    def _is_result(self, name: Name, future: Future, outcome: Any) -> bool:
        """Whether an outcome is a result; what is lost is handed out again, and what failed is raised."""
        error = None if outcome.cancelled() else outcome.exception()
        if error is None and not outcome.cancelled():
            return True
        if isinstance(error, HsiError):
            raise error
        if self.client.status != "running":
            raise self._lost()
        if outcome.cancelled() or future.cancelled():
            self._hand_out(name, self.handed[name])
            return False
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"{self.name} {name}: failed on a worker: {type(error).__name__}: {reason}") from error

    def _forget(self, name: Name) -> None:
        for future in self.handed.pop(name).futures:
            if not future.done():
                future.cancel()
            future.release()

    def _lost(self) -> ClusterError:
        return ClusterError(f"{self.address}: the Dask scheduler is lost")


async def _outcome(future: Future) -> Any:
    return await future
