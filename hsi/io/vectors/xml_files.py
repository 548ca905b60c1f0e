"""Safe reading of XML: no document type, so no entities, and no deep nesting."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from hsi.errors import SceneFileError

LARGEST_XML = 1 << 28  # bytes
DEEPEST = 100


def check_xml(path: Path, file: Path) -> None:
    """Raise :class:`SceneFileError`, which names ``path``, unless ``file`` is well-formed XML without a document type.

    Entities, which can unpack to gigabytes or name other files, need a document type; KML and ENVI's regions of
    interest have none.
    """
    if file.stat().st_size > LARGEST_XML:
        raise SceneFileError(f"{path}: more than {LARGEST_XML:,} bytes of XML: save the features as GeoPackage")
    depth = 0

    def refuse(*_: object) -> NoReturn:
        raise SceneFileError(f"{path}: has a document type (DOCTYPE), which vector files do not need: remove it")

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise SceneFileError(f"{path}: its XML is nested more than {DEEPEST} levels deep; it is damaged")

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    with file.open("rb") as source:
        parser.ParseFile(source)


def read_xml(path: Path, file: Path) -> ElementTree.Element:
    """The root element of a checked file, see :func:`check_xml`."""
    check_xml(path, file)
    return ElementTree.parse(file).getroot()
