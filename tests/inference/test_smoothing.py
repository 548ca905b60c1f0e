"""The majority filter, against counting by hand, and the smallest area."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import label

from hsi.core.georeference import epsg_wkt
from hsi.core.scene import Georeference
from hsi.errors import UsageError
from hsi.inference.smoothing import majority, min_area_pixels, parse_min_area, parse_smoothing, sieve


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
    arrays(
        np.uint8,
        array_shapes(min_dims=2, max_dims=2, min_side=4, max_side=12),
        elements=st.sampled_from([0, 1, 2, 3, 254]),
    ),
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


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=4, max_side=12), elements=st.integers(0, 3)),
    st.integers(2, 9),
)
def test_no_small_area_remains_that_has_a_large_neighbour(ids, pixels):
    sieved = sieve(ids, pixels, [0])
    assert np.array_equal(sieved == 0, ids == 0)
    sizes = np.zeros(ids.shape, int)  # of the area of each pixel
    for kind in (1, 2, 3):
        areas, _ = label(sieved == kind)
        sizes += np.where(areas, np.bincount(areas.ravel())[areas], 0)
    for one, other in ((sizes[1:], sizes[:-1]), (sizes[:, 1:], sizes[:, :-1])):
        both = (one > 0) & (other > 0) & (one != other)
        assert not np.any(both & (np.minimum(one, other) < pixels) & (np.maximum(one, other) >= pixels))


def test_a_map_of_noise_has_no_small_area_left():
    sieved = sieve(np.random.default_rng(0).integers(1, 4, (40, 50)).astype(np.uint8), 60, [0])
    for kind in np.unique(sieved):
        assert np.bincount(label(sieved == kind)[0].ravel())[1:].min() >= 60


def test_a_small_area_joins_its_largest_neighbour():
    ids = np.full((8, 8), 1, np.uint16)
    ids[:, 5:], ids[3, 4:6] = 2, 3
    assert sieve(ids, 3, [0])[3].tolist() == [1, 1, 1, 1, 1, 1, 2, 2]
    assert np.array_equal(sieve(ids, 2, [0]), ids)


@pytest.mark.parametrize(("text", "pixels"), [("12px", 12), ("0.9ha", 10), ("9001 m2", 11), ("0.01km2", 12)])
def test_smallest_area_in_pixels(text, pixels):
    place = Georeference(epsg_wkt(32633), (30.0, 0.0, 5e5, 0.0, -30.0, 5.6e6))
    assert min_area_pixels(text, place, 8, 8) == pixels


@pytest.mark.parametrize("text", ["0ha", "-1ha", "1 acre", "ha", "1e3ha", "nan", ""])
def test_what_is_no_smallest_area(text):
    with pytest.raises(UsageError, match="write 0"):
        parse_min_area(text)


def test_hectares_need_a_place():
    with pytest.raises(UsageError, match="give pixels"):
        min_area_pixels("1ha", None, 8, 8)
