"""Random pixels of each class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.core.labels import label_map
from hsi.splits import PixelCounts, SampleSize, make_split, parse_sample_size
from tests.splits.label_maps import percentages, sample_sizes, strip

label_maps = (
    arrays(np.int32, (9, 8), elements=st.integers(0, 4))
    .filter(lambda values: np.unique(values[values != 0]).size >= 2)
    .map(label_map)
)


def split_random(labels, train="10%", validation=None, seed=0):
    return make_split(labels, seed=seed, train=parse_sample_size(train),
                      validation=parse_sample_size(validation) if validation else None)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(label_maps, sample_sizes, st.none() | sample_sizes, st.integers(0, 2**32))
def test_parts_are_disjoint_and_cover_the_labelled_pixels_and_no_others(labels, train, validation, seed):
    split = make_split(labels, train=train, validation=validation, seed=seed)
    parts = split.train.astype(int) + split.validation + split.test
    np.testing.assert_array_equal(parts, labels.labelled)
    for class_id, part in split.counts(labels).items():
        pixels = labels.counts[class_id]
        assert part.train >= 1
        assert sum(part) == pixels
        assert part.test >= 1 or pixels == 1 or (validation is not None and pixels - part.train == 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 400), min_size=2, max_size=5),
    percentages | st.integers(1, 150).map(lambda count: SampleSize(count=count)),
)
def test_a_share_or_a_count_of_each_class_or_half_of_a_small_one(pixels, size):
    labels = strip(*pixels)
    for n, part in zip(pixels, make_split(labels, train=size, seed=1).counts(labels).values(), strict=True):
        if size.count:
            assert part.train == (size.count if n > size.count else n // 2)
        else:
            assert part.train == min(max(size.of(n), 1), n - 1)


def test_small_classes_give_fewer_where_that_is_asked_for():
    labels = strip(1000, 100, 99, 20, 15, 4)
    split = split_random(labels, "50/15")
    assert [part.train for part in split.counts(labels).values()] == [50, 50, 15, 15, 7, 2]
    assert split.rule == "random 50/15 per class"
    assert split.warnings == (
        "smaller than the number asked for, so half was taken: class 5 (15 pixels: 7 training, 0 validation), "
        "class 6 (4 pixels: 2 training, 0 validation)",
        "fewer than 5 training pixels: class 6 (2)",
    )


def test_ten_percent_is_not_ten_pixels():
    labels = strip(1000, 500)
    share, number = split_random(labels, "10%"), split_random(labels, "10")
    assert share.counts(labels) == {1: PixelCounts(100, 0, 900), 2: PixelCounts(50, 0, 450)}
    assert number.counts(labels) == {1: PixelCounts(10, 0, 990), 2: PixelCounts(10, 0, 490)}
    assert (share.rule, number.rule) == ("random 10%", "random 10 per class")


def test_validation_does_not_change_the_training_pixels():
    labels = strip(200, 100)
    split = split_random(labels, validation="20%", seed=3)
    assert split.counts(labels) == {1: PixelCounts(20, 40, 140), 2: PixelCounts(10, 20, 70)}
    np.testing.assert_array_equal(split.train, split_random(labels, seed=3).train)
    assert split.rule == "random 10%, validation 20%"


def test_a_smaller_training_set_is_a_subset_of_a_larger_one():
    labels = strip(200, 100)
    assert not np.any(split_random(labels, "5%").train & ~split_random(labels, "30%").train)


def test_this_split_stays_the_same_on_every_machine():
    split = split_random(label_map(np.arange(60).reshape(6, 10) % 3), seed=7)
    assert np.argwhere(split.train).tolist() == [[2, 3], [4, 3], [4, 7], [5, 2]]
    assert split_random(label_map(np.arange(60).reshape(6, 10) % 3), seed=8).hash != split.hash
    assert split.hash == "96f6791deff3afe2bf9f0b1b0a275cd69e3ff4ab0053b1a2bfae568a419c4ac1"


def test_memory_order_and_other_classes_do_not_matter():
    values = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.int32)
    split = split_random(label_map(values))
    assert split_random(label_map(np.repeat(values, 2, axis=1)[:, ::2])).hash == split.hash
    merged = split_random(label_map(np.where(values == 3, 9, values)))
    np.testing.assert_array_equal(split.train[values < 3], merged.train[values < 3])


def test_small_classes_are_named_in_the_warnings():
    labels = strip(100, 12, 1)
    split = split_random(labels, "20")
    assert split.counts(labels) == {1: PixelCounts(20, 0, 80), 2: PixelCounts(6, 0, 6), 3: PixelCounts(1, 0, 0)}
    assert split.warnings == (
        "smaller than the number asked for, so half was taken: class 2 (12 pixels: 6 training, 0 validation)",
        "fewer than 5 training pixels: class 3 (1)",
        "no test pixel, so without an accuracy: class 3",
    )
    assert split_random(strip(100, 100)).warnings == ()


def test_a_class_without_pixels_is_named():
    labels = strip(50, 50, 50)
    masked = labels.masked(labels.values != 2)
    split = split_random(masked)
    assert split.counts(masked)[2] == PixelCounts(0, 0, 0)
    assert split.warnings == ("no training pixel, so never on the map: class 2",)


@pytest.mark.parametrize("background", [7, 9])
def test_background_need_not_be_zero(background):
    values = np.array([[0, 0, 0, 0, 7, 7, 7, 7, 9, 9, 9]])
    codes = split_random(label_map(values, background=background), "50%").codes()
    assert np.array_equal(codes > 0, values != background)
