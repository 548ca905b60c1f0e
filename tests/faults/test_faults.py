"""A command that is stopped leaves nothing half-written, and one that is resumed ends as one that was not stopped."""

import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from hsi.core import memory
from hsi.core.memory import MemoryPlan
from hsi.core.scene import scene_from_array
from hsi.inference.map_files import MapOptions, layer_files
from hsi.inference.predict import MapJob, map_scene
from hsi.inference.resume import StripCache
from hsi.io.geotiff import read_classes
from hsi.models.hybridsn import HybridSN
from hsi.preprocessing.band_matching import BandMatch
from hsi.report.compare_runs import compare_runs
from hsi.training.trainer import Trainer
from hsi.workflows import fit, inputs
from hsi.workflows.run_folder import run_folder
from tests.conftest import ROOT, SMALL, names_in, run_here, work_folder
from tests.models.model_makers import random_cube, random_model

SETTLED = ("--set", "mapping.spectral=discriminant", "--set", "training.context_dropout=1", "--no-blend")
SHORT = (*SMALL, *SETTLED, "--epochs", 5, "--no-symmetries", "--set", "run.checkpoint_seconds=0")
TRIALS = os.environ.get("HSI_FAULT_TRIALS", "4")

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, scenes):
    """A run of SHORT that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run_here("classify", scenes["mat"], *SHORT, "--out", "run", cwd=folder)
    assert done.code == 0, done.stderr
    return folder / "run"


@pytest.fixture
def at_epoch(monkeypatch):
    """Do something when an epoch of that number ends, once."""

    def arrange(number, act):
        def note(epoch, left=[True]):  # noqa: B006 (once)
            if epoch.epoch == number and left:
                left.clear()
                act()
            return ""

        monkeypatch.setattr(fit, "epoch_note", note)

    return arrange


def error_of(done):
    """The one line with which a command failed."""
    assert (done.code, len(done.complaints)) == (1, 1), done.stderr
    return done.complaints[0]


def assert_same(one, other):
    assert all(agreement.words == "the same bytes" for agreement in compare_runs(one, other))


@pytest.mark.slow
def test_killed_at_random_times_nothing_is_lost_or_half_written(tmp_path):
    command = [sys.executable, "-m", "tests.faults.killing", str(tmp_path / "trials"), "--trials", TRIALS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    for counts in json.loads(done.stdout).values():
        assert counts["killed"] + counts["finished before"] == counts["trials"]
        assert (counts["half-written"], counts["different"], counts["left behind"]) == (0, 0, 0)


class TestInterrupts:
    @pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
    def test_a_signal_waits_for_a_checkpoint(self, name, code, run, scenes, undisturbed, at_epoch, tmp_path):
        at_epoch(3, lambda: signal.raise_signal(getattr(signal, name)))
        words = ("classify", scenes["mat"], *SHORT, "--out", "run")
        stopped = run(*words, "--set", "run.checkpoint_seconds=1000")
        assert stopped.code == code
        note = "the work so far is stored next to run: the same command with --resume continues it"
        assert stopped.complaints == [f"error: interrupted: {note}"]
        assert names_in(tmp_path) == {".run.partial"}
        resumed = run(*words, "--resume")
        assert (resumed.code, resumed.stderr) == (0, "")
        assert "resumed     after step 4 of 5, epoch 4" in resumed.stdout
        assert_same(undisturbed, tmp_path / "run")
        assert names_in(tmp_path) == {"run"}
        assert json.loads((tmp_path / "run" / "run.json").read_text())["resumed_from_step"] == 4

    def test_handlers_are_as_before_afterwards(self, run, scenes):
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        run("train", scenes["mat"], *SHORT, "--out", "m.safetensors")
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def test_an_interrupted_map_is_resumed(self, run, scenes, undisturbed, tmp_path, monkeypatch):
        for name in ("ROWS", "TILE_SIDES"):
            monkeypatch.setattr(memory, name, (8, 8))
        words = ("predict", undisturbed / "model.safetensors", scenes["mat"], "--device", "cpu", "--novelty")
        assert run(*words, "--out", "undisturbed/map.tif").code == 0
        save, saved = StripCache.save, []

        def save_two(self, block, layers):
            save(self, block, layers)
            saved.append(block)
            if len(saved) == 2:
                signal.raise_signal(signal.SIGTERM)

        monkeypatch.setattr(StripCache, "save", save_two)
        stopped = run(*words, "--out", "map.tif")
        assert stopped.code == 143 and "--resume continues it" in stopped.stderr
        assert "an interrupted run can be continued" in error_of(run(*words, "--out", "map.tif"))
        assert "options" in error_of(run(*words, "--symmetries", "--resume", "--out", "map.tif"))
        resumed = run(*words, "--resume", "--out", "map.tif")
        assert resumed.code == 0, resumed.stderr
        rows = sum(block.height for block in saved[:2])
        assert f"resumed     {rows} of 36 rows are mapped already" in resumed.stdout
        names = names_in(tmp_path / "undisturbed")
        assert names == names_in(tmp_path) - {"undisturbed"}
        for name in names - {"map.json", "map_report.html"}:  # hold times
            assert (tmp_path / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


class TestResuming:
    @pytest.fixture
    def stopped(self, run, scenes, at_epoch):
        at_epoch(2, lambda: signal.raise_signal(signal.SIGINT))
        words = ("classify", scenes["mat"], *SHORT, "--out", "run")
        assert run(*words).code == 130
        return words

    def test_an_interrupted_run_is_replaced_only_when_asked(self, stopped, run, undisturbed, tmp_path):
        refused = run(*stopped)
        assert "run: an interrupted run can be continued with --resume, or replaced" in error_of(refused)
        restarted = run(*stopped, "--overwrite")
        assert restarted.code == 0 and "the files of an interrupted run are discarded" in restarted.stderr
        assert refused.stdout == "" and "resumed" not in restarted.stdout
        assert_same(undisturbed, tmp_path / "run")

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            (("--lr", 0.01), "settings.training.lr"),
            (("--seed", 1), "settings.seed, split"),
            (("--drop-bands", "3"), "components"),
        ],
    )
    def test_other_settings_or_data_are_refused_unless_replaced(self, more, says, stopped, run):
        error = error_of(run(*stopped, *more, "--resume"))
        assert "run: cannot be resumed: it was made with other " in error and says in error
        restarted = run(*stopped, *more, "--resume", "--overwrite")
        assert restarted.code == 0 and "starts from the beginning: it was made with other" in restarted.stderr

    def test_components_that_were_rounded_differently_are_a_warning(self, stopped, run, sample, monkeypatch):
        reduce = fit.reduce_around
        refused = error_of(run(*stopped, "--nodata", repr(float(sample.cube[-1, -1, 0])), "--resume"))
        assert "usable_pixels" in refused  # their components may differ by as little

        def rounded(*arguments):
            reducer, padded, margin = reduce(*arguments)
            return reducer, padded * np.float32(1 + 1e-6), margin

        monkeypatch.setattr(fit, "reduce_around", rounded)
        done = run(*stopped, "--resume")
        assert done.code == 0 and "resumed     after step" in done.stdout
        assert "differ from those of the checkpoint by rounding" in done.stderr

    def test_a_damaged_checkpoint(self, stopped, run, tmp_path):
        path = work_folder(tmp_path) / "checkpoint.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        assert "the checkpoint cannot be read" in error_of(run(*stopped, "--resume"))

    def test_without_a_checkpoint_it_starts(self, run, scenes):
        done = run("train", scenes["mat"], *SHORT, "--resume", "--out", "m.safetensors")
        assert done.code == 0 and "resumed     nothing" in done.stdout

    def test_two_processes_do_not_write_the_same_run(self, run, scenes, tmp_path):
        with run_folder(tmp_path / "run", overwrite=False):
            error = error_of(run("classify", scenes["mat"], *SHORT, "--out", "run"))
        assert "run: is being written by another process" in error


def test_a_lost_loss_keeps_the_last_good_checkpoint(run, scenes, tmp_path, monkeypatch):
    step, calls = Trainer._step, []

    def lose(self, parts):
        calls.append(1)
        loss, right, pixels = step(self, parts)
        return loss * (float("nan") if len(calls) == 4 else 1), right, pixels

    monkeypatch.setattr(Trainer, "_step", lose)
    error = error_of(run("classify", scenes["mat"], *SHORT, "--out", "run"))
    assert "the loss is nan in step 4 of 5 (epoch 4 of 5) at learning rate " in error
    assert "try a lower rate" in error and "the last good checkpoint, of step 3, is in" in error
    assert (work_folder(tmp_path) / "checkpoint.safetensors").is_file()


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of so many bytes at ``folder``; skips the test where it cannot be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, left):
    """Leave about so many bytes free."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with (folder / "filler").open("r+b") as file:
        file.truncate(max(0, (folder / "filler").stat().st_size - left))


