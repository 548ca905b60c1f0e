"""From a scene and settings to a denoiser that knows its bands and, where it is a network, has been trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.preprocessing.denoisers.choosing import clean_bands
from hsi.preprocessing.denoisers.denoiser import BandStatistics, Denoiser
from hsi.preprocessing.denoisers.quality import held_out
from hsi.preprocessing.reducers import find_reducer, valid_blocks
from hsi.preprocessing.reducers.reducer import Summary
from hsi.settings import ReducerSettings

Advance = Callable[[int, int], None]


def summarise_scene(scene: Scene, valid: NDArray[np.bool_], advance: Advance | None = None) -> Summary:
    """Moments of the valid pixels and of the differences between neighbours, in one pass of bounded memory."""
    settings = ReducerSettings(name="mnf")
    return find_reducer(settings)(settings).summary_of(valid_blocks(scene, valid, advance))


def train_denoiser(
    denoiser: Denoiser,
    scene: Scene,
    valid: NDArray[np.bool_],
    summary: Summary,
    *,
    seed: int,
    device: str,
    reading: Advance | None = None,
    training: Callable[[int, int, str], None] | None = None,
) -> None:
    """Give DnCNN a network, trained on the scene's cleanest bands outside of the rows that are held out.

    The same seed gives the same network on a CPU. Raises what reading, drawing patches and training raise.
    """
    from hsi.core.devices import resolve_device
    from hsi.preprocessing.denoisers.dncnn import DnCNNDenoiser, new_network
    from hsi.preprocessing.denoisers.dncnn_training import draw_examples, train_network

    assert isinstance(denoiser, DnCNNDenoiser), "the only one that is trained"
    random, place = np.random.default_rng(seed), resolve_device(device)
    centres = clean_bands(BandStatistics.of(summary))
    kept = held_out(scene.height, scene.width)
    rows = kept.row if kept else scene.height
    examples = draw_examples(
        scene, valid, denoiser.mean_, denoiser.spread_, centres, denoiser.stack, rows, random, reading
    )
    denoiser.network_ = new_network(denoiser.stack, seed)
    train_network(denoiser.network_, examples, denoiser.steps, place, random, training)
    denoiser.on(device)
