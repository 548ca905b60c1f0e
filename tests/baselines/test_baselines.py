"""The contract of every baseline, and what single ones compute."""

import functools
import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf

from hsi.accuracy.leakage import nearest_training_codes
from hsi.baselines import BASELINES, Samples, apply, fit_baseline, predict_scene
from hsi.baselines.gaussian import RegularizedGaussians
from hsi.baselines.spectral_angle import SpectralAngleClassifier
from hsi.baselines.tuned import assign_stratified_folds, subsample, tune
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import UsageError
from hsi.preprocessing.reducers import fit_reducer
from hsi.settings import ReducerSettings

FEW, PIXELS = 2, 15  # training pixels of the last class, and of each of the others


@dataclass(frozen=True)
class Ground:
    """A scene ``(30, 32, 24)`` with a corner that is not valid, class positions ``(H, W)`` and training pixels."""

    scene: object
    valid: np.ndarray
    codes: np.ndarray
    train: np.ndarray


@pytest.fixture(scope="module")
def ground():
    cube, labels, _ = make_scene(30, 32, bands=24, classes=3, field=10)  # the first two are similar
    valid, codes = np.ones(labels.shape, bool), labels.astype(np.int64) - 1
    cube, valid[:3, :5] = cube.astype(np.float32), False
    cube[~valid] = np.nan
    codes[~valid] = -1
    train, random = np.zeros(labels.shape, bool), np.random.default_rng(0)
    for code in range(3):
        places = random.permutation(np.flatnonzero(codes == code))
        train.ravel()[places[: FEW if code == 2 else PIXELS]] = True
    return Ground(scene_from_array(cube), valid, codes, train)


def mapped(name, ground, codes=None, seed=0, reducer=None):
    """A baseline fitted on a ground and its map."""
    baseline = BASELINES[name](seed)
    chosen = reducer or baseline.reducer
    sizes = {"name": chosen, "components": 8 if chosen == "pca" else None}
    fitted = fit_reducer(ground.scene, ReducerSettings(**sizes), ground.valid) if chosen else None
    codes = ground.codes if codes is None else codes
    calls = []
    progress = lambda *call: calls.append(call)  # noqa: E731
    fit_baseline(baseline, ground.scene, fitted, ground.valid, ground.train, codes, 25, progress)
    assert calls == [(i + 1, len(calls)) for i in range(len(calls))]
    return baseline, predict_scene(baseline, ground.scene, fitted, ground.valid)


@pytest.fixture(scope="module")
def made(ground):
    """Baselines with their maps, made once for each name."""
    return functools.cache(lambda name: mapped(name, ground))


@pytest.mark.parametrize("name", list(BASELINES))
class TestEveryBaseline:
    def test_it_classifies_every_valid_pixel_better_than_chance(self, name, made, ground):
        _, predicted = made(name)
        tested = (ground.codes >= 0) & ~ground.train
        assert np.mean(predicted.codes[tested] == ground.codes[tested]) > 0.5  # of three classes
        rare = tested & (ground.codes == 2)  # the class with two training pixels
        assert np.mean(predicted.codes[rare] == 2) > (0.1 if name == "position" else 0.5)
        assert np.array_equal(predicted.codes == -1, ~ground.valid)

    def test_it_uses_training_labels_only_and_is_reproducible(self, name, made, ground):
        _, predicted = made(name)
        others = np.where(ground.train, ground.codes, np.roll(ground.codes, 7, axis=0))
        _, again = mapped(name, ground, others)
        assert np.array_equal(predicted.codes, again.codes)
        if predicted.confidence is not None:
            assert np.array_equal(predicted.confidence, again.confidence, equal_nan=True)

    def test_confidence_is_a_probability_or_none(self, name, made, ground):
        _, predicted = made(name)
        assert (predicted.confidence is not None) == (name in ("rf", "logistic", "boosting"))
        if predicted.confidence is not None:
            assert np.array_equal(np.isnan(predicted.confidence), ~ground.valid)
            inside = predicted.confidence[ground.valid]
            assert inside.dtype == np.float32
            assert np.all((inside >= 1 / 3) & (inside <= 1))

    def test_it_describes_itself(self, name, made):
        baseline, _ = made(name)
        assert baseline.name == name and baseline.source.startswith("doi:10.") and baseline.describe()
        json.dumps(baseline.recipe(), allow_nan=False)


def test_an_explicit_reducer_is_used(ground):
    spectra, components = (mapped("knn", ground, reducer=name)[0] for name in ("identity", "pca"))
    assert (spectra.estimator_.n_features_in_, components.estimator_.n_features_in_) == (24, 8)


def test_the_map_does_not_depend_on_the_blocks(made, ground, monkeypatch):
    baseline, at_once = made("svm-window")
    reducer = fit_reducer(ground.scene, ReducerSettings(name="identity"), ground.valid)
    monkeypatch.setattr(apply, "BLOCK_BYTES", 4 * 32 * 24 * 8)  # four rows
    predicted = predict_scene(baseline, ground.scene, reducer, ground.valid)
    assert np.array_equal(predicted.codes, at_once.codes)


