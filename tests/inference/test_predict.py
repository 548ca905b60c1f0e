"""Maps by strips and tiles: equal to the scene at once, complete files or none, rejection, novelty and smoothing."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.core.memory import MemoryPlan, resident_memory
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import SceneError, UsageError
from hsi.inference.map_files import MapOptions, layer_files
from hsi.inference.predict import MapJob, map_scene, plan_map, smooth_map
from hsi.inference.smoothing import majority
from hsi.io.geotiff import nodata_value
from hsi.preprocessing.band_matching import BandMatch
from hsi.preprocessing.reducers import reduce_scene
from tests.inference.reference import blend, score_pixels
from tests.models.model_makers import random_cube, random_model

CPU = torch.device("cpu")
PLACE = synthetic_georeference()


@pytest.fixture(scope="module")
def saved():
    return random_model(scene_from_array(random_cube(20, 20)))


def make_scene(height, width, invalid=True, **facts):
    """A scene with unusable pixels."""
    cube = random_cube(height, width, seed=3)
    if invalid:
        cube[height // 2, : width // 2 + 1] = np.nan
        cube[0, -1] = 0
    return scene_from_array(cube, georeference=PLACE, **facts)


def expected_scores(saved, scene, valid, symmetries=False, blended=False):
    """Probabilities ``(C, H, W)`` of all pixels at once."""
    components = reduce_scene(scene, saved.reducer, valid)
    probabilities = score_pixels(saved.model, components, tile=1000, symmetries=symmetries).softmax(0).numpy()
    return blend(probabilities, components) if blended else probabilities


def valid_of(scene):
    cube = scene.read()
    return np.isfinite(cube).all(axis=2) & cube.any(axis=2)


def make_map(folder, saved, scene, *, rows=7, tile=16, options=None, usable=None, **more):
    plan = MemoryPlan(rows, tile, 16 << 20)
    options = options or MapOptions()
    job = MapJob(saved, BandMatch(scene, None, ""), options, plan, CPU, usable)
    return map_scene(layer_files(folder / "map.tif", options), job, **more)


def read(path):
    with rasterio.open(path) as raster:
        return raster.read()


@pytest.mark.parametrize("symmetries", [False, True])
@pytest.mark.parametrize("temperature", [0.2, 2.5, 1e7])
def test_a_temperature_changes_confidence_and_no_class(saved, tmp_path, temperature, symmetries):
    scene = make_scene(30, 25)
    options = MapOptions(probabilities=True, symmetries=symmetries)
    make_map(tmp_path, saved, scene, options=options)
    ids, plain = read(tmp_path / "map.tif"), read(tmp_path / "map_probabilities.tif")
    make_map(tmp_path, replace(saved, temperature=temperature), scene, options=options)
    assert np.array_equal(read(tmp_path / "map.tif"), ids)
    warm, confidence = read(tmp_path / "map_probabilities.tif"), read(tmp_path / "map_confidence.tif")[0]
    valid = np.isfinite(confidence)
    assert np.array_equal(valid, valid_of(scene))
    expected = plain[:, valid].astype(np.float64) ** (1 / temperature)
    np.testing.assert_allclose(warm[:, valid], expected / expected.sum(axis=0), atol=1e-5)
    np.testing.assert_array_equal(confidence[valid], warm[:, valid].max(axis=0))
    change = confidence[valid] - plain[:, valid].max(axis=0)
    assert np.all(change <= 1e-6 if temperature > 1 else change >= -1e-6)


def check_like_reference(saved, scene, rows, tile, **how):
    valid = valid_of(scene)
    expected = expected_scores(saved, scene, valid, how.get("symmetries", False), how.get("blend", False))
    with tempfile.TemporaryDirectory() as name:
        options = MapOptions(probabilities=True, **how)
        make_map(Path(name), saved, scene, rows=rows, tile=tile, options=options)
        ids = read(Path(name) / "map.tif")[0]
        confidence = read(Path(name) / "map_confidence.tif")[0]
        probabilities = read(Path(name) / "map_probabilities.tif")
    assert np.array_equal(ids != nodata_value(saved.table), valid)
    ordered = np.sort(expected, axis=0)
    clear = valid & (ordered[-1] - ordered[-2] > 1e-5)  # a tie may fall either way
    assert np.array_equal(ids[clear], np.asarray(saved.table.ids)[expected.argmax(axis=0)][clear])
    np.testing.assert_allclose(confidence[valid], expected.max(axis=0)[valid], atol=1e-5)
    np.testing.assert_allclose(probabilities[:, valid], expected[:, valid], atol=1e-5)
    assert np.isnan(confidence[~valid]).all() and np.isnan(probabilities[:, ~valid]).all()


class TestLikeAllAtOnce:
    @given(
        height=st.integers(1, 45), width=st.integers(1, 45), rows=st.integers(1, 50), tile=st.integers(3, 50),
        invalid=st.booleans(),
    )  # fmt: skip
    @settings(max_examples=30, deadline=None)
    def test_any_sizes(self, saved, height, width, rows, tile, invalid):
        check_like_reference(saved, make_scene(height, width, invalid), rows, tile)

    @pytest.mark.parametrize(
        ("rows", "tile"),
        [(10, 10), (15, 15), (7, 11), (60, 60), (30, 160), (4, 4)],
        ids=["divides", "divides-too", "does not", "at once", "one tile a strip", "below half a window"],
    )
    def test_strips_and_tiles_that_divide_the_scene_or_not(self, saved, rows, tile):
        check_like_reference(saved, make_scene(60, 30), rows, tile)

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 30), (4, 4), (30, 3)])
    def test_scenes_lower_or_narrower_than_half_a_window(self, saved, height, width):
        check_like_reference(saved, make_scene(height, width, invalid=False), 3, 16)

    @pytest.mark.parametrize("name", ["hybridsn-se", "hybridsn-bn-cbam"])
    def test_with_attention(self, name):
        scene = make_scene(33, 21)
        saved = random_model(scene_from_array(random_cube(20, 20)), name=name)
        exact = saved.settings.training.model_copy(update={"amp": "off"})
        saved = replace(saved, settings=saved.settings.model_copy(update={"training": exact}))
        check_like_reference(saved, scene, 9, 8)

    def test_by_the_patch_engine(self, saved):
        check_like_reference(saved, make_scene(14, 9), 6, 5, engine="patch")

    def test_averaged_over_symmetries(self, saved):
        check_like_reference(saved, make_scene(33, 21), 9, 8, symmetries=True)

    @pytest.mark.parametrize(("height", "width", "rows"), [(33, 21, 9), (12, 40, 2), (5, 3, 50), (1, 1, 1)])
    def test_blended_with_neighbours_across_the_seams(self, saved, height, width, rows):
        check_like_reference(saved, make_scene(height, width, height > 5), rows, 8, blend=True)

    def test_files_do_not_depend_on_the_strips(self, saved, tmp_path):
        scene = make_scene(600, 30)  # more than two rows of the file's tiles
        for rows in (600, 37):
            (tmp_path / str(rows)).mkdir()
            make_map(tmp_path / str(rows), saved, scene, rows=rows, tile=64)
        one, other = (tmp_path / str(rows) / "map.tif" for rows in (600, 37))
        assert one.read_bytes() == other.read_bytes()


class TestWhatIsWritten:
    def test_files_are_those_of_the_options(self, saved, tmp_path):
        summary = make_map(tmp_path, saved, make_scene(20, 20))
        assert {path.name for path in tmp_path.iterdir()} == {
            *("map.tif", "map.tif.aux.xml", "map.qml", "map_confidence.tif"),
        }
        assert summary.novel is None
        make_map(tmp_path, saved, make_scene(20, 20), options=MapOptions(0.5, probabilities=True, novelty=True))
        names = {"map", "map_confidence", "map_probabilities", "map_novelty"}
        assert {path.stem for path in tmp_path.glob("*.tif")} == names
        with rasterio.open(tmp_path / "map_probabilities.tif") as raster:
            assert raster.descriptions == saved.table.names and np.isnan(raster.nodata)

    def test_probabilities_add_up_to_1_and_the_largest_is_the_map(self, saved, tmp_path):
        scene = make_scene(30, 20)
        make_map(tmp_path, saved, scene, options=MapOptions(probabilities=True))
        valid = valid_of(scene)
        probabilities, ids = read(tmp_path / "map_probabilities.tif")[:, valid], read(tmp_path / "map.tif")[0][valid]
        np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)
        assert np.array_equal(np.asarray(saved.table.ids)[probabilities.argmax(axis=0)], ids)

    def test_excluded_pixels_have_no_data_and_no_effect(self, saved, tmp_path):
        scene, usable = make_scene(30, 20, invalid=False), np.ones((30, 20), bool)
        usable[:, 10:] = False
        summary = make_map(tmp_path, saved, scene, usable=usable)
        ids = read(tmp_path / "map.tif")[0]
        assert np.array_equal(ids != 0, usable)
        blank = scene.read().copy()
        blank[:, 10:] = np.nan
        (tmp_path / "again").mkdir()
        make_map(tmp_path / "again", saved, scene_from_array(blank, georeference=PLACE))
        assert np.array_equal(read(tmp_path / "again" / "map.tif")[0], ids)
        assert summary.without_data == 300

    def test_the_stored_reducer_is_applied(self, saved, tmp_path, monkeypatch):
        monkeypatch.setattr(type(saved.reducer), "fit", lambda *_: pytest.fail("fitted again"))
        before = {name: array.copy() for name, array in saved.reducer.state().items()}
        scene = scene_from_array(random_cube(20, 20) + 5, georeference=PLACE)  # of other statistics
        make_map(tmp_path, saved, scene)
        assert all(np.array_equal(before[name], array) for name, array in saved.reducer.state().items())
        check_like_reference(saved, scene, 7, 16)

    def test_progress_is_reported_in_rows(self, saved, tmp_path):
        steps = []
        make_map(tmp_path, saved, make_scene(30, 20), progress=lambda done, total: steps.append((done, total)))
        assert steps[-1] == (30, 30) and steps == sorted(set(steps))

    def test_an_error_in_the_middle_leaves_nothing(self, saved, tmp_path):
        scene = make_scene(40, 20)

        def fetch(block):
            if block.row >= 21:
                raise OSError("disk on fire")
            return scene.fetch(block)

        with pytest.raises(SceneError, match="rows 22 to 28 of 40 cannot be read: disk on fire"):
            make_map(tmp_path, saved, replace(scene, fetch=fetch))
        assert list(tmp_path.iterdir()) == []


class TestRejecting:
    def test_unclassified_is_a_class_of_its_own(self, saved, tmp_path):
        scene = make_scene(30, 20)
        summary = make_map(tmp_path, saved, scene, options=MapOptions(reject=0.6, probabilities=True))
        confidence, ids = read(tmp_path / "map_confidence.tif")[0], read(tmp_path / "map.tif")[0]
        valid, number = valid_of(scene), summary.table.ids[-1]
        assert number not in (nodata_value(summary.table), *saved.table.ids)
        assert summary.table.names[-1] == "unclassified"
        assert 0 < np.sum(ids == number) < valid.sum()
        assert np.array_equal(ids == number, valid & (confidence < 0.6))
        assert np.array_equal(ids == nodata_value(summary.table), ~valid)
        assert summary.pixels[number] == np.sum(ids == number)
        with rasterio.open(tmp_path / "map.tif") as raster:
            assert raster.colormap(1)[number] == (128, 128, 128, 255)
        assert "unclassified" in (tmp_path / "map.tif.aux.xml").read_text()
        assert "unclassified" in (tmp_path / "map.qml").read_text()


class TestNovelty:
    def test_distance_and_count_of_strange_pixels(self, saved, tmp_path):
        cube = random_cube(30, 20)
        cube[4:6, 5:9] *= 50
        cube[0, 0] = np.nan
        scene = scene_from_array(cube, georeference=PLACE)
        summary = make_map(tmp_path, saved, scene, options=MapOptions(novelty=True))
        novelty, valid = read(tmp_path / "map_novelty.tif")[0], valid_of(scene)
        components = reduce_scene(scene, saved.reducer, valid)
        np.testing.assert_allclose(novelty[valid], saved.novelty.distance(components[:, valid].T), rtol=1e-4)
        assert np.isnan(novelty[0, 0])
        assert summary.novel == np.sum(novelty[valid] > saved.novelty.limits[2])
        assert np.all(novelty[4:6, 5:9] > saved.novelty.limits[2])


class TestSmoothing:
    def test_there_are_no_seams_and_the_counts_are_new(self, saved, tmp_path):
        scene = make_scene(530, 12)
        summary = make_map(tmp_path, saved, scene, rows=200, tile=64, options=MapOptions(novelty=True))
        before = read(tmp_path / "map.tif")[0]
        smoothed = smooth_map(tmp_path / "map.tif", 5, scene, summary)
        after = read(tmp_path / "map.tif")[0]
        assert np.array_equal(after, majority(before, 5, ignore=0))
        assert not np.array_equal(after, before)
        assert np.array_equal(after == 0, before == 0)
        assert smoothed.pixels == {i: np.sum(after == i) for i in saved.table.ids}
        assert (smoothed.without_data, smoothed.novel) == (summary.without_data, summary.novel)
        with rasterio.open(tmp_path / "map.tif") as raster:
            assert raster.crs.to_wkt() and raster.colormap(1)[1][3] == 255

    def test_rejected_pixels_stay_rejected(self, saved, tmp_path):
        scene = make_scene(40, 12)
        summary = make_map(tmp_path, saved, scene, options=MapOptions(reject=0.6))
        before, number = read(tmp_path / "map.tif")[0], summary.table.ids[-1]
        smoothed = smooth_map(tmp_path / "map.tif", 3, scene, summary)
        after = read(tmp_path / "map.tif")[0]
        assert 0 < np.sum(before == number) < before.size and not np.array_equal(before, after)
        assert np.array_equal(before == number, after == number)
        assert smoothed.pixels[number] == summary.pixels[number]

    def test_a_map_without_place_is_smoothed_without_a_warning(self, saved, tmp_path, recwarn):
        scene = scene_from_array(random_cube(20, 20))
        summary = make_map(tmp_path, saved, scene)
        smooth_map(tmp_path / "map.tif", 3, scene, summary)
        assert not [w for w in recwarn if "georeference" in str(w.message)]


class TestPlanning:
    def test_more_layers_take_more_memory(self, saved):
        match = BandMatch(make_scene(20, 2000), None, "")
        limit = resident_memory() + 300 * 10**6
        plain = plan_map(saved, match, MapOptions(), limit)
        more = plan_map(saved, match, MapOptions(probabilities=True, novelty=True), limit)
        assert (more.tile, more.rows) < (plain.tile, plain.rows)

    def test_too_little_is_refused_with_what_is_needed(self, saved):
        match = BandMatch(make_scene(20, 20), None, "")
        with pytest.raises(UsageError, match=r"--max-memory is 50 MB; .* need at least [0-9,]+ MB"):
            plan_map(saved, match, MapOptions(), 50 * 10**6)
