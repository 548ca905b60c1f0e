"""What Items of maps and models share: footprint, projection, classes, dates, links and the file.

STAC 1.1 (https://github.com/radiantearth/stac-spec/tree/v1.1.0) with the extensions projection 2.0, raster 2.0,
classification 2.0, eo 2.0, file 2.1 and mlm 1.4.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import hex_colour
from hsi.core.events import warning
from hsi.core.georeference import longitude_latitude, parse_crs
from hsi.core.labels import ClassTable, printable_name
from hsi.core.scene import Georeference, ItemSource, Scene
from hsi.io.formats.gdal import is_remote, remote_name

VERSION = "1.1.0"
EXTENSIONS = {
    "proj": "projection/v2.0.0",
    "raster": "raster/v2.0.0",
    "classification": "classification/v2.0.0",
    "eo": "eo/v2.0.0",
    "file": "file/v2.1.0",
    "mlm": "mlm/v1.4.0",
}
JSON, ITEM, HTML, BYTES = "application/json", "application/geo+json", "text/html", "application/octet-stream"
EDGE_POINTS = 4  # of the footprint on each side, as straight lines of a projection are curves in degrees
Grid = tuple[Georeference | None, tuple[int, int]]
DIGITS = 7  # of a degree, a centimetre
LEGEND = "classification:classes"


def item_path(path: Path) -> Path:
    """``map.tif`` makes ``map_item.json``."""
    return path.with_name(f"{path.stem}_item.json")


def make_item(
    name: str,
    grids: Sequence[Grid],
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    links: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """An Item with the footprint of ``grids``, each a place and a shape (H, W), and the extensions of its fields."""
    item = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": name,
        **_footprint(grids),
        "properties": {**properties},
        "links": [*links],
        "assets": {**assets},
    }
    prefixes = set(re.findall(r'"(\w+):\w+":', json.dumps([item["properties"], item["assets"]])))
    item["stac_extensions"] = [
        f"https://stac-extensions.github.io/{version}/schema.json"
        for prefix, version in EXTENSIONS.items()
        if prefix in prefixes
    ]
    return item


def write_item(path: Path, item: Mapping[str, Any]) -> None:
    """Write the document of an Item."""
    path.write_text(json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _footprint(grids: Sequence[Grid]) -> dict[str, Any]:
    """``geometry`` and ``bbox`` in longitude and latitude; a null geometry where that of a grid is not known."""
    rings = [ring for grid in grids if (ring := _ring(*grid)) is not None]
    if not rings or len(rings) < len(grids):
        return {"geometry": None}
    points, polygons = np.concatenate(rings), [[ring.tolist()] for ring in rings]
    bounds = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
    if len(polygons) == 1:
        return {"geometry": {"type": "Polygon", "coordinates": polygons[0]}, "bbox": bounds}
    return {"geometry": {"type": "MultiPolygon", "coordinates": polygons}, "bbox": bounds}


def _ring(place: Georeference | None, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """The outline ``(n, 2)`` of a grid in degrees, counter-clockwise; None where it is not known."""
    height, width = shape
    steps = np.arange(EDGE_POINTS) / EDGE_POINTS
    columns = np.concatenate([steps, np.ones(EDGE_POINTS), 1 - steps, np.zeros(EDGE_POINTS + 1)]) * width
    rows = np.concatenate([np.ones(EDGE_POINTS), 1 - steps, np.zeros(EDGE_POINTS), steps, [1.0]]) * height
    degrees = longitude_latitude(place, columns, rows) if place else None
    if degrees is None:
        return None
    x, y = degrees
    x = x if np.abs(x).max() <= 180 else (x + 180) % 360 - 180
    if np.ptp(x) > 180:
        warning("the footprint crosses 180 degrees of longitude and is left out of the STAC Item: add it by hand")
        return None
    area = np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])
    return np.round(np.stack([x, y], axis=1)[:: 1 if area > 0 else -1], DIGITS)


def projection(place: Georeference | None, shape: tuple[int, int]) -> dict[str, Any]:
    """The fields of the projection extension of a grid of that ``shape`` (H, W)."""
    fields: dict[str, Any] = {"proj:shape": list(shape)}
    if place is None:
        return fields
    fields["proj:transform"] = list(place.transform)
    crs = parse_crs(place.crs)
    code = crs.to_authority() if crs else None
    fields["proj:code"] = ":".join(code) if code else None
    if crs and not code:
        fields["proj:wkt2"] = crs.to_wkt(version="WKT2_2019")
    height, width = shape
    corners = np.array([place.map_coordinates(c, r) for c, r in ((0, 0), (width, 0), (0, height), (width, height))])
    fields["proj:bbox"] = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
    return fields


def legend(table: ClassTable, pixels: Mapping[int, int] | None = None, nodata: int | None = None) -> list[Any]:
    """The classes as the classification extension has them, with their ``pixels`` and the value of no data."""
    total, classes = sum((pixels or {}).values()), list[dict[str, Any]]()
    names = [re.sub(r"[^0-9A-Za-z_-]+", "_", name).strip("_") for name in table.names]
    for i, title, name, colour in zip(table.ids, table.names, names, table.colours, strict=True):
        title = printable_name(title)
        fields: dict[str, Any] = {"value": i, "name": name if name and names.count(name) == 1 else f"class_{i}"}
        fields |= {"title": title, "description": title, "color_hint": hex_colour(colour)[1:].upper()}
        if pixels is not None:
            fields |= {"count": pixels[i], "percentage": round(100 * pixels[i] / max(1, total), 4)}
        classes.append(fields)
    void = {"value": nodata, "name": "no_data", "title": "no data", "description": "no data", "nodata": True}
    return classes if nodata is None else [void, *classes]


def dates(sources: Sequence[ItemSource | None], created: str, where: Path) -> dict[str, Any]:
    """``datetime`` or an interval, from the Items that scenes are from, else when the result was ``created``, with a
    warning; and ``created``."""
    now, spans = _in_utc(created), [_span(source.dates) if source else None for source in sources]
    if not spans or None in spans:
        warning(f"{where}: has the time of this command, as the scene has none: set its datetime before you publish it")
        return {"datetime": now, "created": now}
    start, end = min(span[0] for span in spans if span), max(span[1] for span in spans if span)
    if start == end:
        return {"datetime": start, "created": now}
    return {"datetime": None, "start_datetime": start, "end_datetime": end, "created": now}


def _span(given: Mapping[str, str]) -> tuple[str, str] | None:
    """The first and last time of an Item's dates; None where they are not known."""
    known = {name: time for name, text in given.items() if (time := _in_utc(text))}
    middle = known.get("datetime")
    start, end = known.get("start_datetime", middle), known.get("end_datetime", middle)
    return (start, end) if start and end else None


def _in_utc(text: str) -> str | None:
    """A time of RFC 3339 in UTC; None for what is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def link_to(path: Path, folder: Path, relation: str, media: str, title: str, **more: Any) -> dict[str, Any]:
    """A link to a file, relative to the folder of the Item, or to a web address without its signature."""
    if is_remote(path):
        parts = urlsplit(remote_name(path))
        href = parts._replace(query="", fragment="").geturl().removeprefix("/vsicurl/")
    else:
        relative = os.path.relpath(path.absolute(), folder.absolute()).replace(os.sep, "/")
        href = quote(relative if relative.startswith("..") else f"./{relative}")
    return {"rel": relation, "href": href, "type": media, "title": title, **more}


def links_to_scene(scene: Scene, folder: Path) -> list[dict[str, Any]]:
    """Links to the Item of a scene, or to its files."""
    if scene.item and not scene.tiles:
        return [link_to(scene.item.path, folder, "derived_from", ITEM, "the scene")]
    files = scene.tiles or ((scene.source,) if scene.source else ())
    return [link_to(path, folder, "via", BYTES, "the scene") for path in files]
