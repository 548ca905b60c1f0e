"""``hsi train``: a model file, complete or not there, that maps other scenes."""

import json

import numpy as np
import pytest
import rasterio

from hsi.inference.model_file import load_model
from hsi.workflows import train as train_workflow
from tests.conftest import ALONE, names_in
from tests.io import file_makers


@pytest.fixture
def train(run):
    """Train on a scene into ``m.safetensors`` of the test's folder; has to succeed."""

    def work(scene, *options, out="m.safetensors"):
        done = run("train", scene, *ALONE, *options, "--out", out)
        assert done.code == 0, done.stderr
        return done

    return work


def sizes(told):
    (line,) = [line for line in told.splitlines() if line.startswith("split ")]
    return line.split(": ")[1]


def test_all_labelled_pixels_train(train, scenes, sample, tmp_path):
    done = train(scenes["tiff"])
    assert sizes(done.stdout) == f"{np.count_nonzero(sample.truth):,} training pixels"
    assert done.warnings == []
    assert names_in(tmp_path) == {"m.safetensors"}
    (tmp_path / "any").touch()  # has the usual permissions
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode
    settings = load_model(tmp_path / "m.safetensors").settings
    assert (settings.split.rule, settings.split.train) == ("all", None)


def test_the_model_knows_its_classes_bands_and_inputs(train, scenes, tmp_path):
    train(scenes["envi"])
    saved = load_model(tmp_path / "m.safetensors")
    assert saved.table.ids == (3, 7, 200, 300)
    assert saved.bands.of == 24 and len(saved.bands.wavelengths) == 24
    assert str(scenes["envi"]) in saved.trained_on
    assert np.all(np.diff(saved.novelty.limits) >= 0) and saved.novelty.limits[0] > 0


def test_what_comes_next_is_told_and_works(train, scenes, run, tmp_path, sample):
    done = train(scenes["tiff"], "--epochs", 25)
    assert "next        hsi predict m.safetensors SCENE --out map.tif" in done.stdout
    assert "written     m.safetensors" in done.stdout
    assert run("predict", "m.safetensors", scenes["tiff"], "--out", "map.tif").code == 0
    with rasterio.open(tmp_path / "map.tif") as raster:
        found = raster.read(1)
    labelled = sample.truth > 0
    assert np.mean(found[labelled] == sample.truth[labelled]) > 0.9


def test_validation_pixels_are_held_out(train, scenes, sample, tmp_path):
    done = train(scenes["tiff"], "--val", "10%")
    validation = sum(round(0.1 * np.sum(sample.truth == i)) for i in np.unique(sample.truth)[1:])
    training = np.count_nonzero(sample.truth) - validation
    assert sizes(done.stdout) == f"{training:,} training, {validation:,} validation pixels"
    assert load_model(tmp_path / "m.safetensors").settings.split.validation == "10%"


def test_a_share_or_a_number_trains_when_asked(train, scenes):
    assert sizes(train(scenes["tiff"], "--train", "20").stdout).startswith("80 training, ")


def test_a_config_counts_and_options_win_over_it(train, scenes, tmp_path):
    (tmp_path / "c.yaml").write_text("split: {train: 30}\nmodel: {name: hybridsn}\nseed: 4\n")
    done = train(scenes["tiff"], "--config", "c.yaml", "--seed", 5)
    assert sizes(done.stdout).startswith("120 training")
    settings = load_model(tmp_path / "m.safetensors").settings
    assert (settings.model.name, settings.seed, settings.split.train) == ("hybridsn", 5, "30")


def test_a_config_without_a_split_trains_on_all(train, scenes, sample, tmp_path):
    (tmp_path / "c.yaml").write_text("model: {name: hybridsn}\n")
    done = train(scenes["tiff"], "--config", "c.yaml")
    assert sizes(done.stdout) == f"{np.count_nonzero(sample.truth):,} training pixels"


def test_the_same_seed_trains_the_same_model(train, scenes, tmp_path):
    for name in ("a.safetensors", "b.safetensors"):
        train(scenes["tiff"], out=name)
    one, other = (load_model(tmp_path / name).model.state_dict() for name in ("a.safetensors", "b.safetensors"))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_model_that_is_there_is_replaced_only_when_asked(train, run, scenes, tmp_path):
    train(scenes["tiff"])
    before = (tmp_path / "m.safetensors").read_bytes()
    done = run("train", scenes["tiff"], *ALONE, "--seed", 3, "--out", "m.safetensors")
    assert done.code == 1 and "--overwrite" in done.complaints[0]
    assert (tmp_path / "m.safetensors").read_bytes() == before
    train(scenes["tiff"], "--seed", 3, "--overwrite")
    assert (tmp_path / "m.safetensors").read_bytes() != before


def test_a_new_folder_is_made(train, scenes, tmp_path):
    train(scenes["tiff"], out="deep/er/m.safetensors")
    assert names_in(tmp_path / "deep" / "er") == {"m.safetensors"}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--model", "hybridsm"), 2, "did you mean hybridsn"),
        (("--train", "0%"), 2, "0%"),
        (("--lr-schedule", "plateau"), 2, "--val"),
        (("--calibrate",), 2, "--val"),
        (("--config", "none.yaml"), 2, "no such configuration file"),
        (("--out", "file/m.safetensors"), 1, "is no folder to write into"),
        (("--out", "."), 1, "is a folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(options, code, says, run, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("hsi.training.trainer.Trainer.fit", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    done = run("train", scenes["tiff"], *ALONE, "--out", "m.safetensors", *options)
    assert (done.code, len(done.complaints)) == (code, 1), done.stderr
    assert says in done.complaints[0]
    assert names_in(tmp_path) == {"file"}


def test_a_failure_leaves_no_model_but_its_training(run, scenes, tmp_path, monkeypatch):
    def fail(path, saved):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_workflow, "save_model", fail)
    done = run("train", scenes["tiff"], *ALONE, "--out", "m.safetensors")
    assert done.code == 1
    assert "m.safetensors: cannot be written (No space left on device)" in done.complaints[0]
    assert "--resume continues it" in done.complaints[0]
    assert names_in(tmp_path) == {".m.safetensors.partial"}


def test_polygons_train_too(train, tmp_path, sample, scenes):
    features = [
        {
            "type": "Feature",
            "properties": {"cover": name},
            "geometry": {"type": "Polygon", "coordinates": [[list(map(float, xy)) for xy in ring]]},
        }
        for name, ring in (
            ("wheat", [(500100, 4479900), (500300, 4479900), (500300, 4479700), (500100, 4479700), (500100, 4479900)]),
            ("water", [(500400, 4479900), (500600, 4479900), (500600, 4479600), (500400, 4479600), (500400, 4479900)]),
        )
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
    (tmp_path / "t.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    scene = file_makers.tiff(
        tmp_path / "s.tif", sample.cube, crs="EPSG:32616", transform=rasterio.Affine(20, 0, 5e5, 0, -20, 4.48e6)
    )
    done = train(scene, "--labels", tmp_path / "t.geojson", "--label-field", "cover")
    assert sizes(done.stdout) == "250 training pixels"
    assert load_model(tmp_path / "m.safetensors").table.names == ("water", "wheat")
