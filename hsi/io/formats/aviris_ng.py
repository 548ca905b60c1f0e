"""AVIRIS-NG Level 2A reflectance on a UTM grid, NetCDF-4 (``ang*_RFL_ORT.nc``).

Format: ORNL DAAC, guides of the AVIRIS-NG L2A orthocorrected surface reflectance data sets. The group ``reflectance``
holds ``reflectance`` (wavelength, northing, easting) float32 with ``_FillValue``, ``wavelength`` and ``fwhm`` in
nanometres; ``easting`` and ``northing`` are the centres of the pixels, and ``spatial_ref`` (or ``crs_wkt``) of
``transverse_mercator`` is the CRS. Flight lines delivered as ENVI files are read as ENVI files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import dataset_of, fill_value, holds, numbers_of, text_of
from hsi.io.formats._product import ProductReader
from hsi.io.reader import READERS, Array, reading

if TYPE_CHECKING:
    import h5py

TITLE = "AVIRIS-NG L2A"
CUBE, GRID = "reflectance/reflectance", "transverse_mercator"


class AvirisNgReader(ProductReader):
    """Bands are stored first and come last in a scene."""

    title = TITLE
    suffixes = (".nc",)

    def recognises(self, path: Path) -> bool:
        """Whether it has the reflectance group and the coordinates of an orthocorrected flight line."""
        return holds(path, CUBE, "reflectance/wavelength", "easting", "northing")

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM and place."""
        import h5py

        with reading(path, TITLE), h5py.File(path, "r") as file:
            cube = dataset_of(path, file, CUBE, 3)
            bands, height, width = cube.shape
            dtype, nodata = cube.dtype.newbyteorder("="), fill_value(cube)
            facts: dict[str, Any] = {
                key: numbers_of(path, dataset_of(path, file, f"reflectance/{name}", 1), name, bands)
                for key, name in (("wavelengths", "wavelength"), ("fwhm", "fwhm"))
                if f"reflectance/{name}" in file
            }
            georeference = _georeference(path, file, height, width)

        def fetch(block: Block) -> Array:
            rows, columns = block.slices
            with reading(path, TITLE), h5py.File(path, "r") as file:
                values: Array = file[CUBE][:, rows, columns]
            return np.moveaxis(values.astype(dtype, copy=False), 0, -1)

        return Scene(
            path.stem, path, height, width, tuple(range(bands)), dtype, fetch,
            format=f"{TITLE} (NetCDF-4)", nodata=nodata, georeference=georeference, **facts,
        )  # fmt: skip


READERS.register("aviris-ng")(AvirisNgReader())


def _georeference(path: Path, file: h5py.File, height: int, width: int) -> Georeference | None:
    """From the first and last centres of columns and rows; None for a line of pixels."""
    if min(height, width) < 2:
        return None
    x = numbers_of(path, dataset_of(path, file, "easting", 1), "easting", width)
    y = numbers_of(path, dataset_of(path, file, "northing", 1), "northing", height)
    step_x, step_y = (x[-1] - x[0]) / (width - 1), (y[-1] - y[0]) / (height - 1)
    if step_x == 0 or step_y == 0:
        raise SceneFileError(f"{path}: its 'easting' or 'northing' stands still; download the product again")
    attributes = file[GRID].attrs if GRID in file else {}
    crs = next((text_of(attributes[key]) for key in ("spatial_ref", "crs_wkt") if key in attributes), None)
    return Georeference(crs, (step_x, 0.0, x[0] - step_x / 2, 0.0, step_y, y[0] - step_y / 2))
