"""Wyvern: what is taken from the STAC item next to the GeoTIFF."""

import numpy as np
import pytest

from hsi.io import READERS, open_scene
from tests.io.file_makers import edit
from tests.io.helpers import refuse_scene
from tests.io.product_makers import wyvern


def test_an_item_without_a_scale_leaves_numbers_as_stored(tmp_path):
    scene = open_scene(wyvern(tmp_path, scale=None).path)
    assert (scene.dtype, scene.nodata, scene.scale) == (np.uint16, 65535, None)
    assert scene.wavelengths[:2] == pytest.approx((445, 483.5))
    assert scene.format == "Wyvern Dragonette L2A (GeoTIFF)"


def test_without_its_item_it_is_any_geotiff(tmp_path):
    path = wyvern(tmp_path).path
    path.with_suffix(".json").unlink()
    assert not READERS["wyvern"].recognises(path)
    assert open_scene(path).dtype == np.uint16


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Cloud optimized GeoTiff", "Overview", "lacks the asset 'Cloud optimized GeoTiff'"),
        ('"eo:bands": [{', '"eo:bands": [{"name": "extra"}, {', "'eo:bands' describes 13 bands, but the image has 12"),
        ('"eo:bands": [{', '"eo:bands": [1, {', "'eo:bands' is no list of bands"),
        ('"scale": 0.0001', '"scale": "x"', "'scale' of its bands are not all numbers"),
        ("{", "", "cannot be read as the STAC item"),
    ],
)
def test_an_item_that_does_not_fit_is_refused(old, new, words, tmp_path):
    path = wyvern(tmp_path).path
    edit(path.with_suffix(".json"), old, new)
    refuse_scene(path, words)
