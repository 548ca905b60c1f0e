"""Points of each class of a sample, against the worked example of Olofsson et al. (2014) and by hand."""

import numpy as np
import pytest

from hsi.accuracy.sample_size import (
    allocate_points,
    expected_error,
    fit_minimum,
    outweighed_classes,
    points_for_error,
)

# section 5.1: deforestation, forest gain, stable forest, stable non-forest
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_the_sample_size_of_the_paper():
    assert points_for_error(MAPPED, np.array([0.70, 0.60, 0.90, 0.95]), 0.01) == 641
    assert points_for_error(MAPPED, 0.8, 0.02) == 400  # 0.8 x 0.2 / 0.02^2


@pytest.mark.parametrize(
    ("points", "least", "expected"),
    [
        (641, 75, [75, 75, 163, 328]),  # 491 by area: 491 x 320 / 965 = 162.8, 491 x 645 / 965 = 328.2
        (641, 100, [100, 100, 146, 295]),  # 441: 146.2, 294.8
        (200, 50, [50, 50, 50, 50]),
        (100, 2, [2, 2, 32, 64]),  # 96: 31.8, 64.2; the first has 1.99 of 98 and so the minimum, too
    ],
)
def test_rare_classes_have_the_minimum_and_the_others_share_by_area(points, least, expected):
    assert allocate_points(MAPPED, points, least).tolist() == expected


def test_of_small_classes_all_pixels_are_drawn():
    assert allocate_points(np.array([1, 20, 500, 4_000]), 300, 50).tolist() == [1, 20, 50, 229]
    assert allocate_points(np.array([3, 5]), 8, 50).tolist() == [3, 5]
    assert fit_minimum(np.array([5, 900, 900]), 105) == 50
    assert fit_minimum(np.array([5, 900, 900]), 104) == 49


@pytest.mark.parametrize("seed", range(20))
def test_any_allocation_fits_the_map(seed):
    random = np.random.default_rng(seed)
    mapped = (10 ** random.uniform(0, 6, 12)).astype(np.int64)
    least = int(random.integers(2, 60))
    points = int(random.integers(np.minimum(mapped, least).sum(), mapped.sum() + 1))
    drawn = allocate_points(mapped, points, least)
    assert drawn.sum() == points
    assert (drawn >= np.minimum(mapped, least)).all() and (drawn <= mapped).all()


def test_the_standard_error_is_that_of_equation_5_without_the_correction_of_one():
    drawn = np.array([75, 75, 163, 328])
    weights = MAPPED / MAPPED.sum()
    assert expected_error(MAPPED, drawn, 0.8) == pytest.approx(np.sqrt((weights**2 * 0.16 / drawn).sum()))
    assert outweighed_classes(np.array([5, 1_000, 99_000]), np.array([5, 50, 200])).tolist() == [True, False, False]
