from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.core.labels import LabelMap, label_map
from hsi.errors import ConfigError, SplitError, UnknownNameError, UsageError
from hsi.settings import Settings, load_settings
from hsi.splits import (
    SPLITS,
    PixelCounts,
    SampleSize,
    Split,
    expand_folds,
    make_split,
    parse_sample_size,
    split_request,
)
from hsi.splits.make import OPTIONS

PINNED_PIXELS = [[2, 3], [4, 3], [4, 7], [5, 2]]
PINNED_HASH = "96f6791deff3afe2bf9f0b1b0a275cd69e3ff4ab0053b1a2bfae568a419c4ac1"


def strip(*pixels: int) -> LabelMap:
    """A one-row map: so many pixels of class 1, 2, …, between background."""
    values = np.concatenate([[0], *(np.full(n, i + 1) for i, n in enumerate(pixels)), [0]])
    return label_map(values[None, :])


def two_classes_or_more(values: np.ndarray) -> bool:
    return np.unique(values[values != 0]).size >= 2


label_maps = arrays(np.int32, (9, 8), elements=st.integers(0, 4)).filter(two_classes_or_more).map(label_map)
shares = st.decimals(1, 49, places=1).map(lambda value: SampleSize(percent=float(value)))
two_numbers = st.tuples(st.integers(2, 60), st.integers(1, 59)).filter(lambda both: both[1] < both[0])
amounts = st.one_of(
    shares,
    st.integers(1, 60).map(lambda count: SampleSize(count=count)),
    two_numbers.map(lambda both: SampleSize(count=both[0], small=both[1])),
)


