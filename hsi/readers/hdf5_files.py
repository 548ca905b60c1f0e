"""What readers of HDF5 products share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import SceneFileError
from hsi.readers.reader import ArrayInfo, check_declared_size, first_bytes

if TYPE_CHECKING:
    import h5py

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
LARGEST_LIST = 100_000


def is_hdf5(path: Path) -> bool:
    """Whether it starts as HDF5 and NetCDF-4 files do."""
    return first_bytes(path, len(HDF5_MAGIC)) == HDF5_MAGIC


def holds(path: Path, *names: str) -> bool:
    """Whether it is an HDF5 file that can be opened and has all these groups or datasets."""
    import h5py

    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return all(name in file for name in names)
    except Exception:  # h5py raises many kinds on damaged bytes
        return False


def dataset_of(path: Path, file: h5py.File, name: str, axes: int) -> h5py.Dataset:
    """A dataset of that many axes and real numbers, stored in this file.

    Raises :class:`SceneFileError` when it is missing or another thing, when its data lie in another file (which a
    scene must not read by surprise), and when what is stored cannot unpack to the size that it declares.
    """
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        raise SceneFileError(f"{path}: lacks the dataset '{name}'; download the product again")
    if len(found.shape or ()) != axes or 0 in found.shape or found.dtype.kind not in "iuf":
        raise SceneFileError(f"{path}: '{name}' is {found.shape} of {found.dtype}, expected {axes} axes of numbers")
    if found.is_virtual or found.external:
        raise SceneFileError(f"{path}: the data of '{name}' lie in another file; download the product again")
    array = ArrayInfo(name, found.shape, found.dtype.name)
    check_declared_size(path, array, found.id.get_storage_size(), found.dtype.itemsize)
    return found


def numbers_of(path: Path, values: Any, name: str, count: int) -> tuple[float, ...]:
    """``count`` finite numbers of a dataset or attribute.

    Raises :class:`SceneFileError` when they are not as many, or not numbers.
    """
    if values is None:
        raise SceneFileError(f"{path}: lacks '{name}'; download the product again")
    shape = getattr(values, "shape", None)
    if shape and math.prod(shape) > LARGEST_LIST:
        raise SceneFileError(f"{path}: '{name}' has {math.prod(shape):,} values, expected {count}")
    array: NDArray[np.float64] = np.asarray(values, np.float64).ravel()
    if array.size != count or not np.all(np.isfinite(array)):
        raise SceneFileError(f"{path}: '{name}' has {array.size} values, expected {count} finite numbers")
    return tuple(array.tolist())


def text_of(value: Any) -> str:
    """An attribute or scalar dataset as text; bytes are decoded."""
    value = value[()] if hasattr(value, "shape") else value
    value = value.flat[0] if isinstance(value, np.ndarray) and value.size else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def fill_value(dataset: h5py.Dataset) -> float | None:
    """NetCDF's ``_FillValue``."""
    values = np.asarray(dataset.attrs.get("_FillValue", []), np.float64).ravel()
    return float(values[0]) if values.size else None
