"""The layers of the map on a page, and the place of its pixels."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio.warp
from numpy.testing import assert_array_equal

from hsi.core.labels import default_table
from hsi.core.scene import Georeference
from hsi.core.synthetic import synthetic_georeference
from hsi.report.html.map_view import confidence_levels, degrees_of
from tests.report.html.test_page import a_view, decoded

PLACE = synthetic_georeference()


@pytest.mark.parametrize(("size", "decimals"), [(20, 6), (3000, 5)])
def test_interpolated_degrees_are_right_to_their_decimals(size, decimals):
    degrees = degrees_of(PLACE, size, size)
    assert degrees["decimals"] >= decimals
    row, column = size * 0.377, size * 0.712
    a, _, c, _, e, f = PLACE.transform
    expected = rasterio.warp.transform(PLACE.crs, "OGC:CRS84", [a * column + c], [e * row + f])
    y, x = row / size * (degrees["rows"] - 1), column / size * (degrees["columns"] - 1)
    i, j = int(y), int(x)
    weights = np.outer([1 - (y - i), y - i], [1 - (x - j), x - j])
    for values, (truth,) in zip((degrees["longitude"], degrees["latitude"]), expected, strict=True):
        nodes = np.reshape(values, (degrees["rows"], degrees["columns"]))
        assert abs((nodes[i : i + 2, j : j + 2] * weights).sum() - truth) < 10.0 ** -degrees["decimals"]


@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["mine",UNIT["metre",1]]'])
def test_no_degrees_without_a_known_place(crs):
    assert degrees_of(Georeference(crs, PLACE.transform), 5, 5) is None


def test_layers_are_codes_of_the_class_table():
    view = a_view(confidence=np.array([[1, 0.5, np.nan], [0, 1, 1]]), truth=np.array([[9, 0, 0], [7, 3, 3]]))
    layers = {name: decoded(layer).tolist() for name, layer in view.to_page()["layers"].items()}
    assert layers == {
        "map": [1, 2, 0, 2, 2, 1], "truth": [2, 0, 0, 0, 1, 1], "confidence": [255, 128, 0, 1, 255, 255]
    }  # fmt: skip


def test_more_classes_than_a_byte_holds():
    view = replace(a_view(), table=default_table(range(1, 400)), ids=np.array([[399, 1, 0]]))
    assert_array_equal(decoded(view.to_page()["layers"]["map"]), [399, 1, 0])


def test_confidence_is_right_to_half_a_step():
    values = np.random.default_rng(0).random(500)
    assert np.abs((confidence_levels(values) - 1.0) / 254 - values).max() <= 0.5 / 254 + 1e-9
