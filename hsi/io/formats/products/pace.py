"""PACE OCI Level 2: surface and remote-sensing reflectance (SFREFL, AOP), NetCDF-4 (``PACE_OCI.*.L2.*.nc``).

Format: NASA OB.DAAC, notebooks on PACE's data (oci_project_and_format, oci_grid_match), and the reader of HyperCoast
(``read_pace``). ``geophysical_data`` holds ``rhos`` or ``Rrs`` (number_of_lines, pixels_per_line, wavelength_3d) with
``_FillValue``, ``scale_factor`` and ``add_offset``. Its ``wavelength``, from version 3.1 on, are the wavelengths in
nanometres; ``sensor_band_parameters/wavelength_3d`` are the nominal ones, before launch. ``navigation_data`` has the
latitude and longitude of each pixel.

The scene is the swath, without a georeference. ``l2_flags``, such as clouds, are not applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hsi.core.scene import Block, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._cf import read_number
from hsi.io.formats._hdf5 import File, fill_value, hdf5_scene, matches_hdf5, open_product, to_text
from hsi.io.formats._product import ProductReader, scale_scene
from hsi.io.reader import Array, register_reader

CUBES = {"geophysical_data/rhos": "surface reflectance", "geophysical_data/Rrs": "remote-sensing reflectance"}
WAVELENGTHS = ("geophysical_data/wavelength", "sensor_band_parameters/wavelength_3d")


@register_reader("pace")
class PaceReader(ProductReader):
    """The swath as it is stored."""

    title = "PACE OCI L2"
    suffixes = (".nc",)

    def recognises(self, path: Path) -> bool:
        """Whether it has a cube of a Level 2 product of OCI, its wavelengths and places."""
        return matches_hdf5(path, _is_product)

    def open_product(self, path: Path) -> Scene:
        """Reflectance with wavelengths, in physical units."""
        with open_product(path, self.title) as product:
            name, listed = _find(product.file, CUBES), _find(product.file, WAVELENGTHS)
            if name is None or listed is None:
                raise SceneFileError(f"{path}: lacks geophysical_data/rhos or its wavelengths; download it again")
            cube = product.dataset(name, 3)
            shape, dtype, nodata = cube.shape, cube.dtype.newbyteorder("="), fill_value(cube)
            wavelengths = product.numbers(product.dataset(listed, 1), listed, shape[2])
            gain, offset = (
                read_number(cube, key, usual) for key, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
            )

        def read(file: File, block: Block) -> Array:
            values: Array = file[name][block.slices]
            return values

        scene = hdf5_scene(
            path, self.title, shape, dtype, read,
            format=f"PACE OCI L2 {CUBES[name]} (swath)",
            wavelengths=wavelengths,
            nodata=nodata,
            unplaced="a latitude and longitude for each pixel of a swath",
        )  # fmt: skip
        return scale_scene(scene, [gain] * shape[2], [offset] * shape[2])


def _is_product(file: File) -> bool:
    instrument = to_text(file.attrs.get("instrument", "OCI"))
    placed = "navigation_data/latitude" in file
    return placed and "OCI" in instrument and None not in (_find(file, CUBES), _find(file, WAVELENGTHS))


def _find(file: File, names: Iterable[str]) -> str | None:
    return next((name for name in names if name in file), None)
