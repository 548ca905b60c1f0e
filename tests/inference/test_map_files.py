"""The writer of maps: files by layer, counts and areas, for any strips."""

import json

import numpy as np
import pytest
import rasterio

from hsi.core.georeference import pixel_hectares
from hsi.core.labels import default_table
from hsi.core.scene import Block, Georeference, scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import LabelError, UsageError
from hsi.inference.map_files import MapOptions, map_table, map_writer
from hsi.io.geotiff import nodata_value

TABLE, SHAPE = default_table([1, 2, 3]), (30, 20)
PLACE = synthetic_georeference()
IDS = np.random.default_rng(0).choice(np.array([0, *TABLE.ids], np.uint8), SHAPE)
CONFIDENCE = np.random.default_rng(1).random((1, *SHAPE), np.float32)


def write(folder, layers, place=PLACE, rows=7, **options):
    """Write layers to ``folder/NAME.tif``, strip by strip; returns the summary."""
    scene = scene_from_array(np.ones((*SHAPE, 2), np.float32), georeference=place)
    files = {name: folder / f"{name}.tif" for name in layers}
    with map_writer(files, TABLE, scene, **options) as writer:
        for row in range(0, SHAPE[0], rows):
            block = Block(row, 0, min(rows, SHAPE[0] - row), SHAPE[1])
            writer.add(block, {name: values[..., *block.slices] for name, values in layers.items()})
    return writer.summary()


def test_files_counts_and_layers_in_memory(tmp_path):
    summary = write(tmp_path, {"map": IDS, "confidence": CONFIDENCE}, in_memory=True)
    assert {path.name for path in tmp_path.glob("*.tif")} == {"map.tif", "confidence.tif"}
    for name, values in (("map", IDS[None]), ("confidence", CONFIDENCE)):
        with rasterio.open(tmp_path / f"{name}.tif") as raster:
            assert np.array_equal(raster.read(), values)
            assert raster.crs.to_epsg() == 32616 and tuple(raster.transform)[:6] == PLACE.transform
        assert np.array_equal(summary.layers[name], IDS if name == "map" else CONFIDENCE)
    assert summary.pixels == {i: np.sum(i == IDS) for i in TABLE.ids}
    assert (summary.without_data, summary.novel) == (np.sum(IDS == 0), None)
    assert summary.hectares == pytest.approx({i: 0.04 * n for i, n in summary.pixels.items()})  # 20 m pixels
    assert json.dumps(summary.pixels)  # plain numbers


def test_pixels_beyond_the_limit_are_novel_and_nothing_is_in_memory_by_default(tmp_path):
    summary = write(tmp_path, {"map": IDS, "novelty": CONFIDENCE}, limit=0.25)
    assert summary.novel == np.sum(CONFIDENCE > 0.25) and summary.layers == {}


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(LabelError, match="not in the class table"):
        write(tmp_path, {"map": IDS + 9, "confidence": CONFIDENCE})
    assert list(tmp_path.iterdir()) == []


def test_hectares_of_rows_of_different_size(tmp_path):
    place = Georeference("EPSG:4326", (1.0, 0, 10, 0, -1.0, 60))
    rows = pixel_hectares(place, *SHAPE)
    expected = {i: float(((i == IDS).sum(axis=1) * rows).sum()) for i in TABLE.ids}
    assert write(tmp_path, {"map": IDS}, place).hectares == pytest.approx(expected)


@pytest.mark.parametrize("place", [None, Georeference(None, PLACE.transform)])
def test_no_hectares_without_a_place(tmp_path, place):
    assert write(tmp_path, {"map": IDS}, place).hectares is None


@pytest.mark.parametrize("ids", [(1, 2), (0, 1), (3, 254), (0, 254), (7, 300), (0, 255)])
def test_the_id_of_unclassified_is_free(ids):
    table = map_table(default_table(ids), True)
    assert len(table) == 3 and len({*table.ids, nodata_value(table)}) == 4
    assert tuple(sorted(table.ids)) == table.ids


def test_a_class_named_unclassified_cannot_be_rejected():
    table = default_table([1, 2]).renamed({2: "unclassified"})
    assert map_table(table, False) == table
    with pytest.raises(UsageError, match="leave reject out"):
        map_table(table, True)


@pytest.mark.parametrize("reject", [1, -0.5, float("nan")])
def test_reject_is_a_probability(reject):
    with pytest.raises(UsageError, match="between 0 and 1"):
        MapOptions(reject=reject)
