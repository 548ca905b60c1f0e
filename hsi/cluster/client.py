"""A Dask cluster: one that is running already, or one of processes on this machine for as long as it is needed."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsi.core.memory import usual_limit
from hsi.errors import ClusterError, UsageError
from hsi.version import install_hint

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10
REMOTE_MEMORY = 2 * 10**9  # bytes; the usual limit of a worker of which nothing is known


@dataclass(frozen=True)
class ClusterOptions:
    """Where to work: on the workers of the ``scheduler`` at an address, on so many new ``workers`` of this machine, or
    (neither) in this process. A block without a result after ``block_timeout`` seconds is sent to another worker."""

    scheduler: str | None = None
    workers: int | None = None
    block_timeout: float | None = None

    @property
    def given(self) -> bool:
        """Whether there are workers."""
        return self.scheduler is not None or self.workers is not None

    def check(self) -> None:
        """Raise :class:`UsageError` for workers without Dask, two ways to get them, or a timeout without them."""
        if self.scheduler is not None and self.workers is not None:
            raise UsageError("scheduler and workers are two ways to get workers: give one of them")
        if self.given and importlib.util.find_spec("distributed") is None:
            raise UsageError(f"workers need Dask, which is not installed: {install_hint('cluster')}")
        if not self.given and self.block_timeout is not None:
            raise UsageError("block_timeout is for workers: give scheduler or workers with it, or leave it out")

    def usual_memory(self) -> int:
        """Bytes of memory for each process where no limit is given."""
        if self.scheduler is not None:
            return REMOTE_MEMORY
        return usual_limit(self.workers or 1)

    @contextmanager
    def connected(self) -> Iterator[Client]:
        """A client of the scheduler, or of new processes of one thread each, which end with the block.

        Dask's messages are pickles: whoever can reach a scheduler can run code on its workers and in its clients, so
        connect only to one that you trust.

        Raises :class:`UsageError` where Dask is not installed or not exactly one of the two is given, and
        :class:`ClusterError` when no scheduler answers.
        """
        self.check()
        if not self.given:
            raise UsageError("give scheduler or workers")
        from distributed import Client, LocalCluster

        with _quiet():
            if self.workers is not None:
                quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": ":0"}
                with (
                    LocalCluster(n_workers=self.workers, threads_per_worker=1, memory_limit=0, **quiet) as cluster,
                    Client(cluster, timeout=CONNECT_SECONDS) as client,
                ):
                    yield client
                return
            try:
                client = Client(self.scheduler, timeout=CONNECT_SECONDS)
            except (OSError, ValueError) as error:
                raise ClusterError(
                    f"{self.scheduler}: no Dask scheduler answers there: {' '.join(str(error).split())}"
                ) from None
            try:
                yield client
            finally:
                client.close(timeout=2)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own log of lost and restarted workers; those that matter are reported here."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
