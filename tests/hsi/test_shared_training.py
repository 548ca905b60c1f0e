"""A training on two processes: the losses of one, and a network that says the same."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.hsi.shared_run import trained

pytestmark = pytest.mark.slow

SHORT = {"epochs": 2, "context_dropout": 0.5, "lr": 1e-3}
SCENARIOS = {
    "dense": {"model": "hybridsn-bn", "engine": "dense", "dropout": False, **SHORT},
    "dense-dropout": {"model": "hybridsn-bn-se", "engine": "dense", "dropout": True, **SHORT},
    "dense-pieces": {"model": "hybridsn-bn-se", "engine": "dense", "dropout": True, "most": 5, **SHORT},
    # 124 pixels or so in batches of 41: the last one may be smaller than there are processes
    "patch": {"model": "hybridsn-bn", "engine": "patch", "batch": 41, "dropout": False, **SHORT},
    "patch-dropout": {"model": "hybridsn", "engine": "patch", "batch": 40, "dropout": True, **SHORT},
}


def start(folder, rank, world):
    command = [sys.executable, "-m", "tests.hsi.shared_run", folder, rank, world, json.dumps(SCENARIOS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def in_groups(tmp_path_factory):
    """What groups of one and of two processes trained, by scenario."""
    folders = {world: tmp_path_factory.mktemp(f"group-of-{world}") for world in (1, 2)}
    processes = [start(folder, rank, world) for world, folder in folders.items() for rank in range(world)]
    try:
        assert [process.wait(400) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    return {
        world: {name: load_file(folder / f"{name}.safetensors") for name in SCENARIOS}
        for world, folder in folders.items()
    }


def check(one, other):
    """Biases before a batch norm have gradients of mere noise, so what networks say is compared and no weights."""
    torch.testing.assert_close(other["loss"], one["loss"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(other["accuracy"], one["accuracy"])
    torch.testing.assert_close(other["scores"], one["scores"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_train_what_one_does(name, in_groups):
    check(in_groups[1][name], in_groups[2][name])


@pytest.mark.parametrize("name", ["dense", "patch"])
def test_without_dropout_that_is_the_usual_training(name, in_groups, monkeypatch):
    from hsi.training import engines, tiles

    for module, size in ((tiles, "WHOLE_SIDE"), (tiles, "TILE_SIDE"), (tiles, "STEP_AREA"), (engines, "MOST_WINDOWS")):
        monkeypatch.setattr(module, size, getattr(module, size))  # put back afterwards
    check(trained(**SCENARIOS[name]), in_groups[2][name])
