"""Kill commands at random times, go on with them, and count what was lost: ``python -m tests.faults.killing FOLDER``.

Each command runs in a fork of this process, which has imported all that it needs, so that the time goes into the work,
and draws no figures and no report, which would take most of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import numpy as np
import psutil
import rasterio
import sklearn.discriminant_analysis
import torch

import hsi.inference.predict
import hsi.report.figures
import hsi.training.trainer
import hsi.workflows.classify
import hsi.workflows.outputs
import hsi.workflows.predict
import pipelines.classify
import pipelines.predict
import pipelines.train
from hsi.core import memory
from hsi.core.synthetic import make_scene
from pipelines.cli import main

IMPORTED = (
    matplotlib.pyplot,
    rasterio,
    sklearn.discriminant_analysis,
    hsi.report.figures,
    hsi.inference.predict,
    hsi.training.trainer,
)
COMMANDS = (pipelines.classify, pipelines.predict, pipelines.train)
SMALL = ("--device", "cpu", "--components", "13", "--window", "11", "--epochs", "30", "--no-symmetries")
OFTEN = (*SMALL, "--set", "run.checkpoint_seconds=0")
TIMED = {"run.json", "map.json"}  # hold times and what was resumed
LIMIT = 120  # seconds for a command of some two


def start(words: Sequence[str], log: Path) -> int:
    """``hsi WORDS`` in a fork of this process, its output in ``log``; returns the process's number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["hsi", *words]
        main(list(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(number: int, kill_after: float | None = None) -> tuple[int, float]:
    """Wait for a process: its exit code, or minus the number of the signal that ended it, and its processor seconds.

    With ``kill_after`` it is killed once it has used so many of them, which other work on the machine does not change.
    """
    deadline, process = time.monotonic() + LIMIT, psutil.Process(number)
    while time.monotonic() < deadline:
        ended, status, used = os.wait4(number, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        if kill_after is not None and sum(process.cpu_times()[:2]) >= kill_after:
            os.kill(number, signal.SIGKILL)
        time.sleep(0.002)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    raise TimeoutError(f"a command did not end within {LIMIT} s")


def results(folder: Path) -> dict[str, bytes]:
    """What lies in a folder by its name, without hidden files and what holds times."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED]
    names = {path: path.relative_to(folder) for path in found}
    shown = {path: name for path, name in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {str(name): path.read_bytes() for path, name in shown.items()}


def trials(name: str, words: Sequence[str], folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Kill a command ``count`` times at random times, go on each time, and compare with one that was left alone."""
    whole = folder / "whole"
    whole.mkdir(parents=True)
    code, took = finish(start([*words, "--out", str(whole / name)], folder / "whole.log"))
    if code:
        raise RuntimeError((folder / "whole.log").read_text())
    expected, moments = results(whole), random.Random(seed)
    told = {"trials": count, "processor seconds": round(took, 1), "killed": 0, "finished before": 0, "gone on": 0}
    told |= {"half-written": 0, "different": 0, "left behind": 0}
    for trial in range(count):
        place = folder / f"trial-{trial}"
        place.mkdir()
        command = [*words, "--out", str(place / name)]
        code, _ = finish(start(command, folder / "killed.log"), moments.uniform(0, took))
        told["killed" if code == -signal.SIGKILL else "finished before"] += 1
        done = (place / name).exists()
        told["half-written"] += results(place) != expected if done else partly(results(place), expected)
        if not done:
            log = folder / "resumed.log"
            if finish(start([*command, "--resume"], log))[0]:
                raise RuntimeError(log.read_text())
            told["gone on"] += bool(re.search(r"^resumed +(after step|[1-9])", log.read_text(), re.MULTILINE))
        found = results(place)
        told["different"] += found != expected
        told["left behind"] += any(path.name.endswith(".partial") for path in place.iterdir()) and not done
    return told


def partly(found: dict[str, bytes], expected: dict[str, bytes]) -> bool:
    """Whether any file of a result that is not complete as a whole is not complete in itself."""
    return any(expected.get(name) != content for name, content in found.items())


def make_inputs(folder: Path) -> Path:
    """A scene of 36 x 40 pixels and its labels."""
    cube, labels, _ = make_scene(36, 40, bands=24, classes=4, field=10)
    np.save(folder / "scene.npy", cube)
    np.save(folder / "scene_gt.npy", labels.astype(np.uint8))
    return folder / "scene.npy"


def run(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Trials of classify, train and predict; all that is counted."""
    torch.set_num_threads(1)
    hsi.workflows.outputs.write_figures = lambda folder, run, **options: []
    hsi.workflows.classify.write_run_report = lambda *arguments: None
    hsi.workflows.predict.write_map_report = lambda *arguments: None
    memory.ROWS = memory.TILE_SIDES = (8, 8)  # so that a small scene is mapped in several strips
    folder.mkdir(parents=True, exist_ok=True)
    scene = str(make_inputs(folder))
    found = {
        "classify": trials("run", ["classify", scene, *OFTEN], folder / "classify", count, seed),
        "train": trials("m.safetensors", ["train", scene, *OFTEN], folder / "train", max(1, count // 2), seed + 1),
    }
    model = str(folder / "train" / "whole" / "m.safetensors")
    words = ["predict", model, scene, "--device", "cpu", "--probabilities"]
    return {**found, "predict": trials("map.tif", words, folder / "predict", max(1, count // 2), seed + 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="An empty folder for scenes and results.")
    parser.add_argument("--trials", type=int, default=20, help="Trials of classify; train and predict get half.")
    parser.add_argument("--seed", type=int, default=0, help="Decides the moments.")
    given = parser.parse_args()
    print(json.dumps(run(given.folder, given.trials, given.seed), indent=2))
