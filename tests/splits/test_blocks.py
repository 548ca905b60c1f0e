"""Splits by place: what they promise, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from hsi.accuracy.leakage import audit_split
from hsi.core.labels import LabelMap, label_map
from hsi.errors import SplitError, UsageError
from hsi.splits import PixelCounts, SampleSize, SplitRequest, make_folds, make_split, parse_sample_size
from hsi.splits.buffer import select_distant
from hsi.splits.groups import assign_folds, field_groups, split_in_half


@st.composite
def scenes(draw: st.DrawFn) -> LabelMap:
    """Fields of several sizes with strips of background, some classes rare."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width, size = draw(st.integers(12, 34)), draw(st.integers(12, 34)), draw(st.integers(2, 9))
    coarse = random.integers(0, draw(st.integers(3, 6)), (height // size + 1, width // size + 1))
    values = np.kron(coarse, np.ones((size, size), int))[:height, :width]
    values[random.random((height, width)) < draw(st.sampled_from([0.0, 0.5]))] = 0
    values[random.integers(0, height), :2] = (7, 8)  # classes of a pixel or two, and two classes at least
    return label_map(values)


windows = st.sampled_from([1, 3, 5, 7])
amounts = (
    st.none()
    | st.integers(1, 60).map(lambda n: SampleSize(percent=n))
    | st.integers(1, 40).map(lambda n: SampleSize(count=n))
)


@st.composite
def block_requests(draw: st.DrawFn) -> SplitRequest:
    window = draw(windows)
    buffer = draw(st.none() | st.integers(window // 2, window // 2 + 3))
    return SplitRequest(
        draw(st.integers(0, 2**32)),
        train=draw(amounts),
        validation=draw(st.none() | st.just(SampleSize(percent=10))),
        window=window,
        block=draw(st.none() | st.integers(1, 20)),
        buffer=buffer,
    )


def split_or_reject(labels: LabelMap, request: SplitRequest, rule: str):
    try:
        return make_split(labels, request, rule=rule)
    except SplitError:  # some labels leave nothing to test or to train
        reject()


def share_a_pixel(some: np.ndarray, others: np.ndarray, window: int) -> bool:
    """Whether a window of one mask has a pixel in common with a window of the other, painted one by one."""
    half = window // 2
    painted = np.zeros(np.add(some.shape, 2 * half), bool)
    for row, column in np.argwhere(others):
        painted[row : row + window, column : column + window] = True
    return any(painted[row : row + window, column : column + window].any() for row, column in np.argwhere(some))


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Chebyshev distance of every pixel of ``some`` to the nearest of ``others``."""
    apart_by = np.abs(np.argwhere(some)[:, None] - np.argwhere(others)[None]).max(axis=2)
    return apart_by.min(axis=1, initial=10_000)


class TestBlocks:
    @settings(max_examples=40, deadline=None)
    @given(scenes(), block_requests())
    def test_no_test_window_shares_a_pixel_with_a_training_window(self, labels, request):
        split = split_or_reject(labels, request, "blocks")
        used = split.train | split.validation
        assert not share_a_pixel(split.test, used, request.window)
        buffer = request.window // 2 if request.buffer is None else request.buffer
        assert distances(split.test, used).min() >= 2 * buffer + 1
        assert audit_split(split.train, split.test, labels.codes(), request.window).overlaps_training == 0
        parts = split.train.astype(int) + split.validation + split.test
        assert parts.max() == 1
        assert not np.any(parts.astype(bool) & ~labels.labelled)

    @settings(max_examples=25, deadline=None)
    @given(scenes(), block_requests())
    def test_every_class_has_its_minimum_or_is_named(self, labels, request):
        split = split_or_reject(labels, request, "blocks")
        minimum = min(5, request.train.count or 5) if request.train else 5
        told = [line for line in split.warnings if line.startswith(f"blocks cannot give {minimum} training")]
        for (class_id, part), name in zip(split.counts(labels).items(), labels.table.names, strict=True):
            named = any(f"{name} ({part.train} training, {part.test} test)" in line for line in told)
            assert named == (min(part.train, part.test) < minimum), (class_id, part, split.warnings)

    @settings(max_examples=25, deadline=None)
    @given(scenes(), windows, st.integers(0, 99))
    def test_no_more_is_left_out_than_has_to_be(self, labels, window, seed):
        split = split_or_reject(labels, SplitRequest(seed, window=window), "blocks")
        unused = labels.labelled & ~(split.train | split.test)
        near = np.minimum(distances(unused, split.train), distances(unused, split.test))
        assert np.all(near < window)
        line = next((note for note in split.notes if "too near" in note), "0 of")
        assert line.startswith(f"{np.count_nonzero(unused):,} of")

    def test_every_class_keeps_its_minimum_where_it_can(self):
        rows, columns = np.indices((80, 90))
        labels = label_map((rows // 8 + columns // 9) % 4 + 1)
        for seed in range(5):
            split = make_split(labels, rule="blocks", seed=seed, window=9, minimum=50)
            assert all(min(part.train, part.test) >= 50 for part in split.counts(labels).values())
            assert split.warnings == ()

    def test_a_class_in_one_place_trains_and_is_named(self):
        values = np.tile([[1, 2]], (40, 20))
        values[3:5, 3:5] = 3
        labels = label_map(values)
        split = make_split(labels, rule="blocks", seed=0, window=5)
        assert split.counts(labels)[3] == PixelCounts(4, 0, 0)
        assert "blocks cannot give 5 training and 5 test pixels to class 3 (4 training, 0 test)" in split.warnings
        assert "no test pixel, so without an accuracy: class 3" in split.warnings

    def test_an_amount_is_drawn_from_the_training_side(self):
        labels = label_map(np.tile([[1, 1, 2]], (60, 20)))
        whole = make_split(labels, rule="blocks", seed=0, window=5)
        split, more = (
            make_split(labels, rule="blocks", seed=0, window=5, train=parse_sample_size(t)) for t in ("3%", "9%")
        )
        assert [part.train for part in split.counts(labels).values()] == [72, 36]
        assert not np.any(split.train & ~more.train)
        assert not np.any(more.train & ~whole.train)
        assert np.all(split.test[whole.test])  # fewer training pixels stand in the way of fewer test pixels
        assert any("training blocks not drawn" in note for note in split.notes)

    def test_classes_that_cannot_give_the_amount_are_named(self):
        labels = label_map(np.tile([[1, 1, 2]], (40, 10)))
        split = make_split(labels, rule="blocks", seed=0, window=5, train=parse_sample_size("700"))
        counts = split.counts(labels)
        told = ", ".join(f"class {i} ({counts[i].train} of 700)" for i in (1, 2))
        assert f"fewer training pixels than asked for: {told}" in split.warnings

    def test_validation_lies_together(self):
        labels = label_map(np.tile([[1, 2]], (60, 30)))
        split = make_split(labels, rule="blocks", seed=0, window=3, block=10, validation=parse_sample_size("5%"))
        assert [part.validation for part in split.counts(labels).values()] == [90, 90]
        assert np.mean(select_distant(split.validation, split.train, 2)[split.validation]) > 0.7

    def test_seeds_move_the_borders(self):
        labels = label_map(np.tile([[1, 2]], (40, 20)))
        hashes = {make_split(labels, rule="blocks", seed=seed, window=5).hash for seed in range(4)}
        assert len(hashes) == 4

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"window": 25, "block": 10}, "no test pixel is left that is 25 or more pixels away"),
            ({"window": 5, "block": 50_000}, "all labelled pixels lie in one of the blocks"),
        ],
    )
    def test_labels_without_room_are_refused(self, options, message):
        labels = label_map(np.tile([[1, 2]], (20, 4)))
        with pytest.raises(SplitError, match=message):
            make_split(labels, rule="blocks", seed=3, **options)


def parcels() -> LabelMap:
    """Polygons of three classes that touch each other, five pixels wide, the third class in one polygon only."""
    polygons = np.arange(12).repeat(5)[None].repeat(6, axis=0) + 1
    values = np.where(polygons == 12, 3, np.where(polygons > 6, 2, 1))
    return label_map(values, polygons=polygons.astype(np.int32))


class TestPolygons:
    @pytest.mark.parametrize("seed", range(6))
    def test_polygons_stay_whole(self, seed):
        labels = parcels()
        split = make_split(labels, rule="polygons", seed=seed)
        assert np.all((split.train | split.test) == labels.labelled)
        for number in range(1, 13):
            assert len(np.unique(split.codes()[labels.polygons == number])) == 1
        counts = split.counts(labels)
        assert (counts[1], counts[3]) == (PixelCounts(90, 0, 90), PixelCounts(30, 0, 0))
        assert {counts[2].train, counts[2].test} == {60, 90}
        assert any(line.startswith("polygons cannot give 5 training and 5 test") for line in split.warnings)

    def test_without_polygons_connected_fields_stay_whole_across_corners(self):
        values = np.zeros((12, 12), int)
        values[:3, :3] = values[3:6, 3:6] = 1  # touch at a corner: one field
        values[9:, :3] = 1
        values[:3, 9:] = values[9:, 9:] = 2
        labels = label_map(values)
        split = make_split(labels, rule="polygons", seed=0)
        assert len(np.unique(split.codes()[:6, :6][values[:6, :6] == 1])) == 1
        assert split.rule == "polygons (connected fields held out)"
        assert len(field_groups(labels)) == 4

    def test_a_buffer_keeps_windows_apart(self):
        labels = parcels()
        split = make_split(labels, rule="polygons", seed=0, window=5, buffer=2)
        assert not share_a_pixel(split.test, split.train, 5)
        assert any("too near" in note for note in split.notes)
        near = make_split(labels, rule="polygons", seed=0, window=5)
        assert share_a_pixel(near.test, near.train, 5)

    def test_classes_of_one_polygon_each_cannot_be_held_out(self):
        labels = label_map(np.array([[1, 1, 0, 2, 2]]))
        with pytest.raises(SplitError, match="no test pixel is left"):
            make_split(labels, rule="polygons", seed=0)


FOLD_RULES = ("kfold-random", "kfold-blocks", "kfold-polygons")


class TestFolds:
    @settings(max_examples=15, deadline=None)
    @given(scenes(), st.integers(2, 4), st.integers(0, 99), st.sampled_from([3, 5]))
    @pytest.mark.parametrize("rule", FOLD_RULES)
    def test_each_pixel_is_tested_once(self, rule, labels, folds, seed, window):
        try:
            splits = list(make_folds(labels, SplitRequest(seed, folds=folds, window=window), rule=rule))
        except SplitError:  # a fold without pixels, or whose test leaves no classes to train
            reject()
        assert len(splits) == folds
        np.testing.assert_array_equal(sum(split.test.astype(int) for split in splits), labels.labelled)
        for split in splits:
            assert not np.any(split.train & split.test)
            if rule == "kfold-blocks":
                assert not share_a_pixel(split.test, split.train, window)
                unused = labels.labelled & ~(split.train | split.test)
                assert np.all(distances(unused, split.test) < window)
            else:
                assert np.all(labels.labelled == (split.train | split.test))

    def test_random_folds_are_stratified_and_differ_by_a_pixel(self):
        labels = label_map(np.concatenate([np.full(n, i + 1) for i, n in enumerate((23, 50, 8))])[None])
        request = SplitRequest(0, folds=5)
        counts = np.array([list(s.counts(labels).values()) for s in make_folds(labels, request, rule="kfold-random")])
        tested = counts[:, :, 2]
        assert np.all(np.ptp(tested, axis=0) <= 1)
        assert np.ptp(tested.sum(axis=1)) <= 2

    def test_polygons_stay_whole(self):
        labels = parcels()
        for split in make_folds(labels, SplitRequest(1, folds=3), rule="kfold-polygons"):
            for number in range(1, 13):
                assert len(np.unique(split.test[labels.polygons == number])) == 1

    def test_an_amount_and_validation_come_from_the_other_folds(self):
        labels = label_map(np.tile([[1, 2]], (30, 15)))
        amounts = {"train": parse_sample_size("20"), "validation": parse_sample_size("10")}
        split = make_split(labels, rule="kfold-random", seed=0, folds=3, fold=1, **amounts)
        assert list(split.counts(labels).values()) == [PixelCounts(20, 10, 150)] * 2
        assert split.rule == "kfold-random, fold 1 of 3, train 20 per class, validation 10 per class"

    def test_only_k_fold_rules_have_folds(self):
        labels = label_map(np.tile([[1, 2]], (4, 4)))
        with pytest.raises(UsageError, match="'blocks' has no folds: choose one of kfold-blocks, kfold-polygons"):
            next(make_folds(labels, SplitRequest(0), rule="blocks"))

    def test_more_folds_than_polygons_are_refused(self):
        labels = label_map(np.array([[1, 1, 0, 2, 2]]))
        with pytest.raises(SplitError):
            list(make_folds(labels, SplitRequest(0, folds=4), rule="kfold-polygons"))


class TestSharingOut:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32), st.integers(2, 12))
    def test_units_of_one_class_are_halved_as_well_as_a_prefix_can(self, seed, units):
        random = np.random.default_rng(seed)
        counts = random.integers(10, 20, (units, 1))
        training = split_in_half(counts, 5, random)
        shares = counts[training].sum(), counts[~training].sum()
        assert min(shares) >= 5
        assert abs(shares[0] - shares[1]) <= 20

    def test_folds_get_about_as_many_pixels_of_each_class(self):
        random = np.random.default_rng(0)
        counts = random.integers(0, 30, (60, 4))
        fold_of = assign_folds(counts, 5, random)
        shares = np.array([counts[fold_of == fold].sum(axis=0) for fold in range(5)])
        assert np.all(np.abs(shares * 5 / counts.sum(axis=0) - 1) < 0.35)

    @settings(max_examples=60, deadline=None)
    @given(scenes(), st.integers(1, 9), st.integers(0, 99))
    def test_apart_is_what_a_count_by_hand_says(self, labels, distance, seed):
        some = np.random.default_rng(seed).random(labels.values.shape) < 0.05
        pixels = labels.labelled & ~some
        kept = select_distant(pixels, some, distance)
        expected = np.zeros_like(pixels)
        expected[pixels] = distances(pixels, some) >= distance
        np.testing.assert_array_equal(kept, expected)
