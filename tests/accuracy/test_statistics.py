"""Paired tests and 95 % intervals against published examples and against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, wilcoxon

from hsi.accuracy.statistics import (
    holm,
    mcnemar,
    pairs_needed,
    signed_rank,
    smallest_signed_rank,
    t_interval,
    wilson_interval,
)

# Darwin's maize, heights in eighths of an inch (Fisher 1935): cross-fertilised less self-fertilised
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def outcomes(both, first, second, neither):
    """Which pixels two classifiers have right, from the four counts."""
    counts = [both, first, second, neither]
    return tuple(np.repeat(np.array(values, bool), counts) for values in ([1, 1, 0, 0], [1, 0, 1, 0]))


def test_many_discordant_pixels_are_tested_by_chi_square_with_continuity_correction():
    result = mcnemar(*outcomes(101, 121, 59, 33))  # (|121 - 59| - 1)^2 / 180 = 20.67
    assert (result.first, result.second, result.lead, result.exact) == (121, 59, 62, False)
    assert result.pvalue == pytest.approx(5.45e-6, rel=0.01)


def test_few_discordant_pixels_are_tested_exactly():
    result = mcnemar(*outcomes(59, 6, 16, 80))
    assert result.exact
    assert result.pvalue == pytest.approx(0.05248, abs=1e-5)
    assert mcnemar(*outcomes(1, 5, 0, 1)).pvalue == pytest.approx(2 / 32)


def test_classifiers_that_agree_do_not_differ():
    assert mcnemar(*outcomes(9, 0, 0, 3)).pvalue == 1
    assert mcnemar(*outcomes(0, 30, 30, 0)).pvalue == 1
    with pytest.raises(ValueError, match="same pixels"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_the_order_of_the_classifiers_changes_the_sign_alone():
    one, other = mcnemar(*outcomes(5, 40, 60, 5)), mcnemar(*outcomes(5, 60, 40, 5))
    assert (one.pvalue, one.lead) == (other.pvalue, -other.lead)


def test_signed_ranks_of_a_published_example():
    assert signed_rank(DARWIN) == pytest.approx(0.04126, abs=1e-5)  # T = 24 of 15 pairs


@pytest.mark.parametrize("size", range(1, 13))
def test_signed_ranks_without_ties_are_those_of_scipy(size):
    differences = np.random.default_rng(size).normal(0.3, 1, size)
    assert signed_rank(differences) == pytest.approx(wilcoxon(differences, method="exact").pvalue)


def test_ties_are_counted_by_all_signs():
    differences = [0.01, 0.01, -0.01, 0.02, 0.02, 0.03]
    ranks = np.array([2, 2, 2, 4.5, 4.5, 6])
    signs = (np.arange(64)[:, None] >> np.arange(6)) & 1
    sums = signs @ ranks
    seen = ranks[[0, 1, 3, 4, 5]].sum()
    assert signed_rank(differences) == pytest.approx(2 * np.mean(sums >= seen))


def test_differences_within_rounding_are_ties():
    exact = [1, 1, -1, 1, 2, 2]
    assert signed_rank([0.1 * d + 1e-16 * i for i, d in enumerate(exact)]) == signed_rank(exact)


def test_no_difference_is_no_evidence():
    assert signed_rank([]) == signed_rank([0.0, 0.0]) == 1
    assert signed_rank([0.0, 0.2, 0.1]) == signed_rank([0.2, 0.1])


@pytest.mark.parametrize("tests", range(1, 10))
def test_the_pairs_that_are_needed_are_just_enough(tests):
    needed = pairs_needed(tests)
    assert tests * smallest_signed_rank(needed) < 0.05 <= tests * smallest_signed_rank(needed - 1)
    assert signed_rank(np.arange(1, needed + 1)) == pytest.approx(smallest_signed_rank(needed))


def test_six_pairs_are_the_least():
    assert (pairs_needed(1), smallest_signed_rank(5)) == (6, 0.0625)


def test_holm_steps_down_and_never_back():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_wilson_against_a_worked_example():
    # Newcombe (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, score method
    for (correct, total), expected in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson_interval(correct, total) == pytest.approx(expected, abs=5e-5)
    assert wilson_interval(0, 0) is None


def test_t_against_students_own_example():
    # Student (1908, doi:10.1093/biomet/6.1.1): hours of sleep gained, the second drug less the first; the interval is
    # the one that R prints for t.test(extra ~ group, data = sleep, paired = TRUE)
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert t_interval(gained) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 1), min_size=2, max_size=10))
def test_t_is_that_of_scipy(values):
    low, high = t_interval(values)
    mean = np.mean(values)
    assert low <= mean + 1e-12 and mean <= high + 1e-12
    if np.ptp(values) > 1e-6:
        expected = ttest_1samp(values, 0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((expected.low, expected.high))


def test_one_run_has_no_interval_and_equal_runs_one_without_width():
    assert t_interval([0.9]) is None
    assert t_interval([]) is None
    assert t_interval([0.9, 0.9, 0.9]) == pytest.approx((0.9, 0.9))
