"""MATLAB ``.mat`` files of version 7.3, which are HDF5 and are read by window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.scene import Block, Scene
from hsi.io.formats._hdf5 import HDF5_MAGIC, check_sound
from hsi.io.reader import (
    READERS,
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    check_declared_size,
    first_bytes,
    kind_of,
    plane,
    reading,
)

if TYPE_CHECKING:
    import h5py

TITLE = "a MATLAB v7.3 (HDF5) file"
USER_BLOCK = 512


class MatlabHdf5Reader(Reader):
    """MATLAB writes axes in reverse, so a dataset (B, W, H) is the cube (H, W, B)."""

    title = "MATLAB v7.3"
    suffixes = (".mat",)

    def recognises(self, path: Path) -> bool:
        """Whether HDF5's signature is behind MATLAB's user block or starts a ``.mat``, or its header says 7.3."""
        start = first_bytes(path, USER_BLOCK + len(HDF5_MAGIC))
        bare = self.has_suffix(path) and start.startswith(HDF5_MAGIC)
        return bare or start[USER_BLOCK:] == HDF5_MAGIC or start.startswith(b"MATLAB 7.3 MAT-file")

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The datasets, also those in structures (``name/field``), without MATLAB's own ``#refs#``."""
        import h5py

        found: list[ArrayInfo] = []

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("#") and _is_stored_here(item):
                found.append(ArrayInfo(name, tuple(reversed(item.shape)), _kind(item)))

        check_sound(path)
        with reading(path, TITLE), h5py.File(path, "r") as file:
            file.visititems(visit)
        return tuple(found)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named dataset as a scene that opens the file for each window."""
        import h5py

        with reading(path, TITLE), h5py.File(path, "r") as file:
            dataset = file[array.name]
            dtype = dataset.dtype.newbyteorder("=")
            check_declared_size(path, array, dataset.id.get_storage_size(), dtype.itemsize)
        height, width, bands = array.shape

        def fetch(block: Block) -> Array:
            rows, columns = block.slices
            with reading(path, TITLE), h5py.File(path, "r") as file:
                values: Array = file[array.name][:, columns, rows]
            return values.T.astype(dtype, copy=False)

        name, kept = path.stem, tuple(range(bands))
        return Scene(name, path, height, width, kept, dtype, fetch, variable=array.name, format="MATLAB v7.3 (HDF5)")

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named dataset as labels."""
        import h5py

        with reading(path, TITLE), h5py.File(path, "r") as file:
            dataset = file[array.name]
            check_declared_size(path, array, dataset.id.get_storage_size(), dataset.dtype.itemsize)
            return LabelContent(plane(np.asarray(dataset).T))


READERS.register("matlab-hdf5")(MatlabHdf5Reader())


def _is_stored_here(dataset: h5py.Dataset) -> bool:
    """A dataset can point into other files, which a scene must not read by surprise."""
    return dataset.shape is not None and not dataset.is_virtual and not dataset.external


def _kind(dataset: h5py.Dataset) -> str:
    matlab_class: Any = dataset.attrs.get("MATLAB_class", b"")
    name = matlab_class.decode("ascii", "replace") if isinstance(matlab_class, bytes) else str(matlab_class)
    if "MATLAB_empty" in dataset.attrs:
        return "empty"
    if name in ("char", "logical", "cell", "function_handle"):
        return name
    if set(dataset.dtype.names or ()) == {"real", "imag"}:
        return "complex"
    return kind_of(dataset.dtype)