class TestDiskFull:
    def test_a_run_ends_in_one_line_and_earlier_ones_stay(self, run, scenes, undisturbed, tmp_path):
        with small_disk(tmp_path / "disk", 3 << 20) as disk:
            shutil.copytree(undisturbed, disk / "old")
            fill(disk, 200 << 10)
            done = run("classify", scenes["mat"], *SHORT, "--out", disk / "run")
            assert "No space left on device" in error_of(done)
            assert "warning: training continues, but its checkpoint cannot be written" in done.stderr
            assert {name for name in names_in(disk) if not name.startswith(".")} == {"old", "filler"}
            assert_same(undisturbed, disk / "old")

    @pytest.mark.parametrize("left", [0, 8192, 16384, 32768])
    def test_a_map_is_complete_or_not_there(self, left, run, scenes, undisturbed, tmp_path):
        with small_disk(tmp_path / "disk", 1 << 20) as disk:
            fill(disk, left)
            words = ("predict", undisturbed / "model.safetensors", scenes["mat"], "--device", "cpu", "--probabilities")
            error = error_of(run(*words, "--out", disk / "map.tif"))
            assert "No space left" in error or "cannot be written" in error
            assert {name for name in names_in(disk) if not name.startswith(".")} == {"filler"}
            (disk / "filler").unlink()
            assert run(*words, "--resume", "--out", disk / "map.tif").code == 0
            assert (disk / "map.tif").read_bytes() == (undisturbed / "map.tif").read_bytes()


