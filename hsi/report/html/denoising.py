"""What a report shows of a denoised scene: bands before and after, and how known noise was removed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.preprocessing.denoisers.denoiser import DenoisingResult
from hsi.report.html.page import PageSection
from hsi.report.html.subsample import subsample_scene, view_step
from hsi.report.sections import Table

SIDE, GAP = 420, 8  # dots of the longer side of a picture, about, and between two
WHITE = 255


def denoising_section(result: DenoisingResult, after: Scene) -> PageSection:
    """The section of a report; ``after`` is the denoised scene with the same bands as the one before."""
    shown = "; ".join(f"band {number} ({word})" for number, word in shown_bands(result).values())
    return PageSection(
        "Noise, before and after",
        (f"{result.denoiser.describe()} ({result.denoiser.source}).",),
        (("Known noise on clean bands", quality_table(result)),) if result.measured else (),
        (
            f"Rows of the picture: {shown}; before on the left, after on the right, in the same greys.",
            "The table is of the scene's cleanest bands in its last rows, of which no network saw a patch, with noise "
            "that was added and is known. PSNR and SSIM are means over bands, angles means over pixels.",
        ),
        before_and_after(result, after),
        "Bands before and after denoising",
    )


def quality_table(result: DenoisingResult) -> Table:
    """PSNR, SSIM and angle of the noisy and the cleaned bands."""
    measures = {"PSNR": " (dB)", "SSIM": "", "Angle": " (°)"}
    headings = [f"{name} {which}{unit}" for name, unit in measures.items() for which in ("noisy", "cleaned")]
    rows = []
    for one in result.measured:
        pair = (one.noisy, one.cleaned)
        cells = [f"{quality.psnr:.2f}" for quality in pair] + [f"{quality.ssim:.3f}" for quality in pair]
        rows.append((one.noise, *cells, *(f"{quality.angle:.2f}" for quality in pair)))
    return Table((("", "Noise"), *(("", heading) for heading in headings)), "lrrrrrr", tuple(rows))


def shown_bands(result: DenoisingResult) -> dict[int, tuple[int, str]]:
    """Positions of the cleaned bands that are shown, with their number from 1 and what they are."""
    bands = result.denoiser.bands_
    order = bands[np.argsort(-result.statistics.ratio[bands], kind="stable")]
    wanted = {
        int(order[0]): "the noisiest",
        int(order[len(order) // 2]): "in the middle",
        int(order[-1]): "the cleanest",
    }
    return {position: (result.before.bands[position] + 1, word) for position, word in wanted.items()}


def before_and_after(result: DenoisingResult, after: Scene) -> bytes:
    """A PNG with a row for each shown band: before, and after in the same greys."""
    from PIL import Image

    before, shown = result.before, list(shown_bands(result))
    positions = sorted(shown)
    step = max(view_step(before.height, before.width), max(before.height, before.width) // SIDE, 1)
    valid = result.valid[::step, ::step]
    pictures = [subsample_scene(scene.keep_bands(positions), step).read() for scene in (before, after)]
    rows = [_row([picture[:, :, positions.index(band)] for picture in pictures], valid) for band in shown]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, "PNG")
    return file.getvalue()


def _row(bands: list[NDArray[Any]], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Two bands ``(h, w)`` next to each other in the greys of the first, enlarged, white where not valid."""
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
