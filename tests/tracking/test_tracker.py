"""Runs that are reported to TensorBoard and MLflow, by the stores of the programs themselves."""

import pytest

import hsi
from hsi.errors import UsageError
from hsi.tracking import tracker
from hsi.version import install_hint
from tests.conftest import QUICK, names_in

OPTIONS = (*QUICK, "--set", "mapping.spectral=none", "--no-calibrate", "--set", "model.second_window=0")
SETTINGS = {"reducer.components": 13, "model.window": 11, "training.epochs": 2, "mapping.calibrate": False}
SETTINGS |= {"device": "cpu", "mapping.spectral": "none", "model.second_window": 0}


def test_tensorboard_has_losses_accuracy_and_settings(scenes, run, tmp_path):
    pytest.importorskip("tensorboard", exc_type=ImportError)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = run("train", scenes["mat"], *OPTIONS, "--track", "tensorboard", "--out", "m.safetensors")
    assert done.code == 0, done.stderr
    assert names_in(tmp_path) == {"m.safetensors", "tensorboard"}
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name.startswith("m-") and str(folder.relative_to(tmp_path)) in done.stdout
    losses = [one.step for file in sorted(folder.iterdir()) for one in _scalars(EventAccumulator, file, "loss")]
    assert losses == [1, 2]
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"training.weight_decay" in content and b"m.safetensors" in content


def _scalars(reader, file, name):
    found = reader(str(file)).Reload()
    return found.Scalars(name) if name in found.Tags()["scalars"] else []


@pytest.mark.slow  # of the import
def test_mlflow_has_metrics_settings_and_the_run(sample, tmp_path, monkeypatch, no_figures):
    mlflow = pytest.importorskip("mlflow", exc_type=ImportError)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # no server, no database
    out = tmp_path / "run"
    done = hsi.classify(sample.cube, sample.truth, settings=SETTINGS, out=out, track="mlflow")
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("hsi").experiment_id])
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert found.data.params["training.epochs"] == "2" and found.data.params["model.window"] == "11"
    assert found.data.metrics["overall_accuracy"] == pytest.approx(done.overall_accuracy)
    assert [one.step for one in client.get_metric_history(found.info.run_id, "loss")] == [1, 2]
    stored = {one.path for one in client.list_artifacts(found.info.run_id, "run")}
    assert {"run/map.tif", "run/accuracy.json", "run/model.safetensors"} <= stored
    with pytest.raises(hsi.HsiError):
        hsi.classify(sample.cube, sample.truth, settings={**SETTINGS, "training.lr": 1e30}, track="mlflow")
    statuses = {one.info.status for one in client.search_runs([found.info.experiment_id])}
    assert statuses == {"FINISHED", "FAILED"}


@pytest.mark.parametrize("program", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_before_anything_is_read(program, run, monkeypatch, tmp_path):
    monkeypatch.delitem(__import__("sys").modules, f"hsi.tracking.{program}_run", raising=False)
    monkeypatch.setitem(__import__("sys").modules, program, None)
    monkeypatch.delitem(__import__("sys").modules, "torch.utils.tensorboard", raising=False)
    done = run("classify", "none.mat", "--track", program, "--out", "run")
    assert done.code == 2 and len(done.complaints) == 1
    assert f"track={program} needs {program}: {install_hint(program)}" in done.complaints[0]
    assert not list(tmp_path.iterdir())


def test_a_program_that_fails_does_not_end_the_run(sample, monkeypatch):
    class Failing(tracker.Tracker):
        where = "nowhere"

        def log_epoch(self, epoch, values):
            raise ConnectionError("the server is gone")

        def finish(self, settings, results, made):
            raise ConnectionError("the server is gone")

        def fail(self, settings):
            raise AssertionError

    monkeypatch.setattr(tracker, "open_tracker", lambda kind, name: Failing())
    done = hsi.classify(sample.cube, sample.truth, settings=SETTINGS, track="mlflow")
    assert [text for text in done.warnings if "mlflow" in text] == [
        "mlflow has failed, and the run goes on: the server is gone"
    ]
    monkeypatch.undo()
    with pytest.raises(UsageError, match="did you mean mlflow"):
        hsi.classify(sample.cube, sample.truth, track="mlflw")
