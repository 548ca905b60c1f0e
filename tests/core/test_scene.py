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
BAND_1 = np.s_[:, :, 1]


def survey(cube: np.ndarray, **facts):
    return survey_scene(scene_from_array(cube, **facts))


def ones(height: int = 3, width: int = 4, bands: int = 3, dtype: str = "f4") -> np.ndarray:
    """A cube in which no band is constant."""
    return (np.arange(height * width * bands).reshape(height, width, bands) + 1).astype(dtype)


class TestScene:
    def test_reads_the_selected_bands_of_a_block(self):
        cube = small_cube()
        scene = scene_from_array(cube).keep_bands([0, 2, 4]).keep_bands([1, 2])
        assert scene.bands == (2, 4)
        assert scene.shape == (11, 7, 2)
        np.testing.assert_array_equal(scene.read(Block(3, 1, 4, 5)), cube[3:7, 1:6, [2, 4]])

    def test_selects_the_wavelengths_of_the_bands(self):
        scene = scene_from_array(small_cube(), wavelengths=(400.0, 500.0, 600.0, 700.0, 800.0), fwhm=(9, 8, 7, 6, 5))
        fewer = scene.keep_bands([1, 4])
        assert (fewer.wavelengths, fewer.fwhm) == ((500.0, 800.0), (8, 5))

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

    def test_reads_in_native_byte_order(self):
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

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param(
                [((0, 0, 1), NAN), ((1, 2, 0), np.inf), ((2, 2, 2), -np.inf)],
                {"not_finite": 3, "invalid": 3, "minimum": 1, "maximum": 36},
                id="NaN and infinities",
            ),
            pytest.param(
                [((0, 1), 0), ((0, 2, 1), 0)],
                {"zero": 1, "invalid": 1, "minimum": 0},
                id="a pixel is zero only when all its bands are",
            ),
            pytest.param(
                [((1, 1), VOID), ((2, 2, 0), VOID)],
                {"nodata": 2, "not_finite": 0, "zero": 0, "minimum": 1},
                id="nodata in a single band",
            ),
            pytest.param([(BAND_1, NAN)], {"dead": (1,), "constant": (), "invalid": 0}, id="a dead band of NaN"),
            pytest.param([(BAND_1, VOID)], {"dead": (1,), "constant": (), "invalid": 0}, id="a dead band of nodata"),
            pytest.param(
                [(BAND_1, NAN), (0, 0)], {"dead": (1,), "zero": 4, "invalid": 4}, id="a dead band in a border of zeros"
            ),
            pytest.param(
                [(BAND_1, VOID), (0, 0)], {"dead": (1,), "zero": 4, "invalid": 4}, id="one of nodata in that border"
            ),
            pytest.param(
                [(BAND_1, NAN), (np.s_[0, :, [0, 2]], 0)],
                {"dead": (1,), "zero": 4, "not_finite": 0},
                id="zeros in all bands but a dead one",
            ),
            pytest.param(
                [(BAND_1, NAN), (np.s_[:, 0], VOID)],
                {"dead": (1,), "nodata": 3, "not_finite": 0},
                id="a border of nodata hides no dead band",
            ),
            pytest.param(
                [(BAND_1, NAN), ((1, 1, 0), VOID)],
                {"nodata": 1, "not_finite": 0},
                id="a dead band makes no nodata pixel NaN",
            ),
            pytest.param(
                [(np.s_[:, :, 0], 7), ((0, 0), NAN), ((1, 1), 0), ((2, 2, 0), VOID)],
                {"constant": (0,), "useless": (0,)},
                id="a constant band with bad pixels",
            ),
        ],
    )
    def test_counts_invalid_pixels_and_useless_bands(self, changes: list, expected: dict):
        cube = ones()
        for place, value in changes:
            cube[place] = value
        found = survey(cube, nodata=VOID)
        assert {name: getattr(found, name) for name in expected} == expected
        assert np.count_nonzero(~found.valid) == found.invalid

    def test_a_nodata_value_of_zero_needs_every_band(self):
        cube = ones()
        cube[0, 0, 0], cube[1, 1] = 0, 0
        assert survey(cube, nodata=0).invalid == 1

    def test_a_nodata_value_is_compared_in_the_precision_of_the_cube(self):
        assert survey(ones(dtype="u1"), nodata=VOID).invalid == 0
        cube = ones()
        cube[0, 0] = np.finfo(np.float32).min
        assert survey(cube, nodata=float(np.finfo(np.float32).min)).nodata == 1

    @pytest.mark.parametrize(("fill", "kind"), [(NAN, "not_finite"), (VOID, "nodata"), (0, "zero")])
    def test_of_a_scene_without_a_usable_pixel_counts_them_all(self, fill: float, kind: str):
        found = survey(np.full((3, 4, 2), fill, "f4"), nodata=VOID)
        assert getattr(found, kind) == found.invalid == 12
        assert found.dead == (0, 1)
        assert np.isnan(found.minimum)

    def test_counts_positions_among_the_selected_bands(self):
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
    def test_agrees_with_a_loop_over_pixels(self, cube: np.ndarray):
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
            useful = [band for band in range(cube.shape[2]) if band not in found.useless]
            assert np.isfinite(cube[found.valid][:, useful]).all()


def test_masked_pixels_count_as_nothing_else():
    cube = small_cube("f4") + 1
    cube[0], cube[1, 1, 0], cube[2, 2] = np.nan, -9, 0
    cube[:, :, 4], cube[0, 0, 4] = 3, 8
    mask = np.ones((11, 7), bool)
    mask[0] = False
    masked = survey_scene(scene_from_array(cube, nodata=-9), mask=mask)
    assert (masked.masked, masked.not_finite, masked.nodata, masked.zero) == (7, 0, 1, 0)
    assert (masked.constant, masked.invalid) == ((4,), 8)
    np.testing.assert_array_equal(masked.valid, mask & (cube != -9).all(axis=2))


@given(st.integers(0, 2**20))
def test_a_masked_survey_is_that_of_a_smaller_scene(seed):
    random = np.random.default_rng(seed)
    cube = random.choice([0.0, 1.0, 2.0, -9.0, np.nan], (4, 3, 3)).astype("f4")
    rows = int(random.integers(1, 4))
    masked = survey_scene(scene_from_array(cube, nodata=-9), mask=np.arange(4)[:, None].repeat(3, axis=1) < rows)
    part = survey_scene(scene_from_array(cube[:rows], nodata=-9))
    np.testing.assert_array_equal(masked.valid[:rows], part.valid)
    assert not masked.valid[rows:].any()
    one, other = ((s.not_finite, s.nodata, s.zero, s.dead, s.constant) for s in (masked, part))
    assert one == other
    assert masked.masked == 3 * (4 - rows)
