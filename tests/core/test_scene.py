from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hsi.core.scene import Block, scene_from_array, survey_scene
from hsi.errors import SceneError
from tests.io.file_makers import small_cube

NAN, VOID = np.nan, -9999.0


def survey(cube: np.ndarray, **facts):
    return survey_scene(scene_from_array(cube, **facts))


def ones(height: int = 3, width: int = 4, bands: int = 3, dtype: str = "f4") -> np.ndarray:
    """A cube in which no band is constant."""
    return (np.arange(height * width * bands).reshape(height, width, bands) + 1).astype(dtype)


class TestScene:
    def test_reads_the_kept_bands_of_a_block(self):
        cube = small_cube()
        scene = scene_from_array(cube).keep_bands([0, 2, 4]).keep_bands([1, 2])
        assert scene.bands == (2, 4)
        assert scene.shape == (11, 7, 2)
        np.testing.assert_array_equal(scene.read(Block(3, 1, 4, 5)), cube[3:7, 1:6, [2, 4]])

    def test_keeps_the_wavelengths_of_the_bands_it_keeps(self):
        scene = scene_from_array(small_cube(), wavelengths=(400.0, 500.0, 600.0, 700.0, 800.0), fwhm=(9, 8, 7, 6, 5))
        kept = scene.keep_bands([1, 4])
        assert kept.wavelengths == (500.0, 800.0)
        assert kept.fwhm == (8, 5)

    def test_refuses_to_keep_no_band(self):
        with pytest.raises(SceneError, match="no usable band is left of 5"):
            scene_from_array(small_cube()).keep_bands([])

    @pytest.mark.parametrize("block", [Block(-1, 0, 2, 2), Block(0, 0, 0, 1), Block(10, 0, 2, 1), Block(0, 5, 1, 3)])
    def test_refuses_a_block_that_leaves_the_scene(self, block: Block):
        with pytest.raises(SceneError, match="outside the scene of 11 x 7 pixels"):
            scene_from_array(small_cube()).read(block)

    @given(st.integers(1, 5000))
    def test_blocks_cover_each_row_once_whatever_the_budget(self, budget: int):
        scene = scene_from_array(small_cube())
        rows = [row for block in scene.blocks(budget) for row in range(block.row, block.row + block.height)]
        assert rows == list(range(11))

    def test_hands_out_native_byte_order(self):
        scene = scene_from_array(small_cube(">u2"))
        assert scene.dtype.isnative
        assert scene.read().dtype.isnative
        np.testing.assert_array_equal(scene.read(), small_cube())

    @pytest.mark.parametrize(
        ("cube", "found"),
        [
            (np.zeros((3, 4)), r"found shape \(3, 4\)"),
            (np.zeros((3, 0, 4)), "found shape"),
            (np.zeros((2, 2, 2), bool), "found dtype bool"),
            (np.zeros((2, 2, 2), complex), "found dtype complex128"),
        ],
    )
    def test_refuses_what_is_not_a_cube_of_real_numbers(self, cube: np.ndarray, found: str):
        with pytest.raises(SceneError, match=found):
            scene_from_array(cube, "thing")


