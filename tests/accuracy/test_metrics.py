"""Metrics against scikit-learn, the examples of their authors and counts by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from hsi.accuracy.metrics import ConfusionMatrix, confusion_matrix, disagreement, kappa, measure_accuracy
from hsi.core.labels import default_table
from hsi.errors import LabelError

CLASSES = 4
TOP_KEYS = [
    *("overall_accuracy", "average_accuracy", "kappa", "quantity_disagreement", "allocation_disagreement"),
    *("classes", "confusion_matrix", "absent_classes", "intervals"),
]
# Wundram and Löffler (2008), tables 2 and 3, which Pontius and Millones (2011) take as an example: map in rows
SUPERVISED = [[89, 3, 7, 0, 1], [11, 16, 10, 1, 0], [2, 14, 60, 2, 0], [1, 9, 7, 5, 0], [20, 1, 2, 0, 4]]
UNSUPERVISED = [[114, 9, 8, 0, 1], [5, 23, 11, 1, 0], [1, 10, 59, 2, 0], [0, 1, 7, 5, 0], [3, 0, 1, 0, 4]]

pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60).map(
    lambda found: (np.array([t for t, _ in found]), np.array([p for _, p in found]))
)


def measure(truth, predicted, classes=CLASSES):
    table = default_table(range(1, classes + 1))
    return measure_accuracy(confusion_matrix(np.array(truth), np.array(predicted), classes), table, [7] * classes)


def of_classes(report, name):
    return [entry[name] for entry in report["classes"]]


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_the_numbers_are_those_of_scikit_learn(codes):
    truth, predicted = codes
    report = measure(truth, predicted)
    options = {"labels": list(range(CLASSES)), "average": None, "zero_division": np.nan}
    expected = {
        "producers_accuracy": sk.recall_score(truth, predicted, **options),
        "users_accuracy": sk.precision_score(truth, predicted, **options),
        "f1": sk.f1_score(truth, predicted, **options),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(np.array(of_classes(report, name), float), values, err_msg=name)
    for code, iou in enumerate(of_classes(report, "iou")):
        true, mapped = truth == code, predicted == code
        assert iou == (pytest.approx(sk.jaccard_score(true, mapped)) if np.any(true | mapped) else None)
    assert report["overall_accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    one_class = np.unique(np.concatenate([truth, predicted])).size == 1
    assert report["kappa"] == (None if one_class else pytest.approx(sk.cohen_kappa_score(truth, predicted)))
    assert report["average_accuracy"] == pytest.approx(np.nanmean(expected["producers_accuracy"]))


@given(pairs)
@settings(deadline=None, max_examples=60)
def test_no_pixel_vanishes_and_disagreement_is_what_is_wrong(codes):
    truth, predicted = codes
    confusion = confusion_matrix(truth, predicted, CLASSES)
    assert confusion.counts.dtype == confusion.unclassified.dtype == np.int64
    assert confusion.total == truth.size
    np.testing.assert_array_equal(confusion.truth, np.bincount(truth, minlength=CLASSES))
    assert confusion.unclassified.sum() == np.count_nonzero(predicted == -1)
    assert confusion.correct == np.count_nonzero(truth == predicted)
    report = measure(truth, predicted)
    names = ("quantity_disagreement", "allocation_disagreement")
    assert sum(report[name] for name in names) == pytest.approx(1 - report["overall_accuracy"])
    assert min(share for name in names for share in of_classes(report, name)) >= 0
    assert list(report) == TOP_KEYS
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
    report = measure(truth, predicted)
    assert report["confusion_matrix"] == counts.tolist()
    assert round(report["overall_accuracy"], 2) == 0.74
    assert round(report["kappa"], 2) == 0.65
    assert np.round(of_classes(report, "producers_accuracy"), 2).tolist() == [0.87, 0.79, 0.74, 0.64]
    assert np.round(of_classes(report, "users_accuracy"), 2).tolist() == [0.57, 0.81, 0.74, 0.87]


def test_unclassified_pixels_count_as_wrong_and_as_a_disagreement_of_quantity():
    report = measure([0, 0, 1, 1], [0, -1, 1, 1], classes=2)
    assert report["overall_accuracy"] == 0.75
    first = report["classes"][0]
    assert (first["producers_accuracy"], first["users_accuracy"], first["unclassified"]) == (0.5, 1.0, 1)
    assert (first["id"], first["name"], first["train"], first["test"]) == (1, "class 1", 7, 2)
    assert (report["quantity_disagreement"], report["allocation_disagreement"]) == (0.25, 0)
    assert of_classes(report, "quantity_disagreement") == [0.25, 0]


def test_absent_classes_are_listed_and_left_out_of_the_average():
    report = measure([0, 0, 1], [0, 0, 2], classes=4)
    assert report["average_accuracy"] == 0.5
    assert report["absent_classes"] == ["class 3", "class 4"]
    shares = [[entry[name] for name in ("producers_accuracy", "users_accuracy", "f1", "iou")]
              for entry in report["classes"]]  # fmt: skip
    assert shares[1:] == [[0.0, None, 0.0, 0.0], [None, 0.0, 0.0, 0.0], [None] * 4]
    assert report["classes"][3]["producers_accuracy_interval"] is None


def test_no_test_pixel_gives_none_throughout():
    report = measure(np.zeros(0, int), np.zeros(0, int), classes=2)
    assert [report[name] for name in TOP_KEYS[:5]] == [None] * 5
    assert report["absent_classes"] == ["class 1", "class 2"]
    assert report["intervals"]["overall_accuracy"] is None


def test_kappa_is_not_defined_where_chance_agrees_everywhere():
    assert kappa(confusion_matrix(np.zeros(5, int), np.zeros(5, int), 2)) is None
    assert kappa(confusion_matrix(np.zeros(5, int), np.array([0, 0, 0, 0, 1]), 2)) == 0.0
    assert kappa(confusion_matrix(np.array([0, 1]), np.array([1, 0]), 2)) == -1.0


def test_kappa_of_a_flight_line_does_not_overflow():
    confusion = confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    large = ConfusionMatrix(confusion.counts * 5_000_000_000, confusion.unclassified)
    assert kappa(large) == pytest.approx(kappa(confusion))


def test_intervals_belong_to_the_right_numbers():
    report = measure([0] * 10 + [1] * 5, [0] * 9 + [1] * 6, classes=2)

    def wilson(right, total):
        found = binomtest(right, total).proportion_ci(0.95, method="wilson")
        return pytest.approx([found.low, found.high])

    assert report["intervals"] == {"method": "Wilson", "level": 0.95, "overall_accuracy": wilson(14, 15)}
    assert of_classes(report, "producers_accuracy_interval")[0] == wilson(9, 10)
    assert of_classes(report, "users_accuracy_interval")[1] == wilson(5, 6)


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


class TestDisagreement:
    @pytest.mark.parametrize(("matrix", "quantity", "allocation"), [(SUPERVISED, 36, 55), (UNSUPERVISED, 17, 43)])
    def test_an_example_of_the_paper(self, matrix, quantity, allocation):
        """Of 265 pixels: half the sum of |map - reference| by class, and the rest of those off the diagonal."""
        assert np.array(disagreement(np.array(matrix))) * 265 == pytest.approx((quantity, allocation))

    def test_the_parts_of_the_first_example(self):
        confusion = ConfusionMatrix(np.array(SUPERVISED), np.zeros(5, int))
        report = measure_accuracy(confusion, default_table(range(5)), [1] * 5)
        commission = np.array([0.0415, 0.0830, 0.0679, 0.0642, 0.0868])
        omission = np.array([0.1283, 0.1019, 0.0981, 0.0113, 0.0038])
        quantity, allocation = np.abs(commission - omission), 2 * np.minimum(commission, omission)
        assert of_classes(report, "quantity_disagreement") == pytest.approx(quantity, abs=1.5e-4)
        assert of_classes(report, "allocation_disagreement") == pytest.approx(allocation, abs=1.5e-4)

    def test_a_stratified_sample_weighted_by_the_map(self):
        """The numbers of the authors' spreadsheet (PontiusMatrix26): 4 strata of 100 to 400."""
        sample = np.arange(10, 50, 10)[:, None] + np.arange(1, 5)
        weighted = sample / sample.sum(axis=1, keepdims=True) * np.array([[100], [200], [300], [400]])
        assert disagreement(weighted) == pytest.approx((0.182234, 0.567193), abs=1e-6)

    @pytest.mark.parametrize(
        ("matrix", "expected"), [([[5, 0], [3, 2]], (0.3, 0)), ([[5, 2], [2, 1]], (0, 0.4)), ([[0]], (None, None))]
    )
    def test_amounts_and_places(self, matrix, expected):
        assert disagreement(np.array(matrix)) == expected

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 6), st.integers(0, 10_000))
    def test_the_two_are_all_that_is_wrong_in_any_order(self, classes, seed):
        random = np.random.default_rng(seed)
        matrix = random.integers(0, 20, (classes, classes)) + np.eye(classes, dtype=int)
        both = disagreement(matrix)
        assert sum(both) == pytest.approx(1 - np.trace(matrix) / matrix.sum())
        order = random.permutation(classes)
        for same in (matrix.T, matrix[order][:, order], 7 * matrix):
            assert disagreement(same) == pytest.approx(both)
