"""``hsi classify`` from a file to a complete run."""

import contextlib
import csv
import hashlib
import json
import re
import warnings
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import scipy.io
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from hsi.core.files import MANIFEST
from hsi.core.synthetic import make_scene, synthetic_georeference
from hsi.inference.model_file import load_model
from hsi.models import MODELS
from hsi.report.figures import RUN_FIGURES
from hsi.version import __version__
from tests.conftest import ALONE, IDS, QUICK, SMALL, TIFF_OPTIONS, run_here, run_in_subprocess
from tests.io import file_makers

PROMISED = {
    *("map.tif", "map.tif.aux.xml", "map.qml", "confidence.tif", "split.tif"),
    *("accuracy.json", "accuracy.csv", "accuracy.md", "accuracy.tex", "model.safetensors", "run.json"),
    "report.html",
    *("ground_truth.tif", "ground_truth.tif.aux.xml", "ground_truth.qml"),
    *(f"figures/{name}.png" for name in RUN_FIGURES),
}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed


@contextlib.contextmanager
def opened(path):
    """A raster, without a word on whether it has a place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as raster:
            yield raster


def band(path):
    with opened(path) as raster:
        return raster.read(1)


def content(path):
    return json.loads(path.read_text())


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}


def with_class_names(folder, sample, names):
    """The sample as ENVI files whose classes 1 to 4 have these names."""
    cube = file_makers.envi(folder / "cube.hdr", sample.cube)
    truth = np.searchsorted(IDS, sample.truth).astype(np.uint8)[:, :, None]
    classes = {"file type": "ENVI Classification", "classes": 5, "class names": ["none", *names]}
    file_makers.envi(folder / "cube_gt.hdr", truth, **classes)
    return cube


@pytest.fixture
def quick(run, no_figures):
    """A short run into ``run`` of the test's folder that has to succeed."""

    def classify(scene, *options, out="run"):
        done = run("classify", scene, *QUICK, *options, "--out", out)
        assert done.code == 0, done.stderr
        return done

    return classify


