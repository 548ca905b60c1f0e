"""Scenes with their labels as they are listed and read: bands, scale, names."""

import numpy as np
import pytest

from hsi.collection.scenes import LabelledScene, find_scenes, is_several, name_scenes, read_scenes
from hsi.core.events import Recorder, report_to
from hsi.core.scene import scene_from_array
from hsi.errors import BundleError, ConfigError, SceneError, UsageError
from hsi.settings import InputSettings

NANOMETRES = (500.0, 600.0, 700.0, 800.0)
TRUTH = np.array([[1, 1, 2, 2]] * 4)


def scene(values, wavelengths=NANOMETRES, name="scene"):
    return scene_from_array(np.asarray(values), name, wavelengths=wavelengths)


def read(*scenes, **reading):
    found = find_scenes(scenes, [TRUTH] * len(scenes), InputSettings(**reading))
    recorder = Recorder()
    with report_to(recorder):
        return read_scenes(found, 5), recorder


@pytest.fixture
def cube():
    return np.random.default_rng(0).integers(1000, 3000, (4, 4, 4)).astype(np.uint16)


def test_files_are_matched_by_wavelength(lines):
    scenes = find_scenes(
        lines.named("a.hdr", "b.hdr", "c.hdr"), lines.named("a.tif", "b.tif", "c.tif"), InputSettings()
    )
    joined = read_scenes(scenes, 5)
    assert [place.name for place in joined.labels.scenes] == ["a", "b", "c"]
    for name, (part, _) in zip("abc", joined.scenes(), strict=True):
        assert np.array_equal(part.scene.read(), lines.cubes[name])
    assert joined.band_list.of == 16 and len(joined.scene.tiles) == 3


def test_bands_that_are_useless_in_one_scene_are_left_out_of_all(cube):
    constant = cube.copy()
    constant[:, :, 2] = 7
    joined, recorder = read(scene(cube), scene(constant))
    assert joined.scene.shape[2] == 3 and np.array_equal(joined.parts[0].scene.read(), cube[:, :, [0, 1, 3]])
    assert joined.band_list.bands == (0, 1, 3)
    assert ("bands", "3 are usable in all 2 scenes") in recorder.messages


def test_bands_are_dropped_by_the_first_scene(cube):
    joined, _ = read(scene(cube), scene(cube[:, :, ::-1], NANOMETRES[::-1]), drop_bands="1")
    assert all(np.array_equal(part.scene.read(), cube[:, :, 1:]) for part in joined.parts)


@pytest.mark.parametrize("own", [{"drop_bands": "2"}, {"drop_wavelengths": "690-710"}])
def test_bands_that_an_entry_drops_by_itself_are_left_out_of_all(cube, own):
    shared = InputSettings(drop_bands="1")
    reversed_bands = scene(cube[:, :, ::-1], NANOMETRES[::-1])
    entries = [(scene(cube), shared), (reversed_bands, shared.model_copy(update=own))]
    joined = read_scenes([LabelledScene(one, TRUTH, reading) for one, reading in entries], 5)
    assert all(np.array_equal(part.scene.read(), cube[:, :, [1, 3]]) for part in joined.parts)


def test_a_scene_without_the_bands_is_refused(cube):
    with pytest.raises(
        BundleError, match=r"b: lacks 1 of the 4 bands of a within 1 nm: 800\.0 nm .*--drop-wavelengths"
    ):
        read(scene(cube, name="a"), scene(cube, (500, 600, 700, 850), "b"))
    with pytest.raises(BundleError, match="b: has 3 bands, a has 4, and b has no wavelengths"):
        read(scene(cube, name="a"), scene(cube[:, :, :3], None, "b"))


def test_a_scene_on_another_scale_is_refused(cube):
    with pytest.raises(SceneError, match="on another scale than those of scene: multiply them by 1e4"):
        read(scene(cube), scene((cube / 1e4).astype(np.float32)))


def test_names_are_unique(lines):
    arrays = [scene(np.ones((2, 2, 4)), name=name) for name in ("a", "b", "a", "x,y")]
    assert name_scenes(arrays) == ["a-1", "b", "a-3", "x_y"]
    numbered = name_scenes([scene(np.ones((2, 2, 4)), name=name) for name in ("a", "a", "a-2", "a-2-2")])
    assert len(set(numbered)) == 4 and numbered[2:] == ["a-2", "a-2-2"]


def test_a_list_names_scenes_relative_to_itself(lines, tmp_path):
    listed = lines.folder / "lists.yaml"
    listed.write_text("scenes:\n- {scene: a.hdr, labels: a.tif}\n- {scene: b.hdr, labels: b.tif, nodata: 5}\n")
    first, second = find_scenes([listed], [], InputSettings(nodata=9, axes="HWB"))
    assert (first.scene, first.labels) == (lines.folder / "a.hdr", lines.folder / "a.tif")
    assert (first.reading.nodata, second.reading.nodata, second.reading.axes) == (9, 5, "HWB")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes: [{scene: a.hdr}]", "lists 1 scene, expected two or more"),
        ("scenes: [{scene: a.hdr, label: x}]", "unknown setting 'scenes.0.label'"),
        ("seed: 3", "unknown setting 'seed'|scenes"),
    ],
)
def test_another_list_is_refused(tmp_path, text, words):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        find_scenes([path], [], InputSettings())


def test_numbers_and_files_of_one_scene_are_refused(lines):
    scenes = lines.named("a.hdr", "b.hdr")
    with pytest.raises(UsageError, match="2 scenes and 3 labels are given"):
        find_scenes(scenes, lines.named("a.tif", "b.tif", "c.tif"), InputSettings())
    with pytest.raises(UsageError, match="is a raster of one scene: list the scenes"):
        find_scenes(scenes, lines.named("a.tif", "b.tif"), InputSettings(mask=lines.folder / "a.tif"))
    with pytest.raises(UsageError, match="give it alone"):
        find_scenes(["list.yaml"], lines.named("a.tif"), InputSettings())


def test_one_scene_is_none_of_several():
    assert find_scenes(["a.hdr"], ["a.tif"], InputSettings()) == []
    assert is_several(["a.tif", "b.tif"]) and is_several([TRUTH, TRUTH])
    assert not any(is_several(one) for one in (None, "a.tif", ["a.tif"], TRUTH, TRUTH.tolist()))
