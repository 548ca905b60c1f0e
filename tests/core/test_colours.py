"""Colours of classes as they are seen with all cones and without each kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi.core.colours import default_colours, safe_colours, seen_colours


def nearest(colours):
    """The smallest distance between two of the colours, for who sees it smallest."""
    seen = seen_colours(np.array(colours))
    distances = np.sqrt(((seen[:, :, None] - seen[:, None]) ** 2).sum(axis=-1))
    return np.where(np.eye(len(colours), dtype=bool), np.inf, distances).min()


@given(st.integers(1, 60))
def test_default_colours_differ(count):
    colours = default_colours(count)
    assert len(set(colours)) == count
    assert all(0 <= level <= 255 for colour in colours for level in colour)


@pytest.mark.parametrize("count", [1, 2, 8, 16, 30])
def test_safe_colours_differ_for_everyone(count):
    colours = safe_colours(count)
    assert len(set(colours)) == count
    if count > 1:
        assert nearest(colours) > max(nearest(default_colours(count)), 8)


def test_two_hundred_and_more_can_be_had():
    assert len(safe_colours(300)) == 300


def test_red_and_green_are_similar_without_a_kind_of_cone():
    red, green = seen_colours(np.array([[200, 60, 60], [110, 110, 40]]))[[0, 2]].transpose(1, 0, 2)
    assert np.linalg.norm(red[1] - green[1]) < np.linalg.norm(red[0] - green[0]) / 3
