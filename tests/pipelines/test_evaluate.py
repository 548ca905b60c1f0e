"""``hsi evaluate``: what is printed, written and refused; tests/workflows/test_evaluate.py has the numbers."""

import numpy as np
import pytest

import hsi
from hsi.core.labels import default_table
from hsi.core.synthetic import synthetic_georeference
from hsi.io.geotiff import write_class_map
from tests.conftest import names_in
from tests.io import file_makers


@pytest.fixture
def maps(tmp_path):
    """A map and a reference of it, 60 x 50 pixels, and a confidence."""
    random, place = np.random.default_rng(0), synthetic_georeference()
    truth = random.choice(np.array([0, 1, 2], np.uint8), (60, 50), p=[0.8, 0.1, 0.1])
    ids = np.where(truth > 0, np.where(random.random(truth.shape) < 0.8, truth, 2), 1).astype(np.uint8)
    table = default_table([1, 2]).renamed({1: "corn", 2: "soy"})
    for name, values in (("map.tif", ids), ("truth.tif", truth)):
        write_class_map(tmp_path / name, values, table, georeference=place, nodata_mask=None)
    confidence = random.uniform(0.4, 1, truth.shape).astype(np.float32)
    file_makers.tiff(tmp_path / "map_confidence.tif", confidence, crs=place.crs, transform=place.transform)
    return tmp_path / "map.tif", tmp_path / "truth.tif"


def test_tables_and_files_are_those_of_python(maps, run, tmp_path):
    mapped, truth = maps
    done = run("evaluate", mapped, "--labels", truth, "--design", "simple", "--out", "accuracy")
    assert (done.code, done.complaints) == (0, [])
    shown = done.stdout.partition("accuracy on reference pixels")[2].partition("confidence ")[0]
    assert "IoU" in shown and "train" not in shown
    estimated = done.stdout.partition("estimated for the entire map")[2].partition("entire map ")[0]
    assert max(map(len, (shown + estimated).splitlines())) <= 80
    result = hsi.evaluate(mapped, truth, design="simple", out=tmp_path / "python")
    assert [path.name for path in result.files] == [
        *(f"accuracy.{suffix}" for suffix in ("json", "csv", "md", "tex")), "reliability.png", "report.html"
    ]  # fmt: skip
    for path in result.files[:-1]:  # the report names the command
        assert path.read_bytes() == (tmp_path / "accuracy" / path.name).read_bytes(), path.name
        assert f"accuracy/{path.name}" in done.stdout
    assert {path.name for path in result.files} == names_in(tmp_path / "accuracy")
    report = result.report
    assert f"OA {report['overall_accuracy']:.2%}" in done.stdout
    assert f"expected calibration error {report['calibration']['error'] * 100:.2f} %" in done.stdout
    area = report["estimate"]["classes"][1]["area"]
    assert f"{area['value']:,.1f} ±{1.959964 * area['standard_error']:,.1f}" in estimated
    assert "+00:00</time>" in (tmp_path / "accuracy" / "report.html").read_text()
    assert done.stdout.splitlines()[-1] == "open        accuracy/report.html in a browser"


def test_without_out_nothing_is_written(maps, run, tmp_path):
    before = set(tmp_path.iterdir())
    done = run("evaluate", maps[0], "--labels", maps[1])
    assert (done.code, done.stderr) == (0, "")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--labels", "truth.tif", "--out", "."), 1, "report.html: exists already and is no file that hsi wrote there"),
        (("--labels", "truth.tif", "--design", "systematic"), 2, "simple"),
        (("--labels", "truth.tif", "--confidence", "truth.tif"), 1, "truth.tif: confidence is a probability"),
        ((), 2, "--labels reference.gpkg"),
    ],
)
def test_what_is_refused(options, code, says, maps, run, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    done = run("evaluate", maps[0], *options)
    assert (done.code, len(done.complaints)) == (code, 1)
    assert says in done.complaints[0]
