"""Small valid settings, models, checkpoints and records of runs to be made hostile."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import ROOT
from tests.faults.fuzz_files import Made, folder_in, itself
from tests.io.file_makers import small_labels

MAP_FACTS = {"model": "0" * 64, "rows": 4, "tile": 16}


def settings(root: Path) -> Made:
    """The shipped defaults, as they are and as plain JSON, which is YAML."""
    from hsi.settings import Settings

    path = folder_in(root, "yaml") / "settings.yaml"
    shutil.copy(ROOT / "configs" / "default.yaml", path)
    yield itself(path, "text")
    path = folder_in(root, "json") / "settings.yaml"
    path.write_text(json.dumps(Settings().model_dump()))
    yield itself(path, "json")


def experiment(root: Path) -> Made:
    """A shipped experiment, with and without anchors."""
    import yaml

    path = folder_in(root, "yaml") / "experiment.yaml"
    shutil.copy(ROOT / "configs" / "experiments" / "ablation.yaml", path)
    yield itself(path, "text")
    plain = json.dumps(yaml.safe_load(path.read_text()))
    path = folder_in(root, "json") / "experiment.yaml"
    path.write_text(plain)
    yield itself(path, "json")


@cache
def model_cube() -> np.ndarray:
    """``(6, 6, 15)``: the scene that the saved model is of."""
    from tests.models.model_makers import random_cube

    return random_cube(6, 6, 15)


def model(root: Path) -> Made:
    """A saved network with MNF and one with PCA."""
    from hsi.core.scene import scene_from_array
    from hsi.inference.model_file import save_model
    from tests.models.model_makers import random_model

    for reducer in ("mnf", "pca"):
        path = folder_in(root, reducer) / "model.safetensors"
        save_model(path, random_model(scene_from_array(model_cube()), name="hybridsn-ds-gap", reducer=reducer))
        yield itself(path, "safetensors")


def trainer() -> Any:
    """A training of two steps, of a network of few parameters."""
    from tests.training.test_trainer import make_problem, make_trainer

    return make_trainer("hybridsn-ds-gap", problem=make_problem(12, 13), epochs=2)


def checkpoint(root: Path) -> Made:
    """A training that stopped after its first step."""
    from hsi.training.checkpoint import save_checkpoint

    path, stopped = folder_in(root, "checkpoint") / "checkpoint.safetensors", trainer()

    def keep(training: Any) -> None:
        if training.state.steps_done == 1:
            save_checkpoint(path, training.checkpoint())

    stopped.fit(after_step=keep)
    yield itself(path, "safetensors")


def strips(root: Path) -> Made:
    """A map with one strip done."""
    from hsi.core.scene import Block
    from hsi.inference.resume import FACTS, StripCache

    folder = folder_in(root, "strips")
    layers = {"map": np.ones((4, 6), np.uint8), "confidence": np.ones((1, 4, 6), np.float32)}
    StripCache(folder, MAP_FACTS).save(Block(0, 0, 4, 6), layers)
    yield folder / FACTS, FACTS, "json"
    yield folder / FACTS, "rows-00000000.npz", "zip"


def run_record(root: Path) -> Made:
    """The folder of a finished run, without its pictures."""
    from hsi.accuracy.calibration import measure_calibration
    from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
    from hsi.core.labels import default_table
    from hsi.io.geotiff import write_band, write_class_map
    from hsi.settings import InputSettings, Settings
    from hsi.workflows.classify import requested

    folder, table, truth = folder_in(root, "run"), default_table([1, 2, 3]), small_labels()
    ids = np.where(truth > 0, truth, 1)
    for name in ("map.tif", "ground_truth.tif"):
        write_class_map(folder / name, ids, table, georeference=None, nodata_mask=None)
    write_band(folder / "split.tif", truth, georeference=None)
    codes = ids.ravel().astype(int) - 1
    report = measure_accuracy(confusion_matrix(codes, codes, 3), table, [4, 4, 4])
    report["calibration"] = measure_calibration(np.linspace(0.3, 1, 50), np.arange(50) % 5 > 0)
    history = [{"epoch": i, "loss": 1 / i, "accuracy": 0.5, "lr": 0.1, "validation_accuracy": None} for i in (1, 2, 3)]
    asked = requested(Settings(), InputSettings())
    inputs = {"scene": "scene.mat", "variable": None, "labels": "scene.mat", "sha256": {}, "title": "a scene"}
    record = {"asked": asked, "inputs": inputs, "bands": {"kept": [1, 2]}, "history": history}
    for name, content in (("run.json", record), ("accuracy.json", report)):
        (folder / name).write_text(json.dumps(content))
    for name, kind in (("run.json", "json"), ("accuracy.json", "json"), ("map.tif", "start")):
        yield folder / "run.json", name, kind


def comparison(root: Path) -> Made:
    """The result of a comparison of two rows."""
    spread = {"mean": 0.6, "deviation": 0.1, "interval": [0.5, 0.7], "runs": 2}
    costs = {"measures": {"overall_accuracy": spread}, "multiply_adds": 900, "pixel_seconds": {**spread, "mean": 1e-5}}
    rows = [{"name": name, "parameters": count, **costs} for name, count in (("a", 100), ("b", 2000))]
    row = {"position": {"mean": 0.5}, "rule": "random", "name": "random", "rows": rows}
    runs = [{"row": name, "split": "random", "overall_accuracy": 0.5 + i / 10} for i, name in enumerate("aabb")]
    path = folder_in(root, "comparison") / "comparison.json"
    path.write_text(json.dumps({"splits": [row], "runs": runs}))
    yield itself(path, "json")
