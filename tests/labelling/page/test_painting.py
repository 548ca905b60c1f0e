"""The pictures of map and confidence."""

import numpy as np

from hsi.core.labels import ClassTable
from hsi.labelling.page.painting import as_words, hatch, paint_classes, paint_confidence

IDS = np.array([[0, 1], [7, 1]], np.uint16)


def test_classes_have_their_colours_and_the_rest_is_transparent():
    painted = paint_classes(IDS, ClassTable((1, 7), ("a", "b"), ((10, 20, 30), (40, 50, 60))))
    assert painted.tolist() == [[[0, 0, 0, 0], [10, 20, 30, 255]], [[40, 50, 60, 255], [10, 20, 30, 255]]]
    assert as_words(painted)[0, 1] == 10 + (20 << 8) + (30 << 16) + (255 << 24)


def test_confidence_is_lighter_the_surer_it_is():
    painted = paint_confidence(np.array([[90, 10], [128, 250]], np.uint8), IDS)
    light = painted[..., :3].sum(axis=2)
    assert painted[0, 0, 3] == 0
    assert light[0, 1] < light[1, 0] < light[1, 1]


def test_lines_are_drawn_where_the_map_is_unsure():
    full = np.full((4, 4, 4), 255, np.uint8)
    unsure = np.zeros((4, 4), bool)
    unsure[:2] = True
    dots = 8
    drawn = hatch(full, unsure, dots)
    dark = (drawn[..., :3] < 100).all(axis=2)
    assert drawn.shape == (32, 32, 4)
    assert dark[:16].mean() == 0.25
    assert not dark[16:].any()