class TestAmount:
    def test_a_share_and_a_number_are_told_apart_by_the_percent_sign(self):
        assert parse_sample_size("10%") == parse_sample_size(" 10 % ") == SampleSize(percent=10.0)
        assert parse_sample_size("2.5%") == SampleSize(percent=2.5)
        assert parse_sample_size("50") == SampleSize(count=50)
        assert parse_sample_size("50/15") == SampleSize(count=50, small=15)
        assert parse_sample_size("10%") != parse_sample_size("10")

    @pytest.mark.parametrize(
        "text",
        [
            "0.1",
            "10.0",
            "",
            "ten",
            "1e3",
            "-5",
            "+5",
            "-5%",
            "5%%",
            "% 5",
            "nan%",
            "1_0",
            "٥",
            "50/",
            "/15",
            "50/15/5",
            "50/15%",
        ],
    )
    def test_anything_else_is_refused_with_both_ways_to_write_it(self, text):
        with pytest.raises(UsageError, match=r"write 10% for a share, 50 for a number of pixels per class"):
            parse_sample_size(text)

    @pytest.mark.parametrize("text", ["0", "0%", "0.0%", "100%", "100.5%", "250%", "50/0", "50/50", "15/50"])
    def test_nothing_and_everything_are_refused(self, text):
        with pytest.raises(UsageError, match="found"):
            parse_sample_size(text)

    @pytest.mark.parametrize("wrong", [{}, {"percent": 5.0, "count": 5}, {"count": 2.5}, {"percent": float("nan")}])
    def test_an_amount_is_exactly_one_of_the_two(self, wrong):
        with pytest.raises(UsageError):
            SampleSize(**wrong)

    @pytest.mark.parametrize(
        ("percent", "pixels", "expected"), [(10, 15, 2), (10, 14, 1), (50, 5, 3), (2.3, 1500, 35), (10, 4, 0)]
    )
    def test_a_share_is_rounded_half_up_in_decimal(self, percent, pixels, expected):
        assert SampleSize(percent=percent).of(pixels) == expected

    @given(amounts)
    def test_what_is_printed_says_which_it_is(self, amount):
        text = str(amount)
        assert text.endswith("%") == (amount.count is None)
        assert parse_sample_size(text.removesuffix(" per class")) == amount


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
        split = make_split(labels, train=SampleSize(count=count), seed=1)
        for n, part in zip(pixels, split.counts(labels).values(), strict=True):
            assert part.train == (count if n > count else n // 2)

    def test_small_classes_give_fewer_where_that_is_asked_for(self):
        labels = strip(1000, 100, 99, 20, 15, 4)
        split = make_split(labels, train=parse_sample_size("50/15"), seed=0)
        assert [part.train for part in split.counts(labels).values()] == [50, 50, 15, 15, 7, 2]
        assert split.rule == "random 50/15 per class"
        assert split.warnings == (
            "smaller than the number asked for, so half was taken: class 5 (15 pixels: 7 training, 0 validation), "
            "class 6 (4 pixels: 2 training, 0 validation)",
            "fewer than 5 training pixels: class 6 (2)",
        )

    def test_ten_percent_is_not_ten_pixels(self):
        labels = strip(1000, 500)
        share = make_split(labels, train=parse_sample_size("10%"), seed=0)
        number = make_split(labels, train=parse_sample_size("10"), seed=0)
        assert share.counts(labels) == {1: PixelCounts(100, 0, 900), 2: PixelCounts(50, 0, 450)}
        assert number.counts(labels) == {1: PixelCounts(10, 0, 990), 2: PixelCounts(10, 0, 490)}
        assert (share.rule, number.rule) == ("random 10%", "random 10 per class")

    def test_validation_is_an_amount_of_the_class_and_leaves_training_as_it_was(self):
        labels = strip(200, 100)
        without = make_split(labels, train=parse_sample_size("10%"), seed=3)
        split = make_split(labels, train=parse_sample_size("10%"), validation=parse_sample_size("20%"), seed=3)
        assert split.counts(labels) == {1: PixelCounts(20, 40, 140), 2: PixelCounts(10, 20, 70)}
        np.testing.assert_array_equal(split.train, without.train)
        assert split.rule == "random 10%, validation 20%"

    def test_a_smaller_training_set_is_part_of_a_larger_one(self):
        labels = strip(200, 100)
        small, large = (make_split(labels, train=parse_sample_size(text), seed=3) for text in ("5%", "30%"))
        assert not np.any(small.train & ~large.train)

    def test_the_seed_alone_decides(self):
        labels = strip(300, 200)
        first, again, other = (make_split(labels, train=parse_sample_size("10%"), seed=s).hash for s in (4, 4, 5))
        assert first == again != other
        assert len(first) == 64

    def test_this_split_stays_the_same_on_every_machine(self):
        labels = label_map(np.arange(60).reshape(6, 10) % 3)
        split = make_split(labels, train=parse_sample_size("10%"), seed=7)
        assert np.argwhere(split.train).tolist() == PINNED_PIXELS
        assert split.hash == PINNED_HASH

    def test_memory_order_does_not_matter(self):
        values = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.int32)
        orders = (values, np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2])
        hashes = {make_split(label_map(array), train=parse_sample_size("10%"), seed=1).hash for array in orders}
        assert len(hashes) == 1

    def test_a_class_does_not_depend_on_the_others(self):
        values = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.int32)
        merged = np.where(values == 3, 9, values)
        first, second = (
            make_split(label_map(array), train=parse_sample_size("10%"), seed=1) for array in (values, merged)
        )
        np.testing.assert_array_equal(first.train[values < 3], second.train[values < 3])

    def test_small_classes_are_named_in_the_warnings(self):
        labels = strip(100, 12, 1)
        split = make_split(labels, train=parse_sample_size("20"), seed=0)
        assert split.counts(labels) == {1: PixelCounts(20, 0, 80), 2: PixelCounts(6, 0, 6), 3: PixelCounts(1, 0, 0)}
        assert split.warnings == (
            "smaller than the number asked for, so half was taken: class 2 (12 pixels: 6 training, 0 validation)",
            "fewer than 5 training pixels: class 3 (1)",
            "no test pixel, so without an accuracy: class 3",
        )

    def test_an_ordinary_split_has_no_warnings(self):
        assert make_split(strip(100, 100), train=parse_sample_size("10%"), seed=0).warnings == ()

    def test_a_class_without_pixels_is_named(self):
        labels = strip(50, 50, 50)
        masked = labels.masked(labels.values != 2)
        split = make_split(masked, train=parse_sample_size("10%"), seed=0)
        assert split.counts(masked)[2] == PixelCounts(0, 0, 0)
        assert any(line.startswith("no training pixel") and "class 2" in line for line in split.warnings)

    def test_background_need_not_be_zero(self):
        values = np.array([[0, 0, 0, 0, 7, 7, 7, 7, 9, 9, 9]])
        labels = label_map(values, background=7)
        split = make_split(labels, train=parse_sample_size("50%"), seed=0)
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

    def test_validation_can_be_drawn_from_the_training_pixels(self):
        labels, codes = label_map(np.arange(40)[None] % 2 + 1), np.where(np.arange(40) < 20, 1, 3)[None]
        split = make_split(labels, rule="given", given=codes, validation=parse_sample_size("3"), seed=0)
        assert split.counts(labels) == {1: PixelCounts(7, 3, 10), 2: PixelCounts(7, 3, 10)}
        np.testing.assert_array_equal(split.test, codes == 3)
        assert (split.rule, split.seed) == ("given, validation 3 per class", 0)
        codes[0, :2] = 2
        with pytest.raises(UsageError, match="has validation pixels already"):
            make_split(labels, rule="given", given=codes, validation=parse_sample_size("3"), seed=0)

    def test_codes_without_a_test_pixel_are_told(self):
        split = make_split(self.labels, rule="given", given=np.array([[1, 1, 2, 1, 1, 2, 0]]), seed=0)
        assert "no given pixel is for the test: 2 means validation, 3 means test" in split.warnings

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
        with pytest.raises(SplitError, match="2 or more classes are needed, found only 'class 1'"):
            make_split(strip(20), train=parse_sample_size("10%"), seed=0)

    def test_no_label_left(self):
        with pytest.raises(SplitError, match="found none"):
            make_split(self.labels.masked(np.zeros_like(self.labels.labelled)), train=parse_sample_size("10%"), seed=0)

    def test_unknown_rules_list_the_known_ones(self):
        with pytest.raises(UnknownNameError, match="did you mean random"):
            make_split(self.labels, rule="randon", train=parse_sample_size("10%"), seed=0)

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"seed": -1, "train": parse_sample_size("10%")}, "seed"),
            ({"given": np.ones((1, 42))}, "'random' has no use for --split given:FILE: .*it is for given"),
            (
                {"train": parse_sample_size("60%"), "validation": parse_sample_size("40%")},
                "leave no pixel for the test",
            ),
            ({"validation": parse_sample_size("90%")}, "training 10% and validation 90% leave no pixel"),
            ({"rule": "given"}, "needs its pixels"),
            ({"window": 4}, "odd number of pixels, found 4"),
            ({"rule": "blocks", "window": 5, "block": 0}, "--block is 1 or more, found 0"),
            ({"rule": "blocks"}, "give the window or a buffer"),
            ({"rule": "blocks", "window": 25, "buffer": 11}, "lets windows of 25 pixels overlap: give 12 or more"),
            (
                {"rule": "blocks", "window": 5, "train": parse_sample_size("5"), "minimum": 6},
                "more than the 5 training",
            ),
            ({"rule": "kfold-random"}, "name it with --fold 1 to 5"),
            ({"rule": "kfold-blocks", "window": 3, "folds": 3, "fold": 4}, "--fold 4 is not one of the 3 folds"),
            ({"rule": "kfold-polygons", "folds": 1, "fold": 1}, "2 or more are needed"),
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


