"""Features of pixels do not depend on how they are read, and the classifier works from one stroke on."""

import threading
import time

import numpy as np
import pytest

from hsi.core.scene import Block, scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import SceneError, UsageError
from hsi.labelling.quick import PixelFeatures, QuickClassifier, limit_pixels, pixel_features, sample_strips

CUBE, TRUTH, _ = make_scene(50, 70, bands=30, classes=4, field=15, seed=1)
SCENE = scene_from_array(CUBE)
VALID = np.ones((50, 70), bool)
VALID[10:14, 20:30] = False


@pytest.fixture(scope="module")
def features():
    return pixel_features(SCENE, VALID)


def strokes(*places):
    """Labels of the 3 x 3 pixels at places, of the class in their centre."""
    labels = np.zeros_like(TRUTH)
    for row, column in places:
        here = np.s_[row - 1 : row + 2, column - 1 : column + 2]
        labels[here] = np.where(TRUTH[here] == TRUTH[row, column], TRUTH[row, column], 0)
    return labels


def test_features_are_the_same_however_they_are_read(features):
    assert features.shape == (50, 70, 45) and features.dtype == np.float32
    assert not features[~VALID].any() and features[VALID].all(axis=1).all()
    window = Block(5, 12, 20, 33)
    for stored in (PixelFeatures(SCENE, VALID), PixelFeatures(SCENE, VALID, limit=1000)):
        np.testing.assert_allclose(stored.read(window), features[window.slices], atol=1e-6)
        assert not stored.ready
        assert [block.height for block in stored.prepare()] == [50] and stored.ready
        np.testing.assert_allclose(stored.read(window), features[window.slices], atol=1e-6)
        chosen = np.random.default_rng(0).random(VALID.shape) < 0.02
        np.testing.assert_allclose(stored.at(*np.nonzero(chosen)), features[chosen], atol=1e-6)


def test_means_are_of_valid_pixels(features):
    own, means = features[..., :15], features[..., 15:30]
    np.testing.assert_allclose(means[16, 22], mean_of(own, 16, 22, 2), atol=1e-5)
    np.testing.assert_allclose(means[0, 0], mean_of(own, 0, 0, 2), atol=1e-5)


def mean_of(own, row, column, reach):
    here = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return own[here][VALID[here]].mean(axis=0)


def test_a_large_scene_is_sampled_for_the_fit():
    blocks = [cube.shape[:2] for cube, _ in sample_strips(SCENE, VALID, pixels=70 * 32)]
    assert blocks == [(16, 70), (16, 70)]
    few = np.zeros_like(VALID)
    few[20, 5:40] = True
    assert sum(valid.sum() for _, valid in sample_strips(SCENE, few, pixels=70 * 32)) == 35


def test_without_valid_pixels_there_are_no_features():
    with pytest.raises(SceneError, match="no valid pixel"):
        PixelFeatures(SCENE, np.zeros_like(VALID))


def test_one_stroke_gives_its_class_everywhere(features):
    row, column = np.argwhere(TRUTH == 3)[100]
    model = QuickClassifier().fit(features, strokes((row, column)))
    ids, probabilities = model.predict(features)
    assert (ids == 3).all() and ids.dtype == np.int32 and probabilities.shape == (50, 70, 1)


def test_strokes_of_all_classes_give_the_map(features):
    random = np.random.default_rng(0)
    inner = np.pad(TRUTH[1:-1, 1:-1], 1)
    places = [tuple(random.permutation(np.argwhere(inner == i))[k]) for i in range(1, 5) for k in range(4)]
    labels = strokes(*places)
    ids, probabilities = QuickClassifier().fit(features, labels).predict(features)
    test = (TRUTH > 0) & (labels == 0) & VALID
    assert (ids == TRUTH)[test].mean() > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    again, part = QuickClassifier().fit(features[labels > 0], labels[labels > 0]).predict(features[:7, :9])
    np.testing.assert_array_equal(again, ids[:7, :9])
    np.testing.assert_allclose(part, probabilities[:7, :9], atol=1e-4)


def test_nothing_labelled_is_an_error(features):
    with pytest.raises(UsageError, match="draw a polygon"):
        QuickClassifier().fit(features, np.zeros((50, 70), int))


def test_large_classes_are_sampled_first():
    ids = np.repeat(np.array([1, 2, 3], np.int32), [5, 900, 95])
    chosen = ids[limit_pixels(ids, 100)]
    assert np.bincount(chosen)[1:].tolist() == [5, 47, 47]
    assert np.array_equal(limit_pixels(ids, 1000), np.arange(1000))


def test_fit_does_not_stop_other_threads():
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(1800, 2)).astype(np.float32), np.arange(1800) % 3 + 1
    shares = []
    for _ in range(3):  # other programs may stop the thread, too
        ticks, ended = [time.monotonic()], threading.Event()

        def tick(ticks=ticks, ended=ended):
            while not ended.wait(0.001):
                ticks.append(time.monotonic())

        thread = threading.Thread(target=tick)
        thread.start()
        QuickClassifier().fit(features, labels)
        ended.set()
        thread.join()
        ticks.append(time.monotonic())
        shares.append(np.diff(ticks).max() / (ticks[-1] - ticks[0]))
    assert min(shares) < 0.5