class TestSurvey:
    @pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"])
    def test_of_a_clean_cube_of_any_dtype_finds_only_its_range(self, dtype: str):
        found = survey(ones(dtype=dtype))
        assert found.valid.all()
        assert (found.minimum, found.maximum) == (1, 36)
        assert found.useless == ()
        assert found.invalid == 0

    def test_a_nan_or_an_infinity_spoils_its_pixel(self):
        cube = ones()
        cube[0, 0, 1], cube[1, 2, 0], cube[2, 2, 2] = NAN, np.inf, -np.inf
        found = survey(cube)
        assert found.not_finite == found.invalid == 3
        assert not found.valid[[0, 1, 2], [0, 2, 2]].any()
        assert (found.minimum, found.maximum) == (1, 36)

    def test_a_pixel_is_zero_only_when_all_its_bands_are(self):
        cube = ones(dtype="u2")
        cube[0, 1] = 0
        cube[0, 2, 1] = 0
        found = survey(cube)
        assert found.zero == found.invalid == 1
        assert found.valid[0, 2]
        assert found.minimum == 0

    def test_a_pixel_with_the_nodata_value_in_a_live_band_is_left_out(self):
        cube = ones()
        cube[1, 1], cube[2, 2, 0] = VOID, VOID
        found = survey(cube, nodata=VOID)
        assert (found.nodata, found.not_finite, found.zero) == (2, 0, 0)
        assert found.minimum == 1

    def test_a_nodata_value_of_zero_needs_every_band(self):
        cube = ones()
        cube[0, 0, 0], cube[1, 1] = 0, 0
        assert survey(cube, nodata=0).invalid == 1

    def test_a_nodata_value_that_the_dtype_cannot_hold_marks_nothing(self):
        assert survey(ones(dtype="u1"), nodata=VOID).invalid == 0

    def test_the_nodata_value_of_a_float32_raster_is_found_in_its_own_precision(self):
        cube = ones()
        cube[0, 0] = np.finfo(np.float32).min
        assert survey(cube, nodata=float(np.finfo(np.float32).min)).nodata == 1

    @pytest.mark.parametrize("fill", [NAN, VOID])
    def test_a_dead_band_does_not_make_every_pixel_invalid(self, fill: float):
        cube = ones()
        cube[:, :, 1] = fill
        found = survey(cube, nodata=VOID)
        assert found.dead == (1,)
        assert found.constant == ()
        assert found.valid.all()

    @pytest.mark.parametrize("fill", [NAN, VOID])
    def test_a_band_that_is_bad_wherever_the_scene_is_not_zero_is_dead(self, fill: float):
        cube = ones()
        cube[:, :, 1] = fill
        cube[0] = 0  # a border of zeros, in the dead band too
        found = survey(cube, nodata=VOID)
        assert found.dead == (1,)
        assert (found.zero, found.invalid) == (4, 4)

    def test_zeros_beside_a_dead_band_are_a_zero_pixel(self):
        cube = ones()
        cube[:, :, 1] = NAN
        cube[0, :, [0, 2]] = 0
        found = survey(cube)
        assert found.dead == (1,)
        assert (found.zero, found.not_finite) == (4, 0)

    def test_a_border_of_nodata_hides_no_dead_band(self):
        cube = ones()
        cube[:, :, 2] = NAN
        cube[:, 0] = VOID
        found = survey(cube, nodata=VOID)
        assert found.dead == (2,)
        assert (found.nodata, found.not_finite) == (3, 0)

    def test_a_nodata_pixel_is_not_called_nan_because_of_a_dead_band(self):
        cube = ones()
        cube[:, :, 2] = NAN
        cube[1, 1, 0] = VOID
        found = survey(cube, nodata=VOID)
        assert (found.nodata, found.not_finite) == (1, 0)

    def test_a_band_of_one_value_is_constant_whatever_bad_pixels_hold(self):
        cube = ones()
        cube[:, :, 0] = 7
        cube[0, 0], cube[1, 1], cube[2, 2, 0] = NAN, 0, VOID
        found = survey(cube, nodata=VOID)
        assert found.constant == found.useless == (0,)

    @pytest.mark.parametrize(("fill", "kind"), [(NAN, "not_finite"), (VOID, "nodata"), (0, "zero")])
    def test_of_a_scene_without_a_usable_pixel_counts_them_all(self, fill: float, kind: str):
        found = survey(np.full((3, 4, 2), fill, "f4"), nodata=VOID)
        assert getattr(found, kind) == found.invalid == 12
        assert found.dead == (0, 1)
        assert np.isnan(found.minimum)

    def test_counts_positions_among_the_kept_bands(self):
        cube = ones(bands=4)
        cube[:, :, 2] = 5
        assert survey_scene(scene_from_array(cube).keep_bands([1, 2, 3])).constant == (1,)

    def test_reports_progress_up_to_the_last_row(self):
        calls: list[tuple[int, int]] = []
        survey_scene(scene_from_array(ones()), lambda done, total: calls.append((done, total)))
        assert calls[-1] == (3, 3)

    @given(
        arrays(
            np.float32,
            array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=4),
            elements=st.sampled_from([0.0, 1.0, 2.0, VOID, NAN]),
        )
    )
    def test_agrees_with_looking_at_one_pixel_at_a_time(self, cube: np.ndarray):
        """The counts partition the invalid pixels, and every usable pixel has numbers in all live bands."""
        found = survey(cube, nodata=VOID)
        assert found.not_finite + found.nodata + found.zero == found.invalid
        bad = ~np.isfinite(cube) | (cube == VOID)
        filled = ~(bad | (cube == 0)).all(axis=2)
        dead = bad[filled].all(axis=0)
        np.testing.assert_array_equal(np.flatnonzero(dead), found.dead)
        np.testing.assert_array_equal(found.valid, filled & ~bad[:, :, ~dead].any(axis=2))
        for band in found.constant:
            assert np.unique(cube[:, :, band][filled & ~bad[:, :, band]]).size == 1
        # dropping the useless bands spoils nothing that was valid before
        if found.valid.any() and len(found.useless) < cube.shape[2]:
            kept = [band for band in range(cube.shape[2]) if band not in found.useless]
            assert np.isfinite(cube[found.valid][:, kept]).all()
