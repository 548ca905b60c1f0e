"""Drawn labels: undo, saving, what other programs do with the file meanwhile."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from subprocess import PIPE

import numpy as np
import pyogrio
import pytest
import shapely

from hsi.core.scene import Block, Georeference, crop_scene, scene_from_array
from hsi.errors import LabelError, OutputError, SceneFileError, UsageError
from hsi.labelling import regions
from hsi.labelling.store import LabelStore
from hsi.settings import InputSettings
from hsi.workflows.inputs import open_labels
from tests.io.helpers import utm_scene
from tests.io.vector_makers import point, rectangle, vector

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


def test_places_that_were_suggested_are_stored_with_the_labels(store, tmp_path):
    part = crop_scene(SCENE, Block(10, 20, 30, 30))
    store.note_place(12, 25)
    LabelStore(store.path, part).note_place(0, 1)
    store.add(1, regions.point(40, 40), "point")  # which takes over what was written meanwhile
    again = LabelStore(store.path, SCENE)
    assert again.places == ((12, 25), (10, 21))
    assert LabelStore(store.path, part).places == ((2, 5), (0, 1))
    assert again.counts() == store.counts() and open_labels(store.path, SCENE).counts == {1: 62, 2: 61}
    fresh = LabelStore(tmp_path / "fresh.gpkg", SCENE)
    fresh.note_place(3, 4)
    assert not fresh.path.exists() and fresh.places == ((3, 4),)
    fresh.add_class("corn")
    assert LabelStore(fresh.path, SCENE).places == ((3, 4),)


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
    with pytest.raises(UsageError, match="its folder is not there"):
        LabelStore(tmp_path / "missing" / "labels.gpkg", SCENE)
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


def test_labels_that_another_program_locks_are_not_waited_for_without_end(store, monkeypatch):
    monkeypatch.setattr("hsi.io.vectors.geopackage.BUSY_SECONDS", 0.05)
    before, other = state(store), sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(OutputError, match="cannot be written: database is locked"):
        store.add(1, regions.point(55, 2))
    other.close()
    assert state(store) == before
    store.add(1, regions.point(55, 2), "point")


def rows(path, layer="fields"):
    base = sqlite3.connect(path)
    base.row_factory = sqlite3.Row
    return {row["fid"]: dict(row) for row in base.execute(f"SELECT * FROM {layer}")}


@pytest.fixture
def foreign(tmp_path):
    """Labels of another program in longitude and latitude, with a feature without a class and one outside."""
    shapes = [rectangle(0, 0, 3, 3), rectangle(5, 1, 8, 6), rectangle(9, 0, 10, 1), rectangle(90, 90, 99, 99)]
    cover, weight = ["water", "grass", None, "grass"], [0.5, None, 7.5, 1.25]
    named = {"landcover": cover, "weight": weight, "area_m2": [1.5, 2.5, None, 4.0]}
    path = vector(tmp_path / "training.gpkg", shapes, crs="EPSG:4326", layer="fields", **named)
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE notes (text TEXT)")
        base.execute("INSERT INTO notes VALUES ('mine')")
    return path


def test_foreign_rows_and_fields_stay(foreign):
    before, scene, options = rows(foreign), utm_scene(), InputSettings(label_field="landcover")
    store = LabelStore(foreign, scene, options=options, author="me")
    assert [one.name for one in store.classes] == ["grass", "water"] and len(store.shapes) == 3
    assert store.shapes[0].geometry.bounds == pytest.approx((0, 0, 3, 3), abs=1e-6)
    bare = store.add_class("bare soil", (1, 2, 3))
    added = store.add(bare.id, regions.rectangle((4, 0), (6, 3)), "rectangle")
    after = rows(foreign)
    extra = {"colour": None, "shape": None, "author": None, "time": None}
    assert {number: after[number] for number in before} == {number: row | extra for number, row in before.items()}
    assert after[added.id]["landcover"] == "bare soil" and after[added.id]["author"] == "me"
    assert sqlite3.connect(foreign).execute("SELECT * FROM notes").fetchall() == [("mine",)]
    read = open_labels(foreign, scene, field="landcover")
    assert np.array_equal(read.values, store.rasterize().values) and read.table == store.rasterize().table
    assert open_labels(foreign, scene).table == read.table, "the added fields are no classes"
    assert LabelStore(foreign, scene, options=options).classes == store.classes


def test_foreign_row_returns_with_all_its_values(foreign):
    before = rows(foreign)
    store = LabelStore(foreign, utm_scene(), options=InputSettings(label_field="landcover"))
    store.rename_class(1, "meadow")
    assert [row["landcover"] for row in rows(foreign).values()] == ["water", "meadow", None, "meadow"]
    store.delete([1, 2])
    store.undo()
    store.undo()
    for number, row in rows(foreign).items():
        assert {name: row[name] for name in ("landcover", "weight", "area_m2")} == {
            name: before[number][name] for name in ("landcover", "weight", "area_m2")
        }
    assert open_labels(foreign, utm_scene(), field="landcover").counts == {1: 15, 2: 9}


@pytest.mark.parametrize("first", ["draw", "move"])
def test_undo_returns_what_another_program_wrote_into_a_row(tmp_path, first):
    store = LabelStore(tmp_path / "labels.gpkg", SCENE)
    corn = store.add_class("corn")
    shape = store.add(corn.id, regions.rectangle((1, 1), (10, 10)))
    if first == "move":
        store.move(shape.id, 5, 5)
    with sqlite3.connect(store.path) as base:
        base.execute("ALTER TABLE labels ADD COLUMN visited TEXT")
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):  # of triggers that do not run
            base.create_function(name, 1, lambda _: 0)
        base.execute("UPDATE labels SET visited = '12 June'")
    store.undo()
    if first == "draw":
        store.redo()
    else:
        store.delete(shape.id)
        store.undo()
    assert rows(store.path, "labels")[shape.id]["visited"] == "12 June"


@pytest.mark.parametrize("geometry", [regions.rectangle((5, 5), (40, 20)), shapely.multipoints([(22, 12), (50, 40)])])
def test_a_shape_over_all_that_a_window_shows_of_another_leaves_the_rest_of_it(tmp_path, geometry):
    store = LabelStore(tmp_path / "labels.gpkg", SCENE)
    corn, soy = store.add_class("corn"), store.add_class("soy")
    shape = store.add(corn.id, geometry)
    part = LabelStore(store.path, crop_scene(SCENE, Block(10, 20, 10, 10)))
    part.add(soy.id, regions.rectangle((0, 0), (10, 10)))
    read = LabelStore(store.path, SCENE)
    last = shapely.get_coordinates(geometry).max(axis=0) - 1e-3
    assert read.find(*last).id == shape.id and read.find(25, 15).class_id == soy.id
    assert read.rasterize().values[10:20, 20:30].tolist() == [[soy.id] * 10] * 10


def test_no_class_gets_the_id_of_the_background(tmp_path):
    options = InputSettings(background=2)
    store = LabelStore(tmp_path / "labels.gpkg", SCENE, options=options)
    for place, name in enumerate(("corn", "soy")):
        store.add(store.add_class(name).id, regions.rectangle((10 * place, 0), (10 * place + 5, 5)))
    assert [(one.id, one.pixels) for one in store.counts()] == [(1, 25), (3, 25)]
    assert open_labels(store.path, SCENE, background=2).counts == {1: 25, 3: 25}


EDITOR = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
base.execute("PRAGMA journal_mode = WAL")
for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):  # of triggers that do not run
    base.create_function(name, 1, lambda _: 0)
base.execute("UPDATE labels SET author = 'Ada' WHERE fid = 3")
base.commit()
print(flush=True)
input()
print(base.execute("SELECT count(*) FROM labels").fetchone()[0])
"""


