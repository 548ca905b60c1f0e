"""ENVI files in every layout; headers that cannot be right are refused with the field's name."""

import os

import numpy as np
import pytest

from hsi import open_labels
from hsi.core.scene import Block, scene_from_array, survey_scene
from hsi.errors import SceneError, SceneFileError
from hsi.io import open_scene
from tests.io.file_makers import MAP_INFO, NORTH_UP, edit, envi, small_cube, small_labels
from tests.io.helpers import check_place, refuse_labels, refuse_scene

CLASSES = {"file type": "ENVI Classification", "classes": 4, "class names": ["none", "corn", "oats", "woods"]}
CENTRES, MICROMETRES = [400, 500, 600, 700, 800], [0.4, 0.5, 0.6, 0.7, 0.8]


@pytest.fixture
def header(tmp_path):
    return envi(tmp_path / "cube.hdr", small_cube())


def scene_with(tmp_path, cube=None, **fields):
    fields = {key.replace("_", " "): value for key, value in fields.items()}
    return open_scene(envi(tmp_path / "x.hdr", small_cube("i2") if cube is None else cube, **fields))


class TestData:
    @pytest.mark.parametrize("byte_order", [0, 1])
    @pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "uint32", "int64"])
    def test_every_interleave_and_byte_order(self, interleave, byte_order, dtype, tmp_path):
        header = envi(tmp_path / "cube.hdr", small_cube(dtype), interleave, byte_order)
        for path in (header, header.with_suffix(".img")):
            scene = open_scene(path)
            assert scene.format == f"ENVI {interleave.upper()}"
            np.testing.assert_array_equal(scene.read(Block(2, 1, 5, 3)), small_cube(dtype)[2:7, 1:4])

    @pytest.mark.parametrize("name", ["cube", "cube.IMG", "cube.dat", "cube.raw", "cube.bil"])
    def test_the_data_file_may_have_any_usual_name(self, name, header, tmp_path):
        header.with_suffix(".img").rename(tmp_path / name)
        for path in (header, tmp_path / name):
            np.testing.assert_array_equal(open_scene(path).read(), small_cube())

    def test_the_header_may_be_named_after_the_data_file(self, header, tmp_path):
        for path in (header.rename(tmp_path / "cube.img.hdr"), tmp_path / "cube.img"):
            np.testing.assert_array_equal(open_scene(path).read(), small_cube())

    @pytest.mark.parametrize(("change", "words"), [(-10, "10 fewer"), (4, "4 more")])
    def test_a_data_file_of_another_length_says_by_how_much(self, change, words, header):
        os.truncate(header.with_suffix(".img"), 770 + change)
        refuse_scene(header, words, "770", "11 lines x 7 samples x 5 bands of uint16")

    def test_a_missing_data_file_says_what_was_searched(self, header):
        header.with_suffix(".img").unlink()
        refuse_scene(header, "data file is missing", "cube.img")

    def test_declared_sizes_are_checked_before_anything_is_allocated(self, header):
        edit(edit(header, "lines = 11", "lines = 1000000000"), "samples = 7", "samples = 1000000000")
        refuse_scene(header, "fewer than the 10,000,000,000,000,000,000 that cube.hdr declares")

    def test_fields_are_no_paths(self, header, tmp_path):
        (tmp_path / "secret").write_bytes(bytes(770))
        text = header.read_text()
        header.write_text(text + "data file = secret\ndescription = {../secret}\nfile name = /etc/passwd\n")
        np.testing.assert_array_equal(open_scene(header).read(), small_cube())


