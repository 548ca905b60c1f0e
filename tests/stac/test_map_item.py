"""STAC Items of maps, as pystac reads and validates them."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from pystac.errors import STACError, STACValidationError
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension

from hsi.core.events import Recorder, report_to
from hsi.core.georeference import epsg_wkt
from hsi.core.labels import ClassTable
from hsi.core.scene import Georeference, ItemSource, scene_from_array
from hsi.inference.map_files import MapSummary
from hsi.stac.map_item import write_map_item
from tests.stac.schemas import validate

TABLE = ClassTable((1, 2, 7), ("water", "Wald & Wiese", "wheat"), ((0, 114, 178), (0, 90, 50), (255, 178, 76)))
PLACE = Georeference(epsg_wkt(32633), (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_800_000.0))
CREATED = "2026-11-29T06:12:03+00:00"


def make_document(tmp_path, place=PLACE, table=TABLE, model=None, **facts):
    scene = scene_from_array(np.ones((40, 30, 3)), "scene", tmp_path / "in" / "scene.tif", georeference=place, **facts)
    summary = MapSummary(table, dict(zip(table.ids, (900, 200, 100), strict=True)), None, 0, None)
    folder = tmp_path / "out"
    names = {"confidence": "map_confidence.tif", "probabilities": "map_probabilities.tif"}
    names = {"map": "map.tif", **names, "record": "map.json", "report": "map_report.html"}
    files = {name: folder / file for name, file in names.items()}
    item = tmp_path / "draft.json"
    write_map_item(item, folder / "map_item.json", files, summary, scene, created=CREATED, model=model)
    return json.loads(item.read_text())


@pytest.fixture
def recorder():
    with report_to(recorder := Recorder()):
        yield recorder


def test_it_is_valid_and_says_what_the_map_is(tmp_path, recorder):
    source = ItemSource(Path("https:/host/s/item.json?sig=secret"), "data", {"datetime": "2024-06-01T12:00:00+02:00"})
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "net_item.json").touch()
    document = make_document(tmp_path, item=source, model=tmp_path / "m" / "net.safetensors")
    item = validate(document)
    assert not recorder.warnings
    assert (item.id, item.datetime.isoformat()) == ("scene-map", "2024-06-01T10:00:00+00:00")
    assert {name: asset.roles for name, asset in item.assets.items()} == {
        "map": ["data"], "confidence": ["confidence"], "probabilities": ["probabilities"],
        "record": ["metadata"], "report": ["metadata"],
    }  # fmt: skip
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.shape) == ("EPSG:32633", [40, 30])
    assert projection.transform == list(PLACE.transform)
    assert item.bbox == pytest.approx([15.0, 52.3395, 15.0132, 52.3503], abs=1e-4)
    classes = ClassificationExtension.ext(item.assets["map"]).classes
    assert [(one.value, one.name, one.title, one.color_hint, one.count, one.nodata) for one in classes] == [
        (0, "no_data", "no data", None, None, True),
        (1, "water", "water", "0072B2", 900, None),
        (2, "Wald_Wiese", "Wald & Wiese", "005A32", 200, None),
        (7, "wheat", "wheat", "FFB24C", 100, None),
    ]
    assert document["assets"]["map"]["bands"][0] == {
        "name": "class", "data_type": "uint8", "nodata": 0, "raster:sampling": "area",
        "raster:spatial_resolution": 30.0,
    }  # fmt: skip
    assert [band["name"] for band in document["assets"]["probabilities"]["bands"]] == list(TABLE.names)
    assert [(link["rel"], link["href"]) for link in document["links"]] == [
        ("derived_from", "https://host/s/item.json"),
        ("derived_from", "../m/net_item.json"),
        ("via", "../m/net.safetensors"),
    ]


def test_unclassified_pixels_have_a_class_and_no_probability(tmp_path):
    assets = make_document(tmp_path, table=TABLE.renamed({7: "unclassified"}))["assets"]
    assert [band["name"] for band in assets["probabilities"]["bands"]] == list(TABLE.names[:2])
    assert len(assets["map"]["classification:classes"]) == 4  # and no data


def test_the_ring_runs_counter_clockwise_and_closes(tmp_path):
    for transform in (PLACE.transform, (30.0, 0.0, 500_000.0, 0.0, 30.0, 5_800_000.0)):
        document = make_document(tmp_path, Georeference(PLACE.crs, transform))
        ring = np.array(document["geometry"]["coordinates"][0])
        assert (ring[0] == ring[-1]).all() and len(ring) == 17
        assert np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]) > 0


@pytest.mark.parametrize("place", [None, Georeference(None, PLACE.transform)])
def test_without_a_place_it_has_no_geometry(place, tmp_path):
    document = make_document(tmp_path, place)
    validate(document)
    assert document["geometry"] is None and "bbox" not in document
    assert document["properties"].get("proj:code") is None


def test_a_crs_without_a_code_is_wkt2(tmp_path):
    local = Georeference("+proj=tmerc +lon_0=15.1 +ellps=GRS80 +units=m", PLACE.transform)
    document = make_document(tmp_path, local)
    validate(document)
    assert document["properties"]["proj:code"] is None
    assert document["properties"]["proj:wkt2"].startswith(("PROJCRS", "BOUNDCRS"))


def test_across_180_degrees_the_footprint_is_left_out(tmp_path, recorder):
    document = make_document(tmp_path, Georeference(epsg_wkt(4326), (0.1, 0, 179.0, 0, -0.1, 10)))
    validate(document)
    assert document["geometry"] is None and "crosses 180 degrees" in recorder.warnings[-1]


def test_without_a_date_a_warning_says_so(tmp_path, recorder):
    document = make_document(tmp_path)
    assert document["properties"]["datetime"] == "2026-11-29T06:12:03Z"
    assert "set its datetime before you publish it" in recorder.warnings[0]
    assert document["links"] == [
        {"rel": "via", "href": "../in/scene.tif", "type": "application/octet-stream", "title": "the scene"}
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"start_datetime": "2024-06-01T00:00:00Z", "end_datetime": "2024-06-02T00:00:00Z"}, None),
        ({"start_datetime": "2024-06-01T00:00:00Z"}, "2026-11-29T06:12:03Z"),
        ({"datetime": "yesterday"}, "2026-11-29T06:12:03Z"),
    ],
)
def test_an_interval_and_what_is_no_date(given, expected, tmp_path):
    document = make_document(tmp_path, item=ItemSource(tmp_path / "item.json", "data", given))
    validate(document)
    assert document["properties"]["datetime"] == expected


def test_names_of_classes_are_unique_and_ids_may_begin_at_0(tmp_path):
    table = ClassTable((0, 1, 2), ("森林", "a b", "a/b"), TABLE.colours)
    classes = validate(make_document(tmp_path, table=table)).assets["map"].extra_fields["classification:classes"]
    found = [(one["value"], one["name"], one["title"]) for one in classes]
    assert found == [(255, "no_data", "no data"), (0, "class_0", "森林"), (1, "class_1", "a b"), (2, "class_2", "a/b")]


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("properties", "proj:code", 32633),
        ("properties", "proj:transform", [1, 2]),
        ("properties", "datetime", None),
        ("map", "classification:classes", [{"value": 1}]),
        ("map", "raster:colour", "red"),
        ("map", "href", None),
    ],
)
def test_the_schemas_refuse_what_is_wrong(place, key, value, tmp_path):
    document = copy.deepcopy(make_document(tmp_path))
    (document["properties"] if place == "properties" else document["assets"][place])[key] = value
    with pytest.raises((STACValidationError, STACError, ValueError, TypeError)):
        validate(document)
