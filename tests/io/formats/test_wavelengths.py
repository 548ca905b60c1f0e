"""Wavelengths from tables, headers, scenes and sensors."""

import numpy as np
import pytest

from hsi import open_scene
from hsi.core.events import Recorder, report_to
from hsi.errors import HsiError, SceneFileError, UnknownNameError, UsageError
from hsi.io import open_wavelengths
from tests.io.file_makers import envi, mat, npy, small_cube
from tests.io.helpers import check_message

CENTRES = (400.0, 550.5, 700.0, 1600.0, 2400.0)


@pytest.mark.parametrize(
    ("text", "fwhm"),
    [
        ("400\n550.5\n700\n1600\n2400\n", None),
        ("\ufeffwavelength\r\n400\r\n550.5\r\n700\r\n1600\r\n2400\r\n\r\n", None),
        ("# nm\n400, 10\n550.5, 11 # green\n700, 12\n1600, 13\n2400, 14\n", (10, 11, 12, 13, 14)),
        ("0.4\n0.5505\n0.7\n1.6\n2.4", None),
        ("1\t400\n2\t550.5\n3\t700\n4\t1600\n5\t2400", None),
        ("band;fwhm;center wavelength\n1;10;400\n2;11;550.5\n3;12;700\n4;13;1600\n5;14;2400", (10, 11, 12, 13, 14)),
        ("nm;fwhm\n400,0;10\n550,5;11\n700;12\n1600;13\n2400,0;14", (10, 11, 12, 13, 14)),
        ("band,wl_nm,fwhm\n1,400,10\n2,550.5,11\n3,700,12\n4,1600,13\n5,2400,14", (10, 11, 12, 13, 14)),
    ],
)
def test_a_table(text, fwhm, tmp_path):
    (tmp_path / "bands.txt").write_text(text, encoding="utf-8", newline="")
    wavelengths, widths = open_wavelengths(tmp_path / "bands.txt")
    assert wavelengths == pytest.approx(CENTRES)
    assert widths == (fwhm and pytest.approx(fwhm))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("400\nabc def\n", "'abc def' is no number"),
        ("400,10\n500\n", "its lines differ"),
        ("wavelength\n", "it has none"),
        ("1\n2\n3\n", "1 to 3 are no wavelengths in nm"),
        ("-400\n500\n600\n", "are no wavelengths"),
        ("500\nnan\n", "is no number"),
    ],
)
def test_what_is_no_table(text, words, tmp_path):
    (tmp_path / "bands.csv").write_text(text)
    with pytest.raises(SceneFileError) as caught:
        open_wavelengths(tmp_path / "bands.csv")
    check_message(caught.value, "bands.csv", words)


def test_a_scene_and_a_header_without_its_data(tmp_path):
    path = envi(tmp_path / "x.hdr", small_cube(), wavelength=CENTRES, wavelength_units="nm", fwhm=[9] * 5)
    assert open_wavelengths(path) == open_wavelengths(path.with_suffix(".img")) == (CENTRES, (9,) * 5)
    path.with_suffix(".img").unlink()
    assert open_wavelengths(path)[0] == CENTRES
    with pytest.raises(SceneFileError, match=r"c\.npy: has no wavelengths; give a scene that has them, or a table"):
        open_wavelengths(npy(tmp_path / "c.npy", small_cube()))


def test_sensors_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, bands in (("indian_pines", 200), ("AVIRIS", 200), ("Sentinel-2 MSI", 12), ("landsat-oli", 7)):
        (tmp_path / "x").mkdir(exist_ok=True)
        scene = open_scene(np.ones((2, 2, bands)), wavelengths=name)
        assert len(scene.wavelengths) == len(scene.fwhm) == bands
    with pytest.raises(UnknownNameError, match=r"landsat-oil.*landsat-oli"):
        open_scene(small_cube(), wavelengths="landsat-oil")
    with pytest.raises(HsiError, match=r"bands\.txt: no such file"):
        open_scene(small_cube(), wavelengths="bands.txt")


def test_another_number_is_an_error_and_other_values_a_warning(tmp_path):
    (table := tmp_path / "four.txt").write_text("400\n500\n600\n700\n")
    cube = mat(tmp_path / "c.mat", cube=small_cube(), wavelengths=np.array(CENTRES) + 20)
    with pytest.raises(UsageError) as caught:
        open_scene(cube, wavelengths=table)
    check_message(
        caught.value, "four.txt: has the wavelengths of 4 bands, and", "c.mat has 5: give those of this scene"
    )
    table.write_text("\n".join(map(str, CENTRES)))
    with report_to(recorder := Recorder()):
        assert open_scene(cube, wavelengths=table).wavelengths == CENTRES
    assert [text.partition(": its own")[2][:33] for text in recorder.warnings] == [" wavelengths, up to 20 nm away fr"]
