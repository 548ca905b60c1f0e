"""MATLAB ``.mat`` files of versions 4 to 7, which hold compressed variables that are read whole."""

from __future__ import annotations

from pathlib import Path

from hsi.core.scene import Scene, scene_from_array
from hsi.errors import SceneFileError
from hsi.io.formats._checks import TITLE, check_numbers, variables_of
from hsi.io.reader import (
    READERS,
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    check_declared_size,
    first_bytes,
    plane,
    reading,
)


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
