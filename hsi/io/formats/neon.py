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
from typing import TYPE_CHECKING, Any

from hsi.core.georeference import epsg_wkt
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import dataset_of, is_hdf5, is_sound, numbers_of, text_of
from hsi.io.formats._product import ProductReader, in_physical_units
from hsi.io.reader import READERS, Array, reading

if TYPE_CHECKING:
    import h5py

TITLE = "NEON AOP reflectance"
CUBE, PLACE, BANDS = "Reflectance_Data", "Metadata/Coordinate_System", "Metadata/Spectral_Data"


class NeonReader(ProductReader):
    """One site's reflectance."""

    title = TITLE
    suffixes = (".h5",)

    def recognises(self, path: Path) -> bool:
        """Whether one group holds a NEON reflectance cube and its spectral data."""
        import h5py

        if not is_hdf5(path) or not is_sound(path):
            return False
        try:
            with h5py.File(path, "r") as file:
                return _group(file) is not None
        except Exception:  # h5py raises many kinds on damaged bytes
            return False

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance with wavelengths, FWHM, bad bands and place."""
        import h5py

        with reading(path, TITLE), h5py.File(path, "r") as file:
            group = _group(file)
            if group is None:
                raise SceneFileError(f"{path}: lacks SITE/Reflectance/{CUBE}; download the product again")
            name = f"{group}/{CUBE}"
            cube = dataset_of(path, file, name, 3)
            height, width, bands = cube.shape
            dtype = cube.dtype.newbyteorder("=")
            facts = _band_facts(path, file, group, bands)
            georeference = _georeference(path, file, group)
            nodata, factor = (
                numbers_of(path, cube.attrs[key], key, 1)[0] if key in cube.attrs else None
                for key in ("Data_Ignore_Value", "Scale_Factor")
            )

        def fetch(block: Block) -> Array:
            with reading(path, TITLE), h5py.File(path, "r") as file:
                values: Array = file[name][block.slices]
                return values.astype(dtype, copy=False)

        scene = Scene(
            path.stem, path, height, width, tuple(range(bands)), dtype, fetch,
            format=f"{TITLE} (HDF5)", nodata=nodata, georeference=georeference, **facts,
        )  # fmt: skip
        return in_physical_units(scene, [1 / (factor or 1.0)] * bands, [0.0] * bands)


READERS.register("neon")(NeonReader())


def _group(file: h5py.File) -> str | None:
    """``SITE/Reflectance`` of the only site."""
    for site in list(file)[:20]:
        group = f"{site}/Reflectance"
        if f"{group}/{CUBE}" in file and f"{group}/{BANDS}/Wavelength" in file:
            return group
    return None


def _band_facts(path: Path, file: h5py.File, group: str, bands: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        key: numbers_of(path, dataset_of(path, file, f"{group}/{BANDS}/{name}", 1), name, bands)
        for key, name in (("wavelengths", "Wavelength"), ("fwhm", "FWHM"))
        if f"{group}/{BANDS}/{name}" in file
    }
    names = [f"Band_Window_{number}_Nanometers" for number in (1, 2)]
    windows = [numbers_of(path, file[group].attrs[key], key, 2) for key in names if key in file[group].attrs]
    if windows:
        facts["good"] = tuple(
            not any(low <= wavelength <= high for low, high in windows) for wavelength in facts["wavelengths"]
        )
    return facts


def _georeference(path: Path, file: h5py.File, group: str) -> Georeference | None:
    """From ENVI's map info: projection, reference pixel (column, row from 1), its map coordinates, and pixel sizes."""
    if f"{group}/{PLACE}/Map_Info" not in file:
        return None
    text = text_of(file[f"{group}/{PLACE}/Map_Info"])
    column, row, x, y, width, height = numbers_of(path, text.split(",")[1:7], "Map_Info", 6)
    if "rotation" in text.lower():
        raise SceneFileError(f"{path}: its 'Map_Info' is rotated, which NEON's grids are not; download it again")
    code = file.get(f"{group}/{PLACE}/EPSG Code")
    crs = None if code is None else epsg_wkt(int(numbers_of(path, [text_of(code)], "EPSG Code", 1)[0]))
    return Georeference(crs, (width, 0.0, x - (column - 1) * width, 0.0, -height, y + (row - 1) * height))