def test_file_open_in_a_program_that_logs_its_changes(store):
    with subprocess.Popen([sys.executable, "-c", EDITOR, store.path], stdin=PIPE, stdout=PIPE, text=True) as other:
        other.stdout.readline()
        store.add(1, regions.point(55, 2), "point")
        assert store.shape(3).author == "Ada" and other.communicate("\n")[0] == "4\n"
    store.add(1, regions.point(57, 2), "point")
    assert open_labels(store.path, SCENE).counts == {1: 63, 2: 61}


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"mine", "GeoPackage"), (b"SQLite format 3\x00" + bytes(200), "cannot be read"), (b"", "empty")],
)
def test_file_that_is_no_geopackage_is_left_alone(tmp_path, content, words):
    path = tmp_path / "labels.gpkg"
    path.write_bytes(content)
    with pytest.raises((SceneFileError, UsageError), match=words):
        LabelStore(path, SCENE)
    assert path.read_bytes() == content


def test_classes_come_from_other_files(store, tmp_path):
    other = LabelStore(tmp_path / "other.gpkg", SCENE)
    other.add_class("water", (1, 2, 3))
    (tmp_path / "classes.csv").write_text("id,name,colour\n0,nothing,#000000\n2,corn,#ff0000\n9,oats,#00ff00\n")
    assert store.import_classes(other.path) == 1 and store.import_classes(tmp_path / "classes.csv") == 2
    names = {one.id: one.name for one in store.classes}
    assert names == {1: "corn", 2: "soy", 3: "water", 4: "nothing", 9: "oats"}


