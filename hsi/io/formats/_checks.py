"""Checks of files before a library that could crash on them reads them: MAT 5 elements, XML entities; byte order."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hsi.errors import SceneFileError
from hsi.io.reader import COPY, ArrayInfo, check_file, convert_errors

MAT_TITLE = "a MATLAB file"
FILE_HEADER, BEGINNING, CHUNK = 128, 2**16, 2**18
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
NAMES = "cell struct object char sparse double single int8 uint8 int16 uint16 int32 uint32 int64 uint64 function opaque"
CLASSES = dict(enumerate(NAMES.split(), 1))
CELL, STRUCT, CHAR, OPAQUE = 1, 2, 4, 17
ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}  # of text by its stored type
NUMERIC_CLASSES = range(6, 16)
LOGICAL, COMPLEX = 0x0200, 0x0800
DEEPEST, MOST_MEMBERS, LONGEST_TEXT = 8, 10_000, 1000
LARGEST_XML = 64 * 2**20


Order = Literal["<", ">"]


@dataclass(frozen=True)
class MatVariable:
    """An array of a MATLAB 5 file, or of a structure or cell in it: ``hsi.Data``, ``hsi(2).Data``, ``cubes{3}``.

    ``is_complete``: it is an array of real numbers, stored in a known type and as many as the axes require.
    """

    array: ArrayInfo
    is_complete: bool
    is_member: bool
    # of an array, the numbers as they are stored: until the next variable is asked for
    read: Callable[[], NDArray[Any]] | None = None
    text: str = ""


def list_variables(path: Path) -> list[MatVariable]:
    """The variables of a MATLAB 5 file whose headers can be parsed, and the arrays in its structures and cells.

    Of arrays only the beginning is read; objects and functions are listed and never read. Raises
    :class:`SceneFileError` for a file that cannot be read or ends within the header of a variable.
    """
    with convert_errors(path, MAT_TITLE):
        status = path.stat()
        return list(_list_unchanged(path, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4)
def _list_unchanged(path: Path, size: int, changed: int) -> tuple[MatVariable, ...]:
    """The variables of a file of that size and time: structures have to be unpacked to be listed."""
    return tuple(replace(variable, read=None) for variable in _variables(path))


def check_variable(path: Path, name: str) -> bool:
    """Whether an array is a member of a structure or cell.

    Raises :class:`SceneFileError` unless one variable has that name and it is a complete array of real numbers.
    """
    found = [variable for variable in list_variables(path) if variable.array.name == name]
    if [variable.is_complete for variable in found] != [True]:
        raise SceneFileError(
            f"{path}: its variable '{name[:60]}' is there twice, or its numbers are not as many or not of a type as "
            "its header says; the file is damaged: copy it again"
        )
    return found[0].is_member


def check_end(path: Path) -> None:
    """Raise :class:`SceneFileError` where the last variable of a MATLAB 5 file reaches beyond the end of the file."""
    with path.open("rb") as file:
        order = "<" if file.read(FILE_HEADER)[126:] == b"IM" else ">"
        size, end = path.stat().st_size, FILE_HEADER
        while len(tag := file.read(8)) == 8 and end < size:
            end = file.tell() + int(struct.unpack(f"{order}II", tag)[1])
            file.seek(min(end, size))
    if end > size:
        raise SceneFileError(f"{path}: is cut off: at least {end - size:,} bytes are missing; {COPY}")


def read_member(path: Path, name: str) -> NDArray[Any]:
    """The array of that name in a structure or cell, which :func:`check_variable` has checked."""
    with convert_errors(path, MAT_TITLE):
        return next(one.read() for one in _variables(path) if one.array.name == name and one.read)


def _variables(path: Path) -> Iterator[MatVariable]:
    with path.open("rb") as file:
        order: Order = "<" if file.read(FILE_HEADER)[126:] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, count = struct.unpack(f"{order}II", tag)
            start = file.tell()
            elements = _Elements(file, order, count) if kind == COMPRESSED else _Elements(file, order, count, tag)
            with suppress(struct.error, ValueError):
                yield from _parse_matrix(elements, "", 0)
            file.seek(start + count)


class _Elements:
    """Reads one element after another of a variable, unpacked a piece at a time where it has no ``tag`` of its own."""

    def __init__(self, file: BinaryIO, order: Order, stored: int, tag: bytes | None = None) -> None:
        self.file, self.order, self.stored = file, order, stored
        self.unpacker = zlib.decompressobj() if tag is None else None
        self.ready, self.used, self.place, self.members = tag or b"", 0, 0, 0

    def read(self, count: int) -> bytes:
        """The next bytes; raises EOFError where there are not as many."""
        pieces = list[bytes]()
        while count > 0:
            if self.used == len(self.ready):
                self.ready, self.used = self._fetch(), 0
            piece = self.ready[self.used : self.used + count]
            self.used, self.place, count = self.used + len(piece), self.place + len(piece), count - len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Go on behind the next bytes."""
        while count > 0:
            count -= len(self.read(min(count, CHUNK)))

    def _fetch(self) -> bytes:
        while True:
            waiting = self.unpacker.unconsumed_tail if self.unpacker else b""
            if not waiting:
                waiting = self.file.read(min(self.stored, CHUNK))
                self.stored -= len(waiting)
            if not waiting:
                raise EOFError("what describes a variable is cut off")
            ready = self.unpacker.decompress(waiting, CHUNK) if self.unpacker else waiting
            if ready:
                return ready

    def read_tag(self) -> tuple[int, int, bytes | None]:
        """Type, byte count and, if it is a small one, content of the next element."""
        word = self.read(8)
        kind, count = struct.unpack(f"{self.order}II", word)
        small = kind >> 16
        return (kind & 0xFFFF, small, word[4 : 4 + small]) if small else (kind, count, None)

    def read_content(self, most: int = BEGINNING) -> bytes:
        """The content of the next element."""
        _, count, content = self.read_tag()
        if count > most:
            raise EOFError("what describes a variable is cut off")
        if content is None:
            content = self.read(count)
            self.skip(-count % 8)
        return content


