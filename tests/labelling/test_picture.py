"""The picture of a scene: what is asked for is shown, at the resolution of the screen, also of a large scene."""

import numpy as np
import pytest

from hsi.core.colours import EMPTY
from hsi.core.scene import Block, scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import UsageError
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
    reads = []
    again = stored.with_fetch(lambda block: reads.append(block))
    np.testing.assert_array_equal(ScenePicture(again, channels, folder=tmp_path / "cache").view(everything, 1).pixels,
                                  fine.pixels)  # fmt: skip
    assert not reads


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
