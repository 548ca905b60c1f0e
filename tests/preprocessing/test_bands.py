from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi.core.scene import Scene, scene_from_array, survey_scene
from hsi.errors import HsiError, SceneError, UsageError
from hsi.io.masks import open_mask
from hsi.preprocessing.bands import BandSelection, parse_bands, parse_wavelengths, select_bands
from tests.io.file_makers import NORTH_UP, envi, mat, npy, small_cube, tiff

WAVELENGTHS = (400.0, 500.0, 600.0, 700.0, 800.0)


def scene(**facts) -> Scene:
    return scene_from_array(small_cube() + 1, **facts)


class TestRangesInWords:
    def test_of_bands(self):
        assert parse_bands("104-108, 150 - 163,220") == ((104, 108), (150, 163), (220, 220))

    def test_of_wavelengths(self):
        assert parse_wavelengths("1350-1450, 1800.5-1950") == ((1350, 1450), (1800.5, 1950))

    @pytest.mark.parametrize("text", ["", "a", "1,", "3-1", "0-4", "1.5", "-3", "1-2-3", "9" * 30, "²"])
    def test_of_bands_that_are_none_are_refused(self, text: str):
        with pytest.raises(UsageError, match="is no range of bands"):
            parse_bands(text)

    @pytest.mark.parametrize("text", ["", "1350", "1450-1350", "nan-1", "1-inf", "0-5", "-1-5", "a-b", "1-2-3"])
    def test_of_wavelengths_that_are_none_are_refused(self, text: str):
        with pytest.raises(UsageError, match="is no range of wavelengths"):
            parse_wavelengths(text)

    @given(st.text(max_size=12))
    def test_of_any_text_are_parsed_or_refused(self, text: str):
        for parse in (parse_bands, parse_wavelengths):
            try:
                assert parse(text)
            except UsageError as error:
                assert isinstance(error, HsiError)


class TestChoice:
    def test_without_a_reason_keeps_every_band(self):
        choice = select_bands(scene())
        assert choice == BandSelection((0, 1, 2, 3, 4), {})
        assert choice.apply(scene()).bands == (0, 1, 2, 3, 4)

    def test_names_each_band_under_its_first_reason(self):
        made = scene(wavelengths=WAVELENGTHS, good=(True, False, False, False, True))
        choice = select_bands(made, drop_bands=parse_bands("1-2"), drop_wavelengths=parse_wavelengths("350-600"))
        assert list(choice.dropped.values()) == [(0, 1), (2,), (3,)]

    def test_of_numbers_wavelengths_and_marks(self):
        made = scene(wavelengths=WAVELENGTHS, good=(True, True, True, False, True))
        choice = select_bands(made, drop_bands=((1, 1),), drop_wavelengths=((350, 500),))
        assert choice.to_dict() == {
            "kept": [3, 5],
            "dropped": {
                "named with --drop-bands": [1],
                "within --drop-wavelengths": [2],
                "marked bad in the file": [4],
            },
        }
        json.dumps(choice.to_dict())
        kept = choice.apply(made)
        assert (kept.bands, kept.wavelengths, kept.good) == ((2, 4), (600, 800), (True, True))

    def test_can_keep_bad_bands(self):
        assert select_bands(scene(good=(False,) * 5), keep_bad=True).used == (0, 1, 2, 3, 4)

    def test_counts_bands_of_the_file(self):
        made = scene(wavelengths=WAVELENGTHS).keep_bands([1, 2, 4])
        assert select_bands(made, drop_bands=((3, 3),)).used == (1, 4)

    def test_a_survey_drops_constant_and_dead_bands(self):
        cube = small_cube("f4") + 1
        cube[:, :, 0], cube[:, :, 3] = 7, np.nan
        made = scene_from_array(cube).keep_bands([0, 2, 3, 4])
        choice = select_bands(made).without_useless(made, survey_scene(made))
        assert choice.to_dict() == {"kept": [3, 5], "dropped": {"with one value": [1], "with no number": [4]}}
        assert select_bands(made, survey_scene(made)) == choice

    @pytest.mark.parametrize("text", ["6", "4-6", "900-950"])
    def test_of_a_band_that_is_not_there_is_refused(self, text: str):
        with pytest.raises(UsageError, match="has the bands 1 to 5"):
            select_bands(scene(), drop_bands=parse_bands(text))

    def test_of_wavelengths_needs_wavelengths(self):
        with pytest.raises(UsageError, match="has no wavelengths"):
            select_bands(scene(), drop_wavelengths=((1, 2),))

    def test_of_wavelengths_without_a_band_is_refused(self):
        with pytest.raises(UsageError, match="no band of scene is in there: it has 400 to 800 nm"):
            select_bands(scene(wavelengths=WAVELENGTHS), drop_wavelengths=((0.4, 0.5),))

    def test_that_leaves_nothing_says_why(self):
        with pytest.raises(SceneError, match="no band is left of 5: 5 marked bad in the file; --keep-bad-bands"):
            select_bands(scene(good=(False,) * 5))
        with pytest.raises(SceneError, match="no band is left of 5: 5 named with --drop-bands"):
            select_bands(scene(), drop_bands=((1, 5),))