class TestHeader:
    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("interleave = bsq", "interleave = tiled", ["'tiled'", "bsq, bil or bip"]),
            ("data type = 12", "data type = 99", ["'99'", "12 (uint16)"]),
            ("byte order = 0", "byte order = 7", ["'7'"]),
            ("lines = 11", "lines = many", ["'lines' is 'many'"]),
            ("lines = 11", "lines = 0", ["'lines' is '0'"]),
            ("lines = 11", "lines = 99999999999", ["99999999999 lines"]),
            ("bands = 5", "", ["bands"]),
            ("header offset = 0", "header offset = -4", ["'-4'"]),
            ("data type = 12", "data type = 12\nfile compression = 1", ["compressed"]),
            ("data type = 12", "data type = 12\nmajor frame offsets = {1, 1}", ["frame offsets"]),
            ("data type = 12", "data type = 12\ndata ignore value = none", ["'data ignore value'", "a number"]),
        ],
    )
    def test_one_that_cannot_be_right_names_the_field(self, old, new, words, header):
        refuse_scene(edit(header, old, new), *words)

    def test_in_another_encoding(self, header):
        header.write_bytes(header.read_bytes() + "description = {Köln}\n".encode("latin-1"))
        refuse_scene(header, "an ENVI header")

    def test_of_a_spectral_library(self, header):
        refuse_scene(edit(header, "ENVI Standard", "ENVI Spectral Library"), "spectral library", error=SceneError)

    @pytest.mark.parametrize(
        ("unit", "values"),
        [
            ("Nanometers", CENTRES),
            *((unit, MICROMETRES) for unit in ("Micrometers", "um", "µm", "Unknown")),
            ("Unknown", CENTRES),
        ],
    )
    def test_wavelengths_in_nanometres(self, unit, values, tmp_path):
        widths = [value / 100 for value in values]
        scene = scene_with(tmp_path, wavelength=values, fwhm=widths, wavelength_units=unit)
        assert scene.wavelengths == pytest.approx(CENTRES)
        assert scene.fwhm == pytest.approx((4, 5, 6, 7, 8))

    @pytest.mark.parametrize("unit", ["Index", "Wavenumber", "GHz"])
    def test_a_unit_that_is_no_length_gives_no_wavelengths(self, unit, tmp_path):
        assert scene_with(tmp_path, wavelength=[1, 2, 3, 4, 5], wavelength_units=unit).wavelengths is None

    @pytest.mark.parametrize("values", [[1, 2, 3], ["x"] * 5, [-1] * 5])
    def test_a_wavelength_list_that_does_not_fit(self, values, tmp_path):
        path = envi(tmp_path / "cube.hdr", small_cube(), wavelength=values)
        refuse_scene(path, "'wavelength'", "correct", error=SceneError)

    def test_bad_bands(self, tmp_path):
        scene = scene_with(tmp_path, bbl=[1, 0, 1, 1, 0])
        assert scene.good == (True, False, True, True, False)
        assert scene.keep_bands([1, 2]).good == (False, True)
        path = envi(tmp_path / "x.hdr", small_cube(), bbl=[1, 0, 1])
        refuse_scene(path, "'bbl' lists 3 values for 5 bands", error=SceneError)

    def test_georeference_and_nodata(self, header, tmp_path):
        scene = scene_with(tmp_path, map_info=MAP_INFO, data_ignore_value=-9999)
        assert scene.nodata == -9999
        check_place(scene, NORTH_UP, 32633)
        assert open_scene(header).georeference is None

    def test_a_rotated_map_info_is_a_rotated_georeference(self, tmp_path):
        info = "{UTM, 1, 1, 500000, 4000000, 30, 30, 33, North, WGS-84, units=Meters, rotation=30}"
        place = scene_with(tmp_path, map_info=info).georeference
        assert place is not None
        a, b, _, d, e, _ = place.transform
        assert (np.hypot(a, d), np.hypot(b, e)) == pytest.approx((30, 30))
        assert abs(np.degrees(np.arctan2(d, a))) == pytest.approx(30)


class TestScale:
    def test_divides_and_nodata_becomes_nan(self, tmp_path):
        cube = small_cube("i2")
        cube[2, 2, 1], cube[:, :, 3] = -1, -1
        scene = scene_with(tmp_path, cube, reflectance_scale_factor=10000, data_ignore_value=-1)
        assert (scene.dtype, scene.read().dtype, scene.scale) == (np.float32, np.float32, (0.0001,) * 5)
        expected = np.where(cube == -1, np.nan, cube / np.float32(10000)).astype("f4")
        np.testing.assert_allclose(scene.read(), expected, rtol=1e-6)
        assert scene.nodata is not None and np.isnan(scene.nodata)

    def test_of_one_leaves_values_as_they_are(self, tmp_path):
        scene = scene_with(tmp_path, reflectance_scale_factor=1)
        assert (scene.dtype, scene.scale) == (np.int16, None)

    def test_values_that_are_not_finite_are_no_nodata(self, tmp_path):
        cube = small_cube("f4") + 1
        cube[0, 0], cube[1, 1, 1] = -5, np.inf
        survey = survey_scene(scene_with(tmp_path, cube, reflectance_scale_factor=2, data_ignore_value=-5))
        assert (survey.nodata, survey.not_finite) == (1, 1)

    def test_that_is_not_a_number(self, tmp_path):
        path = envi(tmp_path / "x.hdr", small_cube("i2"), **{"reflectance scale factor": "nan"})
        refuse_scene(path, "scale factors or offsets")


class TestClassification:
    def test_names_and_colours(self, tmp_path):
        lookup = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]
        path = envi(tmp_path / "gt.hdr", small_labels()[:, :, None], **CLASSES, **{"class lookup": lookup})
        labels = open_labels(path, scene_from_array(small_cube()))
        assert (labels.background, labels.table.names) == (0, ("corn", "oats", "woods"))
        assert labels.table.colours == ((255, 0, 0), (0, 255, 0), (0, 0, 255))

    def test_colours_that_are_no_numbers(self, tmp_path):
        fields = {**CLASSES, "class lookup": ["red", "green", "blue"]}
        path = envi(tmp_path / "gt.hdr", small_labels()[:, :, None], **fields)
        refuse_labels(path, scene_from_array(small_cube()), "'class lookup'", error=SceneFileError)
