"""What training pixels tell of their surroundings: how wide fields are, and how much of a map is near them."""

from dataclasses import replace

import numpy as np
import pytest

from hsi.training import window_selection
from hsi.training.window_selection import SMALL_WINDOW, advise_window, means_at


def scene(field, side=48, noise=1.0, seed=0):
    """Noisy components ``(3, side, side)`` of fields ``field`` pixels wide, their classes, and one pixel in four."""
    random = np.random.default_rng(seed)
    across = -(-side // field)
    codes = random.integers(0, 3, (across, across)).repeat(field, 0).repeat(field, 1)[:side, :side]
    components = noise * random.normal(size=(3, side, side))
    for code in range(3):
        components[code] += codes == code
    return components.astype(np.float32), codes, random.random((side, side)) < 0.25


def survey(components, codes, train):
    return advise_window(components, codes, train, np.ones(codes.shape, bool))


def test_large_fields_take_the_usual_window():
    found = survey(*scene(field=12))
    assert (found.window, found.second_window, found.misleading) == (15, 25, False)
    assert max(found.level) >= 5
    assert found.accuracy[0] < max(found.accuracy)


def test_small_fields_take_the_smallest_window():
    found = survey(*scene(field=2, noise=0.5))
    assert (found.window, found.small_fields, found.misleading) == (SMALL_WINDOW, True, True)
    assert found.second_window == 0
    assert max(found.level) in (1, 3)
    assert (found.spectral, found.blend) == ("pool", False)


def test_small_squares_have_to_tell_more_and_not_as_much(monkeypatch):
    accuracies = iter([0.780, 0.839, 0.833, 0.836, 0.835])  # Indian Pines, 50 pixels of each class
    monkeypatch.setattr(window_selection, "cross_validate", lambda *_: next(accuracies))
    found = survey(*scene(field=12))
    assert (max(found.level), found.small_fields, found.window) == (9, False, 15)


def test_where_no_square_stands_out_the_nearest_training_pixel_decides(monkeypatch):
    def level():  # Berlin, 168 training pixels: single pixels and squares of 9 are within one standard error
        accuracies = iter([0.482, 0.452, 0.417, 0.470, 0.452])
        monkeypatch.setattr(window_selection, "cross_validate", lambda *_: next(accuracies))

    components, codes, train = scene(field=1)
    train[:] = False
    train[::4, ::4] = True
    level()
    small = survey(components, codes, train)
    assert small.nearest < 0.5
    assert (small.small_fields, small.window, small.spectral, small.blend) == (True, SMALL_WINDOW, "pool", False)
    level()
    wide = survey(*scene(field=12))
    assert wide.nearest > 0.9
    assert (wide.small_fields, wide.window) == (False, 15)


def test_fields_that_single_pixels_tell_apart_are_not_small():
    found = survey(*scene(field=12, noise=0.05))
    assert max(found.accuracy) == found.accuracy[0] > found.accuracy[-1]
    assert not found.small_fields


@pytest.mark.parametrize(("rows", "distant"), [(12, True), (36, False)])
def test_test_pixels_outside_all_training_windows(rows, distant):
    components, codes, train = scene(field=12)
    train[rows:] = False
    found = survey(components, codes, train)
    assert (found.small_fields, found.distant, found.misleading) == (False, distant, distant)
    assert (found.spectral, found.blend) == ("pool" if distant else "none", True)
    assert replace(found, square=8).spectral == ("pool" if distant else "filtered")
    assert found.near == pytest.approx((rows + 7) / 48, abs=0.03)


def test_pixels_that_are_not_tested_do_not_count():
    components, codes, train = scene(field=12)
    train[12:] = False
    tested = np.zeros(codes.shape, bool)
    tested[:12] = True
    assert advise_window(components, codes, train, tested).near == 1
    assert advise_window(components, codes, train, ~tested & False).distant


def test_no_class_outside_the_training_side_is_looked_at():
    components, codes, train = scene(field=12)
    shuffled = np.where(train, codes, np.random.default_rng(1).integers(0, 3, codes.shape))
    assert survey(components, codes, train) == survey(components, shuffled, train)


def test_too_few_pixels_are_reported():
    components, codes, _ = scene(field=12)
    train = np.zeros(codes.shape, bool)
    for code in range(3):
        train[tuple(np.argwhere(codes == code)[0])] = True
    found = survey(components, codes, train)
    assert (found.accuracy, found.small_fields) == ((), False)
    assert "too few" in found.in_words()


def test_means_are_over_squares():
    components, _, _ = scene(field=4)
    chosen = np.zeros(components.shape[1:], bool)
    chosen[10, 20] = True
    expected = components[:, 8:13, 18:23].mean(axis=(1, 2))
    np.testing.assert_allclose(means_at(components, chosen, 5)[0], expected, atol=1e-5)
