"""Shapes of drawn labels: what makes one usable, and what is left of those under a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.core.scene import Block
from hsi.errors import LabelError
from hsi.io.vector_labels import AREAS, Canvas

POINTS = ("Point", "MultiPoint")
SLIVER = 1e-6  # pixels; what is left of a shape under another one and is smaller is nothing
PIXELS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # the transform of pixel coordinates
MARGIN = 16  # pixels around shapes; twice the distance that the accuracy of drawn labels depends on, and more


@dataclass(frozen=True)
class Shape:
    """A drawn shape of a class.

    ``geometry`` (shapely: Polygon, MultiPolygon, Point or MultiPoint) is in pixels, (column, row) from the upper left
    corner of the scene, so that the centre of the first pixel is (0.5, 0.5). ``kind`` says how it was drawn: polygon,
    brush, rectangle, point or region. ``time`` is that of its last change (UTC, ISO 8601). ``placed`` is the geometry
    in the coordinates of the file, ``fields`` are all values of its row as stored.
    """

    id: int
    class_id: int
    geometry: Any
    kind: str = "polygon"
    author: str = ""
    time: str = ""
    placed: Any = None
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class DrawnPixels:
    """The labels ``(h, w)`` of a part of a scene: its ``rows`` ``(h,)`` and ``columns`` ``(w,)`` near shapes.

    Others are left out, so that it is small where the scene is large. Distances of up to 2 * ``MARGIN`` pixels are
    those in the scene, larger ones are at least that large.
    """

    labels: LabelMap
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def cut(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values ``(h, w)`` of these pixels from those of the scene ``(H, W)``."""
        return values[np.ix_(self.rows, self.columns)]

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int32]:
        """The class ids of pixels of the scene, arrays of any shape; that of the background for those left out."""
        down, across = _positions(rows, self.rows), _positions(columns, self.columns)
        inside = (down >= 0) & (across >= 0)
        ids = np.full(rows.shape, self.labels.background, np.int32)
        ids[inside] = self.labels.values[down[inside], across[inside]]
        return ids


