from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from hsi.accuracy.metrics import Accuracy, confusion_matrix, kappa, measure_accuracy
from hsi.core.labels import default_table
from hsi.errors import LabelError

CLASSES = 4
TOP_KEYS = {
    "overall_accuracy",
    "average_accuracy",
    "kappa",
    "quantity_disagreement",
    "allocation_disagreement",
    "classes",
    "confusion_matrix",
    "absent_classes",
    "intervals",
}

pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60).map(
    lambda found: (np.array([t for t, _ in found]), np.array([p for _, p in found]))
)


def measure(truth, predicted, classes: int = CLASSES) -> Accuracy:
    table = default_table(range(1, classes + 1))
    return measure_accuracy(confusion_matrix(np.array(truth), np.array(predicted), classes), table, [7] * classes)


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_the_numbers_are_those_of_scikit_learn(found):
    truth, predicted = found
    accuracy = measure(truth, predicted)
    codes = range(CLASSES)
    options = {"labels": list(codes), "average": None, "zero_division": np.nan}
    expected = {
        "producers_accuracy": sk.recall_score(truth, predicted, **options),
        "users_accuracy": sk.precision_score(truth, predicted, **options),
        "f1": sk.f1_score(truth, predicted, **options),
    }
    for name, values in expected.items():
        measured = [getattr(entry, name) for entry in accuracy.classes]
        np.testing.assert_allclose([np.nan if v is None else v for v in measured], values, err_msg=name)
    for code in codes:
        truly, said = truth == code, predicted == code
        iou = accuracy.classes[code].iou
        assert iou == (pytest.approx(sk.jaccard_score(truly, said)) if np.any(truly | said) else None)
    assert accuracy.overall_accuracy == pytest.approx(sk.accuracy_score(truth, predicted))
    chance_corrected = accuracy.kappa
    if np.unique(np.concatenate([truth, predicted])).size > 1:
        assert chance_corrected == pytest.approx(sk.cohen_kappa_score(truth, predicted))
    else:
        assert chance_corrected is None
    recalls = [r for r in expected["producers_accuracy"] if not np.isnan(r)]
    assert accuracy.average_accuracy == pytest.approx(np.mean(recalls))


@given(pairs)
@settings(deadline=None)
def test_no_pixel_vanishes(found):
    truth, predicted = found
    confusion = confusion_matrix(truth, predicted, CLASSES)
    assert confusion.counts.dtype == confusion.unclassified.dtype == np.int64
    assert confusion.total == truth.size
    np.testing.assert_array_equal(confusion.truth, np.bincount(truth, minlength=CLASSES))
    assert confusion.unclassified.sum() == np.count_nonzero(predicted == -1)
    assert confusion.correct == np.count_nonzero(truth == predicted)


@given(pairs)
@settings(deadline=None, max_examples=40)
def test_disagreement_is_what_is_wrong(found):
    accuracy = measure(*found)
    total = accuracy.quantity_disagreement + accuracy.allocation_disagreement
    assert total == pytest.approx(1 - accuracy.overall_accuracy)
    for entry in accuracy.classes:
        assert entry.quantity_disagreement >= 0 and entry.allocation_disagreement >= 0


@given(pairs)
@settings(deadline=None, max_examples=40)
def test_the_report_is_json_without_nan(found):
    report = measure(*found).to_dict()
    assert set(report) == TOP_KEYS
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_rows_are_the_truth():
    confusion = confusion_matrix(np.array([[0, 0], [0, 1]]), np.array([[0, 1], [-1, 1]]), 2)
    assert confusion.counts.tolist() == [[1, 1], [0, 1]]
    assert confusion.unclassified.tolist() == [1, 0]


def test_a_worked_example():
    # Congalton (1991), table 1: overall accuracy 321 / 434 = 74 %
    counts = np.array([[65, 6, 0, 4], [4, 81, 11, 7], [22, 5, 85, 3], [24, 8, 19, 90]])
    truth = np.repeat(np.repeat(np.arange(4), 4), counts.ravel())
    predicted = np.repeat(np.tile(np.arange(4), 4), counts.ravel())
    accuracy = measure(truth, predicted)
    assert accuracy.to_dict()["confusion_matrix"] == counts.tolist()
    assert round(accuracy.overall_accuracy, 2) == 0.74
    assert round(accuracy.kappa, 2) == 0.65
    assert [round(entry.producers_accuracy, 2) for entry in accuracy.classes] == [0.87, 0.79, 0.74, 0.64]
    assert [round(entry.users_accuracy, 2) for entry in accuracy.classes] == [0.57, 0.81, 0.74, 0.87]


