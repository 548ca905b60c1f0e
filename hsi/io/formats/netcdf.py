"""NetCDF-4 and HDF5 files that are no known product: the array of a name, its axes, bands and place as the file says.

Axes are named by dimension scales, as NetCDF-4 and xarray write them, or by labels of dimensions. Places follow the CF
conventions (https://cfconventions.org): coordinates are centres of pixels, and ``grid_mapping`` names the variable with
the CRS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import SceneFileError
from hsi.io.axes import GOOD, WIDTHS, is_centres, letter_of
from hsi.io.formats._cf import find_crs, holds_crs, letter_of_coordinate, place_of_grid, read_factors
from hsi.io.formats._hdf5 import (
    Dataset,
    File,
    check_arrays,
    check_stored_size,
    fill_value,
    hdf5_scene,
    is_hdf5,
    open_hdf5,
    read_axes,
    to_text,
)
from hsi.io.formats._product import scale_scene
from hsi.io.reader import (
    Array,
    ArrayInfo,
    ArraysReader,
    LabelContent,
    array_kind,
    first_bytes,
    register_reader,
    to_plane,
    wrong_format,
)

TITLE = "a NetCDF or HDF5 file"
CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
MOST_ARRAYS = 500
MOST_BANDS = 2**16
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
ATTRIBUTE = "@"  # between the name of an array and that of its attribute


@register_reader("subdatasets")
class SubdatasetReader(ArraysReader):
    """An array of three axes is a cube; its name is its path."""

    title = "NetCDF and HDF5"
    suffixes = (".nc", ".nc4", ".h5", ".hdf5", ".he5")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as HDF5 or classic NetCDF does; ``.mat`` files are MATLAB's."""
        return path.suffix.lower() != ".mat" and (is_hdf5(path) or first_bytes(path, 4) in CLASSIC)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """Every array, not loaded, without axes of length 1 beyond three; raises for one that declares too much."""
        import h5py

        if first_bytes(path, 4) in CLASSIC:
            raise SceneFileError(
                f"{path}: is a NetCDF file of the classic format, which is not read: 'nccopy -k nc4 {path.name} "
                "new.nc' converts it"
            )
        if not h5py.is_hdf5(path):
            raise wrong_format(path, TITLE, "an HDF5 signature")
        arrays: list[ArrayInfo] = []

        def add_array(name: str, item: object) -> bool | None:
            if isinstance(item, h5py.Dataset) and item.shape and not _only_names(item):
                keep = _long_axes(item)
                axes = "".join(_letter(item, axis) or "?" for axis in keep)
                arrays.append(ArrayInfo(name, tuple(item.shape[axis] for axis in keep), array_kind(item.dtype), axes))
                if len(keep) == 3:
                    arrays.extend(_vectors_in_attributes(item, name))
            return True if len(arrays) >= MOST_ARRAYS else None

        check_arrays(path)
        with open_hdf5(path, TITLE) as file:
            arrays.extend(_vectors_in_attributes(file, ""))
            file.visititems(add_array)
        return tuple(arrays)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named array as a scene that opens the file for each window, in physical units where it has a scale."""
        with open_hdf5(path, TITLE) as file:
            data = file[array.name]
            check_stored_size(path, data, array)
            axes = _stored_axes(data, array.axes)
            height, width, bands = (data.shape[axes.index(axis)] for axis in "HWB")
            if bands > MOST_BANDS:
                raise SceneFileError(f"{path}: {array} has {bands:,} bands, more than {MOST_BANDS:,}: another --axes?")
            unsigned = data.dtype.kind == "i" and to_text(data.attrs.get("_Unsigned", "")).lower() == "true"
            dtype = np.dtype(f"u{data.dtype.itemsize}") if unsigned else data.dtype.newbyteorder("=")
            nodata, place = fill_value(data), _georeference(file, data, axes)
            crs = None if place else find_crs(file, _grid_mapping(file, data))
            gains, offsets = (
                read_factors(path, data, key, usual, bands)
                for key, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
            )
        if unsigned and nodata is not None and nodata < 0:
            nodata += 2.0 ** (8 * dtype.itemsize)

        def read(file: File, block: Block) -> Array:
            values = read_axes(file[array.name], axes, block)
            return values.view(values.dtype.str.replace("i", "u")) if unsigned else values

        scene = hdf5_scene(
            path, TITLE, (height, width, bands), dtype, read,
            format="NetCDF" if path.suffix.lower() in (".nc", ".nc4") else "HDF5",
            variable=array.name,
            nodata=nodata,
            georeference=place,
            unplaced="a CRS and no even coordinates of rows and columns" if crs else "",
        )  # fmt: skip
        return scale_scene(scene, gains, offsets)

    def read_vector(self, path: Path, array: ArrayInfo) -> tuple[Array, str | None]:
        """The numbers and their ``units``."""
        name, at, key = array.name.rpartition(ATTRIBUTE)
        with open_hdf5(path, TITLE) as file:
            if at:
                attributes = file[name or "/"].attrs
                units = (f"{key}_units", f"{key}_unit", f"{key.removesuffix('s')}_units", "units")
                unit = next((to_text(attributes[one]) for one in units if one in attributes), None)
                return np.ravel(attributes[key]), unit
            data = file[array.name]
            check_stored_size(path, data, array)
            return np.ravel(data[()]), to_text(data.attrs["units"]) if "units" in data.attrs else None

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named array as labels."""
        with open_hdf5(path, TITLE) as file:
            data = file[array.name]
            check_stored_size(path, data, array)
            values = to_plane(data[()].reshape(array.shape), array.is_turned)
            place = _georeference(file, data, _plane_axes(data, array))
            return LabelContent(values, nodata=fill_value(data), georeference=place)


