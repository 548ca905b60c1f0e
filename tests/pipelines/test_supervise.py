"""A command whose library crashes: one line that names the file, and the exit codes of any other end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are supervised on Linux")

SCRIPT = """
import ctypes, os, signal, sys, time
from pipelines.cli_support.supervise import supervise
from hsi.core.interrupts import reading

def work():
    {work}

supervise(work, lambda text: print(text, file=sys.stderr))
"""


def started(work):
    process = [sys.executable, "-c", SCRIPT.format(work=work)]
    return subprocess.Popen(process, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_crash_of_a_library_is_one_line_that_names_the_file():
    process = started('with reading("scene.h5"): ctypes.string_at(0)')
    _, complaint = process.communicate()
    assert process.returncode == 1
    assert complaint == (
        "scene.h5: a library crashed while reading it (segmentation fault); the file is damaged: copy it again, or "
        "convert it with the program that made it\n"
    )


@pytest.mark.parametrize(
    ("work", "code"),
    [("sys.exit(2)", 2), ("sys.exit(0)", 0), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)],
)
def test_any_other_end_is_passed_on(work, code):
    process = started(work)
    assert process.communicate() == ("", "") and process.returncode == code


def test_signals_are_passed_on_and_the_command_dies_with_its_parent():
    process = started("print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
    process.communicate()
    process = started("print(os.getpid(), flush=True); time.sleep(60)")
    child = int(process.stdout.readline())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
