from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hsi.preprocessing.bands import format_ranges
from pipelines.cli import main
from pipelines.inspect import size_of
from tests.io import product_makers
from tests.io.file_makers import NORTH_UP, envi, mat, npy, small_cube, small_labels, tiff


@pytest.fixture
def run(capsys):
    """Run ``hsi inspect`` with arguments: exit code, stdout, stderr."""

    def inspect(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["inspect", *map(str, arguments)])
        output = capsys.readouterr()
        return int(stop.value.code or 0), output.out, output.err

    return inspect


def facts(output: str) -> dict[str, str]:
    """What stands beside each label, continuation lines joined."""
    found: dict[str, str] = {}
    label = ""
    for line in output.splitlines():
        label = line[:12].strip() or label
        found[label] = f"{found.get(label, '')} {line[12:].strip()}".strip()
    return found


def test_a_benchmark_scene_with_labels(run, tmp_path: Path):
    cube = small_cube("u2", (20, 30, 40)) + 1
    cube[:, :, 7:9] = 5
    cube[0, :3] = 0
    labels = small_labels(shape=(20, 30))
    labels[labels == 3] = 0
    labels[5, 5] = 7
    path = mat(tmp_path / "scene.mat", cube=cube, gt=labels)
    code, output, errors = run(path)
    found = facts(output)
    assert (code, errors) == (0, "")
    assert found["file"] == str(path)
    assert found["variable"] == "cube"
    assert found["shape"] == "20 rows x 30 columns x 40 bands, uint16"
    assert found["place"] == "not georeferenced"
    assert found["values"] == "1 to 120"
    assert found["bad pixels"] == "3 of 600 pixels (0.5%) cannot be used: 3 zero in all bands"
    assert found["bad bands"] == "2 with one value (counted from 1): 8-9"
    assert found["labels"].startswith(f"{path}, variable gt 3 classes")
    rows = [line.split() for line in output.splitlines()]
    assert ["1", "class", "1", str(np.count_nonzero(labels == 1))] in [row[:4] for row in rows]
    assert "too few to train and test on: 7" in output
    # 600 pixels: 40 bands of 8 bytes, 15 components of 4 bytes, 225 + 625 times that
    assert "192.0 kB as a cube" in found["memory"]
    assert "36.0 kB as 15 components" in found["memory"]
    assert "30.6 MB if the 15 x 15 and 25 x 25 windows of every pixel" in found["memory"]


def test_shares_are_of_the_labelled_pixels(run, tmp_path: Path):
    labels = np.zeros((11, 7), int)
    labels[0], labels[1, :3], labels[2:5] = 1, 2, 3
    path = npy(tmp_path / "x.npy", small_cube())
    rows = run(path, "--labels", npy(tmp_path / "truth.npy", labels))[1].splitlines()
    table = [row.split() for row in rows[rows.index(next(row for row in rows if row.startswith("id"))) + 1 :][:3]]
    assert table == [
        ["1", "class", "1", "7", "22.6%"],
        ["2", "class", "2", "3", "9.7%"],
        ["3", "class", "3", "21", "67.7%"],
    ]


def test_a_georeferenced_product(run, tmp_path: Path):
    cube = small_cube("f4") + 1
    cube[0, 0], cube[3, 3, 2], cube[:, :, 4] = -9999, np.nan, np.nan
    path = tiff(tmp_path / "flight.tif", cube, nodata=-9999, crs="EPSG:32633", transform=NORTH_UP)
    found = facts(run(path)[1])
    assert found["format"] == "GeoTIFF"
    assert found["CRS"] == "EPSG:32633 (WGS 84 / UTM zone 33N)"
    assert found["pixel size"] == "30 x 30 metre"
    assert found["nodata"] == "-9999"
    assert found["bad pixels"].endswith("1 NaN or infinite, 1 nodata")
    assert found["bad bands"] == "1 with no number (counted from 1): 5"


def test_wavelengths_of_an_envi_header(run, tmp_path: Path):
    fields = {"wavelength": [0.4, 0.5, 0.6, 0.7, 2.5], "wavelength units": "Micrometers"}
    found = facts(run(envi(tmp_path / "cube.hdr", small_cube(), **fields))[1])
    assert found["wavelengths"] == "400 to 2500 nm"
    assert found["format"] == "ENVI BSQ"


def test_missing_labels_are_a_remark_and_not_a_failure(run, tmp_path: Path):
    code, output, _ = run(npy(tmp_path / "x.npy", small_cube()), "--drop-bands", "1")
    assert code == 0
    assert "no labels found" in facts(output)["labels"]
    assert "give labels=FILE" in facts(output)["labels"]


