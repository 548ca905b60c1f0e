"""Polygons of a map: what they cover, what they say, and what is refused."""

import numpy as np
import pytest

from hsi.core.georeference import epsg_wkt
from hsi.core.labels import ClassTable
from hsi.core.scene import Georeference
from hsi.errors import OutputError, UsageError
from hsi.inference.map_polygons import check_polygon_file, write_polygons

geopandas = pytest.importorskip("geopandas")

TABLE = ClassTable((1, 7), ("water", '<b>"wood"</b>'), ((0, 0, 255), (0, 128, 0)))
PLACE = Georeference(epsg_wkt(32633), (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_600_000.0))
IDS = np.array([[1, 1, 7, 0], [1, 7, 7, 0], [7, 1, 1, 1]], np.uint8)
CONFIDENCE = np.array([[0.5, 0.7, 0.8, np.nan], [0.9, 0.6, 0.7, np.nan], [0.4, 1, 1, 0.7]], np.float32)


@pytest.mark.parametrize("name", ["map.gpkg", "map.geojson"])
def test_areas_of_a_class_with_hectares_and_confidence(name, tmp_path):
    assert write_polygons(tmp_path / name, IDS, TABLE, PLACE, CONFIDENCE) == 4
    frame = geopandas.read_file(tmp_path / name)
    assert frame.crs.to_epsg() == (32633 if name.endswith("gpkg") else 4326)
    rows = frame.sort_values(["class_id", "pixels"])
    assert rows["class"].tolist() == ["water", "water", '<b>"wood"</b>', '<b>"wood"</b>']
    assert rows["colour"].tolist() == ["#0000ff", "#0000ff", "#008000", "#008000"]
    assert rows["pixels"].tolist() == [3, 3, 1, 3]
    assert rows["area_ha"].tolist() == pytest.approx([0.27, 0.27, 0.09, 0.27])
    assert sorted(rows["confidence"][:2]) == pytest.approx([0.7, 0.9])
    assert rows["confidence"].tolist()[2:] == pytest.approx([0.4, 0.7])
    assert rows.to_crs(32633).area.sum() / 10_000 == pytest.approx(0.9, rel=1e-4)


def test_a_map_without_place_is_in_pixels_as_qgis_shows_it(tmp_path, recwarn):
    write_polygons(tmp_path / "map.gpkg", IDS, TABLE, None)
    frame = geopandas.read_file(tmp_path / "map.gpkg")
    assert frame.total_bounds.tolist() == [0, -3, 4, 0]
    assert frame["area_ha"].isna().all() and "confidence" not in frame and not recwarn.list
    with pytest.raises(OutputError, match=r"no CRS: give a \.gpkg"):
        write_polygons(tmp_path / "map.geojson", IDS, TABLE, None)


def test_only_polygons_of_a_map_are_replaced(tmp_path):
    path = tmp_path / "map.gpkg"
    write_polygons(path, IDS, TABLE, PLACE)
    check_polygon_file(path)
    path.write_text("mine")
    with pytest.raises(OutputError, match="something else than polygons of a map"):
        check_polygon_file(path)
    with pytest.raises(UsageError, match=r"\.gpkg"):
        check_polygon_file(tmp_path / "map.shp")
