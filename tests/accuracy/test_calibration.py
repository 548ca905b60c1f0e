"""Calibration against hand computation and scikit-learn; temperatures that were put in come out."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from hsi.accuracy.calibration import fit_temperature, measure_calibration
from hsi.errors import SceneError


def test_by_hand():
    # bins of 0.2: 0.55 and 0.6 (one right), 0.9 and 1.0 (both right)
    result = measure_calibration(np.array([0.55, 0.6, 0.9, 1.0]), np.array([True, False, True, True]), bins=5)
    assert [entry["pixels"] for entry in result["bins"]] == [0, 0, 2, 0, 2]
    third, last = result["bins"][2], result["bins"][4]
    assert (third["confidence"], third["accuracy"]) == (pytest.approx(0.575), 0.5)
    assert (last["low"], last["high"], last["confidence"], last["accuracy"]) == (0.8, 1.0, pytest.approx(0.95), 1.0)
    assert (result["bins"][0]["confidence"], result["bins"][0]["accuracy"]) == (None, None)
    assert result["error"] == pytest.approx((2 * 0.075 + 2 * 0.05) / 4)
    assert (result["pixels"], result["confidence"], result["accuracy"]) == (4, pytest.approx(0.7625), 0.75)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(2, 20), st.integers(0, 1000))
def test_bins_are_those_of_scikit_learn(count, bins, seed):
    random = np.random.default_rng(seed)
    confidence, right = random.random(count), random.random(count) < 0.7
    result = measure_calibration(confidence, right, bins)
    expected = calibration_curve(right, confidence, n_bins=bins)  # accuracy and confidence of the bins with pixels
    filled = [entry for entry in result["bins"] if entry["pixels"]]
    np.testing.assert_allclose([entry["accuracy"] for entry in filled], expected[0])
    np.testing.assert_allclose([entry["confidence"] for entry in filled], expected[1])
    assert sum(entry["pixels"] for entry in result["bins"]) == count
    parts = [entry["pixels"] * abs(entry["confidence"] - entry["accuracy"]) for entry in filled]
    assert result["error"] == pytest.approx(sum(parts) / count)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_confidence_that_is_right_has_no_error_and_false_confidence_has():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.3, 1, 200_000).astype(np.float32)
    assert measure_calibration(confidence, random.random(confidence.size) < confidence)["error"] < 0.01
    assert measure_calibration(np.ones(10), np.arange(10) < 6)["error"] == pytest.approx(0.4)


def test_nothing_has_no_calibration_and_percent_are_refused():
    assert measure_calibration(np.zeros(0), np.zeros(0, bool)) is None
    for value in (87.0, -0.1, np.nan):
        with pytest.raises(SceneError, match=f"from 0 to 1, found {value:g}"):
            measure_calibration(np.array([0.5, value]), np.ones(2, bool))


def drawn_scores(factor, count=20_000, classes=4, seed=0):
    """Scores whose probabilities are right, made too bold by a factor, and the true codes."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(count, classes)) * 2
    chances = softmax(scores, axis=1).cumsum(axis=1)
    return scores * factor, (random.random((count, 1)) > chances).sum(axis=1).clip(max=classes - 1)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_comes_out(factor):
    scores, codes = drawn_scores(factor)
    result = fit_temperature(scores.astype(np.float32), codes)
    assert result.value == pytest.approx(factor, rel=0.04)
    assert result.loss[1] <= result.loss[0]
    assert result.error[1] < 0.02
    if factor != 1:
        assert result.error[1] < result.error[0] / 3
    assert result.to_dict()["error"] == {"before": result.error[0], "after": result.error[1]}


def test_no_other_temperature_is_likelier():
    scores, codes = drawn_scores(2.0, count=200)
    result = fit_temperature(scores, codes)
    for other in np.geomspace(0.1, 10, 60):
        chances = softmax(scores / other, axis=1)[np.arange(len(codes)), codes]
        assert result.loss[1] <= -np.log(chances).mean() + 1e-9


def test_logarithms_of_probabilities_do_as_well_even_those_of_zero():
    scores, codes = drawn_scores(2.0, count=500)
    with np.errstate(divide="ignore"):
        logarithms = np.log(softmax(scores, axis=1).astype(np.float32))
        logarithms[0] = np.log(np.eye(4, dtype=np.float32)[(codes[0] + 1) % 4])
    assert np.isfinite(fit_temperature(logarithms, codes).value)
    assert fit_temperature(logarithms[1:], codes[1:]).value == pytest.approx(
        fit_temperature(scores[1:], codes[1:]).value, rel=1e-3
    )


def test_where_every_pixel_is_right_no_temperature_is_best():
    scores = np.eye(3)[np.array([0, 1, 2, 0])]
    assert fit_temperature(scores, np.array([0, 1, 2, 0])) is None
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) is None
