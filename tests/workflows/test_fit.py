"""What is fitted on the training pixels: the network, the classifiers of single pixels, their weights and the
temperature."""

import numpy as np
import pytest

import hsi
from hsi.core.events import Recorder, report_to
from hsi.core.synthetic import make_scene
from hsi.exports.network import ExportedNetwork, export_network
from hsi.inference.model_file import load_model, save_model

CALLS = {"components": 13, "window": 11, "device": "cpu", "train": "15%"}


@pytest.fixture(scope="module")
def coarse():
    cube, truth, _ = make_scene(height=36, width=40, bands=24, classes=6, field=3, noise=0.05, seed=0)
    return cube, np.where(truth, truth % 3 + 1, 0)  # two kinds of spectra in each class


def test_a_pool_of_small_fields_is_saved_mapped_again_and_exported(coarse, tmp_path):
    cube, truth = coarse
    run = hsi.classify(cube, truth, epochs=3, settings={"mapping.spectral": "pool", "mapping.blend": False}, **CALLS)
    pool = run.classified.model.describe()["pool"]
    assert pool["linear"] > 0 and pool["svm"] > 0 and pool["support_vectors"] > 3
    assert run.report["calibration"]["error"] < 0.1
    path = tmp_path / "model.safetensors"
    save_model(path, run.classified.model.saved)
    assert np.array_equal(hsi.predict(path, cube, device="cpu").classes, run.classes)
    saved = load_model(path)
    assert saved.reducer.components == saved.model.components > 13
    export_network(ExportedNetwork(saved, "tile", "bands"), tmp_path / "m.onnx", "onnx", {})  # compares both


@pytest.mark.slow
def test_filtered_components_join_a_network_that_was_hardly_trained(tmp_path):
    cube, truth, _ = make_scene(height=36, width=40, bands=24, classes=4, field=9, noise=0.3, seed=0)
    usual = {"mapping.spectral": "filtered", "mapping.blend": True}
    run = hsi.classify(cube, truth, epochs=3, settings=usual, **CALLS)
    alone = hsi.classify(cube, truth, epochs=3, settings={**usual, "mapping.spectral": "none"}, **CALLS)
    pool = run.classified.model.describe()["pool"]
    assert pool["filtered"] and pool["svm"] > 0
    assert run.report["overall_accuracy"] > alone.report["overall_accuracy"] + 0.1
    path = tmp_path / "model.safetensors"
    save_model(path, run.classified.model.saved)
    assert np.array_equal(hsi.predict(path, cube, device="cpu").classes, run.classes)
    export_network(ExportedNetwork(load_model(path), "tile", "bands"), tmp_path / "m.onnx", "onnx", {})


def test_confidence_is_calibrated_by_training_pixels_that_are_held_out():
    cube, truth, _ = make_scene(height=36, width=40, bands=24, classes=4, field=9, noise=0.05, seed=0)
    usual = {"mapping.spectral": "none", "mapping.blend": True, "mapping.symmetries": False}
    plain, fitted = (
        hsi.classify(cube, truth, epochs=60, settings={**usual, "mapping.calibrate": wanted}, **CALLS)
        for wanted in (False, None)
    )
    assert np.array_equal(plain.classes, fitted.classes)
    assert plain.report["calibration"]["error"] > 0.08 > 0.04 > fitted.report["calibration"]["error"]
    assert plain.classified.model.saved.temperature == 1 > fitted.classified.model.saved.temperature


def test_a_logistic_regression_joins_where_no_pixel_can_be_held_out(tmp_path):
    cube, truth, _ = make_scene(height=36, width=40, bands=24, classes=3, field=9, noise=0.05, seed=0)
    reports = Recorder()
    with report_to(reports):
        run = hsi.classify(cube, truth, epochs=3, settings={"mapping.spectral": "pool"}, **{**CALLS, "train": "1"})
    assert any("too few training pixels to weight a pool" in text for text in reports.warnings)
    assert run.classified.model.saved.settings.mapping.spectral == "logistic"
    path = tmp_path / "model.safetensors"
    save_model(path, run.classified.model.saved)
    assert np.array_equal(hsi.predict(path, cube, device="cpu").classes, run.classes)
