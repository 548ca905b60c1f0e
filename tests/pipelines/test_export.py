"""``hsi export``: files for other programs, checked on a scene, and what is refused."""

import json

import numpy as np
import onnxruntime
import pytest
import yaml

import hsi
from hsi.errors import UsageError
from hsi.inference.model_file import save_model
from hsi.io import open_scene
from hsi.version import install_hint
from tests.conftest import SMALL, names_in, run_here
from tests.models.model_makers import random_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, scenes):
    """A trained network, small but no guess."""
    out = tmp_path_factory.mktemp("model") / "model.safetensors"
    done = run_here("train", scenes["mat"], *SMALL, "--epochs", 15, "--out", out, cwd=out.parent)
    assert done.code == 0, done.stderr
    return out


@pytest.mark.parametrize("shape", ["patch", "tile"])
def test_an_onnx_file_is_as_accurate_as_the_model(shape, model, scenes, sample, run, tmp_path):
    labels = scenes["npy"].with_name("scene_gt.npy")
    done = run("export", model, "--format", "onnx", "--input", shape, "--out", "m.onnx", "--check", scenes["npy"],
               "--labels", labels)  # fmt: skip
    assert done.code == 0, done.stderr
    rows = {line.rsplit(maxsplit=3)[0].strip(): line.split()[-3:] for line in done.stdout.splitlines() if line}
    assert rows["onnx"][1] == "100.00"
    saved = next(line for line in done.stdout.splitlines() if line.startswith("saved network"))
    assert saved.split()[-1] == rows["onnx"][0] and float(rows["onnx"][0]) > 60
    assert "24 bands" in done.stdout and "4 classes" in done.stdout
    out = tmp_path / "python" / "m.onnx"
    result = hsi.export(model, out, format="onnx", input=shape, check=sample.cube, labels=sample.truth)
    assert out.read_bytes() == (tmp_path / "m.onnx").read_bytes()
    session = onnxruntime.InferenceSession(out)
    assert json.loads(session.get_modelmeta().custom_metadata_map["hsi"]) == json.loads(json.dumps(result.metadata))
    assert result.metadata["classes"]["ids"] == (3, 7, 200, 300)
    assert (result.file, result.sizes, result.warnings) == (out, {"onnx": out.stat().st_size}, ())
    assert result.check.files["onnx"].agreement == 1 and f"{result.check.accuracy:.2%}" == f"{rows['onnx'][0]}%"


def test_8_bit_weights_are_measured(model, scenes, run, tmp_path):
    labels = scenes["npy"].with_name("scene_gt.npy")
    done = run("export", model, "--format", "onnx", "--int8", "--out", "m.onnx", "--check", scenes["npy"],
               "--labels", labels)  # fmt: skip
    assert done.code == 0, done.stderr
    lines = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert float(lines["int8 weights"][-2]) > 90
    assert float(lines["int8 weights"][-1]) > 0
    assert names_in(tmp_path) == {"m.onnx", "m.onnx.json"}
    result = hsi.export(model, tmp_path / "m.onnx", format="onnx", int8=True, overwrite=True)
    assert result.sizes["int8 weights"] < result.sizes["onnx"] / 2 and "which a check" in result.warnings[0]


def test_labels_that_trained_the_model_are_warned_of(model, scenes, run):
    done = run(
        "export", model, "--format", "torchscript", "--values", "components", "--out", "m.pt", "--check", scenes["mat"]
    )
    assert done.code == 0, done.stderr
    assert "these labels trained the model" in done.stderr
    assert "37 components, 11 x 11 pixels" in done.stdout, "13 and, for a support vector machine, all 24 bands"


