"""Tanager: swaths and grids, radiance and reflectance."""

import h5py
import numpy as np

from hsi.io import open_scene
from tests.io.helpers import refuse_scene
from tests.io.product_makers import tanager


def test_a_basic_product_is_a_swath_without_a_place(tmp_path):
    product = tanager(tmp_path, ortho=False, cube="toa_radiance")
    scene = open_scene(product.path)
    np.testing.assert_array_equal(scene.read(), product.expected)
    assert (scene.georeference, scene.good) == (None, None)
    assert scene.format == "Tanager radiance (basic, HDF-EOS5)"


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = tanager(tmp_path).path
    with h5py.File(path, "a") as file:
        del file["HDFEOS/GRIDS/HYP/Data Fields/nodata_pixels"]
        file["HDFEOS/GRIDS/HYP/Data Fields/nodata_pixels"] = np.zeros((3, 3))
    refuse_scene(path, "'nodata_pixels' has another size")
