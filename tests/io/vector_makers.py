"""Vector files over a scene of 11 x 7 pixels, and the labels that are drawn from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hsi import open_labels
from hsi.core.labels import LabelMap
from hsi.core.scene import Scene
from tests.io.file_makers import NORTH_UP
from tests.io.helpers import utm_scene

geopandas = pytest.importorskip("geopandas")
shapely = pytest.importorskip("shapely")
FORMATS = ["gpkg", "shp", "geojson"]


def ground(row: float, column: float) -> tuple[float, float]:
    """Map coordinates of a place in pixels from the scene's upper left corner."""
    return NORTH_UP.c + 30 * column, NORTH_UP.f - 30 * row


def area(*corners: tuple[float, float]) -> Any:
    """A polygon by its corners (row, column)."""
    return shapely.Polygon([ground(*corner) for corner in corners])


def rectangle(top: float, left: float, bottom: float, right: float) -> Any:
    return area((top, left), (top, right), (bottom, right), (bottom, left))


def point(row: float, column: float) -> Any:
    return shapely.Point(ground(row, column))


def vector(path: Path, shapes: list[Any], *, crs: Any = "EPSG:32633", layer: str | None = None, **fields: Any) -> Path:
    """A file of these features, projected to ``crs``."""
    frame = geopandas.GeoDataFrame(fields, geometry=shapes, crs="EPSG:32633")
    frame = frame.set_crs(None, allow_override=True) if crs is None else frame.to_crs(crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a file without CRS
        frame.to_file(path, engine="pyogrio", **({"layer": layer} if layer else {}))
    return path


def drawn(path: Path, scene: Scene | None = None, **options: Any) -> LabelMap:
    labels = open_labels(path, scene or utm_scene(), **options)
    assert labels.polygons is not None
    assert labels.polygons.dtype == np.int32
    assert labels.polygons.shape == labels.values.shape == (11, 7)
    np.testing.assert_array_equal(labels.polygons > 0, labels.labelled)
    return labels


def noted(labels: LabelMap, *words: str) -> bool:
    return any(all(word in note for word in words) for note in labels.notes)
