"""xarray's ``DataArray`` as a scene or labels, and maps as one; only these need xarray and rioxarray."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import difference, has_no_place, same_crs
from hsi.core.labels import ClassTable
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import LabelError, SceneError, UsageError
from hsi.io.axes import BANDS, COLUMNS, ROWS, WIDTHS, is_centres, letter_of
from hsi.io.formats._cf import place_of_grid
from hsi.io.formats._product import to_nanometres
from hsi.version import install_hint

if TYPE_CHECKING:
    import xarray

ROUNDING = 0.25  # of a pixel, in coordinates of float32


def is_dataarray(value: object) -> bool:
    """Whether a value is an ``xarray.DataArray``; does not import xarray."""
    module = sys.modules.get("xarray")
    return module is not None and isinstance(value, module.DataArray)


def scene_from_dataarray(array: xarray.DataArray) -> Scene:
    """A :class:`Scene` over rows, columns and bands in any order; lazy arrays stay lazy and are read by block.

    Wavelengths and FWHM come from coordinates of these names along the bands (nm, or the unit in ``units``), the
    georeference from rioxarray. Raises :class:`SceneError` where axes are missing or the values are no real numbers,
    and :class:`UsageError` where the array has a CRS and rioxarray is not installed.
    """
    rows, columns, bands = _axes(array)
    ordered = array.transpose(rows, columns, bands)
    if 0 in ordered.shape or ordered.dtype.kind not in "iuf":
        raise SceneError(f"a scene holds real numbers, found {_describe(array)}")
    dtype = ordered.dtype.newbyteorder("=")

    def fetch(block: Block) -> NDArray[Any]:
        down, across = block.slices
        return np.asarray(ordered[down, across].values, dtype)

    height, width, count = ordered.shape
    centres, unit = _along_bands(array, bands, is_centres)
    widths, width_unit = _along_bands(array, bands, lambda name: bool(WIDTHS.search(name)))
    wavelengths, fwhm = to_nanometres(centres, widths, unit, width_unit)
    return Scene(
        str(array.name or "scene"), None, height, width, tuple(range(count)), dtype, fetch,
        format="DataArray",
        wavelengths=wavelengths,
        fwhm=fwhm,
        nodata=_nodata(array),
        georeference=_georeference(array, rows, columns),
    )  # fmt: skip


def crop_dataarray(array: xarray.DataArray, window: Block) -> xarray.DataArray:
    """The window of an array that is a scene."""
    rows, columns, _ = _axes(array)
    down, across = window.slices
    return array.isel({rows: down, columns: across})


def labels_from_dataarray(array: xarray.DataArray, like: xarray.DataArray | Scene | None = None) -> NDArray[Any]:
    """Class values ``(H, W)`` of a ``DataArray``, NaN where it has no data; a band axis of length 1 is left out.

    Raises :class:`LabelError` where it has other axes, or a place or coordinates that are not those of the scene
    ``like``.
    """
    rows, columns = _axis(array, "H"), _axis(array, "W")
    extra = [dim for dim in array.dims if dim not in (rows, columns)]
    if rows is None or columns is None or any(array.sizes[dim] != 1 for dim in extra):
        raise LabelError(f"labels have 2 axes (rows, columns), found {_describe(array)}")
    plane = array.isel(dict.fromkeys(extra, 0), drop=True).transpose(rows, columns)
    if isinstance(like, Scene):
        _check_place(plane, rows, columns, like)
    elif like is not None:
        _check_coordinates(plane, rows, columns, like)
    values, nodata = np.asarray(plane.values), _nodata(array)
    void = None if nodata is None or values.dtype.kind not in "iuf" else values == nodata
    return values if void is None or not void.any() else np.where(void, np.nan, values)


def map_like(array: xarray.DataArray, values: NDArray[Any], name: str, **attributes: Any) -> xarray.DataArray:
    """Values ``(H, W)`` with the rows' and columns' coordinates and the CRS of a scene."""
    rows, columns, bands = _axes(array)
    plane = array.isel({bands: 0}, drop=True).transpose(rows, columns)
    result = plane.copy(data=values).rename(name)
    result.attrs, result.encoding = attributes, {}
    return result


def make_dataarray(
    values: NDArray[Any], georeference: Georeference | None, name: str, **attributes: Any
) -> xarray.DataArray:
    """Values ``(H, W)`` as a new ``DataArray`` of y and x, with the CRS where there is one.

    Raises :class:`UsageError` unless xarray and rioxarray are installed.
    """
    array: xarray.DataArray = _import("xarray").DataArray(values, dims=("y", "x"), name=name, attrs=attributes)
    if georeference is None:
        return array
    from affine import Affine

    _import("rioxarray")
    transform = Affine(*georeference.transform)
    if transform.is_rectilinear:
        height, width = values.shape
        array = array.assign_coords(
            y=transform.f + transform.e * (np.arange(height) + 0.5),
            x=transform.c + transform.a * (np.arange(width) + 0.5),
        )
    if georeference.crs:
        array = array.rio.write_crs(georeference.crs)
    array = array.rio.write_transform(transform)
    return array


def class_attributes(table: ClassTable, nodata: int) -> dict[str, Any]:
    """Ids and names of the classes, also as attributes of the CF conventions, and the nodata value."""
    meanings = " ".join("_".join(name.split()) for name in table.names)
    named = {"class_ids": list(table.ids), "class_names": list(table.names)}
    return {**named, "flag_values": list(table.ids), "flag_meanings": meanings, "_FillValue": nodata}


def _georeference(array: xarray.DataArray, rows: str, columns: str) -> Georeference | None:
    """CRS and transform by rioxarray, else by even coordinates; None without a transform.

    Raises :class:`UsageError` where the array has a CRS and rioxarray is not installed.
    """
    if "spatial_ref" not in array.coords and "grid_mapping" not in {**array.attrs, **array.encoding}:
        return _place_by_coordinates(array, rows, columns)
    _import("rioxarray")
    accessor = array.rio.set_spatial_dims(columns, rows).rio
    crs, transform = accessor.crs, accessor.transform(recalc=True)
    return None if has_no_place(transform) else Georeference(crs.to_wkt() if crs else None, tuple(transform)[:6])


def _place_by_coordinates(array: xarray.DataArray, rows: str, columns: str) -> Georeference | None:
    """As :func:`hsi.io.formats._cf.place_of_grid` has it of a file without a grid mapping."""
    if any(dim not in array.coords or array.coords[dim].dtype.kind not in "iuf" for dim in (rows, columns)):
        return None
    return place_of_grid(array.coords[rows], array.coords[columns], array, None)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(f"DataArrays need {name}, which is not installed: {install_hint('xarray')}") from None


def _axes(array: xarray.DataArray) -> tuple[str, str, str]:
    """The names of the rows', columns' and bands' axes."""
    rows, columns, bands = (_axis(array, letter) for letter in "HWB")
    if rows is None or columns is None or bands is None or array.ndim != 3:
        axes = {"rows": ROWS, "columns": COLUMNS, "bands": BANDS}
        wanted = ", ".join(f"{axis} ({', '.join(names[:4])}…)" for axis, names in axes.items())
        raise SceneError(f"a scene has 3 axes called {wanted}, found {_describe(array)}: rename its dims")
    return rows, columns, bands


