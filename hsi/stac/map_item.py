"""The STAC Item of a class map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsi.core.georeference import pixel_metres
from hsi.core.scene import Scene
from hsi.inference.map_files import UNCLASSIFIED, MapSummary
from hsi.io.geotiff import class_dtype, nodata_value
from hsi.stac.document import (
    BYTES,
    HTML,
    ITEM,
    JSON,
    LEGEND,
    dates,
    item_path,
    legend,
    link_to,
    links_to_scene,
    make_item,
    projection,
    write_item,
)
from hsi.version import __version__

GEOTIFF = "image/tiff; application=geotiff"
TITLES = {
    "map": "Class of each pixel",
    "confidence": "Largest class probability",
    "probabilities": "Probability of each class",
    "novelty": "Distance from the training pixels",
    "record": "How the map was made",
    "report": "Report",
    "model": "The model",
}


def write_map_item(
    path: Path,
    place: Path,
    files: Mapping[str, Path],
    summary: MapSummary,
    scene: Scene,
    *,
    created: str,
    model: Path | None = None,
    cog: bool = False,
) -> None:
    """Write the Item of a map of a scene to ``path``; it will lie at ``place``, with the ``files`` by their names.

    ``files`` are "map" and other layers (:func:`hsi.inference.map_files.layer_files`), "record" and "report" where they
    are there. ``created`` is a time in ISO 8601, ``model`` the file of the model where it is not among the files.
    """
    folder, table, shape = place.parent, summary.table, (scene.height, scene.width)
    nodata, size = nodata_value(table), pixel_metres(scene.georeference) if scene.georeference else None
    rejected = table.names[-1] == UNCLASSIFIED  # which has no probability
    raster = {"raster:sampling": "area", **({"raster:spatial_resolution": size} if size else {})}
    floats = {"data_type": "float32", "nodata": "nan", **raster}
    bands = {
        "map": [{"name": "class", "data_type": class_dtype(table).name, "nodata": nodata, **raster}],
        "confidence": [{"name": "confidence", **floats}],
        "probabilities": [{"name": name, **floats} for name in (table.names[:-1] if rejected else table.names)],
        "novelty": [{"name": "novelty", **floats}],
    }
    media = f"{GEOTIFF}; profile=cloud-optimized" if cog else GEOTIFF
    assets: dict[str, Any] = {}
    for name, file in files.items():
        if name in bands:
            role = "data" if name == "map" else name
            assets[name] = {"href": f"./{file.name}", "type": media, "roles": [role], "bands": bands[name]}
        elif name in TITLES:
            kind = HTML if file.suffix == ".html" else JSON
            assets[name] = {"href": f"./{file.name}", "type": kind, "roles": ["metadata"]}
        else:
            continue
        assets[name]["title"] = TITLES[name]
    assets["map"][LEGEND] = legend(table, summary.pixels, nodata)
    title = f"Land cover of {scene.name}, {len(table)} classes, mapped by hsi {__version__}"
    properties = {"title": title, **dates([scene.item], created, place), **projection(scene.georeference, shape)}
    links = links_to_scene(scene, folder) + (_links_to_model(model, path, folder) if model else [])
    name = re.sub(r"[^\w.+-]+", "_", f"{scene.name}-{files['map'].stem}")
    write_item(path, make_item(name, [(scene.georeference, shape)], properties, assets, links))


def _links_to_model(model: Path, path: Path, folder: Path) -> list[dict[str, Any]]:
    """Links to the Item of a model, where there is one, and to its file; both may be drafts next to ``path``."""
    item = item_path(model)
    known = item.is_file() or (model.parent == folder and path.with_name(item.name).is_file())
    derived = [link_to(item, folder, "derived_from", ITEM, "the model")] if known else []
    return [*derived, link_to(model, folder, "via", BYTES, "the model's file")]
