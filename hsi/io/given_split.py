"""Splits from files: one raster of codes, two rasters of training and test pixels, or a file with TR and TE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.errors import SceneError, SplitError, UsageError
from hsi.io.arrays import listing
from hsi.io.masks import chosen, open_mask, read_on_grid
from hsi.io.open import reader_for
from hsi.io.paired_labels import training_and_test
from hsi.io.reader import check_file

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
