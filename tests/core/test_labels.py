from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.core.labels import ClassTable, default_table, drop_class, label_map
from hsi.errors import LabelError


class TestLabelMap:
    def test_counts_the_classes_that_occur(self):
        labels = label_map(np.array([[0, 1, 1], [5, 0, 5]], np.uint8))
        assert labels.counts == {1: 2, 5: 2}
        assert labels.table.names == ("class 1", "class 5")
        assert labels.values.dtype == np.int32
        assert labels.labelled.sum() == 4

    def test_codes_are_positions_in_the_table(self):
        labels = label_map(np.array([[0, 9], [4, 7]]))
        np.testing.assert_array_equal(labels.codes(), [[-1, 2], [0, 1]])

    def test_another_background_makes_zero_a_class(self):
        labels = label_map(np.array([[0, 1], [255, 255]], np.uint8), background=255)
        assert labels.counts == {0: 1, 1: 1}
        np.testing.assert_array_equal(labels.codes(), [[0, 1], [-1, -1]])

    def test_floats_without_fractions_are_accepted_and_nan_is_background(self):
        labels = label_map(np.array([[1.0, np.nan], [2.0, 0.0]], np.float32))
        np.testing.assert_array_equal(labels.values, [[1, 0], [2, 0]])

    def test_masking_does_not_change_the_table(self):
        labels = label_map(np.array([[1, 2]])).masked(np.array([[True, False]]))
        assert labels.counts == {1: 1, 2: 0}

    def test_names_come_from_the_table_where_it_has_them(self):
        table = ClassTable((1, 9), ("corn", "unused"), ((1, 2, 3), (4, 5, 6)))
        labels = label_map(np.array([[1, 2]]), table=table)
        assert labels.table.names == ("corn", "class 2")
        assert labels.table.colours[0] == (1, 2, 3)

    @pytest.mark.parametrize(
        ("values", "background"),
        [
            (np.array([[1, 2**32 - 1]], np.uint32), 2**32 - 1),
            (np.array([[1, np.finfo(np.float32).min]], np.float32), int(np.finfo(np.float32).min)),
            (np.array([[1, -(2**40)]]), -(2**40)),
        ],
    )
    def test_a_background_beyond_32_bits_stays_background(self, values: np.ndarray, background: int):
        labels = label_map(values, background=background)
        assert labels.counts == {1: 1}
        np.testing.assert_array_equal(labels.labelled, [[True, False]])
        np.testing.assert_array_equal(labels.codes(), [[0, -1]])

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.array([[0.5, 1.0]]), "integers, found such as 0.5"),
            (np.array([[np.inf, 1.0]]), "such as infinity"),
            (np.array([[-3, 1]]), "found -3; if it means unlabelled, add --background -3"),
            (np.array([[70000, 1]]), "found 70000"),
            (np.zeros((2, 2), int), r"every pixel is background \(0\)"),
            (np.zeros((2, 2, 2), int), r"2 axes \(rows, columns\), found shape \(2, 2, 2\)"),
            (np.array([["a", "b"]]), "found dtype <U1"),
            (np.array([[1j, 0]]), "found dtype complex128"),
        ],
    )
    def test_says_what_is_wrong_with_values_that_are_no_labels(self, values: np.ndarray, message: str):
        with pytest.raises(LabelError, match=message):
            label_map(values)

    @given(arrays(np.int16, (3, 4), elements=st.integers(-1, 5)).filter(lambda values: (values != -1).any()))
    def test_every_pixel_is_background_or_counted_once(self, values: np.ndarray):
        labels = label_map(values, background=-1)
        assert sum(labels.counts.values()) + (~labels.labelled).sum() == values.size
        codes = labels.codes()
        back = np.where(codes < 0, -1, np.asarray(labels.table.ids)[codes])
        np.testing.assert_array_equal(back, values)


class TestClassTable:
    def test_is_in_ascending_order(self):
        assert default_table([7, 2]).ids == (2, 7)

    def test_renames_only_the_ids_that_are_given(self):
        table = default_table([1, 2]).renamed({2: "water", 8: "no such"}, {2: (0, 0, 255)})
        assert table.names == ("class 1", "water")
        assert table.colours[1] == (0, 0, 255)

    def test_drops_a_class_by_name(self):
        table = ClassTable((1, 2), ("a", "b"), ((1, 1, 1), (2, 2, 2)))
        assert drop_class(table, "a") == ClassTable((2,), ("b",), ((2, 2, 2),))
        assert drop_class(table, "c") == table