def test_shapes_come_from_another_program(tmp_path):
    path = vector(tmp_path / "a.geojson", [rectangle(0, 0, 3, 3), point(5.5, 4.5)], kind=["a", "b"])
    store = LabelStore(tmp_path / "labels.gpkg", utm_scene())
    assert store.import_shapes(path) == 2 and store.rasterize().counts == {1: 9, 2: 1}
    assert store.undo() == "import 2 shapes of a.geojson" and store.rasterize().counts == {}


def test_area_of_interest_and_transform_without_crs(tmp_path):
    place = Georeference(None, (2.0, 0, 100, 0, -2.0, 500))
    scene = replace(SCENE, georeference=place)
    part = crop_scene(scene, Block(10, 20, 30, 30), np.ones((30, 30), bool))
    for number, one in enumerate((scene, part, crop_scene(SCENE, Block(10, 20, 30, 30)))):
        store = LabelStore(tmp_path / f"{number}.gpkg", one)
        store.add(store.add_class("corn").id, regions.rectangle((2, 3), (5, 7)))
        assert np.array_equal(open_labels(store.path, one).values, store.rasterize().values)
        assert store.rasterize().values[3:7, 2:5].all() and store.rasterize().counts == {1: 12}
        assert LabelStore(store.path, one).shapes[0].geometry.equals(store.shapes[0].geometry)


def test_labels_without_shapes_open_again(store):
    store.delete([one.id for one in store.shapes])
    again = LabelStore(store.path, SCENE)
    assert again.classes == store.classes and again.shapes == () and again.rasterize().counts == {}
    assert [one.lacks for one in again.counts()] == ["0 pixels: label 5 or more"] * 2
    again.add(1, regions.point(2, 2), "point")
    assert open_labels(store.path, SCENE).counts == {1: 1}


def test_layer_of_multipolygons_takes_what_is_drawn(tmp_path):
    parts = shapely.MultiPolygon([rectangle(0, 0, 2, 2), rectangle(4, 0, 6, 2)])
    path = vector(tmp_path / "a.gpkg", [parts, rectangle(7, 0, 9, 2)], kind=["a", "b"])
    store = LabelStore(path, utm_scene())

    def declared():
        return sqlite3.connect(path).execute("SELECT geometry_type_name FROM gpkg_geometry_columns").fetchone()[0]

    store.add(1, regions.rectangle((4, 4), (6, 6)))
    assert (
        declared() == "MULTIPOLYGON"
        and pyogrio.read_dataframe(path, layer="a").geom_type.tolist() == ["MultiPolygon"] * 3
    )
    store.add(1, regions.point(6, 1), "point")
    assert declared() == "GEOMETRY" and open_labels(path, utm_scene()).counts == {1: 13, 2: 4}
    store.undo()
    assert store.undo_text == "draw polygon", "nothing was taken for a change by another program"


def test_file_that_is_too_large_is_refused_when_it_is_opened(store, monkeypatch):
    monkeypatch.setattr("hsi.io.vectors.geopackage.LARGEST_FILE", 1000)
    with pytest.raises(UsageError, match="a file of its own"):
        LabelStore(store.path, SCENE)


def test_a_large_scene_is_drawn_on_near_shapes_only(tmp_path, monkeypatch):
    scene = scene_from_array(np.zeros((300, 400, 3), np.uint8))
    store = LabelStore(tmp_path / "a.gpkg", scene, author="me")
    one, two = (store.add_class(name).id for name in ("corn", "oats"))
    monkeypatch.setattr("hsi.labelling.store.SMALL", 1000)
    assert store.drawn_pixels().labels.values.size == 0
    store.add(one, regions.polygon([(20.2, 30.1), (29.7, 33.3), (24.1, 41.8)]))
    store.add(two, regions.rectangle((-5, 280), (6, 310)), "rectangle")
    store.add(two, regions.point(399.5, 150.2), "point")
    drawn, full = store.drawn_pixels(), store.rasterize()
    assert drawn.labels.values.size < full.values.size / 3
    np.testing.assert_array_equal(drawn.labels.values, drawn.cut(full.values))
    np.testing.assert_array_equal(drawn.labels.polygons > 0, drawn.cut(full.polygons) > 0)
    assert drawn.labels.counts == full.counts and drawn.labels.table == full.table
    np.testing.assert_array_equal(drawn.at(*np.mgrid[0:300, 0:400]), full.values)
    assert [one.pixels for one in store.counts()] == list(full.counts.values())
