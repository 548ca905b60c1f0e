"""Blending corrects single pixels inside fields, preserves borders, and ignores pixels without data."""

import numpy as np

from hsi.inference.blending import REACH, blend


def two_fields(noise, seed=0):
    """Components ``(10, 24, 24)`` of a left and a right field, and their classes."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(24)[None] >= 12, 24, axis=0).astype(int)
    components = np.where(truth, 1.0, -1.0) + noise * generator.normal(size=(10, 24, 24))
    return components.astype(np.float32), truth


def certain(codes, share):
    """Probabilities ``(2, h, w)`` of which the given class has ``share``."""
    return np.where(np.arange(2)[:, None, None] == codes, share, 1 - share).astype(np.float32)


def test_wrong_pixels_inside_fields_are_corrected_and_the_border_stays():
    components, truth = two_fields(0.1)
    wrong = np.random.default_rng(1).random(truth.shape) < 0.15
    blended = blend(certain(np.where(wrong, 1 - truth, truth), 0.8), components)
    assert np.array_equal(blended.argmax(axis=0), truth)
    np.testing.assert_allclose(blended.sum(axis=0), 1, rtol=1e-5)


def test_pixels_unlike_all_neighbours_do_not_change():
    components, truth = two_fields(3.0)
    probabilities = certain(truth, 0.7)
    np.testing.assert_allclose(blend(probabilities, components), probabilities, atol=1e-3)


def test_pixels_without_data_count_for_no_other():
    components, truth = two_fields(0.01)
    components[:, 5:9, 5:9] = 0
    probabilities = certain(truth, 0.9)
    probabilities[:, 5:9, 5:9] = np.array([0, 1])[:, None, None]
    outside = np.ones(truth.shape, bool)
    outside[5:9, 5:9] = False
    np.testing.assert_allclose(blend(probabilities, components)[:, outside], certain(truth, 0.9)[:, outside], atol=1e-3)


def test_no_pixel_has_an_effect_beyond_the_reach():
    components = np.ones((3, 1, 20), np.float32)
    probabilities = np.zeros((1, 1, 20), np.float32)
    probabilities[0, 0, 10] = 1
    assert np.flatnonzero(blend(probabilities, components)).tolist() == list(range(10 - REACH, 10 + REACH + 1))