class TestMask:
    def test_uses_what_is_neither_zero_nor_nan_nor_nodata(self, tmp_path: Path):
        values = np.ones((11, 7), "f4")
        values[0, 0], values[1, 1], values[2, 2] = 0, np.nan, -5
        use = open_mask(tiff(tmp_path / "mask.tif", values, nodata=-5), scene())
        assert use.dtype == bool
        np.testing.assert_array_equal(np.argwhere(~use), [[0, 0], [1, 1], [2, 2]])

    @pytest.mark.parametrize("make", [lambda p, v: npy(p / "m.npy", v), lambda p, v: mat(p / "m.mat", m=v)])
    def test_comes_in_any_format(self, make, tmp_path: Path):
        values = np.eye(11, 7, dtype=np.uint8)
        np.testing.assert_array_equal(open_mask(make(tmp_path, values), scene()), values > 0)

    def test_in_envi_format(self, tmp_path: Path):
        values = np.eye(11, 7, dtype=np.uint8)
        np.testing.assert_array_equal(open_mask(envi(tmp_path / "m.hdr", values[:, :, None]), scene()), values > 0)

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (np.ones((7, 11)), "the mask is 7 x 11, the scene scene is 11 x 7 pixels"),
            (np.zeros((11, 7)), "the mask leaves no pixel"),
            (np.ones((11, 7, 3)), "a mask is one plane"),
        ],
    )
    def test_that_does_not_fit_is_refused(self, values: np.ndarray, words: str, tmp_path: Path):
        with pytest.raises(SceneError, match=words):
            open_mask(npy(tmp_path / "mask.npy", values), scene())

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ({"crs": "EPSG:32634", "transform": NORTH_UP}, "the mask's is EPSG:32634"),
            ({"crs": "EPSG:32633", "transform": NORTH_UP @ NORTH_UP.translation(1, 0)}, "the mask's upper left"),
        ],
    )
    def test_that_lies_elsewhere_is_refused(self, place: dict, words: str, tmp_path: Path):
        from hsi.io import open_scene

        made = open_scene(tiff(tmp_path / "scene.tif", small_cube(), crs="EPSG:32633", transform=NORTH_UP))
        with pytest.raises(SceneError, match=words):
            open_mask(tiff(tmp_path / "mask.tif", np.ones((11, 7), "u1"), **place), made)

    def test_of_a_survey_hides_pixels_from_every_count(self):
        cube = small_cube("f4") + 1
        cube[0], cube[1, 1, 0], cube[2, 2] = np.nan, -9, 0
        cube[:, :, 4], cube[0, 0, 4] = 3, 8
        mask = np.ones((11, 7), bool)
        mask[0] = False
        found = survey_scene(scene_from_array(cube, nodata=-9), mask=mask)
        assert (found.masked, found.not_finite, found.nodata, found.zero) == (7, 0, 1, 0)
        assert found.constant == (4,)
        assert found.invalid == 8
        np.testing.assert_array_equal(found.valid, mask & (cube != -9).all(axis=2))

    @given(st.integers(0, 2**20))
    def test_of_a_survey_is_as_if_the_rest_were_not_there(self, seed: int):
        random = np.random.default_rng(seed)
        cube = random.choice([0.0, 1.0, 2.0, -9.0, np.nan], (4, 3, 3)).astype("f4")
        mask = np.zeros((4, 3), bool)
        mask[: random.integers(1, 4)] = True
        rows = int(mask[:, 0].sum())
        whole = survey_scene(scene_from_array(cube, nodata=-9), mask=mask)
        part = survey_scene(scene_from_array(cube[:rows], nodata=-9))
        np.testing.assert_array_equal(whole.valid[:rows], part.valid)
        assert not whole.valid[rows:].any()
        counts = [(found.not_finite, found.nodata, found.zero, found.dead, found.constant) for found in (whole, part)]
        assert counts[0] == counts[1]
        assert whole.masked == mask.size - mask.sum()
