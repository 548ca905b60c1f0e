"""The window follows the size of a scene's fields, as its training pixels tell it."""

import numpy as np

from hsi.surroundings import SMALL_WINDOW, choose_window, means_at


def scene(field, side=48, noise=1.0, seed=0):
    """Noisy components ``(3, side, side)`` of fields ``field`` pixels wide, their classes, and one pixel in four."""
    random = np.random.default_rng(seed)
    across = -(-side // field)
    codes = random.integers(0, 3, (across, across)).repeat(field, 0).repeat(field, 1)[:side, :side]
    components = noise * random.normal(size=(3, side, side))
    for code in range(3):
        components[code] += codes == code
    return components.astype(np.float32), codes, random.random((side, side)) < 0.25


def test_large_fields_take_the_usual_window():
    choice = choose_window(*scene(field=12))
    assert (choice.window, choice.small_fields) == (15, False)
    assert choice.best >= 5
    assert choice.accuracy[0] < max(choice.accuracy)


def test_small_fields_take_the_smallest_window():
    choice = choose_window(*scene(field=2, noise=0.5))
    assert (choice.window, choice.small_fields) == (SMALL_WINDOW, True)
    assert choice.best in (1, 3)


def test_no_pixel_outside_the_training_side_is_looked_at():
    components, codes, train = scene(field=12)
    shuffled = np.where(train, codes, np.random.default_rng(1).integers(0, 3, codes.shape))
    assert choose_window(components, codes, train) == choose_window(components, shuffled, train)


def test_too_few_pixels_to_choose_by_take_the_usual_window():
    components, codes, _ = scene(field=12)
    train = np.zeros(codes.shape, bool)
    for code in range(3):
        train[tuple(np.argwhere(codes == code)[0])] = True
    choice = choose_window(components, codes, train)
    assert (choice.window, choice.accuracy, choice.small_fields) == (15, (), False)


def test_a_tiny_scene_takes_the_smallest_window():
    assert choose_window(*scene(field=6, side=12)).window == SMALL_WINDOW


def test_means_are_over_squares():
    components, _, _ = scene(field=4)
    chosen = np.zeros(components.shape[1:], bool)
    chosen[10, 20] = True
    expected = components[:, 8:13, 18:23].mean(axis=(1, 2))
    np.testing.assert_allclose(means_at(components, chosen, 5)[0], expected, atol=1e-5)
