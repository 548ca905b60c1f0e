"""Mean spectra of the training pixels of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import FAINT, INK, hex_colour
from hsi.core.labels import ClassTable
from hsi.core.scene import Scene
from hsi.report.figures.look import current_look, scaled
from hsi.report.figures.registry import figure
from hsi.report.figures.style import HEADING, LABEL, SMALL, TITLE, Progress, literal, new_figure, plain_axes, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Vector = NDArray[np.float64]

HOLE = 3.0  # a step between bands this many times the usual one is a hole, such as removed water absorption
MOST_COLUMNS, PANEL = 4, (1.75, 1.3)  # panels in a row, and the inches of one
LEFT, BOTTOM = 0.6, 0.45  # inches to the left of and below the panels
LONGEST_NAME = 24


@dataclass(frozen=True)
class ClassSpectra:
    """Spectra of classes: ``pixels`` ``(C,)`` counts, ``mean`` and ``deviation`` ``(C, B)`` float64, NaN without a
    pixel (and the deviation with a single one); ``bands`` of the file from 1; ``wavelengths`` in nm where known."""

    pixels: NDArray[np.int64]
    mean: Vector
    deviation: Vector
    bands: tuple[int, ...]
    wavelengths: tuple[float, ...] | None
    physical: bool = False

    @property
    def places(self) -> Vector:
        """Where the bands are on the axis: wavelengths, or numbers where they are not known."""
        return np.asarray(self.wavelengths or self.bands, np.float64)


def class_spectra(scene: Scene, codes: NDArray[Any], classes: int, progress: Progress | None = None) -> ClassSpectra:
    """Mean and standard deviation (n - 1) of the pixels of each class, in one pass of bounded memory.

    ``codes`` ``(H, W)`` are positions in the class table, -1 for pixels that do not count. ``progress(rows done,
    rows)`` is called after each block; blocks without a pixel that counts are not read.
    """
    shape = (classes, len(scene.bands))
    pixels, mean, squares = np.zeros(classes, np.int64), np.zeros(shape), np.zeros(shape)
    for block in scene.blocks():
        here = codes[block.slices]
        if (here >= 0).any():
            cube = scene.read(block)
            for code in np.unique(here[here >= 0]):
                own = cube[here == code].astype(np.float64)
                count, centre = len(own), own.mean(axis=0)
                total, step = pixels[code] + count, centre - mean[code]
                # Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115
                squares[code] += ((own - centre) ** 2).sum(axis=0) + step**2 * (pixels[code] * count / total)
                mean[code] += step * (count / total)
                pixels[code] = total
        if progress:
            progress(block.row + block.height, scene.height)
    mean[pixels == 0] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(squares / (pixels - 1)[:, None])
    deviation[pixels < 2] = np.nan
    bands = tuple(band + 1 for band in scene.bands)
    return ClassSpectra(pixels, mean, deviation, bands, scene.wavelengths, scene.scale is not None)


def runs_of_bands(spectra: ClassSpectra) -> list[slice]:
    """Stretches of bands without a hole: bands that were left out between two, or a large step between wavelengths."""
    breaks = np.diff(spectra.bands) > 1
    if spectra.wavelengths is not None and len(spectra.bands) > 2:
        steps = np.diff(spectra.wavelengths)
        breaks |= (steps <= 0) | (steps > HOLE * np.median(np.abs(steps)))
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(spectra.bands)]
    return [slice(first, last) for first, last in pairwise(edges)]


@figure("spectra", "mean spectra of the classes' training pixels")
def spectra_figure(spectra: ClassSpectra, table: ClassTable, title: str) -> Figure:
    """A panel for each class that has pixels: mean ± standard deviation over wavelengths, or bands where they are not
    known; holes between bands stay open. The panels share their axes."""
    shown = [code for code in range(len(table)) if spectra.pixels[code]]
    columns = min(MOST_COLUMNS, ceil(len(shown) ** 0.5))
    rows = ceil(len(shown) / columns)
    side, below = scaled(LEFT), scaled(BOTTOM)
    width, height = side + PANEL[0] * columns, below + PANEL[1] * rows
    size = current_look().size
    if size is not None:  # less what is above and to the right of the panels
        width, height = max(size[0] - scaled(0.2), 2 * side), max(size[1] - scaled(0.5), 2 * below)
    room = 72 * (width - side) / columns / scaled(0.52 * (SMALL - 0.5))  # letters above a panel
    most = max(4, min(LONGEST_NAME, int(room) - 8))
    figure = new_figure(width, height)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    figure.subplots_adjust(side / width, below / height, 1, 1, hspace=0.3, wspace=0.12)
    for axes, code in zip(panels, shown, strict=False):
        _draw_class(axes, spectra, code, table, most)
    places, reach = spectra.places, np.nan_to_num(spectra.deviation)
    low, high = float(np.nanmin(spectra.mean - reach)), float(np.nanmax(spectra.mean + reach))
    air, margin = 0.05 * (high - low) or 1.0, 0.04 * np.ptp(places) or 1.0
    panels[0].set(xlim=(places.min() - margin, places.max() + margin), ylim=(low - air, high + air))
    for place, axes in enumerate(panels):
        axes.set_visible(place < len(shown))
        if place < len(shown) <= place + columns:
            axes.tick_params(labelbottom=True)  # no panel is below it
    words = "wavelength (nm)" if spectra.wavelengths is not None else "band"
    middle: dict[str, Any] = {"fontsize": scaled(LABEL), "color": INK}
    figure.text((1 + side / width) / 2, scaled(0.12) / height, words, ha="center", **middle)
    unit = "value in physical units" if spectra.physical else "stored value"
    figure.text(0.05 / width, (1 + below / height) / 2, unit, va="center", rotation=90, **middle)
    heading = f"{title}: mean ± standard deviation of training pixels"
    figure.text(
        side / width, 1 + scaled(0.25) / height, literal(heading), fontsize=scaled(TITLE), color=INK, gid=HEADING
    )
    return figure


def _draw_class(axes: Axes, spectra: ClassSpectra, code: int, table: ClassTable, most: int) -> None:
    places, runs = spectra.places, runs_of_bands(spectra)
    at, mean, deviation = (
        _with_holes(values, runs) for values in (places, spectra.mean[code], np.nan_to_num(spectra.deviation[code]))
    )
    colour = hex_colour(table.colours[code])
    axes.autoscale(False)  # else matplotlib goes through all panels again for each line
    axes.fill_between(
        at, mean - deviation, mean + deviation, facecolor=colour, edgecolor=FAINT, linewidth=0.3, alpha=0.75
    )
    axes.plot(at, mean, color=INK)
    alone = [run.start for run in runs if run.stop - run.start == 1]
    axes.plot(places[alone], spectra.mean[code][alone], "o", color=INK)
    plain_axes(axes)
    for line in axes.lines:
        line.set_linewidth(0.7)
        line.set_markersize(1)
    name = f"{shortened(table.names[code], most)} ({spectra.pixels[code]:,})"
    axes.set_title(literal(name), fontsize=scaled(SMALL - 0.5), color=INK, loc="left", pad=2.5)


def _with_holes(values: Vector, runs: Sequence[slice]) -> Vector:
    """The values of all runs with NaN between them, where lines are interrupted."""
    return np.concatenate([np.append(values[run], np.nan) for run in runs])
