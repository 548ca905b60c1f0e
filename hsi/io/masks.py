"""Masks, areas of interest and split rasters: which pixels of a scene are used, and for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, warning
from hsi.core.georeference import difference
from hsi.core.scene import Block, Scene, crop_scene
from hsi.errors import SceneError, SplitError, UsageError
from hsi.io.align import align_plane, describe_grid, same_grid
from hsi.io.arrays import find_training_and_test, format_arrays
from hsi.io.open import find_reader
from hsi.io.reader import ArrayInfo, LabelContent, Reader, check_file, crop_labels
from hsi.io.vector_files import is_vector
from hsi.io.vector_labels import describe_extents, draw_polygons
from hsi.settings import InputSettings

Mask = NDArray[np.bool_]
HALF = 0.5
AREA = "the area of interest"
LARGEST_BITS = 64
ROUNDING = 1e-6  # above a probability of 1
SPLIT = "--split given:TRAIN,TEST"
HOW = "give one raster of codes, or a training and a test raster with a comma between: given:train.tif,test.tif"


def open_masks(options: InputSettings, like: Scene) -> Mask | None:
    """The pixels ``(H, W)`` that the masks and the area of interest leave of a scene; None where there are none.

    Reports the share that the masks leave, and warns where that is less than half. Raises what :func:`open_mask` does.
    """
    use = None if like.area is None else like.area.inside
    if options.mask is None and options.mask_out is None:
        return use
    masks = np.ones((like.height, like.width), bool)
    if options.mask:
        masks &= open_mask(options.mask, like)
    if options.mask_out:
        left_out = open_mask(options.mask_out, like, "mask_out")
        if not left_out.any():
            warning(f"{options.mask_out}: marks no pixel of the scene, so none is left out; check its CRS and values")
        masks &= ~left_out
    share = float(masks.mean() if use is None else masks[use].mean())
    info("mask", f"{share:.1%} of the pixels are used")
    if share == 0:
        named = " and ".join(str(path) for path in (options.mask, options.mask_out) if path)
        raise SceneError(f"{named}: no pixel is left to use; give other masks")
    if share < HALF:
        hint = "--mask names the pixels to use, --mask-out those to leave out, such as clouds"
        warning(f"the masks leave {share:.1%} of the pixels: {hint}")
    return masks if use is None else masks & use


def pixels_in_use(options: InputSettings, like: Scene) -> Mask | None:
    """As :func:`open_masks`, within the area of interest of ``options`` although the scene is not cropped to it."""
    use = open_masks(options, like)
    if options.aoi is None or (area := apply_area(options.aoi, like).area) is None:
        return use
    inside = np.zeros((like.height, like.width), bool)
    inside[area.window.slices] = area.inside
    return inside if use is None else use & inside


def apply_area(path: Path, scene: Scene) -> Scene:
    """The part of a scene around its area of interest, in which pixels outside the area lack data.

    The area is polygons, or a raster that marks it as a mask does, on the scene's grid or on any other one of known
    place, from which it is reprojected by nearest neighbour. Raises :class:`SceneError` for an area that does not meet
    the scene, with the extents of both, and what :func:`open_mask` raises.
    """
    check_file(path)
    drawn = draw_polygons(path, scene, AREA) if is_vector(path) else _marked_area(path, scene)
    if drawn is None:
        where = describe_extents(path, scene) if is_vector(path) else "it has no pixel there"
        raise SceneError(f"{path}: {AREA} misses the scene {scene.name}: {where}; check the CRS of both")
    window, inside = drawn
    if not inside.any():
        raise SceneError(f"{path}: {AREA} contains no centre of a pixel of the scene {scene.name}; draw it larger")
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    window = Block(window.row + int(rows[0]), window.column + int(columns[0]), *inside.shape)
    last = window.row + window.height, window.column + window.width
    place = f"rows {window.row + 1} to {last[0]} of {scene.height}, columns {window.column + 1} to {last[1]} of "
    info("area", f"{path}: {place}{scene.width}, {np.count_nonzero(inside):,} pixels")
    return crop_scene(scene, window, inside)


def _marked_area(path: Path, scene: Scene) -> tuple[Block, Mask]:
    """The scene as a window, and its pixels ``(H, W)`` that a raster marks."""
    reader, plane = _select_plane(path, AREA, "aoi")
    content = reader.read_labels(path, plane)
    frame, place, ours = scene.extent, content.georeference, scene.georeference
    marked = _marked_pixels(content)
    if not same_grid(marked.shape, place, scene) and place and ours and place.crs and ours.crs:
        inside = align_plane(path, marked.astype(np.uint8), (place, ours), (scene.height, scene.width)) > 0
        if marked.any() and not inside.any():
            grids = f"it is {describe_grid(marked.shape, place)}, the scene {describe_grid(scene.shape[:2], ours)}"
            raise SceneError(f"{path}: {AREA} misses the scene {scene.name}: {grids}")
        return frame, inside
    _check_grid(path, content, scene, AREA)
    return frame, marked


def mask_file(path: Path) -> tuple[Path, tuple[int, ...]]:
    """The file of a mask, and the bits after it, as in ``qa.tif:bits=3,4``; a file of that very name is itself.

    Raises :class:`UsageError` for what is no list of bits.
    """
    name, sign, listed = str(path).rpartition(":bits=")
    if not sign or path.exists():
        return path, ()
    words = [word.strip() for word in listed.split(",")]
    if not all(word.isdecimal() and int(word) < LARGEST_BITS for word in words):
        raise UsageError(f"{path}: bits are numbers from 0, the lowest, such as bits=3,4")
    return Path(name), tuple(int(word) for word in words)


def open_mask(path: Path | str, like: Scene, setting: str = "mask") -> Mask:
    """``(H, W)`` bool of a raster of one band, or of polygons: True where they mark a pixel of the scene.

    A raster marks where it is neither 0 nor NaN nor its nodata value; with ``:bits=3,4`` after its name, where one of
    these bits is set. Polygons mark pixels whose centres they contain. ``setting`` is what named the file. Raises
    :class:`SceneFileError` for a file that cannot be read, :class:`SceneError` when it holds no single plane, lies on
    another grid than the scene or, as a mask of what to use, leaves no pixel, and :class:`UsageError` for bits of what
    has no bits.
    """
    path, bits = mask_file(Path(path))
    check_file(path)
    leaves_out = setting == "mask_out"
    if is_vector(path):
        if bits:
            raise UsageError(f"{path}: bits are those of rasters, and it holds polygons: leave bits out")
        marked = np.zeros((like.height, like.width), bool)
        drawn = draw_polygons(path, like, "a mask")
        if drawn:
            marked[drawn[0].slices] = drawn[1]
        elif not leaves_out:
            raise SceneError(f"{path}: the mask misses the scene {like.name}: {describe_extents(path, like)}")
        return marked
    content = _read_plane(path, like, "mask", setting)
    marked = _set_bits(path, content.values, bits) if bits else _marked_pixels(content)
    if not marked.any() and not leaves_out:
        raise SceneError(f"{path}: the mask leaves no pixel: every value is 0 or nodata; give another {setting}")
    return marked


def _set_bits(path: Path, values: NDArray[Any], bits: Sequence[int]) -> Mask:
    """Where one of the bits is set; raises :class:`UsageError` for fractions and for bits that the dtype lacks."""
    if values.dtype.kind not in "iu":
        raise UsageError(f"{path}: bits are those of integers, and it holds {values.dtype}: leave bits out")
    size = 8 * values.dtype.itemsize
    if max(bits) >= size:
        raise UsageError(f"{path}: has no bit {max(bits)}: {values.dtype} has the bits 0 to {size - 1}")
    unsigned = values.view(f"u{values.dtype.itemsize}")
    return np.asarray(unsigned & unsigned.dtype.type(sum(1 << bit for bit in {*bits})) != 0)


def open_confidence(path: Path, like: Scene) -> NDArray[np.float32]:
    """``(H, W)`` float32 of a raster of one band of probabilities; NaN where it has nodata.

    Raises :class:`SceneFileError` for a file that cannot be read and :class:`SceneError` when it holds no single plane,
    lies on another grid than the map or holds what is no probability.
    """
    content = _read_plane(path, like, "confidence", "confidence")
    values = content.values.astype(np.float32)
    values[_void_pixels(content)] = np.nan
    wrong = values[(values < 0) | (values > 1 + ROUNDING)]
    if wrong.size:
        raise SceneError(f"{path}: confidence is a probability from 0 to 1, found {wrong[0]:g}; give the map's own")
    return values


def split_files(text: str) -> tuple[Path, ...]:
    """The one file, or the training and the test file with a comma between, of a given split.

    Raises :class:`UsageError` for another number of names and :class:`SceneFileError` for a file that is missing.
    """
    path = Path(text)
    paths = (path,) if "," not in text or path.exists() else tuple(Path(part.strip()) for part in text.split(","))
    if len(paths) > 2 or any(path == Path() for path in paths):
        raise UsageError(f"--split given:{text}: {HOW}")
    for path in paths:
        check_file(path)
    return paths


def open_split(text: str, like: Scene) -> NDArray[Any]:
    """``(H, W)`` of 0 (not used), 1 (training), 2 (validation) and 3 (test) of the pixels of a scene.

    One file holds these codes, such as the ``split.tif`` of a run, in its only band or in the first of two
    (:func:`open_split_classes`), or has two arrays with names like ``TR`` and ``TE``. Of two files the first marks
    training and the second test pixels. Pixels that are neither 0 nor NaN nor nodata are marked, so rasters of class
    ids can be used. Raises :class:`SceneFileError` for files that cannot be read, :class:`SceneError` when they lie on
    another grid or hold no single plane, and :class:`SplitError` for other codes and for pixels that are marked twice.
    """
    path, *others = split_files(text)
    if others:
        return _join_masks(text, *(open_mask(file, like, SPLIT) for file in (path, *others)))
    reader = find_reader(path)
    arrays = reader.arrays(path)
    planes = [array for array in arrays if array.is_plane]
    pair = find_training_and_test(planes)
    if pair is not None:
        masks = (_marked_pixels(_read_on_grid(reader, path, plane, like, plane.name)) for plane in pair)
        return _join_masks(text, *masks)
    bands = _split_bands(reader, path, arrays, like)
    if len(planes) != 1 and bands is None:
        listed = format_arrays(arrays)
        raise SceneError(f"{path}: a split is one plane of codes, or two called TR and TE, found {listed}; {HOW}")
    content = bands[0] if bands else _read_on_grid(reader, path, planes[0], like, "split")
    codes = np.where(_marked_pixels(content), content.values, 0)
    unknown = np.setdiff1d(codes, (0, 1, 2, 3))
    if unknown.size:
        raise SplitError(
            f"{path}: a split holds 0 (not used), 1 (training), 2 (validation) and 3 (test), found also "
            f"{', '.join(f'{value:g}' for value in unknown[:5])}; {HOW}"
        )
    return codes


def open_split_classes(text: str, like: Scene) -> NDArray[Any] | None:
    """``(H, W)`` class ids of the pixels of a given split, 0 where it has none, from the second band of its file.

    None for a split that has codes alone. Raises :class:`SceneFileError` for a file that cannot be read and
    :class:`SceneError` when it lies on another grid.
    """
    path, *others = split_files(text)
    reader = find_reader(path)
    bands = None if others else _split_bands(reader, path, reader.arrays(path), like)
    return bands[1].values if bands else None


def _split_bands(
    reader: Reader, path: Path, arrays: Sequence[ArrayInfo], like: Scene
) -> tuple[LabelContent, LabelContent] | None:
    """The codes and the class ids of a file with one raster of two bands; None for any other file."""
    if len(arrays) != 1 or arrays[0].shape[2:] != (2,):
        return None
    if arrays[0].shape[:2] not in like.grid_sizes:  # not read, as it may be of any size
        raise _size_error(path, arrays[0].shape[:2], like, "split")
    both = reader.open(path, arrays[0])
    codes, classes = np.moveaxis(both.read(), -1, 0)
    place = both.georeference
    return (
        _crop_to(path, LabelContent(codes, georeference=place), like, "split"),
        _crop_to(path, LabelContent(classes, georeference=place), like, "split"),
    )


def _join_masks(where: str, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[Any]:
    both = int(np.count_nonzero(train & test))
    if both:
        raise SplitError(f"{where}: {both:,} pixels are marked for training and for the test: no pixel may be both")
    return np.select([train, test], [1, 3], 0)


def _read_plane(path: Path, like: Scene, kind: str, setting: str) -> LabelContent:
    """The only plane of a file, a ``kind`` that ``setting`` named, on the grid of a scene."""
    reader, plane = _select_plane(path, kind, setting)
    return _read_on_grid(reader, path, plane, like, kind)


def _select_plane(path: Path, kind: str, setting: str) -> tuple[Reader, ArrayInfo]:
    """The reader and the only plane of a file, a ``kind`` that ``setting`` named."""
    reader = find_reader(path)
    arrays = reader.arrays(path)
    planes = [array for array in arrays if array.is_plane]
    if len(planes) != 1:
        what, listed = "a mask" if kind == "mask" else kind, format_arrays(arrays)
        raise SceneError(f"{path}: {what} is one plane (rows, columns), found {listed}; give another {setting}")
    return reader, planes[0]


def _read_on_grid(reader: Reader, path: Path, plane: ArrayInfo, like: Scene, kind: str) -> LabelContent:
    """A plane of the scene's pixels; raises :class:`SceneError` when it, a ``kind``, lies on another grid."""
    if plane.plane not in like.grid_sizes:  # not read, as it may be of any size
        raise _size_error(path, plane.plane, like, kind)
    return _crop_to(path, reader.read_labels(path, plane), like, kind)


