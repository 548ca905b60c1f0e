"""``hsi denoise``, and ``--denoise`` of the commands that train: what is written, printed and refused."""

import json

import numpy as np
import pytest
import rasterio

import hsi
from hsi.core.georeference import same_crs
from hsi.inference.model_file import load_model
from hsi.io import open_scene
from hsi.workflows import outputs
from tests.conftest import CENTRES, QUICK, names_in, run_here
from tests.io import file_makers

METHODS = {"dncnn": ("--stack", 3, "--steps", 3), "mnf": (), "tv": ()}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, sample):
    """The sample with a bad band, a constant one, a pixel without data, wavelengths and a place."""
    cube = sample.cube.copy()
    cube[:, :, 5] = 9
    cube[3, 4] = 0
    path = tmp_path_factory.mktemp("scene") / "scene.hdr"
    place = ["UTM", "1", "1", "500000", "4480000", "20", "20", "16", "North", "WGS-84"]
    good = ["1"] * 24
    good[7] = "0"
    fields = {"wavelength": list(map(str, CENTRES)), "wavelength units": "Nanometers", "map info": place, "bbl": good}
    return file_makers.envi(path, cube, "bil", **fields)


@pytest.mark.parametrize("method", METHODS)
def test_a_cube_a_record_and_a_report(method, scene, run, tmp_path):
    done = run("denoise", scene, "--method", method, *METHODS[method], "--out", "clean.hdr")
    assert done.code == 0, done.stderr
    assert names_in(tmp_path) == {f"clean.{kind}" for kind in ("hdr", "img", "json", "html")}
    before, after = open_scene(scene), open_scene(tmp_path / "clean.hdr")
    assert (after.wavelengths, after.good, after.dtype) == (before.wavelengths, before.good, before.dtype)
    assert after.georeference.transform == before.georeference.transform and after.format == "ENVI BIL"
    assert same_crs(after.georeference.crs, before.georeference.crs)
    one, other = before.read(), after.read()
    assert np.array_equal(one[:, :, [5, 7]], other[:, :, [5, 7]]) and np.array_equal(one[3, 4], other[3, 4])
    changed = (one != other).any(axis=(0, 1))
    assert changed.sum() == 22 or method == "dncnn"
    record = json.loads((tmp_path / "clean.json").read_text())
    assert f">{record['date']}</time>" in (tmp_path / "clean.html").read_text()
    assert len(record["denoising"]["measured"]) == 3 and record["denoising"]["bands"][4:6] == [5, 7]
    page = (tmp_path / "clean.html").read_text()
    assert "data:image/png;base64," in page and "<script src" not in page
    assert all(f"{measure} {which}" in page for measure in ("PSNR", "SSIM", "Angle") for which in ("noisy", "cleaned"))
    assert done.stdout.splitlines()[-1].startswith("open") and "PSNR" in done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_python_writes_the_same_bytes_whatever_the_memory(method, scene, run, tmp_path):
    words = METHODS[method]
    assert run("denoise", scene, "--method", method, *words, "--out", "clean.hdr", "--max-memory", "8GB").code == 0
    options = {
        "method": method,
        **{word.removeprefix("--"): n for word, n in zip(words[::2], words[1::2], strict=True)},
    }
    written = hsi.denoise(scene, tmp_path / "python" / "clean.hdr", **options)
    assert [path.name for path in written.files] == [f"clean.{kind}" for kind in ("hdr", "img", "json", "html")]
    for path in written.files[:2]:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    assert json.loads(written.files[2].read_text()) == written.record
    assert written.record["command"] == ["hsi.denoise"] and "1 of 1,440 pixels" in written.warnings[0]
    in_memory = hsi.denoise(scene, **options)
    assert (in_memory.files, in_memory.scene.source, in_memory.scene.wavelengths) == (
        (),
        None,
        written.scene.wavelengths,
    )
    cube = in_memory.scene.read()
    assert cube.dtype == np.uint16 and np.array_equal(cube, written.scene.read())


