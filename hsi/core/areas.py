"""How large a pixel is on the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Georeference

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