def _long_axes(data: Dataset) -> list[int]:
    """The axes of an array, those of length 1 left out where there are more than three."""
    axes = list(range(len(data.shape)))
    return axes if len(axes) <= 3 else [axis for axis in axes if data.shape[axis] != 1]


def _stored_axes(data: Dataset, order: str) -> str:
    """The letter of each axis as it is stored, a dot for one that is left out."""
    letters = ["."] * len(data.shape)
    for axis, letter in zip(_long_axes(data), order, strict=True):
        letters[axis] = letter
    return "".join(letters)


def _plane_axes(data: Dataset, array: ArrayInfo) -> str:
    """The stored axes of labels: rows and columns, in this order unless the file says otherwise."""
    letters = iter("WH" if array.is_turned else "HW")
    sides = [axis for axis, size in enumerate(data.shape) if size != 1]
    return (
        "".join(next(letters) if axis in sides else "." for axis in range(len(data.shape))) if len(sides) == 2 else ""
    )


def _vectors_in_attributes(item: Any, name: str) -> Iterator[ArrayInfo]:
    """Wavelengths, FWHM and good bands that are attributes of an array or of the file."""
    for key, values in item.attrs.items():
        wanted = is_centres(key) or WIDTHS.search(key.lower()) or GOOD.search(key.lower())
        if wanted and np.ndim(values) == 1 and np.size(values) > 1:
            yield ArrayInfo(f"{name}{ATTRIBUTE}{key}", np.shape(values), array_kind(np.asarray(values).dtype))


def _only_names(scale: Dataset) -> bool:
    """Whether a dimension scale has no coordinates."""
    return to_text(scale.attrs.get("NAME", "")).startswith(NO_VARIABLE)


def _scales(data: Dataset, axis: int) -> Iterator[Dataset]:
    """The dimension scales of an axis: coordinates, or only the name of a dimension.

    They are not read through HDF5's own functions, which crash on an attribute of another type.
    """
    import h5py

    with suppress(KeyError, ValueError, RuntimeError, OSError):
        stored = data.attrs.get_id("DIMENSION_LIST")
        if stored.shape == (data.ndim,) and h5py.check_vlen_dtype(stored.dtype) == h5py.ref_dtype:
            for reference in data.attrs["DIMENSION_LIST"][axis]:
                scale = data.file[reference]
                if isinstance(scale, h5py.Dataset):
                    yield scale


def _label(data: Dataset, axis: int) -> str:
    """The label of an axis; empty where it has none."""
    with suppress(ValueError, RuntimeError, OSError):
        labels = np.atleast_1d(data.attrs.get("DIMENSION_LABELS", ""))
        return to_text(labels[axis]) if labels.shape == (data.ndim,) else ""
    return ""


def _letter(data: Dataset, axis: int) -> str:
    """``H``, ``W`` or ``B`` by the label, the scales, and what these say of themselves; else empty."""
    scales = list(_scales(data, axis))
    known = (letter_of_coordinate(scale) or letter_of(scale.name or "") for scale in scales)
    return next(filter(None, (letter_of(_label(data, axis)), *known)), "")


def _georeference(file: File, data: Dataset, axes: str) -> Georeference | None:
    """From even coordinates along rows and columns, else from GDAL's ``GeoTransform`` with the CRS.

    None without either: a CRS alone is no place.
    """
    if not {"H", "W"} <= set(axes):
        return None
    down, across = (_coordinate(file, data, axes.index(letter), letter) for letter in "HW")
    return place_of_grid(down, across, file, _grid_mapping(file, data))


def _coordinate(file: File, data: Dataset, axis: int, letter: str) -> Dataset | None:
    """The coordinates along an axis: its scale, else an array of the usual name in the same group or at the top."""
    import h5py

    found = list(_scales(data, axis))
    for group in (data.parent, file):
        found += [item for name, item in group.items() if letter_of(name) == letter and isinstance(item, h5py.Dataset)]
    fitting = (item for item in found if item.shape == (data.shape[axis],) and item.dtype.kind in "iuf")
    stored = (item for item in fitting if not item.is_virtual and not item.external)
    return next((item for item in stored if not _only_names(item)), None)


def _grid_mapping(file: File, data: Dataset) -> Any:
    """The variable that ``grid_mapping`` names, else one that holds a CRS; None without."""
    named = to_text(data.attrs.get("grid_mapping", "")).split(":")[0].strip()
    for group in (data.parent, file):
        if named and named in group:
            return group[named]
    for group in (data.parent, file):
        for item in group.values():
            if item is not data and holds_crs(item):
                return item
    return None
