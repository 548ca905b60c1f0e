"""EO-1 Hyperion L1T and L1Gst: radiance on a UTM grid, a GeoTIFF for each band and a text file (``*_MTL_L1T.TXT``).

Format: U.S. Geological Survey, EO-1 User Guide, as the readers of ACOLITE (``hyperion/l1_convert.py``) and PyGMI
(``get_hyperion``) agree on it. ``EO1H*_B001_L1T.TIF`` to ``B242`` are int16, 0 for no data. ``SCALING_FACTOR_VNIR`` of
the text file divides the bands up to 70 and ``SCALING_FACTOR_SWIR`` the others, to radiance in W/(m2 sr um).
Wavelengths and FWHM are those of the USGS table of spectral coverage, which the files lack.

Only the calibrated bands, 8 to 57 and 77 to 224, are read, numbered by rising wavelength. Where the spectrometers
overlap, the VNIR bands 56 and 57 are marked as bad, so that 196 unique bands remain. The user names the text file or
the folder.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from hsi.core.scene import Block, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._product import SPARSE_RATIO, ProductReader, open_raster, raster_scene, scale_scene
from hsi.io.formats._wavelengths import sensor_facts
from hsi.io.reader import Array, ArrayInfo, check_declared_size, convert_errors, list_files, register_reader

METADATA = re.compile(r"(?P<stem>EO1H\w*?)_MTL(_L1\w+)?\.TXT", re.IGNORECASE)
VALUE = re.compile(r"^\s*(\w+)\s*=\s*\"?([^\"\n]*?)\"?\s*$", re.MULTILINE)
LARGEST_TEXT = 2**20
LAST_VNIR = 70
CALIBRATED = (*range(8, 58), *range(77, 225))
OVERLAPPING = (56, 57)


@register_reader("hyperion")
class HyperionReader(ProductReader):
    """The bands of a block are read from their files one after the other."""

    title = "Hyperion L1T"
    suffixes = (".tif",)

    def recognises(self, path: Path) -> bool:
        """Whether it is the text file of a Hyperion scene, by its name, with files of bands next to it."""
        return METADATA.fullmatch(path.name) is not None and path.is_file() and bool(_band_files(path))

    def files(self, path: Path) -> tuple[Path, ...]:
        """The text file and the calibrated bands."""
        return (path, *_band_files(path).values())

    def open_product(self, path: Path) -> Scene:
        """Radiance with wavelengths, FWHM and georeference."""
        factors, files, facts = _read_factors(path), _band_files(path), sensor_facts("hyperion")
        numbers = sorted(files, key=lambda number: facts["wavelengths"][number - 1])
        bands = [self._open_band(files[number]) for number in numbers]
        first = bands[0]
        for band in bands:
            if (band.shape, band.georeference, band.dtype) != (first.shape, first.georeference, first.dtype):
                raise SceneFileError(f"{band.source}: has other pixels than {first.source}; download the scene again")

        def fetch(block: Block) -> Array:
            return np.concatenate([band.fetch(block) for band in bands], axis=2)

        scene = replace(
            first,
            name=path.stem,
            source=path,
            fetch=fetch,
            bands=tuple(range(len(bands))),
            format=f"{self.title} (a GeoTIFF for each band)",
            wavelengths=tuple(float(facts["wavelengths"][number - 1]) for number in numbers),
            fwhm=tuple(float(facts["fwhm"][number - 1]) for number in numbers),
            good=tuple(number not in OVERLAPPING for number in numbers),
            nodata=0,
        )
        gains = [1 / factors["VNIR" if number <= LAST_VNIR else "SWIR"] for number in numbers]
        return scale_scene(scene, gains, [0.0] * len(numbers))

    def _open_band(self, path: Path) -> Scene:
        band = raster_scene(path, lambda: open_raster(path), self.title, scaled=False)
        declared = ArrayInfo("", band.shape, band.dtype.name)
        check_declared_size(path, declared, path.stat().st_size, band.dtype.itemsize, SPARSE_RATIO)
        if len(band.bands) != 1:
            raise SceneFileError(f"{path}: has {len(band.bands)} bands, expected one; download the scene again")
        return band


def _band_files(path: Path) -> dict[int, Path]:
    """The files of the calibrated bands in the folder of a text file, by band number."""
    match = METADATA.fullmatch(path.name)
    stem = re.escape(match["stem"].lower()) if match else ""
    named = re.compile(rf"{stem}_b(\d{{3}})(_l1\w+)?\.tiff?")
    found = {int(band[1]): file for name, file in list_files(path.parent).items() if (band := named.fullmatch(name))}
    return {number: found[number] for number in CALIBRATED if number in found}


def _read_factors(path: Path) -> dict[str, float]:
    """What divides the stored numbers of each spectrometer; raises :class:`SceneFileError` where it is missing."""
    with convert_errors(path, "the text file of a Hyperion scene"), path.open("rb") as file:
        text = file.read(LARGEST_TEXT).decode("utf-8", "replace")
    if text.split()[-1:] != ["END"]:
        raise SceneFileError(f"{path}: is cut off: its last line is not END; download the scene again")
    values = dict(VALUE.findall(text))
    factors: dict[str, float] = {}
    for name in ("VNIR", "SWIR"):
        value = values.get(f"SCALING_FACTOR_{name}", "")
        try:
            factors[name] = float(value)
        except ValueError:
            factors[name] = 0.0
        if not 0 < factors[name] < np.inf:
            raise SceneFileError(f"{path}: SCALING_FACTOR_{name} is '{value[:40]}', expected a number such as 40")
    return factors
