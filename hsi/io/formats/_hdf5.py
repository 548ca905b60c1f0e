"""What the readers of HDF5 files share: opening them safely, and checked reads of datasets and attributes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Scene
from hsi.errors import SceneFileError
from hsi.io.reader import Array, ArrayInfo, arrange_axes, check_declared_size, convert_errors, first_bytes

# h5py, which has no types, is imported only when a file is opened
File = Any
Dataset = Any

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HEAP, SCANNED = b"GCOL\x01\x00\x00\x00", 16 * 2**20
FILTERS = {4: "szip", 307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP"}
FILTERS |= {32015: "Zstandard", 32017: "SZ", 32026: "Blosc 2"}
LARGEST_LIST = 100_000
LARGEST_UNWRITTEN = 64 * 2**20  # bytes of a declared array without data, as some products contain


def is_hdf5(path: Path) -> bool:
    """Whether it starts as HDF5 and NetCDF-4 files do."""
    return first_bytes(path, len(HDF5_MAGIC)) == HDF5_MAGIC


@contextmanager
def open_hdf5(path: Path, title: str) -> Iterator[File]:
    """The file, open for reading; errors of HDF5 become :class:`SceneFileError` that names the file."""
    import h5py

    with convert_errors(path, title), h5py.File(path, "r") as file:
        yield file


def matches_hdf5(path: Path, test: Callable[[File], bool]) -> bool:
    """Whether it is an HDF5 file that can be opened and passes a test of its content."""
    if not is_hdf5(path) or not has_valid_heaps(path):
        return False
    try:
        with open_hdf5(path, "an HDF5 file") as file:
            return test(file)
    except SceneFileError:
        return False


def has_objects(path: Path, *names: str) -> bool:
    """Whether it is an HDF5 file that can be opened and has all these groups or datasets."""
    return matches_hdf5(path, lambda file: all(name in file for name in names))


def has_valid_heaps(path: Path) -> bool:
    """Whether the global heaps, which store strings, can be traversed.

    HDF5 loops for ever at a free space of size 0, or one that overflows. Only the first 16 MiB of the file are
    checked, where programs write the description of the data.
    """
    data = first_bytes(path, SCANNED)
    start = data.find(HEAP)
    while start >= 0:
        if not _heap_ends(data, start):
            return False
        start = data.find(HEAP, start + 8)
    return True


def _heap_ends(data: bytes, start: int) -> bool:
    """Whether each object of the heap leads on within it: an index, a count, padding, its bytes, these padded to 8."""
    end = start + int.from_bytes(data[start + 8 : start + 16], "little")
    place = start + 16
    while place + 16 <= min(end, len(data)):
        index, length = struct.unpack_from("<H6xQ", data, place)
        place += 16 + -(-length // 8) * 8 if index else length
        if place > end or index == length == 0:
            return False
    return True


def check_heaps(path: Path) -> None:
    """Raise :class:`SceneFileError` for a file without :func:`has_valid_heaps`."""
    if not has_valid_heaps(path):
        raise SceneFileError(f"{path}: is HDF5 with a damaged list of texts, which cannot be read; copy it again")


def hdf5_scene(
    path: Path, title: str, shape: tuple[int, int, int], dtype: np.dtype[Any], read: Callable[[File, Block], Array],
    **facts: Any,
) -> Scene:  # fmt: skip
    """A scene ``(H, W, B)`` whose file is opened for each block: ``read(file, block)`` gives ``(h, w, B)``."""

    def fetch(block: Block) -> Array:
        with open_hdf5(path, title) as file:
            return read(file, block).astype(dtype, copy=False)

    height, width, bands = shape
    return Scene(path.stem, path, height, width, tuple(range(bands)), dtype, fetch, **facts)


@dataclass(frozen=True)
class Hdf5Product:
    """An open product, with checked reads that raise :class:`SceneFileError`."""

    path: Path
    file: File

    def dataset(self, name: str, axes: int) -> Dataset:
        """A dataset of that many axes and real numbers, stored in this file.

        Raises when it is missing or another kind of object, when its data lie in another file (which a scene must not
        read unnoticed), and when what is stored cannot unpack to the size that it declares.
        """
        import h5py

        data = self.file.get(name)
        if not isinstance(data, h5py.Dataset) or isinstance(self.file.get(name, getlink=True), h5py.ExternalLink):
            raise SceneFileError(f"{self.path}: lacks the dataset '{name}'; download the product again")
        if len(data.shape or ()) != axes or 0 in data.shape or data.dtype.kind not in "iuf":
            raise SceneFileError(
                f"{self.path}: '{name}' is {data.shape} of {data.dtype}, expected {axes} axes of numbers"
            )
        if data.is_virtual or data.external or data.file.filename != self.file.filename:
            raise SceneFileError(f"{self.path}: the data of '{name}' lie in another file; download the product again")
        check_stored_size(self.path, data, ArrayInfo(name, data.shape, data.dtype.name))
        return data

    def numbers(self, values: Any, name: str, count: int) -> tuple[float, ...]:
        """``count`` finite numbers of a dataset or attribute; raises when they are missing or others."""
        if values is None:
            raise SceneFileError(f"{self.path}: lacks '{name}'; download the product again")
        shape = getattr(values, "shape", None)
        if shape and math.prod(shape) > LARGEST_LIST:
            raise SceneFileError(f"{self.path}: '{name}' has {math.prod(shape):,} values, expected {count}")
        array: NDArray[np.float64] = np.asarray(values, np.float64).ravel()
        if array.size != count or not np.all(np.isfinite(array)):
            raise SceneFileError(f"{self.path}: '{name}' has {array.size} values, expected {count} finite numbers")
        return tuple(array.tolist())

    def attribute(self, name: str, count: int = 1) -> tuple[float, ...]:
        """``count`` finite numbers of an attribute of the file."""
        return self.numbers(self.file.attrs.get(name), name, count)

    def lists(self, group: str, names: Mapping[str, str], count: int) -> dict[str, Any]:
        """Those datasets of a group that exist, each of ``count`` numbers, under the keys of ``names``."""
        return {
            key: self.numbers(self.dataset(f"{group}/{name}", 1), name, count)
            for key, name in names.items()
            if f"{group}/{name}" in self.file
        }


@contextmanager
def open_product(path: Path, title: str) -> Iterator[Hdf5Product]:
    """The file as an :class:`Hdf5Product`; errors of HDF5 become :class:`SceneFileError` that names the file."""
    with open_hdf5(path, title) as file:
        yield Hdf5Product(path, file)


def check_stored_size(path: Path, dataset: Dataset, array: ArrayInfo) -> None:
    """Raise :class:`SceneFileError` when the stored bytes of a dataset cannot unpack to ``array``, or by no filter."""
    import h5py

    check_declared_size(path, array, dataset.id.get_storage_size(), dataset.dtype.itemsize)
    steps = dataset.id.get_create_plist()
    for number in (steps.get_filter(step)[0] for step in range(steps.get_nfilters())):
        if not h5py.h5z.filter_avail(number):
            raise SceneFileError(
                f"{path}: '{array.name[:60]}' is compressed by the HDF5 filter {FILTERS.get(number, number)}, which "
                f"HDF5 lacks here; where it is installed, 'h5repack -f GZIP=4 {path.name} new{path.suffix}' converts it"
            )


def to_text(value: Any) -> str:
    """An attribute or scalar dataset as text; bytes are decoded."""
    value = value[()] if hasattr(value, "shape") and not isinstance(value, np.generic) else value
    value = value.flat[0] if isinstance(value, np.ndarray) and value.size else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def fill_value(dataset: Dataset) -> float | None:
    """NetCDF's ``_FillValue``, or the older ``missing_value``."""
    for key in ("_FillValue", "missing_value"):
        values = np.asarray(dataset.attrs.get(key, []), np.float64).ravel()
        if values.size:
            return float(values[0])
    return None


