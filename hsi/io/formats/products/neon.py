"""NEON AOP spectrometer reflectance, flight lines and mosaic tiles (DP1.30006, DP3.30006), HDF5.

Format: National Ecological Observatory Network, "NEON Imaging Spectrometer Radiance to Reflectance Algorithm
Theoretical Basis Document", NEON.DOC.001288, and the data product's HDF5 tutorials. ``SITE/Reflectance`` holds
``Reflectance_Data`` (rows, columns, bands) int16 with ``Scale_Factor`` (the number that stands for a reflectance of 1)
and ``Data_Ignore_Value``; ``Band_Window_{1,2}_Nanometers`` are the two water-vapour windows, whose bands are bad;
``Metadata/Spectral_Data`` has ``Wavelength`` and ``FWHM`` in nanometres; ``Metadata/Coordinate_System`` has
``Map_Info`` in ENVI's form and ``EPSG Code``.
"""

from __future__ import annotations

from pathlib import Path

from hsi.core.georeference import epsg_wkt
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import File, Hdf5Product, hdf5_scene, matches_hdf5, open_product, to_text
from hsi.io.formats._product import ProductReader, scale_scene
from hsi.io.reader import Array, register_reader

CUBE, PLACE, BANDS = "Reflectance_Data", "Metadata/Coordinate_System", "Metadata/Spectral_Data"


@register_reader("neon")
class NeonReader(ProductReader):
    """One site's reflectance."""

    title = "NEON AOP reflectance"
    suffixes = (".h5",)

    def recognises(self, path: Path) -> bool:
        """Whether one group holds a NEON reflectance cube and its spectral data."""
        return matches_hdf5(path, lambda file: _find_group(file) is not None)

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM, bad bands and georeference."""
        with open_product(path, self.title) as product:
            group = _find_group(product.file)
            if group is None:
                raise SceneFileError(f"{path}: lacks SITE/Reflectance/{CUBE}; download the product again")
            name = f"{group}/{CUBE}"
            cube = product.dataset(name, 3)
            shape, dtype = cube.shape, cube.dtype.newbyteorder("=")
            bands = shape[2]
            facts = product.lists(f"{group}/{BANDS}", {"wavelengths": "Wavelength", "fwhm": "FWHM"}, bands)
            keys = ("Band_Window_1_Nanometers", "Band_Window_2_Nanometers")
            attributes = product.file[group].attrs
            windows = [product.numbers(attributes[key], key, 2) for key in keys if key in attributes]
            if windows:
                facts["good"] = tuple(not any(a <= nm <= b for a, b in windows) for nm in facts["wavelengths"])
            facts["georeference"] = _georeference(product, f"{group}/{PLACE}")
            facts["nodata"], factor = (
                product.numbers(cube.attrs[key], key, 1)[0] if key in cube.attrs else None
                for key in ("Data_Ignore_Value", "Scale_Factor")
            )

        def read(file: File, block: Block) -> Array:
            values: Array = file[name][block.slices]
            return values

        scene = hdf5_scene(path, self.title, shape, dtype, read, format=f"{self.title} (HDF5)", **facts)
        return scale_scene(scene, [1 / (factor or 1.0)] * bands, [0.0] * bands)


def _find_group(file: File) -> str | None:
    """``SITE/Reflectance`` of the only site."""
    for site in list(file)[:20]:
        group = f"{site}/Reflectance"
        if f"{group}/{CUBE}" in file and f"{group}/{BANDS}/Wavelength" in file:
            return group
    return None


def _georeference(product: Hdf5Product, group: str) -> Georeference | None:
    """From ENVI's map info: projection, reference pixel (column, row from 1), its map coordinates, and pixel sizes."""
    if f"{group}/Map_Info" not in product.file:
        return None
    text = to_text(product.file[f"{group}/Map_Info"])
    column, row, x, y, width, height = product.numbers(text.split(",")[1:7], "Map_Info", 6)
    if "rotation" in text.lower():
        raise SceneFileError(
            f"{product.path}: its 'Map_Info' is rotated, which NEON's grids are not; download it again"
        )
    code = product.file.get(f"{group}/EPSG Code")
    crs = None if code is None else epsg_wkt(int(product.numbers([to_text(code)], "EPSG Code", 1)[0]))
    return Georeference(crs, (width, 0.0, x - (column - 1) * width, 0.0, -height, y + (row - 1) * height))
