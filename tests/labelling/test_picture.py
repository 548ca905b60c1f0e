"""The picture of a scene: what is asked for is shown, at the resolution of the screen, also of a large scene."""

import os

import numpy as np
import pytest

from hsi.core.colours import EMPTY
from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import UsageError
from hsi.io import open_scene
from hsi.labelling import picture
from hsi.labelling.picture import ScenePicture, band_channels, component_channels, step_for, wavelength_channels


@pytest.fixture(scope="module")
def scene():
    cube, _, wavelengths = make_scene(40, 30, 24, 3, 8)
    cube = np.array(cube)
    cube[:5, :4] = 0  # no data
    return scene_from_array(cube, wavelengths=tuple(wavelengths))


def test_the_picture_shows_the_bands_nearest_red_green_and_blue(scene):
    channels = wavelength_channels(scene)
    shown = ScenePicture(scene, channels).view(Block(0, 0, 40, 30), 1)
    assert channels.title == "674 nm, 583 nm, 491 nm"
    assert (shown.block, shown.step, shown.fine) == (Block(0, 0, 40, 30), 1, True)
    assert (shown.pixels[:5, :4] == EMPTY).all()
    red = scene.read()[:, :, 3].astype(float)
    inside = np.s_[10:30, 10:25]
    assert np.corrcoef(shown.pixels[inside][..., 0].ravel(), red[inside].ravel())[0, 1] > 0.98


def test_a_view_is_a_part_of_the_complete_picture(scene):
    complete = ScenePicture(scene, band_channels(scene, (20, 10, 2)))
    full = complete.view(Block(0, 0, 40, 30), 1).pixels
    part = complete.view(Block(-5, 9, 20, 100), 2)  # it leaves the scene
    assert (part.block, part.step) == (Block(0, 8, 15, 22), 2)
    np.testing.assert_array_equal(part.pixels, full[:15:2, 8::2])


def test_a_large_scene_is_shown_coarsely_at_once_and_in_full_after_one_reading(scene, monkeypatch, tmp_path):
    for name, value in (("OVERVIEW_PIXELS", 100), ("DIRECT_BYTES", 2000), ("CACHED_PIXELS", 100), ("COARSE", 4)):
        monkeypatch.setattr(picture, name, value)
    path = tmp_path / "scene.npy"
    np.save(path, scene.read())
    stored = scene_from_array(scene.read(), "scene", path, wavelengths=scene.wavelengths)
    channels, everything = wavelength_channels(stored), Block(0, 0, 40, 30)
    first = ScenePicture(stored, channels, folder=tmp_path / "cache")
    coarse = first.view(everything, 1)
    assert (first.complete, coarse.step, coarse.fine) == (False, 4, False)
    assert first.view(Block(8, 8, 4, 4), 1).fine  # so small a part is read from the scene
    assert not first.build(stopped=lambda: True)
    assert not list((tmp_path / "cache").glob("*.npy"))
    assert first.build()
    fine = first.view(everything, 1)
    assert (fine.step, fine.fine) == (1, True)
    assert np.count_nonzero(~first.usable) == 20
    again = ScenePicture(stored, channels, folder=tmp_path / "cache")
    assert again.complete
    np.testing.assert_array_equal(again.view(everything, 1).pixels, fine.pixels)


HEADER = "ENVI\nsamples = 30\nlines = 40\nbands = 24\ndata type = 12\ninterleave = bip\nbyte order = 0\n"


def test_a_scene_that_has_changed_is_read_again(scene, monkeypatch, tmp_path):
    monkeypatch.setattr(picture, "CACHED_PIXELS", 100)
    monkeypatch.setattr(picture, "OVERVIEW_PIXELS", 100)
    header, data, cube = tmp_path / "scene.hdr", tmp_path / "scene.img", scene.read().astype(np.uint16)
    header.write_text(HEADER)

    def show(cube, time):
        """Whether the picture was stored before, and the picture."""
        data.write_bytes(cube.tobytes())
        os.utime(data, ns=(time, time))  # the header stays as it is
        stored = open_scene(header)
        shown = ScenePicture(stored, band_channels(stored, (20, 10, 2)), folder=tmp_path / "cache")
        known = shown.complete
        assert shown.build()
        return known, shown.view(Block(0, 0, 40, 30), 1).pixels

    assert [show(cube, 10**18)[0] for _ in range(2)] == [False, True]
    assert not show(cube, 10**18 + 1)[0]
    known, turned = show(cube[::-1], 10**18 + 1)
    assert not known, "of the same size and time, with other values"
    assert (turned[-5:, :4] == EMPTY).all() and not (turned[:5, :4] == EMPTY).all(), "upside down"


def test_a_cache_that_cannot_be_written_costs_only_the_next_start(scene, monkeypatch, tmp_path):
    monkeypatch.setattr(picture, "CACHED_PIXELS", 100)
    monkeypatch.setattr(picture, "OVERVIEW_PIXELS", 100)
    path, folder = tmp_path / "scene.npy", tmp_path / "cache"
    np.save(path, scene.read())
    folder.touch()  # no folder can be made there; permissions do not stop an administrator
    with report_to(heard := Recorder()):
        shown = ScenePicture(open_scene(path), wavelength_channels(scene), folder=folder, most=1000)
        assert shown.build()
    assert "not stored, and made again" in heard.warnings[0]
    assert isinstance(shown.levels[1], np.memmap), "it does not count as memory"
    assert shown.usable.sum() == 40 * 30 - 20


def test_components_are_shown_where_noise_can_be_estimated(scene):
    channels = component_channels(scene)
    assert channels.title == "components 1 to 3 (MNF)"
    assert np.ptp(ScenePicture(scene, channels).view(Block(0, 0, 40, 30), 1).pixels) > 200


def test_bands_that_are_not_there_are_refused(scene):
    with pytest.raises(UsageError, match="24 bands"):
        band_channels(scene, (1, 2, 24))


@pytest.mark.parametrize(("pixels", "dots", "step"), [(145, 700, 1), (1400, 700, 2), (1399, 700, 1), (4000, 700, 4)])
def test_no_more_pixels_are_sent_than_are_seen(pixels, dots, step):
    assert step_for(pixels, dots) == step
