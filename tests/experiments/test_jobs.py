"""Processes at once: their logs, their ends, their GPUs, and that none outlives an interrupt."""

import os
import signal
import sys
from dataclasses import dataclass

import pytest
import torch

from hsi.experiments import jobs
from hsi.experiments.jobs import Job, last_line, run_jobs, threads_each, visible_gpus


@dataclass(frozen=True)
class Script(Job):
    """A job that runs its first argument as Python."""

    @property
    def command(self):
        return [sys.executable, "-c", *self.arguments]


SLEEP = "import os, time; print(os.getpid()); print('asleep', flush=True); time.sleep(60)"
SHOW_GPU = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES', 'all'))"


@pytest.fixture
def work(tmp_path):
    """Run scripts by name; exit code and last line of each, and which were running when that changed."""

    def run(scripts, slots=1, at_change=lambda names: None, gpus=(), any_gpu=False):
        ends, changes = {}, []

        def changed(names):
            changes.append(list(names))
            at_change(names)

        def ended(job, code, seconds):
            ends[job.name] = code, last_line(job.log)

        made = [Script(name, (text,), tmp_path / "logs" / f"{name}.log", any_gpu) for name, text in scripts.items()]
        run_jobs(made, slots, ended, changed, gpus)
        return ends, changes

    return run


def test_each_job_ends_with_its_code_log_and_environment(work, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads = "import hsi, os, pipelines; print(os.environ['OMP_NUM_THREADS'])"
    bad = "print('a'); raise SystemExit('error: no such thing')"
    ends, changes = work({"good": threads, "bad": bad, "silent": "raise SystemExit(3)", "last": ""}, 2)
    assert (ends["good"], ends["bad"], ends["silent"]) == ((0, "3"), (1, "no such thing"), (3, "ended without a word"))
    assert (len(ends), max(map(len, changes)), changes[-1]) == (4, 2, [])


@pytest.mark.parametrize(
    ("gpus", "any_gpu", "slots", "seen"),
    [
        (["2", "GPU-5a"], True, 1, ["2", "GPU-5a", "2"]),
        (["0", "1", "2"], True, 3, ["0", "1", "2"]),
        (["0", "1"], False, 3, ["all"] * 3),
        (["0"], True, 2, ["all"] * 3),
    ],
)
def test_jobs_take_turns_on_several_gpus(work, monkeypatch, gpus, any_gpu, slots, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ends, _ = work(dict.fromkeys("abc", SHOW_GPU), slots=slots, gpus=gpus, any_gpu=any_gpu)
    assert [ends[name][1] for name in "abc"] == seen


def test_a_job_gets_the_gpu_that_is_free(work, tmp_path):
    """The second ends first, so the third is shown the GPU of the second, and not that of the first."""
    wait = f"import pathlib, time\nwhile not pathlib.Path(r'{tmp_path / 'go'}').exists(): time.sleep(0.02)"
    third = f"{SHOW_GPU}; import pathlib; pathlib.Path(r'{tmp_path / 'go'}').touch()"
    ends, _ = work({"a": wait, "b": SHOW_GPU, "c": third}, slots=2, gpus=["0", "1"], any_gpu=True)
    assert (ends["b"][1], ends["c"][1]) == ("1", "1")


@pytest.mark.parametrize(
    ("listed", "count", "names"),
    [(None, 3, ["0", "1", "2"]), (None, 0, []), ("", 0, []), ("3, 1", 2, ["3", "1"]), ("2,-1,0", 1, ["2"])],
)
def test_gpus_are_those_that_the_environment_lists(monkeypatch, listed, count, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed or "")
    if listed is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == names


def test_the_command_is_hsi_itself(tmp_path):
    job = Job("models", ("--version",), tmp_path / "a.log")
    run_jobs([job], 1, lambda job, code, seconds: None, lambda names: None)
    assert last_line(job.log).startswith("hsi, version ")


@pytest.fixture
def heeded():
    """Interrupts, which what starts the tests may ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_every_job(number, work, tmp_path, heeded):
    before = signal.getsignal(signal.SIGTERM)
    log = tmp_path / "logs" / "sleeper.log"

    def when_both_run(names):
        while len(names) == 2 and not log.read_text():  # it is interrupted once it can be
            pass
        if len(names) == 2:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        work({"sleeper": SLEEP, "other": SLEEP}, slots=2, at_change=when_both_run)
    assert "KeyboardInterrupt" in log.read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text().split()[0]), 0)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("cores", "slots", "count", "threads"),
    [(2, 2, 2, [1, 1]), (4, 3, 3, [1, 1, 2]), (4, 2, 1, [4]), (5, 2, 2, [2, 3]), (1, 2, 2, [1, 1])],
)
def test_jobs_that_run_at_once_divide_all_cores(work, monkeypatch, tmp_path, cores, slots, count, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(jobs, "usable_cores", lambda: cores)
    show = f"""
import os, pathlib, time
here = pathlib.Path(r"{tmp_path}")
(here / f"begun-{{os.getpid()}}").touch()
while len(list(here.glob("begun-*"))) < {min(slots, count)}: time.sleep(0.02)
print(os.environ["OMP_NUM_THREADS"])"""
    ends, _ = work(dict.fromkeys("abc"[:count], show), slots=slots)
    assert [int(ends[name][1]) for name in "abc"[:count]] == threads


def test_cores_are_shared_unless_the_environment_limits_the_threads(monkeypatch):
    monkeypatch.setattr(jobs, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_each(slots) for slots in (1, 3, 16)] == [8, 2, 1]
    assert [threads_each(2, used) for used in (2, 7, 8)] == [3, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_each(3) == 5
