"""``hsi predict``: a saved model on the scene that it was trained on, on others, and in bounded memory."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import geopandas
import numpy as np
import pytest
import rasterio

import hsi
from hsi.core import memory
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import make_scene, synthetic_georeference
from hsi.errors import ResumeError
from hsi.inference.model_file import save_model
from hsi.inference.resume import StripCache
from hsi.inference.smoothing import majority
from tests.conftest import ROOT, SMALL, names_in, run_here, started
from tests.io import file_makers
from tests.io.stac.items import write_item
from tests.models.model_makers import random_cube, random_model

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
GRID = {"crs": "EPSG:32616", "transform": rasterio.Affine(*synthetic_georeference().transform)}


def read(path, band=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as raster:
            return raster.read(band)


@pytest.fixture
def predict(run):
    """Map a scene into ``map.tif`` of the test's folder; has to succeed."""

    def work(model, scene, *options, out="map.tif"):
        done = run("predict", model, scene, "--device", "cpu", *options, "--out", out)
        assert done.code == 0, done.stderr
        return done

    return work


@pytest.fixture(scope="module")
def model(tiff_run):
    return tiff_run.out / "model.safetensors"


class TestTheTrainingScene:
    @pytest.mark.parametrize(("kind", "made"), [("tiff", "tiff_run"), ("mat", "mat_run")])
    def test_the_map_is_that_of_classify(self, kind, made, scenes, predict, tmp_path, request):
        out = request.getfixturevalue(made).out
        done = predict(out / "model.safetensors", scenes[kind])
        assert "open        map_report.html in a browser, or map.tif in QGIS" in done.stdout  # paths as given
        for name in ("map.tif", "map.tif.aux.xml", "map.qml"):
            assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
        assert (tmp_path / "map_confidence.tif").read_bytes() == (out / "confidence.tif").read_bytes()
        rasters = {"map.tif", "map.tif.aux.xml", "map.qml", "map_confidence.tif"}
        assert names_in(tmp_path) == {*rasters, "map.json", "map_report.html"}
        assert done.stderr == ""

    def test_what_is_printed_and_recorded(self, model, scenes, predict, tmp_path):
        done = predict(model, scenes["tiff"], "--max-memory", "2GB")
        parts = ("hybridsn-bn, window 11, 4 classes", "36 x 40 pixels", "below 2.00 GB", "map_confidence.tif", "QGIS")
        for part in (*parts, "hectares", "class 200"):
            assert part in done.stdout
        record = json.loads((tmp_path / "map.json").read_text())
        ids = read(tmp_path / "map.tif", 1)
        assert [row["pixels"] for row in record["areas"]] == [np.sum(ids == row["id"]) for row in record["areas"]]
        assert [row["hectares"] for row in record["areas"]] == pytest.approx(
            [0.04 * row["pixels"] for row in record["areas"]]
        )
        assert record["command"][:2] == ["hsi", "predict"] and record["trained_on"]
        assert record["map_precision"] == "float32"
        page = (tmp_path / "map_report.html").read_text()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
        assert page.count(f">{record['date']}</time>") == 2
        assert re.search(r"<dt>CRS</dt><dd>WGS 84 / UTM zone \d+N \(EPSG:\d+\)</dd>", page)


class TestTiles:
    """Several files that are parts of one scene give the map of that scene."""

    def test_one_map_of_two_files(self, model, scenes, sample, predict, run, tmp_path):
        down = GRID["transform"] @ rasterio.Affine.translation(0, 15)
        upper = file_makers.tiff(tmp_path / "upper.tif", sample.cube[:20], **GRID)
        lower = file_makers.tiff(tmp_path / "lower.tif", sample.cube[15:], **{**GRID, "transform": down})
        predict(model, scenes["tiff"], out="full.tif")
        done = run("predict", model, upper, lower, "--device", "cpu", "--out", "map.tif")
        assert done.code == 0, done.stderr
        assert "mosaic      2 tiles, 36 x 40 pixels" in done.stdout
        assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "full.tif").read_bytes()
        assert json.loads((tmp_path / "map.json").read_text())["tiles"] == [str(upper), str(lower)]
        assert np.array_equal(hsi.predict(model, [upper, lower], report=False).classes, read(tmp_path / "map.tif", 1))
        done = run("predict", model, lower, file_makers.tiff(tmp_path / "x.tif", sample.cube), "--out", "no.tif")
        assert done.code == FAILURE and "x.tif: has no place on the ground, by which tiles are joined" in done.stderr
        done = run("predict", model, upper, lower, "--georef", upper, "--out", "no.tif")
        assert done.code == USAGE and "is the place of one file" in done.stderr


