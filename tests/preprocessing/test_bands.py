"""Ranges of bands in words, and the selection of bands."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi.core.scene import Scene, scene_from_array, survey_scene
from hsi.errors import SceneError, UsageError
from hsi.preprocessing.bands import BandSelection, parse_bands, parse_wavelengths, select_bands
from tests.io.file_makers import small_cube

WAVELENGTHS = (400.0, 500.0, 600.0, 700.0, 800.0)


def scene(**facts) -> Scene:
    return scene_from_array(small_cube() + 1, **facts)


class TestRanges:
    def test_of_bands(self):
        assert parse_bands("104-108, 150 - 163,220") == ((104, 108), (150, 163), (220, 220))

    def test_of_wavelengths(self):
        assert parse_wavelengths("1350-1450, 1800.5-1950") == ((1350, 1450), (1800.5, 1950))

    @pytest.mark.parametrize("text", ["", "a", "1,", "3-1", "0-4", "1.5", "-3", "1-2-3", "9" * 30, "²"])
    def test_of_bands_refused(self, text: str):
        with pytest.raises(UsageError, match="is no range of bands"):
            parse_bands(text)

    @pytest.mark.parametrize("text", ["", "1350", "1450-1350", "nan-1", "1-inf", "0-5", "-1-5", "a-b", "1-2-3"])
    def test_of_wavelengths_refused(self, text: str):
        with pytest.raises(UsageError, match="is no range of wavelengths"):
            parse_wavelengths(text)

    @given(st.text(max_size=12))
    def test_of_any_text_are_parsed_or_refused(self, text: str):
        for parse in (parse_bands, parse_wavelengths):
            with contextlib.suppress(UsageError):
                assert parse(text)


class TestSelection:
    def test_without_a_reason_keeps_every_band(self):
        selection = select_bands(scene())
        assert selection == BandSelection((0, 1, 2, 3, 4), {})
        assert selection.apply(scene()).bands == (0, 1, 2, 3, 4)

    def test_names_each_band_under_its_first_reason(self):
        made = scene(wavelengths=WAVELENGTHS, good=(True, False, False, False, True))
        selection = select_bands(made, drop_bands=parse_bands("1-2"), drop_wavelengths=parse_wavelengths("350-600"))
        assert list(selection.dropped.values()) == [(0, 1), (2,), (3,)]

    def test_of_numbers_wavelengths_and_marks(self):
        made = scene(wavelengths=WAVELENGTHS, good=(True, True, True, False, True))
        selection = select_bands(made, drop_bands=((1, 1),), drop_wavelengths=((350, 500),))
        dropped = {"named with --drop-bands": [1], "within --drop-wavelengths": [2], "marked bad in the file": [4]}
        assert json.loads(json.dumps(selection.to_dict())) == {"kept": [3, 5], "dropped": dropped}
        used = selection.apply(made)
        assert (used.bands, used.wavelengths, used.good) == ((2, 4), (600, 800), (True, True))

    def test_can_keep_bad_bands(self):
        assert select_bands(scene(good=(False,) * 5), keep_bad=True).used == (0, 1, 2, 3, 4)

    def test_counts_bands_of_the_file(self):
        made = scene(wavelengths=WAVELENGTHS).keep_bands([1, 2, 4])
        assert select_bands(made, drop_bands=((3, 3),)).used == (1, 4)

    def test_a_survey_drops_constant_and_dead_bands(self):
        cube = small_cube("f4") + 1
        cube[:, :, 0], cube[:, :, 3] = 7, np.nan
        made = scene_from_array(cube).keep_bands([0, 2, 3, 4])
        selection = select_bands(made).without_useless(made, survey_scene(made))
        assert selection.to_dict() == {"kept": [3, 5], "dropped": {"with one value": [1], "with no number": [4]}}
        assert select_bands(made, survey_scene(made)) == selection

    @pytest.mark.parametrize("text", ["6", "4-6", "900-950"])
    def test_of_a_band_that_is_not_there_is_refused(self, text: str):
        with pytest.raises(UsageError, match="has the bands 1 to 5"):
            select_bands(scene(), drop_bands=parse_bands(text))

    @pytest.mark.parametrize(
        ("wavelengths", "message"), [(None, "has no wavelengths"), (WAVELENGTHS, "it has 400 to 800 nm")]
    )
    def test_of_a_wavelength_that_is_not_there_is_refused(self, wavelengths, message):
        with pytest.raises(UsageError, match=message):
            select_bands(scene(wavelengths=wavelengths), drop_wavelengths=((0.4, 0.5),))

    def test_without_bands_is_explained(self):
        with pytest.raises(SceneError, match="no band is left of 5: 5 marked bad in the file; --keep-bad-bands"):
            select_bands(scene(good=(False,) * 5))
        with pytest.raises(SceneError, match="no band is left of 5: 5 named with --drop-bands"):
            select_bands(scene(), drop_bands=((1, 5),))
