"""Sample sizes, and the masks of a split."""

import numpy as np
import pytest
from hypothesis import given

from hsi.errors import SplitError, UsageError
from hsi.splits import SampleSize, Split, parse_sample_size
from tests.splits.label_maps import sample_sizes


class TestSampleSize:
    def test_the_percent_sign_distinguishes_a_share_from_a_count(self):
        assert parse_sample_size("10%") == parse_sample_size(" 10 % ") == SampleSize(percent=10.0)
        assert parse_sample_size("2.5%") == SampleSize(percent=2.5)
        assert parse_sample_size("50") == SampleSize(count=50)
        assert parse_sample_size("50/15") == SampleSize(count=50, small=15)

    @pytest.mark.parametrize(
        "text", ["", "0.1", "10.0", "ten", "1e3", "-5", "+5", "-5%", "5%%", "% 5", "nan%", "1_0", "٥", "50/", "/15",
                 "50/15/5", "50/15%"]
    )  # fmt: skip
    def test_anything_else_is_refused_with_the_syntax(self, text):
        with pytest.raises(UsageError, match=r"write 10% for a share, 50 for a number of pixels per class"):
            parse_sample_size(text)

    @pytest.mark.parametrize("text", ["0", "0%", "0.0%", "100%", "100.5%", "250%", "50/0", "50/50", "15/50"])
    def test_nothing_and_everything_are_refused(self, text):
        with pytest.raises(UsageError, match="found"):
            parse_sample_size(text)

    @pytest.mark.parametrize("wrong", [{}, {"percent": 5.0, "count": 5}, {"count": 2.5}, {"percent": float("nan")}])
    def test_it_is_exactly_one_of_the_two(self, wrong):
        with pytest.raises(UsageError):
            SampleSize(**wrong)

    @pytest.mark.parametrize(
        ("percent", "pixels", "expected"), [(10, 15, 2), (10, 14, 1), (50, 5, 3), (2.3, 1500, 35), (10, 4, 0)]
    )
    def test_a_share_is_rounded_half_up_in_decimal(self, percent, pixels, expected):
        assert SampleSize(percent=percent).of(pixels) == expected

    @given(sample_sizes)
    def test_its_text_can_be_parsed(self, size):
        text = str(size)
        assert text.endswith("%") == (size.count is None)
        assert parse_sample_size(text.removesuffix(" per class")) == size


def test_masks_that_overlap_or_differ_are_refused():
    mask = np.ones((2, 2), bool)
    with pytest.raises(SplitError, match="4 pixels are in more than one"):
        Split(mask, mask, ~mask, "by hand", None)
    for wrong in (np.zeros((2, 3), bool), np.zeros((2, 2), np.uint8)):
        with pytest.raises(SplitError, match="are bool and of one shape"):
            Split(mask, ~mask, wrong, "by hand", None)