class TestOptions:
    def test_layers_and_mask(self, model, scenes, predict, tmp_path):
        mask = np.ones((36, 40), np.uint8)
        mask[:10] = 0
        words = ("--mask", file_makers.tiff(tmp_path / "mask.tif", mask, **GRID))
        done = predict(model, scenes["tiff"], *words, "--reject-rate", "30%", "--probabilities", "--novelty")
        ids, confidence, novelty = (read(tmp_path / f"map{layer}.tif", 1) for layer in ("", "_confidence", "_novelty"))
        assert np.array_equal(ids == 0, mask == 0) and np.array_equal(np.isnan(novelty), mask == 0)
        record = json.loads((tmp_path / "map.json").read_text())
        threshold, rows = record["options"]["reject"], {row["name"]: row for row in record["areas"]}
        assert record["rejection"]["asked"] == "rate:30%" and record["rejection"]["validation"]["rejected"] <= 0.3
        assert f"below {threshold:.3g}" in done.stdout
        assert np.array_equal(ids == 301, confidence < threshold)
        assert rows["unclassified"]["pixels"] == np.sum(ids == 301)
        with rasterio.open(tmp_path / "map_probabilities.tif") as raster:
            assert raster.descriptions == ("class 3", "class 7", "class 200", "class 300")
            best = np.array([3, 7, 200, 300])[raster.read().argmax(axis=0)]
        certain = confidence >= threshold
        assert 0 < certain.sum() < mask.sum() and np.array_equal(best[certain], ids[certain])
        assert "farther from every class than 99.9 %" in done.stdout

    def test_smooth(self, model, scenes, predict, tmp_path):
        predict(model, scenes["tiff"], out="rough.tif")
        predict(model, scenes["tiff"], "--smooth", "majority:3", out="smooth.tif")
        smooth = read(tmp_path / "smooth.tif", 1)
        assert np.array_equal(smooth, majority(read(tmp_path / "rough.tif", 1), 3, ignore=0))
        record = json.loads((tmp_path / "smooth.json").read_text())
        assert record["smooth"] == "majority:3"
        assert [row["pixels"] for row in record["areas"]] == [np.sum(smooth == row["id"]) for row in record["areas"]]

    def test_smallest_area_and_polygons(self, model, scenes, predict, run, tmp_path):
        done = predict(model, scenes["tiff"], "--min-area", "0.5ha", "--vector", "map.gpkg")
        assert "map.gpkg" in done.stdout
        frame = geopandas.read_file(tmp_path / "map.gpkg")
        ids, confidence = read(tmp_path / "map.tif", 1), read(tmp_path / "map_confidence.tif", 1)
        assert frame["pixels"].min() >= 13 and frame["pixels"].sum() == np.sum(ids != 0)
        total = (frame["confidence"] * frame["pixels"]).sum() / frame["pixels"].sum()
        assert total == pytest.approx(np.nanmean(confidence), rel=1e-5)
        record = json.loads((tmp_path / "map.json").read_text())
        assert [row["pixels"] for row in record["areas"]] == [np.sum(ids == row["id"]) for row in record["areas"]]
        assert (record["min_area"], record["vector"]) == ("0.5ha", "map.gpkg")
        again = run("predict", model, scenes["tiff"], "--out", "other.tif", "--vector", "map.gpkg")
        assert again.code == FAILURE and "choose another --vector" in again.stderr

    def test_georef(self, tmp_path, mat_run, scenes, predict):
        predict(mat_run.out / "model.safetensors", scenes["mat"], "--georef", scenes["tiff"])
        with rasterio.open(tmp_path / "map.tif") as raster:
            assert raster.crs.to_epsg() == 32616

    def test_symmetries_are_averaged_as_the_model_says_unless_given(self, model, scenes, predict, tmp_path):
        options = ((), ("--symmetries",), ("--no-symmetries",))
        printed = [predict(model, scenes["tiff"], *more, out=f"{i}.tif").stdout for i, more in enumerate(options)]
        assert ["half turn" in text for text in printed] == [True, True, False]
        maps = [read(tmp_path / f"{i}_confidence.tif") for i in range(3)]
        assert np.array_equal(maps[0], maps[1])
        assert not np.array_equal(maps[0], maps[2])


