"""Complete scenes held out, of labels that hold several scenes below each other."""

from dataclasses import replace

import numpy as np
import pytest

from hsi.core.labels import ScenePlace, label_map
from hsi.core.scene import Block
from hsi.errors import SplitError, UnknownNameError, UsageError
from hsi.splits import make_split, parse_sample_size
from hsi.splits.groups import block_groups

ROWS = {"a": slice(0, 6), "b": slice(8, 14), "c": slice(16, 22)}


@pytest.fixture
def labels():
    """Three scenes of 6 x 8 pixels and two classes, with two rows between them."""
    values = np.zeros((22, 8), int)
    for rows in ROWS.values():
        values[rows] = np.repeat([1, 2], 4)
    scenes = [ScenePlace(name, Block(rows.start, 0, 6, 8)) for name, rows in ROWS.items()]
    return replace(label_map(values), scenes=tuple(scenes))


def names_of_tested(split):
    """The scenes with test pixels; none of them has another pixel."""
    found = [name for name, rows in ROWS.items() if split.test[rows].any()]
    for name in found:
        assert split.test[ROWS[name]].all()
    return found


@pytest.mark.parametrize(("names", "expected"), [(None, ["c"]), ("a", ["a"]), ("b, a", ["a", "b"])])
def test_named_scenes_test_and_the_others_train(labels, names, expected):
    split = make_split(labels, rule="scenes", seed=0, scenes=names)
    assert names_of_tested(split) == expected
    assert np.array_equal(split.train, labels.labelled & ~split.test)


def test_training_and_validation_pixels_come_from_the_other_scenes(labels):
    sizes = {"train": parse_sample_size("4"), "validation": parse_sample_size("10%")}
    split = make_split(labels, rule="scenes", seed=0, **sizes)
    assert names_of_tested(split) == ["c"]
    assert np.count_nonzero(split.train) == 8 and split.validation.any()
    assert "of the other scenes not drawn" in split.notes[0]


def test_each_fold_tests_one_scene(labels):
    assert [names_of_tested(make_split(labels, rule="kfold-scenes", seed=0, fold=n)) for n in (1, 2, 3)] == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_blocks_do_not_have_pixels_of_two_scenes(labels):
    assert block_groups(labels, 100).counts.tolist() == [[24, 24]] * 3


@pytest.mark.parametrize(
    ("rule", "wrong", "error", "words"),
    [
        ("scenes", {"scenes": "d"}, UnknownNameError, "unknown scene 'd': .*known: a, b, c"),
        ("scenes", {"scenes": "a,b,c"}, SplitError, "no scene with labels is left to train"),
        ("scenes", {"fold": 1}, UsageError, "no use for --fold"),
        ("kfold-scenes", {}, UsageError, "name it with --fold"),
        ("kfold-scenes", {"fold": 4}, UsageError, "--fold 4 is not one of the 3 scenes"),
        ("polygons", {"scenes": "a"}, UsageError, "no use for --split scenes:NAME"),
    ],
)
def test_what_cannot_be_held_out_is_refused(labels, rule, wrong, error, words):
    with pytest.raises(error, match=words):
        make_split(labels, rule=rule, seed=0, **wrong)


def test_one_scene_cannot_be_held_out():
    with pytest.raises(SplitError, match="there is one"):
        make_split(label_map(np.array([[1, 2]])), rule="scenes", seed=0)
