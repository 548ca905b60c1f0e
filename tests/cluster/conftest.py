"""Dask clusters for tests: schedulers and workers as processes that can be killed and stopped one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from affine import Affine
from distributed import Client

from hsi.core.scene import scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.inference.model_file import save_model
from tests.conftest import ROOT
from tests.io import file_makers
from tests.models.model_makers import random_cube, random_model


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, count: int) -> None:
        self.scheduler = self._run("scheduler", "--port", 0)
        for _ in range(count):
            self.add()
        with Client(scheduler_file=str(self.folder / "scheduler.json"), timeout=60) as client:
            client.wait_for_workers(count, timeout=60)
            self.address = client.scheduler.address

    def add(self) -> str:
        """One more worker; returns its name."""
        name = f"w{len(self.workers)}"
        options = ("--name", name, "--nthreads", 1, "--memory-limit", 0, "--local-directory", self.folder)
        self.workers[name] = self._run("worker", "--no-nanny", *options)
        return name

    def signal(self, name: str, number: int) -> None:
        """Send a worker a signal, as the system would."""
        self.workers[name].send_signal(number)

    def stop(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            with suppress(OSError):
                process.kill()
            process.wait()

    def _run(self, kind: str, *options: object) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{kind}-{len(self.workers)}.log").open("wb")
        words = ("--scheduler-file", self.folder / "scheduler.json", *options, "--dashboard-address", ":0")
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words)],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers, which stay; tests that end workers add their own."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start(2)
        yield made
    finally:
        made.stop()


@dataclass(frozen=True)
class Work:
    """A model file and a scene that it maps in some thirty strips."""

    model: Path
    scene: Path


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    save_model(folder / "model.safetensors", random_model(scene_from_array(random_cube(20, 20))))
    place = synthetic_georeference()
    grid = {"crs": place.crs, "transform": Affine(*place.transform)}
    cube = random_cube(300, 40, seed=3)
    cube[100:110, 5:20] = float("nan")
    return Work(folder / "model.safetensors", file_makers.tiff(folder / "scene.tif", cube, **grid))


def wait_for(condition, seconds: float = 120) -> None:
    """Until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


SIGKILL, SIGSTOP, SIGCONT = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT
