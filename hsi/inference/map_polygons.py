"""The areas of a class map as polygons in a vector file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import hex_colour
from hsi.core.events import progress
from hsi.core.georeference import pixel_hectares
from hsi.core.labels import ClassTable
from hsi.core.scene import Georeference
from hsi.errors import OutputError, UsageError
from hsi.io.vector_files import CLASS_FIELDS
from hsi.io.vectors.write import DRIVERS, UPWARDS, check_place, need_geopandas, write_frame

FIELDS = (*CLASS_FIELDS, "pixels", "area_ha")
LAYER = "map"


def check_polygon_file(path: Path) -> None:
    """Raise :class:`UsageError` unless polygons can be written to a file of that name, and :class:`OutputError` where
    one is there that :func:`write_polygons` did not write."""
    if path.suffix.lower() not in DRIVERS:
        raise UsageError(f"{path}: polygons go to a GeoPackage (.gpkg) or GeoJSON (.geojson): give such a name")
    need_geopandas(path, "polygons")
    if path.exists():
        import pyogrio

        try:
            fields = [str(name) for name in pyogrio.read_info(path)["fields"]]
        except Exception:  # no vector file, or a damaged one
            fields = []
        if fields[: len(FIELDS)] != [*FIELDS]:
            raise OutputError(f"{path}: holds something else than polygons of a map: choose another --vector")


def write_polygons(
    path: Path,
    ids: NDArray[Any],
    table: ClassTable,
    georeference: Georeference | None,
    confidence: NDArray[np.float32] | None = None,
    overwrite: bool = False,
) -> int:
    """Write the connected areas of each class of ``ids`` ``(H, W)`` as polygons, and return their number.

    Pixels that share a side and a class are one polygon, with the class's ``class_id``, ``class`` and ``colour``, the
    number of its ``pixels``, its ``area_ha`` (hectares, null where the place is not known) and the mean of
    ``confidence`` ``(H, W)`` float32 over it. Pixels of no class of ``table`` are left out. Coordinates are those of
    the CRS (GeoJSON: longitude and latitude, RFC 7946), or pixels to the right and upwards from the upper left corner.
    Raises :class:`OutputError` when the file cannot be written or is GeoJSON of an unknown place.
    """
    import shapely
    from affine import Affine
    from geopandas import GeoDataFrame
    from rasterio.features import shapes

    crs = georeference.crs if georeference else None
    check_place(path, crs)
    areas, classes = _connected_areas(ids, table)
    count = len(classes)
    pixels = np.bincount(areas.ravel(), minlength=count + 1)[1:]
    of_row = pixel_hectares(georeference, *ids.shape)
    hectares = np.broadcast_to(np.nan if of_row is None else of_row[:, None], ids.shape)
    names = np.asarray(table.names, object)[classes]
    colours = np.asarray([hex_colour(colour) for colour in table.colours], object)[classes]
    values = (np.asarray(table.ids)[classes], names, colours, pixels, _sums(areas, hectares, count))
    columns: dict[str, Any] = dict(zip(FIELDS, values, strict=True))
    if confidence is not None:
        columns["confidence"] = _sums(areas, confidence, count) / np.maximum(pixels, 1)
    outlines = np.empty(count, object)
    transform = Affine(*(georeference.transform if georeference else UPWARDS))
    with progress("polygons", "polygons") as advance:
        for done, (outline, number) in enumerate(shapes(areas, mask=areas > 0, connectivity=4, transform=transform), 1):
            outlines[int(number) - 1] = shapely.geometry.shape(outline)
            if done % 1000 == 0 or done == count:
                advance(done, count)
    frame = GeoDataFrame(columns, geometry=outlines, crs=crs)
    write_frame(path, frame, LAYER, "polygons", overwrite, "vector")
    return count


def _connected_areas(ids: NDArray[Any], table: ClassTable) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The number of each pixel's area ``(H, W)`` from 1, 0 for no class, and the position in ``table`` of each."""
    from scipy.ndimage import label

    areas, classes = np.zeros(ids.shape, np.int32), list[NDArray[np.intp]]()
    count = 0
    for position, number in enumerate(table.ids):
        here = ids == number
        numbered, found = label(here)
        areas[here] = numbered[here] + count
        count += found
        classes.append(np.full(found, position, np.intp))
    return areas, np.concatenate(classes)


def _sums(areas: NDArray[np.int32], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """The sum of ``values`` over each area, ``(count,)``."""
    inside = areas > 0
    sums: NDArray[np.float64] = np.bincount(areas[inside], values[inside], count + 1)[1:].astype(np.float64)
    return sums
