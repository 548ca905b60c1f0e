"""MATLAB files: version 5 by SciPy, version 7.3 by h5py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.scene import Block, Scene, scene_from_array
from hsi.errors import SceneFileError
from hsi.io.formats._checks import TITLE, check_numbers, variables_of
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


class MatlabReader(Reader):
    """Variables are listed from their headers; only the one that is asked for is unpacked, and never an object."""

    title = "MATLAB"
    suffixes = (".mat",)

    def recognises(self, path: Path) -> bool:
        """Whether its 128-byte header ends as that of versions 5 to 7 does."""
        return self._is_5(path)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The variables, cells and structures included."""
        from scipy.io import whosmat

        self._check_version(path)
        if self._is_5(path):
            return tuple(variable.info for variable in variables_of(path))
        with reading(path, TITLE):
            return tuple(
                ArrayInfo(name, tuple(int(n) for n in shape), kind)
                for name, shape, kind in whosmat(str(path), appendmat=False)
            )

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named variable as a scene in memory."""
        cube = self._load(path, array)
        return scene_from_array(cube, path.stem, path, variable=array.name, format="MATLAB v4 to v7")

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named variable as labels."""
        return LabelContent(plane(self._load(path, array)))

    def _is_5(self, path: Path) -> bool:
        return first_bytes(path, 128)[124:] in (b"\x00\x01IM", b"\x01\x00MI")

    def _check_version(self, path: Path) -> None:
        start = first_bytes(path, 128)
        if self.recognises(path):
            return
        if start.startswith(b"MATLAB"):
            raise SceneFileError(
                f"{path}: its MATLAB header is damaged or cut off after {len(start)} bytes, expected 128 that end in "
                "a version and byte order: compare its size with the original and copy it again"
            )
        # version 4 has no signature: its first number is the type, of which at least one byte is zero
        if len(start) < 20 or 0 not in start[:4] or start.startswith((b"II", b"MM", b"PK")):
            raise SceneFileError(
                f"{path}: is not a MATLAB file: it starts with {start[:8]!r}, expected a MATLAB v4 to v7.3 header; "
                "rename it to its real format, or download it again if it should be one"
            )

    def _load(self, path: Path, array: ArrayInfo) -> Array:
        from scipy.io import loadmat

        # each element takes at least a byte before compression: MATLAB stores whole doubles as small integers
        check_declared_size(path, array, path.stat().st_size, itemsize=1)
        if self._is_5(path):
            check_numbers(path, array.name)
        with reading(path, TITLE):
            values: Array = loadmat(str(path), appendmat=False, variable_names=[array.name])[array.name]
        if values.shape != array.shape:
            raise SceneFileError(
                f"{path}: {array} came out with shape {values.shape}; the file is damaged: copy it again"
            )
        return values


READERS.register("matlab")(MatlabReader())


HDF5_TITLE = "a MATLAB v7.3 (HDF5) file"
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
        with reading(path, HDF5_TITLE), h5py.File(path, "r") as file:
            file.visititems(visit)
        return tuple(found)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named dataset as a scene that opens the file for each window."""
        import h5py

        with reading(path, HDF5_TITLE), h5py.File(path, "r") as file:
            dataset = file[array.name]
            dtype = dataset.dtype.newbyteorder("=")
            check_declared_size(path, array, dataset.id.get_storage_size(), dtype.itemsize)
        height, width, bands = array.shape

        def fetch(block: Block) -> Array:
            rows, columns = block.slices
            with reading(path, HDF5_TITLE), h5py.File(path, "r") as file:
                values: Array = file[array.name][:, columns, rows]
            return values.T.astype(dtype, copy=False)

        name, kept = path.stem, tuple(range(bands))
        return Scene(name, path, height, width, kept, dtype, fetch, variable=array.name, format="MATLAB v7.3 (HDF5)")

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named dataset as labels."""
        import h5py

        with reading(path, HDF5_TITLE), h5py.File(path, "r") as file:
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
