"""PRISMA Level 2D: surface reflectance on a UTM grid, HDF-EOS5 (``.he5``).

Format: Agenzia Spaziale Italiana, "PRISMA Products Specification Document", issue 2.3, 2020. The cubes of the two
spectrometers lie at ``HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{VNIR,SWIR}_Cube`` as (rows, bands, columns) of uint16, of
which 0 to 65535 stand for ``L2Scale{Vnir,Swir}Min`` to ``…Max`` and 0 in all bands for no data. ``List_Cw_{Vnir,Swir}``
are wavelengths in nanometres, falling, 0 for bands that were not acquired; ``Product_{UL,LR}corner_{easting,northing}``
are the centres of the corner pixels.

Bands that were not acquired are left out; the others of both cubes are numbered by rising wavelength. Where the
spectrometers overlap, the VNIR bands are marked as bad, so that ``keep_bad_bands`` also gives these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import epsg_wkt
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import File, Hdf5Product, has_objects, hdf5_scene, open_product
from hsi.io.formats._product import ProductReader, grid_of_centres, scale_scene
from hsi.io.reader import Array, register_reader

FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
LARGEST_NUMBER = 65535


@dataclass(frozen=True)
class Spectrometer:
    """One cube: its ``(rows, columns)``, the bands that were acquired, their wavelengths, FWHM and scale."""

    dataset: str
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    bands: NDArray[np.intp]
    wavelengths: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    gain: float
    offset: float


@register_reader("prisma")
class PrismaReader(ProductReader):
    """Both cubes as one, the bands of each block joined and sorted when it is read."""

    title = "PRISMA L2D"
    suffixes = (".he5",)

    def recognises(self, path: Path) -> bool:
        """Whether it has the cubes of a Level 2D product."""
        return has_objects(path, f"{FIELDS}/VNIR_Cube", f"{FIELDS}/SWIR_Cube")

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM and georeference."""
        with open_product(path, self.title) as product:
            vnir, swir = (_read_spectrometer(product, name) for name in ("Vnir", "Swir"))
            if vnir.shape != swir.shape:
                raise SceneFileError(f"{path}: its cubes have {vnir.shape} and {swir.shape} pixels; download it again")
            georeference = _georeference(product, vnir.shape)
        wavelengths = np.concatenate([vnir.wavelengths, swir.wavelengths])
        order = np.argsort(wavelengths, kind="stable")
        overlapping = np.arange(wavelengths.size) < len(vnir.bands)
        overlapping &= wavelengths >= swir.wavelengths.min()

        shape, dtype = (*vnir.shape, order.size), np.result_type(vnir.dtype, swir.dtype)
        scene = hdf5_scene(
            path, self.title, shape, dtype, lambda file, block: _read(file, (vnir, swir), order, block),
            format=f"{self.title} (HDF-EOS5)",
            wavelengths=tuple(wavelengths[order].tolist()),
            fwhm=tuple(np.concatenate([vnir.fwhm, swir.fwhm])[order].tolist()),
            good=tuple((~overlapping[order]).tolist()),
            nodata=0,
            georeference=georeference,
        )  # fmt: skip
        gains, offsets = (
            np.repeat(pair, (len(vnir.bands), len(swir.bands)))[order].tolist()
            for pair in ((vnir.gain, swir.gain), (vnir.offset, swir.offset))
        )
        return scale_scene(scene, gains, offsets)


def _read_spectrometer(product: Hdf5Product, name: str) -> Spectrometer:
    dataset = f"{FIELDS}/{name.upper()}_Cube"
    cube = product.dataset(dataset, 3)
    rows, count, columns = cube.shape
    wavelengths, fwhm = (np.array(product.attribute(f"List_{key}_{name}", count)) for key in ("Cw", "Fwhm"))
    (low,), (high,) = (product.attribute(f"L2Scale{name}{key}") for key in ("Min", "Max"))
    bands = np.flatnonzero(wavelengths > 0)
    if bands.size == 0:
        raise SceneFileError(f"{product.path}: all wavelengths in 'List_Cw_{name}' are 0; download the product again")
    gain = (high - low) / LARGEST_NUMBER
    return Spectrometer(
        dataset, (rows, columns), cube.dtype.newbyteorder("="), bands, wavelengths[bands], fwhm[bands], gain, low
    )


def _read(file: File, cubes: tuple[Spectrometer, Spectrometer], order: NDArray[np.intp], block: Block) -> Array:
    """``(h, w, bands)`` of stored numbers, the bands of both cubes by rising wavelength."""
    rows, columns = block.slices
    place = np.argsort(order)  # where each band of the joined cubes goes
    values = np.empty((block.height, block.width, order.size), np.result_type(*(cube.dtype for cube in cubes)))
    start = 0
    for cube in cubes:
        stored = file[cube.dataset][rows, :, columns][:, cube.bands]  # (h, bands, w)
        values[:, :, place[start : start + len(cube.bands)]] = np.moveaxis(stored, 1, 2)
        start += len(cube.bands)
    return values


def _georeference(product: Hdf5Product, shape: tuple[int, int]) -> Georeference | None:
    """From the centres of the corner pixels; None for a file without them."""
    keys = ("ULcorner_easting", "ULcorner_northing", "LRcorner_easting", "LRcorner_northing")
    names = [f"Product_{key}" for key in keys]
    attributes = product.file.attrs
    if any(name not in attributes for name in names) or min(shape) < 2:
        return None
    left, top, right, bottom = (product.attribute(name)[0] for name in names)
    crs = epsg_wkt(int(product.attribute("Epsg_Code")[0])) if "Epsg_Code" in attributes else None
    return grid_of_centres(crs, shape, (left, top), (right, bottom))
