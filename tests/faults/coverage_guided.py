"""Hostile files led by the branches that they take, for what reads files in Python: ``python -m
tests.faults.fuzzing --engine atheris``. Each target runs in a process of its own, under the limits of libFuzzer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

PYTHON_TARGETS = ("envi-header", "mat", "settings", "experiment", "model")
INSTRUMENTED = ["hsi", "spectral", "yaml"]
SECONDS, MEGABYTES = 20, 3000
ROOT = Path(__file__).resolve().parents[2]


def run_all(names: Sequence[str] | None, runs: int, seed: int, out: Path | None) -> int:
    """Fuzz each target with ``runs`` inputs; prints a table, returns 1 when there is any finding."""
    print("| target | inputs | branches reached | findings |\n|---|---:|---:|---:|")
    failed = 0
    for name in names or PYTHON_TARGETS:
        done = _run(name, runs, seed, out)
        counted = re.findall(r"^#(\d+)\s.*?cov: (\d+)", done.stderr, re.MULTILINE) or [("0", "0")]
        print(
            f"| {name} | {int(counted[-1][0]):,} | {int(counted[-1][1]):,} | {int(done.returncode != 0)} |", flush=True
        )
        if done.returncode:
            print(done.stderr[-3000:], file=sys.stderr)
            failed = 1
    return failed


def _run(name: str, runs: int, seed: int, out: Path | None) -> subprocess.CompletedProcess[str]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        limits = [f"-runs={runs}", f"-seed={seed + 1}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}"]
        limits += ["-max_len=65536", f"-artifact_prefix={out or Path(scratch)}/{name}-"]
        command = [sys.executable, "-W", "ignore", "-m", __spec__.name, name, scratch, *limits]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")


def main(words: Sequence[str]) -> None:
    """Fuzz one target; ends the process. ``words`` are its name, a scratch folder and options of libFuzzer."""
    import atheris

    name, scratch, *options = words
    corpus, inside = Path(scratch) / "corpus", Path(scratch) / "t" / "a" / "b" / "c"
    corpus.mkdir()
    with atheris.instrument_imports(include=INSTRUMENTED):
        from hsi.errors import HsiError
        from tests.faults.fuzz_targets import TARGETS
        from tests.faults.mutating import mutate

        target = TARGETS[name]
        template = target.seeds()[0]
        target.read(template.write(inside))  # imports all that reading takes
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed.files[seed.changed])

    def test_one_input(data: bytes) -> None:
        (inside / template.changed).write_bytes(data)
        try:
            target.read(inside / template.opened)
        except HsiError:
            return

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = Random(seed)
        try:
            changed = mutate(data, template.kind, chance) if chance.random() < 0.5 else b""
        except Exception:
            changed = b""
        return changed[:most] or bytes(atheris.Mutate(data, most))

    atheris.Setup([name, *options, str(corpus)], test_one_input, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