class TestWhatARunLeaves:
    def test_exactly_the_promised_files(self, mat_run):
        assert mat_run.done.code == 0, mat_run.done.stderr
        assert files_in(mat_run.out) == PROMISED
        assert [path.name for path in mat_run.out.parent.iterdir()] == [mat_run.out.name]  # no temporary folder

    def test_every_path_written_is_told(self, mat_run):
        told = mat_run.done.stdout
        assert all(f"runs/scene/hybridsn-bn-seed0/{name}\n" in told for name in PROMISED)

    def test_the_map_has_the_ids_of_the_ground_truth_and_no_gap(self, mat_run, sample):
        ids = band(mat_run.out / "map.tif")
        assert ids.dtype == np.uint16
        assert ids.shape == sample.truth.shape
        assert set(np.unique(ids)) <= set(IDS[1:])  # borders and background are classified too

    def test_ids_below_255_make_a_uint8_map(self, tmp_path, sample, quick):
        file = tmp_path / "low.mat"
        scipy.io.savemat(file, {"cube": sample.cube, "gt": np.searchsorted(IDS, sample.truth).astype(np.uint8)})
        quick(file)
        assert band(tmp_path / "run" / "map.tif").dtype == np.uint8

    def test_palette_and_names_are_those_of_the_class_table(self, mat_run):
        table = load_model(mat_run.out / "model.safetensors").table
        assert table.ids == (3, 7, 200, 300)
        assert table.names == ("class 3", "class 7", "class 200", "class 300")
        with opened(mat_run.out / "map.tif") as raster:
            palette = raster.colormap(1)
            assert raster.nodata == 0
        assert [palette[i] for i in table.ids] == [(*colour, 255) for colour in table.colours]
        names = [e.text or "" for e in ElementTree.parse(mat_run.out / "map.tif.aux.xml").iter("Category")]
        assert [names[i] for i in table.ids] == list(table.names)
        style = ElementTree.parse(mat_run.out / "map.qml").iter("paletteEntry")
        assert [(int(e.get("value")), e.get("label")) for e in style] == list(zip(table.ids, table.names, strict=True))

    def test_no_place_is_invented(self, mat_run):
        for name in ("map.tif", "confidence.tif", "split.tif"):
            with opened(mat_run.out / name) as raster:
                assert raster.crs is None
                assert raster.transform.is_identity

    def test_a_geotiff_gives_its_place_to_every_raster(self, tiff_run):
        assert tiff_run.done.code == 0, tiff_run.done.stderr
        place = synthetic_georeference()
        for name in ("map.tif", "confidence.tif", "split.tif"):
            with rasterio.open(tiff_run.out / name) as raster:
                assert raster.crs.to_epsg() == 32616
                assert tuple(raster.transform)[:6] == place.transform

    def test_georef_gives_its_place_to_a_scene_without_one(self, scenes, quick, tmp_path):
        quick(scenes["mat"], "--georef", scenes["tiff"])
        with rasterio.open(tmp_path / "run" / "map.tif") as raster:
            assert raster.crs.to_epsg() == 32616
            assert tuple(raster.transform)[:6] == synthetic_georeference().transform

    @pytest.mark.parametrize("kind", ["mat_run", "tiff_run"])
    def test_confidence_is_a_probability(self, kind, request):
        confidence = band(request.getfixturevalue(kind).out / "confidence.tif")
        assert confidence.dtype == np.float32
        assert np.all((confidence >= 1 / 4) & (confidence <= 1))  # the largest of four

    @pytest.mark.parametrize("kind", ["mat_run", "tiff_run"])
    def test_the_split_agrees_with_the_counts_of_the_report(self, kind, request, sample):
        out = request.getfixturevalue(kind).out
        split, report = band(out / "split.tif"), content(out / "accuracy.json")
        assert np.array_equal(split != 0, sample.truth != 0)
        for row in report["classes"]:
            here = split[sample.truth == row["id"]]
            assert (row["train"], row["test"]) == (np.sum(here == 1), np.sum(here == 3))

    def test_a_share_trains_a_tenth_of_each_class_and_a_number_that_many(self, mat_run, tiff_run, sample):
        for row in content(mat_run.out / "accuracy.json")["classes"]:
            assert row["train"] == np.floor(np.sum(sample.truth == row["id"]) / 10 + 0.5)
        assert [row["train"] for row in content(tiff_run.out / "accuracy.json")["classes"]] == [20] * 4

    @pytest.mark.parametrize("kind", ["mat_run", "tiff_run"])
    def test_the_report_is_the_accuracy_of_the_map_on_test_pixels(self, kind, request, sample):
        out = request.getfixturevalue(kind).out
        report = content(out / "accuracy.json")
        tested = band(out / "split.tif") == 3
        truth, found = sample.truth[tested], band(out / "map.tif")[tested]
        matrix = confusion_matrix(truth, found, labels=IDS[1:])
        assert report["confusion_matrix"] == matrix.tolist()  # rows are the truth
        assert report["overall_accuracy"] == pytest.approx(np.mean(truth == found))
        assert report["average_accuracy"] == pytest.approx(np.mean(np.diag(matrix) / matrix.sum(1)))
        assert report["kappa"] == pytest.approx(cohen_kappa_score(truth, found))
        assert [row["test"] for row in report["classes"]] == matrix.sum(1).tolist()

    @pytest.mark.parametrize("kind", ["mat_run", "tiff_run"])
    def test_calibration_is_that_of_the_test_pixels(self, kind, request, sample):
        out = request.getfixturevalue(kind).out
        found, told = content(out / "accuracy.json")["calibration"], request.getfixturevalue(kind).done.stdout
        tested = band(out / "split.tif") == 3
        confidence = band(out / "confidence.tif")[tested].astype(float)
        right = (band(out / "map.tif") == sample.truth)[tested]
        places = np.ceil(confidence * 15)
        gaps = [abs((confidence - right)[places == place].sum()) for place in np.unique(places)]
        assert found["error"] == pytest.approx(sum(gaps) / tested.sum())
        assert (found["pixels"], found["confidence"]) == (tested.sum(), pytest.approx(confidence.mean()))
        assert f"expected calibration error {found['error'] * 100:.2f} %" in told

    def test_the_tables_hold_the_same_numbers(self, mat_run):
        report = content(mat_run.out / "accuracy.json")
        rows = {row["row"]: row for row in csv.DictReader((mat_run.out / "accuracy.csv").open())}
        assert float(rows["overall_accuracy"]["value"]) == report["overall_accuracy"]
        percent = f"{report['overall_accuracy'] * 100:.2f}"
        assert percent in (mat_run.out / "accuracy.md").read_text()
        assert percent in (mat_run.out / "accuracy.tex").read_text()
        assert f"OA {percent}%" in mat_run.done.stdout

    def test_the_record_says_what_was_run_on_what(self, mat_run, scenes):
        record = content(mat_run.out / "run.json")
        assert record["command"] == ["hsi", "classify", str(scenes["mat"]), *SMALL, "--epochs", "4"]
        model = {"name": "hybridsn-bn", "window": 11, "second_window": 0, "width": None, "resolution": None}
        assert record["settings"]["model"] == model
        assert record["settings"]["reducer"]["components"] == 13
        assert record["recipe"]["epochs"] == len(record["history"]) == 4
        assert (record["seed"], record["device"]) == (0, "cpu")
        assert {"hsi", "torch", "python", "numpy"} <= set(record["versions"])
        assert abs(datetime.fromisoformat(record["date"]) - datetime.now(UTC)) < timedelta(hours=1)
        assert f">{record['date']}</time>" in (mat_run.out / "report.html").read_text()
        digest = hashlib.sha256(scenes["mat"].read_bytes()).hexdigest()
        assert record["inputs"]["sha256"] == {str(scenes["mat"]): digest}
        assert (record["inputs"]["variable"], record["inputs"]["label_variable"]) == ("cube", "cube_gt")
        assert list(record["seconds"])[-7:] == ["reduce", "train", "calibrate", "map", "assess", "write", "report"]

    def test_the_version_recorded_is_the_version_of_the_code(self, mat_run):
        assert content(mat_run.out / "run.json")["versions"]["hsi"] == __version__

    def test_the_data_of_an_envi_scene_is_hashed_with_its_header(self, scenes, quick, tmp_path):
        quick(scenes["envi"])
        hashed = content(tmp_path / "run" / "run.json")["inputs"]["sha256"]
        expected = [
            scenes["envi"].with_name(name) for name in ("scene.hdr", "scene.img", "scene_gt.hdr", "scene_gt.img")
        ]
        assert hashed == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in expected}

    def test_the_model_maps_the_scene_again(self, mat_run, sample):
        import torch

        from hsi.core.scene import scene_from_array
        from hsi.inference.scores import padded_scores
        from hsi.models.windows import pad_scene
        from hsi.preprocessing.reducers import reduce_scene
        from tests.inference.reference import blend

        bundle = load_model(mat_run.out / "model.safetensors")
        valid = np.ones(sample.truth.shape, bool)
        components = reduce_scene(scene_from_array(sample.cube), bundle.reducer, valid)
        padded = pad_scene(torch.from_numpy(components), bundle.model.window)
        ((_, scores),) = padded_scores(bundle.model, padded, device=torch.device("cpu"), symmetries=True)
        probabilities = scores.softmax(0).numpy()
        assert bundle.settings.mapping.blend is not None
        codes = (blend(probabilities, components) if bundle.settings.mapping.blend else probabilities).argmax(axis=0)
        assert np.array_equal(np.asarray(bundle.table.ids)[codes], band(mat_run.out / "map.tif"))


