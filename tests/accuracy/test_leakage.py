from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.accuracy.leakage import audit_split, nearest_training_codes
from hsi.errors import SplitError, UsageError

cases = st.tuples(
    arrays(np.int8, (7, 9), elements=st.integers(0, 2)).filter(lambda parts: {1, 2} <= set(parts.ravel().tolist())),
    arrays(np.int64, (7, 9), elements=st.integers(0, 2)),
    st.sampled_from([1, 3, 5, 7, 11]),
)


def window_pixels(row: int, column: int, window: int) -> set[tuple[int, int]]:
    half = window // 2
    return {(r, c) for r in range(row - half, row + half + 1) for c in range(column - half, column + half + 1)}


@settings(max_examples=60, deadline=None)
@given(cases)
def test_the_numbers_are_those_of_a_count_by_hand(case):
    parts, codes, window = case
    train, test = parts == 1, parts == 2
    predicted = np.roll(codes, 1, axis=0)
    audit = audit_split(train, test, codes, window, predicted)

    training = [tuple(p) for p in np.argwhere(train).tolist()]
    training_windows = [window_pixels(*p, window) for p in training]
    contains, overlaps, distances = [], [], []
    for row, column in np.argwhere(test).tolist():
        pixels = window_pixels(row, column, window)
        contains.append(any(p in pixels for p in training))
        overlaps.append(any(pixels & other for other in training_windows))
        distances.append(min(max(abs(row - r), abs(column - c)) for r, c in training))
    assert audit.test == len(contains)
    assert audit.contains_training == pytest.approx(np.mean(contains))
    assert audit.overlaps_training == pytest.approx(np.mean(overlaps))
    expected = [sorted(distances)[int(np.ceil(len(distances) * q / 10)) - 1] for q in (1, 5, 9)]
    assert list(audit.distance) == expected
    free = [tuple(p) for p, o in zip(np.argwhere(test), overlaps, strict=True) if not o]
    assert audit.leak_free == len(free)
    right = [predicted[p] == codes[p] for p in free]
    assert audit.leak_free_accuracy == (pytest.approx(np.mean(right)) if right else None)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_the_baseline_takes_the_code_of_a_nearest_training_pixel(case):
    parts, codes, window = case
    train, test = parts == 1, parts == 2
    guess = nearest_training_codes(train, codes)
    training = np.argwhere(train)
    for row, column in np.argwhere(test):
        squared = ((training - (row, column)) ** 2).sum(axis=1)
        nearest = training[squared == squared.min()]
        assert guess[row, column] in codes[tuple(nearest.T)]
    accuracy = audit_split(train, test, codes, window).position_accuracy
    assert accuracy == pytest.approx(np.mean(guess[test] == codes[test]))


def test_ties_and_memory_order_change_nothing():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (40, 50))
    train = rng.random((40, 50)) < 0.05
    test = ~train
    first = audit_split(train, test, codes, 5)
    assert first == audit_split(*(np.asfortranarray(array) for array in (train, test, codes)), 5)


def fields() -> tuple[np.ndarray, np.ndarray]:
    """Codes of two fields side by side, and a checkerboard of training pixels."""
    codes = np.zeros((20, 40), int)
    codes[:, 20:] = 1
    return codes, np.indices(codes.shape).sum(axis=0) % 2 == 0


def test_a_window_of_one_pixel_cannot_leak():
    codes, train = fields()
    audit = audit_split(train, ~train, codes, 1)
    assert (audit.contains_training, audit.overlaps_training, audit.leak_free) == (0.0, 0.0, audit.test)


def test_a_random_split_measures_interpolation():
    codes, train = fields()
    audit = audit_split(train, ~train, codes, 5, codes)
    assert audit.contains_training == audit.overlaps_training == 1.0
    assert (audit.leak_free, audit.leak_free_accuracy) == (0, None)
    text = audit.in_words()
    position = "a nearest neighbour that sees only positions scores"
    assert text.startswith(
        f"mostly interpolation inside fields: 100.0 % of test windows contain training pixels; {position}"
    )
    assert text.endswith("; no test pixel is left without them")
    report = audit.to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["in_words"], report["distance"]) == (text, {"10": 1, "50": 1, "90": 1})


def test_a_split_into_far_halves_is_free_of_leakage():
    codes, checker = fields()
    train, test = checker.copy(), ~checker
    train[10:], test[:14] = False, False
    predicted = np.where(checker, codes, 1)
    audit = audit_split(train, test, codes, 3, predicted)
    assert audit.contains_training == audit.overlaps_training == 0.0
    assert audit.leak_free == audit.test
    assert audit.leak_free_accuracy == 0.5
    words = audit.in_words()
    assert words.startswith("independent: no test window overlaps a training window; a nearest neighbour")


def line_of_pixels(training: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    """A row of training pixels at the left end and of test pixels that begin next to them."""
    train, mask = np.zeros((2, 1, training + test), bool)
    train[0, :training] = mask[0, training:] = True
    return train, mask


@pytest.mark.parametrize(
    ("test", "judgement"), [(3, "mostly interpolation inside fields"), (10, "partly independent"), (32, "mostly")]
)
def test_the_judgement_follows_from_the_numbers(test, judgement):
    train, mask = line_of_pixels(4, test)
    codes = np.zeros(train.shape, int)
    predicted = codes.copy()
    predicted[0, -1] = 1
    words = audit_split(train, mask, codes, 5, predicted).in_words()
    assert words.startswith(f"{judgement}")
    assert f": {200 / test:.1f} % of test windows contain training pixels and " in words
    if test == 32:
        assert words.startswith("mostly independent: 6.2 % of test windows contain training pixels and 12.5 % overlap")
        assert words.endswith("; accuracy without them 96.4 % (28 test pixels)")


def test_a_pixel_classifier_has_no_windows_to_judge():
    codes, train = fields()
    words = audit_split(train, ~train, codes, 1, codes).in_words()
    assert words.startswith(
        "no window: the method classifies single pixels; half of the test pixels lie no more than 1 pixel from"
    )


def test_windows_that_only_overlap_are_reported():
    train, test = np.zeros((2, 1, 9), bool)
    train[0, 0] = test[0, 3] = True
    audit = audit_split(train, test, np.zeros((1, 9), int), 5)
    assert (audit.contains_training, audit.overlaps_training, audit.leak_free) == (0.0, 1.0, 0)
    words = audit.in_words()
    assert words.startswith("partly independent: no test window contains training pixels, but 100.0 % overlap training")


def test_shares_are_not_rounded_to_nothing_or_all():
    train, test = np.zeros((2, 50, 50), bool)
    train[0, 0] = True
    test[0, 1] = test[2:] = True
    codes = np.zeros((50, 50), int)
    codes[0, 1] = 1
    words = audit_split(train, test, codes, 3).in_words()
    assert words.startswith("mostly independent: less than 0.1 % of test windows contain training pixels")
    assert "more than 99.9 %" in words


def test_invalid_arguments_are_explained():
    codes, train = fields()
    nothing = np.zeros_like(train)
    with pytest.raises(UsageError, match="odd number of pixels, found 4"):
        audit_split(train, ~train, codes, 4)
    for masks, message in (((nothing, train), "no training pixel"), ((train, nothing), "no test pixel"),
                           ((train, ~train[:5]), "one shape")):  # fmt: skip
        with pytest.raises(SplitError, match=message):
            audit_split(*masks, codes, 3)
