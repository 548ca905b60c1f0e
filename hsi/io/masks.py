"""Masks and split rasters: single bands on the grid of a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import difference
from hsi.core.scene import Scene
from hsi.errors import SceneError, SplitError, UsageError
from hsi.io.arrays import find_training_and_test, format_arrays
from hsi.io.open import find_reader
from hsi.io.reader import ArrayInfo, LabelContent, Reader, check_file

ROUNDING = 1e-6  # above a probability of 1
SPLIT = "--split given:TRAIN,TEST"
HOW = "give one raster of codes, or a training and a test raster with a comma between: given:train.tif,test.tif"


def open_mask(path: Path | str, like: Scene, setting: str = "mask") -> NDArray[np.bool_]:
    """``(H, W)`` bool of a raster of one band: True where it is neither 0 nor NaN nor its nodata value.

    ``setting`` is what named the file. Raises :class:`SceneFileError` for a file that cannot be read and
    :class:`SceneError` when it holds no single plane or lies on another grid than the scene.
    """
    path = Path(path)
    marked = _marked_pixels(_read_plane(path, like, "mask", setting))
    if not marked.any():
        raise SceneError(f"{path}: the mask leaves no pixel: every value is 0 or nodata; give another {setting}")
    return marked


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

    One file holds these codes, such as the ``split.tif`` of a run, or has two arrays with names like ``TR`` and
    ``TE``. Of two files the first marks training and the second test pixels. Pixels that are neither 0 nor NaN nor
    nodata are marked, so rasters of class ids can be used. Raises :class:`SceneFileError` for files that cannot be
    read, :class:`SceneError` when they lie on another grid or hold no single plane, and :class:`SplitError` for other
    codes and for pixels that are marked twice.
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
    if len(planes) != 1:
        listed = format_arrays(arrays)
        raise SceneError(f"{path}: a split is one plane of codes, or two called TR and TE, found {listed}; {HOW}")
    content = _read_on_grid(reader, path, planes[0], like, "split")
    codes = np.where(_marked_pixels(content), content.values, 0)
    unknown = np.setdiff1d(codes, (0, 1, 2, 3))
    if unknown.size:
        raise SplitError(
            f"{path}: a split holds 0 (not used), 1 (training), 2 (validation) and 3 (test), found also "
            f"{', '.join(f'{value:g}' for value in unknown[:5])}; {HOW}"
        )
    return codes


def _join_masks(where: str, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[Any]:
    both = int(np.count_nonzero(train & test))
    if both:
        raise SplitError(f"{where}: {both:,} pixels are marked for training and for the test: no pixel may be both")
    return np.select([train, test], [1, 3], 0)


def _read_plane(path: Path, like: Scene, kind: str, setting: str) -> LabelContent:
    """The only plane of a file, a ``kind`` that ``setting`` named, on the grid of a scene."""
    reader = find_reader(path)
    arrays = reader.arrays(path)
    planes = [array for array in arrays if array.is_plane]
    if len(planes) != 1:
        what, listed = "a mask" if kind == "mask" else kind, format_arrays(arrays)
        raise SceneError(f"{path}: {what} is one plane (rows, columns), found {listed}; give another {setting}")
    return _read_on_grid(reader, path, planes[0], like, kind)


def _read_on_grid(reader: Reader, path: Path, plane: ArrayInfo, like: Scene, kind: str) -> LabelContent:
    """A plane of the scene's pixels; raises :class:`SceneError` when it, a ``kind``, lies on another grid."""
    content = reader.read_labels(path, plane)
    expected, shape = (like.height, like.width), content.values.shape
    if shape != expected:
        raise SceneError(
            f"{path}: the {kind} is {shape[0]} x {shape[1]}, the scene {like.name} is {expected[0]} x {expected[1]} "
            f"pixels; give a {kind} of this scene"
        )
    if content.georeference and like.georeference:
        mismatch = difference(like.georeference, content.georeference, expected)
        if mismatch:
            mismatch = mismatch.replace("the labels'", f"the {kind}'s")
            raise SceneError(
                f"{path}: not on the grid of the scene {like.name}: {mismatch}; warp the {kind} to the scene"
            )
    return content


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
