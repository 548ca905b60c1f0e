"""Which of the arrays in a file is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hsi.errors import LabelError, SceneError, UsageError
from hsi.io.reader import Array, ArrayInfo, LabelContent, Reader


def select_cube(path: Path, arrays: Sequence[ArrayInfo], variable: str | None) -> ArrayInfo:
    """The array named ``variable``, or the only 3-D numeric one.

    Raises :class:`UsageError` for a wrong name or when several fit, :class:`SceneError` when none does.
    """
    if variable is not None:
        array = named(path, arrays, variable, "--variable")
        if not array.is_cube:
            raise SceneError(f"{path}: a scene has 3 axes (rows, columns, bands) of real numbers, found {array}")
        return array
    cubes = [array for array in arrays if array.is_cube]
    if not cubes:
        expected = "expected a 3-D array (rows, columns, bands) of real numbers"
        raise SceneError(f"{path}: {expected}, found {listing(arrays)}; give the file that holds the cube")
    if len(cubes) > 1:
        raise UsageError(f"{path}: holds {len(cubes)} cubes: {listing(cubes)}; name one with --variable")
    return cubes[0]


def select_plane(
    path: Path, arrays: Sequence[ArrayInfo], shape: tuple[int, int], read: Callable[[ArrayInfo], Array]
) -> ArrayInfo:
    """The only 2-D numeric array, or the only one of whole numbers that has the scene's ``shape``.

    Raises :class:`LabelError` when none or several fit.
    """
    planes = [array for array in arrays if array.is_plane]
    if not planes:
        raise LabelError(
            f"{path}: labels are a 2-D array of whole numbers, found {listing(arrays)}; give --labels FILE"
        )
    if len(planes) == 1:
        return planes[0]
    fitting = fitting_planes(planes, shape, read)
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise LabelError(
            f"{path}: none of its 2-D arrays holds whole numbers for the scene's {shape[0]} x {shape[1]} pixels: "
            f"found {listing(planes)}; give another --labels FILE"
        )
    raise several_planes(path, fitting)


def fitting_planes(
    arrays: Sequence[ArrayInfo], shape: tuple[int, int], read: Callable[[ArrayInfo], Array]
) -> list[ArrayInfo]:
    """The 2-D arrays of whole numbers that have the scene's shape; ``read`` loads one that is stored as floats."""
    fitting = []
    for array in arrays:
        if array.is_plane and array.shape[:2] == shape and (_integer(array) or _whole(read(array))):
            fitting.append(array)
    return fitting


def several_planes(path: Path, planes: Sequence[ArrayInfo]) -> LabelError:
    """The error that asks for --label-variable."""
    return LabelError(f"{path}: {len(planes)} arrays could be the labels: {listing(planes)}; use --label-variable")


def named(path: Path, arrays: Sequence[ArrayInfo], variable: str, option: str) -> ArrayInfo:
    """The array of that name; raises :class:`UsageError` with the near ones."""
    names = {array.name: array for array in arrays if array.name}
    if variable in names:
        return names[variable]
    if not names:
        raise UsageError(f"{path}: holds one unnamed array, so leave {option} out")
    near = difflib.get_close_matches(variable, list(names), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"{path}: no variable '{variable}' for {option}: {hint}it holds {listing(arrays)}")


def listing(arrays: Sequence[ArrayInfo], most: int = 12) -> str:
    """The arrays in words, for a message."""
    shown = ", ".join(str(array) for array in arrays[:most])
    return (shown + (f" and {len(arrays) - most} more" if len(arrays) > most else "")) or "no array"


def _integer(array: ArrayInfo) -> bool:
    return not array.kind.startswith(("float", "single", "double"))


def _whole(values: Array) -> bool:
    if values.dtype.kind != "f":
        return values.dtype.kind in "iub"
    finite = values[~np.isnan(values)]
    return bool(np.all(np.isfinite(finite)) and np.all(finite == np.rint(finite)))


WHAT = r"[_ ]?(?:gt|labels?|mask|map|set)?"
TRAINING = re.compile(rf"(?:.*_)?(?:tr|train|training){WHAT}", re.IGNORECASE)
TEST = re.compile(rf"(?:.*_)?(?:te|ts|test|testing){WHAT}", re.IGNORECASE)


def training_and_test(planes: Sequence[ArrayInfo]) -> tuple[ArrayInfo, ArrayInfo] | None:
    """The plane named like training labels (``TR``, ``train_gt``, …) and the one named like test labels (``TE``, …);
    None unless there is exactly one of each."""
    found = [[plane for plane in planes if pattern.fullmatch(plane.name)] for pattern in (TRAINING, TEST)]
    if len(found[0]) != 1 or len(found[1]) != 1:
        return None
    return found[0][0], found[1][0]


def read_together(reader: Reader, path: Path, pair: tuple[ArrayInfo, ArrayInfo]) -> LabelContent | None:
    """Training and test labels ``(H, W)`` as one; None when a pixel is in both, so that they are no split."""
    train, test = (np.nan_to_num(reader.read_labels(path, plane).values) for plane in pair)
    if np.any((train != 0) & (test != 0)):
        return None
    return LabelContent(np.where(train != 0, train, test))