def _axis(array: xarray.DataArray, letter: str) -> str | None:
    return next((str(dim) for dim in array.dims if letter_of(str(dim)) == letter), None)


def _describe(array: xarray.DataArray) -> str:
    return f"{', '.join(f'{dim}: {size}' for dim, size in array.sizes.items())} of {array.dtype}"


def _along_bands(array: xarray.DataArray, bands: str, wanted: Callable[[str], bool]) -> tuple[list[float], str | None]:
    """The numbers and the unit of a coordinate along the bands whose name is ``wanted``; empty without one."""
    for name, coordinate in array.coords.items():
        if wanted(str(name).lower()) and coordinate.dims == (bands,) and coordinate.dtype.kind in "iuf":
            return [float(value) for value in coordinate.values], coordinate.attrs.get("units")
    return [], None


def _nodata(array: xarray.DataArray) -> float | None:
    """The nodata value; NaN where xarray replaced it by NaN when it read the file."""
    if array.encoding.get("_FillValue") is not None:
        return float("nan") if array.dtype.kind == "f" else None
    value = array.attrs.get("_FillValue", array.attrs.get("nodata"))
    return None if value is None else float(value)


def _check_coordinates(plane: xarray.DataArray, rows: str, columns: str, like: xarray.DataArray) -> None:
    scene_rows, scene_columns, _ = _axes(like)
    for axis, dim, scene_dim in (("rows", rows, scene_rows), ("columns", columns, scene_columns)):
        if dim not in plane.coords or scene_dim not in like.coords:
            continue
        values, wanted = plane.coords[dim].values, like.coords[scene_dim].values
        step = np.abs(np.diff(wanted)).min(initial=np.inf) if wanted.dtype.kind in "iuf" else np.inf
        if values.shape != wanted.shape or np.abs(values - wanted).max(initial=0) > 0.01 * step:
            raise LabelError(f"the labels' {axis} ({dim}) are not those of the scene: reindex them like it")


def _check_place(plane: xarray.DataArray, rows: str, columns: str, like: Scene) -> None:
    """Compare with the place of a scene of this size, to a part of a pixel, since coordinates may be rounded."""
    full = like.area.full if like.area else like  # labels may be those of all of a cropped scene
    like = full if plane.shape == (full.height, full.width) else like
    where, place, shape = like.georeference, _georeference(plane, rows, columns), (like.height, like.width)
    if where is None or place is None or plane.shape != shape:
        return
    reason = difference(where, place, shape)
    gaps = [np.subtract(where.map_coordinates(*at), place.map_coordinates(*at)) for at in ((0, 0), shape[::-1])]
    near = np.abs(gaps).max() <= ROUNDING * np.abs(where.transform)[[0, 1, 3, 4]].max()
    if reason and not (near and (not place.crs or not where.crs or same_crs(where.crs, place.crs))):
        raise LabelError(
            f"labels: not on the grid of the scene {like.name}: {reason}; rioxarray's reproject_match changes that"
        )
