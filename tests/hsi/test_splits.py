from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.errors import SplitError, UnknownNameError, UsageError
from hsi.labels import LabelMap, label_map
from hsi.splits import SPLITS, Amount, PixelCounts, Split, make_split, parse_amount

PINNED_PIXELS = [[2, 3], [4, 3], [4, 7], [5, 2]]
PINNED_HASH = "96f6791deff3afe2bf9f0b1b0a275cd69e3ff4ab0053b1a2bfae568a419c4ac1"


def strip(*pixels: int) -> LabelMap:
    """A one-row map: so many pixels of class 1, 2, …, between background."""
    values = np.concatenate([[0], *(np.full(n, i + 1) for i, n in enumerate(pixels)), [0]])
    return label_map(values[None, :])


def two_classes_or_more(values: np.ndarray) -> bool:
    return np.unique(values[values != 0]).size >= 2


label_maps = arrays(np.int32, (9, 8), elements=st.integers(0, 4)).filter(two_classes_or_more).map(label_map)
shares = st.decimals(1, 49, places=1).map(lambda value: Amount(percent=float(value)))
amounts = st.one_of(shares, st.integers(1, 60).map(lambda count: Amount(count=count)))


class TestAmount:
    def test_a_share_and_a_number_are_told_apart_by_the_percent_sign(self):
        assert parse_amount("10%") == parse_amount(" 10 % ") == Amount(percent=10.0)
        assert parse_amount("2.5%") == Amount(percent=2.5)
        assert parse_amount("50") == Amount(count=50)
        assert parse_amount("10%") != parse_amount("10")

    @pytest.mark.parametrize(
        "text", ["0.1", "10.0", "", "ten", "1e3", "-5", "+5", "-5%", "5%%", "% 5", "nan%", "1_0", "٥"]
    )
    def test_anything_else_is_refused_with_both_ways_to_write_it(self, text):
        with pytest.raises(UsageError, match=r"write 10% for a share or 50 for a number of pixels per class"):
            parse_amount(text)

    @pytest.mark.parametrize("text", ["0", "0%", "0.0%", "100%", "100.5%", "250%"])
    def test_nothing_and_everything_are_refused(self, text):
        with pytest.raises(UsageError, match="found"):
            parse_amount(text)

    @pytest.mark.parametrize("wrong", [{}, {"percent": 5.0, "count": 5}, {"count": 2.5}, {"percent": float("nan")}])
    def test_an_amount_is_exactly_one_of_the_two(self, wrong):
        with pytest.raises(UsageError):
            Amount(**wrong)

    @pytest.mark.parametrize(
        ("percent", "pixels", "expected"), [(10, 15, 2), (10, 14, 1), (50, 5, 3), (2.3, 1500, 35), (10, 4, 0)]
    )
    def test_a_share_is_rounded_half_up_in_decimal(self, percent, pixels, expected):
        assert Amount(percent=percent).of(pixels) == expected

    @given(amounts)
    def test_what_is_printed_says_which_it_is(self, amount):
        text = str(amount)
        assert text.endswith("%") == (amount.count is None)
        assert parse_amount(text.removesuffix(" per class")) == amount


