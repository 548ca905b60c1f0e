"""``hsi predict`` on the workers of a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .cli_support.cluster_options import ClusterOptions
from .cli_support.terminal import say

if TYPE_CHECKING:
    from hsi.core.events import Advance
    from hsi.inference.map_files import MapSummary
    from hsi.inference.resume import StripCache

    from .predict import Job

REMOTE_MEMORY = 2 * 10**9  # of a worker of which nothing is known


@dataclass(frozen=True)
class Farm:
    """Where a map is made, and what its workers have to be told beside the job: the model's file, whether bands are
    resampled, the device as it was asked for, and the time limit of a strip in seconds."""

    cluster: ClusterOptions
    model: Path
    resample: bool
    device: str
    limit: float | None


def check_cluster(cluster: ClusterOptions, limit: float | None) -> None:
    """Raise :class:`UsageError` for workers without Dask, two ways to get them, or a time limit without them."""
    from hsi.cluster.client import require_dask
    from hsi.errors import UsageError

    if cluster.scheduler is not None and cluster.workers is not None:
        raise UsageError("--scheduler and --workers are two ways to get workers: give one of them")
    if cluster.given:
        require_dask()
    if limit is not None and not cluster.given:
        raise UsageError("--block-timeout is for workers: give --scheduler or --workers with it, or leave it out")


def usual_limit(cluster: ClusterOptions) -> int:
    """Bytes of memory for each process where nobody says."""
    from hsi.core.memory import free_memory, resident_memory

    if cluster.scheduler is not None:
        return REMOTE_MEMORY
    return resident_memory() + free_memory() // (2 * (cluster.workers or 1))


def map_on_workers(draft: Path, job: Job, partial: StripCache, advance: Advance, farm: Farm) -> MapSummary:
    """Map the scene into ``draft`` and the files beside it; ``partial`` has the strips that are done."""
    from hsi.cluster.predict import BLOCK_SECONDS, MapJob, shared_path, write_map_on

    scene = job.match.scene
    assert scene.source is not None, "opened from a file"
    told = MapJob(
        model=farm.model.read_bytes(),
        path=shared_path(scene.source),
        variable=scene.variable,
        shape=scene.shape,
        resample=farm.resample,
        options=job.options,
        tile=job.plan.tile,
        cache=job.plan.cache,
        device=farm.device,
    )
    with farm.cluster.connected() as client:
        threads = client.nthreads()
        say("workers", f"{len(threads)} with {sum(threads.values())} threads at {client.scheduler.address}")
        return write_map_on(
            client, draft, told, job.bundle, job.match, job.plan, partial,
            usable=job.usable, limit=farm.limit or BLOCK_SECONDS, progress=advance,
        )  # fmt: skip
