"""ENVI: a text header (``.hdr``) and a raw data file in the same folder, memory-mapped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from hsi.core.colours import Colour
from hsi.core.events import warning
from hsi.core.georeference import georeference_of, parse_crs
from hsi.core.scene import Georeference, Scene, scene_from_array
from hsi.errors import SceneError, SceneFileError
from hsi.io.formats._envi_header import EnviHeader, headers_of, is_envi_header, is_esri_header, read_envi_header
from hsi.io.formats._product import parse_good_bands, parse_wavelengths, raster_driver, scale_scene
from hsi.io.geotiff import gdal_env
from hsi.io.reader import (
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    array_kind,
    check_file,
    convert_errors,
    describe_content,
    list_files,
    register_reader,
    to_plane,
)

SAME_FOOT = 1e-5  # relative difference of feet
AXES = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}  # of (H, W, B), as they are stored


@dataclass(frozen=True)
class EnviFile:
    """A header whose sizes agree with its data file; ``spare`` bytes of the data file lie behind the image."""

    header: EnviHeader
    data: Path
    interleave: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    spare: int

    @property
    def fields(self) -> Mapping[str, str | list[str]]:
        """The fields of the header, lower case."""
        return self.header.fields

    def map(self) -> Array:
        """The data file, memory-mapped as ``(H, W, B)``."""
        axes = AXES[self.interleave]
        shape = tuple(self.shape[axis] for axis in axes)
        with convert_errors(self.data, "an ENVI file"):
            return np.memmap(self.data, self.dtype, "r", self.offset, shape).transpose(np.argsort(axes))


@register_reader("envi")
class EnviReader(Reader):
    """BSQ, BIL and BIP in either byte order; the user names the header or the data file."""

    title = "ENVI"
    suffixes = (".hdr",)

    def recognises(self, path: Path) -> bool:
        """Whether it is an ENVI header, or the data file of one that is no raster with a signature of its own."""
        if is_envi_header(path):
            return True
        return raster_driver(path) is None and any(is_envi_header(header) for header in headers_of(path))

    def accepts(self, path: Path) -> bool:
        """By name or content, but no header of ESRI's."""
        return super().accepts(path) and not is_esri_header(path)

    def files(self, path: Path) -> tuple[Path, ...]:
        """The header and the data."""
        envi = inspect_envi(path)
        return envi.header.path, envi.data

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster."""
        envi = inspect_envi(path)
        return (ArrayInfo("", envi.shape, array_kind(envi.dtype)),)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster, memory-mapped, with its bands, nodata value and georeference, divided by its scale factor."""
        envi = inspect_envi(path)
        _report_guesses(envi)
        bands, header = envi.shape[2], envi.header
        crs = header.text("coordinate system string")
        scene = scene_from_array(
            envi.map(),
            envi.data.stem,
            path,
            format=f"ENVI {envi.interleave.upper()}",
            nodata=header.number("data ignore value"),
            georeference=read_place(header),
            unplaced="" if "map info" in header.fields or not crs else "a CRS and no 'map info'",
            good=parse_good_bands(header.path, header.texts("bbl"), bands),
            **read_bands(header, bands),
        )
        factor = header.number("reflectance scale factor") or 1.0
        return scale_scene(scene, [1 / factor] * bands, [0.0] * bands)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster as labels, with the class names and colours of an ENVI classification."""
        envi = inspect_envi(path)
        _report_guesses(envi)
        header = envi.header
        names = {i: name for i, name in enumerate(header.texts("class names")) if name}
        values, nodata = to_plane(np.array(envi.map())), header.number("data ignore value")
        return LabelContent(values, names, _colours(header), nodata, read_place(header))


def _report_guesses(envi: EnviFile) -> None:
    """Warn of what the header leaves open, and of bytes that it does not describe."""
    name = envi.header.path
    if "byte order" not in envi.fields and envi.dtype.itemsize > 1:
        warning(f"{name}: has no 'byte order': 0 (little-endian) is assumed; add it if the values look like noise")
    if "data type" not in envi.fields:
        warning(f"{name}: has no 'data type': 1 (one byte a value) is assumed, which fits the size of the data")
    if "interleave" not in envi.fields and min(envi.shape[2], envi.shape[0] * envi.shape[1]) > 1:
        warning(f"{name}: has no 'interleave': {envi.interleave} is assumed; add it if the image looks torn")
    if envi.spare:
        warning(
            f"{envi.data}: has {envi.spare:,} bytes more than {name.name} describes, which are left out; if the image "
            "is shifted or noise, its data type, bands or header offset are wrong"
        )


def _data_of(header: EnviHeader, interleave: str, size: int) -> Path:
    """The data file of a header; raises :class:`SceneFileError` with the names that were tried.

    A file of another suffix is taken where it alone has the name and ``size`` bytes or more.
    """
    from spectral.io import envi

    stem = header.path.with_suffix("").name
    suffixes = ["", *(f".{suffix}" for suffix in (*envi.KNOWN_EXTS, *AXES, "rfl", "rdn"))]
    for folder in dict.fromkeys((header.path.parent, header.path.resolve().parent)):
        files = list_files(folder)
        for name in ((stem + suffix).lower() for suffix in suffixes):
            if name in files:
                return files[name]
        others = [file for name, file in files.items() if file.stem == stem and file.suffix.lower() != ".hdr"]
        others = [file for file in others if file.stat().st_size >= size or raster_driver(file)]
        if len(others) == 1:
            return others[0]
    raise SceneFileError(
        f"{header.path}: its data file is missing: neither {stem} nor {stem}.img, .dat, .raw, .bin or .{interleave} is "
        "in the folder of the header; put it there or name it instead of the header"
    )


def inspect_envi(path: Path) -> EnviFile:
    """Read and check a header before anything is allocated; raises :class:`SceneFileError`."""
    named = path if path.suffix.lower() == ".hdr" else next(iter(headers_of(path)), path)
    check_file(named)
    header = read_envi_header(named)
    if "spectral library" in header.text("file type").lower():
        raise SceneError(f"{named}: is a spectral library, expected an image; give the header of the cube")
    if header.text("file compression") not in ("0", ""):
        raise SceneFileError(
            f"{named}: the data file is compressed, which cannot be read by window; save it uncompressed"
        )
    if any(set(header.texts(f"{part} frame offsets")) - {"0"} for part in ("major", "minor")):
        raise SceneFileError(f"{named}: has frame offsets, which are not read; save it without")
    shape = (header.count("lines"), header.count("samples"), header.count("bands"))
    dtype, offset = _dtype(header), header.count("header offset", 0, "0")
    size = offset + math.prod(shape) * dtype.itemsize
    data = path if path != named else _data_of(header, header.text("interleave").lower(), size)
    # as GDAL does: by the suffix where the header has none
    interleave = (header.text("interleave") or data.suffix[1:]).lower()
    if interleave not in AXES and "interleave" in header.fields:
        raise SceneFileError(f"{named}: interleave is '{interleave}', expected bsq, bil or bip; correct the header")
    interleave = interleave if interleave in AXES else "bsq"
    check_file(data)
    spare = data.stat().st_size - size
    if spare and raster_driver(data):
        content = describe_content(data) or "a raster of another format"
        raise SceneFileError(f"{named}: its data are in '{data.name}', which is {content}: name that file instead")
    if spare < 0:
        sizes = " x ".join(f"{count} {name}" for count, name in zip(shape, ("lines", "samples", "bands"), strict=True))
        raise SceneFileError(
            f"{data}: has {size + spare:,} bytes, {-spare:,} fewer than the {size:,} that {named.name} declares "
            f"({sizes} of {dtype.name}, header offset {offset}); the data file is truncated or the header is wrong"
        )
    if spare and "data type" not in header.fields:
        raise SceneFileError(f"{named}: 'data type' is missing, and one byte a value does not fit {data}; add it")
    return EnviFile(header, data, interleave, shape, dtype, offset, spare)


def read_bands(header: EnviHeader, bands: int) -> dict[str, tuple[float, ...] | None]:
    """``wavelengths`` and ``fwhm`` in nanometres, see :func:`hsi.io.formats._product.parse_wavelengths`."""
    wavelengths, fwhm, unit = (header.texts(key) for key in ("wavelength", "fwhm", "wavelength units"))
    return parse_wavelengths(header.path, bands, wavelengths, fwhm, " ".join(unit) or None)


def _dtype(header: EnviHeader) -> np.dtype[Any]:
    from spectral.io import envi

    code, order = header.count("data type", 0, "1"), header.count("byte order", 0, "0")
    if str(code) not in envi.envi_to_dtype:
        known = ", ".join(f"{code} ({np.dtype(char).name})" for code, char in envi.envi_to_dtype.items())
        raise SceneFileError(f"{header.path}: data type is '{code}', expected one of {known}; correct the header")
    if order not in (0, 1):
        raise SceneFileError(
            f"{header.path}: byte order is '{order}', expected 0 (little) or 1 (big); correct the header"
        )
    dtype: np.dtype[Any] = np.dtype(envi.envi_to_dtype[str(code)])
    return dtype.newbyteorder("<" if order == 0 else ">")


def read_place(header: EnviHeader) -> Georeference | None:
    """The georeference that GDAL derives from ``map info`` and ``coordinate system string``, of a copy in memory."""
    import rasterio

    if "map info" not in header.fields:
        return None
    keys = ("map info", "projection info", "coordinate system string")
    places = [f"{key} = {{{header.text(key)}}}" for key in keys if key in header.fields]
    size = ["ENVI", "samples = 1", "lines = 1", "bands = 1", "data type = 1", "interleave = bsq"]
    text, folder = "\n".join([*size, *places, ""]), uuid4().hex
    errors = convert_errors(header.path, "an ENVI header with 'map info'")
    files = rasterio.MemoryFile(text.encode(), folder, "x.hdr"), rasterio.MemoryFile(bytes(8), folder, "x.img")
    with errors, gdal_env(), files[0], files[1], files[1].open(driver="ENVI") as dataset:
        return _in_survey_feet(georeference_of(dataset), header.text("coordinate system string"))


def _in_survey_feet(place: Georeference | None, text: str) -> Georeference | None:
    """The place with the CRS of the header where that is in US survey feet: GDAL takes ``units=Feet`` for international
    ones, which puts coordinates of 6,000,000 feet 4 m away."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    found = parse_crs(place.crs) if place else None
    if place is None or found is None or not found.is_projected or not text:
        return place
    try:
        own = CRS.from_wkt(text, morph_from_esri_dialect=True)
        ratio = own.linear_units_factor[1] / found.linear_units_factor[1]
    except CRSError:
        return place
    return Georeference(own.to_wkt(), place.transform) if ratio != 1 and abs(ratio - 1) < SAME_FOOT else place


def _colours(header: EnviHeader) -> dict[int, Colour]:
    texts = header.texts("class lookup")
    try:
        levels = [min(255, max(0, round(float(text)))) for text in texts]
    except (ValueError, OverflowError) as error:
        raise SceneFileError(
            f"{header.path}: 'class lookup' holds what is not a colour ({error}); delete it"
        ) from error
    return {i: (levels[3 * i], levels[3 * i + 1], levels[3 * i + 2]) for i in range(len(levels) // 3)}
