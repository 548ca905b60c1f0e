"""Which of the arrays in a file is the cube, and which are the labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hsi.errors import LabelError, SceneError, UsageError, suggest_names
from hsi.io.reader import FLOAT_KINDS, ArrayInfo, Reader

SUFFIX = r"[_ ]?(?:gt|labels?|mask|map|set)?"
TRAINING = re.compile(rf"(?:.*_)?(?:tr|train|training){SUFFIX}", re.IGNORECASE)
TEST = re.compile(rf"(?:.*_)?(?:te|ts|test|testing){SUFFIX}", re.IGNORECASE)


def select_cube(path: Path, arrays: Sequence[ArrayInfo], variable: str | None) -> ArrayInfo:
    """The array named ``variable``, or the only 3-D numeric one.

    Raises :class:`UsageError` for a wrong name or when several fit, :class:`SceneError` when none does.
    """
    if variable is not None:
        array = get_array(path, arrays, variable, "variable")
        if not array.is_cube:
            raise SceneError(f"{path}: a scene has 3 axes (rows, columns, bands) of real numbers, found {array}")
        return array
    cubes = [array for array in arrays if array.is_cube]
    cubes = [array for array in cubes if not array.is_plane] or cubes
    if not cubes:
        expected = "expected a 3-D array (rows, columns, bands) of real numbers"
        raise SceneError(f"{path}: {expected}, found {format_arrays(arrays)}; give the file that holds the cube")
    if len(cubes) > 1:
        raise UsageError(f"{path}: holds {len(cubes)} cubes: {format_arrays(cubes)}; name one with variable=NAME")
    return cubes[0]


def select_labels(reader: Reader, path: Path, arrays: Sequence[ArrayInfo], shape: tuple[int, int]) -> ArrayInfo:
    """The only 2-D numeric array, or the only one of integers that has the scene's ``shape``.

    Raises :class:`LabelError` when none or several fit.
    """
    planes = [array for array in arrays if array.is_plane]
    if not planes:
        raise LabelError(f"{path}: labels are a 2-D array of integers, found {format_arrays(arrays)}; give labels=FILE")
    if len(planes) == 1:
        return planes[0]
    array = find_label_array(reader, path, planes, shape)
    if array is None:
        raise LabelError(
            f"{path}: none of its 2-D arrays holds integers for the scene's {shape[0]} x {shape[1]} pixels: "
            f"found {format_arrays(planes)}; give another file of labels"
        )
    return array


def find_label_array(
    reader: Reader, path: Path, arrays: Sequence[ArrayInfo], shape: tuple[int, int]
) -> ArrayInfo | None:
    """The only 2-D array of integers with the scene's ``shape``, None without one; arrays of floats are loaded.

    Raises :class:`LabelError` when several fit.
    """
    planes = [array for array in arrays if array.is_plane and array.plane == shape]
    fitting = [plane for plane in planes if plane.kind not in FLOAT_KINDS or _holds_integers(reader, path, plane)]
    if len(fitting) > 1:
        listed = format_arrays(fitting)
        raise LabelError(
            f"{path}: {len(fitting)} arrays could be the labels: {listed}; name one with label_variable=NAME"
        )
    return fitting[0] if fitting else None


def get_array(path: Path, arrays: Sequence[ArrayInfo], name: str, setting: str) -> ArrayInfo:
    """The array of a name that ``setting`` gives; raises :class:`UsageError` with the nearest names.

    A dot and a slash are the same: MATLAB writes ``data.cube`` for what HDF5 calls ``data/cube``.
    """
    by_name = {array.name: array for array in arrays if array.name}
    found = by_name.get(name) or {key.replace("/", "."): by_name[key] for key in by_name}.get(name.replace("/", "."))
    if found:
        return found
    if not by_name:
        raise UsageError(f"{path}: holds one unnamed array, so leave {setting} out")
    hint = suggest_names(name, by_name)
    raise UsageError(f"{path}: no variable '{name}' ({setting}): {hint}it holds {format_arrays(arrays)}")


def format_arrays(arrays: Sequence[ArrayInfo], most: int = 12) -> str:
    """The arrays as text, for a message."""
    listed = ", ".join(str(array) for array in arrays[:most])
    return (listed + (f" and {len(arrays) - most} more" if len(arrays) > most else "")) or "no array"


def _holds_integers(reader: Reader, path: Path, array: ArrayInfo) -> bool:
    values = reader.read_labels(path, array).values
    if values.dtype.kind != "f":
        return values.dtype.kind in "iub"
    finite = values[~np.isnan(values)]
    return bool(np.all(np.isfinite(finite)) and np.all(finite == np.rint(finite)))


def find_training_and_test(planes: Sequence[ArrayInfo]) -> tuple[ArrayInfo, ArrayInfo] | None:
    """The planes named like training labels (``TR``, ``train_gt``, …) and like test labels (``TE``, …).

    None unless there is exactly one of each.
    """
    training, test = ([plane for plane in planes if kind.fullmatch(plane.name)] for kind in (TRAINING, TEST))
    return (training[0], test[0]) if len(training) == len(test) == 1 else None
