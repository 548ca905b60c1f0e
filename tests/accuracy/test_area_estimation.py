"""Accuracy and areas of a map from a sample of it: the paper's worked example, and samples of known maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.accuracy.area_estimation import DESIGNS, estimate_map, make_estimate
from hsi.accuracy.statistics import wilson_interval
from hsi.core.labels import default_table
from hsi.errors import LabelError, UsageError

# Olofsson et al. (2014), table 8: map in rows, reference in columns; deforestation, forest gain, stable forest, stable
# non-forest on a map of 10 million Landsat pixels of 0.09 ha
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])
HECTARES = 0.09


def estimate(matrix, mapped, design="stratified", unclassified=None, hectares=None):
    """Estimates from a matrix with the map in rows, as the papers have it."""
    classes = len(mapped)
    counts = np.zeros((classes + 1, classes + 1), int)
    counts[:classes, :classes] = np.asarray(matrix).T
    pixels = [*mapped, 0]
    if unclassified:
        counts[:classes, classes], pixels[classes] = unclassified
    return estimate_map(counts, np.array(pixels), default_table(range(1, classes + 1)), design, hectares)


def half_widths(entries):
    return [1.96 * entry["standard_error"] for entry in entries]


class TestOlofsson:
    """Section 5 of the paper, at the precision that it prints."""

    @pytest.fixture(params=DESIGNS)
    def estimated(self, request):
        return estimate(OLOFSSON, MAPPED, request.param, hectares=HECTARES)

    def test_areas(self, estimated):
        areas = [entry["area"] for entry in estimated["classes"]]
        assert [round(area["value"]) for area in areas] == [21_158, 11_686, 285_770, 581_386]
        errors = [1.96 * area["standard_error"] for area in areas]
        assert [round(error) for error in errors] == [6_158, 3_756, 15_510, 16_282]
        assert [area["high"] - area["value"] for area in areas] == pytest.approx(errors, rel=1e-4)
        assert [round(entry["mapped_area"]) for entry in estimated["classes"]] == [18_000, 13_500, 288_000, 580_500]

    def test_accuracies(self, estimated):
        users = [entry["users_accuracy"] for entry in estimated["classes"]]
        assert [round(entry["value"], 2) for entry in users] == [0.88, 0.73, 0.93, 0.96]
        assert [round(width, 2) for width in half_widths(users)] == [0.07, 0.10, 0.04, 0.02]
        producers = [entry["producers_accuracy"] for entry in estimated["classes"]]
        assert [round(entry["value"], 2) for entry in producers] == [0.75, 0.85, 0.93, 0.96]
        # the paper prints 0.21, 0.23, 0.03 and 0.01; its equation 7 gives 0.25 and 0.02 for the second and the last
        assert [round(width, 2) for width in half_widths(producers)] == [0.21, 0.25, 0.03, 0.02]
        assert round(estimated["overall_accuracy"]["value"], 2) == 0.95
        assert round(half_widths([estimated["overall_accuracy"]])[0], 2) == 0.02

    def test_shares_of_table_9(self, estimated):
        assert [round(entry["share"]["value"], 4) for entry in estimated["classes"]] == [0.0235, 0.0130, 0.3175, 0.6460]
        total = estimated["quantity_disagreement"] + estimated["allocation_disagreement"]
        assert total == pytest.approx(1 - estimated["overall_accuracy"]["value"])

    def test_the_equations_written_out(self, estimated):
        """Equations 5, 6, 7 and 10 to 11, class by class, against the ratios."""
        sizes, weights = OLOFSSON.sum(axis=1), MAPPED / MAPPED.sum()
        users = np.diag(OLOFSSON) / sizes
        spread = weights**2 * users * (1 - users) / (sizes - 1)
        assert estimated["overall_accuracy"]["standard_error"] == pytest.approx(np.sqrt(spread.sum()))
        rates = OLOFSSON / sizes[:, None]
        within = rates * (1 - rates) / (sizes - 1)[:, None]
        true_pixels = (MAPPED[:, None] * rates).sum(axis=0)
        for j, entry in enumerate(estimated["classes"]):
            assert entry["users_accuracy"]["standard_error"] == pytest.approx(np.sqrt(within[j, j]))
            assert entry["share"]["standard_error"] == pytest.approx(np.sqrt((weights**2 * within[:, j]).sum()))
            others = np.arange(4) != j
            producers = entry["producers_accuracy"]["value"]
            hits = MAPPED[j] ** 2 * (1 - producers) ** 2 * within[j, j]
            misses = producers**2 * (MAPPED[others] ** 2 * within[others, j]).sum()
            expected = np.sqrt((hits + misses) / true_pixels[j] ** 2)
            assert entry["producers_accuracy"]["standard_error"] == pytest.approx(expected)

    def test_the_earlier_paper(self):
        """Olofsson et al. (2013, doi:10.1016/j.rse.2012.10.031), its example of deforestation."""
        estimated = estimate([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22_353, 1_122_543, 610_228])
        assert [entry["share"]["value"] for entry in estimated["classes"]] == pytest.approx(
            [0.026, 0.598, 0.376], abs=5e-4
        )
        assert round(estimated["classes"][0]["producers_accuracy"]["value"], 2) == 0.48
        assert [round(entry["users_accuracy"]["value"], 2) for entry in estimated["classes"]] == [0.97, 0.93, 0.97]
        assert round(estimated["overall_accuracy"]["value"], 2) == 0.94


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 10_000), st.sampled_from(DESIGNS))
def test_a_sample_that_is_the_whole_map_gives_the_map_its_plain_accuracy(classes, seed, design):
    matrix = np.random.default_rng(seed).integers(0, 9, (classes, classes)) + 2 * np.eye(classes, dtype=int)
    estimated = estimate(matrix, matrix.sum(axis=1), design)
    assert estimated["overall_accuracy"]["value"] == pytest.approx(np.trace(matrix) / matrix.sum())
    for j, entry in enumerate(estimated["classes"]):
        assert entry["share"]["value"] == pytest.approx(matrix[:, j].sum() / matrix.sum())
        assert entry["producers_accuracy"]["value"] == pytest.approx(matrix[j, j] / matrix[:, j].sum())
        assert 0 <= entry["share"]["low"] <= entry["share"]["value"] <= entry["share"]["high"] <= 1
    assert sum(entry["share"]["value"] for entry in estimated["classes"]) == pytest.approx(1)
    assert json.loads(json.dumps(estimated, allow_nan=False)) == estimated


@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_hold_the_truth_as_often_as_they_say(design):
    """Samples drawn from a map whose errors are known: about 95 of 100 intervals hold the true area and accuracy."""
    random = np.random.default_rng(3)
    population = np.array([[1800, 150, 50], [300, 5600, 100], [20, 180, 1800]])
    mapped, truth = population.sum(axis=1), population.sum(axis=0) / population.sum()
    accuracy = np.trace(population) / population.sum()
    held = []
    for _ in range(200):
        if design == "simple":
            sample = random.multinomial(400, population.ravel() / population.sum()).reshape(3, 3)
        else:
            sample = np.array([random.multinomial(130, row / row.sum()) for row in population])
        estimated = estimate(sample, mapped, design)
        pairs = [(estimated["overall_accuracy"], accuracy)]
        pairs += [(entry["share"], share) for entry, share in zip(estimated["classes"], truth, strict=True)]
        held += [one["low"] <= value <= one["high"] for one, value in pairs]
    assert 0.91 < np.mean(held) < 0.98


def test_unclassified_pixels_are_a_stratum_that_is_never_right():
    estimated = estimate([[8, 2], [1, 9]], [500, 300], unclassified=([3, 1], 200))
    assert estimated["overall_accuracy"]["value"] == pytest.approx(0.5 * 0.8 + 0.3 * 0.9)
    assert estimated["classes"][0]["share"]["value"] == pytest.approx(0.5 * 0.8 + 0.3 * 0.1 + 0.2 * 0.75)
    assert estimated["mapped_pixels"] == 1000
    assert estimated["quantity_disagreement"] + estimated["allocation_disagreement"] == pytest.approx(
        1 - estimated["overall_accuracy"]["value"]
    )


class TestFewPixels:
    def test_a_stratified_sample_needs_two_in_each_class_of_the_map(self):
        with pytest.raises(UsageError, match=r"found fewer in 1: class 2 \(1\): label more there"):
            estimate([[8, 2], [0, 1]], [500, 300])
        with pytest.raises(UsageError, match=r"unclassified \(0\)"):
            estimate([[8, 2], [1, 9]], [500, 300], unclassified=([0, 0], 200))

    def test_a_class_that_the_map_does_not_show_needs_none(self):
        estimated = estimate([[8, 1, 1], [1, 9, 0], [0, 0, 0]], [500, 300, 0])
        assert estimated["classes"][2]["users_accuracy"] is None
        assert estimated["classes"][2]["producers_accuracy"] is None  # one pixel only
        assert estimated["classes"][2]["share"]["value"] == pytest.approx(5 / 8 / 10)

    def test_a_simple_sample_pools_the_rare_classes(self):
        matrix, mapped = [[50, 2, 1], [3, 0, 1], [0, 0, 1]], [900, 70, 30]
        matrix[1] = [1, 0, 0]
        estimated = estimate(matrix, mapped, "simple")
        assert estimated["pooled"] == ["class 2", "class 3"]
        assert estimated["classes"][1]["users_accuracy"] is None
        # the pooled stratum of 100 pixels has two sampled ones: class 1 in one of them
        assert estimated["classes"][0]["share"]["value"] == pytest.approx(0.9 * 50 / 53 + 0.1 * 0.5)

    def test_one_rare_class_is_pooled_with_the_next(self):
        estimated = estimate([[50, 2, 1], [1, 4, 0], [0, 0, 0]], [900, 70, 30], "simple")
        assert estimated["pooled"] == ["class 2", "class 3"]

    def test_a_sample_of_one_pixel_is_refused(self):
        with pytest.raises(UsageError, match="2 or more reference pixels on the map, found 1"):
            estimate([[1, 0], [0, 0]], [500, 300], "simple")


def test_intervals_end_at_0_and_1():
    assert make_estimate(0.99, 0.02)["high"] == 1
    assert make_estimate(0.01, 0.02)["low"] == 0
    assert list(make_estimate(0.5, 0.1).values()) == pytest.approx([0.5, 0.1, 0.304, 0.696], abs=5e-4)


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(LabelError, match=r"2 classes and 'unclassified' do not fit \(2, 2\)"):
        estimate_map(np.zeros((2, 2), int), np.zeros(3, int), default_table([1, 2]), "simple")


def test_a_stratum_without_an_error_has_a_wilson_interval():
    estimated = estimate([[17, 0], [0, 30]], [600, 400])
    wilson = wilson_interval(17, 17)
    users = estimated["classes"][0]["users_accuracy"]
    assert (users["value"], users["low"], users["high"]) == (1, pytest.approx(wilson[0]), 1)
    below = [0.6 * (1 - wilson[0]), 0.4 * (1 - wilson_interval(30, 30)[0])]
    overall = estimated["overall_accuracy"]
    assert overall["low"] == pytest.approx(1 - np.hypot(*below)) and overall["high"] == 1
    area = estimated["classes"][0]["area"]
    assert area["low"] < area["value"] == 600 < area["high"]
    assert estimated["classes"][1]["producers_accuracy"]["low"] < 1


def test_intervals_of_rare_errors_hold_the_truth():
    random, held = np.random.default_rng(4), []
    for _ in range(200):
        sample = np.array([random.multinomial(30, (0.98, 0.02)), random.multinomial(30, (0.02, 0.98))])
        overall = estimate(sample, [600, 400])["overall_accuracy"]
        held.append(overall["low"] <= 0.98 <= overall["high"])
    assert np.mean(held) > 0.93
