"""95 % intervals against published examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hsi.accuracy.statistics import t_interval, wilson_interval


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
        found = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((found.low, found.high))


def test_one_run_has_no_interval_and_equal_runs_one_without_width():
    assert t_interval([0.9]) is None
    assert t_interval([]) is None
    assert t_interval([0.9, 0.9, 0.9]) == pytest.approx((0.9, 0.9))
