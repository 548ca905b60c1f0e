"""GeoTIFF and the other rasters that GDAL opens, read by window through rasterio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.georeference import georeference_of
from hsi.core.labels import Colour
from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats.categories import category_names
from hsi.io.formats.gdal_files import common_dtype, nodata_of, opened, scaled_scene
from hsi.io.formats.virtual_rasters import sources_of
from hsi.io.reader import (
    READERS,
    ArrayInfo,
    LabelContent,
    Reader,
    check_declared_size,
    first_bytes,
    kind_of,
    plane,
)

TITLE = "a GDAL raster"
VIRTUAL = "VRT"
DRIVERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"EHFA_HEADER_TAG": "HFA",
    b"HEAD74": "LAN",
    b"HEADER": "LAN",
    b"\x00\x00\x00\x0cjP  ": "JP2OpenJPEG",
    b"<VRTDataset": VIRTUAL,
}
FORMATS = {"GTiff": "GeoTIFF", "HFA": "ERDAS Imagine", "LAN": "ERDAS LAN", "JP2OpenJPEG": "JPEG 2000"}
# tiles that were never written and constant areas shrink far more than deflate alone
SPARSE_RATIO = 100_000


class RasterReader(Reader):
    """Bands are read together, a window at a time; the file is opened anew for each window."""

    title = "GeoTIFF and other GDAL rasters"
    suffixes = (".tif", ".tiff", ".jp2", ".lan", ".vrt")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as TIFF, BigTIFF, JPEG 2000, ERDAS LAN, ERDAS Imagine or virtual rasters do."""
        return _driver(path) is not None

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster; raises :class:`SceneFileError` when the file is too small for the size that it declares."""
        files = sources_of(path, _is_plain_raster) if _driver(path) == VIRTUAL else (path,)
        with raster_dataset(path) as dataset:
            dtype = common_dtype(dataset)
            array = ArrayInfo("", (dataset.height, dataset.width, dataset.count), kind_of(dtype))
            stored = sum(file.stat().st_size for file in files)
            check_declared_size(path, array, stored, dtype.itemsize, SPARSE_RATIO)
            return (array,)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster as a scene with wavelengths, bad bands, nodata and place, in physical units if it has a scale."""
        driver = str(_driver(path))
        return scaled_scene(path, lambda: raster_dataset(path), FORMATS.get(driver, driver))

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster's band as labels, with its palette, its category names and its nodata value."""
        with raster_dataset(path) as dataset:
            values = plane(np.moveaxis(dataset.read(), 0, -1))
            return LabelContent(
                values, category_names(path), _palette(dataset), nodata_of(dataset), georeference_of(dataset)
            )


READERS.register("gdal")(RasterReader())


@contextmanager
def raster_dataset(path: Path) -> Iterator[Any]:
    """The file as a rasterio dataset; raises :class:`SceneFileError` unless it is a raster by its first bytes."""
    driver = _driver(path)
    if driver is None:
        raise SceneFileError(
            f"{path}: is not a raster: it starts with {first_bytes(path, 8)!r}, expected a TIFF, BigTIFF, JPEG 2000, "
            "ERDAS or VRT signature; rename it to its real format or download it again"
        )
    with opened(path, str(path), driver, TITLE) as dataset:
        yield dataset


def _driver(path: Path) -> str | None:
    """The GDAL driver for what the file starts with, so that a file cannot ask for any other one."""
    start = first_bytes(path)
    return next((driver for magic, driver in DRIVERS.items() if start.startswith(magic)), None)


def _is_plain_raster(path: Path) -> bool:
    """Whether a virtual raster may be made of a file: one of the other rasters, or ENVI's raw data with its header."""
    headers = (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr"))
    return _driver(path) not in (None, VIRTUAL) or any(first_bytes(header).startswith(b"ENVI") for header in headers)


def _palette(dataset: Any) -> dict[int, Colour]:
    try:
        entries = dataset.colormap(1)
    except ValueError:  # a band without a palette
        return {}
    return {int(i): (int(colour[0]), int(colour[1]), int(colour[2])) for i, colour in entries.items()}
