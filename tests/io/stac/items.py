"""STAC Items of a small scene, for the tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.io.file_makers import UTM, small_cube, tiff

CENTRES, WIDTHS = (0.45, 0.55, 0.65, 1.25, 2.2), (0.01,) * 5  # micrometres
BANDS = {
    "1.1.0": ("bands", "eo:center_wavelength", "eo:full_width_half_max"),
    "1.0.0": ("eo:bands", "center_wavelength", "full_width_half_max"),
}


def describe_bands(version: str = "1.1.0", centres: Any = CENTRES, widths: Any = WIDTHS) -> dict[str, Any]:
    """The bands of an asset."""
    key, centre, width = BANDS[version]
    pairs = zip(centres, widths, strict=True)
    return {key: [{"name": f"b{number}", centre: c, width: w} for number, (c, w) in enumerate(pairs)]}


def write_item(path: Path, assets: dict[str, Any], version: str = "1.1.0", **others: Any) -> Path:
    """An Item with these assets."""
    item = {
        "type": "Feature",
        "stac_version": version,
        "id": "scene 1",
        "geometry": None,
        "properties": {"datetime": "2024-06-01T10:00:00Z"},
        "links": [],
        "assets": assets,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(item | others), encoding="utf-8")
    return path


def data_asset(href: str, version: str = "1.1.0", **others: Any) -> dict[str, Any]:
    """An asset of data with the bands of the cube."""
    return {"href": href, "roles": ["data"], **describe_bands(version), **others}


def write_scene(path: Path, cube: Any = None) -> np.ndarray:
    """A GeoTIFF without wavelengths; returns its cube ``(H, W, B)``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cube = small_cube() + 1 if cube is None else cube
    tiff(path, cube, **UTM)
    return cube
