"""``hsi inspect``: the facts that it prints of scenes and labels."""

import numpy as np
import pytest

from hsi.preprocessing.bands import format_ranges
from pipelines.cli_support.terminal import size_of
from tests.io import product_makers
from tests.io.file_makers import NORTH_UP, envi, mat, npy, small_cube, small_labels, tiff


@pytest.fixture
def inspect(run):
    """Run ``hsi inspect``, which has to succeed: what stands behind each label, and the lines."""

    def work(*words):
        done = run("inspect", *words)
        assert (done.code, done.stderr) == (0, "")
        facts, label = {}, ""
        for line in done.stdout.splitlines():
            label = line[:12].strip() or label
            facts[label] = f"{facts.get(label, '')} {line[12:].strip()}".strip()
        return facts, done.stdout.splitlines()

    return work


def test_polygons_and_points_of_each_class_are_counted(inspect, tmp_path):
    from tests.io.vector_makers import point, rectangle, vector

    scene = tiff(tmp_path / "a.tif", small_cube(), crs="EPSG:32633", transform=NORTH_UP)
    squares = [rectangle(row, 0, row + 2, 4) for row in (0, 3, 6)]
    path = vector(tmp_path / "polygons.gpkg", squares, c=["oats", "oats", "beet"])
    facts, lines = inspect(scene, "--labels", path, "--label-field", "c")
    assert [line.split() for line in lines if "oats" in line or "id " in line][:2] == [
        ["id", "name", "polygons", "pixels", "share"],
        ["2", "oats", "2", "16", "66.7%"],
    ]
    assert facts["test"].startswith("no honest test of beet is possible: it has only one of the polygons")
    path = vector(tmp_path / "points.gpkg", [point(row + 0.5, 0.5) for row in range(6)], c=["oats", "beet"] * 3)
    facts, lines = inspect(scene, "--labels", path, "--label-field", "c")
    assert "test" not in facts and any(line.split() == ["2", "oats", "3", "3", "50.0%"] for line in lines)


def test_a_benchmark_scene_with_labels(inspect, tmp_path):
    cube = small_cube("u2", (20, 30, 40)) + 1
    cube[:, :, 7:9] = 5
    cube[0, :3] = 0
    labels = small_labels(shape=(20, 30))
    labels[labels == 3] = 0
    labels[5, 5] = 7
    path = mat(tmp_path / "scene.mat", cube=cube, gt=labels)
    facts, lines = inspect(path)
    expected = {
        "file": str(path),
        "variable": "cube",
        "shape": "20 rows x 30 columns x 40 bands, uint16",
        "place": "not georeferenced",
        "values": "1 to 120",
        "bad pixels": "3 of 600 pixels (0.5%) cannot be used: 3 zero in all bands",
        "bad bands": "2 with one value (counted from 1): 8-9",
        "few pixels": "ids with fewer than 5 pixels, too few to train and test on: 7",
    }
    assert {label: facts[label] for label in expected} == expected
    assert facts["labels"].startswith(f"{path}, variable gt 3 classes")
    counts = [np.count_nonzero(labels == i) for i in (1, 2, 7)]
    start = next(i for i, line in enumerate(lines) if line.startswith("id")) + 1
    assert [line.split() for line in lines[start : start + 3]] == [
        [str(i), "class", str(i), str(n), f"{n / sum(counts):.1%}"] for i, n in zip((1, 2, 7), counts, strict=True)
    ]
    # 600 pixels: 40 bands of 8 bytes, 15 components of 4 bytes, 225 + 625 times that
    assert "192.0 kB as a cube" in facts["memory"]
    assert "36.0 kB as 15 components" in facts["memory"]
    assert "30.6 MB if the 15 x 15 and 25 x 25 windows of every pixel" in facts["memory"]


def raster(folder):
    cube = small_cube("f4") + 1
    cube[0, 0], cube[3, 3, 2], cube[:, :, 4] = -9999, np.nan, np.nan
    return tiff(folder / "flight.tif", cube, nodata=-9999, crs="EPSG:32633", transform=NORTH_UP)


def header(folder):
    fields = {"wavelength": [0.4, 0.5, 0.6, 0.7, 2.5], "wavelength units": "Micrometers"}
    return envi(folder / "cube.hdr", small_cube(), **fields)


