"""Points in a table: CSV files with a column of classes and two of coordinates."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hsi.errors import LabelError, UsageError
from hsi.io.vectors.features import Features

# names without spaces and punctuation, in lower case: across, then along
GEOGRAPHIC = (
    ("lon", "long", "longitude", "lng", "longdd", "londd", "decimallongitude", "longitud", "laengengrad", "längengrad"),
    ("lat", "latitude", "latdd", "decimallatitude", "latitud", "breitengrad"),
)
PROJECTED = (
    ("x", "easting", "east", "utmx", "xutm", "utmeasting", "utme", "xcoord", "coordx", "pointx", "mapx", "rechtswert"),
    ("y", "northing", "north", "utmy", "yutm", "utmnorthing", "utmn", "ycoord", "coordy", "pointy", "mapy", "hochwert"),
)
PIXELS = (("column", "col", "sample", "columns", "cols"), ("row", "line", "rows"))
WKT = ("wkt", "geometry", "geom", "thegeom", "wktgeom")
LARGEST_TABLE = 1 << 28  # bytes
DEGREES = "EPSG:4326"


class CoordinatesError(LabelError):
    """A table has no columns of coordinates."""


def read_coordinates(path: Path, shape: tuple[int, int], scene_crs: str | None, label_crs: str | None) -> Features:
    """The rows of a table as points, with all columns that are no coordinates as fields.

    Columns are found by their names: longitude and latitude (EPSG:4326), x and y or easting and northing (the CRS of
    the scene), ``label_crs`` in place of both; row and column of the scene's pixels, from 0; or WKT. Of several pairs,
    that of ``label_crs`` is used, else longitude and latitude, and row and column for a scene without CRS. Separators
    are comma, semicolon, tab or bar. Raises :class:`LabelError` for a table without such columns, for rows that are
    longer than the header, and for coordinates that are no numbers.
    """
    if path.stat().st_size > LARGEST_TABLE:
        raise LabelError(f"{path}: a table of more than {LARGEST_TABLE:,} bytes: save the points as GeoPackage")
    header, rows, separator = read_table(path)
    names = [re.sub(r"[\W_]+", "", name.casefold()) for name in header]
    found = {kind: _find_pair(path, header, names, kind) for kind in (GEOGRAPHIC, PROJECTED, PIXELS)}
    wkt = next((i for i, name in enumerate(names) if name in WKT), None)
    used = _choose_pair(found, scene_crs, label_crs)
    everywhere = {i for pair in found.values() if pair for i in pair} | ({wkt} if wkt is not None else set())
    fields = {
        name: infer_numbers([row[i] for row in rows]) for i, name in enumerate(header) if i not in everywhere and name
    }
    if used is None and wkt is None:
        raise CoordinatesError(
            f"{path}: no columns of coordinates: name them x and y (easting and northing), lon and lat, or row and "
            f"column; its first line has {', '.join(name[:40] for name in header[:12])}"
        )
    if used is None:
        assert wkt is not None
        return Features(fields, _parse_wkt(path, [row[wkt] for row in rows]), label_crs or scene_crs)
    pair = found[used]
    assert pair is not None
    across, along = (_numbers(path, header[i], [row[i] for row in rows], separator) for i in pair)
    columns = f"columns {header[pair[0]]} and {header[pair[1]]}"
    if used is PIXELS:
        notes = _check_pixels(path, columns, across, along, shape)
        return Features(fields, _points([x + 0.5 for x in across], [y + 0.5 for y in along]), None, {}, notes, True)
    if used is GEOGRAPHIC and label_crs is None:
        for x, y in zip(across, along, strict=True):
            if abs(x) > 360 or abs(y) > 90:
                raise LabelError(f"{path}: {columns} hold {x:.10g} and {y:.10g}, which are no degrees: give label_crs")
    crs = label_crs or (DEGREES if used is GEOGRAPHIC else scene_crs)
    meant = DEGREES if used is GEOGRAPHIC else "coordinates in the scene's CRS"
    note = () if label_crs else (f"{columns} are taken as {meant} (label_crs names another CRS)",)
    return Features(fields, _points(across, along), crs, {}, note)


def read_table(path: Path) -> tuple[list[str], list[list[str]], str]:
    """The names in the first line, the rows of that many texts, and the separator."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")  # as spreadsheets on Windows write
    text = text.lstrip()
    first = text.partition("\n")[0]
    separator = max(",;\t|", key=first.count)
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))
    header = [name.strip() for name in lines[0]] if lines else []
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise LabelError(f"{path}: two columns are named '{twice[:60]}': rename one")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) > len(header) and any(cell.strip() for cell in line[len(header) :]):
            raise LabelError(
                f"{path}: row {number} has {len(line)} values, its first line {len(header)} names: numbers with a "
                f"decimal comma need another separator than '{separator}'"
            )
        rows.append([cell.strip() for cell in line[: len(header)]] + [""] * (len(header) - len(line)))
    return header, rows, separator


