"""Quantity and allocation disagreement against the examples of their authors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.accuracy.metrics import measure_disagreement

# Wundram and Löffler (2008), tables 2 and 3, which Pontius and Millones (2011) take as an example: map in rows
SUPERVISED = [[89, 3, 7, 0, 1], [11, 16, 10, 1, 0], [2, 14, 60, 2, 0], [1, 9, 7, 5, 0], [20, 1, 2, 0, 4]]
UNSUPERVISED = [[114, 9, 8, 0, 1], [5, 23, 11, 1, 0], [1, 10, 59, 2, 0], [0, 1, 7, 5, 0], [3, 0, 1, 0, 4]]


@pytest.mark.parametrize(
    ("matrix", "quantity", "allocation"), [(SUPERVISED, 36, 55), (UNSUPERVISED, 17, 43)], ids=["first", "second"]
)
def test_an_example_of_the_paper(matrix, quantity, allocation):
    """Of 265 pixels: half the sum of |map - reference| by class, and the rest of those off the diagonal."""
    found = measure_disagreement(np.array(matrix))
    assert found.quantity * 265 == pytest.approx(quantity)
    assert found.allocation * 265 == pytest.approx(allocation)


def test_the_parts_of_the_first_example():
    found = measure_disagreement(np.array(SUPERVISED))
    assert [round(value, 4) for value in (found.quantity, found.allocation)] == [0.1358, 0.2075]
    commission = np.array([0.0415, 0.0830, 0.0679, 0.0642, 0.0868])
    omission = np.array([0.1283, 0.1019, 0.0981, 0.0113, 0.0038])
    assert found.quantity_of == pytest.approx(np.abs(commission - omission), abs=1.5e-4)
    assert found.allocation_of == pytest.approx(2 * np.minimum(commission, omission), abs=1.5e-4)


def test_a_stratified_sample_weighted_by_the_map():
    """The numbers of the spreadsheet that the authors give with the paper (PontiusMatrix26): 4 strata of 100 to 400."""
    sample = np.arange(10, 50, 10)[:, None] + np.arange(1, 5)
    weighted = sample / sample.sum(axis=1, keepdims=True) * np.array([[100], [200], [300], [400]])
    found = measure_disagreement(weighted)
    assert (found.quantity, found.allocation) == pytest.approx((0.182234, 0.567193), abs=1e-6)


def test_amounts_and_places():
    amounts = measure_disagreement(np.array([[5, 0], [3, 2]]))
    assert (amounts.quantity, amounts.allocation) == (0.3, 0)
    places = measure_disagreement(np.array([[5, 2], [2, 1]]))
    assert (places.quantity, places.allocation) == (0, 0.4)
    assert measure_disagreement(np.zeros((2, 2), int)) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_the_two_are_all_that_is_wrong_and_do_not_care_for_the_order(classes, seed):
    random = np.random.default_rng(seed)
    matrix = random.integers(0, 20, (classes, classes)) + np.eye(classes, dtype=int)
    found = measure_disagreement(matrix)
    assert found.quantity + found.allocation == pytest.approx(1 - np.trace(matrix) / matrix.sum())
    assert found.quantity_of.sum() == pytest.approx(2 * found.quantity)
    order = random.permutation(classes)
    for same in (matrix.T, matrix[order][:, order], 7 * matrix):
        again = measure_disagreement(same)
        assert (again.quantity, again.allocation) == pytest.approx((found.quantity, found.allocation))