def _crop_to(path: Path, content: LabelContent, like: Scene, kind: str) -> LabelContent:
    """The content on the scene's grid; for a scene that is part of another, it may have all pixels of that one."""
    if like.area:
        try:
            _check_grid(path, content, like.area.full, kind)
            return crop_labels(content, like.area.window)
        except SceneError:
            if content.values.shape != (like.height, like.width):
                raise
    _check_grid(path, content, like, kind)
    return content


def _size_error(path: Path, shape: tuple[int, ...], like: Scene, kind: str) -> SceneError:
    return SceneError(
        f"{path}: the {kind} is {shape[0]} x {shape[1]}, the scene {like.name} is {like.height} x {like.width} "
        f"pixels; give a {kind} of this scene"
    )


def _check_grid(path: Path, content: LabelContent, like: Scene, kind: str) -> None:
    expected, shape = (like.height, like.width), content.values.shape
    if shape != expected:
        raise _size_error(path, content.values.shape, like, kind)
    if content.georeference and like.georeference:
        mismatch = difference(like.georeference, content.georeference, expected)
        if mismatch:
            mismatch = mismatch.replace("the labels'", f"the {kind}'s")
            raise SceneError(
                f"{path}: not on the grid of the scene {like.name}: {mismatch}; warp the {kind} to the scene"
            )


def _marked_pixels(content: LabelContent) -> NDArray[np.bool_]:
    """Where the values are neither 0 nor NaN nor nodata, nor hidden."""
    marked: NDArray[np.bool_] = (content.values != 0) & ~_void_pixels(content)
    if content.values.dtype.kind == "f":
        marked &= ~np.isnan(content.values)
    return marked


def _void_pixels(content: LabelContent) -> NDArray[np.bool_]:
    """Where the values are nodata or hidden."""
    void = np.zeros(content.values.shape, bool) if content.hidden is None else content.hidden
    return void if content.nodata is None else void | (content.values == content.nodata)
