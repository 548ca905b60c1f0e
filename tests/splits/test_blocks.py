"""Blocks: their windows, minima and validation, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.accuracy.leakage import audit_split
from hsi.core.labels import label_map
from hsi.errors import SplitError
from hsi.splits import PixelCounts, SampleSize, SplitRequest, make_split, parse_sample_size
from hsi.splits.buffer import select_distant
from tests.splits.label_maps import distances, scenes, split_or_reject, stripes, windows_overlap

windows = st.sampled_from([1, 3, 5, 7])
sizes = st.none() | st.builds(SampleSize, percent=st.integers(1, 60)) | st.builds(SampleSize, count=st.integers(1, 40))


@st.composite
def block_requests(draw: st.DrawFn) -> SplitRequest:
    window = draw(windows)
    return SplitRequest(
        draw(st.integers(0, 2**32)),
        train=draw(sizes),
        validation=draw(st.none() | st.just(SampleSize(percent=10))),
        window=window,
        block=draw(st.none() | st.integers(1, 20)),
        buffer=draw(st.none() | st.integers(window // 2, window // 2 + 3)),
    )


@settings(max_examples=40, deadline=None)
@given(scenes(), block_requests())
def test_no_test_window_shares_a_pixel_with_a_training_window(labels, request):
    split = split_or_reject(labels, request, "blocks")
    used = split.train | split.validation
    assert not windows_overlap(split.test, used, request.window)
    buffer = request.window // 2 if request.buffer is None else request.buffer
    assert distances(split.test, used).min() >= 2 * buffer + 1
    assert audit_split(split.train, split.test, labels.codes(), request.window).overlaps_training == 0
    parts = split.train.astype(int) + split.validation + split.test
    assert parts.max() == 1
    assert not np.any(parts.astype(bool) & ~labels.labelled)


@settings(max_examples=25, deadline=None)
@given(scenes(), block_requests())
def test_every_class_has_its_minimum_or_is_named(labels, request):
    split = split_or_reject(labels, request, "blocks")
    minimum = min(5, request.train.count or 5) if request.train else 5
    lines = [line for line in split.warnings if line.startswith(f"blocks cannot give {minimum} training")]
    for (class_id, part), name in zip(split.counts(labels).items(), labels.table.names, strict=True):
        named = any(f"{name} ({part.train} training, {part.test} test)" in line for line in lines)
        assert named == (min(part.train, part.test) < minimum), (class_id, part, split.warnings)


@settings(max_examples=25, deadline=None)
@given(scenes(), windows, st.integers(0, 99))
def test_no_more_is_left_out_than_necessary(labels, window, seed):
    split = split_or_reject(labels, SplitRequest(seed, window=window), "blocks")
    unused = labels.labelled & ~(split.train | split.test)
    near = np.minimum(distances(unused, split.train), distances(unused, split.test))
    assert np.all(near < window)
    line = next((note for note in split.notes if "too near" in note), "0 of")
    assert line.startswith(f"{np.count_nonzero(unused):,} of")


def test_every_class_has_its_minimum_where_possible():
    rows, columns = np.indices((80, 90))
    labels = label_map((rows // 8 + columns // 9) % 4 + 1)
    for seed in range(5):
        split = make_split(labels, rule="blocks", seed=seed, window=9, minimum=50)
        assert all(min(part.train, part.test) >= 50 for part in split.counts(labels).values())
        assert split.warnings == ()


def test_a_class_in_one_place_trains_and_is_named():
    values = np.tile([[1, 2]], (40, 20))
    values[3:5, 3:5] = 3
    labels = label_map(values)
    split = make_split(labels, rule="blocks", seed=0, window=5)
    assert split.counts(labels)[3] == PixelCounts(4, 0, 0)
    assert "blocks cannot give 5 training and 5 test pixels to class 3 (4 training, 0 test)" in split.warnings
    assert "no test pixel, so without an accuracy: class 3" in split.warnings


def test_a_sample_is_drawn_from_the_training_side():
    labels = stripes(60, 20, 1, 1, 2)
    everything, few, more = (
        make_split(labels, rule="blocks", seed=0, window=5, train=parse_sample_size(text) if text else None)
        for text in (None, "3%", "9%")
    )
    assert [part.train for part in few.counts(labels).values()] == [72, 36]
    assert not np.any(few.train & ~more.train)
    assert not np.any(more.train & ~everything.train)
    assert np.all(few.test[everything.test])  # fewer training pixels exclude fewer test pixels
    assert any("training blocks not drawn" in note for note in few.notes)


def test_classes_with_too_few_training_pixels_are_named():
    labels = stripes(40, 10, 1, 1, 2)
    split = make_split(labels, rule="blocks", seed=0, window=5, train=parse_sample_size("700"))
    counts = split.counts(labels)
    named = ", ".join(f"class {i} ({counts[i].train} of 700)" for i in (1, 2))
    assert f"fewer training pixels than asked for: {named}" in split.warnings


def test_validation_is_compact():
    labels = stripes(60, 30, 1, 2)
    split = make_split(labels, rule="blocks", seed=0, window=3, block=10, validation=parse_sample_size("5%"))
    assert [part.validation for part in split.counts(labels).values()] == [90, 90]
    assert np.mean(select_distant(split.validation, split.train, 2)[split.validation]) > 0.7
    (warned,) = [text for text in split.warnings if "validation" in text]
    assert warned.startswith("some validation pixels of class 2 are next to training pixels of the same area")


def test_seeds_move_the_borders():
    labels = stripes(40, 20, 1, 2)
    assert len({make_split(labels, rule="blocks", seed=seed, window=5).hash for seed in range(4)}) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 25, "block": 10}, "no test pixel is left that is 25 or more pixels away"),
        ({"window": 5, "block": 50_000}, "all labelled pixels lie in one of the blocks"),
    ],
)
def test_labels_without_room_are_refused(options, message):
    with pytest.raises(SplitError, match=message):
        make_split(stripes(20, 4, 1, 2), rule="blocks", seed=3, **options)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.integers(1, 9), st.integers(0, 99))
def test_distances_are_those_counted_by_hand(labels, distance, seed):
    some = np.random.default_rng(seed).random(labels.values.shape) < 0.05
    pixels = labels.labelled & ~some
    expected = np.zeros_like(pixels)
    expected[pixels] = distances(pixels, some) >= distance
    np.testing.assert_array_equal(select_distant(pixels, some, distance), expected)
