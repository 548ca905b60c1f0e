"""Polygons and connected fields that train or test as a unit."""

import numpy as np
import pytest

from hsi.core.labels import label_map
from hsi.errors import SplitError
from hsi.splits import PixelCounts, make_split
from hsi.splits.groups import field_groups
from tests.splits.label_maps import parcels, windows_overlap


@pytest.mark.parametrize("seed", range(6))
def test_polygons_are_not_divided(seed):
    labels = parcels()
    split = make_split(labels, rule="polygons", seed=seed)
    assert np.all((split.train | split.test) == labels.labelled)
    for number in range(1, 13):
        assert len(np.unique(split.codes()[labels.polygons == number])) == 1
    counts = split.counts(labels)
    assert (counts[1], counts[3]) == (PixelCounts(90, 0, 90), PixelCounts(30, 0, 0))
    assert {counts[2].train, counts[2].test} == {60, 90}
    assert any(line.startswith("polygons cannot give 5 training and 5 test") for line in split.warnings)


def test_without_polygons_connected_fields_are_not_divided_at_corners():
    values = np.zeros((12, 12), int)
    values[:3, :3] = values[3:6, 3:6] = 1  # touch at a corner: one field
    values[9:, :3] = 1
    values[:3, 9:] = values[9:, 9:] = 2
    labels = label_map(values)
    split = make_split(labels, rule="polygons", seed=0)
    assert len(np.unique(split.codes()[:6, :6][values[:6, :6] == 1])) == 1
    assert split.rule == "polygons (connected fields held out)"
    assert len(field_groups(labels)) == 4


def test_a_buffer_prevents_overlapping_windows():
    labels = parcels()
    split = make_split(labels, rule="polygons", seed=0, window=5, buffer=2)
    assert not windows_overlap(split.test, split.train, 5)
    assert any("too near" in note for note in split.notes)
    near = make_split(labels, rule="polygons", seed=0, window=5)
    assert windows_overlap(near.test, near.train, 5)


def test_classes_of_one_polygon_each_cannot_be_held_out():
    with pytest.raises(SplitError, match="no test pixel is left"):
        make_split(label_map(np.array([[1, 1, 0, 2, 2]])), rule="polygons", seed=0)
