"""Zarr stores, versions 2 and 3, read by xarray: the array of a name, its axes, bands and place as the store says.

Dimensions are named as xarray writes them. Places follow the CF conventions, as in NetCDF, or GeoZarr's: the attributes
``spatial:transform`` (six numbers of an affine map from column and row; of the corner of a pixel unless
``spatial:registration`` is node) and ``proj:code``, ``proj:wkt2`` or ``proj:projjson`` of an array or of a group above
it (https://github.com/zarr-conventions/spatial and /geo-proj, version 1).

A store is a folder. Codecs that could run code, such as pickle, are refused before anything is decoded.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.georeference import parse_crs
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import HsiError, SceneFileError
from hsi.io.axes import GOOD, WIDTHS, is_centres, letter_of
from hsi.io.formats._cf import find_crs, holds_crs, letter_of_coordinate, place_of_grid, read_factors
from hsi.io.formats._product import SPARSE_RATIO, scale_scene
from hsi.io.geotiff import gdal_env
from hsi.io.reader import (
    STORE_FILES,
    Array,
    ArrayInfo,
    ArraysReader,
    LabelContent,
    arrange_axes,
    array_kind,
    check_declared_size,
    convert_errors,
    is_store,
    register_reader,
    to_plane,
)
from hsi.version import install_hint

if TYPE_CHECKING:
    import xarray

TITLE = "a Zarr store"
LARGEST_METADATA = 2**26
ATTRIBUTE = "@"
# others decode objects, some by running code; of a name such as numcodecs.zlib the last part counts
CODECS = {
    *("adler32", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "endian", "fixedscaleoffset", "gzip"),
    *("lz4", "lzma", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose", "vlen-bytes", "vlen-utf8"),
    *("zlib", "zstd"),
}
Groups = dict[str, Any]


@register_reader("zarr")
class ZarrReader(ArraysReader):
    """An array of three axes is a cube; its name is its path. Chunks are read as blocks need them."""

    title = "Zarr"
    suffixes = (".zarr",)

    def has_suffix(self, path: Path) -> bool:
        """Whether it is a store, whatever its name."""
        return is_store(path)

    def recognises(self, path: Path) -> bool:
        """Whether it is a folder with Zarr's metadata."""
        return is_store(path)

    def files(self, path: Path) -> tuple[Path, ...]:
        """All files of the store."""
        return tuple(file for file in sorted(path.rglob("*")) if file.is_file())

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """Every array of numbers, without axes of length 1 beyond three; raises for one that declares too much."""
        found: list[ArrayInfo] = []
        with _open_store(path) as groups:
            stored = sum(file.stat().st_size for file in self.files(path))
            for group, dataset in groups.items():
                for name, variable in dataset.variables.items():
                    keep = _long_axes(variable)
                    shape = tuple(variable.shape[axis] for axis in keep)
                    axes = "".join(_letter(dataset, variable.dims[axis]) or "?" for axis in keep)
                    one = ArrayInfo(f"{group}/{name}".strip("/"), shape, array_kind(variable.dtype), axes)
                    check_declared_size(path, one, stored, variable.dtype.itemsize, SPARSE_RATIO)
                    found.append(one)
                    found += _vectors_in_attributes(one.name, variable.attrs)
        return tuple(found)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named array as a scene, in physical units where it has a scale."""
        with _open_store(path) as groups:
            group, name = _split(array.name)
            data = groups[group][name]
            keep = _long_axes(data)
            order = [array.axes.index(letter) for letter in "HWB"]
            height, width, bands = (array.shape[axis] for axis in order)
            place = _georeference(groups, group, data, {letter: keep[array.axes.index(letter)] for letter in "HW"})
            fill = data.attrs.get("_FillValue", data.attrs.get("missing_value"))
            gains, offsets = (
                read_factors(path, data, key, usual, bands)
                for key, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
            )

        def fetch(block: Block) -> Array:
            rows, columns = block.slices
            parts = dict(zip("HWB", (rows, columns, slice(None)), strict=True))
            where: list[Any] = [0] * data.ndim
            for axis, letter in zip(keep, array.axes, strict=True):
                where[axis] = parts[letter]
            with convert_errors(path, TITLE):
                values = np.asarray(data[tuple(where)].values, dtype)
            return arrange_axes(values, array.axes)

        dtype = data.dtype.newbyteorder("=")
        scene = Scene(
            path.stem, path, height, width, tuple(range(bands)), dtype, fetch,
            variable=array.name, format="Zarr", georeference=place, nodata=None if fill is None else float(fill),
        )  # fmt: skip
        return scale_scene(scene, gains, offsets)

    def read_vector(self, path: Path, array: ArrayInfo) -> tuple[Array, str | None]:
        """The numbers and their ``units``."""
        name, at, key = array.name.rpartition(ATTRIBUTE)
        with _open_store(path) as groups:
            group, last = _split(name if at else array.name)
            variable = groups[group][last]
            if at:
                unit = variable.attrs.get(f"{key}_units", variable.attrs.get(f"{key.removesuffix('s')}_units"))
                return np.ravel(variable.attrs[key]), unit
            with convert_errors(path, TITLE):
                return np.ravel(variable.values), variable.attrs.get("units")

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named array as labels."""
        with _open_store(path) as groups:
            group, name = _split(array.name)
            data = groups[group][name]
            sides = [axis for axis, size in enumerate(data.shape) if size != 1]
            letters = "WH" if array.is_turned else "HW"
            place = (
                _georeference(groups, group, data, dict(zip(letters, sides, strict=True))) if len(sides) == 2 else None
            )
            with convert_errors(path, TITLE):
                values = to_plane(np.asarray(data.values).reshape(array.shape), array.is_turned)
            fill = data.attrs.get("_FillValue", data.attrs.get("missing_value"))
            return LabelContent(values, nodata=None if fill is None else float(fill), georeference=place)


