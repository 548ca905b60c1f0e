"""Tiles of one scene, joined to a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, warning
from hsi.core.georeference import crs_name, grid_offset, pixel_size, same_crs
from hsi.core.scene import Block, Scene, crop_georeference
from hsi.errors import SceneError
from hsi.fill import find_flat_pixels, usual_fill

SAME_WAVELENGTH = 0.1  # nanometres
HALF = 0.5


@dataclass(frozen=True)
class Tile:
    """A scene and the row and column of its upper left pixel in the mosaic."""

    scene: Scene
    row: int
    column: int


def join_tiles(scenes: Sequence[Scene]) -> Scene:
    """Scenes that lie on one grid as one scene, read by block; ``tiles`` are their files.

    Where they overlap, the first that has data counts; fill that no file declares is none. Pixels that no tile has
    hold nodata, or NaN or 0 where there is no nodata value. Tiles with different nodata values are read as float, with
    NaN. Raises :class:`SceneError` that names the first tile that does not fit the first one: another CRS, grid, number
    or type of bands, or scale.
    """
    first = scenes[0]
    for other in scenes:
        if other.georeference is None:
            raise SceneError(f"{other.source or other.name}: has no place on the ground, by which tiles are joined")
        reason = _explain_misfit(first, other)
        if reason:
            raise SceneError(f"{other.source or other.name}: does not join {first.source or first.name}: {reason}")
    places = [_offset(first, scene) for scene in scenes]
    top, left = (min(values) for values in zip(*places, strict=True))
    tiles = [Tile(scene, row - top, column - left) for scene, (row, column) in zip(scenes, places, strict=True)]
    height, width = (
        max(getattr(tile, start) + getattr(tile.scene, side) for tile in tiles)
        for start, side in (("row", "height"), ("column", "width"))
    )
    one = len({repr(scene.nodata) for scene in scenes}) == 1
    dtype = first.dtype if one else np.result_type(first.dtype, np.float32)
    nodata = first.nodata if one else float("nan")
    empty = np.asarray(0 if nodata is None and dtype.kind != "f" else np.nan if nodata is None else nodata, dtype)

    def fetch(block: Block) -> NDArray[Any]:
        cube = np.full((block.height, block.width, 1 + max(first.bands)), empty, dtype)
        missing = np.ones((block.height, block.width), bool)
        for tile in tiles:
            part = shared_block(block, tile)
            if part is None or not missing[part[0]].any():
                continue
            here, there = part
            values = tile.scene.fetch(there)
            has_data = _has_data(values, tile.scene.nodata)
            if not one:
                values = replace_nodata_by_nan(values, tile.scene.nodata, dtype)
            cube[here] = np.where((missing[here] & has_data)[:, :, None], values, cube[here])
            missing[here] &= ~has_data
        return cube

    count, share = len(scenes), sum(scene.height * scene.width for scene in scenes) / (height * width)
    info("mosaic", f"{count} tiles, {height} x {width} pixels")
    if share < HALF:
        warning(f"the tiles cover {share:.1%} of the rectangle around them, all of which is read: map groups of them")
    return first.with_fetch(
        fetch,
        name=f"{first.name} and {count - 1} more",
        source=None,
        tiles=tuple(path for scene in scenes if (path := path_of(scene))),
        height=height,
        width=width,
        dtype=dtype,
        nodata=nodata,
        format=f"mosaic of {count} tiles, {first.format}",
        hiding=next(filter(None, (scene.hiding for scene in scenes)), ""),
        georeference=first.georeference and crop_georeference(first.georeference, top, left),
    )


def _explain_misfit(first: Scene, other: Scene) -> str:
    """Why a scene does not lie on the grid of the first one with the same bands; empty where it does."""
    one, place = first.georeference, other.georeference
    assert one and place
    if not same_crs(one.crs, place.crs):
        names = [crs_name(crs) if crs else "no CRS" for crs in (place.crs, one.crs)]
        return f"its CRS is {names[0]}, not {names[1]}; gdalwarp brings it there"
    if grid_offset(one, place, (other.height, other.width)) is None:
        sizes = f"pixels of {pixel_size(place)} and {pixel_size(one)}"
        return f"it lies on another grid, with {sizes} or a part of a pixel away; gdalwarp brings it there"
    if len(first.bands) != len(other.bands):
        return f"it has {len(other.bands)} bands, not {len(first.bands)}"
    if first.wavelengths and other.wavelengths:
        distance = np.abs(np.subtract(first.wavelengths, other.wavelengths))
        if distance.max() > SAME_WAVELENGTH:
            band = int(distance.argmax())
            return f"its band {band + 1} is at {other.wavelengths[band]:g} nm, not {first.wavelengths[band]:g} nm"
    if first.dtype != other.dtype or (first.scale is None) != (other.scale is None):
        kinds = [f"{scene.dtype}{' in physical units' if scene.scale else ''}" for scene in (other, first)]
        return f"its values are {kinds[0]}, not {kinds[1]}"
    return ""


def _offset(first: Scene, other: Scene) -> tuple[int, int]:
    assert first.georeference and other.georeference
    found = grid_offset(first.georeference, other.georeference, (other.height, other.width))
    assert found is not None
    return found


def shared_block(block: Block, tile: Tile) -> tuple[tuple[slice, slice], Block] | None:
    """What a block and a tile share: as slices of the block, and as a block of the tile; None for nothing."""
    top, left = max(block.row, tile.row), max(block.column, tile.column)
    bottom = min(block.row + block.height, tile.row + tile.scene.height)
    right = min(block.column + block.width, tile.column + tile.scene.width)
    if bottom <= top or right <= left:
        return None
    size = bottom - top, right - left
    here = Block(top - block.row, left - block.column, *size).slices
    return here, Block(top - tile.row, left - tile.column, *size)


def _has_data(cube: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """The pixels ``(h, w)`` with a number in any band that is neither nodata nor 0; not those that are a usual fill in
    all bands, which would hide the data of another tile."""
    void = cube == 0
    if cube.dtype.kind == "f":
        void |= ~np.isfinite(cube)
    if nodata is not None:
        void |= cube == nodata
    found: NDArray[np.bool_] = ~void.all(axis=2)
    fill = found & find_flat_pixels(cube)
    if fill.any():
        found[fill] = ~np.isin(cube[fill][:, 0], usual_fill(cube.dtype))
    return found


def replace_nodata_by_nan(cube: NDArray[Any], nodata: float | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The cube in a float dtype with NaN for nodata, which 0 is only in all bands."""
    values = cube.astype(dtype)
    if nodata:
        values[cube == nodata] = np.nan
    return values


def files_of_tiles(scene: Scene) -> tuple[Path, ...]:
    """The files that a scene is read from: its STAC Item and its own file, or those of its tiles."""
    files = (scene.item.path if scene.item else None, scene.source)
    return scene.tiles or tuple(path for path in files if path)


def path_of(scene: Scene) -> Path | None:
    """What opens a scene again: its STAC Item, or its file."""
    return scene.item.path if scene.item else scene.source
