"""Accuracy on shapes that were held out."""

import numpy as np
import pytest

from hsi.core.labels import label_map
from hsi.labelling.cross_validation import cluster_interval, cross_validate, join_near_shapes


class Memory:
    """Knows the training pixels by their features, and nothing else: right by chance where places are held out."""

    def fit(self, features, labels):
        self.known = dict(zip(features[:, 0].tolist(), labels.tolist(), strict=True))
        self.other = int(np.bincount(labels).argmax())

    def predict(self, features):
        near = [self.known.get(key) for key in features[:, 0].tolist()]
        return np.array([self.other if one is None else one for one in near]), features


def drawn(places):
    """Labels with squares of 3 x 3 pixels: (class, row, column), numbered as shapes."""
    values, shapes = np.zeros((60, 60), np.int32), np.zeros((60, 60), np.int32)
    for number, (one, row, column) in enumerate(places, 1):
        values[row : row + 3, column : column + 3] = one
        shapes[row : row + 3, column : column + 3] = number
    return label_map(values, polygons=shapes)


def validate(places, per_place):
    """With a feature that is equal within squares of ``per_place`` pixels, as fields resemble themselves."""
    labels = drawn(places)
    rows, columns = np.nonzero(labels.labelled)
    features = (rows // per_place * 100 + columns // per_place)[:, None].astype(np.float32)
    return cross_validate(labels, features, Memory, 2)


def test_strokes_in_one_field_do_not_test_each_other():
    near = [(1, row, column) for row in (0, 4, 8) for column in (0, 4, 8)]
    far = [(2, row, column) for row in (40, 44, 48) for column in (40, 44, 48)]
    found = validate([*near, *far], 20)
    assert found.accuracy is None and found.untested == ("class 1", "class 2") and "too few shapes" in found.text
    distant = [(1 + number % 2, 12 * row, 12 * column) for number, (row, column) in enumerate(np.ndindex(5, 5))]
    found = validate(distant, 12)
    assert found.places == 25 and found.accuracy < 0.6, "a memory of places is no better than chance"
    assert found.interval[0] < found.accuracy < found.interval[1] and found.enough


def test_class_in_one_place_is_named():
    found = validate([(1, 0, 0), (1, 20, 0), (2, 0, 20), (2, 20, 20), (3, 40, 40)], 60)
    assert found.untested == ("class 3",) and not found.enough and "'class 3'" in found.text


def test_parts_of_a_shape_stay_together():
    labels = drawn([(1, 0, 0), (1, 30, 30), (2, 0, 30)])
    labels.polygons[labels.polygons == 2] = 1
    assert np.unique(join_near_shapes(labels, 5)).size == 3
    assert join_near_shapes(labels, 5).max() == 2


def test_interval_counts_places_and_not_pixels():
    pixels = np.full(20, 50)
    low, high = cluster_interval(np.where(np.arange(20) < 16, 50, 0), pixels)
    assert (low, high) == pytest.approx((0.56, 0.95), abs=0.04), "of about 20, not of 1,000"
    low, high = cluster_interval(np.full(20, 40), pixels)
    assert high - low < 0.41, "places that resemble each other vary less than chance"
    assert cluster_interval(pixels, pixels)[1] == 1 and cluster_interval(pixels, pixels)[0] < 0.9
    assert cluster_interval(pixels[:1], pixels[:1]) == (0, 1)


def test_stops_between_folds():
    assert cross_validate(drawn([(1, 0, 0), (1, 20, 20)]), np.zeros((18, 1)), Memory, 2, stopped=lambda: True) is None
