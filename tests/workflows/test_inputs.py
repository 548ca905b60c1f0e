"""What is read for a run: bands of products, bands to leave out, and masks."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import hsi
from hsi.core.events import Recorder, report_to
from hsi.core.labels import codes_of
from hsi.errors import SceneError
from hsi.io.benchmark_scenes import SceneFacts, scene_facts
from hsi.preprocessing.reducers.mnf import MNF
from hsi.report.run_figures import read_run_figures
from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, InputSettings
from hsi.splits.split import TRAIN
from hsi.workflows.inputs import estimate_memory, read_inputs
from tests.conftest import SMALL, Run, Sample
from tests.io.file_makers import edit, envi, npy, tiff
from tests.io.product_makers import neon

HERE = {"crs": "EPSG:32618", "transform": (1, 0, 368_000, 0, -1, 4_307_000)}


@pytest.mark.usefixtures("no_figures")
def test_a_product_with_a_label_raster_becomes_a_map(run: Run, sample: Sample, tmp_path: Path):
    cube = sample.cube - sample.cube.min() + 1
    path = neon(tmp_path, cube / cube.max() * 9000).path
    labels = tiff(tmp_path / "truth.tif", sample.truth, **HERE)
    done = run("classify", path, "--labels", labels, *SMALL, "--epochs", 2, "--train", "20", "--out", "run")
    assert done.code == 0, done.stderr
    bands = json.loads((tmp_path / "run" / "run.json").read_text())["bands"]["kept"]
    assert len(bands) < sample.cube.shape[2]
    assert "bands marked bad in the file" in done.stdout
    assert (tmp_path / "run" / "map.tif").is_file()


@pytest.mark.usefixtures("no_figures")
def test_bands_to_drop_reach_the_run(run: Run, scenes: dict[str, Path], tmp_path: Path):
    mask = tmp_path / "mask.npy"
    np.save(mask, np.pad(np.ones((30, 40), np.uint8), ((0, 6), (0, 0))))
    classes = tmp_path / "classes.csv"
    classes.write_text("id,name\n3,corn\n")
    options = ("--drop-bands", "1-3", "--drop-wavelengths", "2300-2500", "--mask", mask, "--classes", classes)
    done = run("classify", scenes["envi"], *SMALL, "--epochs", 2, *options, "--train", "20", "--out", "run")
    assert done.code == 0, done.stderr
    assert "3 bands named with --drop-bands: 1-3" in done.stdout
    assert "bands within --drop-wavelengths: 23-24" in done.stdout
    assert "240 masked" in done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["bands"]["kept"] == list(range(4, 23))
    assert record["inputs"]["sha256"][str(classes)] == hashlib.sha256(classes.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("settings", "components", "windows"),
    [
        ({}, MNF.usual_components, (USUAL_WINDOW, SECOND_WINDOW)),
        ({"reducer.name": "pca", "model.window": 11}, 24, (11,)),
        ({"reducer.components": 7, "model.second_window": 13}, 7, (13,)),
        ({"reducer.name": "identity"}, 24, (USUAL_WINDOW, SECOND_WINDOW)),
    ],
)
def test_memory_is_estimated_by_the_settings(settings: dict[str, Any], components: int, windows: tuple, sample: Sample):
    cube, reduced, patches = estimate_memory(hsi.open_scene(sample.cube), hsi.load_settings(None, settings)).items()
    assert cube[1] == 36 * 40 * 24 * 8
    assert reduced[1] == 36 * 40 * components * 4 and reduced[0].startswith(f"as {components} components")
    assert patches[1] == reduced[1] * sum(side**2 for side in windows)
    assert all(f"{side} x {side}" in patches[0] for side in windows)


@pytest.mark.parametrize("kind", ["alpha", "dropped", "cloud mask"])
def test_an_alpha_band_that_is_not_declared_is_warned_of(kind: str, sample: Sample, tmp_path: Path):
    cube = (sample.cube[:, :, :4] / sample.cube.max() * 200 + 1).astype("u1")
    cube[:, :, 3] = 255
    cube[:6, :6] = 0
    if kind == "cloud mask":
        cube[:6, :6, 0] = np.arange(36).reshape(6, 6)
    path, labels = tiff(tmp_path / "a.tif", cube, photometric="MINISBLACK", alpha="NO"), sample.truth.copy()
    with report_to(recorder := Recorder()):
        read_inputs(path, labels, InputSettings(drop_bands="4" if kind == "dropped" else None))
    lines = [line for line in recorder.warnings if "alpha band that is not declared: --drop-bands 4" in line]
    assert len(lines) == (kind == "alpha")


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", [0, 1])
def test_the_wrong_byte_order_is_warned_of(dtype: str, order: int, sample: Sample, tmp_path: Path):
    path = envi(tmp_path / "a.hdr", sample.cube.astype(dtype), byte_order=order)
    lines = []
    for wrong in (False, True):
        if wrong:
            edit(path, f"byte order = {order}", f"byte order = {1 - order}")
        with report_to(recorder := Recorder()), suppress(SceneError):
            read_inputs(path, sample.truth, InputSettings())
        lines.append([line for line in recorder.warnings if "check 'byte order' in the header" in line])
    assert [len(one) for one in lines] == [0, 1]


class TestArea:
    """A run on an area of interest is a run on the scene cut to it."""

    @pytest.fixture
    def area(self, sample: Sample, tmp_path: Path) -> Path:
        marked = np.zeros(sample.truth.shape, np.uint8)
        marked[4:34, 6:36] = 1
        marked[4:8, 6:9] = 0
        return npy(tmp_path / "aoi.npy", marked)

    @pytest.mark.slow
    @pytest.mark.usefixtures("no_figures")
    def test_map_model_and_record(self, area: Path, scenes: dict[str, Path], sample: Sample, run: Run, tmp_path: Path):
        done = run("classify", scenes["tiff"], *SMALL, "--epochs", 1, "--aoi", area, "--out", "run")
        assert done.code == 0, done.stderr
        assert "rows 5 to 34 of 36, columns 7 to 36 of 40, 888 pixels" in done.stdout
        cut, truth = sample.cube[4:34, 6:36].copy(), sample.truth[4:34, 6:36].copy()
        cut[:4, :3], truth[:4, :3] = 0, 0
        grid = {"crs": "EPSG:32616", "transform": rasterio.Affine(20, 0, 500_120, 0, -20, 4_479_920)}
        scene, labels = tiff(tmp_path / "cut.tif", cut, **grid), tiff(tmp_path / "cut_gt.tif", truth, **grid)
        assert run("classify", scene, "--labels", labels, *SMALL, "--epochs", 1, "--out", "cut").code == 0
        maps = [tmp_path / name / "map.tif" for name in ("run", "cut")]
        one, other = (rasterio.open(path) for path in maps)
        np.testing.assert_array_equal(one.read(), other.read())
        assert (one.transform, one.crs) == (other.transform, other.crs) and not one.read(1)[:4, :3].any()
        record = json.loads((tmp_path / "run" / "run.json").read_text())
        assert str(area) in record["inputs"]["sha256"] and record["asked"]["scene"]["aoi"] == str(area)
        model = tmp_path / "run" / "model.safetensors"
        for out, options in (("a.tif", ()), ("b.tif", ("--resume",))):
            assert run("predict", model, scenes["tiff"], "--aoi", area, *options, "--out", out).code == 0
            np.testing.assert_array_equal(rasterio.open(tmp_path / out).read(), one.read())

    @pytest.mark.usefixtures("no_figures")
    def test_its_scene_is_drawn_again(self, area: Path, scenes: dict[str, Path], run: Run, tmp_path: Path):
        assert run("classify", scenes["tiff"], "--model", "gml", "--aoi", area, "--out", "run").code == 0
        again = read_run_figures(tmp_path / "run", ["false_colour", "spectra"])
        assert again.picture is not None and again.picture.shape == (30, 30, 3) and again.spectra is not None
        codes = np.where(again.split == TRAIN, codes_of(again.truth, again.table), -1)
        cut = hsi.open_scene(scenes["tiff"], aoi=area).read()
        np.testing.assert_allclose(again.spectra.mean[0], cut[codes == 0].mean(axis=0), rtol=1e-5)

    def test_a_benchmark_scene_is_recognised(self, area: Path, sample: Sample, tmp_path: Path, monkeypatch: Any):
        facts = scene_facts("indian_pines")
        counts = {i: int(n) for i, n in zip(*np.unique(sample.truth, return_counts=True), strict=True) if i}
        size = {"shape": sample.cube.shape, "wavelengths": None, "fwhm": None}
        known = facts.model_copy(
            update={
                **size,
                "classes": tuple(one.model_copy(update={"pixels": counts.get(one.id, 0)}) for one in facts.classes),
            }
        )
        for module in ("hsi.workflows.inputs", "hsi.io.benchmark_scenes"):
            monkeypatch.setattr(f"{module}.scene_facts", lambda _: known)
        monkeypatch.setattr(SceneFacts, "counts", property(lambda _: counts))
        scene, labels = tiff(tmp_path / "a.tif", sample.cube), tiff(tmp_path / "b.tif", sample.truth)
        found = read_inputs(scene, labels, InputSettings(aoi=area))
        assert found.known_as == facts.title
        named = dict(zip(found.labels.table.ids, found.labels.table.names, strict=True))
        names = {one.id: one.name for one in facts.classes}
        assert named == {i: names.get(i, f"class {i}") for i in named} and 3 in named and found.scene.height == 30

    def test_arrays_of_xarray_are_cropped_with_their_coordinates(self, area: Path, sample: Sample):
        xarray = pytest.importorskip("xarray")
        coordinates = {"y": np.arange(36) * -20.0, "x": np.arange(40) * 20.0}
        array = xarray.DataArray(sample.cube, coordinates, ("y", "x", "band"))
        found = hsi.classify(array, sample.truth, model="gml", train=20, aoi=area).to_xarray()
        assert (float(found.y[0]), float(found.x[0]), found.classes.shape) == (-80, 120, (30, 30))

    def test_of_a_scene_in_python(self, area: Path, sample: Sample):
        scene = hsi.open_scene(sample.cube, aoi=area)
        assert scene.shape == (30, 30, 24)
        assert hsi.open_labels(sample.truth, scene).values.shape == (30, 30)
        found = hsi.classify(scene, sample.truth, model="gml", train=20)
        np.testing.assert_array_equal(found.classes == found.nodata, ~scene.area.inside)

    def test_a_denoised_cube_lies_at_its_place(self, area: Path, sample: Sample, tmp_path: Path):
        place = ["UTM", "1", "1", "500000", "4480000", "20", "20", "16", "North", "WGS-84"]
        path = envi(tmp_path / "x.hdr", sample.cube, **{"map info": place})
        done = hsi.denoise(path, tmp_path / "clean.hdr", method="mnf", components=5, aoi=area)
        assert done.scene.georeference.transform == (20, 0, 500_120, 0, -20, 4_479_920)
        assert not done.scene.read()[:4, :3].any()


class TestFill:
    """Values that mean "no data" and are not declared."""

    @pytest.fixture(scope="class")
    def filled(self, sample: Sample) -> np.ndarray:
        cube = (sample.cube / 1e4).astype("f4")
        cube[:6, :6] = -9999
        return cube

    def test_a_fill_value_costs_no_accuracy_and_is_named(self, filled: np.ndarray, sample: Sample):
        usual = {"model": "svm", "settings": {"split.train": "20", "model.window": 5}}
        done = hsi.classify(filled, sample.truth, **usual)
        truth = sample.truth.copy()
        truth[:6, :6] = 0
        without = hsi.classify(np.where(filled == -9999, np.nan, filled), truth, **usual)
        assert done.overall_accuracy == without.overall_accuracy
        np.testing.assert_array_equal(done.classes, without.classes)
        assert any("36 of the value -9999" in text and "--nodata -9999" in text for text in done.warnings)

    def test_a_declared_value_is_not_fill(self, filled: np.ndarray, sample: Sample):
        done = hsi.classify(filled, sample.truth, model="sam", nodata=-9999, window=5)
        assert any("36 nodata" in text for text in done.warnings)
        assert not any("--nodata" in text for text in done.warnings)

    def test_a_declared_value_that_no_pixel_has_is_named(self, sample: Sample):
        done = hsi.classify(sample.cube, sample.truth, model="sam", nodata=-8888, window=5)
        assert any("no pixel has the value -8888 of --nodata" in text for text in done.warnings)

    def test_a_declared_value_replaces_the_files_and_is_as_stored(self, sample: Sample, tmp_path: Path, run: Run):
        cube = sample.cube.copy()
        cube[0], cube[1] = 7, 9
        path = tiff(tmp_path / "scene.tif", cube, nodata=7, **HERE)
        scene = hsi.open_scene(path, nodata=9)
        assert scene.nodata == 9
        done = run("inspect", path, "--nodata", 9)
        assert f"{cube.shape[1]} nodata" in done.stdout
        header = tmp_path / "scene.hdr"
        envi(header, cube, **{"reflectance scale factor": 10000, "data ignore value": 7})
        units = hsi.open_scene(header, nodata=9).read()
        assert np.isnan(units[1]).all() and np.isfinite(units[0]).all()


def test_masked_pixels_of_arrays_are_not_used(sample: Sample):
    clouds, away = np.zeros(sample.truth.shape, bool), np.zeros(sample.truth.shape, bool)
    clouds[:3], away[5:9] = True, True
    cube = np.ma.masked_array(sample.cube, np.broadcast_to(clouds[:, :, None], sample.cube.shape))
    labels = np.ma.masked_array(np.where(away, 77, sample.truth), away)
    inputs = read_inputs(cube, labels, InputSettings())
    assert not inputs.survey.valid[:3].any() and inputs.survey.valid[3:].all()
    assert np.array_equal(inputs.labels.values, np.where(clouds | away, 0, sample.truth))
    plain = read_inputs(np.ma.masked_array(sample.cube), np.ma.masked_array(sample.truth), InputSettings())
    assert plain.scene.dtype == sample.cube.dtype and plain.survey.valid.all()


def test_a_file_of_labels_is_not_its_own_scene(sample: Sample, tmp_path: Path, run: Run):
    path = tiff(tmp_path / "gt.tif", sample.truth.astype(np.uint8), **HERE)
    done = run("classify", path, "--labels", path)
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "given as the scene and as its labels: give the image first" in done.complaints[0]
