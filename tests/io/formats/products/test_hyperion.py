"""Hyperion: the calibrated bands of a folder of GeoTIFFs, by wavelength."""

import numpy as np
import pytest

from hsi.core.scene import Block
from hsi.io import files_of, open_scene
from tests.io.file_makers import UTM, edit, small_cube, tiff
from tests.io.helpers import refuse_scene
from tests.io.product_makers import hyperion


def test_the_bands_that_are_read_and_their_files(tmp_path):
    scene = open_scene(hyperion(tmp_path).path)
    assert scene.wavelengths == (912.45, 925.41, 1144.48)
    assert scene.scale == (1 / 80, 1 / 40, 1 / 80)
    assert [path.name[23:27] for path in files_of(scene.source)][1:3] == ["B057", "B077"]
    assert scene.read(Block(2, 3, 4, 5)).shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SCALING_FACTOR_SWIR = 80.0", "SCALING_FACTOR_SWIR = 0", "SCALING_FACTOR_SWIR is '0', expected a number"),
        ("SCALING_FACTOR_VNIR = 40.0", "", "SCALING_FACTOR_VNIR is ''"),
        ("\nEND\n", "\n", "is cut off: its last line is not END"),
    ],
)
def test_a_text_file_without_what_it_needs_is_refused(old, new, words, tmp_path):
    refuse_scene(edit(hyperion(tmp_path).path, old, new), words)


def test_a_band_of_another_size_is_refused(tmp_path):
    path = hyperion(tmp_path).path
    tiff(path.with_name(path.name.replace("MTL_L1T.TXT", "B100_L1T.TIF")), small_cube(np.int16)[:, :, 0], **UTM)
    refuse_scene(path, "B100_L1T.TIF: has other pixels than")
