"""The page of ``hsi label`` without a browser: what its keys, tools and fields do to the labels and the map."""

import time

import numpy as np
import pytest

pytest.importorskip("bokeh")
from bokeh.document import Document
from bokeh.events import Tap, ValueSubmit

from hsi.core.colours import Palette, hex_colour
from hsi.core.synthetic import make_scene
from hsi.labelling.finish import Finished
from hsi.labelling.page import Page
from hsi.labelling.session import LabelSession, labels_file
from hsi.settings import InputSettings


@pytest.fixture(scope="module")
def cube():
    return make_scene(30, 40, 24, 3, 10, seed=2)[0]


@pytest.fixture
def page(tmp_path, cube, monkeypatch):
    """A page of a scene of three classes, whose changes arrive at once."""
    np.save(tmp_path / "scene.npy", cube)
    monkeypatch.setattr(Page, "soon", lambda page, work: work())
    session = LabelSession(tmp_path / "scene.npy", InputSettings())
    yield Page(session, Document())
    session.close()


def press(page, *keys):
    for key in keys:
        page.keyboard.keys.update(pressed=key, count=page.keyboard.keys.count + 1)


def draw(page, row, column, side=4):
    """Draw a square with the keyboard alone."""
    page.canvas.set_cursor(row, column)
    press(page, "p", " ", *["ArrowRight"] * side, " ", *["ArrowDown"] * side, " ", *["ArrowLeft"] * side, " ", "Enter")


def wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_the_keyboard_alone_draws_classes_and_takes_them_back(page):
    store = page.session.store
    draw(page, 2, 3)
    page.classes.add._trigger_event(click(page.classes.add))
    draw(page, 20, 30)
    assert [(one.class_id, one.kind) for one in store.shapes] == [(1, "polygon"), (2, "polygon")]
    assert store.shapes[0].geometry.bounds == (3.5, 2.5, 7.5, 6.5)
    press(page, "1", "b", "]", "]", " ")  # a dab of 5 pixels at the last place
    assert store.shapes[-1].class_id == 1
    assert store.shapes[-1].geometry.area == 25
    press(page, "Ctrl+z", "Ctrl+z")
    assert [one.class_id for one in store.shapes] == [1]
    press(page, "Ctrl+y")
    assert [one.class_id for one in store.shapes] == [1, 2]
    page.canvas.set_cursor(4, 5)
    press(page, "v", " ", "Alt+Shift+ArrowRight", "2")  # select, move and change its class
    assert store.shapes[0].geometry.bounds == (13.5, 2.5, 17.5, 6.5)
    assert store.shapes[0].class_id == 2
    press(page, "Delete")
    assert [one.id for one in store.shapes] == [2]


def click(button):
    from bokeh.events import ButtonClick

    return ButtonClick(button)


def test_corners_are_moved_added_and_taken_away(page):
    store = page.session.store
    draw(page, 2, 3)
    press(page, "e")
    page.canvas.figure._trigger_event(Tap(page.canvas.figure, x=5, y=4))
    vertices = page.drawing.vertices
    assert sorted(zip(vertices.data["x"], vertices.data["y"], strict=True)) == [
        (3.5, 2.5), (3.5, 6.5), (7.5, 2.5), (7.5, 6.5)]  # fmt: skip
    xs, ys = vertices.data["x"], vertices.data["y"]
    moved = [11.5 if x == 7.5 and y == 2.5 else x for x, y in zip(xs, ys, strict=True)]
    vertices.data = {"x": moved, "y": ys}
    assert store.shapes[0].geometry.area == 24
    page.drawing.insert_corner(3.0, 4.5)
    assert len(store.shapes[0].geometry.exterior.coords) == 6
    press(page, "Ctrl+z", "Ctrl+z")
    assert store.shapes[0].geometry.area == 16


def test_the_keyboard_moves_adds_and_removes_corners(page):
    store = page.session.store
    draw(page, 2, 3)
    page.canvas.set_cursor(2, 7)
    press(page, "e", " ")
    assert page.drawing.selected == 1
    press(page, " ", "Shift+ArrowRight", " ")  # take the upper right corner, and set it down
    assert store.shapes[0].geometry.area == 36
    press(page, " ", "ArrowDown", "Escape", "ArrowUp", " ", "Backspace")
    assert store.shapes[0].geometry.area == 8
    press(page, "Ctrl+z", "ArrowUp", "i")
    assert (17.5, 1.5) in store.shapes[0].geometry.exterior.coords
    press(page, "Ctrl+z", "Ctrl+z", "Delete")
    assert store.shapes == ()


def test_classes_are_added_and_chosen_by_key_and_come_from_a_table(page, tmp_path):
    (tmp_path / "classes.csv").write_text("id,name,colour\n2,corn,#ff0000\n9,oats,#00ff00\n")
    page.classes.import_path.value = "classes.csv"
    page.classes.import_path._trigger_event(ValueSubmit(page.classes.import_path, "classes.csv"))
    press(page, "c", ",")
    assert page.classes.chosen == 9
    press(page, ",", ",", ".", ".", ".")
    assert [one.name for one in page.session.store.classes] == ["corn", "oats", "class 1"]
    assert page.classes.chosen == 10
    assert page.keyboard.keys.wanted == "name 1"


