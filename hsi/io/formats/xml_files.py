"""XML that comes with a product, parsed only when it is of a sane size and declares no entities."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from hsi.errors import SceneFileError
from hsi.io.reader import check_file, reading

LARGEST = 64 * 2**20


def parse_xml(path: Path, title: str) -> ElementTree.Element:
    """The root element of an XML file.

    Raises :class:`SceneFileError` for a file that is missing, above 64 MiB, not XML, or has a DOCTYPE, which no
    product needs and which can make a parser blow up.
    """
    check_file(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise SceneFileError(f"{path}: has {size:,} bytes, more than {title} ever has; it is not one, or damaged")
    with reading(path, title):
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SceneFileError(f"{path}: declares a DOCTYPE, which {title} never does; it is refused")
        return ElementTree.fromstring(text)


def number(path: Path, parent: ElementTree.Element, tag: str) -> float:
    """The finite number in the child ``tag``; raises :class:`SceneFileError` when there is none."""
    text = (parent.findtext(tag) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SceneFileError(f"{path}: <{tag}> is '{text[:40]}', expected a number; download the product again")
    return value
