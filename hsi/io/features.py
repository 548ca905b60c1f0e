"""Features of a vector layer made ready for a scene: their classes, and their geometries in the scene's CRS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import crs_name
from hsi.core.labels import LARGEST_ID
from hsi.errors import LabelError, UsageError
from hsi.io.vector_files import Layer, shown

Mask = NDArray[np.bool_]
AREAS = ("Polygon", "MultiPolygon")
SHAPES = (*AREAS, "Point", "MultiPoint")
LONGEST_NAME = 200
HOW_TO_SET = "set it and save a new file, as ogr2ogr -a_srs EPSG:32633 new.gpkg old.shp does"


@dataclass(frozen=True)
class Classes:
    """Class id of each feature ``(n,)`` int64, which of them have one, and the names of text classes."""

    ids: NDArray[np.int64]
    known: Mask
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shapes:
    """Geometry of each feature ``(n,)`` in the scene's CRS, None for those that cannot be drawn."""

    geometries: NDArray[Any]
    usable: Mask
    notes: tuple[str, ...] = ()


def classes_of(layer: Layer, background: int | None) -> Classes:
    """The classes of a layer: whole numbers stay what they are, texts become 1 to n in sorted order.

    Texts are stripped of white space at their ends, and blank ones are no class. Features of the class ``background``
    (0 unless given) count as unlabelled, like the pixels of a raster. Raises :class:`LabelError` for fractions, ids out
    of range and very long texts, :class:`UsageError` for a background of text classes.
    """
    values = layer.frame[layer.field]
    known = values.notna().to_numpy(bool)
    if layer.kind == "text":
        if background is not None:
            raise UsageError(
                f"{layer.path}: field '{shown(layer.field)}' is text, so no class is number {background}: "
                "leave --background out"
            )
        return _text_classes(layer, [str(value).strip() if ok else "" for value, ok in zip(values, known, strict=True)])
    return _number_classes(layer, values.to_numpy(np.float64, na_value=np.nan), background or 0)


def _text_classes(layer: Layer, texts: list[str]) -> Classes:
    names = sorted(set(texts) - {""})
    long = max(map(len, names), default=0)
    if len(names) > LARGEST_ID or long > LONGEST_NAME:
        found = f"{len(names):,} values" if len(names) > LARGEST_ID else f"a value of {long:,} characters"
        raise LabelError(
            f"{layer.path}: field '{shown(layer.field)}' has {found}; up to {LARGEST_ID:,} classes with names of up to "
            f"{LONGEST_NAME} characters are possible: name the class field with --label-field"
        )
    codes = {name: i for i, name in enumerate(names, 1)}
    ids = np.array([codes.get(text, 0) for text in texts], np.int64)
    return Classes(ids, ids > 0, {i: name for name, i in codes.items()}, _nulls(layer, ids > 0))


def _number_classes(layer: Layer, values: NDArray[np.float64], background: int) -> Classes:
    """Numbers as float64 ``(n,)``, NaN where there is none; ids are far below what float64 holds exactly."""
    known = ~np.isnan(values)
    labelled = known & (values != background)
    wrong = values[labelled & ((values != np.rint(values)) | (values < 0) | (values > LARGEST_ID))]
    if wrong.size:
        raise LabelError(
            f"{layer.path}: field '{shown(layer.field)}' holds {wrong[0]:.10g}; class ids are whole numbers from 0 to "
            f"{LARGEST_ID}; name another --label-field, or with --background the number that means unlabelled"
        )
    notes, skipped = _nulls(layer, known), int(np.count_nonzero(known & ~labelled))
    if skipped:
        means = f"class {background}, which means unlabelled (--background names another number)"
        notes = (*notes, f"{count_of(skipped)} skipped: {means}")
    return Classes(np.where(labelled, values, 0).astype(np.int64), labelled, {}, notes)


def _nulls(layer: Layer, known: Mask) -> tuple[str, ...]:
    missing = int(np.count_nonzero(~known))
    return (f"{count_of(missing)} skipped: no value in '{shown(layer.field)}'",) if missing else ()


def shapes_of(layer: Layer, crs: str) -> Shapes:
    """The geometries in ``crs`` (WKT), two-dimensional and valid.

    What is empty or cannot be projected is left out, invalid polygons are repaired, and both are noted. Raises
    :class:`LabelError` for lines, for a layer without CRS and when no way leads from its CRS to the scene's.
    """
    import shapely

    if layer.crs is None:
        hint = "its .prj is missing; " if layer.path.suffix.lower() == ".shp" else ""
        raise LabelError(f"{layer.path}: has no CRS, so it cannot be placed on the scene: {hint}{HOW_TO_SET}")
    frame, notes = layer.frame, []
    usable = ~(frame.geometry.isna() | frame.geometry.is_empty).to_numpy(bool)
    if not usable.all():
        notes.append(f"{count_of(~usable)} skipped: no geometry")
    _check_types(layer, frame.geometry.geom_type.to_numpy(object)[usable])
    geometries = shapely.force_2d(_projected(layer, crs))
    placed = np.isfinite(shapely.bounds(geometries)).all(axis=1)
    if np.any(usable & ~placed):
        notes.append(f"{count_of(usable & ~placed)} skipped: no place in the scene's {crs_name(crs)}")
    usable &= placed
    geometries, repaired = _repaired(geometries, usable)
    if repaired.any():
        notes.append(f"{count_of(repaired)} repaired: the outline was not valid (it crossed itself)")
    hollow = usable & shapely.is_empty(geometries)
    if hollow.any():
        notes.append(f"{count_of(hollow)} skipped: no area")
    usable &= ~hollow
    geometries[~usable] = None
    return Shapes(geometries, usable, tuple(notes))


def count_of(features: Mask | int) -> str:
    """``1 feature``, ``1,200 features``."""
    count = int(np.count_nonzero(features)) if isinstance(features, np.ndarray) else features
    return f"{count:,} feature{'' if count == 1 else 's'}"


def _check_types(layer: Layer, types: NDArray[Any]) -> None:
    wrong = [str(name) for name in types if name not in SHAPES]
    if wrong:
        raise LabelError(
            f"{layer.path}: {count_of(len(wrong))} of type {wrong[0]}; labels are polygons or points: "
            "buffer lines to polygons, or take them out of the layer"
        )


def _projected(layer: Layer, crs: str) -> NDArray[Any]:
    from pyproj.exceptions import ProjError

    try:
        geometries: NDArray[Any] = layer.frame.geometry.to_crs(crs).to_numpy(object)
        return geometries
    except ProjError as error:
        reason = " ".join(str(error).split())[:120]
        raise LabelError(
            f"{layer.path}: cannot be projected from {crs_name(layer.crs.to_wkt())} to the scene's {crs_name(crs)}: "
            f"{reason}; save the file in the scene's CRS"
        ) from error


def _repaired(geometries: NDArray[Any], usable: Mask) -> tuple[NDArray[Any], Mask]:
    """Valid geometries, and which of the usable ones were not."""
    import shapely

    broken = usable & ~shapely.is_valid(geometries)
    repaired = geometries.copy()
    for i in np.flatnonzero(broken):
        parts = shapely.get_parts(shapely.make_valid(geometries[i]))
        repaired[i] = shapely.union_all([part for part in parts if part.geom_type in AREAS])
    return repaired, broken
