"""Drawn labels: undo, saving, what other programs do with the file meanwhile."""

import numpy as np
import pytest

from hsi.core.scene import scene_from_array
from hsi.errors import LabelError, OutputError, UsageError
from hsi.labelling import regions
from hsi.labelling.store import LabelStore
from hsi.workflows.inputs import open_labels

pytest.importorskip("geopandas")
SCENE = scene_from_array(np.ones((50, 60, 3), np.float32))


@pytest.fixture
def store(tmp_path):
    drawn = LabelStore(tmp_path / "scene_labels.gpkg", SCENE)
    corn, soy = drawn.add_class("corn"), drawn.add_class("soy")
    drawn.add(corn.id, regions.rectangle((1, 1), (10, 10)), "rectangle")
    drawn.add(soy.id, regions.brush_stroke([(5, 5), (20, 8)], 3, (50, 60)), "brush")
    drawn.add(soy.id, regions.point(30.2, 40.7), "point")
    return drawn


def test_labels_are_read_as_they_were_drawn(store):
    read, drawn = open_labels(store.path, SCENE), store.rasterize()
    assert np.array_equal(read.values, drawn.values) and np.array_equal(read.polygons, drawn.polygons)
    assert read.table == drawn.table == store.table
    assert read.values[40, 30] == 2 and read.values[1, 1] == 1 and read.counts == {1: 61, 2: 61}


def test_file_opens_with_everything(store):
    again = LabelStore(store.path, SCENE)
    assert again.classes == store.classes and again.counts() == store.counts()
    assert [one.kind for one in again.shapes] == ["rectangle", "brush", "point"]
    assert all(one.author and one.time.endswith("Z") for one in again.shapes)


def test_new_shape_is_cut_out_of_other_classes(store):
    assert store.rasterize().values[5, 5] == 2
    store.add(1, regions.rectangle((30, 40), (32, 42)))
    assert store.rasterize().values[40, 30] == 1 and len(store.shapes) == 3, "the point lies under it"
    store.undo()
    assert store.rasterize().values[40, 30] == 2


def test_another_program_changes_the_file(store):
    other = LabelStore(store.path, SCENE, author="other")
    other.add(1, regions.point(50, 2), "point")
    store.add(2, regions.point(55, 2), "point")
    assert [one.author for one in store.shapes][-2:] == ["other", store.author]
    assert store.rasterize().counts == open_labels(store.path, SCENE).counts == {1: 62, 2: 62}


def test_refuses_what_is_no_label(store, tmp_path):
    with pytest.raises(LabelError, match="no pixel's centre"):
        store.add(1, regions.rectangle((0.1, 0.1), (0.2, 0.2)))
    with pytest.raises(LabelError, match="already"):
        store.add_class(" corn")
    with pytest.raises(UsageError, match="GeoPackage"):
        LabelStore(tmp_path / "labels.shp", SCENE)
    fresh = LabelStore(tmp_path / "new.gpkg", SCENE)
    (tmp_path / "new.gpkg").write_text("mine")
    with pytest.raises(OutputError, match="appeared"):
        fresh.add_class("corn")
    assert (tmp_path / "new.gpkg").read_text() == "mine"
