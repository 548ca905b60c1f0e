"""What lies beside a class map so that GDAL and QGIS show its names and colours."""

from __future__ import annotations

from xml.etree import ElementTree

from hsi.core.labels import ClassTable

NO_DATA_NAME = "no data"
# type and usage numbers of GDAL's raster attribute tables
RAT_COLUMNS = (("Value", 0, 5), ("Class_name", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))


def auxiliary_xml(table: ClassTable, nodata: int) -> str:
    """GDAL's "persistent auxiliary metadata": https://gdal.org/en/stable/drivers/raster/gtiff.html"""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    names = dict(zip(table.ids, map(printable, table.names), strict=True))
    categories = ElementTree.SubElement(band, "CategoryNames")
    for i in range(table.ids[-1] + 1):  # GDAL finds a name by its position
        ElementTree.SubElement(categories, "Category").text = names.get(i, NO_DATA_NAME if i == nodata else "")
    attributes = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(RAT_COLUMNS):
        field = ElementTree.SubElement(attributes, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", str(kind)), ("Usage", str(usage))):
            ElementTree.SubElement(field, tag).text = text
    for index, (i, colour) in enumerate(zip(table.ids, table.colours, strict=True)):
        row = ElementTree.SubElement(attributes, "Row", index=str(index))
        for cell in (i, names[i], *colour):
            ElementTree.SubElement(row, "F").text = str(cell)
    return _serialised(root)


def qgis_style(table: ClassTable) -> str:
    """A QGIS 3 layer style: one colour and label per class."""
    root = ElementTree.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    ElementTree.SubElement(renderer, "rasterTransparency")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for i, name, (red, green, blue) in zip(table.ids, table.names, table.colours, strict=True):
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        ElementTree.SubElement(palette, "paletteEntry", value=str(i), label=printable(name), color=colour, alpha="255")
    ElementTree.SubElement(root, "blendMode").text = "0"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + _serialised(root)


def printable(name: str) -> str:
    """A name without the control characters that XML has no way to hold."""
    return "".join(letter if letter.isprintable() else " " for letter in name)


def _serialised(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