def _parse_matrix(elements: _Elements, name: str, depth: int) -> Iterator[MatVariable]:
    """The variable that comes next, which is called ``name`` if it is a member, and its members."""
    kind, count, _ = elements.read_tag()
    end = elements.place + count
    if kind != MATRIX or depth > DEEPEST or elements.members > MOST_MEMBERS:
        raise ValueError("not a variable, or too many")
    elements.members += 1
    if depth and not count:
        return
    yield from _parse_content(elements, name, depth, end)
    if depth:
        elements.skip(end - elements.place)


def _parse_content(elements: _Elements, name: str, depth: int, end: int) -> Iterator[MatVariable]:
    (flags,) = struct.unpack_from(f"{elements.order}I", elements.read_content())
    code = flags & 0xFF
    if code == OPAQUE:  # it has no axes
        own = elements.read_content().decode("latin-1")
        yield MatVariable(ArrayInfo(name or own, (), CLASSES[code]), False, depth > 0)
        return
    axes = elements.read_content()
    shape = struct.unpack(f"{elements.order}{len(axes) // 4}i", axes)
    own = elements.read_content().decode("latin-1")  # members have none
    name = name or own
    if code not in NUMERIC_CLASSES:
        text = _read_text(elements) if code == CHAR and len(shape) == 2 and shape[0] == 1 else ""
        yield MatVariable(ArrayInfo(name, shape, CLASSES.get(code, "unknown")), False, depth > 0, text=text)
        if code in (CELL, STRUCT):
            for member in _member_names(elements, name, shape, code):
                if elements.place >= end:
                    return
                yield from _parse_matrix(elements, member, depth + 1)
        return
    stored, count, content = elements.read_tag()
    kind = "logical" if flags & LOGICAL else "complex" if flags & COMPLEX else CLASSES[code]
    dtype = np.dtype(STORED[stored]).newbyteorder(elements.order) if stored in STORED else None
    expected = math.prod(shape) * dtype.itemsize if dtype else -1
    is_complete = min(shape) >= 0 and expected == count and not flags & COMPLEX

    def read() -> NDArray[Any]:
        numbers = elements.read(count) if content is None else content
        return np.frombuffer(numbers, dtype).reshape(shape, order="F")

    yield MatVariable(ArrayInfo(name, shape, kind), is_complete, depth > 0, read)


