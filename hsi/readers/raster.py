"""GeoTIFF and the other rasters that GDAL opens, read by window through rasterio."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hsi.errors import SceneFileError
from hsi.labels import Colour
from hsi.readers.categories import category_names
from hsi.readers.places import georeference_of
from hsi.readers.reader import (
    READERS,
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    check_declared_size,
    first_bytes,
    kind_of,
    plane,
    reading,
)
from hsi.readers.wavelengths import spectral_axis
from hsi.scene import Block, Scene

TITLE = "a GDAL raster"
DRIVERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"EHFA_HEADER_TAG": "HFA",
    b"\x00\x00\x00\x0cjP  ": "JP2OpenJPEG",
    b"<VRTDataset": "VRT",
}
# tiles that were never written and constant areas shrink far more than deflate alone
SPARSE_RATIO = 100_000


class RasterReader(Reader):
    """Bands are read together, a window at a time; the file is opened anew for each window."""

    title = "GeoTIFF and other GDAL rasters"
    suffixes = (".tif", ".tiff", ".jp2", ".vrt")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as TIFF, BigTIFF, JPEG 2000, ERDAS Imagine or virtual rasters do."""
        return _driver(path) is not None

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster; raises :class:`SceneFileError` when the file is too small for the size that it declares."""
        with _opened(path) as dataset:
            dtype = _dtype(dataset)
            array = ArrayInfo("", (dataset.height, dataset.width, dataset.count), kind_of(dtype))
            if dataset.driver != "VRT":
                check_declared_size(path, array, path.stat().st_size, dtype.itemsize, SPARSE_RATIO)
            return (array,)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster as a scene with wavelengths, nodata and place."""
        with _opened(path) as dataset:
            dtype, bands = _dtype(dataset), dataset.count
            facts = _spectral_axis(path, dataset)
            georeference = georeference_of(dataset)
            nodata, driver = _nodata(dataset), dataset.driver
        form = "GeoTIFF" if driver == "GTiff" else driver

        def fetch(block: Block) -> Array:
            from rasterio.windows import Window

            window = Window(block.column, block.row, block.width, block.height)  # type: ignore[call-arg, unused-ignore]
            with _opened(path) as dataset:
                cube: Array = dataset.read(window=window, out_dtype=dtype)
            return np.moveaxis(cube, 0, -1)

        return Scene(
            path.stem,
            path,
            array.shape[0],
            array.shape[1],
            tuple(range(bands)),
            dtype,
            fetch,
            format=form,
            nodata=nodata,
            georeference=georeference,
            wavelengths=facts["wavelengths"],
            fwhm=facts["fwhm"],
        )

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster's band as labels, with its palette, its category names and its nodata value."""
        with _opened(path) as dataset:
            values = plane(np.moveaxis(dataset.read(), 0, -1))
            return LabelContent(
                values, category_names(path), _palette(dataset), _nodata(dataset), georeference_of(dataset)
            )


READERS.register("gdal")(RasterReader())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    driver = _driver(path)
    if driver is None:
        raise SceneFileError(
            f"{path}: is not a raster: it starts with {first_bytes(path, 8)!r}, expected a TIFF, BigTIFF, JPEG 2000, "
            "ERDAS Imagine or VRT signature; rename it to its real format or download it again"
        )
    with reading(path, TITLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, driver=driver) as dataset:
            if dataset.count == 0:
                raise SceneFileError(f"{path}: holds no band, expected a raster; name one of its parts")
            yield dataset


def _driver(path: Path) -> str | None:
    """The GDAL driver for what the file starts with, so that a file cannot ask for any other one."""
    start = first_bytes(path)
    return next((driver for magic, driver in DRIVERS.items() if start.startswith(magic)), None)


def _dtype(dataset: Any) -> np.dtype[Any]:
    return np.result_type(*(np.dtype(name) for name in set(dataset.dtypes)))


def _nodata(dataset: Any) -> float | None:
    return None if dataset.nodata is None else float(dataset.nodata)


def _palette(dataset: Any) -> dict[int, Colour]:
    try:
        entries = dataset.colormap(1)
    except ValueError:  # a band without a palette
        return {}
    return {int(i): (int(colour[0]), int(colour[1]), int(colour[2])) for i, colour in entries.items()}


def _spectral_axis(path: Path, dataset: Any) -> dict[str, tuple[float, ...] | None]:
    """Wavelengths from each band's tags: GDAL's IMAGERY domain, else ``wavelength`` and ``wavelength_units``."""
    imagery = [dataset.tags(band, ns="IMAGERY") for band in dataset.indexes]
    if all("CENTRAL_WAVELENGTH_UM" in tags for tags in imagery):
        centres = [tags["CENTRAL_WAVELENGTH_UM"] for tags in imagery]
        widths = [tags["FWHM_UM"] for tags in imagery if "FWHM_UM" in tags]
        return spectral_axis(path, dataset.count, centres, widths if len(widths) == dataset.count else [], "um")
    plain = [{key.lower(): value for key, value in dataset.tags(band).items()} for band in dataset.indexes]
    if not all("wavelength" in tags for tags in plain):
        return {"wavelengths": None, "fwhm": None}
    centres = [tags["wavelength"] for tags in plain]
    widths = [tags["fwhm"] for tags in plain if "fwhm" in tags]
    units = {tags.get("wavelength_units", "") for tags in plain}
    widths = widths if len(widths) == dataset.count else []
    return spectral_axis(path, dataset.count, centres, widths, units.pop() if len(units) == 1 else "mixed")
