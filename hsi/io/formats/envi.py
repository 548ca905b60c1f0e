"""ENVI: a text header (``.hdr``) and a raw data file in the same folder, memory-mapped."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.colours import Colour
from hsi.core.georeference import georeference_of
from hsi.core.scene import Georeference, Scene, scene_from_array
from hsi.errors import SceneError, SceneFileError
from hsi.io.formats._product import parse_good_bands, parse_wavelengths, scale_scene
from hsi.io.geotiff import gdal_env
from hsi.io.reader import (
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    array_kind,
    check_file,
    convert_errors,
    first_bytes,
    register_reader,
    to_plane,
    wrong_format,
)

AXES = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}  # of (H, W, B), as they are stored
LARGEST_HEADER = 16 * 2**20


@dataclass(frozen=True)
class EnviFile:
    """A header whose sizes agree with its data file; ``fields`` are as in the header, lower case."""

    header: Path
    data: Path
    fields: Mapping[str, Any]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int

    def number(self, key: str) -> float | None:
        """The number of a field, None without it; raises :class:`SceneFileError` for what is not a number."""
        if key not in self.fields:
            return None
        try:
            return float(self.fields[key])
        except (TypeError, ValueError) as error:
            raise SceneFileError(
                f"{self.header}: '{key}' is '{self.fields[key]}', expected a number; correct or delete it"
            ) from error

    def texts(self, key: str) -> list[str]:
        """The entries of a list; empty without it."""
        value = self.fields.get(key, [])
        texts = value if isinstance(value, list) else [value]
        return [] if texts == [""] else [str(text) for text in texts]

    def map(self) -> Array:
        """The data file, memory-mapped as ``(H, W, B)``."""
        axes = AXES[self.fields["interleave"]]
        shape = tuple(self.shape[axis] for axis in axes)
        with convert_errors(self.data, "an ENVI file"):
            return np.memmap(self.data, self.dtype, "r", self.offset, shape).transpose(np.argsort(axes))


@register_reader("envi")
class EnviReader(Reader):
    """BSQ, BIL and BIP in either byte order; the user names the header or the data file."""

    title = "ENVI"
    suffixes = (".hdr",)

    def recognises(self, path: Path) -> bool:
        """Whether it is an ENVI header or the data file of one."""
        return any(first_bytes(header).lstrip().startswith(b"ENVI") for header in (path, *_headers_of(path)))

    def files(self, path: Path) -> tuple[Path, ...]:
        """The header and the data."""
        envi = inspect_envi(path)
        return envi.header, envi.data

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster."""
        envi = inspect_envi(path)
        return (ArrayInfo("", envi.shape, array_kind(envi.dtype)),)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster, memory-mapped, with its bands, nodata value and georeference, divided by its scale factor."""
        envi = inspect_envi(path)
        bands, unit = envi.shape[2], envi.fields.get("wavelength units")
        wavelengths, fwhm, crs = (envi.texts(key) for key in ("wavelength", "fwhm", "coordinate system string"))
        scene = scene_from_array(
            envi.map(),
            envi.data.stem,
            path,
            format=f"ENVI {envi.fields['interleave'].upper()}",
            nodata=envi.number("data ignore value"),
            georeference=_georeference(envi),
            unplaced="" if "map info" in envi.fields or not crs else "a CRS and no 'map info'",
            good=parse_good_bands(envi.header, envi.texts("bbl"), bands),
            **parse_wavelengths(envi.header, bands, wavelengths, fwhm, None if unit is None else str(unit)),
        )
        factor = envi.number("reflectance scale factor") or 1.0
        return scale_scene(scene, [1 / factor] * bands, [0.0] * bands)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster as labels, with the class names and colours of an ENVI classification."""
        envi = inspect_envi(path)
        names = {i: name for i, name in enumerate(envi.texts("class names")) if name}
        values, nodata = to_plane(np.array(envi.map())), envi.number("data ignore value")
        return LabelContent(values, names, _colours(envi), nodata, _georeference(envi))


def _headers_of(path: Path) -> list[Path]:
    """Headers that the data file ``path`` may have."""
    names = [path.with_name(path.name + suffix) for suffix in (".hdr", ".HDR")]
    return names + [path.with_suffix(suffix) for suffix in (".hdr", ".HDR") if path.suffix]


def _data_of(header: Path, interleave: str) -> Path:
    """The data file of a header; raises :class:`SceneFileError` with the names that were tried."""
    from spectral.io import envi

    stem = header.with_suffix("").name
    suffixes = ["", *(f".{suffix}" for suffix in (*envi.KNOWN_EXTS, *AXES, "rfl", "rdn"))]
    wanted = [(stem + suffix).lower() for suffix in suffixes]
    files = {entry.name.lower(): entry for entry in header.parent.iterdir() if entry.is_file()}
    for name in wanted:
        if name in files:
            return files[name]
    raise SceneFileError(
        f"{header}: its data file is missing: neither {stem} nor {stem}.img, .dat, .raw, .bin or .{interleave} is in "
        "the folder of the header; put it there or name it instead of the header"
    )


