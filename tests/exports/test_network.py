"""Exported files: the probabilities of the network, for patches and tiles of any size, from bands or components."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hsi.core.scene import scene_from_array
from hsi.errors import UsageError
from hsi.exports import network as export
from hsi.exports.network import (
    ExportedNetwork,
    ExportError,
    Reduction,
    describe_export,
    export_network,
    quantise,
    run_file,
)
from hsi.models import MODELS, join_linear
from hsi.preprocessing.reducers import reduce_cube
from tests.models.model_makers import random_cube, random_model

WITH_NORM = {"hybridsn-se": "hybridsn-bn-se", "hybridsn-cbam": "hybridsn-bn-cbam"}  # the same graph, and more
SHARING = [name for name, entry in MODELS.items() if not entry.multipliers and name not in WITH_NORM]


@pytest.fixture(scope="module")
def cube():
    return random_cube(20, 22, 15)


def model_of(cube, name="hybridsn-bn", **settings):
    return random_model(scene_from_array(cube), name=name, **settings)


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
@pytest.mark.parametrize("name", list(MODELS))
def test_every_network_is_exported_for_patches(name, form, cube, tmp_path):
    saved = model_of(cube, name)
    exported = ExportedNetwork(saved, "patch", "components")
    export_network(exported, tmp_path / "file", form, {})
    patches = np.random.default_rng(1).normal(size=(4, 13, 11, 11)).astype(np.float32)
    found = run_file(tmp_path / "file", form)(patches)
    with torch.no_grad():
        expected = saved.model(torch.from_numpy(patches)).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
@pytest.mark.parametrize("name", SHARING)
def test_a_tile_has_the_probabilities_of_each_of_its_windows(name, form, cube, tmp_path):
    saved = model_of(cube, name)
    export_network(ExportedNetwork(saved, "tile", "components"), tmp_path / "file", form, {})
    tile = np.random.default_rng(1).normal(size=(1, 13, 13, 15)).astype(np.float32)
    found = run_file(tmp_path / "file", form)(tile)
    assert found.shape == (1, 3, 3, 5)
    with torch.no_grad():
        for row, column in ((0, 0), (1, 3), (2, 4)):
            window = torch.from_numpy(tile[:, :, row : row + 11, column : column + 11])
            np.testing.assert_allclose(found[0, :, row, column], saved.model(window).softmax(1)[0], atol=1e-5)


@pytest.mark.parametrize("reducer", ["mnf", "pca", "identity"])
def test_raw_bands_go_in_and_the_reduction_is_the_reducers(reducer):
    cube = 1e4 + random_cube(20, 22, 13)
    cube[3, 4], cube[5, 6, 2] = 0, np.nan
    saved = model_of(np.nan_to_num(cube, nan=50), reducer=reducer)
    ground = np.isfinite(cube).all(axis=2) & cube.any(axis=2)
    expected = reduce_cube(cube, saved.reducer, ground)
    with torch.no_grad():
        found = Reduction(saved.reducer)(torch.from_numpy(cube.transpose(2, 0, 1)[None]))[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not found[:, 3, 4].any() and not found[:, 5, 6].any()


@pytest.mark.parametrize("shape", ["patch", "tile"])
def test_an_onnx_file_takes_raw_bands_and_has_metadata(shape, cube, tmp_path):
    saved = model_of(cube)
    facts = describe_export(saved, shape, "bands")
    exported = ExportedNetwork(saved, shape, "bands")
    assert export_network(exported, tmp_path / "m.onnx", "onnx", facts) < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["hsi"])
    assert (metadata["window"], metadata["bands"]["of"], metadata["input"]["values"]) == (11, 15, "bands")
    assert metadata["classes"]["ids"] == [1, 2, 3]
    (given,) = session.get_inputs()
    assert given.name == "input" and given.shape[1] == 15
    values = np.pad(cube.transpose(2, 0, 1)[None], ((0, 0), (0, 0), (5, 5), (5, 5)))  # half a window of zeros
    components, network = torch.nn.functional.pad(components_of(cube, saved), (5, 5, 5, 5)), saved.model
    if shape == "tile":
        expected = network.head_map(network.trunk(components))
    else:
        values, expected = values[:, :, :11, :11], network(components[:, :, :11, :11])
    (probabilities,) = session.run(None, {"input": values})
    assert probabilities.shape == ((1, 3, 20, 22) if shape == "tile" else (1, 3))
    np.testing.assert_allclose(probabilities, expected.softmax(1).detach(), atol=1e-5)


def components_of(cube, saved):
    return torch.from_numpy(reduce_cube(cube, saved.reducer, np.ones(cube.shape[:2], bool)))[None]


def test_torchscript_has_the_same_metadata(cube, tmp_path):
    saved = model_of(cube)
    facts = describe_export(saved, "patch", "components")
    export_network(ExportedNetwork(saved, "patch", "components"), tmp_path / "m.pt", "torchscript", facts)
    files = {"hsi.json": ""}
    with pytest.warns(DeprecationWarning):
        torch.jit.load(str(tmp_path / "m.pt"), _extra_files=files)
    metadata = json.loads(files["hsi.json"])
    assert metadata["reducer"]["name"] == "mnf"
    assert np.shape(metadata["reducer"]["weights"]) == (15, 13)  # applied before, so they are in the metadata


def test_the_temperature_and_the_discriminant_are_inside(cube, tmp_path):
    saved = model_of(cube)
    pixels = components_of(cube, saved)[0].flatten(1).T.numpy()
    joined = join_linear(saved.model, "discriminant", pixels, np.arange(len(pixels)) % 3)
    saved = replace(saved, model=joined, temperature=2.5)
    export_network(ExportedNetwork(saved, "tile", "components"), tmp_path / "m.onnx", "onnx", {})
    tile = torch.randn(1, 13, 12, 13)
    found = run_file(tmp_path / "m.onnx", "onnx")(tile.numpy())
    with torch.no_grad():
        expected = (joined.head_map(joined.trunk(tile)) / 2.5).softmax(1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_network_that_pads_has_no_tiles(cube):
    with pytest.raises(UsageError, match=r"resnet pads or strides.*--input patch"):
        ExportedNetwork(model_of(cube, "resnet"), "tile", "bands")


@pytest.mark.parametrize(("name", "shape"), [("hybridsn-bn", "patch"), ("hybridsn-ds", "tile"), ("vgg", "patch")])
def test_8_bit_weights_are_a_smaller_file_and_nearly_the_same_probabilities(name, shape, cube, tmp_path):
    saved = model_of(cube, name)
    exported = ExportedNetwork(saved, shape, "bands")
    export_network(exported, tmp_path / "m.onnx", "onnx", {"window": 11})
    quantise(tmp_path / "m.onnx", tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").stat().st_size < 0.5 * (tmp_path / "m.onnx").stat().st_size
    values = exported.example(6, 6)
    exact, rough = (run_file(tmp_path / f"{n}.onnx", "onnx")(values.numpy()) for n in ("m", "small"))
    assert 0 < np.abs(exact - rough).max() < 0.3
    (entry,) = onnx.load(tmp_path / "small.onnx").metadata_props
    assert json.loads(entry.value) == {"window": 11}


def test_a_file_that_differs_is_no_export(cube, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "run_file", lambda path, form: lambda values: np.zeros((5, 3), np.float32))
    with pytest.raises(ExportError, match="differs from the saved one"):
        export_network(ExportedNetwork(model_of(cube), "patch", "components"), tmp_path / "m.pt", "torchscript", {})