class TestCloudOptimised:
    def test_every_raster_is_and_keeps_what_it_says(self, tmp_path, predict):
        cube = random_cube(600, 40, 13)
        cube[:20] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = file_makers.tiff(tmp_path / "large.tif", cube, **GRID)
        save_model(tmp_path / "m.safetensors", random_model(scene_from_array(random_cube(20, 20, 13))))
        options = ("--probabilities", "--reject", 0.5, "--no-symmetries")
        predict(tmp_path / "m.safetensors", scene, *options, out="plain.tif")
        predict(tmp_path / "m.safetensors", scene, *options, "--cog", out="cog.tif")
        for name in ("", "_confidence", "_probabilities"):
            cog, plain = (rasterio.open(tmp_path / f"{kind}{name}.tif") for kind in ("cog", "plain"))
            with cog, plain:
                assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert cog.overviews(1) == [2]
                assert np.array_equal(cog.read(), plain.read(), equal_nan=True)
                assert (cog.crs, cog.transform, cog.descriptions) == (plain.crs, plain.transform, plain.descriptions)
                assert cog.nodata == plain.nodata or np.isnan([cog.nodata, plain.nodata]).all()
                assert name or cog.colormap(1) == plain.colormap(1)
        assert (tmp_path / "cog.tif.aux.xml").read_text() == (tmp_path / "plain.tif.aux.xml").read_text()
        assert "unclassified" in (tmp_path / "cog.tif.aux.xml").read_text()
        assert not [name for name in names_in(tmp_path) if "part" in name]


def resampled(cube, have, wanted):
    """Spectra as another sensor would see them."""
    flat = np.array([np.interp(wanted, have, spectrum) for spectrum in cube.reshape(-1, cube.shape[2])])
    return flat.reshape(*cube.shape[:2], -1).astype(cube.dtype)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of one half of a scene; the other half's cube, ground truth and wavelengths."""
    folder = tmp_path_factory.mktemp("sensors")
    cube, labels, nm = make_scene(48, 96, bands=60, classes=4, field=16, labelled_share=0.7)
    scene = file_makers.envi(folder / "left.hdr", cube[:, :48], wavelength=[str(x) for x in nm])
    file_makers.envi(folder / "left_gt.hdr", labels[:, :48, None])
    for reducer, out in (("pca", "m.safetensors"), ("mnf", "mnf.safetensors")):
        epochs = 30 if reducer == "pca" else 1
        options = ("--reducer", reducer, "--epochs", epochs, "--set", "mapping.spectral=none")
        done = run_here("train", scene, *SMALL, *options, "--out", out, cwd=folder)
        assert done.code == 0, done.stderr
    return folder, cube[:, 48:], labels[:, 48:], nm