def inspect_envi(path: Path) -> EnviFile:
    """Read and check a header before anything is allocated; raises :class:`SceneFileError`."""
    header = path if path.suffix.lower() == ".hdr" else next((h for h in _headers_of(path) if h.is_file()), path)
    check_file(header)
    fields = _read_header(header)
    interleave = str(fields["interleave"]).lower()
    if interleave not in AXES:
        raise SceneFileError(f"{header}: interleave is '{interleave}', expected bsq, bil or bip; correct the header")
    if str(fields.get("file compression", "0")).strip() not in ("0", ""):
        raise SceneFileError(
            f"{header}: the data file is compressed, which cannot be read by window; save it uncompressed"
        )
    data = path if path != header else _data_of(header, interleave)
    shape = tuple(_count(header, fields, key) for key in ("lines", "samples", "bands"))
    dtype = _dtype(header, fields)
    offset = _check_length(header, data, fields, shape, dtype)
    return EnviFile(header, data, {**fields, "interleave": interleave}, (shape[0], shape[1], shape[2]), dtype, offset)


def _read_header(header: Path) -> dict[str, Any]:
    from spectral.io import envi

    if header.stat().st_size > LARGEST_HEADER or not first_bytes(header).lstrip().startswith(b"ENVI"):
        raise wrong_format(header, "an ENVI header", "'ENVI'", "name the .hdr file that belongs to the data")
    with convert_errors(header, "an ENVI header"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields: dict[str, Any] = envi.read_envi_header(str(header.absolute()))
        envi.check_compatibility(fields)
    if "spectral library" in str(fields.get("file type", "")).lower():
        raise SceneError(f"{header}: is a spectral library, expected an image; give the header of the cube")
    return fields


def _count(header: Path, fields: Mapping[str, Any], key: str) -> int:
    text = str(fields[key])
    if not text.isdecimal() or int(text[:20]) == 0:
        raise SceneFileError(f"{header}: '{key}' is '{text[:40]}', expected a number from 1; correct the header")
    return int(text[:20])


def _dtype(header: Path, fields: Mapping[str, Any]) -> np.dtype[Any]:
    from spectral.io import envi

    code, order = str(fields["data type"]), str(fields["byte order"])
    if code not in envi.envi_to_dtype:
        known = ", ".join(f"{code} ({np.dtype(char).name})" for code, char in envi.envi_to_dtype.items())
        raise SceneFileError(f"{header}: data type is '{code}', expected one of {known}; correct the header")
    if order not in ("0", "1"):
        raise SceneFileError(f"{header}: byte order is '{order}', expected 0 (little) or 1 (big); correct the header")
    dtype: np.dtype[Any] = np.dtype(envi.envi_to_dtype[code])
    return dtype.newbyteorder("<" if order == "0" else ">")


def _check_length(
    header: Path, data: Path, fields: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> int:
    """The header offset; raises :class:`SceneFileError` unless the data file is as long as the header declares."""
    offset_text = str(fields.get("header offset", "0"))
    if not offset_text.isdecimal():
        raise SceneFileError(
            f"{header}: 'header offset' is '{offset_text[:40]}', expected a number; correct the header"
        )
    size = " x ".join(f"{count} {name}" for count, name in zip(shape, ("lines", "samples", "bands"), strict=True))
    expected = int(offset_text[:20]) + math.prod(shape) * dtype.itemsize
    actual = data.stat().st_size
    if actual != expected:
        relation = "fewer" if actual < expected else "more"
        cause = "the data file is truncated" if actual < expected else "the header belongs to another file"
        raise SceneFileError(
            f"{data}: has {actual:,} bytes, {abs(actual - expected):,} {relation} than the {expected:,} that "
            f"{header.name} declares ({size} of {dtype.name}, header offset {offset_text}); "
            f"{cause} or the header is wrong"
        )
    return int(offset_text[:20])


def _georeference(envi: EnviFile) -> Georeference | None:
    """The georeference that GDAL derives from ``map info`` and ``coordinate system string``."""
    import rasterio

    if "map info" not in envi.fields:
        return None
    errors = convert_errors(envi.header, "an ENVI header with 'map info'")
    with errors, gdal_env(), rasterio.open(envi.data, driver="ENVI") as dataset:
        return georeference_of(dataset)


def _colours(envi: EnviFile) -> dict[int, Colour]:
    texts = envi.texts("class lookup")
    try:
        levels = [min(255, max(0, round(float(text)))) for text in texts]
    except (ValueError, OverflowError) as error:
        raise SceneFileError(
            f"{envi.header}: 'class lookup' holds what is not a colour ({error}); delete it"
        ) from error
    return {i: (levels[3 * i], levels[3 * i + 1], levels[3 * i + 2]) for i in range(len(levels) // 3)}
