"""A queue of tasks for the workers of a Dask cluster: few at a time, and results although workers are lost or hang."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hsi.errors import ClusterError, HsiError

if TYPE_CHECKING:
    from distributed import Client, Future

Name = TypeVar("Name", int, str)  # of a task

POLL_SECONDS = 0.01  # between two looks for results
CHECK_SECONDS = 1.0  # between two checks of workers and time limits
AHEAD = 1  # tasks that usually wait at each worker while its threads are at work
TRIES = 4  # how often a task is submitted before it is given up
WORKERLESS_SECONDS = 60.0  # how long there may be no worker at all, such as while they are started again


@dataclass
class _Submitted:
    """A task that was submitted, perhaps several times, the last time at ``since``."""

    arguments: tuple[Any, ...]
    futures: list[Future] = field(default_factory=list)
    since: float = 0.0


class TaskQueue(Generic[Name]):
    """Runs ``function(*arguments)`` on the workers of a client. A task without a result ``limit`` seconds after it was
    submitted is sent to another worker as well, and the first result counts.

    A task whose worker is lost is run by another. Workers that let a limit pass get no further task until something
    comes from them. Workers may come and go at any time.
    """

    def __init__(
        self, client: Client, function: Callable[..., Any], limit: float, name: str, ahead: int = AHEAD
    ) -> None:
        from distributed import as_completed

        self.client, self.function, self.limit, self.name, self.ahead = client, function, limit, name, ahead
        self.address = str(client.scheduler.address)
        self.threads: Mapping[str, int] = {}
        self.suspects: set[str] = set()
        self.submitted: dict[Name, _Submitted] = {}
        self.names: dict[str, Name] = {}  # of the tasks by the keys of their futures
        self.completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self.checked, self.workers_seen = 0.0, time.monotonic()

    def results(self, tasks: Sequence[tuple[Name, tuple[Any, ...]]]) -> Iterator[tuple[Name, Any]]:
        """Name and result of each ``(name, arguments)``, as they arrive.

        Raises what a task raises if it is an :class:`HsiError`, else :class:`ClusterError`: when the scheduler is lost,
        no worker is left, or a task fails or gets no result however often it is submitted.
        """
        waiting = deque(tasks)
        try:
            while waiting or self.submitted:
                if time.monotonic() - self.checked > CHECK_SECONDS:
                    self._check_workers()
                free = [worker for worker in self.threads if worker not in self.suspects]
                while waiting and len(self.submitted) < sum(self.threads[worker] + self.ahead for worker in free):
                    name, arguments = waiting.popleft()
                    self._submit(name, _Submitted(arguments))
                batch = self.completed.next_batch(block=False)
                for future, result in batch:
                    name = self.names.pop(future.key)
                    if name in self.submitted and self._is_result(name, future):
                        self._forget(name)
                        yield name, result
                if not batch:
                    time.sleep(POLL_SECONDS)
        finally:
            for name in list(self.submitted):
                self._forget(name)

    def _check_workers(self) -> None:
        """Find which workers there are, and send tasks that take too long to others."""
        self.checked = time.monotonic()
        if self.client.status != "running":
            raise self._lost()
        try:
            workers = self.client.scheduler_info()["workers"]
        except (OSError, TimeoutError):
            raise self._lost() from None
        self.threads = {address: facts["nthreads"] for address, facts in workers.items()}
        self.suspects &= self.threads.keys()
        if self.suspects == self.threads.keys():
            self.suspects = set()  # all are slow: none is to blame
        if self.threads:
            self.workers_seen = self.checked
        elif self.checked - self.workers_seen > WORKERLESS_SECONDS:
            raise ClusterError(f"{self.address}: has had no worker for {WORKERLESS_SECONDS:.0f} s")
        late = [name for name, task in self.submitted.items() if self.checked - task.since > self.limit]
        if not late:
            return
        keys = {future.key for name in late for future in self.submitted[name].futures}
        for held in (self.client.processing(), self.client.has_what()):
            self.suspects |= {worker for worker, here in held.items() if keys & set(map(str, here))}
        if not self.threads.keys() - self.suspects:
            self.suspects = set()
        for name in late:
            self._submit(name, self.submitted[name])

    def _submit(self, name: Name, task: _Submitted) -> None:
        if len(task.futures) == TRIES:
            raise ClusterError(f"{self.name} {name}: {TRIES} times no result came within {self.limit:g} s from workers")
        key = f"{self.name}-{name}-{len(task.futures) + 1}-{time.monotonic_ns()}"
        where = sorted(self.threads.keys() - self.suspects) or None
        future = self.client.submit(self.function, *task.arguments, key=key, workers=where, pure=False)
        task.futures.append(future)
        task.since = time.monotonic()
        self.submitted[name], self.names[future.key] = task, name
        self.completed.add(future)  # which fetches the result as well, and that takes as long as a worker hangs

    def _is_result(self, name: Name, future: Future) -> bool:
        """Whether a future has a result; what is lost is submitted again, and what failed is raised."""
        if future.status == "finished":
            return True
        error = future.exception() if future.status == "error" else None
        if isinstance(error, HsiError):
            raise error
        if self.client.status != "running":
            raise self._lost()
        if error is None:  # cancelled
            self._submit(name, self.submitted[name])
            return False
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"{self.name} {name}: failed on a worker: {type(error).__name__}: {reason}") from error

    def _forget(self, name: Name) -> None:
        for future in self.submitted.pop(name).futures:
            if not future.done():
                future.cancel()
            future.release()

    def _lost(self) -> ClusterError:
        return ClusterError(f"{self.address}: the Dask scheduler is lost")
