"""Spectra that a page can hold, against the cubes that they are of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hsi.core.scene import scene_from_array
from hsi.report.figures import class_spectra
from hsi.report.html import sample_spectra, sampled_class_spectra, spectra_step
from tests.report.html.test_page import decoded


def a_cube(dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 4000, (23, 31, 5)).astype(dtype)


def sampled(cube, step=1, usable=None):
    """Spectra of a cube, and their values."""
    usable = np.ones(cube.shape[:2], bool) if usable is None else usable
    spectra = sample_spectra(scene_from_array(cube), usable, step)
    return spectra, spectra.offset + spectra.scale * spectra.values


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_values_come_back(dtype):
    cube = a_cube(dtype) - (dtype(50) if dtype != np.uint16 else dtype(0))
    spectra, values = sampled(cube, step=2)
    assert spectra.exact == (dtype != np.float32)
    assert_allclose(values, cube[::2, ::2], atol=0 if spectra.exact else 4000 / 65535)


def test_pixels_that_cannot_be_used_have_no_influence():
    cube = a_cube(np.float32)
    cube[4, 4], cube[6, 6] = 1e30, np.nan
    usable = np.isfinite(cube).all(axis=2) & (cube < 1e9).all(axis=2)
    assert_allclose(sampled(cube, usable=usable)[1][usable], cube[usable], atol=0.1)


def test_large_integers_are_rounded_and_not_called_exact():
    cube = a_cube(np.int32) * np.int32(1000)
    spectra, values = sampled(cube)
    assert not spectra.exact
    assert_allclose(values, cube, atol=4e6 / 65535)


def test_the_step_stays_within_three_megabytes():
    assert spectra_step(145, 145, 200) == 2
    assert spectra_step(40, 40, 24) == 1
    step = spectra_step(9000, 9000, 300, least=6)
    assert step % 6 == 0
    assert (-(-9000 // step)) ** 2 * 600 <= 3_000_000 < (-(-9000 // (step - 6))) ** 2 * 600


def test_classes_of_the_sampled_ones_are_those_of_all_pixels():
    cube = a_cube()
    codes = np.random.default_rng(1).integers(-1, 2, (23, 31))
    codes[0, 0] = 2  # one pixel
    spectra, _ = sampled(cube)
    ours, exact = sampled_class_spectra(spectra, codes, 4), class_spectra(scene_from_array(cube), codes, 4)
    assert_array_equal(ours.pixels, exact.pixels)
    assert_allclose(ours.mean, exact.mean)
    assert_allclose(ours.deviation, exact.deviation)
    page = spectra.with_classes(ours, "some pixels").to_page()["classes"]
    assert (page["of"], page["pixels"]) == ("some pixels", ours.pixels.tolist())
    assert_array_equal(decoded(page["deviation"]).reshape(4, 5)[2], 0)
