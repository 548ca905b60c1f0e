"""``hsi classify`` with a baseline: a run like any other, without what a baseline does not have."""

import geopandas
import numpy as np
import pytest
import rasterio

from hsi.accuracy.leakage import audit_split
from hsi.core.labels import codes_of, default_table
from tests.conftest import run_here
from tests.pipelines.test_classify import PROMISED, band, content, files_in

ABSENT = {"confidence.tif", "model.safetensors"} | {
    f"figures/{name}.png" for name in ("confidence", "reliability", "training_curves")
}


@pytest.fixture(scope="module")
def svm_run(tmp_path_factory, scenes):
    """A complete run of a support vector machine on the GeoTIFF scene. Not to be changed."""
    out = tmp_path_factory.mktemp("svm-run") / "run"
    options = ("--model", "svm", "--train", "20", "--val", "10%", "--seed", 5, "--window", 11)
    done = run_here("classify", scenes["tiff"], *options, "--out", out, cwd=out.parent)
    assert (done.code, done.stderr) == (0, "")
    return out, done


@pytest.fixture
def classify(run, no_figures, scenes):
    """A run of the .mat scene without figures."""

    def work(*options, scene="mat", out="run"):
        return run("classify", scenes[scene], *options, "--out", out)

    return work


def test_a_run_holds_all_but_weights_confidence_and_curves(svm_run):
    out, done = svm_run
    assert files_in(out) == PROMISED - ABSENT
    with rasterio.open(out / "map.tif") as raster:
        assert raster.crs.to_epsg() == 32616
        assert raster.colormap(1)[300][3] == 255
    assert content(out / "accuracy.json")["overall_accuracy"] > 0.8
    for line in (
        "svm: SVM, RBF kernel; --window 11 is for the split",
        f"on the 80 training pixels alone; the {np.sum(band(out / 'split.tif') == 2)} validation pixels are not used",
        "24 bands, each scaled to mean 0 and standard deviation 1; fitted on all 1,440 valid pixels",
        "by 5 folds of 80 training pixels",
    ):
        assert line in done.stdout


def test_the_split_is_that_of_a_network_and_audited_without_a_window(svm_run, tiff_run, sample):
    out, _ = svm_run
    assert (out / "split.tif").read_bytes() == (tiff_run.out / "split.tif").read_bytes()
    report, split = content(out / "accuracy.json"), band(out / "split.tif")
    codes = codes_of(sample.truth, default_table([3, 7, 200, 300]))
    predicted = codes_of(band(out / "map.tif"), default_table([3, 7, 200, 300]))
    assert report["audit"] == audit_split(split == 1, split == 3, codes, 1, predicted).to_dict()
    assert report["audit"]["in_words"].startswith(
        "no window: the method classifies single pixels; half of the test pixels"
    )
    assert "| Window of the method | none: it classifies single pixels |" in (out / "accuracy.md").read_text()
    assert "Test windows" not in (out / "accuracy.md").read_text()
    assert (report["calibration"], report["model"]) == (None, "svm")


def test_the_record_has_the_tuned_parameters(svm_run, mat_run):
    record = content(svm_run[0] / "run.json")
    assert (record["parameters"], content(mat_run.out / "run.json")["parameters"]) == (None, 220_004)
    assert record["settings"]["reducer"]["name"] == "identity"
    assert record["recipe"]["C"] in (1, 10, 100, 1000, 10000)
    assert record["recipe"]["gamma"] * 24 in (1 / 64, 1 / 16, 1 / 4, 1, 4)
    assert record["recipe"]["cross_validation"]["folds"] == 5
    assert list(record["seconds"])[-6:] == ["reduce", "train", "map", "assess", "write", "report"]
    assert len(record["inputs"]["sha256"]) == 2


def test_probabilities_make_confidence_and_calibration(classify, tmp_path):
    done = classify("--model", "logistic", "--reducer", "mnf", "--components", 13)
    assert done.code == 0, done.stderr
    assert "MNF: 13 components" in done.stdout
    confidence = band(tmp_path / "run" / "confidence.tif")
    assert np.all((confidence >= 1 / 4) & (confidence <= 1))
    assert content(tmp_path / "run" / "accuracy.json")["calibration"]["error"] >= 0
    assert files_in(tmp_path / "run") >= {"confidence.tif"}


@pytest.mark.parametrize(("name", "line"), [("sam", "none: raw spectra, neither"), ("position", "none: row, column")])
def test_baselines_without_a_reducer(name, line, classify, tmp_path):
    done = classify("--model", name)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    assert line in done.stdout
    report = content(tmp_path / "run" / "accuracy.json")
    assert report["audit"]["window"] == 1
    assert (report["overall_accuracy"] == report["audit"]["position_accuracy"]) == (name == "position")


def test_pixels_without_a_number_have_no_class(tmp_path, sample, run, no_figures):
    cube = sample.cube.astype(np.float32)
    cube[:3, :5] = np.nan
    np.save(tmp_path / "cube.npy", cube)
    np.save(tmp_path / "cube_gt.npy", sample.truth)
    assert run("classify", "cube.npy", "--model", "sam", "--out", "run").code == 0
    assert np.array_equal(band(tmp_path / "run" / "map.tif") == 0, np.isnan(cube[:, :, 0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "svm", "--epochs", 3), "--epochs (training.epochs) means nothing to svm"),
        (("--model", "rf", "--set", "training.augment=false"), "training.augment means nothing to rf"),
        (("--model", "sam", "--reducer", "pca"), "--reducer (reducer.name) means nothing to sam"),
        (("--model", "position", "--components", 5), "--components (reducer.components) means nothing to position"),
        (
            ("--model", "svm", "--set", "reducer.whiten=false"),
            "anyway: leave reducer.whiten=false out",
        ),
        (("--model", "svm", "--components", 5), "the identity reducer keeps all 24 bands"),
        (("--model", "knn", "--device", "cuda"), "--device cuda means nothing to knn, which runs on the CPU"),
        (("--model", "svm-window", "--window", 1), "svm-window averages over 3 pixels or more"),
        (("--model", "svm-windows"), "unknown model 'svm-windows': did you mean svm-window"),
        (("--model", "hybrid"), "known: boosting, cnn1d, cnn2d, cnn3d, "),
    ],
)
def test_settings_without_effect_are_refused(options, message, classify, tmp_path):
    done = classify(*options)
    assert (done.code, len(done.complaints)) == (2, 1)
    assert message in done.complaints[0]
    assert list(tmp_path.iterdir()) == []


def test_train_explains_why_baselines_are_not_saved(run, scenes, tmp_path):
    done = run("train", scenes["mat"], "--model", "svm", "--out", "m.safetensors")
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "pickle" in done.complaints[0]
    assert "hsi classify --model svm" in done.complaints[0]
    assert list(tmp_path.iterdir()) == []


def test_the_accuracy_is_that_of_the_map_without_small_areas(classify, tmp_path):
    done = classify("--model", "gml", "--train", "20", "--min-area", "30px", "--vector", "areas.gpkg")
    assert done.code == 0 and "areas.gpkg" in done.stdout
    ids, split = band(tmp_path / "run" / "map.tif"), band(tmp_path / "run" / "split.tif")
    frame = geopandas.read_file(tmp_path / "areas.gpkg")
    assert frame["pixels"].min() >= 30 and frame["pixels"].sum() == np.sum(ids != 0)
    right = (ids == band(tmp_path / "run" / "ground_truth.tif"))[split == 3].mean()
    report = content(tmp_path / "run" / "accuracy.json")
    assert report["overall_accuracy"] == right and report["calibration"] is None