class TestRandom:
    @settings(max_examples=60, deadline=None)
    @given(label_maps, amounts, st.none() | amounts, st.integers(0, 2**32))
    def test_parts_are_disjoint_and_cover_the_labelled_pixels_and_no_others(self, labels, train, validation, seed):
        split = make_split(labels, train=train, validation=validation, seed=seed)
        parts = split.train.astype(int) + split.validation + split.test
        np.testing.assert_array_equal(parts, labels.labelled)
        for class_id, part in split.counts(labels).items():
            pixels = labels.counts[class_id]
            assert part.train >= 1
            assert sum(part) == pixels
            assert part.test >= 1 or pixels == 1 or (validation is not None and pixels - part.train == 0)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(2, 400), min_size=2, max_size=5), shares)
    def test_a_share_is_a_share_of_each_class(self, pixels, share):
        labels = strip(*pixels)
        split = make_split(labels, train=share, seed=1)
        for n, part in zip(pixels, split.counts(labels).values(), strict=True):
            assert part.train == min(max(share.of(n), 1), n - 1)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(2, 400), min_size=2, max_size=5), st.integers(1, 150))
    def test_a_number_is_that_many_of_each_class_or_half_of_a_small_one(self, pixels, count):
        labels = strip(*pixels)
        split = make_split(labels, train=Amount(count=count), seed=1)
        for n, part in zip(pixels, split.counts(labels).values(), strict=True):
            assert part.train == (count if n > count else n // 2)

    def test_ten_percent_is_not_ten_pixels(self):
        labels = strip(1000, 500)
        share = make_split(labels, train=parse_amount("10%"), seed=0)
        number = make_split(labels, train=parse_amount("10"), seed=0)
        assert share.counts(labels) == {1: PixelCounts(100, 0, 900), 2: PixelCounts(50, 0, 450)}
        assert number.counts(labels) == {1: PixelCounts(10, 0, 990), 2: PixelCounts(10, 0, 490)}
        assert (share.rule, number.rule) == ("random 10%", "random 10 per class")

    def test_validation_is_an_amount_of_the_class_and_leaves_training_as_it_was(self):
        labels = strip(200, 100)
        without = make_split(labels, train=parse_amount("10%"), seed=3)
        split = make_split(labels, train=parse_amount("10%"), validation=parse_amount("20%"), seed=3)
        assert split.counts(labels) == {1: PixelCounts(20, 40, 140), 2: PixelCounts(10, 20, 70)}
        np.testing.assert_array_equal(split.train, without.train)
        assert split.rule == "random 10%, validation 20%"

    def test_a_smaller_training_set_is_part_of_a_larger_one(self):
        labels = strip(200, 100)
        small, large = (make_split(labels, train=parse_amount(text), seed=3) for text in ("5%", "30%"))
        assert not np.any(small.train & ~large.train)

    def test_the_seed_alone_decides(self):
        labels = strip(300, 200)
        first, again, other = (make_split(labels, train=parse_amount("10%"), seed=s).hash for s in (4, 4, 5))
        assert first == again != other
        assert len(first) == 64

    def test_this_split_stays_the_same_on_every_machine(self):
        labels = label_map(np.arange(60).reshape(6, 10) % 3)
        split = make_split(labels, train=parse_amount("10%"), seed=7)
        assert np.argwhere(split.train).tolist() == PINNED_PIXELS
        assert split.hash == PINNED_HASH

    def test_memory_order_does_not_matter(self):
        values = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.int32)
        orders = (values, np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2])
        hashes = {make_split(label_map(array), train=parse_amount("10%"), seed=1).hash for array in orders}
        assert len(hashes) == 1

    def test_a_class_does_not_depend_on_the_others(self):
        values = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.int32)
        merged = np.where(values == 3, 9, values)
        first, second = (make_split(label_map(array), train=parse_amount("10%"), seed=1) for array in (values, merged))
        np.testing.assert_array_equal(first.train[values < 3], second.train[values < 3])

    def test_small_classes_are_named_in_the_warnings(self):
        labels = strip(100, 12, 1)
        split = make_split(labels, train=parse_amount("20"), seed=0)
        assert split.counts(labels) == {1: PixelCounts(20, 0, 80), 2: PixelCounts(6, 0, 6), 3: PixelCounts(1, 0, 0)}
        assert split.warnings == (
            "smaller than the number asked for, so half was taken: class 2 (12 pixels: 6 training, 0 validation)",
            "fewer than 5 training pixels: class 3 (1)",
            "no test pixel, so without an accuracy: class 3",
        )

    def test_an_ordinary_split_has_no_warnings(self):
        assert make_split(strip(100, 100), train=parse_amount("10%"), seed=0).warnings == ()

    def test_a_class_without_pixels_is_named(self):
        labels = strip(50, 50, 50)
        masked = labels.masked(labels.values != 2)
        split = make_split(masked, train=parse_amount("10%"), seed=0)
        assert split.counts(masked)[2] == PixelCounts(0, 0, 0)
        assert any(line.startswith("no training pixel") and "class 2" in line for line in split.warnings)

    def test_background_need_not_be_zero(self):
        values = np.array([[0, 0, 0, 0, 7, 7, 7, 7, 9, 9, 9]])
        labels = label_map(values, background=7)
        split = make_split(labels, train=parse_amount("50%"), seed=0)
        assert not np.any(split.codes()[values == 7])
        assert np.all(split.codes()[values != 7] > 0)


class TestGiven:
    labels = label_map(np.array([[1, 1, 1, 2, 2, 2, 0]]))

    def test_the_parts_are_the_given_ones(self):
        codes = np.array([[1, 2, 3, 1, 3, 0, 0]])
        split = make_split(self.labels, rule="given", given=codes, seed=0)
        np.testing.assert_array_equal(split.codes(), codes)
        assert split.seed is None
        assert split.counts(self.labels) == {1: PixelCounts(1, 1, 1), 2: PixelCounts(1, 0, 1)}

    def test_pixels_without_a_label_are_left_out_with_a_warning(self):
        split = make_split(self.labels, rule="given", given=np.array([[1, 3, 3, 1, 3, 3, 3]]), seed=0)
        assert split.codes()[0, 6] == 0
        assert "1 given pixels have no label and are left out" in split.warnings

    def test_untrained_and_untested_classes_are_named(self):
        labels = label_map(np.array([[1, 1, 2, 2, 3, 3]]))
        split = make_split(labels, rule="given", given=np.array([[1, 1, 1, 3, 3, 3]]), seed=0)
        assert "no training pixel, so never on the map: class 3" in split.warnings
        assert "no test pixel, so without an accuracy: class 1" in split.warnings

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (np.ones((2, 7)), r"\(2, 7\).*\(1, 7\)"),
            (np.array([[1, 1, 1, 1, 3, 3, 4]]), "found also 4"),
            (np.array([[1, 1, np.nan, 1, 3, 3, 0]]), "found also nan"),
            (np.array([[1, 1, 3, 3, 3, 3, 0]]), "training pixels of 2 or more classes are needed, found 1"),
        ],
    )
    def test_what_cannot_be_used_is_explained(self, codes, message):
        with pytest.raises(SplitError, match=message):
            make_split(self.labels, rule="given", given=codes, seed=0)