class TestASecondNetwork:
    def test_maps_are_of_both_and_the_audit_is_of_the_larger_window(self, scenes, quick, run, tmp_path):
        done = quick(scenes["mat"], "--set", "model.second_window=17")
        assert "windows 11 and 17" in done.stdout
        assert content(tmp_path / "run" / "accuracy.json")["audit"]["window"] == 17
        assert content(tmp_path / "run" / "run.json")["settings"]["model"]["second_window"] == 17
        assert "second window" in (tmp_path / "run" / "report.html").read_text()
        assert [network.window for network in load_model(tmp_path / "run" / "model.safetensors").model.members] == [
            11,
            17,
        ]
        done = run("predict", "run/model.safetensors", scenes["mat"], "--out", "again.tif")
        assert done.code == 0, done.stderr
        assert "windows 11 and 17" in done.stdout
        assert np.array_equal(band(tmp_path / "again.tif"), band(tmp_path / "run" / "map.tif"))

    @pytest.mark.parametrize(
        ("split", "told"), [(("--train", "20%"), "15 and 25 in a second network"), (("--split", "blocks"), "11")]
    )
    def test_it_comes_where_surroundings_help_and_no_window_is_given(self, split, told, run, no_figures, tmp_path):
        cube, labels, _ = make_scene(60, 60, bands=20, classes=3, field=15, noise=1.0, seed=1)
        np.savez(tmp_path / "scene.npz", cube=cube, gt=labels)
        options = ("--device", "cpu", "--components", 13, "--epochs", 1, "--no-symmetries", "--out", "run")
        done = run("classify", "scene.npz", *split, *options, "--set", "mapping.spectral=none")
        assert done.code == 0, done.stderr
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("window "))
        assert line.removeprefix("window").strip().startswith(told)

    def test_blocks_keep_the_larger_window_apart(self, scenes, run, no_figures, tmp_path):
        options = ("--split", "blocks", "--set", "model.second_window=15", "--set", "split.minimum=1", "--out", "run")
        done = run("classify", scenes["mat"], *ALONE, *options)
        assert done.code == 0, done.stderr
        assert "buffer 7" in done.stdout
        assert content(tmp_path / "run" / "accuracy.json")["audit"]["contains_training"] == 0


