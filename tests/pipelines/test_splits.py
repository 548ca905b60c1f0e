"""``--split`` from the command line: runs whose pixels are split by place or by a file, and what is refused."""

import shutil

import numpy as np
import pytest
import scipy.io

from hsi.accuracy.leakage import audit_split
from hsi.core.synthetic import make_scene
from hsi.inference.model_file import load_model
from hsi.training.trainer import Trainer
from tests.conftest import QUICK
from tests.io import file_makers
from tests.pipelines.test_classify import band, content

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A scene with room for windows of 11 pixels on both sides, as a .mat file, and its labels."""
    cube, labels, _ = make_scene(44, 48, bands=16, classes=3, field=9)
    path = tmp_path_factory.mktemp("wide") / "wide.mat"
    scipy.io.savemat(path, {"cube": cube, "gt": labels}, do_compression=True)
    return path, labels


@pytest.fixture
def classify(run, no_figures):
    """A short run that has to succeed."""

    def work(*arguments):
        done = run("classify", arguments[0], *QUICK, *arguments[1:])
        assert (done.code, done.complaints) == (0, []), done.stderr
        return done

    return work


def test_windows_of_blocks_are_disjoint_and_the_file_of_a_run_gives_the_same_split(classify, wide, tmp_path):
    path, labels = wide
    done = classify(path, "--split", "blocks", "--set", "split.block=12")
    out = tmp_path / "runs" / "wide" / "hybridsn-bn-blocks-seed0"
    assert "split       blocks of 12 pixels, buffer 5, seed 0: " in done.stdout
    assert "labelled pixels left out, too near to the other side" in done.stdout
    parts, report, record = band(out / "split.tif"), content(out / "accuracy.json"), content(out / "run.json")
    assert audit_split(parts == 1, parts == 3, labels, 11).overlaps_training == 0
    audit = report["audit"]
    assert (audit["overlaps_training"], audit["leak_free"]) == (0, np.sum(parts == 3))
    assert audit["leak_free_accuracy"] == pytest.approx(report["overall_accuracy"])
    assert "overlap a training window | 0.00 % |" in (out / "accuracy.md").read_text()
    assert report["split_notes"] == [*record["split"]["notes"], *record["split"]["warnings"]]
    assert report["split_hash"] == record["split"]["hash"]
    assert [entry["train"] for entry in record["split"]["classes"]] == [row["train"] for row in report["classes"]]
    unused = sum(entry["unused"] for entry in record["split"]["classes"])
    assert unused == np.sum((labels > 0) & (parts == 0))

    done = classify(path, "--split", f"given:{out / 'split.tif'}", "--out", "again")
    assert "split       given: " in done.stdout
    again = content(tmp_path / "again" / "run.json")
    assert again["split"]["hash"] == record["split"]["hash"]
    assert str(out / "split.tif") in again["inputs"]["sha256"]
    assert again["split"]["seed"] is None


def test_a_mat_of_training_and_test_labels_needs_nothing_else(classify, wide, tmp_path):
    cube, labels = scipy.io.loadmat(wide[0])["cube"], wide[1]
    drawn = np.random.default_rng(0).random(labels.shape) < 0.2
    arrays = {"input": cube, "TR": np.where(drawn, labels, 0), "TE": np.where(drawn, 0, labels).astype(float)}
    scipy.io.savemat(tmp_path / "fixed.mat", arrays)
    done = classify("fixed.mat", "--split", "given:fixed.mat", "--val", "5%", "--out", "run")
    assert any("TR and TE are taken together" in line for line in done.warnings)
    parts = band(tmp_path / "run" / "split.tif")
    np.testing.assert_array_equal(parts == 3, (labels > 0) & ~drawn)
    np.testing.assert_array_equal((parts == 1) | (parts == 2), (labels > 0) & drawn)
    assert np.any(parts == 2)


def test_a_published_split_is_one_word_and_adds_its_labels(run, wide, tmp_path):
    scene = shutil.copy(wide[0], tmp_path)
    labels, path = wide[1], tmp_path / "indian_pines_hong.tif"
    row, column = np.argwhere(labels == 0)[0]
    codes, classes = np.where(np.arange(labels.shape[1]) % 2, 1, 3) * (labels > 0), labels.copy()
    codes[row, column], classes[row, column] = 3, 1
    file_makers.tiff(path, np.stack([codes, classes], -1).astype(np.uint8))
    done = run("classify", scene, "--split", "hong", "--model", "position", "--no-figures")
    assert done.code == 0 and "1 more pixels, to which the split alone gives a class" in done.stdout, done.stderr
    out = tmp_path / "runs" / "wide" / "position-hong-seed0"
    np.testing.assert_array_equal(band(out / "split.tif"), codes)
    assert band(out / "ground_truth.tif")[row, column] == 1
    done = run("rerun", out, "--out", "again")
    assert (done.code, done.warnings) == (0, []), done.stderr
    file_makers.tiff(path, np.stack([codes, 4 - classes], -1).astype(np.uint8))
    done = run("classify", scene, "--split", f"given:{path}", "--model", "position", "--out", "wrong")
    assert done.code == 1 and "of its pixels have another class in" in done.stderr


def test_a_fold_is_a_run(classify, wide, tmp_path):
    done = classify(wide[0], "--split", "kfold-polygons", "--set", "split.folds=3", "--fold", 2)
    assert "kfold-polygons (connected fields), fold 2 of 3, seed 0" in done.stdout
    assert (tmp_path / "runs" / "wide" / "hybridsn-bn-kfold-polygons-fold2-seed0" / "map.tif").exists()


def test_train_takes_a_split_too(run, wide, tmp_path):
    done = run("train", wide[0], *QUICK, "--split", "polygons", "--out", "m.safetensors")
    assert done.code == 0, done.stderr
    assert "polygons (connected fields held out), seed 0" in done.stdout
    assert load_model(tmp_path / "m.safetensors").settings.split.rule == "polygons"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--split", "block"), 2, "unknown split 'block': did you mean blocks"),
        (
            ("--set", "split.buffer=9"),
            2,
            "no use for split.buffer: leave split.buffer out, it is for blocks, kfold",
        ),
        (("--split", "kfold-random"), 2, "name it with --fold 1 to 5"),
        (("--split", "dase"), 1, "dase.tif: no such file: 'hsi fetch indian_pines --split dase --to"),
        (("--split", "given"), 2, "given:split.tif"),
        (("--split", "given:none.tif"), 1, "none.tif: no such file"),
        (("--split", "given:a.npy,b.npy,c.npy"), 2, "a training and a test raster with a comma between"),
        (("--split", "given:a.npy", "--train", "5%"), 2, "the split 'given' has no use for --train"),
        (
            ("--split", "blocks", "--window", 25, "--set", "split.block=5"),
            1,
            "no test pixel is left that is 25",
        ),
    ],
)
def test_invalid_splits_are_refused_before_training(options, code, message, run, wide, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "fit", lambda *_: pytest.fail("trained"))
    np.save(tmp_path / "a.npy", wide[1])
    done = run("classify", wide[0], *QUICK, *options)
    assert (done.code, len(done.complaints)) == (code, 1), done.stderr
    assert message in done.complaints[0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
