"""Thresholds of rejection: by hand, and as the validation pixels bear out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.accuracy.rejection import Rejection, parse_rejection, validation_confidence
from hsi.errors import UsageError

CONFIDENCE = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.96, 0.99], np.float32)
RIGHT = np.array([0, 0, 1, 0, 1, 1, 1, 1, 1, 1], bool)


@pytest.mark.parametrize(
    ("asked", "threshold"),
    [("accuracy:100%", None), ("accuracy:99%", 0.7), ("accuracy:85%", 0.5), ("accuracy:70%", 0), ("0.6", 0.6)],
)
def test_the_smallest_threshold_that_reaches_an_accuracy(asked, threshold):
    if threshold is None:
        with pytest.raises(UsageError, match="between 0 and 1"):
            parse_rejection(asked)
        return
    chosen = validation_confidence(CONFIDENCE, RIGHT).threshold(parse_rejection(asked))
    assert chosen == pytest.approx(threshold)


def test_what_a_threshold_does():
    found = validation_confidence(CONFIDENCE, RIGHT).measure(0.5)
    assert found == {
        "pixels": 10,
        "accuracy": pytest.approx(0.7),
        "rejected": pytest.approx(0.2),
        "errors_rejected": pytest.approx(2 / 3),
        "accuracy_left": pytest.approx(7 / 8),
    }
    assert validation_confidence(CONFIDENCE, RIGHT).measure(1.0)["accuracy_left"] is None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(0, 10_000), st.floats(0.01, 0.99))
def test_targets_hold_on_the_validation_pixels(count, seed, share):
    random = np.random.default_rng(seed)
    confidence = random.choice(random.random(50), count).astype(np.float32)  # with ties
    right = random.random(count) < confidence
    validation = validation_confidence(confidence, right)
    threshold = validation.threshold(Rejection("rate", share))
    assert np.mean(confidence < threshold) <= share + 1e-9
    above = confidence[confidence > threshold]
    assert not above.size or np.mean(confidence < above.min()) > share - 1e-9  # the largest such
    reachable = [right[confidence >= step].mean() for step in np.unique(confidence)]
    if max(reachable) < share - 1e-9:
        with pytest.raises(UsageError, match=f"at most {max(reachable):.1%}"):
            validation.threshold(Rejection("accuracy", share))
        return
    threshold = validation.threshold(Rejection("accuracy", share))
    assert right[confidence >= threshold].mean() >= share - 1e-9
    lower = [mean for step, mean in zip(np.unique(confidence), reachable, strict=True) if step < threshold]
    assert not [mean for mean in lower if mean >= share]


@pytest.mark.parametrize(
    ("reject", "rate", "expected"),
    [
        (0.6, None, Rejection("confidence", 0.6)),
        ("accuracy:95%", None, Rejection("accuracy", 0.95)),
        ("accuracy:0.9", None, Rejection("accuracy", 0.9)),
        (None, "5%", Rejection("rate", 0.05)),
        (None, 0.05, Rejection("rate", 0.05)),
        (None, None, None),
    ],
)
def test_what_can_be_asked_for(reject, rate, expected):
    assert parse_rejection(reject, rate) == expected


@pytest.mark.parametrize(
    ("reject", "rate"),
    [(2, None), (0, None), ("nan", None), ("x", None), ("accuracy:", None), ("errors:5%", None), (None, "5"),
     (None, "100%"), (0.6, "5%")],
)  # fmt: skip
def test_what_cannot(reject, rate):
    with pytest.raises(UsageError):
        parse_rejection(reject, rate)