class TestWhatIsShown:
    def test_what_was_decided_is_told(self, mat_run, scenes):
        told = mat_run.done.stdout
        for part in (
            f"{scenes['mat']} (MATLAB v4 to v7), variable cube: 36 x 40 pixels, 24 bands, uint16",
            "variable cube_gt: 4 classes",
            "random 10%, seed 0",
            "fitted on all 1,440 valid pixels, labelled or not",
            "hybridsn-bn: 220,004 parameters, window 11",
            "dense engine",
            "4 epochs of 1 steps, adamw, one-cycle",
            "QGIS",
        ):
            assert part in told

    @pytest.mark.slow
    def test_a_pipe_gets_plain_lines_and_a_table_of_80_columns(self, scenes, tmp_path):
        done = run_in_subprocess("classify", scenes["tiff"], *QUICK, "--out", "run", cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        assert not CONTROL.search(done.stdout)
        lines = done.stdout.splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("accuracy on test pixels"))
        last = next(i for i, line in enumerate(lines) if line.startswith("accuracy  "))
        assert last - first == 7  # title, heading, rule, four classes
        assert max(len(line) for line in lines[first : last + 1]) <= 80

    def test_long_class_names_are_cut_on_screen_and_whole_in_files(self, tmp_path, sample, quick):
        names = [f"{letter}{' very long name' * 8}" for letter in "abcd"]
        done = quick(with_class_names(tmp_path, sample, names))
        table = done.stdout.partition("accuracy on test pixels")[2].partition("accuracy  ")[0]
        assert max(map(len, table.splitlines())) <= 80
        assert "a very long name" in table
        report = content(tmp_path / "run" / "accuracy.json")
        assert [row["name"] for row in report["classes"]] == names

    def test_perfect_accuracies_are_whole_beside_long_names_and_large_classes(self, capsys):
        from hsi.accuracy.metrics import ConfusionMatrix, measure_accuracy
        from hsi.core.labels import ClassTable
        from pipelines.cli_support.results import show_accuracy

        confusion = ConfusionMatrix(np.diag([123_456, 7_890]), np.zeros(2, np.int64))
        table = ClassTable((1, 12), ("Buildings-Grass-Trees-Drives and more", "Woods"), ((0, 0, 0), (9, 9, 9)))
        show_accuracy(measure_accuracy(confusion, table, [12_345, 678]) | {"audit": None})
        rows = capsys.readouterr().out.splitlines()
        assert [row.split()[-4:] for row in rows if row.endswith("100.00")] == [["100.00"] * 4] * 2
        assert max(map(len, rows[:5])) <= 80

    def test_a_pipe_that_knows_only_ascii_gets_an_answer(self, tmp_path, sample, run, no_figures):
        cube = with_class_names(tmp_path, sample, ["blé", "maïs", "été – automne", "葡萄"])
        done = run("classify", cube, *QUICK, "--out", "run", encoding="ascii")
        assert (done.code, done.stderr) == (0, "")
        assert "OA " in done.stdout