def test_only_chosen_bands_change(sample):
    found = hsi.denoise(sample.cube, method="tv", bands="2-3,10").scene.read()
    assert np.flatnonzero((sample.cube != found).any(axis=(0, 1))).tolist() == [1, 2, 9]
    record = hsi.denoise(hsi.open_scene(sample.cube), method="mnf", bands="noisiest:2").record
    assert len(record["denoising"]["bands"]) == 2 and record["scene"] == "scene" and record["sha256"] == {}


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--method", "dncn"), "did you mean dncnn"),
            (("--method", "tv", "--steps", 3), "steps has no effect on tv"),
            (("--method", "mnf", "--device", "cpu"), "device has no effect on mnf"),
            (("--method", "dncnn", "--stack", 4), "must be odd"),
            (("--method", "mnf", "--components", 23), "22 usable bands"),
            (("--method", "mnf", "--bands", "some"), "names no bands"),
            (("--method", "mnf", "--bands", "8"), "no usable band"),
            (("--method", "mnf", "--max-memory", "1MB"), "needs at least"),
            (("--method", "mnf", "--out", "clean.mat"), "ends in .hdr or .tif"),
            ((), "--method"),
        ],
    )
    def test_options_that_make_no_sense(self, options, says, scene, run, tmp_path):
        done = run("denoise", scene, "--out", "clean.hdr", *options)
        assert done.code == 2 and len(done.complaints) == 1 and says in done.stderr
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["text.hdr", "missing.hdr"])
    def test_a_file_that_is_no_scene(self, name, run, tmp_path):
        (tmp_path / "text.hdr").write_text("nothing")
        done = run("denoise", name, "--method", "mnf", "--out", "clean.hdr")
        assert done.code == 1 and len(done.complaints) == 1 and name in done.stderr

    @pytest.mark.parametrize("name", ["clean.hdr", "clean.img", "clean.json", "clean.html"])
    def test_no_file_is_overwritten_unless_asked(self, name, scene, run, tmp_path):
        (tmp_path / name).write_text("mine")
        done = run("denoise", scene, "--method", "mnf", "--out", "clean.hdr")
        assert done.code == 1 and name in done.stderr and (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
        for code, *option in ((0,), (1,), (0, "--overwrite")):
            assert run("denoise", scene, "--method", "mnf", "--out", "clean.hdr", *option).code == code
        (tmp_path / name).write_text("mine")
        done = run("denoise", scene, "--method", "mnf", "--out", "clean.hdr", "--overwrite")
        assert done.code == 1 and f"{name}: has changed since hsi wrote it" in done.stderr
        assert (tmp_path / name).read_text() == "mine"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, scenes):
    """A run that denoises first, of each method, and its model."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "write_figures", lambda folder, run, **how: [])
        for method, options in {**METHODS, "mnf": ("--components", 16)}.items():
            out = tmp_path_factory.mktemp(method) / "run"
            pairs = zip(options[::2], options[1::2], strict=True)
            more = [word for name, value in pairs for word in ("--set", f"denoising.{name.removeprefix('--')}={value}")]
            command = ("classify", scenes["tiff"], *QUICK, "--denoise", method, *more, "--no-symmetries", "--out", out)
            made[method] = (out, run_here(*command, cwd=out.parent))
    return made


@pytest.mark.parametrize("method", METHODS)
class TestClassify:
    def test_it_is_recorded_and_reported(self, method, labelled):
        out, done = labelled[method]
        assert done.code == 0, done.stderr
        record = json.loads((out / "run.json").read_text())
        assert record["settings"]["denoising"]["method"] == method and record["seconds"]["denoise"] >= 0
        assert record["denoising"]["measured"] and len(record["denoising"]["bands"]) == 24
        assert "Noise, before and after" in (out / "report.html").read_text()
        assert load_model(out / "model.safetensors").denoiser.name == method

    def test_predict_does_the_same(self, method, labelled, scenes, run, tmp_path):
        out, _ = labelled[method]
        done = run("predict", out / "model.safetensors", scenes["tiff"], "--out", "map.tif")
        assert done.code == 0, done.stderr
        maps = [rasterio.open(path).read() for path in (out / "map.tif", tmp_path / "map.tif")]
        assert np.array_equal(*maps)
        confidence = [rasterio.open(p).read() for p in (out / "confidence.tif", tmp_path / "map_confidence.tif")]
        assert np.allclose(*confidence, atol=1e-5)


def test_train_keeps_the_denoiser_and_what_cannot_use_it_is_refused(sample, scenes, run, tmp_path):
    command = ("train", scenes["envi"], *QUICK, "--reducer", "pca", "--denoise", "mnf", "--out", "m.safetensors")
    done = run(*command, "--set", "denoising.components=9")
    assert done.code == 2 and "denoising.components 13 or more" in done.stderr
    done = run(*command, "--set", "denoising.components=13")
    assert done.code == 0, done.stderr
    assert load_model(tmp_path / "m.safetensors").denoiser.name == "mnf"
    done = run("export", "m.safetensors", "--format", "torchscript", "--out", "m.pt")
    assert done.code == 2 and "without --denoise" in done.stderr
    other = file_makers.envi(tmp_path / "other.hdr", sample.cube, wavelength=list(map(str, CENTRES + 20)))
    done = run("predict", "m.safetensors", other, "--resample-bands", "--out", "map.tif")
    assert done.code == 2 and "cannot be resampled from others" in done.stderr
    mask = file_makers.tiff(tmp_path / "mask.tif", np.ones((36, 40, 1), np.uint8))
    done = run("predict", "m.safetensors", scenes["envi"], "--mask", mask, "--workers", 2, "--out", "map.tif")
    assert done.code == 2 and "leave one of the two out" in done.stderr


def test_mnf_twice_is_warned_of(labelled):
    assert "changes next to nothing" in labelled["mnf"][1].stderr
    assert not labelled["tv"][1].stderr


def test_a_baseline_sees_the_denoised_scene(no_figures, scenes, run, tmp_path):
    for name, more in (("plain", ()), ("clean", ("--denoise", "mnf", "--set", "denoising.components=3"))):
        done = run("classify", scenes["tiff"], "--model", "knn", *more, "--out", name)
        assert done.code == 0, done.stderr
    maps = [rasterio.open(tmp_path / name / "map.tif").read() for name in ("plain", "clean")]
    assert not np.array_equal(*maps)


def test_from_python(sample, tmp_path, no_figures):
    settings = {"denoising.method": "tv", "denoising.bands": "1-3", "mapping.symmetries": False}
    how = {"window": 11, "components": 13, "epochs": 1, "device": "cpu", "settings": settings}
    found = hsi.classify(sample.cube, sample.truth, **how)
    assert found.save(tmp_path / "run") and "total variation" in dict(found.messages)["denoised"]
    model = hsi.HybridSNClassifier(**how, random_state=0).fit(sample.cube, sample.truth)
    again = hsi.HybridSNClassifier.load(model.save(tmp_path / "m.safetensors"), device="cpu")
    assert again.settings["denoising.bands"] == "1-3"
    assert np.array_equal(model.predict(sample.cube), again.predict(sample.cube))


def test_a_setting_without_its_method_is_refused(scenes, run):
    done = run("classify", scenes["tiff"], "--set", "denoising.steps=5")
    assert done.code == 2 and "without a method" in done.stderr
    done = run("classify", scenes["tiff"], "--denoise", "tv", "--set", "denoising.stack=5")
    assert done.code == 2 and "stack has no effect on tv" in done.stderr
