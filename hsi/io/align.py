"""Class rasters on another grid than the scene's: a clear error, or reprojection by nearest neighbour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import crs_name, difference, pixel_size
from hsi.core.labels import ClassTable, LabelMap, label_map
from hsi.core.scene import Georeference, Scene
from hsi.errors import LabelError, UsageError
from hsi.io.reader import convert_errors


def same_grid(shape: tuple[int, int], place: Georeference | None, like: Scene) -> bool:
    """Whether labels of that shape and place lie pixel on pixel with the scene; an unknown place is taken to fit."""
    expected = (like.height, like.width)
    if shape != expected or place is None or like.georeference is None:
        return shape == expected
    return difference(like.georeference, place, expected) is None


def grid_mismatch(where: str, shape: tuple[int, int], place: Georeference | None, like: Scene) -> LabelError:
    """The error for labels that do not lie pixel on pixel with the scene; it names both grids, or sizes if unplaced."""
    expected = (like.height, like.width)
    if place is None or like.georeference is None:
        sizes = f"the labels are {shape[0]} x {shape[1]}, the scene {like.name} is {expected[0]} x {expected[1]} pixels"
        if shape == expected[::-1]:
            return LabelError(f"{where}: transposed: {sizes}; swap the rows and columns of the labels")
        return LabelError(f"{where}: {sizes}; give the labels of this scene")
    theirs, ours = describe_grid(shape, place), describe_grid(expected, like.georeference)
    hint = "warp the labels to the scene, or give labels that have a CRS"
    if place.crs and like.georeference.crs:
        hint = "align reprojects the labels to the scene's grid by nearest neighbour"
    return LabelError(
        f"{where}: not on the grid of the scene {like.name}: the scene is {ours}, the labels are {theirs}; {hint}"
    )


def places_to_align(path: Path, place: Georeference | None, like: Scene) -> tuple[Georeference, Georeference]:
    """The georeferences of the labels and of the scene; raises :class:`UsageError` when one of them has no CRS."""
    theirs = _require_crs(f"{path}", place, "leave align out, or give labels as GeoTIFF or ENVI with a CRS")
    ours = _require_crs(
        f"{path}: the scene {like.name}", like.georeference, "give a raster that has one as georef=FILE"
    )
    return theirs, ours


def align_labels(
    path: Path, labels: LabelMap, table: ClassTable | None, places: tuple[Georeference, Georeference], like: Scene
) -> LabelMap:
    """The labels ``(h, w)`` of a file, reprojected by nearest neighbour to the scene's ``(H, W)``.

    ``places`` are those of :func:`places_to_align`.
    Each pixel of the scene gets the label at its centre, background where there is none. The classes are those that
    still occur. Adds a note on how many labelled pixels there were and are. Raises :class:`LabelError` when no label
    falls on the scene.
    """
    theirs, ours = places
    with convert_errors(path, "a raster that can be reprojected"):
        values = _warp(labels.values, theirs, ours, (like.height, like.width), labels.background)
        scene = np.ones((like.height, like.width), np.uint8)
        on_scene = _warp(scene, ours, theirs, labels.values.shape, 0) > 0
    labelled, inside = (int(np.count_nonzero(mask)) for mask in (labels.labelled, labels.labelled & on_scene))
    if not np.any(values != labels.background):
        raise LabelError(
            f"{path}: none of its {labelled:,} labelled pixels falls on the scene {like.name}: the scene is "
            f"{describe_grid((like.height, like.width), ours)}, "
            f"the labels are {describe_grid(labels.values.shape, theirs)}"
        )
    notes = (
        *labels.notes,
        f"reprojected to the scene's grid by nearest neighbour: {inside:,} of {labelled:,} labelled pixels lie in the "
        f"scene, {labelled - inside:,} outside; {np.count_nonzero(values != labels.background):,} pixels of the scene "
        "are labelled",
    )
    return label_map(
        values, background=labels.background, table=table, source=path, variable=labels.variable, notes=notes
    )


def align_plane(
    path: Path, values: NDArray[Any], places: tuple[Georeference, Georeference], shape: tuple[int, int]
) -> NDArray[Any]:
    """Values ``(h, w)`` of a file, reprojected from the first to the second place, of that ``shape``; 0 outside."""
    with convert_errors(path, "a raster that can be reprojected"):
        return _warp(values, *places, shape, 0)


def _require_crs(name: str, place: Georeference | None, remedy: str) -> Georeference:
    if place is None or not place.crs:
        lacks = "no CRS" if place else "no place on the ground"
        raise UsageError(f"{name} has {lacks}, so the labels cannot be aligned: {remedy}")
    return place


def describe_grid(shape: tuple[int, ...], place: Georeference) -> str:
    """Size, pixels, CRS and corner of a grid, in words."""
    crs = crs_name(place.crs) if place.crs else "no CRS"
    corner = f"upper left corner at ({place.transform[2]:.10g}, {place.transform[5]:.10g})"
    return f"{shape[0]} x {shape[1]} pixels of {pixel_size(place)} in {crs} with its {corner}"


def _warp(
    values: NDArray[Any], source: Georeference, target: Georeference, shape: tuple[int, int], fill: int
) -> NDArray[Any]:
    """``values`` ``(h, w)`` on the target's grid of that ``shape``, ``fill`` outside; each pixel is placed exactly."""
    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.warp import Resampling, reproject

    result = np.full(shape, fill, values.dtype)
    reproject(
        values,
        result,
        src_transform=Affine(*source.transform),
        src_crs=CRS.from_wkt(source.crs),
        src_nodata=fill,
        dst_transform=Affine(*target.transform),
        dst_crs=CRS.from_wkt(target.crs),
        dst_nodata=fill,
        resampling=Resampling.nearest,
        tolerance=0,
    )
    return result