class TestRepeating:
    def test_the_same_seed_gives_the_same_bytes(self, mat_run, scenes, run, no_figures, tmp_path):
        assert run("classify", scenes["mat"], *SMALL, "--epochs", 4, "--seed", 0, "--out", "again").code == 0
        for name in ("map.tif", "confidence.tif", "split.tif", "accuracy.json", "accuracy.tex"):
            assert (tmp_path / "again" / name).read_bytes() == (mat_run.out / name).read_bytes()

    def test_another_seed_gives_another_split(self, mat_run, scenes, quick, tmp_path):
        quick(scenes["mat"], "--seed", 1)
        assert not np.array_equal(band(tmp_path / "run" / "split.tif"), band(mat_run.out / "split.tif"))
        assert content(tmp_path / "run" / "accuracy.json")["seed"] == 1


class TestSettings:
    @pytest.mark.parametrize(
        ("model", "schedule", "engine"),
        [
            ("cnn1d", "cosine", "dense"),
            ("cnn2d", "step", "patch"),
            ("cnn3d", "constant", "dense"),
            ("hybridsn", "constant", "dense"),
            pytest.param("hybridsn-bn", "step", "patch", marks=pytest.mark.slow),
            ("hybridsn-bn-cbam", "cosine", "dense"),
            pytest.param("hybridsn-bn-se", "one-cycle", "patch", marks=pytest.mark.slow),
            ("hybridsn-cbam", "plateau", "dense"),
            ("hybridsn-ds", "one-cycle", "dense"),
            pytest.param("hybridsn-ds-gap", "cosine", "patch", marks=pytest.mark.slow),
            pytest.param("hybridsn-se", "step", "patch", marks=pytest.mark.slow),
            ("mobilenet-v3", "one-cycle", "patch"),
            pytest.param("shufflenet-v2", "step", "patch", marks=pytest.mark.slow),
            ("ssftt", "one-cycle", "dense"),
            ("ssrn", "plateau", "dense"),
        ],
    )
    def test_every_network_learns_and_maps(self, model, schedule, engine, scenes, run, no_figures, tmp_path):
        chosen = ("--model", model, "--lr-schedule", schedule, "--engine", engine, "--val", "10%", "--reducer", "mnf")
        done = run("classify", scenes["mat"], *SMALL, "--epochs", 1, *chosen, "--out", "run")
        assert done.code == 0, done.stderr
        assert f"{model}: " in done.stdout
        assert f"{engine} engine" in done.stdout
        recipe = content(tmp_path / "run" / "run.json")["recipe"]
        assert (recipe["lr_schedule"], recipe["engine"]) == (schedule, engine)
        assert recipe["lr"] == (
            (1.5e-3 if MODELS[model].norm == "batch" else 2e-3)
            if engine == "dense"
            else 1e-4
            if schedule == "step"
            else 1e-3
        )
        assert load_model(tmp_path / "run" / "model.safetensors").settings.model.name == model

    def test_every_network_is_in_the_table_above(self):
        (mark,) = self.test_every_network_learns_and_maps.pytestmark
        named = [getattr(row, "values", row)[0] for row in mark.args[1]]
        tables = [name for name in named if MODELS[name].multipliers]  # one builder makes all of these
        assert sorted({*named} - {*tables}) == [name for name in MODELS if not MODELS[name].multipliers]
        assert tables

    def test_validation_pixels_choose_the_epoch(self, tiff_run):
        record = content(tiff_run.out / "run.json")
        seen = {
            epoch["epoch"]: (epoch["validation_accuracy"], -epoch["validation_loss"])
            for epoch in record["history"]
            if epoch["validation_accuracy"] is not None
        }
        assert record["kept_epoch"] == max(seen, key=seen.get)
        assert np.sum(band(tiff_run.out / "split.tif") == 2) > 0

    def test_options_win_over_the_config_and_the_config_over_the_defaults(self, scenes, quick, tmp_path):
        config = tmp_path / "mine.yaml"
        config.write_text(
            "seed: 7\nmodel: {name: hybridsn-se}\ntraining: {optimiser: adam, epochs: 9}\nsplit: {train: 30}\n"
        )
        done = quick(scenes["mat"], "--config", config, "--seed", 8, "--set", "training.augment=false")
        record = content(tmp_path / "run" / "run.json")
        settings = record["settings"]
        assert settings["seed"] == 8
        model = {"name": "hybridsn-se", "window": 11, "second_window": 0, "width": None, "resolution": None}
        assert settings["model"] == model
        assert (settings["training"]["optimiser"], settings["training"]["epochs"]) == ("adam", 2)
        assert settings["training"]["augment"] is False
        assert settings["split"]["train"] == "30"
        assert settings["training"]["lr_schedule"] == "one-cycle"
        assert "random 30 per class, seed 8" in done.stdout

    def test_the_identity_reducer_keeps_all_bands(self, scenes, run, no_figures, tmp_path):
        options = ("--reducer", "identity", "--window", 11, "--epochs", 1, "--device", "cpu", "--out", "run")
        done = run("classify", scenes["mat"], *options)
        assert done.code == 0, done.stderr
        assert load_model(tmp_path / "run" / "model.safetensors").model.components == 24


