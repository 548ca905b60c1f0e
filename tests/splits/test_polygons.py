"""Polygons and connected fields that train or test as a unit."""

import numpy as np
import pytest

from hsi.core.labels import label_map
from hsi.errors import SplitError
from hsi.splits import PixelCounts, choose_rule, count_polygons, make_split
from hsi.splits.groups import field_groups
from hsi.splits.split import parse_sample_size
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
    (single,) = [line for line in split.warnings if "honest" in line]
    assert single.startswith("class 3 has only one of the polygons, so no honest test is possible: draw a second")


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
    words = "no honest test is possible, because each class has only one of the connected fields.*class 1, class 2"
    with pytest.raises(SplitError, match=words):
        make_split(label_map(np.array([[1, 1, 0, 2, 2]])), rule="polygons", seed=0)


def points(*counts):
    """One row with so many points of class 1, 2, ...."""
    values = np.repeat(np.arange(len(counts)) + 1, counts)[None]
    return label_map(values, polygons=np.arange(1, values.size + 1, dtype=np.int32)[None])


@pytest.mark.parametrize("seed", range(3))
def test_points_are_held_out_one_by_one_and_half_of_each_class(seed):
    labels = points(8, 5, 2, 40)
    split = make_split(labels, rule="polygons", seed=seed)
    counts = split.counts(labels)
    assert split.rule == "polygons (points held out)"
    assert [min(part.train, part.test) for part in counts.values()] == [4, 2, 1, 20]


class TestDefaultRule:
    def test_polygons_where_each_class_has_two(self):
        labels = parcels()
        two = label_map(np.where(labels.values == 3, 2, labels.values), polygons=labels.polygons)
        assert choose_rule(two) == ("polygons", None)
        assert count_polygons(two) == {1: 6, 2: 6}

    def test_random_and_what_to_draw_where_one_has_not(self):
        rule, doubt = choose_rule(parcels())
        assert rule == "random"
        assert "no honest test of class 3 is possible" in doubt and "draw a second one in another field" in doubt
        assert "--split polygons tests the other classes" in doubt

    def test_all_classes_of_one_polygon_are_named(self):
        values = np.repeat([1, 2], 6)[None]
        rule, doubt = choose_rule(label_map(values, polygons=values.astype(np.int32)))
        assert rule == "random" and "class 1, class 2 is possible: each has only one" in doubt
        assert "--split" not in doubt

    def test_points_and_rasters(self):
        assert choose_rule(points(8, 1)) == ("polygons", None)
        assert choose_rule(points(1, 1))[0] == "random"
        assert choose_rule(label_map(parcels().values)) == ("random", None)


@pytest.mark.parametrize("rule", ["polygons", "all", "kfold-polygons"])
@pytest.mark.parametrize("seed", range(3))
def test_validation_comes_from_polygons_that_do_not_train(rule, seed):
    values, polygons = np.zeros((8, 48), int), np.zeros((8, 48), np.int32)
    for number in range(12):  # six polygons of each class
        place = (slice(0, 5 + number % 3), slice(4 * number, 4 * number + 3))
        values[place], polygons[place] = 1 + number % 2, number + 1
    labels = label_map(values, polygons=polygons)
    fold = {"fold": 1, "folds": 3} if rule.startswith("kfold") else {}
    split = make_split(labels, rule=rule, seed=seed, validation=parse_sample_size("10%"), **fold)
    assert all(part.validation and part.train for part in split.counts(labels).values())
    for number in range(1, 13):
        assert len(np.unique(split.codes()[polygons == number])) == 1


def test_a_single_polygon_trains_and_does_not_validate():
    split = make_split(parcels(), rule="all", seed=0, validation=parse_sample_size("10%"))
    assert split.counts(parcels())[3] == PixelCounts(30, 0, 0)
    (line,) = [line for line in split.warnings if "validation" in line]
    assert line.startswith("no validation pixels of class 3: they come from polygons that do not train")
