"""Denoise a scene, say what was done, and keep what a report tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.core.events import progress, say, warn
from hsi.preprocessing.bands import ranges
from hsi.preprocessing.denoisers.denoiser import Denoising
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import Stopwatch
from hsi.workflows.resolve import is_comparator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsi.core.scene import Scene
    from hsi.preprocessing.denoisers import Measured
    from hsi.settings import DenoisingSettings, Settings


def check_denoising(settings: DenoisingSettings) -> None:
    """Raise :class:`UsageError` for a method that is not known, a setting it has no use for and a wrong choice of
    bands, before anything is read."""
    from hsi.preprocessing.denoisers import check_choice, make_denoiser
    from hsi.preprocessing.denoisers.total_variation import need_scikit_image

    if settings.method is None:
        return
    make_denoiser(settings)
    check_choice(settings.bands)
    need_scikit_image("denoising, whose report has SSIM,")


def denoise_inputs(inputs: Inputs, settings: Settings, watch: Stopwatch, folder: Path | None = None) -> Inputs:
    """The inputs with a denoised scene, where that is asked for: kept in a temporary file in ``folder``, because it is
    read several times."""
    from hsi.preprocessing.denoisers import denoised_scene, kept_scene

    if settings.denoising.method is None:
        return inputs
    with watch.stage("denoise"):
        valid = inputs.survey.valid
        done = fit_denoising(inputs.scene, valid, settings.denoising, settings.seed, settings.device)
        check_components(done, settings)
        cleaned = denoised_scene(inputs.scene, done.denoiser, valid)
        with progress("denoise", "rows") as advance:
            scene = kept_scene(cleaned, folder, advance)
    return replace(inputs, scene=scene, denoising=done)


def check_components(done: Denoising, settings: Settings) -> None:
    """Warn of MNF before MNF; raise :class:`UsageError` where it leaves fewer components than the reducer makes.

    A comparator reduces nothing, or takes what there is.
    """
    from hsi.errors import UsageError
    from hsi.preprocessing.denoisers.mnf import MNFTruncation
    from hsi.preprocessing.reducers import find_reducer

    denoiser = done.denoiser
    if is_comparator(settings) or not isinstance(denoiser, MNFTruncation):
        return
    reducer = find_reducer(settings.reducer)
    usual: int = getattr(reducer, "usual_components", 0)
    wanted = settings.reducer.components or usual
    if denoiser.kept_ < wanted and len(done.numbers) == len(done.before.bands):
        raise UsageError(
            f"mnf leaves {denoiser.kept_} components in the scene, and {wanted} are to be made of it: "
            f"--denoise-components {wanted} or more, or fewer --components"
        )
    if reducer.name == "mnf":
        warn("--denoise mnf keeps the components that --reducer mnf takes anyway and changes next to nothing")


def fit_denoising(
    scene: Scene, valid: NDArray[np.bool_], settings: DenoisingSettings, seed: int, device: str
) -> Denoising:
    """Learn of the scene what the method has to know, and measure it on noise that is known; says both.

    Raises :class:`UsageError` for bands and settings that do not suit the scene, and what training raises.
    """
    import numpy as np

    from hsi.preprocessing.denoisers import BandStatistics, chosen_bands, make_denoiser, measure_denoiser
    from hsi.workflows.fitting import summarise_scene, train_denoiser

    denoiser = make_denoiser(settings)
    denoiser.check(len(scene.bands))
    with progress("noise", "rows") as advance:
        summary = summarise_scene(scene, valid, advance)
    known = BandStatistics.of(summary)
    denoiser.bands_ = np.asarray(chosen_bands(settings.bands, scene.bands, known), np.int64)
    denoiser.learn(summary)
    if denoiser.trains:
        with progress("patches", "places") as reading, progress("train", "steps") as training:
            how: dict[str, Any] = {"seed": seed, "device": device, "reading": reading, "training": training}
            train_denoiser(denoiser, scene, valid, summary, **how)
    with progress("measure", "levels") as advance:
        measured = measure_denoiser(denoiser, scene, valid, summary, seed, advance)
    done = Denoising(denoiser, scene, known, valid, tuple(measured), seed)
    say_denoising(done)
    return done


def say_denoising(done: Denoising) -> None:
    """Print the method, the bands and the quality before and after."""
    numbers, bands = done.numbers, len(done.before.bands)
    which = f"all {bands} bands" if len(numbers) == bands else f"{len(numbers)} of {bands} bands: {ranges(numbers)}"
    say("denoised", f"{done.denoiser.describe()}; {which}")
    if not done.measured:
        warn("too few rows are valid or can be spared to measure on noise that is known: judge by the pictures")
    for i, line in enumerate(quality_lines(done.measured)):
        say("" if i else "held out", line)


def quality_lines(measured: Sequence[Measured]) -> list[str]:
    """PSNR, SSIM and spectral angle before and after, a line for each kind of noise."""
    return [
        f"{one.noise}: PSNR {one.noisy.psnr:.1f} to {one.cleaned.psnr:.1f} dB, SSIM {one.noisy.ssim:.3f} to "
        f"{one.cleaned.ssim:.3f}, angle {one.noisy.angle:.2f} to {one.cleaned.angle:.2f}°"
        for one in measured
    ]