def folder_of_enmap(folder):
    product_makers.enmap(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            raster,
            {
                "format": "GeoTIFF",
                "CRS": "EPSG:32633 (WGS 84 / UTM zone 33N)",
                "pixel size": "30 x 30 metre",
                "nodata": "-9999",
                "bad pixels": "1 NaN or infinite, 1 nodata",
                "bad bands": "1 with no number (counted from 1): 5",
            },
        ),
        (header, {"format": "ENVI BSQ", "wavelengths": "400 to 2500 nm"}),
        (
            lambda folder: product_makers.emit(folder).path,
            {
                "format": "EMIT L2A (gridded by its look-up table)",
                "wavelengths": "381 to 2493 nm",
                "FWHM": "8.5 nm",
                "marked": "11 bands good, 1 bad by the file",
                "bad bands": "1 marked bad in the file (counted from 1): 8",
                "CRS": "EPSG:4326 (WGS 84)",
                "bad pixels": "nodata",
            },
        ),
        (lambda folder: product_makers.neon(folder).path, {"scale": "stored numbers x 0.0001"}),
        (folder_of_enmap, {"format": "EnMAP L2A (GeoTIFF)", "file": ".TIF"}),
        (
            lambda folder: npy(folder / "x.npy", np.full((3, 4, 5), np.nan)),
            {"values": "no pixel can be used", "bad pixels": "12 NaN or infinite"},
        ),
    ],
)
def test_the_facts_of_files(make, expected, inspect, tmp_path):
    facts, _ = inspect(make(tmp_path))
    assert {label for label, fact in expected.items() if not facts[label].endswith(fact)} == set()
    assert "no labels found" in facts["labels"] and "give labels=FILE" in facts["labels"]


def test_labels_are_looked_for_and_have_to_be_there_when_named(inspect, run, tmp_path):
    path = mat(tmp_path / "x.mat", cube=small_cube(), train=small_labels(), test=small_labels())
    assert "label_variable" in inspect(path)[0]["labels"]
    assert "variable test" in inspect(path, "--label-variable", "test")[0]["labels"]
    done = run("inspect", path, "--label-variable", "tset")
    assert (done.code, done.stdout) == (2, "") and "did you mean test" in done.stderr
    done = run("inspect", path, "--labels", npy(tmp_path / "y.npy", small_labels().T))
    assert (done.code, done.stdout, len(done.complaints)) == (1, "", 1) and "transposed" in done.stderr


def test_another_background_makes_zero_a_class(run, tmp_path):
    mat(tmp_path / "x_gt.mat", gt=small_labels())
    done = run("inspect", npy(tmp_path / "x.npy", small_cube()), "--background", 3)
    assert (done.code, done.stderr.count("\n")) == (0, 1)
    assert "0 is taken as a class of 17 pixels, because --background is 3" in done.stderr
    assert "background 3" in done.stdout and any(line.startswith(" 0  class 0") for line in done.stdout.splitlines())


def test_another_cube_of_the_file(inspect, run, tmp_path):
    path = mat(tmp_path / "x.mat", one=small_cube(), two=small_cube(shape=(4, 5, 6)))
    done = run("inspect", path)
    assert done.code == 2 and "variable" in done.stderr
    facts, _ = inspect(path, "--variable", "two")
    assert facts["shape"].startswith("4 rows x 5 columns x 6 bands") and "no labels found" in facts["labels"]


def test_everything_but_paths_fits_80_columns(inspect, tmp_path):
    cube = small_cube("f4", (30, 30, 200))
    cube[:, :, ::5] = 3
    fields = {"file type": "ENVI Classification", "class names": ["none", "[bold]a very long " + "name " * 20]}
    envi(tmp_path / "x.hdr", cube)
    envi(tmp_path / "x_gt.hdr", np.minimum(small_labels(shape=(30, 30)), 1)[:, :, None], **fields)
    _, lines = inspect("x.hdr")
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "[bold]a very long name" in "".join(lines)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (4.2e12, "4.2 TB")]
)
def test_sizes_are_in_decimal_units(count, text):
    assert size_of(count) == text


def test_runs_of_numbers_are_shortened():
    assert format_ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert format_ranges([]) == ""


def test_bands_and_pixels_that_are_to_be_left_out(inspect, run, tmp_path):
    fields = {"wavelength": [400, 500, 600, 700, 800], "bbl": [1, 1, 1, 1, 0]}
    path = envi(tmp_path / "x.hdr", small_cube() + 1, **fields)
    mask = npy(tmp_path / "mask.npy", 1 - np.eye(11, 7))
    facts, _ = inspect(path, "--drop-bands", "1", "--drop-wavelengths", "450-550", "--mask", mask)
    assert facts["bad bands"].count("counted from 1") == 3
    assert facts["bad pixels"] == "7 of 77 pixels (9.1%) cannot be used: 7 masked"
    assert "marked bad" not in inspect(path, "--keep-bad-bands")[0]["bad bands"]
    assert run("inspect", path, "--drop-bands", "one").code == 2
    wrong = npy(tmp_path / "wrong.npy", np.ones((3, 3)))
    assert "the scene x is 11 x 7" in run("inspect", path, "--mask", wrong).stderr
