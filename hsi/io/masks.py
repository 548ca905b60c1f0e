"""Masks and split rasters: single bands on the grid of a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import difference
from hsi.core.scene import Scene
from hsi.errors import SceneError, SplitError, UsageError
from hsi.io.arrays import listing, training_and_test
from hsi.io.open import reader_for
from hsi.io.reader import ArrayInfo, LabelContent, Reader, check_file

ROUNDING = 1e-6  # above a probability of 1


def open_mask(path: Path | str, like: Scene, option: str = "--mask") -> NDArray[np.bool_]:
    """``(H, W)`` bool of a raster of one band: True where it is neither 0 nor NaN nor its nodata value.

    ``option`` is where the file was named. Raises :class:`SceneFileError` for a file that cannot be read and
    :class:`SceneError` when it holds no single plane or lies on another grid than the scene.
    """
    path = Path(path)
    use = chosen(read_plane(path, like, "mask", option))
    if not use.any():
        raise SceneError(f"{path}: the mask leaves no pixel: every value is 0 or nodata; give another {option}")
    return use


def open_confidence(path: Path, like: Scene) -> NDArray[np.float32]:
    """``(H, W)`` float32 of a raster of one band of probabilities; NaN where it has nodata.

    Raises :class:`SceneFileError` for a file that cannot be read and :class:`SceneError` when it holds no single plane,
    lies on another grid than the map or holds what is no probability.
    """
    content = read_plane(path, like, "confidence", "--confidence")
    values = content.values.astype(np.float32)
    if content.nodata is not None:
        values[content.values == content.nodata] = np.nan
    wrong = values[(values < 0) | (values > 1 + ROUNDING)]
    if wrong.size:
        raise SceneError(f"{path}: confidence is a probability from 0 to 1, found {wrong[0]:g}; give the map's own")
    return values


def read_plane(path: Path, like: Scene, kind: str, option: str) -> LabelContent:
    """The only plane of a file, on the grid of a scene; ``option`` is where the file, a ``kind``, was named."""
    reader = reader_for(path)
    arrays = reader.arrays(path)
    planes = [array for array in arrays if array.is_plane]
    if len(planes) != 1:
        what = "a mask" if kind == "mask" else kind
        raise SceneError(f"{path}: {what} is one plane (rows, columns), found {listing(arrays)}; give another {option}")
    return read_on_grid(reader, path, planes[0], like, kind)


def read_on_grid(reader: Reader, path: Path, plane: ArrayInfo, like: Scene, kind: str) -> LabelContent:
    """A plane of the scene's pixels; raises :class:`SceneError` when it, a ``kind``, lies on another grid."""
    content = reader.read_labels(path, plane)
    expected, found = (like.height, like.width), content.values.shape
    if found != expected:
        raise SceneError(
            f"{path}: the {kind} is {found[0]} x {found[1]}, the scene {like.name} is {expected[0]} x {expected[1]} "
            f"pixels; give a {kind} of this scene"
        )
    if content.georeference and like.georeference:
        apart = difference(like.georeference, content.georeference, expected)
        if apart:
            apart = apart.replace("the labels'", f"the {kind}'s")
            raise SceneError(f"{path}: not on the grid of the scene {like.name}: {apart}; warp the {kind} to the scene")
    return content


def chosen(content: LabelContent) -> NDArray[np.bool_]:
    """Where the values are neither 0 nor NaN nor nodata."""
    use: NDArray[np.bool_] = content.values != 0
    if content.values.dtype.kind == "f":
        use &= ~np.isnan(content.values)
    if content.nodata is not None:
        use &= content.values != content.nodata
    return use


OPTION = "--split given:TRAIN,TEST"
HOW = "give one raster of codes, or a training and a test raster with a comma between: given:train.tif,test.tif"


def split_files(text: str) -> tuple[Path, ...]:
    """The one file, or the training and the test file with a comma between, that a given split is in.

    Raises :class:`UsageError` for another number of names and :class:`SceneFileError` for a file that is missing.
    """
    whole = Path(text)
    paths = (whole,) if "," not in text or whole.exists() else tuple(Path(part.strip()) for part in text.split(","))
    if len(paths) > 2 or any(path == Path() for path in paths):
        raise UsageError(f"--split given:{text}: {HOW}")
    for path in paths:
        check_file(path)
    return paths


def open_split(text: str, like: Scene) -> NDArray[Any]:
    """``(H, W)`` of 0 (not used), 1 (training), 2 (validation) and 3 (test) of the pixels of a scene.

    One file holds these codes, such as the ``split.tif`` of a run, or has two arrays called like ``TR`` and ``TE``. Of
    two files the first marks training and the second test pixels. Marked is what is neither 0 nor NaN nor nodata, so
    rasters of class ids will do. Raises :class:`SceneFileError` for files that cannot be read, :class:`SceneError` when
    they lie on another grid or hold no single plane, and :class:`SplitError` for other codes and for pixels that are
    marked twice.
    """
    paths = split_files(text)
    if len(paths) == 1:
        return _from_one(paths[0], like)
    return _from_masks(text, *(open_mask(path, like, OPTION) for path in paths))


def _from_one(path: Path, like: Scene) -> NDArray[Any]:
    reader = reader_for(path)
    planes = [array for array in reader.arrays(path) if array.is_plane]
    pair = training_and_test(planes)
    if pair is not None:
        masks = (chosen(read_on_grid(reader, path, plane, like, plane.name)) for plane in pair)
        return _from_masks(str(path), *masks)
    if len(planes) != 1:
        found = listing(reader.arrays(path))
        raise SceneError(f"{path}: a split is one plane of codes, or two called TR and TE, found {found}; {HOW}")
    content = read_on_grid(reader, path, planes[0], like, "split")
    codes = np.where(chosen(content), content.values, 0)
    if not np.isin(codes, (0, 1, 2, 3)).all():
        others = ", ".join(f"{value:g}" for value in np.setdiff1d(codes, (0, 1, 2, 3))[:5])
        raise SplitError(
            f"{path}: a split holds 0 (not used), 1 (training), 2 (validation) and 3 (test), found also {others}; {HOW}"
        )
    return codes


def _from_masks(where: str, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[Any]:
    both = int(np.count_nonzero(train & test))
    if both:
        raise SplitError(f"{where}: {both:,} pixels are marked for training and for the test: no pixel may be both")
    return np.select([train, test], [1, 3], 0)