def read_axes(dataset: Dataset, axes: str, block: Block) -> Array:
    """``(h, w, B)`` of a dataset whose axes have that order, such as ``BHW``; a dot is an axis of length 1."""
    rows, columns = block.slices
    parts = {"H": rows, "W": columns, "B": slice(None), ".": 0}
    return arrange_axes(dataset[tuple(parts[axis] for axis in axes)], axes.replace(".", ""))


def check_arrays(path: Path) -> None:
    """Raise :class:`SceneFileError` where an array of an HDF5 file lies in another file or declares more than is
    stored."""
    import h5py

    def check_array(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or not item.shape:
            return
        if item.is_virtual or item.external:
            raise _external_data(path, name)
        if math.prod(item.shape) * item.dtype.itemsize > LARGEST_UNWRITTEN:
            declared = ArrayInfo(name, item.shape, item.dtype.name)
            check_declared_size(path, declared, item.id.get_storage_size(), item.dtype.itemsize)

    def external_link(name: str, link: object) -> str | None:
        return name if isinstance(link, h5py.ExternalLink) else None

    check_heaps(path)
    with open_hdf5(path, "an HDF5 file") as file:
        linked = file.visititems_links(external_link)
        if linked is not None:
            raise _external_data(path, linked)
        file.visititems(check_array)


def _external_data(path: Path, name: str) -> SceneFileError:
    return SceneFileError(f"{path}: the data of '{name[:80]}' lie in another file: open that one, or copy them into it")