def test_a_scene_to_check_on_is_read_as_predict_reads_it(model, sample, tmp_path):
    how = {"format": "torchscript", "labels": sample.truth, "overwrite": True}
    with pytest.raises(UsageError, match=r"on another scale .* multiplied by 1e4"):
        hsi.export(model, tmp_path / "m.pt", check=sample.cube / 1e4, **how)
    cube = sample.cube.astype(np.int16)
    cube[::2] = -9999
    checked = hsi.export(model, tmp_path / "m.pt", check=cube, **how).check
    assert checked.pixels == np.count_nonzero(sample.truth[1::2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("torchscript", "--int8", "--out", "m.pt"), "int8 is done by ONNX Runtime"),
        (("onnx", "--out", "m.pt"), "ends in .onnx"),
        (("onnx", "--out", "m.onnx", "--labels", "a.tif"), "are for check"),
        (("onnx", "--out", "m.onnx", "--variable", "cube"), "are for check"),
        (("onxx", "--out", "m.onnx"), "onxx"),
        (("onnx", "--out", "m.onnx", "--check", "a.npy", "--drop-bands", "3"), "drop_bands has no effect"),
        (("onnx", "--out", "m.onnx", "--licence", "mit"), "licence is for the card"),
        (("deepness", "--out", "m.onnx", "--input", "patch"), "input has no effect on the format deepness"),
        (("folder", "--out", "m", "--check", "a.npy"), "check has no effect on the format folder"),
        (("folder", "--out", "m", "--licence", "my own"), "give an identifier in one word"),
    ],
)
def test_what_has_no_effect_is_refused(options, says, model, run, tmp_path):
    done = run("export", model, "--format", *options)
    assert (done.code, len(done.complaints)) == (2, 1)
    assert says in done.complaints[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [({"format": "onxx"}, "did you mean onnx"), ({"input": "tiles"}, "mean tile"), ({"values": "band"}, "mean bands")],
)
def test_python_refuses_unknown_names(options, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        hsi.export("m.safetensors", tmp_path / "m.onnx", **{"format": "onnx", **options})


def test_tiles_of_a_network_that_pads_are_refused(scenes, run, tmp_path):
    bundle = random_model(open_scene(scenes["npy"]), name="mobilenet-v1")
    save_model(tmp_path / "m.safetensors", bundle)
    done = run("export", "m.safetensors", "--format", "onnx", "--input", "tile", "--out", "m.onnx")
    assert done.code == 2 and "mobilenet-v1 pads or strides" in done.complaints[0]


def test_an_existing_file_is_kept(model, run, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"mine")
    done = run("export", model, "--format", "onnx", "--out", "m.onnx")
    assert done.code == 1 and "exists already" in done.complaints[0]
    assert (tmp_path / "m.onnx").read_bytes() == b"mine"


def test_a_missing_package_is_said_with_how_to_get_it(model, run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    done = run("export", model, "--format", "onnx", "--out", "m.onnx")
    assert done.code == 2 and install_hint("export") in done.complaints[0]


def test_border_pixels_have_the_classes_of_the_map(model, scenes, run, tmp_path):
    """A program that knows only the metadata maps the scene as ``hsi predict`` does without its averages."""
    run("export", model, "--format", "onnx", "--input", "tile", "--out", "m.onnx")
    done = run("predict", model, scenes["npy"], "--out", "map.tif", "--no-symmetries", "--no-blend")
    assert done.code == 0, done.stderr
    from hsi.io.geotiff import read_classes

    cube = np.load(scenes["npy"]).astype(np.float32).transpose(2, 0, 1)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    facts = json.loads(session.get_modelmeta().custom_metadata_map["hsi"])
    half = facts["window"] // 2
    padded = np.pad(cube[list(facts["bands"]["bands"])], ((0, 0), (half, half), (half, half)))
    (found,) = session.run(None, {"input": padded[None]})
    ids = np.array(facts["classes"]["ids"])[found[0].argmax(0)]
    assert np.mean(ids == read_classes(tmp_path / "map.tif")) > 0.999


def test_a_folder_has_a_card_and_maps_like_its_model(mat_run, scenes, run, tmp_path):
    done = run("export", mat_run.out, "--format", "folder", "--licence", "cc-by-4.0", "--out", "shared")
    assert done.code == 0, done.stderr
    folder = tmp_path / "shared"
    assert names_in(folder) == {"README.md", "config.json", "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == (mat_run.out / "model.safetensors").read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert (config["architecture"], config["class_ids"]) == ("hybridsn-bn", [3, 7, 200, 300])
    _, header, card = (folder / "README.md").read_text().split("---\n", 2)
    metadata, accuracy = yaml.safe_load(header), json.loads((mat_run.out / "accuracy.json").read_text())
    assert metadata["license"] == "cc-by-4.0"
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == pytest.approx(accuracy["overall_accuracy"], abs=1e-6)
    for expected in (
        "24 of the 24 bands",
        "`scene.mat`, SHA-256",
        "## Leakage audit",
        accuracy["audit"]["in_words"][:20],
    ):
        assert expected in card
    mapped = run("predict", "shared", scenes["npy"], "--out", "map.tif")
    assert mapped.code == 0, mapped.stderr
    run("predict", mat_run.out / "model.safetensors", scenes["npy"], "--out", "own.tif")
    assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "own.tif").read_bytes()
    hsi.HybridSNClassifier.load(folder)
    again = run("export", mat_run.out, "--format", "folder", "--out", "shared")
    assert again.code == 1 and "holds a finished model" in again.complaints[0]


def test_a_folder_never_replaces_other_files(mat_run, model, run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    done = run("export", model, "--format", "folder", "--out", "mine", "--overwrite")
    assert done.code == 1 and "files that are no model of hsi" in done.complaints[0]
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"
    done = run("export", model, "--format", "folder", "--out", mat_run.out, "--overwrite")
    assert done.code == 1 and (mat_run.out / "map.tif").exists()
    done = run("export", model, "--format", "folder", "--out", "new")
    assert done.code == 0 and "states no licence" in done.stderr
    assert "Not known: the model was trained without test pixels" in (tmp_path / "new" / "README.md").read_text()
