"""Headers of classic NetCDF files, checked before GDAL, which believes them.

Format: Unidata, "NetCDF Classic Format Specification" (CDF-1, CDF-2 and CDF-5): ``numrecs`` and lists of dimensions,
attributes and variables, each a tag, a count and the entries; names and values are padded to 4 bytes. CDF-5 has counts
of 8 bytes. The numbers lie in the file as they are, so no variable can be larger than the file.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

from hsi.errors import SceneFileError
from hsi.io.reader import reading

TITLE = "a NetCDF file"
LARGEST_HEADER = 16 * 2**20
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
MOST_BANDS = 2**16


def check_classic(path: Path) -> None:
    """Raise :class:`SceneFileError` when the header is cut off or declares more than the file can hold."""
    with reading(path, TITLE), path.open("rb") as file:
        header = _Header(file, path)
        for name, shape, size in header.variables():
            if math.prod(shape) * size > path.stat().st_size:
                text = " x ".join(map(str, shape))
                raise SceneFileError(
                    f"{path}: its variable '{name[:60]}' of {text} numbers is larger than the file; the file is "
                    "damaged or truncated: copy it again"
                )
            check_bands(path, name, shape)


def check_bands(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raise :class:`SceneFileError` for an array of rows and columns that come after more bands than GDAL can list."""
    bands = math.prod(shape[:-2])
    if len(shape) > 2 and bands > MOST_BANDS:
        raise SceneFileError(
            f"{path}: its array '{name[:60]}' has {bands:,} bands, more than {MOST_BANDS:,}: the file is damaged, or "
            "its bands do not come first: convert it to ENVI or GeoTIFF"
        )


class _Header:
    """Reads the header from its start; ends with an error where it is cut off or longer than any real one."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path = file, path
        version = self._take(4)[3]
        self.width, self.place_width = (8 if version == 5 else 4), (4 if version == 1 else 8)
        records = self._count()
        self.records = 0 if records == 256**self.width - 1 else records  # all ones: not known

    def variables(self) -> list[tuple[str, tuple[int, ...], int]]:
        """Name, shape and bytes of a number of each variable."""
        lengths = []
        for _ in range(self._entries()):
            self._name()
            lengths.append(self._count() or self.records)
        self._attributes()
        return [self._variable(lengths) for _ in range(self._entries())]

    def _variable(self, lengths: list[int]) -> tuple[str, tuple[int, ...], int]:
        name = self._name()
        axes = [self._count() for _ in range(self._count())]
        self._attributes()
        size = self._type_size()
        self._take(self.width + self.place_width)
        return name, tuple(lengths[axis] for axis in axes), size

    def _attributes(self) -> None:
        for _ in range(self._entries()):
            self._name()
            size = self._type_size()
            self._take_padded(self._count() * size)

    def _entries(self) -> int:
        self._take(4)
        return self._count()

    def _count(self) -> int:
        return int.from_bytes(self._take(self.width), "big")

    def _type_size(self) -> int:
        return TYPE_SIZES[int.from_bytes(self._take(4), "big")]

    def _name(self) -> str:
        return self._take_padded(self._count()).decode("utf-8", "replace")

    def _take_padded(self, count: int) -> bytes:
        found = self._take(count)
        self._take(-count % 4)
        return found

    def _take(self, count: int) -> bytes:
        found = self.file.read(count) if self.file.tell() + count <= LARGEST_HEADER else b""
        if len(found) != count:
            raise SceneFileError(f"{self.path}: its header is cut off or damaged; copy it again")
        return found
