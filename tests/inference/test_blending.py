"""Blending corrects single pixels inside fields, preserves borders, and ignores pixels without data."""

import numpy as np
import pytest

from hsi.inference import blending as blending_module
from hsi.inference.blending import RADIUS, REACH, SHARPNESS
from hsi.models.ensemble import LEADING
from tests.inference.reference import blend


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


def by_definition(probabilities, components):
    """Two averages over 7 x 7 pixels, pixel by pixel."""
    guide, known = components[:LEADING].astype(float), components.any(axis=0)
    for _ in range(2):
        averaged = probabilities.astype(float)
        for row, column in np.argwhere(known):
            around = np.s_[max(0, row - RADIUS) : row + RADIUS + 1, max(0, column - RADIUS) : column + RADIUS + 1]
            distance = np.square(guide[:, *around] - guide[:, row, column][:, None, None]).mean(axis=0)
            weight = np.exp(-distance / (2 * SHARPNESS**2)) * known[around]
            averaged[:, row, column] = (weight * probabilities[:, *around]).sum(axis=(1, 2)) / weight.sum()
        probabilities = averaged
    return probabilities


@pytest.mark.parametrize(("height", "width"), [(1, 1), (9, 2), (2, 9), (17, 23)])
def test_weights_are_those_of_the_definition_in_tiles_of_any_size(height, width, monkeypatch):
    random = np.random.default_rng(0)
    components = random.normal(0, 0.4, (10, height, width)).astype(np.float32)
    components[:, random.random((height, width)) < 0.2] = 0
    probabilities = random.dirichlet(np.ones(3), (height, width)).astype(np.float32).transpose(2, 0, 1)
    at_once = blend(probabilities, components)
    np.testing.assert_allclose(at_once, by_definition(probabilities, components), atol=1e-6)
    monkeypatch.setattr(blending_module, "TILE_SIDE", 7)
    assert np.array_equal(blend(probabilities, components), at_once)
