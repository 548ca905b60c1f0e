"""PRISMA: two spectrometers joined by wavelength."""

import h5py
import numpy as np
import pytest

from hsi.io import open_scene
from tests.io.helpers import refuse_scene
from tests.io.product_makers import PRISMA_SWIR, PRISMA_VNIR, prisma


@pytest.fixture
def path(tmp_path):
    return prisma(tmp_path).path


def test_bands_not_acquired_are_left_out_and_each_spectrometer_has_its_scale(path):
    scene = open_scene(path)
    assert scene.wavelengths == pytest.approx(sorted(nm for nm in PRISMA_VNIR + PRISMA_SWIR if nm), rel=1e-6)
    assert {round(value * 65535, 4) for value in scene.scale} == {1.3, 0.8}


def test_a_zero_in_one_band_is_a_value(path):
    cube = open_scene(path).read()
    assert np.isfinite(cube[1, 1]).all() and np.isnan(cube[0, 0]).all()


@pytest.mark.parametrize("key", ["List_Cw_Swir", "List_Fwhm_Vnir", "L2ScaleVnirMax"])
def test_a_missing_attribute_is_named(key, path):
    with h5py.File(path, "a") as file:
        del file.attrs[key]
    refuse_scene(path, f"lacks '{key}'")


def test_cubes_of_different_size_are_refused(path):
    name = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube"
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = np.ones((5, 6, 9), np.uint16)
    refuse_scene(path, "(13, 9) and (5, 9) pixels")
