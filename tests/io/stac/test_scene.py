"""What a scene has from its STAC Item: wavelengths, FWHM, no data, and masks."""

import numpy as np
import pytest

from hsi.core.events import Recorder, report_to
from hsi.io import open_scene
from hsi.settings import InputSettings
from hsi.workflows.inputs import survey_input
from tests.io.file_makers import UTM, envi, small_cube, tiff
from tests.io.stac.items import CENTRES, data_asset, describe_bands, write_item, write_scene

NANOMETRES = (450, 550, 650, 1250, 2200)


@pytest.fixture
def recorder():
    with report_to(recorder := Recorder()):
        yield recorder


class TestBands:
    @pytest.mark.parametrize("version", ["1.1.0", "1.0.0"])
    def test_wavelengths_are_in_micrometres(self, version, tmp_path, recorder):
        write_scene(tmp_path / "cube.tif")
        item = write_item(tmp_path / "item.json", {"all": data_asset("cube.tif", version)}, version)
        scene = open_scene(item)
        assert scene.wavelengths == NANOMETRES and scene.fwhm == (10,) * 5 and not recorder.warnings

    @pytest.mark.parametrize(
        ("bands", "words"),
        [
            (describe_bands(centres=NANOMETRES), "taken as nanometres"),
            (describe_bands(centres=CENTRES[:4], widths=CENTRES[:4]), "describes 4 bands of all, which has 5"),
        ],
    )
    def test_other_numbers_are_reported(self, bands, words, tmp_path, recorder):
        write_scene(tmp_path / "cube.tif")
        scene = open_scene(write_item(tmp_path / "item.json", {"all": {"href": "cube.tif", **bands}}))
        assert scene.wavelengths == (None if "4" in words else NANOMETRES) and words in recorder.warnings[0]

    @pytest.mark.parametrize("centre", ["0.45", None, True, -1, float("inf")])
    def test_what_is_no_wavelength_is_not_used(self, centre, tmp_path):
        write_scene(tmp_path / "cube.tif")
        asset = data_asset("cube.tif") | describe_bands(centres=(centre, *CENTRES[1:]))
        assert open_scene(write_item(tmp_path / "item.json", {"all": asset})).wavelengths is None

    def test_those_of_the_file_win(self, tmp_path, recorder):
        lists = {"wavelength": [float(n) + 3 for n in NANOMETRES], "wavelength units": "Nanometers"}
        envi(tmp_path / "cube.hdr", small_cube(), **lists)
        scene = open_scene(write_item(tmp_path / "item.json", {"all": data_asset("cube.hdr")}))
        assert scene.wavelengths[0] == 453 and scene.fwhm == (10,) * 5
        assert "up to 3.0 nm from those in the file" in recorder.warnings[0]

    def test_no_data(self, tmp_path):
        write_scene(tmp_path / "cube.tif")
        asset = data_asset("cube.tif")
        for band in asset["bands"]:
            band["nodata"] = 7
        assert open_scene(write_item(tmp_path / "item.json", {"all": asset})).nodata == 7


class TestMasks:
    def open(self, tmp_path, values, role, base=None, **profile):
        cube = write_scene(tmp_path / "cube.tif")
        tiff(tmp_path / "mask.tif", values, **(UTM | profile))
        masks = {"quality": {"href": "mask.tif", "roles": [role]}}
        item = write_item(tmp_path / "item.json", {"all": data_asset("cube.tif")} | masks)
        return cube, open_scene(f"{base}/{tmp_path.name}/item.json" if base else item)

    @pytest.mark.parametrize(("role", "used"), [("data-mask", 255), ("cloud", 0)])
    def test_they_leave_pixels_out(self, role, used, tmp_path, recorder):
        values = np.where(np.arange(11)[:, None] < 3, 0, np.full((11, 7), 255)).astype(np.uint8)
        cube, scene = self.open(tmp_path, values, role)
        assert (scene.read() == np.where(values[:, :, None] == used, cube, 0)).all()
        survey = survey_input(scene, InputSettings())
        assert (survey.valid == (values == used)).all() and survey.hiding == "mask quality"
        assert ("mask", f"quality of the Item: {'no data in 27.3%' if used else 'clouds in 72.7%'} of the pixels") in (
            recorder.messages
        )

    def test_over_the_web(self, served):
        folder, address = served
        values = np.eye(11, 7).astype(np.uint8)
        (folder / "masks").mkdir(exist_ok=True)
        cube, scene = self.open(folder / "masks", values, "cloud", address)
        assert (scene.read() == np.where(values[:, :, None], 0, cube)).all()

    def test_of_a_coarser_grid(self, tmp_path):
        a, b, c, d, e, f = tuple(UTM["transform"])[:6]
        coarse = type(UTM["transform"])(a * 7, b, c, d, e * 11, f)
        cube, scene = self.open(tmp_path, np.ones((1, 1), np.uint8), "data-mask", transform=coarse)
        assert (scene.read() == cube).all()

    def test_in_physical_units(self, tmp_path):
        import rasterio

        cube, _ = self.open(tmp_path, np.eye(11, 7).astype(np.uint8), "cloud")
        with rasterio.open(tmp_path / "cube.tif", "r+") as file:
            file.scales, file.offsets = (0.01,) * 5, (1.0,) * 5
        values = open_scene(tmp_path / "item.json").read()
        assert np.isnan(values[np.eye(11, 7) > 0]).all()
        assert np.allclose(values[0, 1], cube[0, 1] * 0.01 + 1)

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (np.arange(77).reshape(11, 7).astype(np.uint8), "it holds 1, 2, 3, 4 and more"),
            (np.ones((11, 7, 2), np.uint8), "holds 0 planes"),
        ],
    )
    def test_others_are_reported_and_not_used(self, values, words, tmp_path, recorder):
        cube, scene = self.open(tmp_path, values, "cloud")
        assert (scene.read() == cube).all() and words in recorder.warnings[0]

    def test_one_that_is_missing(self, tmp_path, recorder):
        self.open(tmp_path, np.ones((11, 7), np.uint8), "cloud")
        (tmp_path / "mask.tif").unlink()
        open_scene(tmp_path / "item.json")
        assert "its mask quality is not used" in recorder.warnings[0] and "no such file" in recorder.warnings[0]
