"""What the tests of the command line share: generated scenes as files, and ways to run commands."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from hsi.core.files import MANIFEST
from hsi.core.synthetic import make_scene, synthetic_georeference
from tests.io import file_makers

ROOT = Path(__file__).resolve().parent.parent
IDS = np.array([0, 3, 7, 200, 300], np.uint16)  # background and four classes whose ids have gaps
CENTRES = np.linspace(450, 2400, 24)
SMALL = ("--device", "cpu", "--components", "13", "--window", "11")  # the smallest network
QUICK = (*SMALL, "--epochs", "2")
ALONE = (*QUICK, "--set", "mapping.spectral=none")  # without a pool, which takes most of the time
# of the run of the GeoTIFF scene, which has validation pixels
TIFF_OPTIONS = (
    *(*SMALL, "--epochs", 6, "--train", "20", "--val", "10%", "--lr-schedule", "constant", "--seed", 5),
    *("--set", "mapping.spectral=none", "--no-calibrate"),
)


@dataclass(frozen=True)
class Finished:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaints(self) -> list[str]:
        """The lines on stderr that are no warnings."""
        return [line for line in self.stderr.splitlines() if line and not line.startswith("warning:")]

    @property
    def warnings(self) -> list[str]:
        """The warnings on stderr."""
        return [line for line in self.stderr.splitlines() if line.startswith("warning:")]


Run = Callable[..., Finished]


def names_in(folder: Path) -> set[str]:
    """The names in a folder without records of what was written; work folders without their random parts."""
    names = {path.name for path in folder.iterdir()}
    return {re.sub(r"\.[0-9a-f]{16}\.partial$", ".partial", name) for name in names if not name.endswith(MANIFEST)}


def work_folder(folder: Path) -> Path:
    """The only work folder in a folder."""
    (found,) = folder.glob(".*.partial")
    return found


def run_here(*arguments: object, cwd: Path, encoding: str = "utf-8") -> Finished:
    """``hsi ARGUMENTS`` in this process, with ``cwd`` as the working folder and pipes of an encoding."""
    from pipelines.cli import main

    words = [str(argument) for argument in arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="", write_through=True) for _ in range(2))
    before, code = sys.argv, None
    sys.argv = ["hsi", *words]
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    assert code is not None, "the command did not exit"
    printed, complained = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
    return Finished(code, printed, complained)


@contextlib.contextmanager
def started(*arguments: object, cwd: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """``hsi ARGUMENTS`` in a process of its own, ended at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *(str(argument) for argument in arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "80", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        # what starts the tests may ignore interrupts, and a process inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_in_subprocess(*arguments: object, cwd: Path, **environment: str) -> Finished:
    """``hsi ARGUMENTS`` in a process of its own, its output in pipes."""
    with started(*arguments, cwd=cwd, **environment) as process:
        out, err = process.communicate(timeout=120)
        return Finished(process.returncode, out, err)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _pretend_device() -> None:
    """PyTorch counts devices at the first ``backward`` of a process, so this device is there before."""
    from tests.accelerator import pretend_device

    pretend_device()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``hsi`` in this process in the test's own folder: ``run("classify", path, …) -> Finished``."""

    def here(*arguments: object, cwd: Path = tmp_path, encoding: str = "utf-8") -> Finished:
        return run_here(*arguments, cwd=cwd, encoding=encoding)

    return here


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without figures, which take most of the time of a small run."""
    from hsi.workflows import outputs

    monkeypatch.setattr(outputs, "write_figures", lambda folder, run, **how: [])


@dataclass(frozen=True)
class Sample:
    """A generated scene: the cube ``(36, 40, 24)`` and its labels with ids 0, 3, 7, 200 and 300."""

    cube: np.ndarray
    truth: np.ndarray


@pytest.fixture(scope="session")
def sample() -> Sample:
    cube, labels, _ = make_scene(36, 40, bands=24, classes=4, field=10)
    return Sample(cube, IDS[labels])


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory, sample: Sample) -> dict[str, Path]:
    """The sample as files, one folder for each format; labels are in the same file or next to it. Not to be changed."""
    root = tmp_path_factory.mktemp("scenes")

    def folder(name: str) -> Path:
        (root / name).mkdir()
        return root / name

    mat = folder("mat") / "scene.mat"
    scipy.io.savemat(mat, {"cube": sample.cube, "cube_gt": sample.truth}, do_compression=True)
    npy = file_makers.npy(folder("npy") / "scene.npy", sample.cube)
    file_makers.npy(npy.with_name("scene_gt.npy"), sample.truth)
    envi = file_makers.envi(folder("envi") / "scene.hdr", sample.cube, "bil", wavelength=list(map(str, CENTRES)))
    file_makers.envi(envi.with_name("scene_gt.hdr"), sample.truth[:, :, None])
    place = synthetic_georeference()
    grid = {"crs": place.crs, "transform": place.transform}
    tiff = file_makers.tiff(folder("tiff") / "scene.tif", sample.cube, **grid)
    file_makers.tiff(tiff.with_name("scene_gt.tif"), sample.truth, **grid)
    return {"mat": mat, "npy": npy, "envi": envi, "tiff": tiff}


@dataclass(frozen=True)
class Made:
    """A finished run: its folder and how the command ended."""

    out: Path
    done: Finished


@pytest.fixture(scope="session")
def mat_run(tmp_path_factory: pytest.TempPathFactory, scenes: dict[str, Path]) -> Made:
    """A complete run of the .mat scene, in the default folder. Not to be changed."""
    cwd = tmp_path_factory.mktemp("mat-run")
    done = run_here("classify", scenes["mat"], *SMALL, "--epochs", 4, cwd=cwd)
    return Made(cwd / "runs" / "scene" / "hybridsn-bn-seed0", done)


@pytest.fixture(scope="session")
def tiff_run(tmp_path_factory: pytest.TempPathFactory, scenes: dict[str, Path]) -> Made:
    """A complete run of the GeoTIFF scene with validation pixels. Not to be changed."""
    out = tmp_path_factory.mktemp("tiff-run") / "run"
    return Made(out, run_here("classify", scenes["tiff"], *TIFF_OPTIONS, "--out", out, cwd=out.parent))