@contextmanager
def _open_store(path: Path) -> Iterator[Groups]:
    """The datasets of a store by the path of their group, lazy; raises :class:`SceneFileError` for what is none."""
    try:
        import xarray
        import zarr as _  # noqa: F401
    except ImportError:
        raise SceneFileError(f"{path}: Zarr needs packages that are not installed: {install_hint('zarr')}") from None
    _check_codecs(path)
    with convert_errors(path, TITLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that are not consolidated
        how: dict[str, Any] = {"mask_and_scale": False, "decode_times": False, "decode_coords": False, "cache": False}
        groups = xarray.open_groups(path, engine="zarr", create_default_indexes=False, **how)
    yield {name.strip("/"): groups[name] for name in sorted(groups)}


def _check_codecs(path: Path) -> None:
    """Raise :class:`SceneFileError` for metadata that are no JSON, or name a codec that is not among :data:`CODECS`."""
    for file in sorted(file for name in STORE_FILES for file in path.rglob(name)):
        try:
            if file.stat().st_size > LARGEST_METADATA:
                raise SceneFileError(f"{file}: is too large for the metadata of {TITLE}")
            wrong = sorted(set(_codecs(json.loads(file.read_text(encoding="utf-8")))) - CODECS)
        except HsiError:
            raise
        except (OSError, ValueError, RecursionError) as error:
            raise SceneFileError(f"{file}: cannot be read as the metadata of {TITLE}; copy the store again") from error
        if wrong:
            raise SceneFileError(
                f"{path}: is packed by the codec '{wrong[0][:40]}', which is not read, as it may run code; write the "
                "store again with blosc, gzip or zstd"
            )


def _codecs(node: Any) -> Iterator[str]:
    """The codecs that metadata name, at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from _codecs(item)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        yield from _codecs(value)
        if key in ("compressor", "filters", "codecs", "index_codecs"):
            for codec in value if isinstance(value, list) else [value]:
                if isinstance(codec, Mapping):
                    yield str(codec.get("name", codec.get("id", ""))).rpartition(".")[2].lower()
                elif codec is not None:
                    yield str(codec).lower()


def _split(name: str) -> tuple[str, str]:
    group, _, last = name.rpartition("/")
    return group, last


def _long_axes(variable: Any) -> list[int]:
    """The axes of an array, those of length 1 left out where there are more than three."""
    axes = list(range(len(variable.shape)))
    return axes if len(axes) <= 3 else [axis for axis in axes if variable.shape[axis] != 1]


def _letter(dataset: xarray.Dataset, dimension: Any) -> str:
    """``H``, ``W`` or ``B`` by the coordinate of a dimension, or by its name; else empty."""
    of_coordinate = letter_of_coordinate(dataset.variables[dimension]) if dimension in dataset.variables else ""
    return of_coordinate or letter_of(str(dimension))


def _vectors_in_attributes(name: str, attributes: Mapping[str, Any]) -> Iterator[ArrayInfo]:
    """Wavelengths, FWHM and good bands that are attributes of an array."""
    for key, values in attributes.items():
        wanted = is_centres(str(key)) or WIDTHS.search(str(key).lower()) or GOOD.search(str(key).lower())
        if wanted and np.ndim(values) == 1 and np.size(values) > 1:
            yield ArrayInfo(f"{name}{ATTRIBUTE}{key}", np.shape(values), array_kind(np.asarray(values).dtype))


def _georeference(groups: Groups, group: str, data: Any, axes: Mapping[str, int]) -> Georeference | None:
    """By GeoZarr's attributes of the array or of a group above it, else as the CF conventions say."""
    above = ["/".join(group.split("/")[:depth]) for depth in range(len(group.split("/")), 0, -1)]
    levels = [data, *(groups[name] for name in dict.fromkeys([group, *above, ""]) if name in groups)]
    dataset = groups[group]
    named = str(data.attrs.get("grid_mapping", "")).split(":")[0].strip()
    mapping = next((level[named] for level in levels[1:] if named and named in level.variables), None)
    if mapping is None:
        mapping = next((dataset[name] for name in dataset.variables if holds_crs(dataset[name])), None)
    transform = next((level.attrs["spatial:transform"] for level in levels if "spatial:transform" in level.attrs), None)
    if transform is not None and [data.dims[axes[letter]] for letter in "HW"] == _dimensions(levels, data, axes):
        a, b, c, d, e, f = map(float, transform[:6])
        if next((level.attrs[key] for level in levels if (key := "spatial:registration") in level.attrs), "") == "node":
            c, f = c - (a + b) / 2, f - (d + e) / 2
        return Georeference(_geozarr_crs(levels) or find_crs(dataset, mapping), (a, b, c, d, e, f))
    down, across = (_coordinate(levels[1:], data.dims[axes[letter]], letter) for letter in "HW")
    place = place_of_grid(down, across, dataset, mapping)
    return place and Georeference(_geozarr_crs(levels) or place.crs, place.transform)


def _dimensions(levels: list[Any], data: Any, axes: Mapping[str, int]) -> list[Any]:
    """The dimensions of rows and columns that the transform is for; those of the array where nothing is given."""
    found = next((level.attrs[key] for level in levels if (key := "spatial:dimensions") in level.attrs), None)
    return list(found)[-2:] if found else [data.dims[axes[letter]] for letter in "HW"]


def _geozarr_crs(levels: list[Any]) -> str | None:
    for level in levels:
        for key in ("proj:code", "proj:wkt2", "proj:projjson"):
            value = level.attrs.get(key)
            with gdal_env():
                crs = parse_crs(json.dumps(value) if isinstance(value, Mapping) else str(value)) if value else None
            if crs is not None:
                return str(crs.to_wkt())
    return None


def _coordinate(levels: list[Any], dimension: Any, letter: str) -> Any:
    """The coordinates along a dimension: the variable of its name, else of a usual name, along it."""
    for level in levels:
        names = [dimension, *(name for name in level.variables if letter_of(str(name)) == letter)]
        for name in names:
            if name in level.variables and level[name].dims == (dimension,) and level[name].dtype.kind in "iuf":
                return level[name]
    return None
