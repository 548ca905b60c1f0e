"""The place of pixels on the ground: coordinate reference systems, pixel sizes, areas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Georeference

TOLERANCE = 0.01  # corners that differ by less than this share of a pixel are the same corner
SQUARE = 0.01  # relative difference of the sides of a pixel that counts as square
LONGITUDE_LATITUDE = "OGC:CRS84"
EQUAL_AREA = "EPSG:6933"  # cylindrical equal-area on the WGS 84 ellipsoid
STRETCHED = 0.01  # relative difference of areas on the map and on the ground that a projection may have
LEAST_AREA = 1.0  # hectares on the ground that are compared, because projecting rounds to a tenth of a millimetre


def parse_crs(text: str | None) -> Any:
    """The :class:`rasterio.crs.CRS` of a WKT or code; None for no text and for one that PROJ does not know."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return CRS.from_user_input(text) if text else None
    except CRSError:
        return None


def has_no_place(transform: Any) -> bool:
    """Whether an affine transform only counts pixels from the first corner, with rows down or up, as ENVI's
    ``Arbitrary`` map info does."""
    return bool(transform.is_identity or tuple(transform)[:6] == (1, 0, 0, 0, -1, 0))


def georeference_of(dataset: Any) -> Georeference | None:
    """The CRS and transform of an open rasterio dataset; None without a transform, whatever its CRS."""
    transform = dataset.transform
    if has_no_place(transform):
        return None
    wkt = dataset.crs.to_wkt() if dataset.crs else None
    a, b, c, d, e, f = (value + 0.0 for value in transform[:6])  # no -0.0
    return Georeference(wkt or None, (a, b, c, d, e, f))


def explain_no_place(dataset: Any) -> str:
    """What an open rasterio dataset has in place of a transform, in words; empty with a transform, and for nothing."""
    if not has_no_place(dataset.transform):
        return ""
    if dataset.gcps[0]:
        return f"{len(dataset.gcps[0])} ground control points and no grid, which gdalwarp makes of them"
    if dataset.rpcs:
        return "rational polynomial coefficients (RPC) and no grid, which gdalwarp makes of them"
    return f"the CRS {crs_name(dataset.crs.to_wkt())} and no transform from pixels to it" if dataset.crs else ""


def difference(scene: Georeference, labels: Georeference, shape: tuple[int, int]) -> str | None:
    """What differs between two grids of the same ``shape`` (rows, columns), in words; None when they coincide."""
    if scene.crs and labels.crs and not same_crs(scene.crs, labels.crs):
        return f"the scene's CRS is {crs_name(scene.crs)}, the labels' is {crs_name(labels.crs)}"
    height, width = shape
    pixel = max(abs(value) for index, value in enumerate(scene.transform) if index not in (2, 5))
    for column, row in ((0, 0), (width, 0), (0, height), (width, height)):
        here, there = scene.map_coordinates(column, row), labels.map_coordinates(column, row)
        if max(abs(here[0] - there[0]), abs(here[1] - there[1])) > TOLERANCE * pixel:
            return f"the scene's {_corner(scene)}, the labels' {_corner(labels)}"
    return None


def grid_offset(first: Georeference, other: Georeference, shape: tuple[int, int]) -> tuple[int, int] | None:
    """Row and column, in the grid of the first, of the upper left pixel of another one of that ``shape`` (H, W).

    None where its pixels are not those of the first.
    """
    from affine import Affine

    to_pixels = ~Affine(*first.transform)
    corners = [
        to_pixels @ other.map_coordinates(column, row)
        for column, row in ((0, 0), (shape[1], 0), (0, shape[0]), shape[::-1])
    ]
    column, row = (round(value) for value in corners[0])
    expected = [(column + across, row + down) for across, down in ((0, 0), (shape[1], 0), (0, shape[0]), shape[::-1])]
    return (row, column) if np.abs(np.subtract(corners, expected)).max() <= TOLERANCE else None


def crs_name(wkt: str) -> str:
    """A short name of a CRS: its EPSG code where one matches, and the name that goes with it."""
    crs = parse_crs(wkt)
    code = crs.to_epsg() if crs else None
    return f"EPSG:{code} ({_title(epsg_wkt(code) or wkt)})" if code else _title(wkt)


def crs_title(crs: str | None) -> str | None:
    """The name of a CRS and its EPSG code, such as ``WGS 84 / UTM zone 16N (EPSG:32616)``; None of an unknown one."""
    known = parse_crs(crs)
    if known is None:
        return None
    title, code = _title(known.to_wkt()), known.to_epsg()
    return f"{title} (EPSG:{code})" if code else title