@pytest.mark.parametrize("side", [1, 3, 7])
def test_window_means_are_of_the_valid_pixels_inside_the_scene(side):
    random = np.random.default_rng(1)
    valid = random.random((9, 8)) > 0.3
    values = np.where(valid, random.normal(5, 1, (3, 9, 8)), 0).astype(np.float32)
    means = apply.window_means(values, valid, side)
    half = side // 2
    for row, column in zip(*np.nonzero(valid), strict=True):
        window = (slice(max(0, row - half), row + half + 1), slice(max(0, column - half), column + half + 1))
        expected = values[:, *window][:, valid[window]].mean(axis=1)
        assert np.allclose(means[:, row, column], expected, rtol=1e-5)


def test_windows_of_the_svm_are_no_larger_than_those_of_the_audit():
    baseline = BASELINES["svm-window"](0)
    assert baseline.sides(25) == (3, 5, 7, 9, 11)
    assert baseline.sides(7) == (3, 5, 7)
    with pytest.raises(UsageError, match="--window is 1, and svm-window averages over 3 pixels or more"):
        baseline.sides(1)


def test_angles_are_those_to_the_mean_of_each_class_whatever_the_brightness():
    random = np.random.default_rng(2)
    values, codes = random.uniform(1, 100, (30, 5)).astype(np.float32), np.repeat([0, 2, 5], 10)
    model = SpectralAngleClassifier()
    model.fit(values, codes)
    means = np.array([values[codes == code].mean(axis=0) for code in (0, 2, 5)], np.float64)
    cosines = values @ means.T / np.linalg.norm(values, axis=1)[:, None] / np.linalg.norm(means, axis=1)
    assert np.array_equal(model.predict(values), np.array([0, 2, 5])[cosines.argmax(axis=1)])
    assert np.array_equal(model.predict(values), model.predict(values * 650))


@pytest.mark.parametrize("shrinkage", [0.01, 0.3, 1.0])
def test_gaussians_are_those_of_the_formula(shrinkage):
    random = np.random.default_rng(3)
    codes = np.repeat([1, 4], [40, 3])
    values = (random.normal(0, 1, (43, 4)) * (1 + codes[:, None]) + codes[:, None]).astype(np.float32)
    model = RegularizedGaussians(shrinkage)
    model.fit(values, codes)
    points = values.astype(np.float64)
    centred = points - np.array([points[codes == code].mean(axis=0) for code in codes])
    shared, likelihoods = ledoit_wolf(centred, assume_centered=True)[0], []
    for code in (1, 4):
        own = centred[codes == code]
        mass = np.array([(1 - shrinkage) * len(own), shrinkage * len(centred)])
        covariance = (mass[0] * own.T @ own / len(own) + mass[1] * shared) / mass.sum()
        likelihoods.append(multivariate_normal(points[codes == code].mean(axis=0), covariance).logpdf(points))
    assert np.array_equal(model.predict(values), np.array([1, 4])[np.argmax(likelihoods, axis=0)])


def test_position_is_the_baseline_of_the_audit(ground):
    expected = nearest_training_codes(ground.train, ground.codes)
    assert np.array_equal(mapped("position", ground)[1].codes, np.where(ground.valid, expected, -1))


class TestTuning:
    @given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(2, 6))
    @settings(max_examples=60, deadline=None)
    def test_every_fold_trains_every_class_and_folds_are_of_equal_size(self, sizes, folds):
        codes = np.repeat(np.arange(len(sizes)) * 3, sizes)
        fold_of = assign_stratified_folds(codes, folds, np.random.default_rng(0))
        used = int(fold_of.max()) + 1
        assert used == min(folds, sum(size for size in sizes if size > 1))
        for fold in range(used):
            assert set(codes[fold_of != fold]) == set(codes)
        counts = np.bincount(fold_of[fold_of >= 0], minlength=1)
        assert counts.max() - counts.min() <= 1
        for code, size in zip(np.unique(codes), sizes, strict=True):
            assert np.all(fold_of[codes == code] == -1) == (size == 1)

    def test_the_best_value_and_the_first_of_equals_win(self):
        def threshold(at):
            return SimpleNamespace(fit=lambda values, codes: None, predict=lambda values: values[:, 0] > at)

        values = np.stack([np.zeros((20, 1)), np.arange(20.0)[:, None]]).astype(np.float32)
        rows = np.arange(20)
        samples = Samples(values, (3, 5), (rows > 9).astype(int), rows, rows, (20, 20))
        chosen = tune(threshold, samples, {"at": (-1.0, 9.2, 9.8, 15.0)}, 0)
        assert (chosen.values, chosen.side, chosen.accuracy, chosen.folds, chosen.pixels) == ({"at": 9.2}, 5, 1, 5, 20)

    def test_without_two_pixels_of_a_class_the_middle_is_taken(self):
        rows = np.arange(3)
        samples = Samples(np.zeros((1, 3, 2), np.float32), (1,), rows, rows, rows, (3, 3))
        chosen = tune(None, samples, {"C": (1.0, 10.0, 100.0)}, 0)
        assert (chosen.values, chosen.accuracy) == ({"C": 10.0}, None)

    def test_few_of_many_pixels_are_drawn_at_one_rate_from_every_class(self):
        codes = np.repeat([0, 1, 2], [4000, 2000, 3])
        drawn = subsample(codes, 600, np.random.default_rng(0))
        assert np.all(np.diff(drawn) > 0)
        assert np.allclose(np.bincount(codes[drawn]), [400, 200, 2], atol=1)
