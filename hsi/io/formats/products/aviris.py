"""AVIRIS-NG, AVIRIS-3 and AVIRIS-5 Level 2A reflectance on a UTM grid, NetCDF-4 (``*_RFL_ORT.nc``).

Format: ORNL DAAC, guides of the AVIRIS-NG L2A orthocorrected surface reflectance data sets, and for AVIRIS-3 and -5,
which have the same layout, JPL's ``spectral_util`` (``open_airborne_rfl``) and the reader of HyperCoast. The group
``reflectance`` holds ``reflectance`` (wavelength, northing, easting) float32 with ``_FillValue``, ``wavelength`` and
``fwhm`` in nanometres; ``easting`` and ``northing`` are the centres of the pixels, and ``spatial_ref`` (or ``crs_wkt``)
of ``transverse_mercator`` is the CRS. Where that has GDAL's ``GeoTransform``, this is the place, perhaps rotated.
Flight lines delivered as ENVI files are read as ENVI files.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import File, Hdf5Product, fill_value, has_objects, hdf5_scene, open_product, to_text
from hsi.io.formats._product import ProductReader, grid_of_centres
from hsi.io.reader import Array, register_reader

CUBE, GRID = "reflectance/reflectance", "transverse_mercator"
INSTRUMENTS = {"ang": "AVIRIS-NG", "av3": "AVIRIS-3", "av5": "AVIRIS-5"}  # by the first letters of the file's name


@register_reader("aviris")
class AvirisReader(ProductReader):
    """Bands are stored first and come last in a scene."""

    title = "AVIRIS L2A"
    suffixes = (".nc",)

    def recognises(self, path: Path) -> bool:
        """Whether it has the reflectance group and the coordinates of an orthocorrected flight line."""
        return has_objects(path, CUBE, "reflectance/wavelength", "easting", "northing")

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM and georeference."""
        with open_product(path, self.title) as product:
            cube = product.dataset(CUBE, 3)
            bands, height, width = cube.shape
            dtype, nodata = cube.dtype.newbyteorder("="), fill_value(cube)
            facts = product.lists("reflectance", {"wavelengths": "wavelength", "fwhm": "fwhm"}, bands)
            facts |= {"nodata": nodata, "georeference": _georeference(product, height, width)}
        form = f"{INSTRUMENTS.get(path.name[:3].lower(), 'AVIRIS')} L2A (NetCDF-4)"
        return hdf5_scene(path, self.title, (height, width, bands), dtype, _read, format=form, **facts)


def _read(file: File, block: Block) -> Array:
    rows, columns = block.slices
    return np.moveaxis(file[CUBE][:, rows, columns], 0, -1)


def _georeference(product: Hdf5Product, height: int, width: int) -> Georeference | None:
    """From GDAL's transform, else from the first and last centres of columns and rows; None for a line of pixels."""
    attributes = product.file[GRID].attrs if GRID in product.file else {}
    crs = next((to_text(attributes[key]) for key in ("spatial_ref", "crs_wkt") if key in attributes), None)
    with suppress(ValueError):
        c, a, b, f, d, e = (float(number) + 0.0 for number in to_text(attributes.get("GeoTransform", "")).split())
        return Georeference(crs, (a, b, c, d, e, f))
    if min(height, width) < 2:
        return None
    x = product.numbers(product.dataset("easting", 1), "easting", width)
    y = product.numbers(product.dataset("northing", 1), "northing", height)
    if x[0] == x[-1] or y[0] == y[-1]:
        raise SceneFileError(f"{product.path}: its 'easting' or 'northing' is constant; download the product again")
    return grid_of_centres(crs, (height, width), (x[0], y[0]), (x[-1], y[-1]))
