"""A scene in several files: the same run as of one file, repeated and drawn from its record."""

import json

import pytest
import rasterio

from tests.conftest import CENTRES
from tests.io.file_makers import tiff

OPTIONS = ("--model", "sam", "--no-figures", "--device", "cpu")


@pytest.fixture
def parts(sample, scenes, tmp_path):
    """The sample as bands and as two tiles, its labels, and the wavelengths in a table."""
    with rasterio.open(scenes["tiff"]) as raster:
        place = {"crs": raster.crs, "transform": raster.transform}
    bands = [tiff(tmp_path / f"x_B{i + 1}.tif", sample.cube[:, :, i], **place) for i in range(sample.cube.shape[2])]
    (tmp_path / "bands.txt").write_text("\n".join(map(str, CENTRES)))
    shifted = {**place, "transform": place["transform"] @ rasterio.Affine.translation(15, 0)}
    tiles = [
        tiff(tmp_path / "w.tif", sample.cube[:, :20], **place),
        tiff(tmp_path / "e.tif", sample.cube[:, 15:], **shifted),
    ]
    labels = tiff(tmp_path / "truth.tif", sample.truth, **place)
    return {"bands": sorted(bands), "tiles": tiles, "labels": labels, "table": tmp_path / "bands.txt"}


def classify(run, parts, files, out):
    more = ("--labels", parts["labels"], *OPTIONS, "--wavelengths", parts["table"])
    done = run("classify", *files, *more, "--out", out)
    assert done.code == 0, done.stderr


def test_bands_and_tiles_give_the_map_of_one_file(parts, scenes, run, tmp_path):
    for out, files in {"one": [scenes["tiff"]], "bands": parts["bands"], "tiles": parts["tiles"]}.items():
        classify(run, parts, files, out)
        assert (tmp_path / out / "map.tif").read_bytes() == (tmp_path / "one/map.tif").read_bytes()
        inputs = json.loads((tmp_path / out / "run.json").read_text())["inputs"]
        assert len(inputs["parts"]) == (0 if out == "one" else len(parts[out]))
        assert inputs["wavelengths_nm"] == pytest.approx(list(CENTRES))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bands", "tiles"])
def test_the_run_is_repeated_and_drawn_from_its_record(kind, parts, run):
    classify(run, parts, parts[kind], "many")
    done = run("rerun", "many")
    assert done.code == 0 and "reproduced  many" in done.stdout, done.stderr
    done = run("plot", "many", "--figure", "false_colour", "--out", "figures")
    assert done.code == 0, done.stderr
