"""Fill that the file does not declare: found by the survey, and left out of every block in the same way."""

from __future__ import annotations

import numpy as np
import pytest

from hsi.core.scene import Block, PixelSurvey, Scene, scene_from_array, survey_scene, take_sample, usable_pixels
from hsi.core.synthetic import make_scene
from hsi.fill import format_value, usual_fill
from hsi.io.formats._product import scale_scene

CORNER = np.s_[:6, :6]
CUBES = {name: make_scene(40, 50, 24, 3, seed=1, dtype=name)[0] for name in ("uint16", "float32")}
CUBES |= {"int16": CUBES["uint16"].astype("i2"), "float64": CUBES["float32"].astype("f8")}


def filled(dtype: str, value: float, where: tuple = CORNER) -> np.ndarray:
    cube = CUBES[dtype].copy()
    cube[where] = value
    return cube


def check(scene: Scene, nodata: float | None = None) -> PixelSurvey:
    """The survey, after checking that blocks of the scene without its fill have the same usable pixels."""
    found = survey_scene(scene)
    without = scene.exclude_fill(found.fill)
    useful = [band for band in range(len(scene.bands)) if band not in found.useless]
    for block in (Block(0, 0, 9, 50), Block(3, 2, 20, 11)):
        usable = usable_pixels(without.read(block)[:, :, useful], without.nodata)
        np.testing.assert_array_equal(usable, found.valid[block.slices])
    return found


FILLS = [
    *(("int16", value) for value in (-9999, -32768, 32767, -999, -1, 17)),
    *(("uint16", value) for value in (65535, 1, 3000)),
    *(
        ("float32", v)
        for v in (-9999, -32768, 65535, 1e20, 1e36, 9.969209968386869e36, -3.4e38, -3.4028235e38, -0.9999)
    ),
    *(("float64", value) for value in (-9999, 1e20, -1.7976931348623157e308)),
]


class TestSurvey:
    @pytest.mark.parametrize(("dtype", "value"), FILLS)
    def test_finds_fill_in_all_bands(self, dtype: str, value: float):
        found = check(scene_from_array(filled(dtype, value)))
        assert (found.filled, found.invalid, found.useless) == (36, 36, ())
        assert found.found == (float(np.array(value, dtype)),)
        assert found.maximum < 8000

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_finds_fill_that_a_conversion_has_changed_in_the_last_digits(self, dtype: str):
        cube = filled(dtype, -9999)
        cube[CORNER] += np.random.default_rng(0).uniform(-1e-3, 1e-3, cube[CORNER].shape).astype(dtype)
        found = check(scene_from_array(cube))
        assert (found.filled, found.invalid, found.found) == (36, 36, (-9999,))
        assert found.minimum > 0

    @pytest.mark.parametrize("dtype", CUBES)
    def test_finds_none_in_a_scene_without_fill(self, dtype: str):
        found = check(scene_from_array(CUBES[dtype]))
        assert (found.filled, found.found, found.invalid) == (0, (), 0)

    @pytest.mark.parametrize("dtype", ["int16", "float32"])
    def test_finds_it_in_some_bands_and_drops_a_band_of_it(self, dtype: str):
        cube = filled(dtype, -9999, np.s_[:6, :6, 3:9])
        cube[:, :, 20] = -9999
        found = check(scene_from_array(cube))
        assert (found.filled, found.invalid, found.dead) == (36, 36, (20,))

    def test_finds_several_values(self):
        cube = filled("float32", -9999)
        cube[-2:] = 1e20
        assert check(scene_from_array(cube)).filled == 136

    @pytest.mark.parametrize(("value", "nodata"), [(17, None), (17, 0), (17, 65535), (65535, 0)])
    def test_finds_it_next_to_a_declared_value(self, value: int, nodata: float | None):
        found = check(scene_from_array(filled("uint16", value), nodata=nodata))
        assert (found.filled, found.nodata) == (36, 0)

    def test_a_declared_value_is_no_fill(self):
        found = check(scene_from_array(filled("int16", -9999)).declare_nodata(-9999))
        assert (found.filled, found.nodata) == (0, 36)

    @pytest.mark.parametrize("value", [-9999, 17])
    @pytest.mark.parametrize("gains", [[1e-4], np.linspace(1e-4, 2e-4, 24)])
    def test_finds_it_behind_a_scale_factor(self, value: int, gains: list[float]):
        scene = scale_scene(scene_from_array(filled("int16", value)), gains, np.linspace(0, 0.1, 24))
        assert check(scene).found == (value,)
        assert check(scene.declare_nodata(value)).filled == 0
        assert check(scene.declare_nodata(value)).invalid == 36

    def test_saturation_in_all_bands_is_unusable_and_in_some_is_not(self):
        cube = np.minimum(CUBES["uint16"] * 20.0, 65535).astype("u2")
        cube[CORNER] = 65535
        some = (cube == 65535).any(axis=2) & ~(cube == 65535).all(axis=2)
        found = check(scene_from_array(cube))
        assert (some.sum() > 50, found.filled) == (True, 36)

    @pytest.mark.parametrize("bands", [2, 3, 24])
    def test_classes_without_noise_are_no_fill(self, bands: int):
        classes = np.kron([[1, 2], [3, 4]], np.ones((20, 25)))[:, :, None]
        ramp = np.linspace(0, 1, bands) * (classes == 2)
        for cube in (1000 + 4000 * classes * ramp, 1000 * classes + 0 * ramp, 1000 * classes + 2000 * ramp):
            assert check(scene_from_array(cube.astype("f4"))).filled == 0

    def test_white_in_three_bands_is_no_fill(self):
        cube = np.random.default_rng(0).integers(1, 120, (50, 50, 3)).astype("u1")
        cube[CORNER] = 255
        assert check(scene_from_array(cube)).invalid == 0

    def test_low_numbers_that_are_equal_by_chance_are_no_fill(self):
        cube = np.random.default_rng(0).integers(1, 4, (60, 60, 4)).astype("u1")
        assert check(scene_from_array(cube)).invalid == 0

    def test_minus_9999_in_a_scene_of_such_numbers_is_no_fill(self):
        cube = (np.random.default_rng(0).normal(0, 9000, (60, 60, 10))).clip(-32768, 32767).astype("i2")
        assert check(scene_from_array(cube)).invalid == 0


def test_a_sample_is_the_scene_where_that_is_small_and_squares_from_all_over_it_where_not():
    cube = CUBES["uint16"]
    np.testing.assert_array_equal(take_sample(scene_from_array(cube)).read(), cube)
    sample = take_sample(scene_from_array(cube), budget=cube.nbytes // 8)
    assert sample.height * sample.width <= 40 * 50 // 8
    assert {tuple(cube[row, column]) for row in (0, -1) for column in (0, -1)} <= {
        *map(tuple, sample.read().reshape(-1, 24))
    }


def test_levels_are_percentiles_of_the_usable_pixels():
    found = survey_scene(scene_from_array(filled("float32", -9999)))
    pixels = CUBES["float32"][found.valid]
    np.testing.assert_allclose(found.levels, np.percentile(pixels, (2, 50, 98), axis=0), rtol=1e-5)


def test_a_value_is_written_so_that_it_is_read_back_in_its_precision():
    for value in usual_fill(np.dtype("f4")):
        assert np.float32(format_value(value)) == np.float32(value)
    assert format_value(-9999.0) == "-9999"
    assert format_value(float(np.float32(-0.9999))) == "-0.9999"
