"""Where the pixels of a page's map lie: map coordinates, and longitudes and latitudes on a grid of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Georeference

NODES = 33  # each way; between them the page interpolates
LONGITUDE_LATITUDE = "OGC:CRS84"
ALIKE = 0.01  # relative difference of the sides of what still is a square
FINEST = 7  # decimals of a degree: a centimetre


@dataclass(frozen=True, eq=False)
class Degrees:
    """Longitude and latitude ``(n, m)`` float64 at nodes spread evenly from the first to the last corner of a scene,
    and the ``decimals`` that interpolation between them leaves right."""

    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    decimals: int


def place_for_page(georeference: Georeference | None, height: int, width: int) -> dict[str, Any] | None:
    """What the page's scripts need to tell a pixel's place; None where nothing is known of it."""
    if georeference is None:
        return None
    degrees = degrees_of(georeference, height, width)
    return {
        "transform": list(georeference.transform),
        "metres": pixel_metres(georeference),
        "degrees": degrees and {
            "rows": degrees.longitude.shape[0],
            "columns": degrees.longitude.shape[1],
            "longitude": degrees.longitude.ravel().tolist(),
            "latitude": degrees.latitude.ravel().tolist(),
            "decimals": degrees.decimals,
        },
    }  # fmt: skip


def crs_name(crs: str | None) -> str | None:
    """Name and EPSG code of a CRS, such as ``WGS 84 / UTM zone 16N (EPSG:32616)``; None without one."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if crs is None:
        return None
    try:
        known = CRS.from_user_input(crs)
    except CRSError:
        return None
    name = known.to_wkt().partition('"')[2].partition('"')[0]
    code = known.to_epsg()
    return f"{name} (EPSG:{code})" if code else name


def pixel_metres(georeference: Georeference) -> float | None:
    """The side of a pixel in metres on the map; None where pixels are not square or have no metres."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if georeference.crs is None:
        return None
    try:
        crs = CRS.from_user_input(georeference.crs)
    except CRSError:
        return None
    a, b, _, d, e, _ = georeference.transform
    across, down = float(np.hypot(a, d)), float(np.hypot(b, e))
    if not crs.is_projected or abs(across - down) > ALIKE * across:
        return None
    return across * float(crs.linear_units_factor[1])


def degrees_of(georeference: Georeference, height: int, width: int) -> Degrees | None:
    """Longitudes and latitudes of a scene ``(height, width)``; None without a CRS, with one of a local grid, and where
    they cannot be told everywhere or jump from 180 to -180 degrees."""
    rows, columns = (np.linspace(0, size, NODES) for size in (height, width))
    nodes = _to_degrees(georeference, rows, columns)
    if nodes is None:
        return None
    middles = _to_degrees(georeference, (rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2)
    if middles is None or np.ptp(nodes[0]) > 180:
        return None
    corners = (nodes[:, 1:, 1:], nodes[:, 1:, :-1], nodes[:, :-1, 1:], nodes[:, :-1, :-1])
    error = float(np.abs(sum(corners) / 4 - middles).max())
    decimals = FINEST if error < 10.0**-FINEST else int(np.floor(-np.log10(error)))
    return Degrees(nodes[0], nodes[1], max(0, min(FINEST, decimals)))


def _to_degrees(
    georeference: Georeference, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Longitude and latitude ``(2, n, m)`` of every row and column, None where one of them is not known."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    if georeference.crs is None:
        return None
    a, b, c, d, e, f = georeference.transform
    across, down = np.meshgrid(columns, rows)
    try:
        crs = CRS.from_user_input(georeference.crs)
        if not (crs.is_projected or crs.is_geographic):
            return None
        x, y = (a * across + b * down + c).ravel(), (d * across + e * down + f).ravel()
        found = np.array(transform(crs, LONGITUDE_LATITUDE, x, y))
    except CRSError:
        return None
    return found.reshape(2, *across.shape) if np.isfinite(found).all() else None