def test_ambiguous_labels_are_a_remark_until_one_is_asked_for(run, tmp_path: Path):
    path = mat(tmp_path / "x.mat", cube=small_cube(), train=small_labels(), test=small_labels())
    code, output, _ = run(path)
    assert code == 0
    assert "label_variable=NAME" in facts(output)["labels"]
    assert "variable test" in run(path, "--label-variable", "test")[1]
    code, output, errors = run(path, "--label-variable", "tset")
    assert (code, output) == (2, "")
    assert "did you mean test" in errors


def test_labels_that_are_asked_for_must_fit(run, tmp_path: Path):
    path = npy(tmp_path / "x.npy", small_cube())
    code, output, errors = run(path, "--labels", npy(tmp_path / "y.npy", small_labels().T))
    assert (code, output) == (1, "")
    assert errors.startswith("error: ")
    assert "transposed" in errors
    assert errors.count("\n") == 1


def test_another_background_makes_zero_a_class(run, tmp_path: Path):
    mat(tmp_path / "x_gt.mat", gt=small_labels())
    output = run(npy(tmp_path / "x.npy", small_cube()), "--background", 3)[1]
    assert "background 3" in output
    assert " 0  class 0" in output


def test_another_cube_of_the_file(run, tmp_path: Path):
    path = mat(tmp_path / "x.mat", one=small_cube(), two=small_cube(shape=(4, 5, 6)))
    code, _, errors = run(path)
    assert code == 2
    assert "variable=NAME" in errors
    assert facts(run(path, "--variable", "two")[1])["shape"].startswith("4 rows x 5 columns x 6 bands")


def test_a_scene_without_a_usable_pixel(run, tmp_path: Path):
    found = facts(run(npy(tmp_path / "x.npy", np.full((3, 4, 5), np.nan)))[1])
    assert found["values"] == "no pixel can be used"
    assert found["bad pixels"].startswith("12 of 12")


def test_everything_but_paths_fits_80_columns(run, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cube = small_cube("f4", (30, 30, 200))
    cube[:, :, ::5] = 3
    fields = {"file type": "ENVI Classification", "class names": ["none", "[bold]a very long " + "name " * 20]}
    envi(Path("x.hdr"), cube)
    envi(Path("x_gt.hdr"), np.minimum(small_labels(shape=(30, 30)), 1)[:, :, None], **fields)
    output = run("x.hdr")[1]
    assert max(len(line.rstrip()) for line in output.splitlines()) <= 80
    assert "[bold]a very long name" in output


def test_a_missing_file_is_one_line(run, tmp_path: Path):
    npy(tmp_path / "scene.npy", small_cube())
    code, output, errors = run(tmp_path / "scen.npy")
    assert (code, output) == (1, "")
    assert "did you mean scene.npy?" in errors


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (4.2e12, "4.2 TB")]
)
def test_sizes_are_in_decimal_units(count: int, text: str):
    assert size_of(count) == text


def test_runs_of_numbers_are_shortened():
    assert format_ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert format_ranges([]) == ""


def test_a_product_with_its_bands_and_scale(run, tmp_path: Path):
    found = facts(run(product_makers.emit(tmp_path).path)[1])
    assert found["format"] == "EMIT L2A (gridded by its look-up table)"
    assert found["wavelengths"] == "381 to 2493 nm"
    assert found["FWHM"] == "8.5 nm"
    assert found["marked"] == "11 bands good, 1 bad by the file"
    assert found["bad bands"] == "1 marked bad in the file (counted from 1): 8"
    assert found["CRS"] == "EPSG:4326 (WGS 84)"
    assert found["bad pixels"].endswith("nodata")
    assert "no labels found" in found["labels"]
    assert facts(run(product_makers.neon(tmp_path).path)[1])["scale"] == "stored numbers x 0.0001"


def test_a_product_by_its_folder(run, tmp_path: Path):
    path = product_makers.enmap(tmp_path).path
    found = facts(run(tmp_path)[1])
    assert found["file"] == str(path)
    assert found["format"] == "EnMAP L2A (GeoTIFF)"


def test_bands_and_pixels_that_are_to_be_left_out(run, tmp_path: Path):
    fields = {"wavelength": [400, 500, 600, 700, 800], "bbl": [1, 1, 1, 1, 0]}
    path = envi(tmp_path / "x.hdr", small_cube() + 1, **fields)
    mask = npy(tmp_path / "mask.npy", np.eye(11, 7))
    options = ("--drop-bands", "1", "--drop-wavelengths", "450-550", "--mask", mask)
    found = facts(run(path, *options)[1])
    assert found["bad bands"].count("counted from 1") == 3
    assert found["bad pixels"] == "70 of 77 pixels (90.9%) cannot be used: 70 outside the mask"
    assert "marked bad" not in facts(run(path, "--keep-bad-bands")[1])["bad bands"]
    assert run(path, "--drop-bands", "one")[0] == 2
    assert "the scene x is 11 x 7" in run(path, "--mask", npy(tmp_path / "wrong.npy", np.ones((3, 3))))[2]
