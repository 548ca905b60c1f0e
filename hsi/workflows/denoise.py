"""Denoise a scene, say what was done, and keep what a report tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, progress, warning
from hsi.core.scene import Scene
from hsi.preprocessing.bands import format_ranges
from hsi.preprocessing.denoisers.denoiser import BandStatistics, Denoiser, DenoisingResult, least_noisy_bands
from hsi.preprocessing.denoisers.quality import held_out_block
from hsi.preprocessing.reducers import find_reducer, valid_blocks
from hsi.preprocessing.reducers.reducer import Summary
from hsi.settings import ReducerSettings
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import is_baseline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsi.core.scene import Scene
    from hsi.preprocessing.denoisers import DenoisingQuality
    from hsi.settings import DenoisingSettings, Settings


def denoise_inputs(inputs: Inputs, settings: Settings, watch: StageTimer, folder: Path | None = None) -> Inputs:
    """The inputs with a denoised scene, where that is asked for: kept in a temporary file in ``folder``, because it is
    read several times."""
    from hsi.preprocessing.denoisers import cache_scene, denoise_scene

    if settings.denoising.method is None:
        return inputs
    with watch.stage("denoise"):
        valid = inputs.survey.valid
        done = fit_denoising(inputs.scene, valid, settings.denoising, settings.seed, settings.device)
        check_components(done, settings)
        cleaned = denoise_scene(inputs.scene, done.denoiser, valid)
        with progress("denoise", "rows") as advance:
            scene = cache_scene(cleaned, folder, advance)
    return replace(inputs, scene=scene, denoising=done)


def check_components(done: DenoisingResult, settings: Settings) -> None:
    """Warn of MNF before MNF; raise :class:`UsageError` where it leaves fewer components than the reducer makes.

    A baseline reduces nothing, or takes what there is.
    """
    from hsi.errors import UsageError
    from hsi.preprocessing.denoisers.mnf import MNFTruncation
    from hsi.preprocessing.reducers import find_reducer

    denoiser = done.denoiser
    if is_baseline(settings) or not isinstance(denoiser, MNFTruncation):
        return
    reducer = find_reducer(settings.reducer)
    usual: int = getattr(reducer, "usual_components", 0)
    wanted = settings.reducer.components or usual
    if denoiser.components_ < wanted and len(done.numbers) == len(done.before.bands):
        raise UsageError(
            f"mnf leaves {denoiser.components_} components in the scene, and {wanted} are to be made of it: "
            f"denoising.components {wanted} or more, or fewer --components"
        )
    if reducer.name == "mnf":
        warning("--denoise mnf keeps the components that --reducer mnf takes anyway and changes next to nothing")


def fit_denoising(
    scene: Scene, valid: NDArray[np.bool_], settings: DenoisingSettings, seed: int, device: str
) -> DenoisingResult:
    """Learn of the scene what the method has to know, and measure it on noise that is known; says both.

    Raises :class:`UsageError` for bands and settings that do not suit the scene, and what training raises.
    """
    import numpy as np

    from hsi.preprocessing.denoisers import BandStatistics, make_denoiser, measure_denoiser, select_bands_to_clean

    denoiser = make_denoiser(settings)
    denoiser.check(len(scene.bands))
    with progress("noise", "rows") as advance:
        summary = summarise_scene(scene, valid, advance)
    known = BandStatistics.of(summary)
    denoiser.bands_ = np.asarray(select_bands_to_clean(settings.bands, scene.bands, known), np.int64)
    denoiser.learn(summary)
    if denoiser.trains:
        with progress("patches", "places") as reading, progress("train", "steps") as training:
            how: dict[str, Any] = {"seed": seed, "device": device, "reading": reading, "training": training}
            train_denoiser(denoiser, scene, valid, summary, **how)
    with progress("measure", "levels") as advance:
        measured = measure_denoiser(denoiser, scene, valid, summary, seed, advance)
    done = DenoisingResult(denoiser, scene, known, valid, tuple(measured), seed)
    say_denoising(done)
    return done


def say_denoising(done: DenoisingResult) -> None:
    """Print the method, the bands and the quality before and after."""
    numbers, bands = done.numbers, len(done.before.bands)
    which = (
        f"all {bands} bands" if len(numbers) == bands else f"{len(numbers)} of {bands} bands: {format_ranges(numbers)}"
    )
    info("denoised", f"{done.denoiser.describe()}; {which}")
    if not done.measured:
        warning("too few rows are valid or can be spared to measure on noise that is known: judge by the pictures")
    for i, line in enumerate(quality_lines(done.measured)):
        info("" if i else "held out", line)


def quality_lines(measured: Sequence[DenoisingQuality]) -> list[str]:
    """PSNR, SSIM and spectral angle before and after, a line for each kind of noise."""
    return [
        f"{one.noise}: PSNR {one.noisy.psnr:.1f} to {one.cleaned.psnr:.1f} dB, SSIM {one.noisy.ssim:.3f} to "
        f"{one.cleaned.ssim:.3f}, angle {one.noisy.angle:.2f} to {one.cleaned.angle:.2f}°"
        for one in measured
    ]


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
    from hsi.preprocessing.denoisers.dncnn import DnCNNDenoiser, build_network
    from hsi.preprocessing.denoisers.dncnn_training import sample_patches, train_network

    assert isinstance(denoiser, DnCNNDenoiser), "the only one that is trained"
    random, place = np.random.default_rng(seed), resolve_device(device)
    centres = least_noisy_bands(BandStatistics.of(summary))
    kept = held_out_block(scene.height, scene.width)
    rows = kept.row if kept else scene.height
    examples = sample_patches(
        scene, valid, denoiser.mean_, denoiser.spread_, centres, denoiser.stack, rows, random, reading
    )
    denoiser.network_ = build_network(denoiser.stack, seed)
    train_network(denoiser.network_, examples, denoiser.steps, place, random, training)
    denoiser.on(device)
