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


@pytest.mark.parametrize("kind", ["bands", "tiles"])
def test_gives_the_map_of_one_file_and_can_be_repeated(kind, parts, scenes, run, tmp_path):
    more = ("--labels", parts["labels"], *OPTIONS, "--wavelengths", parts["table"])
    assert run("classify", scenes["tiff"], *more, "--out", "one").code == 0
    done = run("classify", *parts[kind], *more, "--out", "many")
    assert done.code == 0, done.stderr
    assert (tmp_path / "many/map.tif").read_bytes() == (tmp_path / "one/map.tif").read_bytes()
    inputs = json.loads((tmp_path / "many/run.json").read_text())["inputs"]
    assert len(inputs["parts"]) == len(parts[kind])
    assert inputs["wavelengths_nm"] == pytest.approx(list(CENTRES))
    done = run("rerun", "many")
    assert done.code == 0 and "reproduced  many" in done.stdout, done.stderr
    done = run("plot", "many", "--figure", "false_colour", "--out", "figures")
    assert done.code == 0, done.stderr
