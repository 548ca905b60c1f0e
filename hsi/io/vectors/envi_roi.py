"""ENVI's regions of interest: XML files of ENVI 5, and the pixels that ENVI classic exports as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from hsi.core.colours import Colour
from hsi.errors import LabelError, SceneFileError
from hsi.io.vectors.features import Features
from hsi.io.vectors.xml_files import read_xml

TEXT_START = b"; ENVI Output of ROIs"
XML_START = b"<RegionsOfInterest"
SHAPES = ("Polygon", "Point", "MultiPoint", "LineString")


def read_roi_xml(path: Path) -> Features:
    """Polygons and points of the regions in an XML file, each a feature with the name of its region.

    Coordinates are in the CRS that the regions name, or pixels where it is "none". Raises :class:`LabelError` for
    regions in several CRS, and for those by pixels or thresholds, which have no shape.
    """
    names: list[str] = []
    shapes: list[Any] = []
    colours: dict[str, Colour] = {}
    systems: dict[str, None] = {}
    without = []
    for region in read_xml(path, path).iter("Region"):
        name = (region.get("name") or "").strip()
        found = list(_region_shapes(path, region))
        if not found:
            without.append(name)
            continue
        systems |= {(node.text or "").strip(): None for node in region.iter("CoordSysStr")}
        colours.setdefault(name, _parse_colour(region.get("color") or ""))
        names += [name] * len(found)
        shapes += found
    if without and not shapes:
        raise LabelError(
            f"{path}: its regions have no polygons or points ({', '.join(without[:5])[:200]}): save them in ENVI as "
            "polygons, or as a classification image"
        )
    if len(systems) > 1:
        raise LabelError(f"{path}: its regions are in {len(systems)} coordinate systems: save them in one")
    crs = next(iter(systems), "")
    note = (f"regions without polygons or points are left out: {', '.join(without[:5])[:200]}",) if without else ()
    in_pixels = crs.lower() in ("", "none")
    return Features({"name": list(names)}, shapes, None if in_pixels else crs, colours, note, in_pixels)


def _region_shapes(path: Path, region: Element) -> Iterator[Any]:
    import shapely

    for shape in (node for kind in SHAPES for node in region.iter(kind)):
        if shape.tag == "Polygon":
            rings = [[_parse_coordinates(path, ring) for ring in shape.iterfind(f"{side}//Coordinates")]
                     for side in ("Exterior", "Interior")]  # fmt: skip
            for outer in rings[0]:
                yield shapely.Polygon(outer, rings[1])
            continue
        for node in shape.iter("Coordinates"):
            places = _parse_coordinates(path, node)
            yield from [shapely.LineString(places)] if shape.tag == "LineString" else map(shapely.Point, places)


def _parse_coordinates(path: Path, node: Element) -> Any:
    values = np.array((node.text or "").replace(",", " ").split(), np.float64)
    if values.size % 2:
        raise SceneFileError(f"{path}: a list of coordinates has {values.size} numbers, expected pairs of x and y")
    return values.reshape(-1, 2)


def _parse_colour(text: str) -> Colour:
    numbers = [min(int(number), 255) for number in re.findall(r"\d{1,4}", text)[:3]]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else (128, 128, 128)


def read_roi_text(path: Path, shape: tuple[int, int]) -> Features:
    """The pixels of each region in a text file, each pixel a point in pixel coordinates with its region's name.

    ``shape`` is that of the scene, which a file that names another is refused for. Raises :class:`LabelError` for a
    file without the columns X and Y, and :class:`SceneFileError` where the pixels are not as many as declared.
    """
    text = path.read_bytes().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line[1:].strip() for line in lines if line.startswith(";")]
    heads = dict(line.split(":", 1) for line in comments if ":" in line and not line.startswith("ROI "))
    size = [int(number) for number in re.findall(r"\d{1,9}", heads.get("File Dimension", ""))]
    if len(size) == 2 and (size[1], size[0]) != shape:
        raise LabelError(
            f"{path}: was made on an image of {size[1]} x {size[0]} pixels, the scene has {shape[0]} x {shape[1]}: "
            "name the regions of this scene"
        )
    regions, colours = _read_heads(path, comments)
    titles = [re.sub(r"map\s+", "map", line.lower()).split() for line in comments]
    columns = next((title for title in titles if {"x", "y"} <= set(title)), None)
    if columns is None:
        raise LabelError(f"{path}: has no columns X and Y: export the regions with the location of their pixels")
    rows = [line.split() for line in lines if not line.startswith(";")]
    declared = sum(count for _, count in regions)
    if len(rows) != declared or any(len(row) < len(columns) for row in rows):
        raise SceneFileError(
            f"{path}: declares {declared:,} pixels of {len(columns)} columns, found {len(rows):,} rows"
        )
    places = np.array([[row[columns.index(axis)] for axis in ("x", "y")] for row in rows], np.float64).reshape(-1, 2)
    outside = (places < 1) | (places > (shape[1], shape[0]))
    if outside.any():
        x, y = places[outside.any(axis=1)][0]
        raise LabelError(
            f"{path}: pixel {x:g}, {y:g} (from 1) is not in the scene of {shape[0]} x {shape[1]} pixels: name the "
            "regions of this scene"
        )
    import shapely

    names = [name for name, count in regions for _ in range(count)]
    return Features({"name": list(names)}, list(shapely.points(places - 0.5)), None, colours, (), True)


def _read_heads(path: Path, comments: list[str]) -> tuple[list[tuple[str, int]], dict[str, Colour]]:
    """Name and number of pixels of each region in the order of the file, and the colours by name."""
    regions: list[tuple[str, int]] = []
    colours: dict[str, Colour] = {}
    name = ""
    for line in comments:
        key, _, value = line.partition(":")
        if key == "ROI name":
            name = value.strip()
        elif key == "ROI rgb value":
            colours.setdefault(name, _parse_colour(value))
        elif key == "ROI npts":
            regions.append((name, int(value)))
    if not regions:
        raise SceneFileError(f"{path}: names no region ('; ROI name:' and '; ROI npts:')")
    return regions, colours
