"""No command loses a file of the user, whatever stops it."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.conftest import ROOT, run_here
from tests.faults.foreign_files import Fault, make_source, trial

QUICK = ("classify", "classify its own scene", "rerun", "predict", "denoise", "evaluate", "plot", "plot a run")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    return make_source(folder / "source", lambda *words: run_here(*words, cwd=folder))


def test_files_of_the_user_stay(source, tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    fault = Fault(interrupt, tmp_path, monkeypatch.setattr)

    def execute(words, folder, chance):
        fault.left = chance.choice((-1, chance.randrange(15), chance.randrange(40)))
        done = run_here(*words, cwd=folder)
        fault.left = -1
        assert "not foreseen" not in done.stderr, done.stderr
        return {0: "finished", 130: "interrupted"}.get(done.code, "refused")

    ended = Counter()
    for seed in range(int(os.environ.get("HSI_FOREIGN_TRIALS", "2"))):
        ended += trial(source, tmp_path / str(seed), random.Random(seed), execute, QUICK)
    assert ended["finished"] and ended["interrupted"] and ended["refused"], ended


@pytest.mark.slow
def test_files_of_the_user_stay_when_commands_are_killed(tmp_path):
    command = [sys.executable, "-m", "tests.faults.foreign_files", str(tmp_path / "trials"), "--trials", "12"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert min(json.loads(done.stdout).values()) > 0
