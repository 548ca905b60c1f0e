"""Training pixels that are held out weight the members of a pool."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from hsi.training.held_out import (
    FOLDS,
    HELD_OUT_SQUARE,
    fit_members,
    fit_weights,
    held_out_folds,
    improves,
    square_to_hold_out,
)


def test_each_fold_has_a_share_of_each_class():
    codes = np.arange(400).reshape(20, 20) % 3
    train = np.random.default_rng(0).random(codes.shape) < 0.5
    folds = held_out_folds(codes, train, seed=1)
    assert np.array_equal(folds >= 0, train)
    counts = np.array([np.bincount(folds[train & (codes == code)], minlength=FOLDS) for code in range(3)])
    assert np.ptp(counts, axis=1).max() <= 1


def test_squares_are_held_out_as_one_where_test_pixels_are_on_other_ground():
    codes = np.zeros((40, 40), np.int64)
    folds = held_out_folds(codes, np.ones(codes.shape, bool), seed=0, block=10)
    squares = folds.reshape(4, 10, 4, 10).swapaxes(1, 2).reshape(16, 100)
    assert (squares == squares[:, :1]).all()
    assert np.bincount(squares[:, 0]).tolist() == [4] * FOLDS


def test_a_member_without_knowledge_gets_no_weight_and_a_boastful_one_a_small_one():
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 3000)
    scores = random.normal(size=(3000, 3)) + 1.5 * np.eye(3)[codes]  # their log-likelihood ratio is 1.5 times the score
    logs = np.stack([log_softmax(6 * scores, axis=1), log_softmax(random.normal(size=(3000, 3)), axis=1)])
    weights = fit_weights(logs, codes, np.zeros(2), 1.0)
    assert weights[0] == pytest.approx(1.5 / 6, rel=0.1)
    assert weights[1] < 0.06


def test_a_member_without_knowledge_is_no_improvement():
    random = np.random.default_rng(1)
    codes = random.integers(0, 3, 900)
    good, noise = np.eye(3)[codes] + random.normal(size=(900, 3)), random.normal(size=(900, 3))
    logs = log_softmax(np.stack([noise, good]), axis=2)
    single = np.arange(900)
    assert improves(logs, codes, np.array([0.0, 1.0]), np.array([1.0, 0.0]), single)
    assert not improves(logs, codes, np.array([0.05, 1.0]), np.array([0.0, 1.0]), single)
    assert not improves(logs, codes, np.array([1.0, 0.0]), np.array([1.0, 0.0]), single)


def test_pixels_of_one_square_are_no_independent_evidence():
    squares = np.arange(8).repeat(40)
    codes = squares % 2
    scores = np.zeros((2, 320, 2))
    scores[0, np.arange(320), codes] = np.array([2.0, -1.0, 1.5, -0.5, 2.0, -1.0, 0.5, -0.5])[squares]
    logs, ours, usual = log_softmax(scores, axis=2), np.array([0.3, 1.0]), np.array([0.0, 1.0])
    assert improves(logs, codes, ours, usual, np.arange(320))
    assert not improves(logs, codes, ours, usual, squares)
    assert not improves(logs, codes, ours, usual, np.zeros(320, int))


def test_the_members_predict_pixels_that_they_have_not_seen():
    random = np.random.default_rng(0)
    codes = np.arange(90) % 3
    pixels = (random.normal(size=(90, 5)) + 2 * np.eye(5)[codes]).astype(np.float32)
    ring = random.normal(size=(90, 2)).astype(np.float32)
    ring *= ((1 + 2 * codes) / np.linalg.norm(ring, axis=1))[:, None]  # no line separates the classes
    codes[-1] = 3  # a class of one pixel always trains
    folds = held_out_folds(codes[None], np.ones((1, 90), bool), seed=0)[0]
    fitted, without_first, held_out = fit_members(pixels, ring, codes, folds, classes=5, bands=2)
    values = np.concatenate([pixels, ring], axis=1)
    right = held_out.argmax(axis=2) == codes
    seen = np.flatnonzero(folds == 0)
    np.testing.assert_allclose(
        log_softmax(without_first.linear(torch.from_numpy(values[seen])).detach().numpy(), axis=1).clip(np.log(1e-4)),
        held_out[0, seen], atol=1e-5,
    )  # fmt: skip
    assert not torch.equal(fitted.linear.weight, without_first.linear.weight)
    assert right[0, :-1].mean() > 0.7
    assert right[1, :-1].mean() > 0.9
    assert not held_out[:, -1].any()


@pytest.mark.parametrize(("distance", "expected"), [(1, {1}), (3, {8, 11}), (7, {22}), (40, {HELD_OUT_SQUARE})])
def test_held_out_pixels_are_as_far_from_training_pixels_as_test_pixels_are(distance, expected):
    codes, train = np.arange(14400).reshape(120, 120) % 3, np.zeros((120, 120), bool)
    train[:70] = True
    test = np.zeros_like(train)
    test[69 + distance] = True
    assert square_to_hold_out(codes, train, test, seed=0) in expected


def test_without_test_pixels_the_largest_squares_are_held_out():
    train, codes = np.ones((60, 60), bool), np.arange(3600).reshape(60, 60) % 3
    assert square_to_hold_out(codes, train, ~train, seed=0) == HELD_OUT_SQUARE
    assert square_to_hold_out(codes[:20, :20], train[:20, :20], ~train[:20, :20], seed=0) < HELD_OUT_SQUARE
