"""ENVI files in every layout; headers that cannot be right are refused with the field's name."""

import os

import numpy as np
import pytest

from hsi import open_labels
from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array, survey_scene
from hsi.errors import SceneError, SceneFileError
from hsi.io import open_scene
from tests.io.file_makers import MAP_INFO, NORTH_UP, edit, envi, small_cube, small_labels, tiff
from tests.io.helpers import check_place, refuse_labels, refuse_scene

CLASSES = {"file type": "ENVI Classification", "classes": 4, "class names": ["none", "corn", "oats", "woods"]}
CENTRES, MICROMETRES = [400, 500, 600, 700, 800], [0.4, 0.5, 0.6, 0.7, 0.8]


@pytest.fixture
def header(tmp_path):
    return envi(tmp_path / "cube.hdr", small_cube())


def open_recorded(path):
    """A scene and the warnings of opening it."""
    with report_to(recorder := Recorder()):
        return open_scene(path), recorder.warnings


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

    def test_a_data_file_that_is_too_short_says_by_how_much(self, header):
        os.truncate(header.with_suffix(".img"), 760)
        refuse_scene(header, "10 fewer", "770", "11 lines x 7 samples x 5 bands of uint16")

    def test_trailing_bytes_are_left_out_with_a_warning(self, header):
        os.truncate(header.with_suffix(".img"), 774)
        scene, warnings = open_recorded(header)
        np.testing.assert_array_equal(scene.read(), small_cube())
        assert len(warnings) == 1 and "has 4 bytes more than cube.hdr describes" in warnings[0]

    @pytest.mark.parametrize("suffix", [".tif", ".img"])
    def test_a_header_next_to_a_raster_of_another_format(self, suffix, header):
        header.with_suffix(".img").unlink()
        tiff(header.with_suffix(suffix), small_cube())
        refuse_scene(header, f"its data are in 'cube{suffix}', which is a TIFF", "name that file")

    @pytest.mark.parametrize("linked", ["data", "header", "both", "both, and the data are named"])
    def test_behind_links(self, linked, header, tmp_path):
        folder = tmp_path / "links"
        folder.mkdir()
        link, named = folder / "cube.hdr", folder / "cube.img"
        if linked == "data":
            header.rename(link)
        else:
            link.symlink_to(header)
        if linked != "header":
            named.symlink_to(header.with_suffix(".img"))
        np.testing.assert_array_equal(open_scene(named if "named" in linked else link).read(), small_cube())

    def test_a_linked_data_file_whose_header_lies_with_the_original(self, header, tmp_path):
        link = tmp_path / "other.img"
        link.symlink_to(header.with_suffix(".img"))
        np.testing.assert_array_equal(open_scene(link).read(), small_cube())

    @pytest.mark.parametrize("names", ["cube.HDR cube.IMG", "CUBE.HDR cube.img", "cube.IMG.Hdr cube.IMG"])
    def test_any_case_of_letters(self, names, header, tmp_path):
        head, data = names.split()
        header.with_suffix(".img").rename(tmp_path / data)
        header.rename(tmp_path / head)
        for name in (head, data):
            np.testing.assert_array_equal(open_scene(tmp_path / name).read(), small_cube())

    def test_an_only_data_file_of_another_suffix(self, header, tmp_path):
        header.with_suffix(".img").rename(tmp_path / "cube.envi")
        (tmp_path / "cube.png").write_bytes(b"preview")
        for name in ("cube.hdr", "cube.envi"):
            np.testing.assert_array_equal(open_scene(tmp_path / name).read(), small_cube())

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
            ("lines = 11", "lines = 11.5", ["'lines' is '11.5'"]),
            ("lines = 11", "lines = {11, 12}", ["'lines' is '11, 12'"]),
            ("lines = 11", "lines =", ["'lines' is missing"]),
            ("lines = 11", "lines = 11\ndescription = {open", ["'description' has no end"]),
            ("lines = 11", "lines = 99999999999", ["99999999999 lines"]),
            ("bands = 5", "", ["'bands' is missing"]),
            ("header offset = 0", "header offset = -4", ["'-4'"]),
            ("data type = 12", "data type = 12\nfile compression = 1", ["compressed"]),
            ("data type = 12", "data type = 12\nmajor frame offsets = {1, 1}", ["frame offsets"]),
            ("data type = 12", "data type = 12\ndata ignore value = none", ["'data ignore value'", "a number"]),
        ],
    )
    def test_one_that_cannot_be_right_names_the_field(self, old, new, words, header):
        refuse_scene(edit(header, old, new), *words)

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    def test_in_any_encoding(self, encoding, tmp_path):
        values = {"wavelength": MICROMETRES, "wavelength units": "µm", "map info": MAP_INFO}
        header = envi(tmp_path / "cube.hdr", small_cube(), **values)
        header.write_bytes(header.read_text(encoding="utf-8").encode(encoding))
        for path in (header, header.with_suffix(".img")):
            scene, warnings = open_recorded(path)
            assert (scene.wavelengths, warnings) == (pytest.approx(CENTRES), [])
            check_place(scene, NORTH_UP, 32633)
            np.testing.assert_array_equal(scene.read(), small_cube())

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_the_spellings_that_envi_and_gdal_accept(self, end, tmp_path, recwarn, capfd):
        lines = [
            *("", "\t ENVI ", "; a comment = 3", "Samples = {7}", "  LINES\t=\t11.0", "bands = 5 ; as read"),
            *("data_type = 12", "interleave = BIP", "byte order = 0", "header offset =", "reflectance scale factor ="),
            *("data ignore value = {}", "wavelength = {400,", "; the second", "500,600", ",700,800,}", "map info = {}"),
            *("class names =", "description = {one", "a = b}", "no field"),
        ]
        small_cube().tofile(tmp_path / "cube.img")
        (tmp_path / "cube.hdr").write_bytes(end.join(lines).encode())
        scene, warnings = open_recorded(tmp_path / "cube.hdr")
        np.testing.assert_array_equal(scene.read(), small_cube())
        assert (scene.wavelengths, scene.nodata, scene.scale) == (pytest.approx(CENTRES), None, None)
        assert scene.georeference is None and warnings == [] and not len(recwarn)
        assert capfd.readouterr().err == ""

    def test_no_byte_order_is_little_endian(self, header):
        scene, warnings = open_recorded(edit(header, "byte order = 0", ""))
        np.testing.assert_array_equal(scene.read(), small_cube())
        assert len(warnings) == 1 and "'byte order': 0 (little-endian) is assumed" in warnings[0]

    @pytest.mark.parametrize("interleave", ["bsq", "bil"])
    def test_no_interleave_is_that_of_the_suffix_or_bsq(self, interleave, tmp_path):
        header = edit(envi(tmp_path / "x.hdr", small_cube(), interleave), f"interleave = {interleave}", "")
        if interleave != "bsq":
            (tmp_path / "x.img").rename(tmp_path / f"x.{interleave}")
        scene, warnings = open_recorded(header)
        np.testing.assert_array_equal(scene.read(), small_cube())
        assert f"{interleave} is assumed" in warnings[0]

    def test_no_data_type_is_bytes_where_that_fits(self, header, tmp_path):
        refuse_scene(edit(header, "data type = 12", ""), "'data type' is missing")
        scene, warnings = open_recorded(edit(envi(tmp_path / "x.hdr", small_cube("u1")), "data type = 1\n", "\n"))
        np.testing.assert_array_equal(scene.read(), small_cube("u1"))
        assert "'data type'" in warnings[0]

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

    @pytest.mark.parametrize("values", [[1, 2, 3], ["x"] * 5, [-1] * 5, [1, 2, "", 4, 5]])
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


@pytest.mark.parametrize("system", ["Arbitrary, 1, 1, 0, 0, 1, 1, 0, North", "Arbitrary, 1, 1, 0, 0, 1, 1"])
def test_pixels_from_a_corner_are_no_place(system, tmp_path):
    assert scene_with(tmp_path, **{"map info": f"{{{system}}}"}).georeference is None


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
