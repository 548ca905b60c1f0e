"""Drawn labels: undo, saving, what other programs do with the file meanwhile."""

import os
import signal

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


def state(store):
    shapes = [(one.id, one.class_id, one.kind, one.author, one.time, one.geometry.wkb) for one in store.shapes]
    return shapes, store.classes, store.rasterize().values.tobytes()


def do_something(store, random):
    """One operation at random, of those that are possible."""
    ids, shapes = [one.id for one in store.classes], [one.id for one in store.shapes]
    row, column = random.integers(0, 45, 2).tolist()
    geometry = regions.rectangle((column, row), (column + random.integers(1, 12), row + random.integers(1, 12)))
    brush = regions.brush_stroke(random.integers(0, 45, (3, 2)), int(random.integers(1, 5)), (50, 60))
    possible = [lambda: store.add_class(f"class {store.revision}")]
    if ids:
        one, other = random.choice(ids), random.choice(ids)
        possible += 4 * [lambda: store.add(one, [geometry, brush, regions.point(column, row)][random.integers(3)])]
        possible += [lambda: store.rename_class(one, f"name {store.revision}"), lambda: store.delete_class(one)]
        possible += [lambda: store.recolour_class(one, (random.integers(256), 2, 3))]
        possible += [lambda: store.merge_classes(one, other)]
    if shapes:
        shape = int(random.choice(shapes))
        possible += [lambda: store.edit(shape, geometry), lambda: store.delete(shape)]
        possible += [lambda: store.reclass(shape, random.choice(ids)), lambda: store.move(shape, 1, -1)]
    possible[random.integers(len(possible))]()


@pytest.mark.parametrize("seed", range(2))
def test_undo_of_any_operations_gives_the_earlier_states(tmp_path, seed):
    store, random = LabelStore(tmp_path / "a.gpkg", SCENE), np.random.default_rng(seed)
    states = [state(store)]
    while len(states) < 16:
        try:
            do_something(store, random)
        except LabelError:  # moved out of the scene, or merged with itself
            continue
        states.append(state(store))
    for earlier in states[-2::-1]:
        store.undo()
        assert state(store) == earlier
    assert store.undo() is None
    for later in states[1:]:
        store.redo()
        assert state(store) == later
    again = LabelStore(store.path, SCENE)
    assert again.classes == store.classes and again.counts() == store.counts()
    assert np.array_equal(again.rasterize().values, store.rasterize().values)


@pytest.mark.parametrize("moment", ["hsi.core.files.os.replace", "hsi.io.vectors.geopackage.shutil.copymode"])
def test_kill_while_saving_leaves_the_labels_before(store, monkeypatch, moment):
    before = state(store)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        store.add(1, regions.point(55, 2), "point")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    again = LabelStore(store.path, SCENE)
    assert state(again)[0] == before[0] and len(list(store.path.parent.iterdir())) > 1
    again.add(1, regions.point(55, 2), "point")
    assert [one.name for one in store.path.parent.iterdir()] == [store.path.name], "what was left is removed"


def test_disk_without_room_loses_nothing(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = state(store)
    monkeypatch.setattr("hsi.core.files.os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        store.add(1, regions.point(55, 2))
    assert state(store) == before == state(store)
