"""Splits that the user gives, and all pixels for training."""

import numpy as np
import pytest

from hsi.core.labels import label_map
from hsi.errors import SplitError, UsageError
from hsi.splits import PixelCounts, make_split, parse_sample_size

LABELS = label_map(np.array([[1, 1, 1, 2, 2, 2, 0]]))


def split_given(codes, labels=LABELS, **fields):
    return make_split(labels, rule="given", given=np.asarray(codes), seed=0, **fields)


def test_the_parts_are_the_given_ones():
    split = split_given([[1, 2, 3, 1, 3, 0, 0]])
    np.testing.assert_array_equal(split.codes(), [[1, 2, 3, 1, 3, 0, 0]])
    assert split.seed is None
    assert split.counts(LABELS) == {1: PixelCounts(1, 1, 1), 2: PixelCounts(1, 0, 1)}


def test_validation_can_be_drawn_from_the_training_pixels():
    labels, codes = label_map(np.arange(40)[None] % 2 + 1), np.where(np.arange(40) < 20, 1, 3)[None]
    split = split_given(codes, labels, validation=parse_sample_size("3"))
    assert split.counts(labels) == {1: PixelCounts(7, 3, 10), 2: PixelCounts(7, 3, 10)}
    np.testing.assert_array_equal(split.test, codes == 3)
    assert (split.rule, split.seed) == ("given, validation 3 per class", 0)
    codes[0, :2] = 2
    with pytest.raises(UsageError, match="has validation pixels already"):
        split_given(codes, labels, validation=parse_sample_size("3"))


def test_validation_is_drawn_as_areas_that_do_not_train():
    values = np.zeros((9, 24), int)
    for number in range(6):  # the last area is the only one of class 3
        values[2:7, 4 * number : 4 * number + 3] = (1, 2, 1, 2, 2, 3)[number]
    labels, codes = label_map(values), np.where(np.arange(9) < 6, 1, 3)[:, None] + 0 * values
    split = split_given(codes, labels, validation=parse_sample_size("10%"))
    assert [part.validation for part in split.counts(labels).values()] == [12, 12, 0]
    assert all(len(np.unique(split.codes()[2:6, 4 * n : 4 * n + 3])) == 1 for n in range(6))
    assert any(text.startswith("no validation pixels of class 3: they come from") for text in split.warnings)


@pytest.mark.parametrize(
    ("codes", "warning"),
    [
        ([[1, 3, 3, 1, 3, 3, 3]], "1 given pixels have no label and are left out"),
        ([[1, 1, 2, 1, 1, 2, 0]], "no given pixel is for the test: 2 means validation, 3 means test"),
        ([[1, 1, 1, 1, 3, 3, 0]], "no test pixel, so without an accuracy: class 1"),
    ],
)
def test_warnings(codes, warning):
    split = split_given(codes)
    assert warning in split.warnings
    assert split.codes()[0, 6] == 0


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.ones((2, 7)), r"\(2, 7\).*\(1, 7\)"),
        ([[1, 1, 1, 1, 3, 3, 4]], "found also 4"),
        ([[1, 1, np.nan, 1, 3, 3, 0]], "found also nan"),
        ([[1, 1, 3, 3, 3, 3, 0]], "training pixels of 2 or more classes are needed, found 1"),
    ],
)
def test_invalid_splits_are_explained(codes, message):
    with pytest.raises(SplitError, match=message):
        split_given(codes)


def test_all_pixels_train_except_those_for_validation():
    labels = label_map(np.random.default_rng(2).integers(0, 4, (24, 20)))
    split = make_split(labels, rule="all", seed=0)
    assert np.array_equal(split.train, labels.labelled) and split.warnings == ()
    validated = make_split(labels, rule="all", validation=parse_sample_size("5"), seed=0)
    assert [part.validation for part in validated.counts(labels).values()] == [5, 5, 5]
    assert "next to training pixels" in validated.warnings[0]