class TestAnotherSensor:
    def accuracy(self, path, truth):
        return np.mean(read(path, 1)[truth > 0] == truth[truth > 0])

    def test_other_wavelengths_are_refused_and_resampled_when_asked(self, trained, run, tmp_path):
        folder, cube, truth, nm = trained
        other = np.linspace(405, 2495, 83)
        scene = file_makers.envi(
            tmp_path / "right.hdr", resampled(cube, nm, other), wavelength=[str(x / 1000) for x in other],
            **{"wavelength units": "Micrometers"},
        )  # fmt: skip
        done = run("predict", folder / "m.safetensors", scene, "--out", "map.tif")
        (line,) = done.complaints
        for part in ("right.hdr", "bands within 1 nm", "(nearest ", "and", "--resample-bands"):
            assert part in line
        assert names_in(tmp_path) == {"right.hdr", "right.img"}
        done = run("predict", folder / "m.safetensors", scene, "--resample-bands", "--out", "map.tif")
        assert done.code == 0, done.stderr
        assert "60 bands resampled from" in done.stdout and not done.stderr
        fine = run("predict", folder / "mnf.safetensors", scene, "--resample-bands", "--out", "mnf.tif")
        assert fine.code == 0
        assert "mnf components use fine differences" in fine.stderr and "the reducer pca" in fine.stderr
        own = file_makers.envi(tmp_path / "own.hdr", cube, wavelength=[str(x) for x in nm])
        assert run("predict", folder / "m.safetensors", own, "--out", "own.tif").code == 0
        assert self.accuracy(tmp_path / "own.tif", truth) > 0.9
        assert self.accuracy(tmp_path / "map.tif", truth) > self.accuracy(tmp_path / "own.tif", truth) - 0.05

    def test_bands_in_another_order_make_the_same_map(self, trained, predict, tmp_path):
        folder, cube, _, nm = trained
        order = np.random.default_rng(0).permutation(60)
        straight = file_makers.envi(tmp_path / "straight.hdr", cube, wavelength=[str(x) for x in nm])
        mixed = file_makers.envi(tmp_path / "mixed.hdr", cube[:, :, order], wavelength=[str(x) for x in nm[order]])
        predict(folder / "m.safetensors", straight, out="straight.tif")
        predict(folder / "m.safetensors", mixed, out="mixed.tif")
        assert np.array_equal(read(tmp_path / "straight.tif"), read(tmp_path / "mixed.tif"))

    def test_without_wavelengths_the_number_of_bands_counts(self, trained, run, tmp_path):
        folder, cube, _, _ = trained
        same = file_makers.npy(tmp_path / "a.npy", cube)
        assert run("predict", folder / "m.safetensors", same, "--out", "a.tif").code == 0
        short = file_makers.npy(tmp_path / "b.npy", cube[:, :, 1:])
        done = run("predict", folder / "m.safetensors", short, "--out", "b.tif")
        assert done.code == FAILURE
        assert "has 59 bands, the model was trained on a file of 60" in done.complaints[0]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--max-memory", "lots"), "write 512MB or 2GB"),
            (("--max-memory", "10MB"), "need at least"),
            (("--reject", "2"), "between 0 and 1"),
            (("--reject", "0.6"), "is not calibrated, so 0.6 does not say how many pixels are right: give a target"),
            (("--reject", "precision:95%"), "give accuracy:95%"),
            (("--reject-rate", "5"), "give a share such as 5%"),
            (("--reject-rate", "5%", "--reject", "0.6"), "leave one out"),
            (("--smooth", "median:3"), "write majority:3"),
            (("--engine", "warp"), "unknown choice 'warp': known: auto, dense, patch"),
            (("--device", "abacus"), "abacus"),
            (("--drop-bands", "3"), "drop_bands has no effect here"),
            (("--keep-bad-bands",), "keep_bad_bands has no effect here"),
            (("--resample-bands",), "needs wavelengths on both sides"),
        ],
    )
    def test_options_that_make_no_sense(self, options, says, tmp_path, run, model, scenes):
        done = run("predict", model, scenes["tiff"], *options, "--out", "sub/map.tif")
        assert (done.code, len(done.complaints)) == (USAGE, 1), done.stderr
        assert says in done.complaints[0]
        assert names_in(tmp_path) == set()

    def test_a_map_is_replaced_with_all_its_layers_only_when_asked(self, tmp_path, run, predict, model, scenes):
        predict(model, scenes["tiff"], "--probabilities")
        before = (tmp_path / "map.tif").read_bytes()
        done = run("predict", model, scenes["tiff"], "--reject-rate", "50%", "--out", "map.tif")
        assert done.code == FAILURE and "--overwrite" in done.complaints[0]
        assert (tmp_path / "map.tif").read_bytes() == before
        done = predict(model, scenes["tiff"], "--reject-rate", "50%", "--overwrite", "--no-report")
        assert (tmp_path / "map.tif").read_bytes() != before
        assert "map_probabilities" not in done.stdout and "report" not in done.stdout
        assert not {"map_probabilities.tif", "map_report.html"} & names_in(tmp_path)

    @pytest.mark.parametrize(
        ("out", "says"), [("map.tif", "map.json: exists already"), ("map.json/map.tif", "cannot be written")]
    )
    def test_no_other_file_is_overwritten(self, out, says, tmp_path, run, model, scenes):
        (tmp_path / "map.json").write_text("precious")
        done = run("predict", model, scenes["tiff"], "--out", out)
        assert (done.code, len(done.complaints)) == (FAILURE, 1) and says in done.complaints[0]

    @pytest.mark.parametrize("name", ["map", "map.json", "map.png"])
    def test_a_map_is_called_a_geotiff(self, name, run, model, scenes):
        done = run("predict", model, scenes["tiff"], "--out", name)
        assert done.code == USAGE and "ends in .tif" in done.complaints[0]

    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            (lambda content: content[:0], "not a complete safetensors file"),
            (lambda content: content[:100], "not a complete safetensors file"),
            (lambda content: content[:-1], "not a complete safetensors file"),
            (lambda content: content.replace(b"hybridsn-bn", b"hybridsn-xx", 1), ""),
        ],
    )
    def test_a_damaged_model(self, damage, says, tmp_path, run, model, scenes):
        (tmp_path / "bad.safetensors").write_bytes(damage(model.read_bytes()))
        done = run("predict", "bad.safetensors", scenes["tiff"], "--out", "map.tif")
        assert (done.code, len(done.complaints)) == (FAILURE, 1), done.stderr
        assert "bad.safetensors: " in done.complaints[0] and says in done.complaints[0]

    def test_a_missing_model_or_scene(self, run, model, scenes):
        missing = run("predict", "none.safetensors", scenes["tiff"], "--out", "a.tif")
        assert "no such model file" in missing.complaints[0]
        assert "no such file" in run("predict", model, "none.tif", "--out", "a.tif").complaints[0]


