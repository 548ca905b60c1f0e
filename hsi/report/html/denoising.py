"""What a report shows of a scene that was denoised: bands before and after, and what became of known noise."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.preprocessing.denoisers.denoiser import DenoisingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.core.scene import Scene
    from hsi.report.html import Tables
    from hsi.report.sections import Table

SIDE, GAP = 420, 8  # dots of the longer side of a picture, about, and between two
WHITE = 255


def denoising_tables(done: DenoisingResult, after: Scene) -> Tables:
    """The section of a report; ``after`` is the denoised scene with the same bands as the one before."""
    from hsi.report.html import Tables

    shown = shown_bands(done)
    told = "; ".join(f"band {number} ({word})" for number, word in shown.values())
    return Tables(
        "Noise, before and after",
        (f"{done.denoiser.describe()} ({done.denoiser.source}).",),
        (("Known noise on clean bands", quality_table(done)),) if done.measured else (),
        (
            f"Rows of the picture: {told}; before on the left, after on the right, in the same greys.",
            "The table is of the scene's cleanest bands in its last rows, of which no network saw a patch, with noise "
            "that was added and is known. PSNR and SSIM are means over bands, angles means over pixels.",
        ),
        before_and_after(done, after),
        "Bands before and after denoising",
    )


def quality_table(done: DenoisingResult) -> Table:
    """PSNR, SSIM and angle of the noisy and the cleaned bands."""
    from hsi.report.sections import Table

    measures = {"PSNR": " (dB)", "SSIM": "", "Angle": " (°)"}
    headings = [f"{name} {which}{unit}" for name, unit in measures.items() for which in ("noisy", "cleaned")]
    columns = (("", "Noise"), *(("", heading) for heading in headings))
    rows = []
    for one in done.measured:
        pairs = [
            (f"{one.noisy.psnr:.2f}", f"{one.cleaned.psnr:.2f}"),
            (f"{one.noisy.ssim:.3f}", f"{one.cleaned.ssim:.3f}"),
            (f"{one.noisy.angle:.2f}", f"{one.cleaned.angle:.2f}"),
        ]
        rows.append((one.noise, *(cell for pair in pairs for cell in pair)))
    return Table(columns, "lrrrrrr", tuple(rows))


def shown_bands(done: DenoisingResult) -> dict[int, tuple[int, str]]:
    """Positions of the cleaned bands that are shown, with their number from 1 and what they are."""
    bands = done.denoiser.bands_
    order = bands[np.argsort(-done.statistics.ratio[bands], kind="stable")]
    wanted = {
        int(order[0]): "the noisiest",
        int(order[len(order) // 2]): "in the middle",
        int(order[-1]): "the cleanest",
    }
    return {position: (done.before.bands[position] + 1, word) for position, word in wanted.items()}


def before_and_after(done: DenoisingResult, after: Scene) -> bytes:
    """A PNG with a row for each shown band: before, and after in the same greys."""
    from PIL import Image

    from hsi.report.html import subsample_scene, view_step

    positions = sorted(shown_bands(done))
    order = [positions.index(position) for position in shown_bands(done)]
    step = max(view_step(done.before.height, done.before.width), max(done.before.height, done.before.width) // SIDE, 1)
    valid = done.valid[::step, ::step]
    pictures = [subsample_scene(scene.keep_bands(positions), step).read() for scene in (done.before, after)]
    rows = [_row([picture[:, :, i] for picture in pictures], valid) for i in order]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, "PNG")
    return file.getvalue()


def _row(bands: list[NDArray[Any]], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Two bands ``(h, w)`` beside each other in the greys of the first, enlarged, white where not valid."""
    seen = bands[0][valid]
    low, high = np.percentile(seen, (2, 98))
    reach = float(high - low) or 1.0
    times = max(1, SIDE // max(valid.shape))
    parts = []
    for band in bands:
        with np.errstate(invalid="ignore", over="ignore"):
            grey = np.clip((band.astype(np.float64) - low) / reach, 0, 1) * 255
        shown = np.where(valid, np.nan_to_num(grey), WHITE).astype(np.uint8)
        parts += [shown.repeat(times, 0).repeat(times, 1), np.full((valid.shape[0] * times, GAP), WHITE, np.uint8)]
    row = np.concatenate(parts[:-1], axis=1)
    return np.concatenate([row, np.full((GAP, row.shape[1]), WHITE, np.uint8)])