def test_a_folder_that_is_removed_meanwhile(run, scenes, at_epoch, tmp_path):
    at_epoch(2, lambda: shutil.rmtree(tmp_path / "runs"))
    error = error_of(run("classify", scenes["mat"], *SHORT, "--out", "runs/a"))
    assert "runs/a: the folder in which it was being written was removed meanwhile" in error


@pytest.mark.parametrize(
    ("command", "last", "says", "left"),
    [
        ("classify", -1, "row 1 of 36 cannot be read: disk on fire", set()),
        ("predict", 24, "rows 33 to 36 of 36 cannot be read: disk on fire; the work so far", {".out.tif.partial"}),
    ],
)
def test_an_error_of_reading_names_the_rows(command, last, says, left, run, scenes, undisturbed, tmp_path, monkeypatch):
    open_scene = inputs.io.open_scene

    def damaged(path, *options):
        scene = open_scene(path, *options)

        def fetch(block):
            if block.row > last:
                raise OSError("disk on fire")
            return scene.fetch(block)

        return replace(scene, fetch=fetch)

    monkeypatch.setattr(inputs.io, "open_scene", damaged)
    for name in ("ROWS", "TILE_SIDES"):
        monkeypatch.setattr(memory, name, (8, 8))
    words = SHORT if command == "classify" else ("--device", "cpu", "--no-blend")
    model = () if command == "classify" else (undisturbed / "model.safetensors",)
    assert f"{scenes['mat']}: {says}" in error_of(run(command, *model, scenes["mat"], *words, "--out", "out.tif"))
    assert names_in(tmp_path) == left


class TestOutOfMemory:
    @staticmethod
    def limit(monkeypatch, side):
        """Let the trunk of the network run out of memory for tiles that are larger than ``side`` with their margin."""
        trunk = HybridSN.trunk

        def tight(self, x):
            if max(x.shape[-2:]) > side:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return trunk(self, x)

        monkeypatch.setattr(HybridSN, "trunk", tight)

    def test_a_map_is_made_from_smaller_tiles(self, run, scenes, undisturbed, tmp_path, monkeypatch):
        self.limit(monkeypatch, 22)
        done = run("predict", undisturbed / "model.safetensors", scenes["mat"], "--device", "cpu", "--out", "map.tif")
        assert done.code == 0, done.stderr
        assert "out of memory on cpu: going on with tiles of 10 x 10 pixels" in done.stderr
        confidence = [read_classes(path) for path in (tmp_path / "map_confidence.tif", undisturbed / "confidence.tif")]
        np.testing.assert_allclose(*confidence, atol=1e-5)

    def test_training_starts_again_with_smaller_tiles(self, run, scenes, tmp_path, monkeypatch):
        self.limit(monkeypatch, 40)
        done = run("classify", scenes["mat"], *SHORT, "--out", "run")
        assert done.code == 0, done.stderr
        assert "training runs out of memory on cpu: it restarts with tiles of 24 x 24 pixels" in done.stderr
        assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["tile"] == 24

    def test_the_smallest_tiles_are_too_large(self, run, scenes, undisturbed, monkeypatch):
        self.limit(monkeypatch, 1)
        error = error_of(run("classify", scenes["mat"], *SHORT, "--out", "run"))
        assert "training runs out of memory on cpu with tiles of 24 x 24 pixels, the smallest" in error
        words = ("predict", undisturbed / "model.safetensors", scenes["mat"], "--device", "cpu", "--out", "map.tif")
        assert "out of memory on cpu with tiles of" in error_of(run(*words))


@pytest.mark.slow
def test_two_hundred_maps_take_no_more_memory_and_files_than_the_first(tmp_path):
    scene = scene_from_array(random_cube(20, 16, 15, seed=3))
    saved, plan, process = random_model(scene), MemoryPlan(8, 16, 16 << 20), psutil.Process()
    resident, files = [], []
    for number in range(200):
        job = MapJob(saved, BandMatch(scene, None, ""), MapOptions(), plan, torch.device("cpu"))
        map_scene(layer_files(tmp_path / f"{number % 3}.tif", MapOptions()), job)
        if number in (49, 199):
            gc.collect()
            resident.append(process.memory_info().rss)
            files.append(process.num_fds())
    assert files[1] <= files[0]
    assert resident[1] - resident[0] < 8 << 20
