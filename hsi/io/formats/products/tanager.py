"""Tanager-1 surface reflectance and radiance, ortho and basic, HDF-EOS5 (``*_ortho_sr_hdf5.h5`` and others).

Format: Planet, "Tanager Product Specification", as the readers of hyperproc (``readers/tanager.py``) and of
xarray-hyperspectral agree on it. ``HDFEOS/GRIDS/HYP/Data Fields`` of ortho products, ``HDFEOS/SWATHS/HYP/Data Fields``
of basic ones, holds ``surface_reflectance`` or ``toa_radiance`` (bands, rows, columns) float32 with ``_FillValue``; its
attributes are ``wavelengths`` and ``fwhm`` in nanometres and, of reflectance, ``good_wavelengths``, 0 for bands in
water vapour. ``nodata_pixels`` (rows, columns) is 1 outside the strip. ``HDFEOS INFORMATION/StructMetadata.0`` has the
corners of the grid, ``UpperLeftPointMtrs`` and ``LowerRightMtrs``, and the grid's attribute ``epsg_code`` is its CRS.

Pixels of ``nodata_pixels`` hold no data; ``beta_cloud_mask`` and ``beta_cirrus_mask`` are not applied. A basic product
is a swath and has no georeference.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hsi.core.georeference import epsg_wkt
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import File, Hdf5Product, fill_value, hdf5_scene, matches_hdf5, open_product, to_text
from hsi.io.formats._product import ProductReader
from hsi.io.reader import Array, register_reader

GRID, SWATH = "HDFEOS/GRIDS/HYP", "HDFEOS/SWATHS/HYP"
CUBES = {"surface_reflectance": "surface reflectance", "toa_radiance": "radiance"}
STRUCTURE = "HDFEOS INFORMATION/StructMetadata.0"
NO_DATA = -9999.0


@register_reader("tanager")
class TanagerReader(ProductReader):
    """Bands are stored first and come last in a scene."""

    title = "Tanager"
    suffixes = (".h5",)

    def recognises(self, path: Path) -> bool:
        """Whether it has the cube of a Tanager product."""
        return matches_hdf5(path, lambda file: _find_cube(file) is not None)

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance or radiance with wavelengths, FWHM, bad bands, its mask and georeference."""
        with open_product(path, self.title) as product:
            name = _find_cube(product.file)
            if name is None:
                raise SceneFileError(
                    f"{path}: lacks {GRID}/Data Fields/surface_reflectance; download the product again"
                )
            cube = product.dataset(name, 3)
            bands, height, width = cube.shape
            keys = {"wavelengths": "wavelengths", "fwhm": "fwhm", "good": "good_wavelengths"}
            facts = {
                key: product.numbers(cube.attrs[attribute], attribute, bands)
                for key, attribute in keys.items()
                if attribute in cube.attrs
            }
            void = f"{name.rpartition('/')[0]}/nodata_pixels"
            masked = void in product.file
            if masked and product.dataset(void, 2).shape != (height, width):
                raise SceneFileError(f"{path}: its 'nodata_pixels' has another size than its cube; download it again")
            declared, dtype = fill_value(cube), cube.dtype.newbyteorder("=")
            georeference = _georeference(product, height, width) if name.startswith(GRID) else None
        nodata = NO_DATA if declared is None else declared

        def read(file: File, block: Block) -> Array:
            rows, columns = block.slices
            values: Array = np.moveaxis(file[name][:, rows, columns], 0, -1)
            if masked:
                values[file[void][rows, columns] == 1] = nodata
            return values

        kind = "ortho" if name.startswith(GRID) else "basic"
        return hdf5_scene(
            path, self.title, (height, width, bands), dtype, read,
            format=f"Tanager {CUBES[name.rpartition('/')[2]]} ({kind}, HDF-EOS5)",
            nodata=nodata,
            georeference=georeference,
            unplaced="" if kind == "ortho" else "a latitude and longitude for each pixel of a swath",
            wavelengths=facts.get("wavelengths"),
            fwhm=facts.get("fwhm"),
            good=tuple(value != 0 for value in facts["good"]) if "good" in facts else None,
        )  # fmt: skip


def _find_cube(file: File) -> str | None:
    """The path of the cube, reflectance before radiance and ortho before basic."""
    names = (f"{group}/Data Fields/{name}" for group in (GRID, SWATH) for name in CUBES)
    return next((name for name in names if name in file), None)


def _georeference(product: Hdf5Product, height: int, width: int) -> Georeference | None:
    """From the outer corners of the grid; None for a file without them."""
    text = to_text(product.file[STRUCTURE]) if STRUCTURE in product.file else ""
    corners = [re.search(rf"{key}=\(([^)]+)\)", text) for key in ("UpperLeftPointMtrs", "LowerRightMtrs")]
    if None in corners:
        return None
    (left, top), (right, bottom) = (
        product.numbers(corner[1].split(",") if corner else (), "StructMetadata.0", 2) for corner in corners
    )
    code = product.file[GRID].attrs.get("epsg_code")
    crs = None if code is None else epsg_wkt(int(product.numbers(code, "epsg_code", 1)[0]))
    return Georeference(crs, ((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top))
