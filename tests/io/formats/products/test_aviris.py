"""AVIRIS-3 and -5: GDAL's transform, also of a rotated grid."""

import numpy as np
import pytest
import rasterio

from hsi.io import open_scene
from tests.io.file_makers import NORTH_UP
from tests.io.helpers import check_place
from tests.io.product_makers import aviris, aviris_ng


@pytest.mark.parametrize(("instrument", "name"), [("AV3", "AVIRIS-3"), ("AV5", "AVIRIS-5")])
def test_a_rotated_grid_and_the_name_of_the_instrument(instrument, name, tmp_path):
    product = aviris(tmp_path, instrument, rotated=True)
    scene = open_scene(product.path)
    np.testing.assert_array_equal(scene.read(), product.expected)
    assert (scene.nodata, scene.wavelengths[0], scene.fwhm[0]) == (-9999, 390, 7.5)
    check_place(scene, NORTH_UP @ rasterio.Affine.rotation(13), 32633)
    assert scene.format == f"{name} L2A (NetCDF-4)"


def test_aviris_ng_lies_by_the_centres_of_its_pixels(tmp_path):
    scene = open_scene(aviris_ng(tmp_path).path)
    check_place(scene, NORTH_UP, 32633)
    assert scene.format == "AVIRIS-NG L2A (NetCDF-4)"