class TestInputs:
    @pytest.mark.parametrize(
        ("kind", "told"),
        [("npy", "scene_gt.npy: 4 classes"), ("envi", "scene_gt.hdr: 4 classes"), ("tiff", "scene_gt.tif: 4 classes")],
    )
    def test_labels_beside_the_scene_are_found(self, kind, told, scenes, quick, tmp_path, sample):
        done = quick(scenes[kind])
        assert told in done.stdout
        assert np.array_equal(band(tmp_path / "run" / "split.tif") != 0, sample.truth != 0)

    def test_formats_do_not_change_the_map(self, mat_run, scenes, run, no_figures, tmp_path):
        assert run("classify", scenes["npy"], *SMALL, "--epochs", 4, "--out", "run").code == 0
        assert np.array_equal(band(tmp_path / "run" / "map.tif"), band(mat_run.out / "map.tif"))

    def test_named_files_and_variables_win(self, tmp_path, sample, quick):
        cube, truth = tmp_path / "cube.mat", tmp_path / "truth.mat"
        scipy.io.savemat(cube, {"a": sample.cube, "b": sample.cube[:, :, ::-1]})
        scipy.io.savemat(truth, {"north": np.fliplr(sample.truth), "south": sample.truth})
        done = quick(cube, "--variable", "b", "--labels", truth, "--label-variable", "south")
        assert "variable b: 36 x 40" in done.stdout
        assert "truth.mat, variable south" in done.stdout
        assert set(content(tmp_path / "run" / "run.json")["inputs"]["sha256"]) == {str(cube), str(truth)}

    def test_another_background(self, tmp_path, sample, quick):
        file = tmp_path / "cube.mat"
        scipy.io.savemat(file, {"cube": sample.cube, "gt": np.where(sample.truth == 0, 255, sample.truth)})
        quick(file, "--background", 255)
        assert set(np.unique(band(tmp_path / "run" / "map.tif"))) <= set(IDS[1:])

    def test_pixels_without_a_number_are_masked_counted_and_nodata(self, tmp_path, sample, quick):
        cube = sample.cube.astype(np.float32)
        cube[:3, :5] = np.nan
        cube[10, 10, 4] = np.inf
        bad = ~np.isfinite(cube).all(axis=2)
        file = file_makers.npy(tmp_path / "cube.npy", cube)
        file_makers.npy(tmp_path / "cube_gt.npy", sample.truth)
        done = quick(file)
        assert re.fullmatch(r"warning: 16 of 1,440 pixels .*: 16 NaN or infinite", done.warnings[0])
        assert "fitted on all 1,424 valid pixels" in done.stdout
        ids, confidence = band(tmp_path / "run" / "map.tif"), band(tmp_path / "run" / "confidence.tif")
        assert np.array_equal(ids == 0, bad)
        assert np.array_equal(np.isnan(confidence), bad)
        assert not band(tmp_path / "run" / "split.tif")[bad].any()
        assert content(tmp_path / "run" / "run.json")["pixels"]["not_finite"] == 16

    def test_bands_that_say_nothing_are_dropped_and_told(self, tmp_path, sample, quick):
        cube = sample.cube.copy()
        cube[:, :, [2, 3, 20]] = 700
        scipy.io.savemat(tmp_path / "cube.mat", {"cube": cube, "gt": sample.truth})
        done = quick("cube.mat")
        assert done.warnings == ["warning: 3 bands hold one value everywhere and are dropped: 3-4, 21"]
        kept = [number for number in range(1, 25) if number not in (3, 4, 21)]
        assert content(tmp_path / "run" / "run.json")["bands"]["kept"] == kept
        assert load_model(tmp_path / "run" / "model.safetensors").bands.bands == tuple(number - 1 for number in kept)

    def test_a_class_of_one_pixel_trains_and_is_reported_as_absent(self, tmp_path, sample, quick):
        truth = sample.truth.copy()
        truth[0, 0] = 9
        scipy.io.savemat(tmp_path / "cube.mat", {"cube": sample.cube, "gt": truth})
        done = quick("cube.mat")
        assert "warning: fewer than 5 training pixels: class 9 (1)" in done.warnings
        assert "warning: no test pixel, so without an accuracy: class 9" in done.warnings
        report = content(tmp_path / "run" / "accuracy.json")
        assert report["absent_classes"] == ["class 9"]
        assert "left out of AA: class 9" in done.stdout
        shares = [row["producers_accuracy"] for row in report["classes"] if row["id"] != 9]
        assert report["average_accuracy"] == pytest.approx(np.mean(shares))