def _positions(places: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of places in ``known`` ``(m,)``, ascending; -1 where it lacks them."""
    if not known.size:
        return np.full(places.shape, -1)
    found = np.minimum(np.searchsorted(known, places), known.size - 1)
    return np.where(known[found] == places, found, -1)


def move_together(geometries: Sequence[Any], size: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Shapes in pixels of a scene of ``size`` (rows, columns) without the rows and columns far from all of them: the
    moved geometries ``(n,)``, the rows and the columns that remain; see :class:`DrawnPixels`."""
    import shapely

    west, north, east, south = shapely.bounds(geometries).T
    (rows, down), (columns, across) = (
        _remaining(np.floor(low), np.floor(high), most)
        for low, high, most in ((north, south, size[0]), (west, east, size[1]))
    )
    points, owners = shapely.get_coordinates(geometries, return_index=True)
    moved = shapely.set_coordinates(np.array(geometries, object), points - np.stack([across, down], axis=1)[owners])
    return moved, rows, columns


def _remaining(first: NDArray[Any], last: NDArray[Any], most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The places below ``most`` within ``MARGIN`` of a span, and how many before each span are left out."""
    first, last = (np.clip(ends, 0, most - 1).astype(np.int64) for ends in (first, last))
    change = np.zeros(most + 1, np.int64)
    np.add.at(change, np.maximum(first - MARGIN, 0), 1)
    np.add.at(change, np.minimum(last + MARGIN + 1, most), -1)
    near = np.cumsum(change[:-1]) > 0
    return np.flatnonzero(near), np.cumsum(~near)[first]


def area_around(shapes: Iterable[Shape | None], size: tuple[int, int]) -> Block | None:
    """The pixels of a scene of ``size`` (rows, columns) around shapes; None where there are none."""
    import shapely

    geometries = [one.geometry for one in shapes if one]
    if not geometries:
        return None
    west, north, east, south = shapely.total_bounds(geometries).tolist()
    left, top = max(0, int(west)), max(0, int(north))
    right, bottom = min(size[1], int(east) + 1), min(size[0], int(south) + 1)
    return Block(top, left, bottom - top, right - left) if right > left and bottom > top else None


def check_geometry(geometry: Any, size: tuple[int, int], all_touched: bool) -> Any:
    """A geometry that labels pixels of the scene, repaired where its outline crosses itself.

    ``size`` is (rows, columns). Raises :class:`LabelError` for one that is no polygon or point, or labels no pixel.
    """
    import shapely

    if geometry is None or geometry.is_empty or geometry.geom_type not in (*AREAS, *POINTS):
        raise LabelError("a label is a polygon or a point: draw three corners or more")
    geometry = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise LabelError("a coordinate of the shape is not a finite number: draw it again")
    if not geometry.is_valid:
        parts = shapely.get_parts(shapely.make_valid(geometry))
        geometry = shapely.union_all([part for part in parts if part.geom_type in AREAS])
    if not labels_a_pixel(geometry, size, all_touched):
        raise LabelError("the shape contains no pixel's centre of the scene: draw it larger and inside, or set a point")
    return geometry


def labels_a_pixel(geometry: Any, size: tuple[int, int], all_touched: bool) -> bool:
    """Whether a geometry in pixels labels a pixel of a scene of ``size`` (rows, columns)."""
    canvas = Canvas(size, PIXELS, "", all_touched and geometry.geom_type in AREAS)
    return not geometry.is_empty and canvas.gives_a_pixel(geometry)


def reaches_outside(geometry: Any, size: tuple[int, int]) -> bool:
    """Whether a geometry in pixels covers a pixel's area or has a point outside a scene of ``size`` (rows, columns),
    where it may label another part of the scene."""
    import shapely

    outside = shapely.difference(geometry, shapely.box(0, 0, size[1], size[0]))
    return not outside.is_empty and (geometry.geom_type in POINTS or outside.area >= 1)


def cut_shapes(
    shape: Shape, shapes: Iterable[Shape], size: tuple[int, int], all_touched: bool
) -> dict[int, Shape | None]:
    """The shapes of other classes under a new one without what it covers, by id; None where nothing is left."""
    import shapely

    cover = footprint(shape.geometry)
    shapely.prepare(cover)
    others = [one for one in shapes if one.class_id != shape.class_id and one.id != shape.id]
    west, south, east, north = shapely.bounds([one.geometry for one in others]).T if others else np.empty((4, 0))
    left, top, right, bottom = cover.bounds
    near = (west < right + 1) & (east > left - 1) & (south < bottom + 1) & (north > top - 1)
    changed: dict[int, Shape | None] = {}
    for one in (others[place] for place in np.flatnonzero(near)):
        if not shapely.intersects(cover, footprint(one.geometry)):
            continue
        if one.geometry.geom_type in POINTS:
            parts = shapely.get_parts(one.geometry)
            rest = parts[~shapely.contains_properly(cover, _centres(parts))]
            over = shapely.multipoints(rest) if len(rest) > 1 else (rest[0] if len(rest) else None)
            if len(rest) == len(parts):
                continue
        else:
            remaining = shapely.get_parts(shapely.difference(one.geometry, cover))
            pieces = [part for part in remaining if part.geom_type == "Polygon" and part.area > SLIVER]
            over = shapely.union_all(pieces) if pieces else None
            if over is not None and one.geometry.area - over.area <= SLIVER:
                continue  # only their edges meet
        usable = over is not None and (labels_a_pixel(over, size, all_touched) or reaches_outside(over, size))
        changed[one.id] = replace(one, geometry=over) if usable else None
    return changed


def _centres(points: NDArray[Any]) -> NDArray[Any]:
    """The centres ``(n,)`` of the pixels that points ``(n,)`` lie in."""
    import shapely

    centres: NDArray[Any] = shapely.points(np.floor(shapely.get_coordinates(points)) + 0.5)
    return centres


def footprint(geometry: Any) -> Any:
    """The area that a shape labels: a polygon itself, of points their pixels."""
    import shapely

    if geometry.geom_type in AREAS:
        return geometry
    corners = np.floor(shapely.get_coordinates(geometry))
    return shapely.union_all(shapely.box(*corners.T, *(corners + 1).T))


def pixel_box(column: float, row: float) -> Any:
    """The square of the pixel that a place lies in."""
    import shapely

    left, top = np.floor(column), np.floor(row)
    return shapely.box(left, top, left + 1, top + 1)


def same_row(first: Shape | None, second: Shape | None) -> bool:
    """Whether two states of a row are equal in class, place and what is shown of it."""
    if first is None or second is None:
        return first is second
    shown = [(one.class_id, one.kind, one.author, one.time) for one in (first, second)]
    return shown[0] == shown[1] and bool(first.placed.equals_exact(second.placed))
