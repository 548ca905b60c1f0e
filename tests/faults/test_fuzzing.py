"""Hostile files of every kind end in an error of this package, and what fuzzes them sees every other end."""

import contextlib
import json
import os
import subprocess
import sys
import warnings
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsi.errors import HsiError
from tests.conftest import ROOT
from tests.faults.fuzz_targets import TARGETS
from tests.faults.mutating import KINDS, mutate

SLOW = {"model", "checkpoint", "run-record", "comparison", "experiment"}
FAKES = """
import json, os, sys, tempfile, time
from pathlib import Path
from hsi.errors import SceneFileError
from tests.faults import trials
from tests.faults.fuzz_targets import TARGETS, Seed, Target

def refuse(path):
    raise SceneFileError("no")

def pickled(path):
    __import__("pi" + "ckle").loads(bytes.fromhex("80026362" + "75696c74696e730a7072696e740a71002e"))

held = []
READS = {
    "read": lambda path: path.read_bytes(),
    "refused": refuse,
    "crash": lambda path: {}["lost"],
    "hang": lambda path: time.sleep(60),
    "memory": lambda path: held.append(b"x" * (trials.GROWTH + 2**24)),
    "memory asked for": lambda path: bytearray(2**45),
    "died": lambda path: os.abort(),
    "outside": lambda path: (path.parent.parent / "x").write_text("x"),
    "outside by pickle": pickled,
    "outside by command": lambda path: os.system("true"),
    "read and written": lambda path: ((path.parent / "out").mkdir(), (path.parent / "out" / "x").write_text("x")),
}
trials.SECONDS, trials.GROWTH = 2, 64 * 2**20
TARGETS |= {name: Target(name, lambda root: iter(()), read) for name, read in READS.items()}
with tempfile.TemporaryDirectory() as folder, trials.Trials(Path(folder)) as running:
    seed = Seed({"a": b"a"}, "a", "a", "bytes")
    print(json.dumps({name: running.run(TARGETS[name], seed).outcome for name in READS}))
"""


def run_module(*words, timeout=300):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_valid_files_are_read(name, tmp_path):
    for number, seed in enumerate(TARGETS[name].seeds()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            TARGETS[name].read(seed.write(tmp_path / str(number)))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_hostile_files_end_in_an_error_of_this_package(name, tmp_path_factory):
    target = TARGETS[name]

    @settings(max_examples=6 if name in SLOW else 15, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.randoms(use_true_random=False))
    def only_errors_of_this_package(chance):
        path = target.hostile(chance).write(tmp_path_factory.mktemp("hostile"))
        with contextlib.suppress(HsiError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path)

    only_errors_of_this_package()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_same_seed_makes_the_same_file(kind):
    content = next(seed for target in TARGETS.values() for seed in target.seeds() if seed.kind == kind)
    made = [[mutate(content.files[content.changed], kind, Random(number)) for number in range(30)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 15


@pytest.mark.slow
def test_every_end_is_seen():
    done = run_module("-c", FAKES)
    assert done.returncode == 0, done.stderr
    for name, outcome in json.loads(done.stdout).items():
        assert outcome == name.split()[0], name


@pytest.mark.slow
def test_the_command_counts_what_came_of_each_target():
    names = ("mat", "envi-header", "hdf5", "geopackage", "settings")
    words = [word for name in names for word in ("--target", name)]
    done = run_module("-m", "tests.faults.fuzzing", "--trials", "8", "--seed", "5", *words)
    assert done.returncode == 0, done.stdout
    rows = {row.split("|")[1].strip(): row for row in done.stdout.splitlines() if row.startswith("|")}
    assert set(rows) >= {*names, "together"}
    assert rows["together"].split("|")[2].strip() == "40"


def test_findings_are_kept_and_end_with_exit_code_1(tmp_path):
    """A reader that is broken on purpose."""
    program = """
import sys
from dataclasses import replace
from tests.faults import fuzzing
fuzzing.TARGETS["npy"] = broken = replace(fuzzing.TARGETS["npy"], read=lambda path: {}[path.stat().st_size])
fuzzing.check_seeds = lambda target: None
sys.exit(fuzzing.main(["--target", "npy", "--trials", "2", "--out", sys.argv[1]]))
"""
    done = run_module("-c", program, str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert "npy 0: crash: KeyError" in done.stdout
    assert (tmp_path / "npy-0" / "cube.npy").is_file()
    assert "KeyError" in (tmp_path / "npy-0" / "FINDING.txt").read_text()


@pytest.mark.parametrize("name", ["envi-header", pytest.param("settings", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_files_led_by_coverage(name, tmp_path):
    pytest.importorskip("atheris")
    words = ("--engine", "atheris", "--target", name, "--trials", "40", "--out", str(tmp_path))
    done = run_module("-m", "tests.faults.fuzzing", *words)
    assert done.returncode == 0, done.stderr
    assert f"| {name} |" in done.stdout
    assert not list(tmp_path.iterdir())