@pytest.fixture(scope="session")
def indian_pines(tmp_path_factory):
    """One epoch on the real scene."""
    pytest.importorskip("tensorly")
    folder = tmp_path_factory.mktemp("indian-pines")
    assert run_here("fetch", "indian_pines", "--to", "data", cwd=folder).code == 0
    options = ("--device", "cpu", "--epochs", 1, "--no-symmetries", "--out", "run")
    return folder, run_here("classify", "data/indian_pines.mat", *options, cwd=folder)


@pytest.mark.slow
def test_indian_pines(indian_pines):
    folder, done = indian_pines
    assert (done.code, done.complaints) == (0, []), done.stderr
    assert "hybridsn-bn: 5,759,712 parameters, windows 15 and 25" in done.stdout
    assert "recognised as Indian Pines" in done.stdout
    assert files_in(folder / "run") == PROMISED
    report = content(folder / "run" / "accuracy.json")
    assert [row["name"] for row in report["classes"]][:3] == ["Alfalfa", "Corn-notill", "Corn-mintill"]
    assert sum(row["train"] + row["test"] for row in report["classes"]) == 10_249
    ids = band(folder / "run" / "map.tif")
    assert ids.shape == (145, 145)
    assert ids.dtype == np.uint8
    assert ids.min() >= 1


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, scenes):
    """The run of the GeoTIFF scene again, calibrated: its folder and how the command ended."""
    out = tmp_path_factory.mktemp("calibrated") / "run"
    done = run_here("classify", scenes["tiff"], *TIFF_OPTIONS, "--calibrate", "--out", out, cwd=out.parent)
    assert done.code == 0, done.stderr
    return out, done