@pytest.mark.slow
def test_first_eight_classes_differ_for_every_kind_of_colour_vision(page):
    press(page, *"c" * 8)
    colours = [one.colour for one in page.session.store.classes]
    assert min(Palette(colours[:place]).distance(colours[place]) for place in range(1, 8)) > 15  # CIEDE2000
    page.classes.colour.color = hex_colour((colours[0][0] + 8, *colours[0][1:]))
    assert "resembles" in page.message.text
    assert page.classes.source.data["key"] == list("12345678")


def test_a_polygon_that_cannot_be_saved_is_not_lost(page, monkeypatch):
    press(page, "p", " ", *["ArrowRight"] * 5, " ", "Enter")
    assert "draw on" in page.message.text and len(page.drawing.corners) == 2
    press(page, *["ArrowDown"] * 5, " ")
    with monkeypatch.context() as full:
        full.setattr("hsi.core.files.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        press(page, "Enter")
    assert "No space left" in page.message.text and page.session.store.shapes == ()
    press(page, "Enter")
    assert len(page.session.store.shapes) == 1 and page.drawing.corners == []


def test_names_with_markup_are_text_and_wrong_input_is_said_in_the_page(page):
    draw(page, 2, 3)
    page.classes.name.value = "<b onmouseover='x'>corn</b>"
    assert page.session.store.classes[0].name == "<b onmouseover='x'>corn</b>"
    assert "&lt;b onmouseover=" in page.classes.notes.text
    assert "<b" not in page.classes.notes.text
    press(page, "1")
    assert "class 1: &lt;b onmouseover=&#x27;x&#x27;&gt;corn&lt;/b&gt;" in page.message.text  # the list may cut a name
    press(page, "7")
    assert "there is no class 7" in page.message.text
    assert "class='error'" in page.message.text
    page.classes.import_path.value = "nowhere.gpkg"
    page.classes.import_button._trigger_event(click(page.classes.import_button))
    assert "nowhere.gpkg" in page.message.text
    page.layers.channels.value = "three bands"
    page.layers.bands.value = "1,2,99"
    assert "band 99 is not used" in page.message.text


def test_deleting_a_class_with_shapes_asks_first(page):
    draw(page, 2, 3)
    delete = page.classes.delete
    delete._trigger_event(click(delete))
    assert (len(page.session.store.shapes), delete.label) == (1, "Sure?")
    press(page, "Escape")
    delete._trigger_event(click(delete))
    assert (len(page.session.store.shapes), delete.label) == (1, "Sure?")
    delete._trigger_event(click(delete))
    assert (page.session.store.shapes, page.session.store.classes) == ((), ())


def test_the_map_follows_the_labels_and_says_where_to_go_next(page):
    session = page.session
    session.start()
    draw(page, 2, 3)
    page.classes.add._trigger_event(click(page.classes.add))
    draw(page, 20, 30)
    wait(lambda: session.map.done == 1 and len(np.unique(session.map.ids)) == 2)
    assert session.map.ids[4, 5] == 1
    assert session.map.ids[22, 32] == 2
    assert "quick classifier" in page.actions.map_state.text
    wait(lambda: "too few" in page.actions.accuracy.text)
    places = []
    for _ in range(3):
        press(page, "n")
        wait(lambda: not page.actions.next.disabled)
        places.append(page.canvas.cursor)
    again = LabelSession(session.path, InputSettings())  # after a restart
    again.start()
    wait(lambda: again.map.done == 1 and again.map.maker and again.picture.complete)
    for _ in range(3):
        place = again.suggest()
        places.append((place.row, place.column))
    assert len(set(places)) == 6
    again.close()
    press(page, "d", " ")  # a label there
    wait(lambda: session.map.done == 1 and len(np.unique(session.map.ids)) == 2)


def test_the_end_is_shown_in_full_and_nothing_can_be_pressed_after_it(page, tmp_path):
    page.session.outcome = Finished(tmp_path / "runs", ("hsi classify '<b>.mat'",))
    page.actions.finished()
    assert str(tmp_path / "runs") in page.message.text
    assert "<code>hsi classify &#x27;&lt;b&gt;.mat&#x27;</code>" in page.actions.map_state.text
    assert all(one.disabled for one in (page.actions.finish, page.undo_button, page.classes.add, page.drawing.buttons))
    assert not page.document.config.notify_connection_status  # no alarm that the server has ended


def test_all_is_there_again_after_the_server_was_killed(page):
    draw(page, 2, 3)
    page.classes.name.value = "maize"
    path = page.session.path
    again = LabelSession(path, InputSettings())  # nothing was closed
    assert again.store.path == labels_file(path) == path.with_name("scene_labels.gpkg")
    assert [one.name for one in again.store.classes] == ["maize"]
    assert len(again.store.shapes) == 1
    again.close()


def test_only_the_last_window_changes_anything(page):
    other = Page(page.session, Document())
    page.close()
    draw(page, 2, 3)
    assert "another window" in page.message.text
    assert page.session.store.shapes == ()
    draw(other, 2, 3)
    assert len(page.session.store.shapes) == 1
