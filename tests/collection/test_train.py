"""One model of several scenes, and its accuracy on scenes that are held out."""

import csv
import json

import numpy as np
import pytest
import rasterio

import hsi
from hsi.core.scene import Georeference, scene_from_array
from hsi.errors import UsageError
from hsi.inference.model_file import load_model
from tests.conftest import SMALL, names_in

FILES = ("a.hdr", "b.hdr", "c.hdr", "--labels", "a.tif", "b.tif", "c.tif")


@pytest.fixture(scope="module")
def held_out(lines, tmp_path_factory):
    """``hsi train`` on scenes a and c, tested on b: the folder and how the command ended. Not to be changed."""
    from tests.conftest import run_here

    folder = tmp_path_factory.mktemp("held-out")
    files = [lines.folder / word if word != "--labels" else word for word in FILES]
    options = (*SMALL, "--epochs", 8, "--split", "scenes:b", "--no-calibrate", "--set", "mapping.spectral=discriminant")
    done = run_here("train", *files, *options, "--out", "m.safetensors", cwd=folder)
    assert done.code == 0, done.stderr
    return folder, done


def test_the_command_trains_one_model_and_tests_it_on_another_scene(held_out, lines):
    folder, done = held_out
    assert names_in(folder) == {"m.safetensors", "m_accuracy"}
    report = json.loads((folder / "m_accuracy" / "accuracy.json").read_text())
    assert [one["scene"] for one in report["scenes"]] == ["b"]
    with rasterio.open(folder / "m_accuracy" / "b" / "map.tif") as raster:
        assert raster.transform.c == 500480  # where b lies
        found = raster.read(1)
    truth = lines.truths["b"]
    labelled = truth > 0
    assert report["overall_accuracy"] == pytest.approx(np.mean(found[labelled] == truth[labelled]))
    assert report["overall_accuracy"] > 0.8
    assert sum(row["test"] for row in report["classes"]) == np.count_nonzero(labelled)
    assert "independent: no pixel of this scene trained" in " ".join(done.stdout.split())
    assert "none of its test pixels lies on ground that trained" in " ".join(done.stdout.split())


def test_the_reducer_has_not_seen_the_scene_held_out(held_out, lines):
    _, done = held_out
    pixels = sum(lines.cubes[name][:, :, 0].size for name in "ac")
    assert f"fitted on all {pixels:,} valid pixels" in done.stdout


def test_the_model_maps_each_scene_and_knows_its_training_pixels(held_out, lines, run, tmp_path):
    folder, _ = held_out
    saved = load_model(folder / "m.safetensors")
    assert [one.shape[1] for one in saved.training] == [24, 28]
    assert len(saved.trained_on) >= 6
    for name, trained in {"b": 0, "c": np.count_nonzero(lines.truths["c"])}.items():
        options = ("--out", f"{name}.tif", "--no-report")
        done = run("predict", folder / "m.safetensors", lines.folder / f"{name}.hdr", *options)
        assert done.code == 0, done.stderr
        record = json.loads((tmp_path / f"{name}.json").read_text())
        assert record["training_pixels"]["pixels"] == trained


def test_each_scene_is_held_out_in_turn(lines, tmp_path):
    listed = lines.folder / "scenes.yaml"
    listed.write_text("scenes:\n" + "".join(f"- {{scene: {n}.hdr, labels: {n}.tif}}\n" for n in "abc"))
    settings = {"model.name": "gml", "split.rule": "kfold-scenes"}
    result = hsi.train_scenes(listed, out=tmp_path / "m.safetensors", settings=settings)
    assert result.saved is None and not (tmp_path / "m.safetensors").exists()
    assert [one.name for one in result.scenes] == ["a", "b", "c"]
    assert result.accuracy["overall_accuracy"] > 0.8
    matrices = [np.array(one.report["confusion_matrix"]) for one in result.scenes]
    assert np.array_equal(result.accuracy["confusion_matrix"], sum(matrices))
    assert np.sum(matrices) == sum(np.count_nonzero(truth) for truth in lines.truths.values())
    with (result.folder / "scenes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["kappa"]) for row in rows] == [one.report["kappa"] for one in result.scenes]


def test_test_pixels_on_training_ground_are_reported(lines, tmp_path):
    """The second flight line begins 20 columns before the first one ends."""
    cube, truth = (np.concatenate([part[name] for name in "ab"], axis=1) for part in (lines.cubes, lines.truths))
    scenes, labels = [], []
    for name, columns in {"first": slice(0, 34), "second": slice(14, 44)}.items():
        place = Georeference("EPSG:32616", (20, 0, 500000 + 20 * columns.start, 0, -20, 4480000))
        scenes.append(scene_from_array(cube[:, columns], name, georeference=place))
        labels.append(truth[:, columns])
    settings = {"model.name": "gml", "split.rule": "scenes"}
    result = hsi.train_scenes(scenes, labels, out=tmp_path / "m.safetensors", settings=settings)
    (one,) = result.scenes
    shared = np.count_nonzero(labels[1][:, :20])
    assert (
        f"{shared:,} of {np.count_nonzero(labels[1])} test pixels lie on ground that trained"
        in one.report["independence"]
    )
    assert one.report["subsets"]["away_from_training"]["pixels"] == np.count_nonzero(labels[1][:, 20:])
    assert result.accuracy["subsets"]["away_from_training"] == one.report["subsets"]["away_from_training"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"denoising.method": "mnf"}, "--denoise works on one scene"),
        ({"split.rule": "given:split.tif"}, "the split given is of one scene"),
        ({"model.name": "position", "split.rule": "scenes"}, "position knows no other scene"),
        ({"model.name": "gml"}, "gml is a baseline and not saved"),
    ],
)
def test_what_has_no_meaning_for_several_scenes_is_refused(lines, tmp_path, settings, words):
    files = (lines.named("a.hdr", "b.hdr"), lines.named("a.tif", "b.tif"))
    with pytest.raises(UsageError, match=words):
        hsi.train_scenes(*files, out=tmp_path / "m.safetensors", settings=settings)
    assert names_in(tmp_path) == set()


def test_resuming_needs_a_fold(lines, tmp_path):
    files = (lines.named("a.hdr", "b.hdr"), lines.named("a.tif", "b.tif"))
    with pytest.raises(UsageError, match="kfold-scenes has several"):
        hsi.train_scenes(*files, out=tmp_path / "m", settings={"split.rule": "kfold-scenes"}, resume=True)
    with pytest.raises(UsageError, match=r"hsi\.train_scenes gives its accuracy"):
        hsi.train(*files, out=tmp_path / "m", settings={"model.name": "svm"})
    with pytest.raises(UsageError, match="two or more scenes"):
        hsi.train_scenes(files[0], out=tmp_path / "m")
