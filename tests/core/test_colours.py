"""Colours that differ for people with every kind of colour vision."""

import numpy as np
import pytest

from hsi.core.colours import Palette, colour_distance, safe_colours, seen_colours
from tests.core.colour_vision import ciede2000, lab, least_difference


@pytest.mark.parametrize(("count", "least"), [(1, 0), (2, 40), (8, 15), (16, 10), (30, 7)])
def test_safe_colours_differ_for_everyone(count, least):
    colours = safe_colours(count)
    assert len(set(colours)) == count
    assert count == 1 or least_difference(colours) > least


def test_the_distance_is_that_of_its_authors():
    """Rows of table 1 of Sharma, Wu and Dalal 2005."""
    published = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ]
    for one, other, expected in published:
        both = (np.array([[one]], float), np.array([[other]], float))
        assert [round(float(colour_distance(*both)[0]), 4), round(ciede2000(one, other), 4)] == [expected] * 2


def test_colours_are_seen_as_published_matrices_say():
    seen = seen_colours(np.array([[200, 60, 60], [0, 114, 178]]))
    for vision in range(4):
        assert np.allclose(seen[vision], [lab((200, 60, 60), vision), lab((0, 114, 178), vision)], atol=0.1)


def test_a_palette_keeps_off_what_is_taken():
    palette = Palette([(0, 114, 178)])
    first = palette.choose()
    assert least_difference([first, (0, 114, 178)]) > 40 and palette.distance(first) == 0
    assert palette.choose(least=1000.0) is None


def test_two_hundred_and_more_can_be_had():
    assert len(safe_colours(300)) == 300


def test_red_and_green_are_similar_without_a_kind_of_cone():
    red, green = seen_colours(np.array([[200, 60, 60], [110, 110, 40]]))[[0, 2]].transpose(1, 0, 2)
    assert np.linalg.norm(red[1] - green[1]) < np.linalg.norm(red[0] - green[0]) / 3
