"""Checks of files before a library that could crash on them reads them: MAT 5 elements, XML entities."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from hsi.errors import SceneFileError
from hsi.io.reader import COPY, ArrayInfo, check_file, convert_errors

MAT_TITLE = "a MATLAB file"
FILE_HEADER, BEGINNING = 128, 2**16
MATRIX, COMPRESSED = 14, 15
ITEM_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # bytes of a number by type
NAMES = "cell struct object char sparse double single int8 uint8 int16 uint16 int32 uint32 int64 uint64 function opaque"
CLASSES = dict(enumerate(NAMES.split(), 1))
NUMERIC_CLASSES = range(6, 16)
OPAQUE = 17
LOGICAL, COMPLEX = 0x0200, 0x0800
LARGEST_XML = 64 * 2**20


def list_variables(path: Path) -> list[tuple[ArrayInfo, bool]]:
    """The variables of a MATLAB 5 file whose headers can be parsed; only the beginning of each is read.

    Each comes with whether it is an array of real numbers, stored in a known type and as many as the axes require.
    Raises :class:`SceneFileError` for a file that cannot be read or ends within the header of a variable.
    """
    with convert_errors(path, MAT_TITLE):
        return list(_variables(path))


def check_variable(path: Path, name: str) -> None:
    """Raise :class:`SceneFileError` unless one variable has that name and it is a complete array of real numbers."""
    if [is_complete for array, is_complete in list_variables(path) if array.name == name] != [True]:
        raise SceneFileError(
            f"{path}: its variable '{name[:60]}' is there twice, or its numbers are not as many or not of a type as "
            "its header says; the file is damaged: copy it again"
        )


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


def _variables(path: Path) -> Iterator[tuple[ArrayInfo, bool]]:
    with path.open("rb") as file:
        order = "<" if file.read(FILE_HEADER)[126:] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, count = struct.unpack(f"{order}II", tag)
            start = file.tell()
            content = file.read(min(count, BEGINNING))
            unpacked = zlib.decompressobj().decompress(content, BEGINNING) if kind == COMPRESSED else tag + content
            with suppress(struct.error, ValueError):
                yield _parse_variable(_Elements(unpacked, order))
            file.seek(start + count)


class _Elements:
    """Reads one element after another of the beginning of a variable."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.place = data, order, 8
        if struct.unpack_from(f"{order}I", data)[0] != MATRIX:
            raise ValueError("not a variable")

    def read_tag(self) -> tuple[int, int]:
        """Type and byte count of the next element; afterwards its content is at ``place``."""
        kind, count = struct.unpack_from(f"{self.order}II", self.data, self.place)
        small = kind >> 16
        self.place += 4 if small else 8
        return (kind & 0xFFFF, small) if small else (kind, count)

    def read_content(self) -> bytes:
        """The content of the next element."""
        start = self.place
        _, count = self.read_tag()
        content = self.data[self.place : self.place + count]
        if len(content) != count:
            raise EOFError("what describes a variable is cut off")
        self.place = start + 8 if self.place == start + 4 else self.place + -(-count // 8) * 8
        return content


def _parse_variable(elements: _Elements) -> tuple[ArrayInfo, bool]:
    (flags,) = struct.unpack_from(f"{elements.order}I", elements.read_content())
    code = flags & 0xFF
    if code == OPAQUE:  # it has no axes
        return ArrayInfo(elements.read_content().decode("latin-1"), (), CLASSES[code]), False
    axes = elements.read_content()
    shape = struct.unpack(f"{elements.order}{len(axes) // 4}i", axes)
    name = elements.read_content().decode("latin-1")
    kind = "logical" if flags & LOGICAL else "complex" if flags & COMPLEX else CLASSES.get(code, "unknown")
    stored, count = elements.read_tag() if code in NUMERIC_CLASSES else (0, 0)
    size = ITEM_SIZES.get(stored, 0)
    is_complete = size > 0 and min(shape) >= 0 and math.prod(shape) * size == count and not flags & COMPLEX
    return ArrayInfo(name, shape, kind), is_complete


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
