"""The pixels that trained or validated a model, stored with it, and where they lie on a map of another scene."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import difference, parse_crs
from hsi.core.scene import Block, Georeference, Scene

SAMPLED = 16  # pixels whose spectra show whether a scene without a place is the one that was trained on
SAME_SPECTRA = 0.02  # relative difference of these spectra in one scene, which may be stored in another type
MOST_PIXELS = 2**31
CHUNK = 2**20  # pixels that are projected at once
MOST_POINTS = 16  # along each side of a training pixel that covers several pixels of the map
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingPixels:
    """Training and validation pixels of a scene of ``shape`` (H, W).

    ``runs`` ``(2 n,)`` int64 are lengths of runs of pixels, row by row: not used, used, not used, …; ``spectra``
    ``(s, B)`` float32 are those of some used pixels in the bands of the model. Raises :class:`ValueError` for runs that
    are longer than the scene.
    """

    shape: tuple[int, int]
    georeference: Georeference | None
    runs: Integers
    spectra: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_runs(self.runs, self.shape)

    def runs_on(self, scene: Scene) -> Integers | None:
        """The runs of the pixels of ``scene`` that lie on training pixels.

        None where one of the two has no place and the scene has other spectra, so that nothing is known.
        """
        shape, here, there = (scene.height, scene.width), scene.georeference, self.georeference
        if here and there and parse_crs(here.crs) and parse_crs(there.crs):
            same = shape == self.shape and difference(here, there, shape) is None
            return self.runs if same else self._project(there, here, shape)
        return self.runs if shape == self.shape and self._resembles(scene) else None

    def _resembles(self, scene: Scene) -> bool:
        """Whether the scene has the stored spectra."""
        if self.spectra.shape[1] != len(scene.bands):
            return False
        gap = np.linalg.norm(sample_spectra(scene, self.runs) - self.spectra)
        return bool(gap <= SAME_SPECTRA * np.linalg.norm(self.spectra))

    def _project(self, there: Georeference, here: Georeference, shape: tuple[int, int]) -> Integers:
        """The runs of the pixels of the grid ``here`` of ``shape`` that hold a point of a training pixel of ``there``.

        A training pixel has one point, or enough of them for each pixel of the grid that it covers.
        """
        found, points = np.empty(0, np.int64), 0
        for indices in pixels_in(self.runs):
            rows, columns = np.divmod(indices, self.shape[1])
            if not points:
                corner = np.array([0, 1]) + columns[0], np.array([0, 1]) + rows[0]
                side = max(np.ptp(values) for values in _place(there, here, *corner))
                points = int(np.clip(np.ceil(2 * side) - 1, 1, MOST_POINTS)) if np.isfinite(side) else 1
            for i in range(points**2):
                shift, drop = (i % points + 0.5) / points, (i // points + 0.5) / points
                x, y = _place(there, here, columns + shift, rows + drop)
                inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
                flat = np.floor(y[inside]).astype(np.int64) * shape[1] + np.floor(x[inside]).astype(np.int64)
                found = np.union1d(found, flat)
        return runs_of(found)


def _place(
    there: Georeference, here: Georeference, columns: NDArray[Any], rows: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows ``(n,)`` of the grid ``there`` as those of the grid ``here``; infinite where there are none."""
    from rasterio import Affine
    from rasterio.warp import transform

    x, y = there.map_coordinates(columns.astype(np.float64), rows.astype(np.float64))
    if there.crs != here.crs:
        x, y = transform(parse_crs(there.crs), parse_crs(here.crs), x, y)
    a, b, c, d, e, f = tuple(~Affine(*here.transform))[:6]
    return Georeference(None, (a, b, c, d, e, f)).map_coordinates(np.asarray(x), np.asarray(y))


def training_pixels(scene: Scene, used: NDArray[np.bool_]) -> TrainingPixels:
    """The ``used`` pixels ``(H, W)`` of a scene, which are at least one."""
    runs = runs_of(np.flatnonzero(used))
    return TrainingPixels((scene.height, scene.width), scene.georeference, runs, sample_spectra(scene, runs))


