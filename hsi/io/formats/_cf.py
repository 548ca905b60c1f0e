"""Places by the CF conventions (https://cfconventions.org), as NetCDF, HDF5 and Zarr have them.

Variables are h5py's datasets or xarray's arrays: both have ``attrs``, ``shape``, ``name`` and values.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import epsg_wkt, parse_crs
from hsi.core.scene import Georeference
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import to_text
from hsi.io.formats._product import grid_of_centres, is_spectral_unit
from hsi.io.geotiff import gdal_env

LONGEST_AXIS = 2**20
CRS_KEYS = ("crs_wkt", "spatial_ref", "crs", "proj4")
KILOMETRES = ("km", "kilometer", "kilometers", "kilometre", "kilometres")
LATITUDE, LONGITUDE = ("degrees_north", "degree_north", "degrees_n"), ("degrees_east", "degree_east", "degrees_e")
OFF_GRID = 0.1  # share of a pixel by which coordinates may leave an even grid: float32 has no more digits
COUNTED_FROM = (0.0, 0.5, 1.0)  # first coordinates of what only counts pixels
Variable = Any


def letter_of_coordinate(variable: Variable) -> str:
    """``H``, ``W`` or ``B`` by what a coordinate says of itself; else empty."""
    axis, name, unit = (to_text(variable.attrs.get(key, "")).lower() for key in ("axis", "standard_name", "units"))
    if axis == "y" or unit in LATITUDE or name in ("latitude", "projection_y_coordinate"):
        return "H"
    if axis == "x" or unit in LONGITUDE or name in ("longitude", "projection_x_coordinate"):
        return "W"
    return "B" if "wavelength" in name or is_spectral_unit(unit) else ""


def read_number(variable: Variable, key: str, usual: float) -> float:
    """The first number of an attribute."""
    values = np.asarray(variable.attrs.get(key, usual), np.float64).ravel()
    return float(values[0]) if values.size else usual


def read_factors(path: Path, variable: Variable, key: str, usual: float, bands: int) -> list[float]:
    """The numbers of an attribute for each band, of which it has one for all or one for each.

    Raises :class:`SceneFileError` where they are of another number.
    """
    values = np.asarray(variable.attrs.get(key, usual), np.float64).ravel()
    if values.size not in (0, 1, bands):
        raise SceneFileError(f"{path}: '{key}' has {values.size} numbers for {bands} bands; correct or delete it")
    return [float(value) for value in np.broadcast_to(values if values.size else usual, bands)]


def holds_crs(variable: Variable) -> bool:
    """Whether a variable is a grid mapping."""
    return any(key in variable.attrs for key in ("grid_mapping_name", *CRS_KEYS[:2]))


def place_of_grid(down: Variable | None, across: Variable | None, file: Any, mapping: Variable) -> Georeference | None:
    """From even coordinates along rows and columns, else from GDAL's ``GeoTransform`` with the CRS.

    ``mapping`` is the grid mapping and ``file`` has attributes, too. None without either: a CRS alone is no place.
    """
    if down is not None and across is not None:
        x, y = _read_centres(across), _read_centres(down)
        if x is None or y is None:
            return None
        if not (_counts_pixels(x) and _counts_pixels(y)):
            degrees = all(_is_angle(axis) for axis in (down, across))
            crs = find_crs(file, mapping) or (epsg_wkt(4326) if degrees else None)
            x, y = x * _length_of_unit(across, crs), y * _length_of_unit(down, crs)
            return grid_of_centres(crs, (y.size, x.size), (x[0], y[0]), (x[-1], y[-1]))
    numbers = to_text(mapping.attrs.get("GeoTransform", "")).split() if mapping is not None else []
    with suppress(ValueError):
        c, a, b, f, d, e = (float(number) + 0.0 for number in numbers)
        return Georeference(find_crs(file, mapping), (a, b, c, d, e, f))
    return None


def _read_centres(coordinate: Variable) -> NDArray[np.float64] | None:
    """Coordinates of pixel centres in even steps; None where they are not even or there is only one."""
    if not 1 < coordinate.shape[0] <= LONGEST_AXIS:
        return None
    values = np.asarray(coordinate[()], np.float64)
    values = values * read_number(coordinate, "scale_factor", 1.0) + read_number(coordinate, "add_offset", 0.0)
    even = np.linspace(values[0], values[-1], values.size)
    step = abs(even[1] - even[0])
    return values if 0 < step < np.inf and np.all(np.abs(values - even) <= OFF_GRID * step) else None


def _length_of_unit(coordinate: Variable, crs: str | None) -> float:
    """The unit of coordinates in that of their CRS: 1000 for kilometres under a CRS in metres, else 1."""
    known = parse_crs(crs)
    if known is None or not known.is_projected or to_text(coordinate.attrs.get("units", "")).lower() not in KILOMETRES:
        return 1.0
    return 1000 / float(known.linear_units_factor[1])


def _counts_pixels(values: NDArray[np.float64]) -> bool:
    return values[0] in COUNTED_FROM and bool(np.all(np.diff(values) == 1))


def _is_angle(coordinate: Variable) -> bool:
    name, unit = (coordinate.name or "").rpartition("/")[2].lower(), to_text(coordinate.attrs.get("units", "")).lower()
    return unit in (*LATITUDE, *LONGITUDE) or (not unit and name.startswith(("lat", "lon")))


def find_crs(file: Any, mapping: Variable | None) -> str | None:
    """The CRS as WKT from the grid mapping, in WKT or in the parameters of the CF conventions, or from the file."""
    for attributes in (() if mapping is None else (mapping.attrs,)) + (file.attrs,):
        for key in CRS_KEYS:
            with gdal_env():
                crs = parse_crs(to_text(attributes[key])) if key in attributes else None
                if crs is not None:
                    return str(crs.to_wkt())
    if mapping is None or "grid_mapping_name" not in mapping.attrs:
        return None
    with suppress(Exception):  # pyproj is optional, and raises many errors
        from pyproj import CRS

        parameters = {key: value.item() if hasattr(value, "item") else value for key, value in mapping.attrs.items()}
        return str(CRS.from_cf({k: to_text(v) if isinstance(v, bytes) else v for k, v in parameters.items()}).to_wkt())
    return None
