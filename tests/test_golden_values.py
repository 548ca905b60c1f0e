"""Six small runs whose maps and weights must not change by a bit, on the machine where their checksums were recorded.

The numbers of a network differ from one processor and one PyTorch to the next, so elsewhere the runs are made and
nothing is compared. What else the files hold, such as settings and class names, may change. After an intended change
of results: ``python -m tests.test_golden_values`` records them again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning
from safetensors.numpy import load_file

from hsi.core.synthetic import make_scene
from tests.conftest import IDS, QUICK, run_here

RECORDED = Path(__file__).with_name("golden_values.json")
CLASSIFY = ("classify", "scene.npy", "--out", "run")
TRAIN = ("train", "scene.npy", *QUICK, "--out", "model.safetensors")
# by name: commands, one after the other
RUNS: dict[str, tuple[tuple[object, ...], ...]] = {
    "network": ((*CLASSIFY, *QUICK),),
    "baseline": ((*CLASSIFY, "--model", "svm", "--window", "11"),),
    "blocks": ((*CLASSIFY, "--split", "blocks", "--device", "cpu", "--set", "training.steps=6"),),
    "denoise": ((*CLASSIFY, *QUICK, "--denoise", "mnf", "--set", "denoising.components=13"),),
    "predict": (TRAIN, ("predict", "model.safetensors", "scene.npy", "--out", "map.tif", "--device", "cpu")),
    "compare": (
        ("compare", "scene.npy", "--models", "svm,hybridsn-bn", "--seeds", "1", "--epochs", "2", "--out", "all"),
    ),
}
WEIGHTS = ("model.", "reducer.")
COMPARED = {"map.tif", "confidence.tif", "map_confidence.tif", "split.tif", "model.safetensors"}


def machine() -> str:
    """What decides the last bits of a result: processor, PyTorch and its kernels."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    processor = " ".join(named.get(key, "") for key in ("model name", "cpu family", "model")).strip()
    return f"{processor or platform.processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def make_files(name: str, folder: Path) -> dict[str, str]:
    """Make a run in a folder; SHA-256 of its files by their names."""
    cube, labels, _ = make_scene(36, 40, bands=24, classes=4, field=10)
    np.save(folder / "scene.npy", cube)
    np.save(folder / "scene_gt.npy", IDS[labels])
    for command in RUNS[name]:
        done = run_here(*command, cwd=folder)
        assert done.code == 0, done.stderr
    files = sorted(path for path in folder.rglob("*") if path.name in COMPARED)
    # the folder of a compared run has a checksum of its settings in its name
    return {re.sub("-[0-9a-f]{8}/", "/", str(path.relative_to(folder))): hash_values(path) for path in files}


def hash_values(path: Path) -> str:
    """SHA-256 of a raster's pixels, or of the weights of a model and of its reducer by their names."""
    if path.suffix == ".tif":
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning), rasterio.open(path) as raster:
            arrays = {path.name: raster.read()}
    else:
        arrays = {name: array for name, array in load_file(path).items() if name.startswith(WEIGHTS)}
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "compare" else name for name in RUNS]
)
def test_the_files_of_a_run_are_as_recorded(name: str, tmp_path: Path, no_figures: Callable[..., None]) -> None:
    recorded = json.loads(RECORDED.read_text())
    made = make_files(name, tmp_path)
    if recorded["machine"] != machine():
        assert set(made) == set(recorded["files"][name])
        pytest.skip(f"checksums are of another machine: {recorded['machine']}; this is {machine()}")
    assert made == recorded["files"][name], f"recorded on {recorded['machine']}, this is {machine()}"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    found = {}
    for name in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = make_files(name, Path(folder))
    RECORDED.write_text(json.dumps({"machine": machine(), "files": found}, indent=2) + "\n", encoding="utf-8")
