"""Rasters of one band each, as one scene."""

import numpy as np
import pytest
import rasterio

from hsi import open_scene
from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, survey_scene
from hsi.errors import SceneError, UsageError
from hsi.preprocessing.stack import BandName, common_name
from tests.io.file_makers import NORTH_UP, UTM, envi, small_cube, tiff

CUBE = small_cube("i2", (11, 7, 12)) + 1
NAMES = [f"LC09_L2SP_195024_20220101_02_T1_SR_B{number}.TIF" for number in range(1, 13)]


def write(folder, names=NAMES, cube=CUBE, **options):
    return [tiff(folder / name, cube[:, :, i], **{**UTM, **options}) for i, name in enumerate(names)]


def read(*paths, **options):
    with report_to(recorder := Recorder()):
        scene = open_scene(list(paths), **options)
    return scene, recorder


@pytest.mark.parametrize(
    ("name", "number", "length"),
    [
        ("LC09_L2SP_195024_20220101_02_T1_SR_B7", (7, ""), None),
        ("T32TQM_20200101T101031_B8A_10m", (8, "A"), None),
        ("EO1H1950242005001110KZ_B012_L1GST", (12, ""), None),
        ("scene band-3", (3, ""), None),
        ("leaf_865.5nm", None, 865.5),
        ("cube_1650 nm_b2", (2, ""), 1650),
        *((name, None, None) for name in ("SR_QA_PIXEL", "dem", "sub2", "B", "20nmx", "carb12x")),
    ],
)
def test_what_a_name_says_of_the_band(name, number, length):
    assert BandName.of(name) == BandName(number, length)


def test_the_order_is_that_of_band_numbers_whatever_the_shell_makes_of_it(tmp_path):
    paths = sorted(write(tmp_path))  # B1, B10, B11, B12, B2, …
    for given in (paths, paths[::-1], [tmp_path]):
        scene, recorder = read(*given)
        np.testing.assert_array_equal(scene.read(), CUBE)
        block = Block(3, 2, 4, 5)
        np.testing.assert_array_equal(scene.keep_bands([1, 9]).read(block), CUBE[block.slices][..., [1, 9]])
        assert scene.tiles == tuple(tmp_path / name for name in NAMES)
        assert (scene.name, scene.georeference.transform) == (NAMES[0][:-7], tuple(NORTH_UP)[:6])
        assert ("stack", f"12 files by band number: {', '.join(NAMES)}") in recorder.messages


def test_wavelengths_in_files_or_names_come_first(tmp_path):
    by_name = write(tmp_path, ["a_865nm.tif", "b_450.5nm.tif"])
    scene, _ = read(*by_name)
    assert scene.wavelengths == (450.5, 865)
    np.testing.assert_array_equal(scene.read(), CUBE[:, :, [1, 0]])
    files = [
        envi(tmp_path / f"B{i}.hdr", CUBE[:, :, i : i + 1], wavelength=[nm], wavelength_units="nm", fwhm=[9])
        for i, nm in enumerate((900, 500))
    ]
    scene, _ = read(*files)
    assert (scene.wavelengths, scene.fwhm) == ((500, 900), (9, 9))
    np.testing.assert_array_equal(scene.read(), CUBE[:, :, [1, 0]])


def test_names_without_band_numbers_sort_by_value_and_others_come_last_with_a_warning(tmp_path):
    np.testing.assert_array_equal(read(*write(tmp_path, ["im9.tif", "im10.tif"])[::-1])[0].read(), CUBE[:, :, :2])
    scene, recorder = read(*write(tmp_path, ["QA_PIXEL.tif", "x_B1.tif", "x_B2.tif"]))
    np.testing.assert_array_equal(scene.read(), CUBE[:, :, [1, 2, 0]])
    assert recorder.warnings == [
        "QA_PIXEL.tif: no band number in the name: stacked as the last; leave out what is no band"
    ]


def test_a_folder_leaves_out_what_is_no_band(tmp_path):
    write(tmp_path, ["x_QA_PIXEL.TIF", "x_B1.TIF", "x_B2.TIF"])
    scene, recorder = read(tmp_path)
    np.testing.assert_array_equal(scene.read(), CUBE[:, :, 1:3])
    assert any(title == "left out" and text.startswith("x_QA_PIXEL.TIF of ") for title, text in recorder.messages)


def test_no_data_by_band_and_by_mask(tmp_path):
    cube = CUBE.copy()
    cube[1, 1, 0], cube[2, 2, 1] = -9, -5
    first, second = (
        tiff(tmp_path / f"B{i + 1}.tif", cube[:, :, i], **UTM, nodata=value) for i, value in enumerate((-9, -5))
    )
    scene, _ = read(first, second)
    assert scene.dtype == np.float32
    assert np.argwhere(~survey_scene(scene).valid).tolist() == [[1, 1], [2, 2]]
    scene, _ = read(second, first, nodata=-5)
    assert (scene.nodata, scene.dtype) == (-5, np.int16)
    assert np.argwhere(~survey_scene(scene).valid).tolist() == [[2, 2]]
    with rasterio.open(first, "r+") as file:
        file.nodata = None
        file.write_mask(np.arange(77).reshape(11, 7) != 30)
    scene, _ = read(first, tiff(second, cube[:, :, 1], **UTM))
    assert np.argwhere(~survey_scene(scene).valid).tolist() == [[4, 2]]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"crs": "EPSG:32634"}, "its CRS is EPSG:32634"),
        ({"transform": NORTH_UP @ rasterio.Affine.scale(2)}, "it lies on another grid: 11 x 7 pixels of 60 x 60 metre"),
        ({"transform": NORTH_UP @ rasterio.Affine.translation(1, 0)}, "it lies on another corner"),
        ({"cube": CUBE[:8]}, "it has 8 x 7 pixels, not 11 x 7 pixels"),
    ],
)
def test_other_grids_are_refused_in_one_line(changed, says, tmp_path):
    first = write(tmp_path, ["x_B1.tif"])[0]
    other = write(tmp_path, ["x_B2.tif"], **changed)[0]
    with pytest.raises(SceneError, match=says) as caught:
        read(first, other)
    assert str(caught.value).startswith("x_B2.tif: does not stack on x_B1.tif: ")
    assert "\n" not in str(caught.value)


def test_two_files_of_one_band_are_refused(tmp_path):
    with pytest.raises(SceneError, match=r"2021_B1\.tif and 2022_B1\.tif are both band 1: give the files of one scene"):
        read(*write(tmp_path, ["2021_B1.tif", "2022_B1.tif"]))


def test_place_and_wavelengths_from_elsewhere(tmp_path):
    paths = write(tmp_path, NAMES[:7], transform=None, crs=None)
    place = tiff(tmp_path / "place.tif", CUBE[:, :, 0], **UTM)
    scene, _ = read(*paths, georef=place, wavelengths="Landsat OLI")
    assert scene.georeference.transform == tuple(NORTH_UP)[:6]
    assert (scene.wavelengths[0], scene.wavelengths[-1], scene.fwhm[1]) == (443, 2200.5, 60)
    with pytest.raises(UsageError, match=r"has the wavelengths of 12 bands, and .* has 7: give those of this scene"):
        read(*paths, wavelengths="sentinel-2-msi")


def test_the_name_of_a_stack():
    assert common_name(["x_band_1", "x_band_2"]) == "x"
    assert common_name(["a", "b"]) == "a"
