"""Reducers fitted by Dask workers: each summarises blocks of the scene, and summaries are merged as a tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.cluster.mapping import shared_path
from hsi.config import ReducerSettings
from hsi.errors import ClusterError, HsiError
from hsi.readers import open_scene
from hsi.reducers import Reducer, find_reducer
from hsi.reducers.apply import reducer_for
from hsi.reducers.reducer import Summary
from hsi.scene import Block, Scene

if TYPE_CHECKING:
    from distributed import Client, Future

Advance = Callable[[int, int], None]
BRANCHES = 8  # summaries that one task merges
WAVE = 512  # blocks that are known to the scheduler at a time, with their valid pixels


def fit_reducer_on(
    client: Client,
    scene: Scene,
    settings: ReducerSettings,
    valid: NDArray[np.bool_],
    progress: Advance | None = None,
    *,
    budget: int = 128 * 2**20,
) -> Reducer:
    """As :func:`hsi.reducers.fit_reducer`, on the workers of a client: the same to rounding, and always the same.

    Blocks of about ``budget`` bytes as float64 are read by workers, which have to see the scene's file. Summaries stay
    on workers and are merged there, eight at a time in the order of blocks, until one is left. A block whose worker is
    lost is summarised by another. Raises what :func:`hsi.reducers.fit_reducer` does, and :class:`ClusterError` when the
    scheduler is lost or workers fail.
    """
    reducer = reducer_for(scene, settings, valid)
    assert scene.source is not None, "opened from a file"
    told = (settings, shared_path(scene.source), scene.variable, scene.bands)
    blocks, roots = list(scene.blocks(budget)), []
    try:
        for start in range(0, len(blocks), WAVE):
            wave = blocks[start : start + WAVE]
            leaves = [
                client.submit(summarise_block, *told, block, np.packbits(valid[block.slices]), pure=False)
                for block in wave
            ]
            roots.append(_merged(client, leaves))
            del leaves
            roots[-1].result()
            if progress:
                progress(wave[-1].row + wave[-1].height, scene.height)
        reducer.learn(_merged(client, roots).result())
    except HsiError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"{client.scheduler.address}: the reducer cannot be fitted there: {reason}") from error
    return reducer


def _merged(client: Client, level: Sequence[Future]) -> Future:
    """The sum of summaries, merged level by level on the workers that have them."""
    while len(level) > 1:
        groups = [level[i : i + BRANCHES] for i in range(0, len(level), BRANCHES)]
        level = [client.submit(add_summaries, list(group), pure=False) for group in groups]
    return level[0]


def add_summaries(summaries: Sequence[Summary]) -> Summary:
    """The task of a worker: the sum of some summaries, in their order."""
    return sum(summaries, Summary())


def summarise_block(
    settings: ReducerSettings,
    path: str,
    variable: str | None,
    bands: tuple[int, ...],
    block: Block,
    packed: NDArray[np.uint8],
) -> Summary:
    """The task of a worker: what a block tells a reducer; ``packed`` are the bits of its valid pixels in row order."""
    valid = np.unpackbits(packed, count=block.height * block.width).astype(bool).reshape(block.height, block.width)
    return find_reducer(settings)(settings).summarise(_opened(path, variable, bands).read(block), valid)


@functools.lru_cache(maxsize=2)
def _opened(path: str, variable: str | None, bands: tuple[int, ...]) -> Scene:
    scene: Any = open_scene(path, variable)
    return scene.keep_bands([scene.bands.index(band) for band in bands])  # type: ignore[no-any-return]
