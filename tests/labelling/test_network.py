"""Training a network in the background, and the run folder at the end."""

import io
import json
import time
from dataclasses import replace

import numpy as np
import pytest
import scipy.io
from safetensors.numpy import load_file

from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.core.labels import ClassTable
from hsi.core.memory import MB
from hsi.core.scene import Block
from hsi.errors import LabelError, OutputError, TrainingError
from hsi.labelling import regions
from hsi.labelling.finish import finish, fits, free_folder
from hsi.labelling.network import NetworkTask, NetworkTraining, cross_validate_inputs, make_task, run_task
from hsi.labelling.session import LabelSession
from hsi.labelling.store import LabelStore
from hsi.report.tables import to_csv, to_markdown
from hsi.settings import InputSettings, Settings
from hsi.workflows.inputs import open_scene, read_inputs

FAST = {"training": {"epochs": 2}, "model": {"name": "hybridsn-ds-gap", "window": 11, "second_window": 0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scene without CRS, and two classes drawn on it."""
    folder = tmp_path_factory.mktemp("label")
    random = np.random.default_rng(0)
    cube = random.normal(100, 4, (24, 26, 16))
    cube[:, 13:, 6:] += 40
    scipy.io.savemat(folder / "scene.mat", {"cube": cube.astype(np.float32)})
    store = LabelStore(folder / "scene_labels.gpkg", open_scene(folder / "scene.mat"))
    for name, left in (("left", 2), ("right", 15)):
        one = store.add_class(name)
        for top in (2, 14):
            store.add(one.id, regions.rectangle((left, top), (left + 6, top + 6)), "rectangle")
    return folder


def make(folder, **settings):
    store = LabelStore(folder / "scene_labels.gpkg", open_scene(folder / "scene.mat"))
    task = make_task(store, [folder / "scene.mat"], folder / "run", "hybridsn-ds-gap")
    chosen = {**task.settings.model_dump(exclude_unset=True), **FAST, **settings}
    return replace(task, settings=Settings.model_validate(chosen))


def test_commands_name_what_was_done(folder):
    task = make(folder)
    scene, labels, out = (str(folder / name) for name in ("scene.mat", "scene_labels.gpkg", "run"))
    same = (scene, "--labels", labels, "--model", "hybridsn-ds-gap")
    assert task.classify_command == ("hsi", "classify", *same, "--split", "all", "--out", out)
    assert task.train_command == ("hsi", "train", *same, "--out", f"{out}.safetensors")
    assert task.test_command == ("hsi", "classify", *same, "--split", "polygons", "--out", f"{out}-test")
    options = InputSettings(labels=folder / "a.gpkg", label_field="cover", all_touched=True)
    drawn = NetworkTask((folder / "a.hdr",), options, task.settings, folder / "run")
    assert drawn.train_command[3:8] == ("--labels", str(folder / "a.gpkg"), "--label-field", "cover", "--all-touched")
    zeros = NetworkTask((folder / "a.hdr",), InputSettings(nodata=0, background=0), task.settings, folder / "run")
    assert {"--nodata", "--background"} < set(zeros.train_command)


@pytest.mark.slow
def test_run_is_that_of_the_command_and_its_model_that_of_train(folder):
    from hsi.workflows.train import train_model

    stages = []
    task = make(folder)
    training = NetworkTraining(task, lambda one: stages.append(one.stage))
    assert training.wait(400) == "finished", training.error
    assert "train" in " ".join(stages) and fits(task, training)
    ids, confidence = training.result.read(Block(4, 2, 20, 24))
    assert ids.shape == confidence.shape == (20, 24) and set(np.unique(ids)) <= {1, 2} and (confidence > 0).all()
    done = finish(task, training)
    assert {"map.tif", "model.safetensors", "report.html", "run.json"} <= {one.name for one in done.folder.iterdir()}
    record = json.loads((done.folder / "run.json").read_text())
    checked = json.loads((done.folder / "accuracy.json").read_text())["cross_validation"]
    assert record["cross_validation"] == checked and "too few shapes to tell" in checked["in_words"]
    assert "no test" in (done.folder / "report.html").read_text()
    assert record["command"] == list(task.classify_command) and not training._folder.exists()
    settings = Settings.model_validate(FAST)
    read = lambda: read_inputs(task.scene, task.options.labels, task.options)  # noqa: E731
    train_model(read, settings, folder / "again.safetensors")
    first, second = (load_file(file) for file in (done.folder / "model.safetensors", folder / "again.safetensors"))
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(OutputError, match="holds a finished run"):
        finish(task)
    assert free_folder(done.folder) == folder / "run-2"


@pytest.mark.slow
def test_cancelled_training_ends_and_leaves_nothing(folder):
    training = NetworkTraining(make(folder, training={"epochs": 100_000}))
    while training.stage == "start" and training.state == "running":
        time.sleep(0.05)
    training.cancel()
    assert training.state == "cancelled" and training._process.poll() is not None
    with pytest.raises(TrainingError, match="cancelled"):
        finish(replace(training.task, out=folder / "other"), None, changed=lambda one: one.cancel())
    training.discard()
    assert not training._folder.exists() and not (folder / "other").exists()


def test_folder_that_cannot_be_written_is_named_before_the_training(folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file"):
        finish(replace(make(folder), out=tmp_path / "file" / "run"), changed=lambda one: pytest.fail("it trains"))


def test_failure_is_one_line(folder):
    task = make(folder)
    lost = replace(task, options=task.options.model_copy(update={"labels": folder / "lost.gpkg"}))
    values = {"scene": [str(one) for one in lost.scene], "out": str(lost.out), "folder": str(folder / "work")}
    values["options"] = lost.options.model_dump(mode="json", exclude_unset=True)
    values["settings"] = lost.settings.model_dump(mode="json", exclude_unset=True)
    stream = io.StringIO()
    assert run_task(json.dumps(values), stream) == 1
    assert "lost.gpkg" in json.loads(stream.getvalue().splitlines()[-1])["error"]


def test_cross_validation_of_a_run_is_that_of_the_page_and_no_test(folder):
    task = make(folder)
    found = cross_validate_inputs(read_inputs(task.scene, task.options.labels, task.options))["cross_validation"]
    session = LabelSession(folder / "scene.mat", InputSettings())
    session.start()
    end = time.monotonic() + 60
    while session.accuracy is None and time.monotonic() < end:
        time.sleep(0.02)
    session.close()
    assert found == session.accuracy.to_dict()
    assert (found["accuracy"], found["enough"]) == (None, False) and "too few" in found["in_words"]
    table = ClassTable((1, 2), ("left", "right"), ((1, 2, 3), (4, 5, 6)))
    nothing = confusion_matrix(np.zeros(0, int), np.zeros(0, int), 2)
    report = {"model": "x", "audit": None, **measure_accuracy(nothing, table, [72, 72]), "cross_validation": found}
    assert "Cross-validation, not a test of this map: the quick classifier of hsi label" in to_markdown(report)
    assert "cross_validation_overall_accuracy" in to_csv(report)
    assert "No test pixels" in to_markdown(report)


def test_one_class_is_too_few(folder, tmp_path):
    store = LabelStore(tmp_path / "one.gpkg", open_scene(folder / "scene.mat"))
    store.add(store.add_class("only").id, regions.rectangle((2, 2), (5, 5)))
    with pytest.raises(LabelError, match="two classes"):
        make_task(store, [folder / "scene.mat"], tmp_path / "run")
    store.add(store.add_class("other").id, regions.rectangle((12, 12), (15, 15)))
    with pytest.raises(LabelError, match="one shape"):
        make_task(store, [folder / "scene.mat"], tmp_path / "run", hold_out=True)


@pytest.mark.slow
def test_its_process_ends_with_a_line_where_it_may_not_use_the_memory_it_needs(folder):
    training = NetworkTraining(make(folder), limit=100 * MB)
    try:
        assert training.wait(60) == "failed"
        assert "--max-memory is 100 MB, and" in training.error
    finally:
        training.discard()
