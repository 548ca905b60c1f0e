"""Class names that GDAL keeps beside a raster in ``<file>.aux.xml``: category names or an attribute table."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

LARGEST = 2**20
NAME_USAGE, VALUE_USAGE = ("2",), ("0", "5")


def category_names(path: Path) -> dict[int, str]:
    """Names by class id of a raster's first band; empty where there is no side file or it cannot be trusted.

    The side file is a courtesy of GDAL's: one that is large, damaged or declares entities is passed over.
    """
    side = path.with_name(path.name + ".aux.xml")
    if not side.is_file() or side.stat().st_size > LARGEST:
        return {}
    try:
        text = side.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return {}
        band = ElementTree.fromstring(text).find("PAMRasterBand[@band='1']")
    except (OSError, ValueError, ElementTree.ParseError):
        return {}
    if band is None:
        return {}
    listed = [(entry.text or "").strip() for entry in band.findall("CategoryNames/Category")]
    return {i: name for i, name in enumerate(listed) if name} or _attribute_table(band)


def _attribute_table(band: ElementTree.Element) -> dict[int, str]:
    """Names from a raster attribute table; its columns are told by their usage (0 and 5: value, 2: name)."""
    usages = [(field.findtext("Usage") or "").strip() for field in band.findall("GDALRasterAttributeTable/FieldDefn")]
    names = [column for column, usage in enumerate(usages) if usage in NAME_USAGE]
    values = [column for column, usage in enumerate(usages) if usage in VALUE_USAGE]
    found: dict[int, str] = {}
    for row in band.findall("GDALRasterAttributeTable/Row"):
        cells = [(cell.text or "").strip() for cell in row.findall("F")]
        if names and values and len(cells) == len(usages) and cells[values[-1]].isdecimal():
            found[int(cells[values[-1]][:9])] = cells[names[0]]
    return found
