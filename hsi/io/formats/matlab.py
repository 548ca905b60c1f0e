"""MATLAB files: version 5 by SciPy, version 7.3 by h5py."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.axes import last_name
from hsi.io.formats._checks import MAT_TITLE, check_end, check_variable, list_variables, read_member
from hsi.io.formats._hdf5 import (
    HDF5_MAGIC,
    Dataset,
    check_heaps,
    check_stored_size,
    hdf5_scene,
    open_hdf5,
    read_axes,
)
from hsi.io.reader import (
    Array,
    ArrayInfo,
    ArrayReader,
    ArraysReader,
    LabelContent,
    array_kind,
    check_declared_size,
    convert_errors,
    describe_content,
    first_bytes,
    register_reader,
    to_plane,
    wrong_format,
)

HDF5_TITLE = "a MATLAB v7.3 (HDF5) file"
USER_BLOCK = 512
CLASS_NAMES = re.compile(r"(?:class|label|category)?_?(?:names?|classes|labels|legend)\{\d+\}")


@register_reader("matlab")
class MatlabReader(ArrayReader):
    """Variables, members of structures and cells among them, are listed from their headers; only the requested one is
    read, and never an object."""

    title, form = "MATLAB", "MATLAB v4 to v7"
    suffixes = (".mat",)

    def recognises(self, path: Path) -> bool:
        """Whether its 128-byte header ends as that of versions 5 to 7 does."""
        return first_bytes(path, 128)[124:] in (b"\x00\x01IM", b"\x01\x00MI")

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The variables, cells and structures included."""
        from scipy.io import whosmat

        if self.recognises(path):
            return tuple(variable.array for variable in list_variables(path))
        self._check_version_4(path)
        with convert_errors(path, MAT_TITLE):
            return tuple(
                ArrayInfo(name, tuple(int(n) for n in shape), kind)
                for name, shape, kind in whosmat(str(path), appendmat=False)
            )

    def _check_version_4(self, path: Path) -> None:
        start = first_bytes(path, 128)
        if start.startswith(b"MATLAB"):
            raise SceneFileError(
                f"{path}: its MATLAB header is damaged or cut off after {len(start)} bytes, expected 128 that end in "
                "a version and byte order: compare its size with the original and copy it again"
            )
        # version 4 has no signature: its first number is the type, of which at least one byte is zero
        if len(start) < 20 or 0 not in start[:4] or describe_content(path):
            raise wrong_format(path, MAT_TITLE, "a MATLAB v4 to v7.3 header")

    def load(self, path: Path, array: ArrayInfo) -> Array:
        """The variable of that name."""
        from scipy.io import loadmat

        # an element takes at least one byte before compression: MATLAB stores doubles without fraction as integers
        check_declared_size(path, array, path.stat().st_size, itemsize=1)
        if self.recognises(path) and check_variable(path, array.name):
            return read_member(path, array.name)
        with convert_errors(path, MAT_TITLE):
            try:
                values: Array = loadmat(str(path), appendmat=False, variable_names=[array.name])[array.name]
            except Exception:
                if self.recognises(path):
                    check_end(path)
                raise
        if values.shape != array.shape:
            raise SceneFileError(
                f"{path}: {array} came out with shape {values.shape}; the file is damaged: copy it again"
            )
        return values

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The variable as labels, with the class names that a cell of texts in the same structure has."""
        content = super().read_labels(path, array)
        if not self.recognises(path) or content.values.dtype.kind not in "iuf":
            return content
        group = array.name.removesuffix(last_name(array.name, lower=False))
        listed = [one for one in list_variables(path) if one.array.kind == "char" and one.array.name.startswith(group)]
        names = [one.text for one in listed if CLASS_NAMES.fullmatch(one.array.name.removeprefix(group).lower())]
        first = 1 + int(np.nanmax(content.values, initial=0)) - len(names)  # some lists begin with the background
        return replace(content, names=dict(enumerate(names, first))) if names and first in (0, 1) else content


@register_reader("matlab-hdf5")
class MatlabHdf5Reader(ArraysReader):
    """MATLAB writes axes in reverse, so a dataset (B, W, H) is the cube (H, W, B)."""

    title = "MATLAB v7.3"
    suffixes = (".mat",)
    usual_axes = "HWB"

    def recognises(self, path: Path) -> bool:
        """Whether HDF5's signature follows MATLAB's user block or starts a ``.mat``, or the header says 7.3."""
        start = first_bytes(path, USER_BLOCK + len(HDF5_MAGIC))
        bare = self.has_suffix(path) and start.startswith(HDF5_MAGIC)
        return bare or start[USER_BLOCK:] == HDF5_MAGIC or start.startswith(b"MATLAB 7.3 MAT-file")

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The datasets of this file, also those in structures (``name/field``), without MATLAB's own ``#refs#``."""
        import h5py

        arrays: list[ArrayInfo] = []

        def add_array(name: str, item: object) -> None:
            if not isinstance(item, h5py.Dataset) or name.startswith("#"):
                return
            # a dataset can point into other files, which a scene must not read unnoticed
            if item.shape is not None and not item.is_virtual and not item.external:
                arrays.append(ArrayInfo(name, tuple(reversed(item.shape)), _dataset_kind(item)))

        check_heaps(path)
        with open_hdf5(path, HDF5_TITLE) as file:
            file.visititems(add_array)
        return tuple(arrays)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named dataset as a scene that opens the file for each window."""
        axes = array.axes or self.usual_axes
        with open_hdf5(path, HDF5_TITLE) as file:
            check_stored_size(path, file[array.name], array)
            dtype = file[array.name].dtype.newbyteorder("=")
        height, width, bands = (array.shape[axes.index(axis)] for axis in "HWB")
        facts = {"variable": array.name, "format": "MATLAB v7.3 (HDF5)"}
        return hdf5_scene(
            path, HDF5_TITLE, (height, width, bands), dtype,
            lambda file, block: read_axes(file[array.name], axes[::-1], block), **facts,
        )  # fmt: skip

    def read_vector(self, path: Path, array: ArrayInfo) -> tuple[Array, str | None]:
        """The numbers; these files have no units."""
        with open_hdf5(path, HDF5_TITLE) as file:
            check_stored_size(path, file[array.name], array)
            return np.ravel(file[array.name][()]), None

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named dataset as labels."""
        with open_hdf5(path, HDF5_TITLE) as file:
            check_stored_size(path, file[array.name], array)
            return LabelContent(to_plane(np.asarray(file[array.name]).T, array.is_turned))


def _dataset_kind(dataset: Dataset) -> str:
    matlab_class = dataset.attrs.get("MATLAB_class", b"")
    name = matlab_class.decode("ascii", "replace") if isinstance(matlab_class, bytes) else str(matlab_class)
    if "MATLAB_empty" in dataset.attrs:
        return "empty"
    if name in ("char", "logical", "cell", "function_handle"):
        return name
    if set(dataset.dtype.names or ()) == {"real", "imag"}:
        return "complex"
    return array_kind(dataset.dtype)
