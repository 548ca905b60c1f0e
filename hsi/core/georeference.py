"""Where pixels lie on the ground: coordinate reference systems, pixel sizes, areas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Georeference

# corners that differ by less than this share of a pixel are the same corner
TOLERANCE = 0.01


def georeference_of(dataset: Any) -> Georeference | None:
    """The CRS and transform of an open rasterio dataset, None when it has neither."""
    transform = dataset.transform
    if dataset.crs is None and transform.is_identity:
        return None
    wkt = dataset.crs.to_wkt() if dataset.crs else None
    a, b, c, d, e, f = (value + 0.0 for value in transform[:6])  # no -0.0
    return Georeference(wkt or None, (a, b, c, d, e, f))


def difference(scene: Georeference, labels: Georeference, shape: tuple[int, int]) -> str | None:
    """What differs between two grids of the same ``shape`` (rows, columns), in words; None when they coincide."""
    if scene.crs and labels.crs and not _same_crs(scene.crs, labels.crs):
        return f"the scene's CRS is {crs_name(scene.crs)}, the labels' is {crs_name(labels.crs)}"
    height, width = shape
    pixel = max(abs(value) for index, value in enumerate(scene.transform) if index not in (2, 5))
    for column, row in ((0, 0), (width, 0), (0, height), (width, height)):
        here, there = _place(scene, column, row), _place(labels, column, row)
        if max(abs(here[0] - there[0]), abs(here[1] - there[1])) > TOLERANCE * pixel:
            return f"the scene's {_corner(scene)}, the labels' {_corner(labels)}"
    return None


def crs_name(wkt: str) -> str:
    """A short name of a CRS: its EPSG code where one matches, and the name that goes with it."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        code = CRS.from_wkt(wkt).to_epsg()
        return f"EPSG:{code} ({_title(CRS.from_epsg(code).to_wkt())})" if code else _title(wkt)
    except CRSError:
        return _title(wkt)


def pixel_size(georeference: Georeference) -> str:
    """Width x height of a pixel with the unit of the CRS, for a line of text."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    a, b, _, d, e, _ = georeference.transform
    size = f"{math.hypot(a, d):.6g} x {math.hypot(b, e):.6g}"
    try:
        crs = CRS.from_wkt(georeference.crs) if georeference.crs else None
        unit = crs.units_factor[0] if crs else ""
    except CRSError:
        unit = ""
    return f"{size} {unit}".strip()


def _same_crs(first: str, second: str) -> bool:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        one, other = CRS.from_wkt(first), CRS.from_wkt(second)
        # one CRS written by ESRI and by EPSG differs in its WKT but not in its parameters
        return bool(one == other or (one.to_epsg() or -1) == other.to_epsg() or one.to_dict() == other.to_dict())
    except CRSError:
        return first == second


def _title(wkt: str) -> str:
    return wkt.split('"')[1] if wkt.count('"') >= 2 else wkt[:40]


def _place(georeference: Georeference, column: int, row: int) -> tuple[float, float]:
    a, b, c, d, e, f = georeference.transform
    return a * column + b * row + c, d * column + e * row + f


def _corner(georeference: Georeference) -> str:
    a, _, c, _, e, f = georeference.transform
    return f"upper left corner is at ({c:.10g}, {f:.10g}) with pixels of {abs(a):.6g} x {abs(e):.6g}"


def epsg_wkt(code: int) -> str | None:
    """The WKT of an EPSG code, None for a code that is not known."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_epsg(code).to_wkt())
    except (CRSError, OverflowError):
        return None


EQUAL_AREA = "EPSG:6933"  # cylindrical equal-area on the WGS 84 ellipsoid


def pixel_hectares(georeference: Georeference | None, height: int, width: int) -> NDArray[np.float64] | None:
    """Hectares of a pixel in each row, ``(H,)`` float64, or None when the place is not known.

    From the transform and the unit of a projected CRS. Under a geographic CRS the pixel's edges go through an
    equal-area projection, which is exact for a grid along parallels and meridians; for a rotated one it is taken at
    the middle of the row.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if georeference is None or georeference.crs is None:
        return None
    try:
        crs = CRS.from_user_input(georeference.crs)
    except CRSError:
        return None
    a, b, _, d, e, _ = georeference.transform
    if crs.is_projected:
        metres = crs.linear_units_factor[1]
        return np.full(height, abs(a * e - b * d) * metres**2 / 10_000)
    return _geographic_hectares(crs, georeference, height, width) if crs.is_geographic else None


def _geographic_hectares(crs: object, georeference: Georeference, height: int, width: int) -> NDArray[np.float64]:
    from rasterio.warp import transform

    a, b, _, d, e, f = georeference.transform
    rows, column = np.arange(height), width / 2
    corners = [(column, rows), (column + 1, rows), (column + 1, rows + 1), (column, rows + 1)]
    x, y = np.empty((2, 4, height))
    for i, (across, down) in enumerate(corners):
        longitude = a * (across - column) + b * down  # from that of the middle column: areas do not depend on it
        latitude = d * across + e * down + f
        x[i], y[i] = transform(crs, EQUAL_AREA, longitude, latitude)
    area = sum(x[i] * y[(i + 1) % 4] - x[(i + 1) % 4] * y[i] for i in range(4)) / 2  # shoelace
    hectares: NDArray[np.float64] = np.abs(area) / 10_000
    return hectares
