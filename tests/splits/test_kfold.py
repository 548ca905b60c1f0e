"""Folds of pixels, blocks and polygons."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from hsi.core.labels import label_map
from hsi.errors import SplitError
from hsi.splits import PixelCounts, SampleSize, make_split
from hsi.splits.groups import assign_folds, split_in_half
from tests.splits.label_maps import distances, parcels, scenes, strip, stripes, windows_overlap


def make_folds(labels, rule, folds, seed, window=None):
    return [make_split(labels, rule=rule, seed=seed, folds=folds, fold=i + 1, window=window) for i in range(folds)]


@settings(max_examples=15, deadline=None)
@given(scenes(), st.integers(2, 4), st.integers(0, 99), st.sampled_from([3, 5]))
@pytest.mark.parametrize("rule", ["kfold-random", "kfold-blocks", "kfold-polygons"])
def test_each_pixel_is_tested_once(rule, labels, folds, seed, window):
    try:
        splits = make_folds(labels, rule, folds, seed, window)
    except SplitError:  # a fold without pixels, or whose test leaves no classes to train
        reject()
    assert len(splits) == folds
    np.testing.assert_array_equal(sum(split.test.astype(int) for split in splits), labels.labelled)
    for split in splits:
        assert not np.any(split.train & split.test)
        if rule == "kfold-blocks":
            assert not windows_overlap(split.test, split.train, window)
            unused = labels.labelled & ~(split.train | split.test)
            assert np.all(distances(unused, split.test) < window)
        else:
            assert np.all(labels.labelled == (split.train | split.test))


def test_random_folds_are_stratified_and_differ_by_a_pixel():
    labels = strip(23, 50, 8)
    splits = make_folds(labels, "kfold-random", 5, 0)
    tested = np.array([[part.test for part in split.counts(labels).values()] for split in splits])
    assert np.all(np.ptp(tested, axis=0) <= 1)
    assert np.ptp(tested.sum(axis=1)) <= 2


def test_polygons_are_not_divided():
    labels = parcels()
    for split in make_folds(labels, "kfold-polygons", 3, 1):
        for number in range(1, 13):
            assert len(np.unique(split.test[labels.polygons == number])) == 1


def test_training_samples_and_validation_come_from_the_other_folds():
    labels, sizes = stripes(30, 15, 1, 2), {"train": SampleSize(count=20), "validation": SampleSize(count=10)}
    split = make_split(labels, rule="kfold-random", seed=0, folds=3, fold=1, **sizes)
    assert list(split.counts(labels).values()) == [PixelCounts(20, 10, 150)] * 2
    assert split.rule == "kfold-random, fold 1 of 3, train 20 per class, validation 10 per class"


def test_more_folds_than_polygons_are_refused():
    with pytest.raises(SplitError, match="this fold has no pixel"):
        make_folds(label_map(np.array([[1, 1, 0, 2, 2]])), "kfold-polygons", 4, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 12))
def test_groups_of_one_class_are_halved_to_within_a_group(seed, groups):
    random = np.random.default_rng(seed)
    counts = random.integers(10, 20, (groups, 1))
    training = split_in_half(counts, 5, random)
    shares = counts[training].sum(), counts[~training].sum()
    assert min(shares) >= 5
    assert abs(shares[0] - shares[1]) <= 20


def test_folds_get_about_as_many_pixels_of_each_class():
    random = np.random.default_rng(0)
    counts = random.integers(0, 30, (60, 4))
    fold_of = assign_folds(counts, 5, random)
    shares = np.array([counts[fold_of == fold].sum(axis=0) for fold in range(5)])
    assert np.all(np.abs(shares * 5 / counts.sum(axis=0) - 1) < 0.35)