class TestRefusals:
    labels = strip(20, 20)

    def test_one_class_cannot_be_told_apart(self):
        with pytest.raises(SplitError, match="2 or more classes are needed to tell apart, found only 'class 1'"):
            make_split(strip(20), train=parse_amount("10%"), seed=0)

    def test_no_label_left(self):
        with pytest.raises(SplitError, match="found none"):
            make_split(self.labels.masked(np.zeros_like(self.labels.labelled)), train=parse_amount("10%"), seed=0)

    def test_unknown_rules_list_the_known_ones(self):
        with pytest.raises(UnknownNameError, match="did you mean random"):
            make_split(self.labels, rule="randon", train=parse_amount("10%"), seed=0)

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"seed": -1, "train": parse_amount("10%")}, "seed"),
            ({}, "needs an amount of training pixels"),
            ({"train": parse_amount("10%"), "given": np.ones((1, 42))}, "has no use for a raster"),
            ({"train": parse_amount("60%"), "validation": parse_amount("40%")}, "leave no pixel for the test"),
            ({"rule": "given"}, "needs a raster"),
            ({"rule": "given", "given": np.ones((1, 42)), "train": parse_amount("5")}, "has its pixels already"),
        ],
    )
    def test_requests_that_make_no_sense(self, request_, message):
        with pytest.raises(UsageError, match=message):
            make_split(self.labels, **{"seed": 0, **request_})

    def test_masks_that_overlap_or_differ_are_no_split(self):
        mask = np.ones((2, 2), bool)
        with pytest.raises(SplitError, match="4 pixels are in more than one"):
            Split(mask, mask, ~mask, "by hand", None)
        with pytest.raises(SplitError, match="of one shape"):
            Split(mask, ~mask, np.zeros((2, 3), bool), "by hand", None)
        with pytest.raises(SplitError, match="are bool"):
            Split(mask, ~mask, np.zeros((2, 2), np.uint8), "by hand", None)  # type: ignore[arg-type]


def ask(rule: str, labels: LabelMap, seed: int) -> Split:
    """A split by any rule, whatever it needs."""
    if rule == "given":
        drawn = make_split(labels, train=parse_amount("30%"), seed=seed)
        return make_split(labels, rule=rule, given=drawn.codes(), seed=seed)
    if rule == "all":
        return make_split(labels, rule=rule, validation=parse_amount("30%"), seed=seed)
    return make_split(labels, rule=rule, train=parse_amount("30%"), seed=seed)


def test_all_pixels_train_but_those_held_back_for_validation():
    labels = label_map(np.random.default_rng(2).integers(0, 4, (24, 20)))
    split = make_split(labels, rule="all", seed=0)
    assert np.array_equal(split.train, labels.labelled) and split.warnings == ()
    held = make_split(labels, rule="all", validation=parse_amount("5"), seed=0)
    assert [part.validation for part in held.counts(labels).values()] == [5, 5, 5]
    with pytest.raises(UsageError, match="leave --train out"):
        make_split(labels, rule="all", train=parse_amount("5"), seed=0)


@pytest.mark.parametrize("rule", list(SPLITS))
class TestEveryRule:
    labels = label_map(np.random.default_rng(2).integers(0, 4, (24, 20)))

    def test_same_request_same_split(self, rule):
        assert ask(rule, self.labels, 3).hash == ask(rule, self.labels, 3).hash

    def test_masks_are_bool_disjoint_and_labelled(self, rule):
        split = ask(rule, self.labels, 3)
        for mask in (split.train, split.validation, split.test):
            assert mask.dtype == bool
            assert mask.shape == self.labels.values.shape
            assert not np.any(mask & ~self.labels.labelled)
        assert split.codes().max() == (2 if rule == "all" else 3)
        assert set(split.counts(self.labels)) == set(self.labels.table.ids)

    def test_the_rule_names_itself(self, rule):
        assert ask(rule, self.labels, 3).rule.startswith(rule)