def sample_spectra(scene: Scene, runs: Integers) -> NDArray[np.float32]:
    """Spectra ``(s, B)`` float32 of a few pixels, evenly spread over those of the runs."""
    total = int(runs[1::2].sum())
    wanted = np.unique(np.linspace(0, max(total - 1, 0), SAMPLED).astype(np.int64))[:total]
    places = [divmod(int(i), scene.width) for i in _indices(runs, wanted)]
    spectra = [scene.read(Block(row, column, 1, 1))[0, 0] for row, column in places]
    return np.array(spectra, np.float32).reshape(len(places), len(scene.bands))


def runs_of(indices: Integers) -> Integers:
    """Lengths of the runs of flat ``indices`` ``(n,)``, which ascend: those that are not among them come first."""
    breaks = np.flatnonzero(np.diff(indices) > 1)
    starts = indices[np.concatenate([[0], breaks + 1])] if indices.size else indices
    ends = indices[np.concatenate([breaks, [-1]])] + 1 if indices.size else indices
    return np.diff(np.stack([starts, ends], axis=1).ravel(), prepend=0)


def check_runs(runs: Integers, shape: tuple[int, int]) -> None:
    """Raise :class:`ValueError` for what are no runs of pixels of a raster of ``shape`` (H, W)."""
    pixels = shape[0] * shape[1]
    plain = runs.ndim == 1 and runs.size % 2 == 0 and runs.size <= 2 * pixels and min(shape) > 0
    if not plain or (runs < 0).any() or (runs > pixels).any() or not runs.astype(np.float64).sum() <= pixels:
        raise ValueError("the training pixels are more than their scene has")
    if pixels > MOST_PIXELS and runs[1::2].sum() > MOST_PIXELS:
        raise ValueError(f"there are more than {MOST_PIXELS:,} training pixels")


def pixels_in(runs: Integers) -> Iterator[Integers]:
    """The flat indices of the pixels in runs, some at a time."""
    total = int(runs[1::2].sum())
    for first in range(0, total, CHUNK):
        yield _indices(runs, np.arange(first, min(first + CHUNK, total)))


def _indices(runs: Integers, numbers: Integers) -> Integers:
    """The flat indices of the pixels of these ``numbers``, counted from 0 over all runs."""
    starts, counts = runs.cumsum()[::2], runs[1::2].cumsum()
    which = np.searchsorted(counts, numbers, side="right")
    return np.asarray(starts[which] + numbers - (counts - runs[1::2])[which], np.int64)


def join_runs(parts: Sequence[Integers | None]) -> Integers | None:
    """The runs of the pixels of several scenes on one; None where nothing is known of any of them."""
    known = [runs for runs in parts if runs is not None]
    if len(known) < 2:
        return known[0] if known else None
    return runs_of(
        np.unique(np.concatenate([np.empty(0, np.int64), *(part for runs in known for part in pixels_in(runs))]))
    )


def runs_to_mask(runs: Integers, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask ``(H, W)`` of runs of pixels."""
    mask = np.zeros(shape[0] * shape[1], bool)
    for indices in pixels_in(runs):
        mask[indices] = True
    return mask.reshape(shape)


def runs_to_text(runs: Integers) -> str:
    """Runs as a word for JSON: zlib in base64."""
    return base64.b64encode(zlib.compress(runs.astype("<i8").tobytes())).decode()


def text_to_runs(text: str, shape: tuple[int, int]) -> Integers:
    """What :func:`runs_to_text` made; raises :class:`ValueError` for what are no runs of a raster of ``shape``."""
    most = 16 * shape[0] * shape[1] + 16  # bytes: more are not unpacked
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(base64.b64decode(text, validate=True), most)
    except zlib.error as error:
        raise ValueError(f"the training pixels cannot be unpacked: {error}") from None
    if not unpacking.eof:
        raise ValueError("the training pixels are not complete, or more than their scene has")
    runs = np.frombuffer(content, "<i8").astype(np.int64)
    check_runs(runs, shape)
    return runs
