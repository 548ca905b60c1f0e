"""Inputs of several scenes in one raster, and one table of their classes."""

import numpy as np
import pytest

from hsi.collection.join import join_inputs, join_tables
from hsi.core.events import Recorder, report_to
from hsi.core.labels import ClassTable, label_map
from hsi.core.scene import scene_from_array
from hsi.preprocessing.reducers import fit_reducer
from hsi.preprocessing.reducers.reducer import Moments, valid_blocks
from hsi.settings import InputSettings, ReducerSettings
from hsi.workflows.inputs import prepare_inputs


def table(ids, *names):
    return ClassTable(tuple(ids), names, tuple((i, 0, 0) for i in ids))


def inputs_of(height, width, seed, dtype=np.uint16, polygons=None):
    random = np.random.default_rng(seed)
    cube = random.integers(1000, 3000, (height, width, 5)).astype(dtype)
    labels = label_map(random.integers(0, 3, (height, width)), polygons=polygons)
    return prepare_inputs(scene_from_array(cube, f"s{seed}"), labels, InputSettings())


@pytest.fixture
def both():
    """Scenes of 6 x 4 and 5 x 7 pixels, of integers and of floats, and one input of both with 3 rows between."""
    parts = {"a": inputs_of(6, 4, 1), "b": inputs_of(5, 7, 2, np.float32)}
    return parts, join_inputs(parts, 3)


def test_scenes_lie_below_each_other_and_are_read_by_block(both):
    parts, joined = both
    assert joined.scene.shape == (14, 7, 5)
    expected = np.zeros((14, 7, 5))
    expected[:6, :4], expected[9:] = parts["a"].scene.read(), parts["b"].scene.read()
    assert np.array_equal(joined.scene.read(), expected)
    assert np.array_equal(joined.survey.valid, expected.any(axis=2))
    blocks = list(joined.scene.blocks(budget=2 * 7 * 5 * 8))
    assert len(blocks) == 7
    assert np.array_equal(np.concatenate([joined.scene.read(block) for block in blocks]), expected)
    assert [(place.name, place.block.row) for place in joined.labels.scenes] == [("a", 0), ("b", 9)]
    for part, block in joined.scenes():
        assert np.array_equal(joined.labels.values[block.slices], part.labels.values)


@pytest.mark.parametrize("name", ["pca", "mnf"])
def test_reducers_are_fitted_on_the_merged_moments_of_the_scenes(both, name):
    parts, joined = both
    together = fit_reducer(joined.scene, ReducerSettings(name=name, components=3), joined.survey.valid)
    by_hand = type(together)(ReducerSettings(name=name, components=3))
    by_hand.learn(sum((by_hand.summary_of(valid_blocks(p.scene, p.survey.valid)) for p in parts.values()),
                      start=type(by_hand.summary_of([]))()))  # fmt: skip
    pixels = Moments.of(np.concatenate([part.scene.read().reshape(-1, 5) for part in parts.values()]))
    np.testing.assert_allclose(together.state()["mean"], pixels.mean, rtol=1e-12)
    np.testing.assert_allclose(together.state()["weights"], by_hand.state()["weights"], rtol=1e-6, atol=1e-12)


def test_polygons_have_numbers_of_their_own_and_rasters_connected_fields():
    numbers = np.repeat([[1, 2, 2, 3]], 6, axis=0).astype(np.int32)
    parts = {"a": inputs_of(6, 4, 1, polygons=numbers), "b": inputs_of(5, 7, 2)}
    joined = join_inputs({**parts, "c": inputs_of(6, 4, 3, polygons=numbers)}, 2)
    polygons = [joined.labels.polygons[block.slices] for _, block in joined.scenes()]
    found = [set(np.unique(one)) - {0} for one in polygons]
    assert all(found) and not found[0] & found[1] and not (found[0] | found[1]) & found[2]
    assert np.array_equal(polygons[1] > 0, joined.labels.labelled[joined.scenes()[1][1].slices])


def joined_tables(**tables):
    recorder = Recorder()
    with report_to(recorder):
        return join_tables(tables), recorder


def test_ids_stay_where_they_agree():
    found, recorder = joined_tables(a=table([3, 7], "oats", "rye"), b=table([3, 7], "oats", "rye"))
    assert (found.ids, found.names) == ((3, 7), ("oats", "rye"))
    assert not recorder.warnings and not recorder.messages


def test_classes_are_joined_by_name_where_ids_differ():
    found, recorder = joined_tables(a=table([1, 2], "oats", "rye"), b=table([1, 2], "rye", "soy"))
    assert (found.ids, found.names) == ((1, 2, 3), ("oats", "rye", "soy"))
    assert len(set(found.colours)) == 3
    assert "joined by name and numbered from 1" in recorder.messages[0][1]
    assert recorder.warnings == ["classes that not all scenes have: oats (only a), soy (only b)"]


def test_names_that_differ_in_capitals_or_spaces_are_listed():
    _, recorder = joined_tables(a=table([1, 2], "winter rye", "oats"), b=table([1, 2], "Winter-Rye", "oats"))
    assert "'Winter-Rye' and 'winter rye' are classes of their own" in recorder.warnings[1]


def test_a_class_0_is_no_background():
    part = inputs_of(6, 4, 1)
    labels = label_map(np.array([[0, 1, 2, 9]] * 6), background=9)
    zero = prepare_inputs(part.scene, labels, InputSettings())
    joined = join_inputs({"a": part, "b": zero}, 1)
    assert joined.labels.background == -1 and joined.labels.table.ids == (0, 1, 2)
    assert joined.labels.counts[0] == 6
