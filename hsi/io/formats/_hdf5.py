"""What readers of HDF5 products share."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import SceneFileError
from hsi.io.reader import ArrayInfo, check_declared_size, first_bytes, reading

if TYPE_CHECKING:
    import h5py

MOST_BANDS = 2**16  # that GDAL lists in reasonable time
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HEAP, SCANNED = b"GCOL\x01\x00\x00\x00", 16 * 2**20
LARGEST_LIST = 100_000
LARGEST_UNWRITTEN = 64 * 2**20  # bytes of an array that is declared and was never filled, as many a product has


def is_hdf5(path: Path) -> bool:
    """Whether it starts as HDF5 and NetCDF-4 files do."""
    return first_bytes(path, len(HDF5_MAGIC)) == HDF5_MAGIC


def is_sound(path: Path) -> bool:
    """Whether the global heaps, in which texts lie, can be walked through: HDF5 goes round for ever at a free space of
    no size, or one that overflows. Only the file's first 16 MiB are looked at, where programs write what describes the
    data."""
    data = first_bytes(path, SCANNED)
    start = data.find(HEAP)
    while start >= 0:
        if not _has_end(data, start):
            return False
        start = data.find(HEAP, start + 8)
    return True


def _has_end(data: bytes, start: int) -> bool:
    """Whether each object of the heap leads on within it: an index, a count, padding, its bytes, these padded to 8."""
    end = start + int.from_bytes(data[start + 8 : start + 16], "little")
    place = start + 16
    while place + 16 <= min(end, len(data)):
        index, length = struct.unpack_from("<H6xQ", data, place)
        place += 16 + -(-length // 8) * 8 if index else length
        if place > end or index == length == 0:
            return False
    return True


def check_sound(path: Path) -> None:
    """Raise :class:`SceneFileError` for a file that is not :func:`is_sound`."""
    if not is_sound(path):
        raise SceneFileError(f"{path}: is HDF5 with a damaged list of texts, which cannot be read; copy it again")


def holds(path: Path, *names: str) -> bool:
    """Whether it is an HDF5 file that can be opened and has all these groups or datasets."""
    import h5py

    if not is_hdf5(path) or not is_sound(path):
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
    if found.is_virtual or found.external or found.file.filename != file.filename:
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


def check_arrays(path: Path) -> None:
    """Raise :class:`SceneFileError` when an array of an HDF5 file lies in another file, declares more than is stored,
    or has endless bands: GDAL, which lists the arrays of unknown files, follows links and makes a record of each band.
    """
    import h5py

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            _check_array(path, name, item)

    def outside(name: str, link: object) -> str | None:
        return name if isinstance(link, h5py.ExternalLink) else None

    check_sound(path)
    with reading(path, "an HDF5 file"), h5py.File(path, "r") as file:
        linked = file.visititems_links(outside)
        if linked is not None:
            raise _elsewhere(path, linked)
        file.visititems(visit)


def _check_bands(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raise :class:`SceneFileError` for an array of rows and columns that come after more bands than GDAL can list."""
    bands = math.prod(shape[:-2])
    if len(shape) > 2 and bands > MOST_BANDS:
        raise SceneFileError(
            f"{path}: its array '{name[:60]}' has {bands:,} bands, more than {MOST_BANDS:,}: the file is damaged, or "
            "its bands do not come first: convert it to ENVI or GeoTIFF"
        )


def _check_array(path: Path, name: str, item: h5py.Dataset) -> None:
    if item.is_virtual or item.external:
        raise _elsewhere(path, name)
    _check_bands(path, name, item.shape)
    if math.prod(item.shape) * item.dtype.itemsize > LARGEST_UNWRITTEN:
        array = ArrayInfo(name, item.shape, item.dtype.name)
        check_declared_size(path, array, item.id.get_storage_size(), item.dtype.itemsize)


def _elsewhere(path: Path, name: str) -> SceneFileError:
    return SceneFileError(f"{path}: the data of '{name[:80]}' lie in another file: open that one, or copy them into it")
