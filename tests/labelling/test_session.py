"""A sitting without a page: its memory, and maps that follow the labels."""

import time

import numpy as np
import pytest

from hsi.core.synthetic import make_scene
from hsi.errors import SceneFileError, UsageError
from hsi.labelling import session as sessions
from hsi.labelling.regions import rectangle
from hsi.labelling.session import LabelSession
from hsi.settings import InputSettings


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "scene.npy", make_scene(60, 50, 24, 3, 10, seed=2)[0])
    return tmp_path / "scene.npy"


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_arrays_of_the_scene_are_in_files_where_memory_is_short(path, monkeypatch):
    monkeypatch.setattr(sessions, "AT_ONCE", 400)  # so that the scene counts as large
    monkeypatch.setattr(sessions, "STRIP_PIXELS", 500)
    maps = []
    for room in (10**5, 10**9):
        monkeypatch.setattr(sessions, "plan_room", lambda scene, limit, room=room: room)
        session = LabelSession(path, InputSettings(), "1GB")
        session.start()
        for place in (2, 30) if room == 10**5 else ():
            kind = session.store.add_class(f"class {place}")
            session.store.add(kind.id, rectangle((place, place), (place + 4, place + 4)))
        # of the map of both classes
        wait_for(lambda: session.accuracy is not None and len(session.accuracy.untested) == 2)  # noqa: B023
        assert session.features is not None
        assert isinstance(session.features._stored, np.memmap) == (room == 10**5)
        maps.append(session.map.ids.copy())
        session.close()
    np.testing.assert_array_equal(*maps)
    assert set(np.unique(maps[0])) == {1, 2}


def test_a_change_ends_the_map_of_the_one_before_it(path, monkeypatch):
    monkeypatch.setattr(sessions, "PIECE_PIXELS", 500, raising=False)
    session = LabelSession(path, InputSettings())
    classify, pixels = session._classify, {}

    def draw_meanwhile(features):
        pixels[session.classifier] = pixels.get(session.classifier, 0) + features[..., 0].size
        if len(session.store.shapes) == 2:
            session.store.add(second, rectangle((30, 2), (34, 6)))
        return classify(features)

    monkeypatch.setattr(session, "_classify", draw_meanwhile)
    with session.store._lock:  # until both are drawn
        first, second = (session.store.add_class(name).id for name in ("corn", "oats"))
        for kind, place in ((first, 2), (second, 30)):
            session.store.add(kind, rectangle((place, place), (place + 4, place + 4)))
        session.start()
    wait_for(lambda: session.accuracy is not None)
    session.close()
    assert list(pixels.values()) == [500, session.map.ids.size]


def test_after_a_scene_could_not_be_read_the_next_change_is_mapped(path, monkeypatch):
    session = LabelSession(path, InputSettings())
    read = sessions.PixelFeatures.read

    def fail(features, block=None):
        raise SceneFileError("scene.npy: cannot be read")

    monkeypatch.setattr(sessions.PixelFeatures, "read", fail)
    session.start()
    first, second = (session.store.add_class(name).id for name in ("corn", "oats"))
    session.store.add(first, rectangle((2, 2), (6, 6)))
    wait_for(lambda: "cannot be read; it is tried again when a label changes" in session.status)
    monkeypatch.setattr(sessions.PixelFeatures, "read", read)
    session.store.add(second, rectangle((30, 30), (34, 34)))
    wait_for(lambda: session.accuracy is not None)
    session.close()
    assert set(np.unique(session.map.ids)) == {1, 2}


def test_too_little_memory_is_refused_with_what_is_needed(path):
    with pytest.raises(UsageError, match=r"--max-memory is 50 MB, and labelling this scene needs at least [\d,]+ MB"):
        LabelSession(path, InputSettings(), "50MB")