def test_unclassified_pixels_count_as_wrong_and_are_reported():
    accuracy = measure([0, 0, 1, 1], [0, -1, 1, 1], classes=2)
    assert accuracy.overall_accuracy == 0.75
    first = accuracy.to_dict()["classes"][0]
    assert (first["producers_accuracy"], first["users_accuracy"], first["unclassified"]) == (0.5, 1.0, 1)
    assert (first["id"], first["name"], first["train"], first["test"]) == (1, "class 1", 7, 2)


def test_unclassified_pixels_are_a_disagreement_of_quantity():
    accuracy = measure([0, 0, 1, 1], [0, -1, 1, 1], classes=2)
    assert (accuracy.quantity_disagreement, accuracy.allocation_disagreement) == (0.25, 0)
    assert [entry.quantity_disagreement for entry in accuracy.classes] == [0.25, 0]


def test_absent_classes_are_listed_and_left_out_of_the_average():
    accuracy = measure([0, 0, 1], [0, 0, 2], classes=4)
    assert accuracy.average_accuracy == 0.5
    assert accuracy.absent_classes == ("class 3", "class 4")
    third, fourth = accuracy.classes[2:]
    assert (third.producers_accuracy, third.users_accuracy, third.f1, third.iou) == (None, 0.0, 0.0, 0.0)
    assert (fourth.producers_accuracy, fourth.users_accuracy, fourth.f1, fourth.iou) == (None, None, None, None)
    assert fourth.producers_accuracy_interval is None


def test_a_class_that_is_never_predicted_has_no_users_accuracy():
    second = measure([0, 1], [0, 0], classes=2).classes[1]
    assert (second.producers_accuracy, second.users_accuracy, second.f1, second.iou) == (0.0, None, 0.0, 0.0)


def test_no_test_pixel_gives_none_throughout():
    accuracy = measure(np.zeros(0, int), np.zeros(0, int), classes=2)
    assert (accuracy.overall_accuracy, accuracy.average_accuracy, accuracy.kappa) == (None, None, None)
    assert (accuracy.quantity_disagreement, accuracy.allocation_disagreement) == (None, None)
    assert accuracy.overall_accuracy_interval is None
    assert accuracy.absent_classes == ("class 1", "class 2")
    assert accuracy.to_dict()["intervals"]["overall_accuracy"] is None


def test_kappa_is_not_defined_where_chance_agrees_everywhere():
    assert kappa(confusion_matrix(np.zeros(5, int), np.zeros(5, int), 2)) is None
    assert kappa(confusion_matrix(np.zeros(5, int), np.array([0, 0, 0, 0, 1]), 2)) == 0.0
    assert kappa(confusion_matrix(np.array([0, 1]), np.array([1, 0]), 2)) == -1.0


def test_kappa_of_a_whole_flight_line_does_not_overflow():
    million = 5_000_000_000
    confusion = confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    large = type(confusion)(confusion.counts * million, confusion.unclassified)
    assert kappa(large) == pytest.approx(kappa(confusion))


def test_intervals_belong_to_the_right_numbers():
    accuracy = measure([0] * 10 + [1] * 5, [0] * 9 + [1] * 6, classes=2)
    overall = binomtest(14, 15).proportion_ci(0.95, method="wilson")
    first = binomtest(9, 10).proportion_ci(0.95, method="wilson")
    assert accuracy.overall_accuracy_interval == pytest.approx((overall.low, overall.high))
    assert accuracy.classes[0].producers_accuracy_interval == pytest.approx((first.low, first.high))
    said = binomtest(5, 6).proportion_ci(0.95, method="wilson")
    assert accuracy.classes[1].users_accuracy_interval == pytest.approx((said.low, said.high))
    report = accuracy.to_dict()
    assert report["intervals"]["overall_accuracy"] == list(accuracy.overall_accuracy_interval)
    assert (report["intervals"]["method"], report["intervals"]["level"]) == ("Wilson", 0.95)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 1], [0], "differ in shape"),
        ([0, 2], [0, 1], "truth: codes go from 0 to 1, found 2"),
        ([0, -1], [0, 1], "truth: codes go from 0 to 1, found -1"),
        ([0, 1], [0, 2], "prediction: codes go from -1 to 1, found 2"),
        ([0, 1], [-2, 1], "prediction: codes go from -1 to 1, found -2"),
    ],
)
def test_codes_that_mean_nothing_are_refused(truth, predicted, message):
    with pytest.raises(LabelError, match=message):
        confusion_matrix(np.array(truth), np.array(predicted), 2)


def test_tables_of_different_length_are_refused():
    confusion = confusion_matrix(np.array([0, 1]), np.array([0, 1]), 2)
    with pytest.raises(LabelError, match="2, 3 and 2 classes"):
        measure_accuracy(confusion, default_table([1, 2, 3]), [1, 1])
