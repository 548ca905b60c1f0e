"""The benchmark of streaming runs, small, and reports what it promises."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_a_small_cube_is_mapped_and_reported(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    options = ("--size", "20MB", "--width", "100", "--bands", "200", "--max-memory", "700MB", "--folder", folder)
    command = [sys.executable, "-m", "benchmarks.streaming", *options, "--out", tmp_path / "streaming.json"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "streaming.json").read_text())
    assert [run["rows"] for run in record["runs"]] == [125, 500]
    for run in record["runs"]:
        assert run["pixels"] == run["rows"] * 100
        assert 100 < run["peak_megabytes"] < 700
        assert run["pixels_per_second"] > 0 and run["megabytes_per_second"] > 0
    assert {"date", "device", "threads", "torch"} <= set(record)
    assert str(tmp_path) not in (tmp_path / "streaming.json").read_text()  # no folder of this machine
    table = (tmp_path / "streaming.md").read_text()
    assert "| 0.02 GB | 500 | 50,000 |" in table and done.stdout.strip() == table.strip()
    assert list(folder.iterdir()) == []  # the cube is removed
