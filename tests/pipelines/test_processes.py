"""Several processes that torchrun starts: all train, one writes and speaks."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import QUICK, ROOT

pytestmark = pytest.mark.slow


def test_two_processes_make_one_run(scenes, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "pipelines.cli", "classify", scenes["tiff"], *QUICK, "--no-symmetries", "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("accuracy    OA") == 1 and done.stdout.count("in QGIS") == 1
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [epoch["epoch"] for epoch in record["history"]] == [1, 2]
    assert {"map.tif", "confidence.tif", "accuracy.md", "model.safetensors"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert {path.name for path in tmp_path.iterdir()} == {"run"}  # nothing of the other process


class TestRefused:
    @pytest.fixture(autouse=True)
    def _launched(self, monkeypatch):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
        monkeypatch.setenv("RANK", "0")

    def test_commands_that_train_nothing(self, run, scenes):
        done = run("predict", "model.safetensors", scenes["tiff"], "--out", "map.tif")
        assert done.code == 2
        assert "run hsi predict without it; --workers spreads a map over processes" in done.stderr

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (("--model", "svm"), "svm is trained by one process"),
            ((*QUICK, "--resume"), "leave --resume or torchrun out"),
        ],
    )
    def test_what_cannot_be_shared(self, options, reason, run, scenes):
        done = run("classify", scenes["tiff"], *options, "--out", "run")
        assert done.code == 2 and reason in done.stderr
