"""EMIT Level 2A: surface reflectance of a swath with a look-up table onto a geographic grid, NetCDF-4.

Format: LP DAAC, "EMIT L2A Estimated Surface Reflectance and Uncertainty and Masks 60 m V001"
(doi:10.5067/EMIT/EMITL2ARFL.001) and its user guide. ``reflectance`` is (downtrack, crosstrack, bands) float32 with
``_FillValue`` -9999. ``sensor_band_parameters`` has ``wavelengths`` and ``fwhm`` in nanometres and
``good_wavelengths``, 0 where the atmosphere is opaque. ``location/glt_x`` and ``glt_y`` give for each pixel of the grid
the column and row of the swath, counted from 1, 0 where there is none, and negative where they were interpolated.
``geotransform`` (GDAL's order) and ``spatial_ref`` are the georeference of the grid.

The scene is the grid; without look-up table it is the swath, which has no georeference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import File, Hdf5Product, fill_value, has_objects, hdf5_scene, open_product, to_text
from hsi.io.formats._product import ProductReader
from hsi.io.reader import Array, register_reader

CUBE, GLT, BANDS = "reflectance", ("location/glt_x", "location/glt_y"), "sensor_band_parameters"
NO_DATA = -9999.0
LARGEST_PART = 128 * 2**20  # bytes of the swath in memory at once
ROWS = 256


@dataclass(frozen=True)
class Swath:
    """The cube in the file: shape ``(rows, columns, bands)``, dtype, nodata value, and the part to read at once."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    nodata: float
    part: tuple[int, int]


@register_reader("emit")
class EmitReader(ProductReader):
    """Blocks of the grid, each gathered from the parts of the swath that it needs."""

    title = "EMIT L2A"
    suffixes = (".nc",)

    def recognises(self, path: Path) -> bool:
        """Whether it has the reflectance and the band parameters of a Level 2A product."""
        return has_objects(path, CUBE, f"{BANDS}/wavelengths")

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM, bad bands and georeference."""
        with open_product(path, self.title) as product:
            swath = _read_swath(product)
            *size, bands = swath.shape
            gridded = GLT[0] in product.file
            height, width = _check_lookup(product, swath) if gridded else size
            names = {"wavelengths": "wavelengths", "fwhm": "fwhm", "good": "good_wavelengths"}
            facts = product.lists(BANDS, names, bands)
            facts["georeference"] = _georeference(product) if gridded else None
        if "good" in facts:
            facts["good"] = tuple(value != 0 for value in facts["good"])

        def read(file: File, block: Block) -> Array:
            values: Array = _gather(file, swath, block) if gridded else file[CUBE][block.slices]
            return values

        kind = "gridded by its look-up table" if gridded else "swath without look-up table"
        facts |= {"format": f"{self.title} ({kind})", "nodata": swath.nodata}
        return hdf5_scene(path, self.title, (height, width, bands), swath.dtype, read, **facts)


def _read_swath(product: Hdf5Product) -> Swath:
    cube = product.dataset(CUBE, 3)
    _, columns, bands = cube.shape
    tall, wide = (cube.chunks or (ROWS, columns))[:2]
    pixel = bands * cube.dtype.itemsize
    wide = max(1, min(wide, LARGEST_PART // pixel))
    tall = max(1, min(tall, LARGEST_PART // (wide * pixel)))
    nodata = fill_value(cube)
    return Swath(cube.shape, cube.dtype.newbyteorder("="), NO_DATA if nodata is None else nodata, (tall, wide))


def _check_lookup(product: Hdf5Product, swath: Swath) -> tuple[int, int]:
    """Height and width of the grid; raises :class:`SceneFileError` for a table that points outside the swath."""
    across, along = (product.dataset(name, 2) for name in GLT)
    if across.shape != along.shape or across.dtype.kind not in "iu" or along.dtype.kind not in "iu":
        raise SceneFileError(
            f"{product.path}: its look-up tables are {across} and {along}, expected integers of one shape"
        )
    height, width = across.shape
    for row in range(0, height, ROWS):
        rows, columns, _ = _pointers(product.file, Block(row, 0, min(ROWS, height - row), width))
        if rows.size and (rows.max() >= swath.shape[0] or columns.max() >= swath.shape[1]):
            raise SceneFileError(
                f"{product.path}: its look-up table (GLT) points to row {rows.max() + 1}, column {columns.max() + 1} "
                f"of a swath of {swath.shape[0]} x {swath.shape[1]} pixels; the file is damaged: download it again"
            )
    return height, width


def _pointers(file: File, block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Rows and columns of the swath, from 0, for the pixels of a block that have them; indices of these pixels."""
    tables = []
    for name in GLT:
        table = file[name][block.slices].astype(np.int64)
        void = fill_value(file[name])
        tables.append(np.abs(np.where(table == void, 0, table)).ravel())
    columns, rows = tables
    pixels = np.flatnonzero((columns > 0) & (rows > 0))
    return rows[pixels] - 1, columns[pixels] - 1, pixels


def _gather(file: File, swath: Swath, block: Block) -> Array:
    """``(h, w, bands)`` of the grid, nodata where the table points to nothing."""
    bands = swath.shape[2]
    values = np.full((block.height * block.width, bands), swath.nodata, swath.dtype)
    rows, columns, pixels = _pointers(file, block)
    for group in _group_by_part(rows, columns, swath):
        row, column = rows[group], columns[group]
        top, left = row.min(), column.min()
        part = file[CUBE][top : row.max() + 1, left : column.max() + 1]
        values[pixels[group]] = part[row - top, column - left]
    return values.reshape(block.height, block.width, bands)


def _group_by_part(rows: NDArray[np.int64], columns: NDArray[np.int64], swath: Swath) -> Iterator[NDArray[np.intp]]:
    """The pixels in groups that lie in one part of the swath, so that each stored chunk is unpacked once."""
    tall, wide = swath.part
    part = rows // tall * (swath.shape[1] // wide + 1) + columns // wide
    order = np.argsort(part, kind="stable")
    if order.size:
        yield from np.split(order, np.flatnonzero(np.diff(part[order])) + 1)


def _georeference(product: Hdf5Product) -> Georeference | None:
    attributes = product.file.attrs
    if "geotransform" not in attributes:
        return None
    c, a, b, f, d, e = (value + 0.0 for value in product.attribute("geotransform", 6))
    crs = to_text(attributes["spatial_ref"]) if "spatial_ref" in attributes else None
    return Georeference(crs or None, (a, b, c, d, e, f))