def _read_text(elements: _Elements) -> str:
    stored, count, content = elements.read_tag()
    if content is None and count <= LONGEST_TEXT:
        content = elements.read(count)
    encoding = ENCODINGS.get(stored, "latin-1")
    encoding += {"<": "-le", ">": "-be"}[elements.order] if encoding == "utf-16" else ""
    return (content or b"").decode(encoding, "replace").strip("\0 ")


def _member_names(elements: _Elements, name: str, shape: Sequence[int], code: int) -> Iterator[str]:
    """The names of the members of a cell, or of the fields of a structure, in the order in which they are stored."""
    count = math.prod(shape)
    if code == CELL:
        yield from (f"{name}{{{number}}}" for number in range(1, count + 1))
        return
    (length,) = struct.unpack(f"{elements.order}i", elements.read_content())
    texts = elements.read_content()
    if length <= 0:
        return
    fields = [texts[i : i + length].split(b"\0")[0].decode("ascii", "replace") for i in range(0, len(texts), length)]
    for number in range(1, count + 1) if fields else ():
        one = name if count == 1 else f"{name}({number})"
        yield from (f"{one}.{field}" for field in fields)


def parse_xml(path: Path, title: str, largest: int = LARGEST_XML, doctype: str = "") -> ElementTree.Element:
    """The root element of an XML file.

    Raises :class:`SceneFileError` for a file that is missing, above ``largest`` bytes, not XML, or has a DOCTYPE,
    which no product needs and whose entities can exhaust a parser's memory. A DOCTYPE that only names the document
    type ``doctype`` and declares nothing is left out.
    """
    check_file(path)
    size = path.stat().st_size
    if size > largest:
        raise SceneFileError(f"{path}: has {size:,} bytes, more than {title} ever has; it is not one, or damaged")
    with convert_errors(path, title):
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if doctype:
            text = re.sub(rf"^([^\[]{{,1000}}?)<!DOCTYPE\s+{doctype}\b[^\[>]*>", r"\1", text, count=1)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SceneFileError(f"{path}: declares a DOCTYPE, which {title} never does; it is refused")
        return ElementTree.fromstring(text)


def read_number(path: Path, parent: ElementTree.Element, tag: str) -> float:
    """The finite number in the child ``tag``; raises :class:`SceneFileError` when there is none."""
    text = (parent.findtext(tag) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SceneFileError(f"{path}: <{tag}> is '{text[:40]}', expected a number; download the product again")
    return value


def has_swapped_bytes(cube: NDArray[Any]) -> bool:
    """Whether values ``(h, w, B)`` were read in the wrong byte order: few floats have a usual magnitude and almost all
    would when swapped; or integers next to each other are hardly correlated in the middle band, and would be."""
    if cube.dtype.itemsize == 1 or cube.shape[1] < 2 or cube.dtype.kind not in "iuf":
        return False
    swapped = cube.byteswap()
    if cube.dtype.kind == "f":
        shares = [float(np.mean(_are_usual(values))) for values in (cube, swapped)]
        return shares[0] < 0.7 and shares[1] > 0.99
    found = [_neighbours(values[:, :, values.shape[2] // 2].astype(np.float64)) for values in (cube, swapped)]
    return found[1] > 0.5 and found[1] - found[0] > 0.3


def _are_usual(values: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((values == 0) | ((np.abs(values) > 1e-9) & (np.abs(values) < 1e12)))


def _neighbours(band: NDArray[np.float64]) -> float:
    """The correlation of each pixel ``(h, w)`` with the next one in its row; 1 in a constant band."""
    left, right = band[:, :-1].ravel(), band[:, 1:].ravel()
    return 1.0 if not left.std() or not right.std() else float(np.corrcoef(left, right)[0, 1])
