"""Vector files out: GeoPackage and GeoJSON."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from hsi.core.files import write_output
from hsi.errors import OutputError, UsageError
from hsi.version import install_hint

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON"}
UPWARDS = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # where QGIS shows a raster without a place


def need_geopandas(path: Path, what: str) -> None:
    """Raise :class:`UsageError` where geopandas, which writes ``what``, is not installed."""
    try:
        import geopandas  # noqa: F401
        import pyogrio  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{path}: {what} need geopandas: {install_hint('vector')} ({error})") from error


def check_place(path: Path, crs: str | None) -> None:
    """Raise :class:`OutputError` for GeoJSON of a map without CRS."""
    if path.suffix.lower() == ".geojson" and not crs:
        raise OutputError(f"{path}: GeoJSON has longitudes and latitudes, and this map has no CRS: give a .gpkg")


def write_frame(path: Path, frame: Any, layer: str, what: str, overwrite: bool, option: str = "out") -> None:
    """Write a GeoDataFrame as the only layer of a file; GeoJSON in longitude and latitude (RFC 7946).

    Raises :class:`OutputError` when the file cannot be written; ``what`` are its shapes, for the message.
    """
    with write_output(path, overwrite, option) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # of a map without a place
        try:
            how = {"RFC7946": "YES"} if path.suffix.lower() == ".geojson" else {}
            frame.to_file(part, driver=DRIVERS[path.suffix.lower()], layer=layer, engine="pyogrio", **how)
        except Exception as error:
            raise OutputError(f"{path}: the {what} cannot be written: {' '.join(str(error).split())}") from error
