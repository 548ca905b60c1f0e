"""Shapes to draw, in pixels: from corners, brush strokes, masks and spectral angles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsi.core.scene import Block
from hsi.errors import LabelError

Mask = NDArray[np.bool_]


def polygon(corners: ArrayLike) -> Any:
    """The polygon with these corners ``(n, 2)``, (column, row)."""
    import shapely

    places = np.asarray(corners, np.float64).reshape(-1, 2)
    if len(places) < 3:
        raise LabelError(f"a polygon has three corners or more, and {len(places)} are given: draw on")
    return shapely.Polygon(places)


def rectangle(first: Sequence[float], second: Sequence[float]) -> Any:
    """The rectangle between two corners, (column, row)."""
    import shapely

    (west, east), (north, south) = (sorted(pair) for pair in zip(first, second, strict=True))
    return shapely.box(west, north, east, south)


def point(column: float, row: float) -> Any:
    """A point; it labels the pixel that it lies in."""
    import shapely

    return shapely.Point(column, row)


def brush_stroke(places: ArrayLike, size: int, shape: tuple[int, int]) -> Any:
    """The pixels under a square brush of ``size`` pixels that moves along ``places`` ``(n, 2)``, (column, row).

    ``shape`` is (rows, columns) of the scene. Raises :class:`LabelError` where no pixel lies under it.
    """
    steps = _pixels_between(np.floor(np.asarray(places, np.float64).reshape(-1, 2)).astype(np.int64))
    before, after = (size - 1) // 2, size // 2
    (left, top), (right, bottom) = steps.min(axis=0) - before, steps.max(axis=0) + after + 1
    mask = np.zeros((bottom - top, right - left), bool)
    for column, row in (steps - (left + before, top + before)).tolist():
        mask[row : row + size, column : column + size] = True
    rows, columns = (
        slice(max(0, -start), max(0, most - start)) for start, most in zip((top, left), shape, strict=True)
    )
    return mask_polygon(mask[rows, columns], max(0, int(top)), max(0, int(left)))


def _pixels_between(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixels ``(m, 2)`` along the lines between corners ``(n, 2)``."""
    parts = [corners[:1]]
    for start, end in pairwise(corners):
        count = int(np.abs(end - start).max())
        parts.append(np.rint(np.linspace(start, end, count + 1)[1:]).astype(np.int64))
    return np.unique(np.concatenate(parts), axis=0)


def mask_polygon(mask: Mask, row: int = 0, column: int = 0) -> Any:
    """The outline of the pixels of a mask ``(h, w)`` whose first pixel is at (row, column) of the scene.

    A polygon, or a MultiPolygon where they do not share a side. Raises :class:`LabelError` for a mask without pixels.
    """
    import shapely
    from rasterio.features import shapes
    from rasterio.transform import Affine

    if not mask.any():
        raise LabelError("no pixel of the scene lies under the shape: draw it inside")
    place = Affine.translation(column, row)
    found = shapes(mask.astype(np.uint8), mask=mask, connectivity=4, transform=place)
    parts = [shapely.geometry.shape(outline) for outline, _ in found]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def spectral_angles(cube: NDArray[Any], spectrum: NDArray[Any]) -> NDArray[np.float32]:
    """The angle (degrees) of each spectrum of a cube ``(h, w, B)`` from one ``(B,)``: ``(h, w)`` float32.

    NaN where a spectrum is zero or has a value that is not finite. Kruse et al. 1993,
    doi:10.1016/0034-4257(93)90013-N.
    """
    values, reference = cube.astype(np.float32), np.asarray(spectrum, np.float32)
    lengths = np.linalg.norm(values, axis=-1) * np.linalg.norm(reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = (values @ reference) / lengths
    angles: NDArray[np.float32] = np.degrees(np.arccos(np.clip(cosines, -1, 1))).astype(np.float32)
    return angles


def grow_region(
    angles: NDArray[np.float32], threshold: float, row: int, column: int, window: Block | None = None
) -> Any:
    """The pixels around (row, column) with an angle of at most ``threshold`` that are connected with it by their sides.

    ``angles`` ``(h, w)`` are those of :func:`spectral_angles` from the pixel's spectrum, in a ``window`` of the scene
    where given; (row, column) is a pixel of the scene. The pixel itself always belongs to the region, whose holes of
    one pixel are filled.
    """
    from scipy.ndimage import binary_fill_holes, label

    top, left = (window.row, window.column) if window else (0, 0)
    near = np.nan_to_num(angles, nan=np.inf) <= threshold
    near[row - top, column - left] = True
    areas, _ = label(near)
    region = areas == areas[row - top, column - left]
    holes, count = label(binary_fill_holes(region) & ~region)
    small = np.bincount(holes.ravel(), minlength=count + 1) == 1
    small[0] = False
    return mask_polygon(region | small[holes], top, left)
