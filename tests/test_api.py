"""``import hsi`` and ``hsi.classify``: the command's flow from Python, with nothing printed."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio

import hsi
from hsi.errors import LabelError, OutputError, SceneError, SceneFileError, UnknownNameError, UsageError
from hsi.inference.model_file import load_model
from tests.conftest import ROOT, names_in

SMALL = {"components": 13, "window": 11, "device": "cpu"}
QUICK = {**SMALL, "epochs": 2}
MAPPING = {"reject_rate": "30%", "probabilities": True, "novelty": True, "smooth": "majority:3", "device": "cpu"}


@pytest.fixture(scope="module")
def result(sample):
    """A run of arrays in memory. Not to be changed."""
    return hsi.classify(sample.cube, sample.truth, **SMALL, epochs=4, probabilities=True)


@pytest.fixture(autouse=True)
def _silent(capfd):
    yield
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


class TestImport:
    def test_it_imports_nothing_heavy(self):
        code = "import sys, hsi; dir(hsi); print(sorted({'numpy', 'torch', 'sklearn', 'pydantic'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("name", hsi.__all__)
    def test_every_name_is_there_and_listed(self, name):
        assert getattr(hsi, name) is not None
        assert name in dir(hsi)

    def test_another_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'clasify'"):
            hsi.clasify  # noqa: B018


class TestSameAsTheCommand:
    def test_a_file_gives_the_files_of_the_command(self, scenes, mat_run, tmp_path, no_figures):
        found = hsi.classify(scenes["mat"], **SMALL, epochs=4, seed=0, out=tmp_path / "run")
        assert found.folder == tmp_path / "run"
        for name in ("map.tif", "confidence.tif", "split.tif", "accuracy.json", "accuracy.tex", "map.qml"):
            assert (tmp_path / "run" / name).read_bytes() == (mat_run.out / name).read_bytes(), name
        here, there = (json.loads((folder / "run.json").read_text()) for folder in (found.folder, mat_run.out))
        assert here["settings"] == there["settings"]
        assert (here["command"], here["inputs"]) == (["hsi.classify"], there["inputs"])

    def test_arrays_give_the_map_of_the_command(self, result, mat_run):
        with rasterio.open(mat_run.out / "map.tif") as raster:
            assert np.array_equal(result.classes, raster.read(1))
        assert result.report == json.loads((mat_run.out / "accuracy.json").read_text())

    @pytest.mark.slow
    def test_saving_leaves_what_the_command_leaves(self, result, mat_run, tmp_path):
        folder = result.save(tmp_path / "run")
        listed = {path.relative_to(mat_run.out) for path in mat_run.out.rglob("*")}
        assert {path.relative_to(folder) for path in folder.rglob("*")} - listed == {
            (folder / "probabilities.tif").relative_to(folder)
        }
        assert (folder / "map.tif").read_bytes() == (mat_run.out / "map.tif").read_bytes()
        assert load_model(folder / "model.safetensors").table == result.table
        with pytest.raises(OutputError, match="finished run"):
            result.save(tmp_path / "run")

    def test_a_run_with_a_folder_can_be_saved_elsewhere(self, scenes, tmp_path, no_figures):
        found = hsi.classify(scenes["mat"], **QUICK, out=tmp_path / "a")
        for _ in range(2):
            found.save(tmp_path / "b", overwrite=True)
        assert names_in(tmp_path / "a") == names_in(tmp_path / "b")

    def test_what_the_command_would_print_is_kept(self, result, mat_run):
        said = dict(result.messages)
        assert said["split"] in mat_run.done.stdout and said["model"] in mat_run.done.stdout

    def test_a_baseline_maps_too(self, sample):
        found = hsi.classify(sample.cube, sample.truth, model="gml", train=20)
        assert found.settings.model.name == "gml" and found.overall_accuracy > 0.8
        with pytest.raises(UsageError, match="gives no probabilities"):
            hsi.classify(sample.cube, sample.truth, model="gml", probabilities=True)


class TestResult:
    def test_arrays_agree(self, result, sample):
        height, width, _ = sample.cube.shape
        assert result.classes.shape == result.confidence.shape == (height, width)
        assert result.probabilities.shape == (height, width, 4)
        assert np.allclose(result.probabilities.sum(axis=2), 1, atol=1e-4)
        assert np.array_equal(np.array(result.table.ids)[result.probabilities.argmax(axis=2)], result.classes)
        assert np.array_equal(result.probabilities.max(axis=2), result.confidence)

    def test_accuracies_are_those_of_the_test_pixels(self, result, sample):
        test = result.split.test
        assert result.overall_accuracy == pytest.approx(np.mean(result.classes[test] == sample.truth[test]))
        assert 0 < result.average_accuracy <= 1 and result.kappa <= 1

    def test_pixels_that_cannot_be_used_hold_nodata(self, sample):
        cube = sample.cube.astype(np.float32)
        cube[3:5, 6] = np.nan
        found = hsi.classify(cube, sample.truth, **QUICK, probabilities=True)
        assert np.array_equal(np.argwhere(found.classes == found.nodata), [[3, 6], [4, 6]])
        assert np.isnan(found.probabilities[3, 6]).all() and np.isnan(found.confidence[4, 6])
        assert any("2 of 1,440 pixels" in warning for warning in found.warnings)
        assert "2 of 1,440 pixels" in found._repr_html_()

    def test_a_notebook_shows_accuracy_and_map_and_no_markup_of_names(self, result):
        shown = result._repr_html_()
        assert f"{100 * result.overall_accuracy:.2f}" in shown
        assert "data:image/png;base64," in shown
        assert all(name in shown for name in result.table.names)
        table = result.table.renamed({3: "<script>alert(1)</script>"})
        labels = hsi.LabelMap(result.labels.values, table)
        assert "<script>" not in labels._repr_html_() and "&lt;script&gt;" in labels._repr_html_()

    def test_a_scene_shows_its_facts_and_no_markup(self, scenes):
        assert "36 x 40 pixels, 24 bands" in hsi.open_scene(scenes["envi"])._repr_html_()
        assert "450 to 2400 nm" in hsi.open_scene(scenes["envi"])._repr_html_()
        shown = hsi.Scene("<b>", None, 1, 1, (0,), np.dtype("u1"), lambda block: np.ones((1, 1, 1)))._repr_html_()
        assert "<b>" not in shown and "&lt;b&gt;" in shown

    def test_printing_one_takes_a_line(self, result):
        accuracy = f"OA {100 * result.overall_accuracy:.2f} %"
        assert repr(result).startswith("<Classification of ") and accuracy in repr(result)
        assert "36 x 40 pixels, 24 bands" in repr(result.scene)
        assert f"{np.count_nonzero(result.labels.labelled):,} labelled in 4 classes" in repr(result.labels)
        assert f"{np.count_nonzero(result.split.test):,} test pixels" in repr(result.split)
        assert all("\n" not in repr(told) for told in (result, result.scene, result.labels, result.split))


class TestProgress:
    def test_a_function_is_called_with_every_stage(self, sample):
        calls = []
        hsi.classify(sample.cube, sample.truth, **QUICK, progress=lambda *call: calls.append(call))
        last = {stage: (done, total) for stage, done, total, _ in calls}
        assert last["train"] == (2, 2) and last["map"] == (36, 36)
        assert all(done <= total for _, done, total, _ in calls)
        assert any("loss" in note for *_, note in calls)

    def test_true_draws_bars_on_stderr(self, sample, capfd):
        hsi.classify(sample.cube, sample.truth, **QUICK, progress=True)
        out, err = capfd.readouterr()
        assert out == "" and "train" in err


class TestSettings:
    def test_keywords_and_settings_win_over_a_file(self, sample, tmp_path):
        (tmp_path / "c.yaml").write_text("seed: 3\ntraining: {lr: 0.001}\nsplit: {train: 5}\n")
        more = {"training.lr": 0.002, "mapping.symmetries": False}
        found = hsi.classify(
            sample.cube, sample.truth, **QUICK, train="20%", config=tmp_path / "c.yaml", settings=more
        ).settings
        assert (found.seed, found.training.lr, found.split.train) == (3, 0.002, "20%")
        assert found.mapping.symmetries is False

    @pytest.mark.parametrize(
        ("options", "error", "says"),
        [
            ({"model": "hybridsm"}, UnknownNameError, "did you mean hybridsn"),
            ({"window": 12}, UsageError, "must be odd"),
            ({"settings": {"training.rate": 1}}, UsageError, "unknown setting"),
            ({"settings": {"model.name": "svm"}, "model": "rf"}, UsageError, "given by its own name"),
            ({"variable": "cube"}, UsageError, "names a cube in a file"),
            ({"label_field": "crop"}, UsageError, "labels in files"),
            ({"labels": np.ones((3, 3), int)}, LabelError, r"\(3, 3\)"),
            ({"labels": None}, LabelError, "no labels found"),
            ({"labels": "none.tif"}, SceneFileError, "none.tif"),
            ({"scene": np.ones((5, 5))}, SceneError, "3 axes"),
        ],
    )
    def test_what_cannot_be_is_an_error_in_one_line(self, options, error, says, sample, monkeypatch):
        monkeypatch.setattr("hsi.training.trainer.Trainer.fit", lambda *_: pytest.fail("trained"))
        with pytest.raises(error, match=says) as caught:
            hsi.classify(**{"scene": sample.cube, "labels": sample.truth, **options})
        assert isinstance(caught.value, hsi.HsiError) and "\n" not in str(caught.value)

    def test_a_keyword_that_is_not_known_is_a_type_error(self, sample):
        with pytest.raises(TypeError, match="'windows'"):
            hsi.classify(sample.cube, sample.truth, windows=3)

    def test_a_taken_folder_is_refused_before_any_work(self, sample, tmp_path):
        (tmp_path / "mine.txt").write_text("")
        with pytest.raises(OutputError, match="left alone"):
            hsi.classify("no such scene", out=tmp_path)

    def test_reading_options_are_those_of_the_command(self, scenes):
        found = hsi.classify(scenes["envi"], **QUICK, drop_wavelengths="450-500", drop_bands="24")
        assert found.scene.shape[2] == 22


class TestPredict:
    def test_files_are_those_of_the_command_and_arrays_those_of_the_files(
        self, tiff_run, scenes, sample, run, tmp_path
    ):
        model = tiff_run.out / "model.safetensors"  # has validation pixels
        words = ("--reject-rate", "30%", "--probabilities", "--novelty", "--smooth", "majority:3", "--device", "cpu")
        assert run("predict", model, scenes["mat"], *words, "--out", tmp_path / "map.tif").code == 0
        written = hsi.predict(model, scenes["mat"], tmp_path / "here" / "map.tif", **MAPPING)
        names = names_in(tmp_path) - {"here"}
        assert names == names_in(tmp_path / "here")
        assert {path.name for path in written.files.values()} == names - {"map.tif.aux.xml", "map.qml"}
        for name in names - {"map.json", "map_report.html"}:  # hold times
            assert (tmp_path / "here" / name).read_bytes() == (tmp_path / name).read_bytes(), name
        assert json.loads(written.files["record"].read_text()) == written.record
        assert written.record["command"] == ["hsi.predict"]
        in_memory = hsi.predict(str(model), sample.cube, **MAPPING)
        assert (in_memory.files, in_memory.summary, in_memory.nodata) == ({}, written.summary, written.nodata)
        for layer in ("classes", "confidence", "probabilities", "novelty"):
            one, other = getattr(written, layer), getattr(in_memory, layer)
            assert (one.dtype, one.shape[:2]) == (other.dtype, sample.truth.shape)
            assert np.array_equal(one, other, equal_nan=layer != "classes"), layer

    def test_a_threshold_that_was_chosen_with_another_average_is_warned_of(self, tiff_run, sample):
        model, given = tiff_run.out / "model.safetensors", {"reject_rate": "30%", "device": "cpu"}
        for settings, warned in (({}, False), ({"symmetries": False}, True)):
            warnings = hsi.predict(model, sample.cube, **given, **settings).warnings
            assert any("other choice of symmetries, so reject may" in text for text in warnings) == warned

    def test_an_array_is_mapped_into_a_file_and_a_void_one_with_a_warning(self, mat_run, sample, tmp_path):
        stages = []
        void = hsi.predict(
            mat_run.out / "model.safetensors", np.zeros_like(sample.cube), tmp_path / "map.tif", device="cpu",
            symmetries=False, report=False, progress=lambda *given: stages.append(given[0]),
        )  # fmt: skip
        assert "map" in stages and void.files.keys() == {"map", "confidence", "record"}
        assert (void.classes == void.nodata).all() and void.summary.without_data == void.classes.size
        assert any("nothing is on the map" in text for text in void.warnings)
        with pytest.raises(UsageError, match="made without novelty"):
            void.novelty  # noqa: B018

    @pytest.mark.parametrize(
        ("options", "error", "says"),
        [
            ({"workers": 2}, UsageError, "workers map into a file"),
            ({"out": "map.png"}, UsageError, "ends in .tif"),
            ({"reject": 2}, UsageError, "between 0 and 1"),
            ({"mask": "none.tif"}, SceneFileError, "none.tif"),
        ],
    )
    def test_what_cannot_be_is_an_error(self, options, error, says, mat_run, sample):
        with pytest.raises(error, match=says):
            hsi.predict(mat_run.out / "model.safetensors", sample.cube, **options)


class TestOpening:
    def test_wavelengths_can_be_given(self, sample):
        scene = hsi.open_scene(sample.cube, wavelengths=range(400, 424))
        assert scene.wavelengths[-1] == 423
        with pytest.raises(UsageError, match="3 wavelengths are given for 24 bands"):
            hsi.open_scene(sample.cube, wavelengths=[1, 2, 3])

    def test_labels_open_from_a_path_an_array_or_beside_the_scene(self, scenes, sample):
        scene = hsi.open_scene(scenes["tiff"])
        given = hsi.open_labels(scenes["tiff"].with_name("scene_gt.tif"), scene)
        for labels in (None, sample.truth, given):
            assert np.array_equal(hsi.open_labels(labels, scene).values, sample.truth)
        with pytest.raises(UsageError, match="leave it out"):
            hsi.open_labels(given, scene, background=5)

    def test_a_place_can_be_lent(self, scenes, sample):
        scene = hsi.open_scene(sample.cube, georef=scenes["tiff"])
        assert scene.georeference == hsi.open_scene(scenes["tiff"]).georeference
