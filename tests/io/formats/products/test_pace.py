"""PACE OCI: packed numbers, the better wavelengths, and other instruments."""

import h5py
import numpy as np
import pytest

from hsi.io import READERS, open_scene
from tests.io.product_makers import pace


def test_packed_numbers_and_measured_wavelengths(tmp_path):
    product = pace(tmp_path, packed=True)
    scene = open_scene(product.path)
    np.testing.assert_allclose(scene.read(), product.expected, rtol=1e-6)
    assert scene.wavelengths[0] == pytest.approx(350.4)
    assert scene.format == "PACE OCI L2 remote-sensing reflectance (swath)"
    assert (scene.georeference, scene.unplaced[:10]) == (None, "a latitude")


def test_another_instrument_is_not_recognised(tmp_path):
    path = pace(tmp_path).path
    with h5py.File(path, "a") as file:
        file.attrs["instrument"] = "HICO"
    assert not READERS["pace"].recognises(path)