def _find_pair(
    path: Path, header: list[str], names: list[str], kind: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[int, int] | None:
    """The positions of two columns of a kind, None where one is missing."""
    found = [[i for i, name in enumerate(names) if name in known] for known in kind]
    for several in found:
        if len(several) > 1 and all(found):
            listed = " and ".join(header[i][:40] for i in several)
            raise LabelError(f"{path}: columns {listed} could both be one coordinate: leave one out")
    return (found[0][0], found[1][0]) if all(found) else None


def _choose_pair(found: dict[Any, Any], scene_crs: str | None, label_crs: str | None) -> Any:
    order = [GEOGRAPHIC, PROJECTED, PIXELS]
    if label_crs is not None and not _is_geographic(label_crs):
        order = [PROJECTED, GEOGRAPHIC, PIXELS]
    elif scene_crs is None:
        order = [PIXELS, GEOGRAPHIC, PROJECTED]
    return next((kind for kind in order if found[kind]), None)


def _is_geographic(crs: str) -> bool:
    from pyproj import CRS

    return bool(CRS.from_user_input(crs).is_geographic)


def _numbers(path: Path, name: str, texts: list[str], separator: str) -> list[float]:
    """Coordinates, NaN where there is none; with a decimal comma where commas do not separate."""
    numbers = []
    for row, text in enumerate(texts, 2):
        plain = text.replace(",", ".") if separator != "," and "." not in text else text
        try:
            numbers.append(float(plain) if plain else math.nan)
        except ValueError:
            raise LabelError(f"{path}: row {row}: {name} is '{text[:40]}', expected a number") from None
    return numbers


def infer_numbers(texts: Sequence[str | None]) -> list[Any]:
    """The values of a field: integers where all are, else numbers where all are, else the texts; None for blanks."""
    given = [text for text in texts if text]
    codes = any("_" in text for text in given)  # Python takes 1_2 for 12
    for kind in () if codes else (int, float):
        try:
            values = {text: kind(text) for text in given}
        except ValueError:
            continue
        return [values.get(text or "") for text in texts]
    return [text or None for text in texts]


def _points(across: list[float], along: list[float]) -> list[Any]:
    import shapely

    places = zip(across, along, strict=True)
    return [shapely.Point(x, y) if math.isfinite(x) and math.isfinite(y) else None for x, y in places]


def _parse_wkt(path: Path, texts: list[str]) -> list[Any]:
    import shapely

    try:
        return list(shapely.from_wkt([text or None for text in texts]))
    except shapely.errors.GEOSException as error:
        raise LabelError(f"{path}: a geometry is no WKT: {' '.join(str(error).split())[:120]}") from None


def _check_pixels(
    path: Path, columns: str, across: list[float], along: list[float], shape: tuple[int, int]
) -> tuple[str, ...]:
    """Raise :class:`LabelError` for what is no pixel of the scene; a note where it stays open whether rows begin
    at 0."""
    inside = [(x, y) for x, y in zip(across, along, strict=True) if math.isfinite(x) and math.isfinite(y)]
    for x, y in inside:
        if x != int(x) or y != int(y):
            raise LabelError(f"{path}: {columns} hold {x:g} and {y:g}; pixels have integers")
        if not (0 <= x < shape[1] and 0 <= y < shape[0]):
            raise UsageError(
                f"{path}: {columns} hold {x:g} and {y:g}, but the scene has columns 0 to {shape[1] - 1} and rows 0 to "
                f"{shape[0] - 1}: count them from 0, or name the labels of this scene"
            )
    from_zero = any(x == 0 or y == 0 for x, y in inside)
    return () if from_zero else (f"{columns} are taken as counted from 0: the upper left pixel is 0, 0",)
