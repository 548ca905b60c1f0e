"""Rasters of the scene's size: masks, which say which of its pixels may be used, and the confidence of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import difference
from hsi.core.scene import Scene
from hsi.errors import SceneError
from hsi.io.arrays import listing
from hsi.io.open import reader_for
from hsi.io.reader import ArrayInfo, LabelContent, Reader

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