class TestCalibration:
    def test_no_class_changes_but_confidence_does(self, calibrated, tiff_run):
        out, done = calibrated
        assert np.array_equal(band(out / "map.tif"), band(tiff_run.out / "map.tif"))
        before, after = band(tiff_run.out / "confidence.tif"), band(out / "confidence.tif")
        fitted = content(out / "run.json")["calibration"]
        assert np.mean(after) < np.mean(before) if fitted["temperature"] > 1 else np.mean(after) > np.mean(before)
        assert load_model(out / "model.safetensors").temperature == fitted["temperature"] != 1
        assert f"temperature {fitted['temperature']:.3g} by {fitted['pixels']:,} validation pixels" in done.stdout
        assert content(tiff_run.out / "run.json")["calibration"] is None

    def test_it_is_likelier_and_closer_on_the_validation_pixels(self, calibrated, sample):
        out, _ = calibrated
        fitted = content(out / "run.json")["calibration"]
        assert fitted["loss"]["after"] < fitted["loss"]["before"]
        validated = band(out / "split.tif") == 2
        assert fitted["pixels"] == validated.sum()
        confidence, right = band(out / "confidence.tif")[validated], (band(out / "map.tif") == sample.truth)[validated]
        places = np.ceil(confidence.astype(float) * 15)
        gaps = [abs((confidence - right)[places == place].sum()) for place in np.unique(places)]
        assert fitted["error"]["after"] == pytest.approx(sum(gaps) / validated.sum(), abs=0.02)

    def test_predict_applies_it(self, calibrated, run, scenes, tmp_path):
        out, _ = calibrated
        done = run("predict", out / "model.safetensors", scenes["tiff"], "--device", "cpu", "--out", "map.tif")
        assert (done.code, done.stderr) == (0, "")
        assert (tmp_path / "map_confidence.tif").read_bytes() == (out / "confidence.tif").read_bytes()
        temperature = content(out / "run.json")["calibration"]["temperature"]
        assert f"calibrated, with temperature {temperature:.3g}" in done.stdout
        assert content(tmp_path / "map.json")["temperature"] == temperature

    def test_predict_warns_where_it_was_fitted_for_another_kind_of_map(self, calibrated, run, scenes):
        options = ("--device", "cpu", "--no-symmetries", "--out", "map.tif")
        done = run("predict", calibrated[0] / "model.safetensors", scenes["tiff"], *options)
        assert "the temperature was fitted with the other choice of symmetries" in done.stderr

    def test_without_validation_pixels_it_is_refused_before_any_work(self, run, scenes, tmp_path):
        done = run("classify", scenes["tiff"], *QUICK, "--calibrate", "--out", "run")
        assert (done.code, len(done.complaints)) == (2, 1)
        assert "--calibrate fits on validation pixels: give --val" in done.complaints[0]
        assert list(tmp_path.iterdir()) == []

    def test_where_all_validation_pixels_are_right_confidence_stays(self, run, scenes, tmp_path, monkeypatch):
        monkeypatch.setattr("hsi.workflows.fit.fit_temperature", lambda scores, codes: None)
        done = run("train", scenes["tiff"], *QUICK, "--val", "10%", "--calibrate", "--out", "m.safetensors")
        assert done.code == 0, done.stderr
        assert "validation pixels are right, so no temperature can be fitted" in done.stderr
        assert load_model(tmp_path / "m.safetensors").temperature == 1
