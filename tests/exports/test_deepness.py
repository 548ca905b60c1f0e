"""Files for Deepness: a program that tiles a layer as the plugin does gets the map of ``hsi predict``."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import onnxruntime
import pytest

import hsi
from hsi.core.scene import Georeference, scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.exports import deepness
from hsi.fill import Fill
from hsi.inference.model_file import save_model
from hsi.inference.training_pixels import TrainingPixels
from hsi.preprocessing.band_matching import BandList
from hsi.workflows.resolve import updated
from tests.models.model_makers import random_cube, random_model

USED = (0, 1, 2, *range(4, 14))  # of 15 bands


class Plugin:
    """What Deepness does with a file and a layer ``(H, W, B)``, by its sources."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        stored = self.session.get_modelmeta().custom_metadata_map
        names = ("model_type", "class_names", "resolution", "tile_size", "tiles_overlap", "seg_thresh")
        self.metadata = {name: json.loads(stored[name]) for name in names if name in stored}
        (given,), (made,) = self.session.get_inputs(), self.session.get_outputs()
        self.name, self.shape, self.made = given.name, given.shape, made.shape

    def map_layer(self, layer):
        """Class numbers ``(H, W)`` from 0: the overlap is cut in half at the sides that tiles share."""
        tile, classes = self.shape[-1], len(self.metadata["class_names"])
        overlap = int(tile * self.metadata["tiles_overlap"] / 100 * 2) // 2
        stride, half = tile - overlap, overlap // 2
        steps = [max(0, -(-(side - tile) // stride)) for side in layer.shape[:2]]
        full = np.zeros((*(count * stride + tile for count in steps), layer.shape[2]), layer.dtype)
        full[: layer.shape[0], : layer.shape[1]] = layer
        numbers = np.full(full.shape[:2], classes, np.uint8)
        for place in product(*(range(count + 1) for count in steps)):
            top, left = (number * stride for number in place)
            batch = np.float32(full[None, top : top + tile, left : left + tile] * 1.0 / 255.0)
            (output,) = self.session.run(None, {self.name: batch.transpose(0, 3, 1, 2)[:, : self.shape[1]]})
            first = [half if number else 0 for number in place]
            last = [tile if number == count else tile - half for number, count in zip(place, steps, strict=True)]
            part = output[0].argmax(0)[first[0] : last[0], first[1] : last[1]]
            numbers[top + first[0] : top + last[0], left + first[1] : left + last[1]] = part
        return numbers[: layer.shape[0], : layer.shape[1]]


@pytest.fixture(scope="module")
def layer():
    """A layer of integers with pixels without data."""
    cube = random_cube(60, 75, 15, np.uint16) * 40
    cube[20:24, 30:40], cube[50, 5, 8] = 0, 9999
    return cube


def saved_model(layer, **mapping):
    """A model of some of the layer's bands, with its pixel size."""
    scene = replace(scene_from_array(layer[..., USED]), georeference=synthetic_georeference())
    saved = random_model(scene)
    spectra = np.ones((1, len(USED)), np.float32)
    training = TrainingPixels((60, 75), scene.georeference, np.array([0, 4]), spectra)
    settings = updated(saved.settings, mapping=mapping)
    bands = BandList(USED, 15, None, None)
    return replace(saved, settings=settings, bands=bands, temperature=0.8, training=(training,), fill=Fill((9999.0,)))


@pytest.mark.slow
def test_tiles_are_the_map_of_predict(layer, tmp_path, monkeypatch):
    monkeypatch.setattr(deepness, "TILE", 48)
    saved = saved_model(layer, symmetries=True, blend=True)
    save_model(tmp_path / "m.safetensors", saved)
    result = hsi.export(tmp_path / "m.safetensors", tmp_path / "q.onnx", format="deepness")
    plugin = Plugin(result.file)
    assert (plugin.shape, plugin.made) == ([1, 15, 48, 48], [1, 4, 48, 48])
    assert plugin.metadata["model_type"] == "Segmentor" and plugin.metadata["seg_thresh"] == 0
    assert plugin.metadata["class_names"] == {"0": "class 1", "1": "class 2", "2": "class 3", "3": "no data"}
    assert plugin.metadata["resolution"] == 2000  # centimetres
    expected = hsi.predict(tmp_path / "m.safetensors", layer)
    numbers = plugin.map_layer(layer)
    classes = np.array([*saved.table.ids, expected.nodata])[numbers]
    np.testing.assert_array_equal(classes, expected.classes)
    assert np.count_nonzero(numbers == 3) == 41
    assert len(np.unique(numbers)) > 2


def test_the_sidecar_names_task_and_classes(layer, tmp_path, monkeypatch):
    """As geoai's ``ONNXGeoModel`` reads it."""
    monkeypatch.setattr(deepness, "TILE", 24)
    save_model(tmp_path / "m.safetensors", saved_model(layer))
    for form, task, names, side in (
        ("onnx", "image-classification", ["class 1", "class 2", "class 3"], 11),
        ("deepness", "semantic-segmentation", ["class 1", "class 2", "class 3", "no data"], 24),
    ):
        out = tmp_path / f"{form}.onnx"
        hsi.export(tmp_path / "m.safetensors", out, format=form)
        sidecar = json.loads((tmp_path / f"{form}.onnx.json").read_text())
        assert sidecar["model_name"] == "hybridsn-bn" and sidecar["task"] == task
        assert sidecar["id2label"] == {str(number): name for number, name in enumerate(names)}
        (given,), (made,) = (lambda s: (s.get_inputs(), s.get_outputs()))(onnxruntime.InferenceSession(out))
        assert given.shape[1:] == [sidecar["input_channels"], sidecar["input_height"], sidecar["input_width"]]
        assert (sidecar["input_height"], sidecar["output_names"]) == (side, [made.name])


def test_a_place_without_metres_has_no_resolution(layer):
    saved = saved_model(layer)
    degrees = Georeference("EPSG:4326", (0.1, 0, 5, 0, -0.1, 50))
    saved = replace(saved, training=(replace(saved.training[0], georeference=degrees),))
    assert "resolution" not in deepness.DeepnessNetwork(saved).properties()
