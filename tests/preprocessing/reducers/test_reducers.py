"""Reducers: one pass over blocks gives what a library gives for all pixels at once, and runs agree."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA as ReferencePCA

from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array
from hsi.errors import BundleError, SceneError, UsageError
from hsi.preprocessing.reducers import REDUCERS, fit_reducer, reduce_scene, restore_reducer
from hsi.preprocessing.reducers.reducer import Moments, Summary
from hsi.settings import ReducerSettings


def make_cube(height=20, width=18, bands=9, seed=0):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(bands, bands)) * np.geomspace(30, 0.5, bands)[:, None]
    return (1000 + generator.normal(size=(height, width, bands)) @ mixing).astype(np.float32)


def everywhere(cube):
    return np.ones(cube.shape[:2], bool)


def fit(cube, valid=None, **settings_):
    return fit_reducer(
        scene_from_array(cube), ReducerSettings(**settings_), everywhere(cube) if valid is None else valid
    )


def test_whitened_components_equal_scikit_learn_up_to_sign():
    cube = make_cube()
    reducer = fit(cube, name="pca", components=5)
    ours = reduce_scene(scene_from_array(cube), reducer, everywhere(cube)).reshape(5, -1).T
    theirs = ReferencePCA(5, whiten=True, svd_solver="full").fit_transform(cube.reshape(-1, 9).astype(np.float64))
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-3)
    assert np.allclose(ours.std(axis=0, ddof=1), 1, atol=1e-4)


def test_the_sign_does_not_depend_on_the_order_of_pixels():
    cube = make_cube()
    one, other = (fit(c, name="pca", components=6) for c in (cube, np.ascontiguousarray(cube[::-1, ::-1])))
    assert np.allclose(one.state()["weights"], other.state()["weights"], rtol=1e-6, atol=1e-9)


@given(st.lists(st.integers(1, 199), min_size=0, max_size=6, unique=True))
@settings(max_examples=30, deadline=None)
def test_moments_of_blocks_are_those_of_all_pixels(cuts):
    pixels = 1e5 + np.random.default_rng(1).normal(size=(200, 4))
    parts = [Summary(Moments.of(part)) for part in np.split(pixels, sorted(cuts))]
    merged = sum(parts, Summary()).moments
    assert merged.count == 200
    assert np.allclose(merged.mean, Moments.of(pixels).mean, rtol=1e-12)
    assert np.allclose(merged.covariance, np.cov(pixels.T), rtol=1e-9, atol=1e-9)


def test_invalid_pixels_do_not_contribute():
    cube = make_cube()
    valid = everywhere(cube)
    valid[:3] = False
    spoiled = cube.copy()
    spoiled[:3] = np.nan
    clean = fit(cube[3:], name="pca", components=4)
    reducer = fit(spoiled, valid, name="pca", components=4)
    assert np.allclose(reducer.state()["weights"], clean.state()["weights"])
    components = reduce_scene(scene_from_array(spoiled), reducer, valid)
    assert np.all(components[:, :3] == 0) and np.all(np.isfinite(components))


def test_standardised_bands_do_not_depend_on_their_unit():
    cube = make_cube()
    scaled = cube * np.geomspace(1, 1000, 9, dtype=np.float32)
    for standardise in (True, False):
        fits = [(c, fit(c, name="pca", components=3, standardise=standardise)) for c in (cube, scaled)]
        one, other = (reduce_scene(scene_from_array(c), reducer, everywhere(c)) for c, reducer in fits)
        assert np.allclose(one, other, atol=1e-2) is standardise


@pytest.mark.parametrize("name", list(REDUCERS))
def test_every_reducer_can_be_saved_and_restored(name):
    cube = make_cube()
    settings_ = ReducerSettings(name=name, components=4 if name != "identity" else None)
    reducer = fit_reducer(scene_from_array(cube), settings_, everywhere(cube))
    pixels = cube.reshape(-1, 9)
    again = restore_reducer(settings_, reducer.state())
    assert again.transform(pixels).dtype == np.float32
    assert np.array_equal(again.transform(pixels), reducer.transform(pixels))
    assert again.describe() == reducer.describe()
    with pytest.raises(BundleError, match="missing"):
        restore_reducer(settings_, {})


@pytest.mark.parametrize("name", ["pca", "mnf"])
def test_too_many_components_are_refused_with_the_number_that_would_do(name):
    cube = make_cube()
    with pytest.raises(UsageError, match="--components 9 or fewer"):
        fit(cube, name=name, components=10)
    with pytest.raises(UsageError, match="only 2 carry any variance"):
        fit(np.repeat(cube[:, :, :2], 4, axis=2), name=name, components=5)


@pytest.mark.parametrize("name", ["pca", "mnf"])
def test_a_scene_in_which_nothing_varies_has_no_components(name):
    with pytest.raises(UsageError, match=r"no band varies among the valid pixels \(12\)"):
        fit(np.ones((3, 4, 5), np.float32), name=name)


def test_fewer_pairs_of_neighbours_than_bands_are_no_estimate_of_noise():
    cube = np.random.default_rng(0).normal(size=(2, 5, 9)).astype(np.float32)
    with report_to(recorder := Recorder()):
        fit(cube, name="mnf", components=2)
    assert "the noise of 9 bands is estimated from 8 pairs of neighbouring pixels" in recorder.warnings[0]


def test_the_identity_takes_no_number_of_components():
    with pytest.raises(UsageError, match="leave --components out"):
        fit(make_cube(), name="identity", components=3)


@pytest.mark.parametrize("name", ["pca", "mnf"])
def test_a_scene_without_valid_pixels_or_with_other_bands_is_refused(name):
    cube = make_cube()
    with pytest.raises(SceneError, match="no valid pixel"):
        fit(cube, ~everywhere(cube), name=name, components=2)
    reducer = fit(cube, name=name, components=2)
    with pytest.raises(BundleError, match="8 usable bands are given, but the reducer was fitted on 9"):
        reduce_scene(scene_from_array(cube[:, :, :8]), reducer, everywhere(cube))


def test_mnf_puts_signal_before_noise_and_does_not_depend_on_the_bands_scales():
    generator = np.random.default_rng(3)
    smooth = np.cumsum(np.cumsum(generator.normal(size=(40, 50, 2)), axis=0), axis=1) / 40
    mixing = generator.normal(size=(2, 8))
    noise = generator.normal(size=(40, 50, 8)) * np.array([5, 0.2, 0.2, 3, 0.2, 0.2, 0.2, 4])
    cube = smooth @ mixing + noise
    results = []
    for scale in (np.ones(8), np.geomspace(1, 500, 8)):
        reducer = fit(cube * scale, name="mnf", components=4)
        results.append(reduce_scene(scene_from_array(cube * scale), reducer, everywhere(cube)))
        ratios = reducer.state()["ratios"]
        assert ratios[1] > 5 * ratios[2] and np.all(np.diff(ratios) <= 0)
    assert np.allclose(np.abs(results[0][:2]), np.abs(results[1][:2]), atol=1e-2)
    first = np.corrcoef(np.vstack([results[0][:2].reshape(2, -1), smooth.reshape(-1, 2).T]))[:2, 2:]
    assert np.all(np.linalg.norm(first, axis=1) > 0.9), "the leading components are the hidden signal"
    with pytest.raises(UsageError, match="no effect on mnf"):
        fit(cube, name="mnf", standardise=True)


def test_only_rows_around_the_labelled_pixels_are_read_and_they_are_the_same():
    cube = make_cube(400, 30, 9)
    rows_read = []
    original = scene_from_array(cube)

    def fetch(block):
        rows_read.append((block.row, block.height))
        return cube[block.slices]

    scene = dataclasses.replace(original, fetch=fetch)
    strips = [Block(row, 0, 20, 30) for row in range(0, 400, 20)]
    object.__setattr__(scene, "blocks", lambda budget=0: iter(strips))
    reducer = fit(cube, components=3)
    around = np.zeros((400, 30), bool)
    around[205, 7] = around[399, 0] = True
    padded = reduce_scene(scene, reducer, everywhere(cube), margin=5, around=around)
    everything = reduce_scene(original, reducer, everywhere(cube), margin=5)
    assert rows_read == [(200, 20), (380, 20)]
    assert padded.shape == everything.shape == (3, 410, 40)
    assert np.array_equal(padded[:, 205:216], everything[:, 205:216])
    assert np.allclose(everything[:, 5:-5, 5:-5], reduce_scene(original, reducer, everywhere(cube)))
    assert not everything[:, :5].any() and not everything[:, :, -5:].any()


@pytest.mark.parametrize("name", ["pca", "mnf", "identity"])
def test_summaries_of_parts_add_up_in_any_order_and_grouping(name):
    cube = make_cube(24)
    valid = np.random.default_rng(4).random(cube.shape[:2]) < 0.8
    valid[6:9] = False  # a part without a valid pixel
    scene, wanted = scene_from_array(cube), ReducerSettings(name=name, components=None if name == "identity" else 4)
    at_once = fit_reducer(scene, wanted, valid).state()
    reducer = REDUCERS[name](wanted)
    parts = [reducer.summarise(cube[rows : rows + 3], valid[rows : rows + 3]) for rows in range(0, 24, 3)]
    in_pairs = [parts[i + 1] + parts[i] for i in range(0, 8, 2)]
    reducer.learn((in_pairs[3] + in_pairs[0]) + (in_pairs[2] + in_pairs[1]))
    for key, value in reducer.state().items():
        np.testing.assert_allclose(value, at_once[key], rtol=1e-7, atol=1e-10)
