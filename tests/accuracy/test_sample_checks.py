"""References that are no random sample raise doubts, random samples none."""

import numpy as np
import pytest

from hsi.accuracy.sample_checks import ReferencePixels, check_sampling

NAMES = ("corn", "soy", "water")


@pytest.fixture
def classes():
    """A map ``(120, 100)`` of three bands of unequal width, without data in two rows."""
    bands = np.repeat([0, 1, 2], [60, 55, 5])[:, None] * np.ones(100, int)
    bands[-2:] = -1
    return bands


def sample(classes, design, seed, count=600):
    random = np.random.default_rng(seed)
    sampled = np.zeros(classes.shape, bool)
    if design == "simple":
        sampled.flat[random.choice(np.flatnonzero(classes >= 0), count, replace=False)] = True
    else:
        for code in range(3):
            places = np.flatnonzero(classes == code)
            sampled.flat[random.choice(places, count // 3, replace=False)] = True
    return sampled


@pytest.mark.parametrize("design", ["simple", "stratified"])
@pytest.mark.parametrize("seed", range(8))
def test_random_samples_raise_no_doubt(classes, design, seed):
    assert check_sampling(ReferencePixels(classes, sample(classes, design, seed), NAMES), design) == []


def test_all_pixels_and_a_systematic_grid_raise_no_doubt(classes):
    grid = np.zeros(classes.shape, bool)
    grid[3::6, 2::6] = True
    for sampled, design in ((classes >= 0, "simple"), (classes >= 0, "stratified"), (grid & (classes >= 0), "simple")):
        assert check_sampling(ReferencePixels(classes, sampled, NAMES), design) == []


def test_fields_are_detected(classes):
    fields, half = np.zeros((2, *classes.shape), bool)
    fields[10:30, 10:40] = fields[70:90, 50:80] = True
    half[:-2, :50] = True
    (doubt,) = check_sampling(ReferencePixels(classes, fields, NAMES), "stratified")
    assert "lie side by side (2,300 neighbouring pairs" in doubt
    assert "look like fields" in check_sampling(ReferencePixels(classes, half, NAMES), "simple")[0]


def test_a_sample_drawn_by_class_is_no_simple_one(classes):
    pixels = ReferencePixels(classes, sample(classes, "stratified", 0), NAMES)
    (doubt,) = check_sampling(pixels, "simple")
    assert "(water: 33.3% of the sample, 2.5% of the map)" in doubt
    assert "--design stratified" in doubt


def test_polygons_are_detected_and_points_are_not(classes):
    sampled = sample(classes, "stratified", 0, 30)
    points = np.where(sampled, np.cumsum(sampled).reshape(sampled.shape), 0)
    assert check_sampling(ReferencePixels(classes, sampled, NAMES, points), "stratified") == []
    polygons = np.zeros(classes.shape, int)
    polygons[5:9, 5:9], polygons[80:82, 5:7] = 1, 2
    (doubt,) = check_sampling(ReferencePixels(classes, polygons > 0, NAMES, polygons), "stratified")
    assert "2 polygons of up to 16 pixels" in doubt
