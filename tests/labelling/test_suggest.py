"""Suggested places: typical first, then where the classifier is unsure and nothing similar is labelled; never twice."""

import numpy as np
import pytest

from hsi.core.scene import scene_from_array
from hsi.labelling.quick import PixelFeatures, QuickClassifier
from hsi.labelling.suggest import Place, find_candidates, suggest_place

GROUPS = np.array([[0, 0], [3, 0], [0, 3], [3, 3]], np.float32)  # of 500, 300, 150 and 50 of 1,000 pixels
SHARES = (500, 300, 150, 50)


@pytest.fixture(scope="module")
def features():
    """Four groups of pixels in a scene of 20 x 50 pixels."""
    random = np.random.default_rng(0)
    points = np.repeat(GROUPS, SHARES, axis=0) + 0.2 * random.standard_normal((1000, 2), np.float32)
    return points[random.permutation(1000)].reshape(20, 50, 2).astype(np.float32)


def group_of(features, place):
    return int(((features[place.row, place.column] - GROUPS) ** 2).sum(axis=1).argmin())


VALID = np.ones((20, 50), bool)
BLANK = np.zeros((20, 50), int)


def test_places_go_from_common_to_rare_and_never_to_one_place_twice(features):
    candidates = find_candidates(features, VALID, 400)
    visited, groups = [], []
    while (place := suggest_place(candidates, BLANK, visited)) is not None:
        assert all(max(abs(place.row - row), abs(place.column - column)) > 2 for row, column in visited)
        visited.append((place.row, place.column))
        groups.append(group_of(features, place))
        if len(groups) <= 4:
            assert place.unlike > 0.5 and place.between == ()
    assert groups[:4] == [0, 1, 2, 3]
    assert len(visited) > 20


def test_the_same_seed_gives_the_same_place(features):
    places = [suggest_place(find_candidates(features, VALID, 100, seed), BLANK) for seed in (3, 3, 4)]
    assert places[0] == places[1] != places[2]


def test_labelled_and_invalid_pixels_are_not_suggested(features):
    labels = BLANK.copy()
    labels[:, :25] = 1
    valid = VALID.copy()
    valid[10:] = False
    classifier = QuickClassifier().fit(features, labels)
    place = suggest_place(find_candidates(features, valid), labels, [], classifier)
    assert place.column >= 25 and place.row < 10 and place.between == ()
    assert suggest_place(find_candidates(features, valid), np.ones_like(BLANK), [], classifier) is None


def test_two_classes_that_are_close_are_asked_about_first(features):
    """Groups 0 and 1 become one continuum with an edge that few labels describe; 2 and 3 are far from it."""
    values = features.copy()
    near = features[..., 1] < 1.5
    values[near] = np.linspace([0, 0], [3, 0], np.count_nonzero(near))
    labels = BLANK.copy()
    for group, centre in enumerate([(0, 0), (3, 0), (0, 3), (3, 3)], 1):
        distance = ((values - np.float32(centre)) ** 2).sum(axis=2)
        labels.flat[np.argsort(distance.ravel())[:20]] = group
    place = suggest_place(find_candidates(values, VALID), labels, [], QuickClassifier().fit(values, labels))
    assert set(place.between) == {1, 2}
    assert 0.5 < values[place.row, place.column, 0] < 2.5


def test_a_skipped_place_counts_as_known(features):
    candidates = find_candidates(features, VALID)
    first = suggest_place(candidates, BLANK)
    second = suggest_place(candidates, BLANK, [(first.row, first.column)])
    assert group_of(features, first) != group_of(features, second)


def test_candidates_of_strips_are_those_of_the_scene():
    cube = np.random.default_rng(0).integers(1, 100, (12, 30, 6)).astype(np.uint16)
    stored = PixelFeatures(scene_from_array(cube), np.ones((12, 30), bool))
    one, other = (find_candidates(source, stored.valid, 50) for source in (stored, stored.read()))
    assert len(one.rows) == 50
    np.testing.assert_allclose(one.features, other.features, atol=1e-6)
    np.testing.assert_array_equal(one.columns, other.columns)
    assert isinstance(suggest_place(one, np.zeros((12, 30), int)), Place)