def pixel_size(georeference: Georeference) -> str:
    """Width x height of a pixel with the unit of the CRS, for a line of text."""
    across, down = _pixel_sides(georeference)
    crs = parse_crs(georeference.crs)
    return f"{across:.6g} x {down:.6g} {crs.units_factor[0] if crs else ''}".strip()


def pixel_metres(georeference: Georeference) -> float | None:
    """The side of a pixel in metres on the map; None where pixels are not square or have no metres."""
    across, down = _pixel_sides(georeference)
    crs = parse_crs(georeference.crs)
    if crs is None or not crs.is_projected or abs(across - down) > SQUARE * across:
        return None
    return across * float(crs.linear_units_factor[1])


def _pixel_sides(georeference: Georeference) -> tuple[float, float]:
    """Width and height of a pixel in the unit of the CRS."""
    a, b, _, d, e, _ = georeference.transform
    return math.hypot(a, d), math.hypot(b, e)


def longitude_latitude(
    georeference: Georeference, columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Longitude and latitude ``(2, n)`` of places ``(n,)`` in pixels from the upper left corner.

    None without a CRS, with that of a local grid, and where one of the places has no longitude and latitude.
    """
    crs = parse_crs(georeference.crs)
    if crs is None or not (crs.is_projected or crs.is_geographic):
        return None
    return _project(crs, LONGITUDE_LATITUDE, *georeference.map_coordinates(columns, rows))


def same_crs(first: str | None, second: str | None) -> bool:
    """Whether two CRS as WKT, or none, are the same."""
    if not first or not second:
        return not first and not second
    one, other = parse_crs(first), parse_crs(second)
    if one is None or other is None:
        return first == second
    # one CRS written by ESRI and by EPSG differs in its WKT but not in its parameters
    return bool(one == other or (one.to_epsg() or -1) == other.to_epsg() or one.to_dict() == other.to_dict())


def _title(wkt: str) -> str:
    return wkt.split('"')[1] if wkt.count('"') >= 2 else wkt[:40]


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


def pixel_hectares(georeference: Georeference | None, height: int, width: int) -> NDArray[np.float64] | None:
    """Hectares of a pixel in each row, ``(H,)`` float64, or None when the place is not known.

    From the transform and the unit of a projected CRS. Where its areas are not those on the ground, as in Web Mercator,
    and under a geographic CRS the pixel's edges go through an equal-area projection. This is exact for a grid along
    parallels and meridians; for others it is taken at the middle of the row.
    """
    crs = parse_crs(georeference.crs) if georeference else None
    if georeference is None or crs is None or not (crs.is_projected or crs.is_geographic):
        return None
    a, b, _, d, e, _ = georeference.transform
    if crs.is_geographic:
        return _ground_hectares(crs, georeference, height, width)
    on_map = abs(a * e - b * d) * crs.linear_units_factor[1] ** 2 / 10_000
    side = max(1.0, math.sqrt(LEAST_AREA / on_map)) if on_map else 1.0
    ground = _ground_hectares(crs, georeference, height, width, side)
    stretched = ground is not None and bool((np.abs(ground - on_map) > STRETCHED * ground).any())
    return ground if stretched else np.full(height, on_map)


def _ground_hectares(
    crs: Any, georeference: Georeference, height: int, width: int, side: float = 1.0
) -> NDArray[np.float64] | None:
    """Hectares on the ground of the pixel in the middle of each row, ``(H,)``, from a square of ``side`` pixels around
    it; None outside the area of the CRS."""
    a, b, c, d, e, f = georeference.transform
    column, left = width / 2, c
    if crs.is_geographic:
        left = -a * column  # from the longitude of the middle column: areas do not depend on it
    corners = side * np.array([[-0.5], [0.5], [0.5], [-0.5]])
    across = column + 0.5 + corners + np.zeros(height)
    down = np.arange(height) + 0.5 + np.roll(corners, 1, axis=0)
    places = _project(crs, EQUAL_AREA, (a * across + b * down + left).ravel(), (d * across + e * down + f).ravel())
    if places is None:
        return None
    x, y = places.reshape(2, 4, height)
    x, y = x - x[0], y - y[0]  # else products of large numbers are subtracted
    area = sum(x[i] * y[(i + 1) % 4] - x[(i + 1) % 4] * y[i] for i in range(4)) / 2  # shoelace
    hectares: NDArray[np.float64] = np.abs(area) / side**2 / 10_000
    return hectares if (hectares > 0).all() else None


def _project(crs: Any, target: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Places ``(2, n)`` in another CRS; None where it is of another body, and where one of the places is outside."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    try:
        places = np.array(transform(crs, target, x, y))
    except (CRSError, CPLE_BaseError):
        return None
    return places if np.isfinite(places).all() else None
