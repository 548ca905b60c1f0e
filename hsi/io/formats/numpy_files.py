"""NumPy ``.npy`` (memory-mapped) and ``.npz`` files; nothing in them is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from hsi.errors import SceneFileError
from hsi.io.reader import (
    LARGEST_RATIO,
    Array,
    ArrayInfo,
    ArrayReader,
    Reader,
    array_kind,
    check_declared_size,
    convert_errors,
    first_bytes,
    register_reader,
    wrong_format,
)


@register_reader("npy")
class NpyReader(ArrayReader):
    """One array, memory-mapped so that only the requested windows are read."""

    title, form = "NumPy", "NumPy .npy"
    suffixes = (".npy",)

    def recognises(self, path: Path) -> bool:
        """Whether it starts as ``.npy`` files do."""
        return first_bytes(path).startswith(npy.MAGIC_PREFIX)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one array; raises :class:`SceneFileError` when the file is not as long as its header says."""
        _check_magic(self, path, "\\x93NUMPY")
        with convert_errors(path, "a NumPy file"), path.open("rb") as file:
            shape, dtype = _read_header(file)
            stored = path.stat().st_size - file.tell()
            if dtype.hasobject:
                raise SceneFileError(
                    f"{path}: holds Python objects (dtype {dtype}), which are refused because reading them can run any "
                    "code; save the cube as a plain array of numbers"
                )
            declared = math.prod(shape) * dtype.itemsize
            if declared > stored:
                raise SceneFileError(
                    f"{path}: is truncated: {shape} of {dtype} needs {declared:,} bytes after the header, "
                    f"found {stored:,} ({declared - stored:,} fewer); copy or save it again"
                )
        return (ArrayInfo("", shape, array_kind(dtype)),)

    def load(self, path: Path, array: ArrayInfo) -> Array:
        """The array, memory-mapped."""
        with convert_errors(path, "a NumPy file"):
            values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
            return values


@register_reader("npz")
class NpzReader(ArrayReader):
    """Named arrays in a zip archive: the requested one is unpacked completely."""

    title, form = "NumPy archive", "NumPy .npz"
    suffixes = (".npz",)

    def recognises(self, path: Path) -> bool:
        """Whether it is a zip archive."""
        return first_bytes(path).startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The members that are arrays."""
        _check_magic(self, path, "PK")
        with convert_errors(path, "a NumPy archive"), zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            return tuple(self._describe(path, archive, member) for member in members)

    def _describe(self, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayInfo:
        with archive.open(member) as file:
            shape, dtype = _read_header(file)
        array = ArrayInfo(member.filename.removesuffix(".npy"), shape, array_kind(dtype))
        if not dtype.hasobject:
            # the archive's own sizes can be wrong too, so both are limited to what deflate can do
            stored = min(member.file_size, path.stat().st_size * LARGEST_RATIO)
            check_declared_size(path, array, stored, dtype.itemsize, ratio=1)
        return array

    def load(self, path: Path, array: ArrayInfo) -> Array:
        """The member of that name."""
        with convert_errors(path, "a NumPy archive"), np.load(path, allow_pickle=False) as archive:
            values: Array = archive[array.name]
            return values


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_magic(reader: Reader, path: Path, expected: str) -> None:
    if not reader.recognises(path):
        raise wrong_format(path, f"a {path.suffix} file", f"'{expected}'")