def ask(rule: str, labels: LabelMap, seed: int, **more: object) -> Split:
    """A split by any rule, whatever it needs."""
    needs: dict[str, object] = {}
    if "given" in SPLITS[rule].uses:
        needs["given"] = make_split(labels, train=parse_sample_size("30%"), seed=seed).codes()
    if "fold" in SPLITS[rule].uses:
        needs |= {"folds": 3, "fold": 2}
    return make_split(labels, rule=rule, seed=seed, window=3, **{**needs, **more})


def test_all_pixels_train_but_those_held_back_for_validation():
    labels = label_map(np.random.default_rng(2).integers(0, 4, (24, 20)))
    split = make_split(labels, rule="all", seed=0)
    assert np.array_equal(split.train, labels.labelled) and split.warnings == ()
    held = make_split(labels, rule="all", validation=parse_sample_size("5"), seed=0)
    assert [part.validation for part in held.counts(labels).values()] == [5, 5, 5]
    with pytest.raises(UsageError, match="'all' has no use for --train: leave --train out"):
        make_split(labels, rule="all", train=parse_sample_size("5"), seed=0)


def fields(height: int, width: int, size: int, classes: int) -> LabelMap:
    """Square fields of ``size`` pixels, their classes in turn, with a strip of background between."""
    rows, columns = np.indices((height, width))
    values = (rows // size * 2 + columns // size) % classes + 1
    return label_map(np.where((rows % size == 0) | (columns % size == 0), 0, values))


@pytest.mark.parametrize("rule", list(SPLITS))
class TestEveryRule:
    labels = fields(36, 45, 9, 3)

    def test_same_request_same_split(self, rule):
        assert ask(rule, self.labels, 3).hash == ask(rule, self.labels, 3).hash

    def test_memory_order_does_not_matter(self, rule):
        turned = label_map(np.asfortranarray(self.labels.values))
        assert ask(rule, turned, 3).hash == ask(rule, self.labels, 3).hash

    def test_masks_are_bool_disjoint_and_labelled(self, rule):
        split = ask(rule, self.labels, 3)
        for mask in (split.train, split.validation, split.test):
            assert mask.dtype == bool
            assert mask.shape == self.labels.values.shape
            assert not np.any(mask & ~self.labels.labelled)
        assert not np.any(
            (split.train & split.test) | (split.train & split.validation) | (split.test & split.validation)
        )
        assert split.codes().max() == (1 if rule == "all" else 3)
        assert set(split.counts(self.labels)) == set(self.labels.table.ids)

    def test_every_class_is_trained_and_tested(self, rule):
        for part in ask(rule, self.labels, 3).counts(self.labels).values():
            assert part.train >= 5
            assert part.test >= 5 or rule == "all"

    def test_the_rule_names_itself(self, rule):
        assert ask(rule, self.labels, 3).rule.startswith(rule)

    def test_validation_is_cut_from_what_would_train(self, rule):
        if "validation" not in SPLITS[rule].uses:
            pytest.skip("takes no validation pixels")
        plain, split = (ask(rule, self.labels, 3, **more) for more in ({}, {"validation": parse_sample_size("5%")}))
        for class_id, part in split.counts(self.labels).items():
            assert part.validation == SampleSize(percent=5).of(self.labels.counts[class_id])
        if rule == "random":  # of which the training pixels do not depend on validation
            np.testing.assert_array_equal(split.train, plain.train)
        else:
            np.testing.assert_array_equal(split.train | split.validation, plain.train)
            np.testing.assert_array_equal(split.test, plain.test)

    def test_what_it_has_no_use_for_is_refused(self, rule):
        values = {
            "train": parse_sample_size("5"),
            "validation": parse_sample_size("5"),
            "given": np.ones((36, 45)),
            "block": 9,
        }
        values |= {"buffer": 2, "minimum": 3, "folds": 3, "fold": 1}
        assert set(values) == set(OPTIONS)
        for field in set(values) - SPLITS[rule].uses:
            with pytest.raises(UsageError, match=f"'{rule}' has no use for {OPTIONS[field]}: leave"):
                ask(rule, self.labels, 3, **{field: values[field]})

    def test_the_masks_cannot_be_changed(self, rule):
        split = ask(rule, self.labels, 3)
        with pytest.raises(ValueError, match="read-only"):
            split.train[0, 0] = True
        with pytest.raises(AttributeError):
            split.seed = 4

    def test_its_record_is_json_and_counts_every_labelled_pixel(self, rule):
        split = ask(rule, self.labels, 3)
        record = split.to_dict(self.labels)
        assert json.loads(json.dumps(record)) == record
        assert (record["hash"], record["rule"]) == (split.hash, split.rule)
        for entry in record["classes"]:
            parts = sum(entry[part] for part in ("train", "validation", "test", "unused"))
            assert parts == self.labels.counts[entry["id"]]


@pytest.mark.parametrize(
    ("rule", "digest"),
    [
        ("blocks", "34b89f80cb0b9da46f9ed4c8de543af4b78a66c49556d1916cd30f4ac274cfa8"),
        ("polygons", "9e670e95fe7f239b90c97e45c7cc2fc78c9be7d5723cc166812aaea943a09e3a"),
        ("kfold-random", "566eab488db0a7cc4e897fe764d176bd8491f9c37d1be22556a202792ee59952"),
        ("kfold-blocks", "7293dede39a9f5666dca75b0047cac84ce47f36618ce673d6861a00c5f72cce0"),
        ("kfold-polygons", "7a959d5722aa2ecb48f7e6809318e5cfee66a801788e0d526459cb8595b78963"),
    ],
)
def test_these_splits_stay_the_same_on_every_machine(rule, digest):
    split = ask(rule, fields(36, 45, 9, 3), 7, train=parse_sample_size("10%"), validation=parse_sample_size("5%"))
    assert split.hash == digest


class TestSettings:
    def test_settings_ask_for_what_they_say(self):
        overrides = {"split.rule": "blocks", "split.train": 50, "split.buffer": 9, "model.window": 11, "seed": 4}
        request = split_request(load_settings(None, overrides))
        assert (request.seed, request.window, request.buffer) == (4, 11, 9)
        assert request.train == SampleSize(count=50)
        assert (request.validation, request.minimum, request.fold) == (None, None, None)

    def test_every_fold_of_an_open_k_fold_split_becomes_a_run(self):
        settings = load_settings(None, {"split.rule": "kfold-blocks", "split.folds": 3})
        runs = expand_folds(settings)
        assert [run.split.fold for run in runs] == [1, 2, 3]
        assert expand_folds(runs[1]) == [runs[1]]

    def test_other_splits_are_one_run(self):
        assert expand_folds(Settings()) == [Settings()]

    def test_files_may_follow_the_rule(self):
        short, long = (load_settings(None, values) for values in (
            {"split.rule": "given:a.tif,b.tif"}, {"split.rule": "given", "split.given": "a.tif,b.tif"}))  # fmt: skip
        assert short == long
        assert short.split.given == "a.tif,b.tif"

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ({"split.rule": "given"}, "needs its pixels: given:split.tif"),
            ({"split.rule": "given:"}, "needs its pixels"),
            ({"split.given": "a.tif"}, "'random' has no use for the file a.tif"),
            ({"split.folds": 1}, "split.folds"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, overrides, message):
        with pytest.raises(ConfigError, match=message):
            load_settings(None, overrides)