def test_a_map_is_not_resumed_without_the_mask_that_it_was_begun_with(tmp_path, monkeypatch):
    cube, place = random_cube(20, 12, 13), {**file_makers.UTM}
    file_makers.tiff(tmp_path / "cube.tif", cube, **place)
    file_makers.tiff(tmp_path / "mask.tif", np.eye(20, 12, dtype=np.uint8)[:, :, None], **place)
    assets = {"cube": {"href": "cube.tif", "roles": ["data"]}, "mask": {"href": "mask.tif", "roles": ["cloud"]}}
    item = write_item(tmp_path / "item.json", assets)
    save_model(tmp_path / "m.safetensors", random_model(scene_from_array(cube)))
    monkeypatch.setattr(memory, "ROWS", (8, 8))
    given, how = (tmp_path / "m.safetensors", item, tmp_path / "map.tif"), {"device": "cpu", "report": False}
    save = StripCache.save

    def interrupt(self, block, layers):
        save(self, block, layers)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StripCache, "save", interrupt)
        hsi.predict(*given, **how)
    (tmp_path / "mask.tif").rename(tmp_path / "away.tif")
    with pytest.raises(ResumeError, match="made with other hiding"):
        hsi.predict(*given, **how, resume=True)
    (tmp_path / "away.tif").rename(tmp_path / "mask.tif")
    assert (hsi.predict(*given, **how, resume=True).classes == 0).sum() == 12


@pytest.mark.slow
def test_an_interrupt_before_anything_is_mapped_leaves_nothing(tmp_path):
    np.lib.format.open_memmap(tmp_path / "scene.npy", "w+", np.float32, (4000, 500, 13))[:] = 1
    save_model(tmp_path / "m.safetensors", random_model(scene_from_array(random_cube(20, 20, 13))))
    words = ("predict", "m.safetensors", "scene.npy", "--device", "cpu", "--out", "sub/map.tif")
    begun = "sub/.map.tif.*.partial/files/.map_confidence*"
    with started(*words, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(begun)) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "interrupted" in err and "Traceback" not in err
    assert names_in(tmp_path) == {"scene.npy", "m.safetensors"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is measured as Linux counts it")
def test_memory_is_limited_whatever_the_height(tmp_path):
    limit, peaks = 600 * 10**6, {}
    save_model(tmp_path / "m.safetensors", random_model(scene_from_array(random_cube(20, 20, 2000)), reducer="pca"))
    for height in (750, 3000):  # scenes of zeros, which are not stored, with a few pixels of data
        np.lib.format.open_memmap(tmp_path / f"{height}.npy", "w+", np.uint16, (height, 52, 2000))[::97, 5] = 7
        words = ("predict", "m.safetensors", f"{height}.npy", "--device", "cpu", "--no-symmetries", "--no-report")
        words = (*words, "--max-memory", f"{limit // 10**6}MB", "--out", f"{height}.tif")
        # a process starts with the peak of the one that it was forked from, so a small one comes in between
        command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "pipelines.cli", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
        peaks[height] = json.loads((tmp_path / f"{height}.json").read_text())["peak_memory_bytes"]
    assert 3000 * 52 * 2000 * 2 > limit > peaks[3000]
    assert peaks[3000] < 1.1 * peaks[750]
