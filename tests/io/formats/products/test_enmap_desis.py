"""EnMAP and DESIS: an image and an XML file that belong together."""

from xml.etree import ElementTree

import numpy as np
import pytest

from hsi.core.scene import survey_scene
from hsi.io import open_scene
from tests.io.file_makers import edit, small_cube, tiff
from tests.io.helpers import refuse_scene
from tests.io.product_makers import desis, enmap

GAIN, FWHM = "<GainOfBand>0.0001<", "<FWHMOfBand>6.5</FWHMOfBand>"


@pytest.fixture(params=[enmap, desis])
def both(request, tmp_path):
    """A product and its metadata."""
    return request.param(tmp_path).path, metadata_in(tmp_path)


@pytest.fixture
def product(tmp_path):
    """An EnMAP product and its metadata."""
    return enmap(tmp_path).path, metadata_in(tmp_path)


def metadata_in(folder):
    return next(entry for entry in folder.iterdir() if entry.suffix.lower() == ".xml")


def test_the_metadata_the_image_and_the_folder_open_the_same_scene(both):
    image, metadata = both
    assert repr(open_scene(metadata)) == repr(open_scene(image)) == repr(open_scene(image.parent))


def test_bands_that_hold_no_data_are_dead(tmp_path):
    stored = np.random.default_rng(0).integers(1, 9000, (6, 5, 8))
    stored[:, :, 3:5] = -32768
    survey = survey_scene(open_scene(enmap(tmp_path, stored).path))
    assert (survey.dead, survey.nodata) == ((3, 4), 1)


def test_a_missing_image_is_named(both):
    image, metadata = both
    image.unlink()
    refuse_scene(metadata, "SPECTRAL_IMAGE.TIF, which is missing")


def test_without_metadata_the_image_is_a_plain_geotiff(product):
    image, metadata = product
    metadata.unlink()
    scene = open_scene(image)
    assert (scene.format, scene.wavelengths, scene.dtype) == ("GeoTIFF", None, np.int16)


def test_metadata_for_another_number_of_bands_is_refused(product):
    tiff(product[0], small_cube("i2"))
    refuse_scene(product[0], "describes 12 bands, but the image has 5")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (GAIN, "<GainOfBand>much<", "<GainOfBand> is 'much', expected a number"),
        (GAIN, "<GainOfBand>0<", "scale factors or offsets are zero"),
        (GAIN, "<GainOfBand>nan<", "expected a number"),
        ("</level_X>", "", "EnMAP L2A"),
        ("<level_X>", '<!DOCTYPE level_X [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><level_X>', "declares a DOCTYPE"),
    ],
)
def test_damaged_metadata_are_refused(old, new, words, product):
    edit(product[1], old, new)
    refuse_scene(product[0], words)


def test_a_missing_value_is_named(product):
    image, metadata = product
    before, _, after = metadata.read_text().rpartition(FWHM)  # by the first band the product is recognised
    metadata.write_text(before + after)
    refuse_scene(image, "<FWHMOfBand> is ''")


def test_other_bands_in_the_document_are_not_counted(tmp_path):
    desis(tmp_path)
    assert len(ElementTree.parse(metadata_in(tmp_path)).getroot().findall(".//band")) == 13
    assert open_scene(metadata_in(tmp_path)).shape[2] == 12
