"""Paired tests against worked examples and against scipy."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from hsi.accuracy.statistics import holm, mcnemar, pairs_needed, signed_rank, smallest_signed_rank

# Darwin's maize, heights in eighths of an inch (Fisher 1935): cross-fertilised less self-fertilised
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def outcomes(both, first, second, neither):
    """Which pixels two classifiers have right, from the four counts."""
    counts = [both, first, second, neither]
    return tuple(np.repeat(np.array(values, bool), counts) for values in ([1, 1, 0, 0], [1, 0, 1, 0]))


def test_many_discordant_pixels_are_tested_by_chi_square_with_continuity_correction():
    found = mcnemar(*outcomes(101, 121, 59, 33))  # (|121 - 59| - 1)^2 / 180 = 20.67
    assert (found.first, found.second, found.lead, found.exact) == (121, 59, 62, False)
    assert found.pvalue == pytest.approx(5.45e-6, rel=0.01)


def test_few_discordant_pixels_are_tested_exactly():
    found = mcnemar(*outcomes(59, 6, 16, 80))
    assert found.exact
    assert found.pvalue == pytest.approx(0.05248, abs=1e-5)
    assert mcnemar(*outcomes(1, 5, 0, 1)).pvalue == pytest.approx(2 / 32)


def test_classifiers_that_agree_are_not_told_apart():
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


def test_differences_that_rounding_alone_parts_are_ties():
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
