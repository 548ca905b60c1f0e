"""The Mahalanobis distance to the nearest class, against scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf

from hsi.inference.novelty import PIXELS, NoveltyDetector, fit_novelty


@pytest.fixture(scope="module")
def pixels():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(6, 6))
    codes = random.integers(0, 3, 900)
    return (random.normal(size=(900, 6)) @ mixing + 5 * codes[:, None]).astype(np.float32), codes


def test_distance_to_the_nearest_class_mean(pixels):
    values, codes = pixels
    detector = fit_novelty(values, codes, 3)
    means = np.array([values[codes == c].mean(axis=0, dtype=np.float64) for c in range(3)])
    inverse = LedoitWolf(assume_centered=True).fit(values - means[codes]).get_precision()
    expected = cdist(values.astype(np.float64), means, "mahalanobis", VI=inverse).min(axis=1)
    found = detector.distance(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(detector.limits, np.percentile(expected, (95, 99, 99.9)), rtol=1e-4)
    np.testing.assert_allclose(detector.means, means)


def test_pixels_unlike_any_are_beyond_the_limits(pixels):
    detector = fit_novelty(*pixels, 3)
    assert np.all(detector.distance(np.full((4, 6), 1e3, np.float32)) > detector.limits[2])
    assert np.mean(detector.distance(pixels[0]) > detector.limits[2]) < 0.002


def test_many_pixels_are_done_in_pieces(pixels):
    detector = fit_novelty(*pixels, 3)
    many = np.tile(pixels[0], (2 * PIXELS // 900 + 1, 1))
    np.testing.assert_allclose(detector.distance(many)[-900:], detector.distance(pixels[0]), rtol=1e-5)
    assert detector.distance(many[:0]).shape == (0,)


def test_a_class_without_pixels_takes_the_mean_of_all(pixels):
    means = fit_novelty(*pixels, 4).means
    np.testing.assert_allclose(means[3], pixels[0].mean(axis=0, dtype=np.float64))


@pytest.mark.parametrize("count", [2, 3])
def test_few_pixels_make_finite_numbers_and_the_state_restores_them(count):
    values = np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32)
    detector = fit_novelty(values, np.arange(count) % 2, 2)
    distances = detector.distance(values + 1)
    assert np.isfinite(distances).all()
    assert np.array_equal(NoveltyDetector(**detector.state()).distance(values + 1), distances)
