"""Options that spread work over a Dask cluster; commands that can share these."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .input_options import gathered

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class ClusterOptions:
    """Where to work: on the workers of a scheduler, on so many processes here, or (neither) in this process."""

    scheduler: str | None = None
    workers: int | None = None

    @property
    def given(self) -> bool:
        """Whether the work is to be spread."""
        return self != ClusterOptions()

    def connected(self) -> AbstractContextManager[Client]:
        """A client of the cluster; see :func:`hsi.cluster.client.connected`."""
        from hsi.cluster.client import connected

        return connected(self.scheduler, self.workers)


CLUSTER_CHOICES = (
    click.option("--scheduler", metavar="ADDRESS", help="Work on the workers of this Dask scheduler: tcp://host:8786."),
    click.option("--workers", type=click.IntRange(1), help="Work in that many processes here, of one thread each."),
)


def cluster_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of :class:`ClusterOptions`; they arrive together as ``cluster``."""
    return gathered(function, CLUSTER_CHOICES, ClusterOptions, "cluster")
