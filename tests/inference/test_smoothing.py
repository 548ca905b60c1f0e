"""The majority filter, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hsi.errors import UsageError
from hsi.inference.smoothing import majority, parse_smoothing


def by_hand(ids, size, ignore):
    half, result = size // 2, ids.copy()
    for row, column in np.ndindex(ids.shape):
        own = ids[row, column]
        if own == ignore:
            continue
        window = ids[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
        votes = Counter(window[window != ignore].tolist())
        most = max(votes.values())
        if votes[int(own)] < most:
            result[row, column] = min(kind for kind, count in votes.items() if count == most)
    return result


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 1, 2, 3, 254])),
    st.sampled_from([3, 5, 7]),
)
def test_like_counting(ids, size):
    smoothed = majority(ids, size, ignore=0)
    assert smoothed.dtype == ids.dtype
    assert np.array_equal(smoothed, by_hand(ids, size, 0))


def test_large_ids_and_another_value_for_no_data():
    ids = np.random.default_rng(0).choice(np.array([0, 3, 300, 65535], np.uint16), (20, 20))
    assert np.array_equal(majority(ids, 3, ignore=65535), by_hand(ids, 3, 65535))


def test_a_single_stray_pixel_goes_and_a_field_stays():
    ids = np.full((9, 9), 1, np.uint8)
    ids[:, 5:], ids[4, 2] = 2, 2
    smoothed = majority(ids, 3, ignore=0)
    assert smoothed[4, 2] == 1
    assert np.all(smoothed[:, :5] == 1) and np.all(smoothed[:, 5:] == 2)


@pytest.mark.parametrize(("text", "size"), [("majority:3", 3), (" majority:15 ", 15)])
def test_parse(text, size):
    assert parse_smoothing(text) == size


@pytest.mark.parametrize("text", ["majority:4", "majority:1", "majority", "median:3", "majority:-3", "3", ""])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="write majority:3"):
        parse_smoothing(text)
