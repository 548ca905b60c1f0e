"""What the benchmarks share: running a command of this checkout, and writing results as JSON and Markdown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def run_hsi(*words: object) -> float:
    """Run ``hsi WORDS`` of this checkout in a process of its own, without its output; wall seconds.

    Raises ``CalledProcessError`` if it fails.
    """
    # a process starts with the peak memory of its parent, so a small one comes in between
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "pipelines.cli", *map(str, words)]
    started = time.perf_counter()
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def write_results(out: Path, record: dict[str, Any], text: str) -> None:
    """Write the record to ``out`` and its tables next to it as ``.md``, and show the tables."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    click.echo(text)
