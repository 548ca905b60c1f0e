"""Hostile and broken files for every reader and loader, and what came of them: ``python -m tests.faults.fuzzing``.

Every file is made from the seed, the target and its number alone, so that a finding can be made again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.fuzz_targets import TARGETS, Seed, Target, told
from tests.faults.trials import FINDINGS, OUTCOMES, SECONDS, Trial, Trials

ENGINES = "Random changes of all targets, or changes led by coverage of those in Python."
MEMORY = Path("/dev/shm")
SHOWN = 12  # findings of a target that are told apart


def fuzz(target: Target, trials: Trials, count: int, seed: int, out: Path | None, first: int = 0) -> Counter[str]:
    """Read ``count`` hostile files of a target; outcomes by how often. Findings are told, and kept in ``out``."""
    outcomes, kinds = Counter[str](), Counter[str]()
    for number in range(first, first + count):
        hostile = target.hostile(Random(f"{seed} {target.name} {number}"))
        trial = trials.run(target, hostile)
        outcomes[trial.outcome] += 1
        if not trial.is_finding:
            continue
        kinds[kind_of(trial)] += 1
        if kinds[kind_of(trial)] == 1 and len(kinds) <= SHOWN:
            print(f"{target.name} {number}: {trial.outcome}: {trial.why}", flush=True)
            keep(out, target, number, hostile, trial)
    for kind, often in kinds.most_common():
        print(f"{target.name}: {often} x {kind}", flush=True)
    return outcomes


def check_seeds(target: Target) -> None:
    """Read the valid files, which also imports all that reading takes before the process is forked."""
    for seed in target.seeds():
        with tempfile.TemporaryDirectory() as folder:
            target.read(seed.write(Path(folder)))


def kind_of(trial: Trial) -> str:
    """What findings that have one cause have in common."""
    return f"{trial.outcome} {trial.why.rpartition(' at ')[2][:80]}" if trial.outcome == "crash" else trial.outcome


def keep(out: Path | None, target: Target, number: int, hostile: Seed, trial: Trial) -> None:
    """Write the files of a finding and what was found into a folder of its own."""
    if out is None:
        return
    folder = out / f"{target.name}-{number}"
    hostile.write(folder)
    (folder / "FINDING.txt").write_text(f"{trial.outcome}: {trial.why}\n{told(hostile)}\n", encoding="utf-8")


def table(found: dict[str, Counter[str]]) -> str:
    """Outcomes by target, as Markdown."""
    lines = [f"| target | inputs | {' | '.join(OUTCOMES)} |", "|---|" + "---:|" * (len(OUTCOMES) + 1)]
    rows = {**found, "together": sum(found.values(), Counter[str]())}
    for name, outcomes in rows.items():
        cells = " | ".join(f"{outcomes[outcome]:,}" for outcome in OUTCOMES)
        lines.append(f"| {name} | {outcomes.total():,} | {cells} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """The command; 1 when there is any finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="Hostile files for each target.")
    parser.add_argument("--seed", type=int, default=0, help="Decides the files.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first file, to make one again.")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="Only this one; may be repeated.")
    parser.add_argument("--engine", choices=("mutate", "atheris"), default="mutate", help=ENGINES)
    parser.add_argument("--out", type=Path, help="A folder to keep the files of findings in.")
    given = parser.parse_args(words)
    if given.engine == "atheris":
        from tests.faults.coverage_guided import run_all

        return run_all(given.target, given.trials, given.seed, given.out)
    found: dict[str, Counter[str]] = {}
    for name in given.target or TARGETS:
        check_seeds(TARGETS[name])
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch,
        Trials(Path(scratch)) as trials,
    ):
        for name in given.target or TARGETS:
            started = time.monotonic()
            found[name] = fuzz(TARGETS[name], trials, given.trials, given.seed, given.out, given.first)
            print(f"{name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    print(f"seed {given.seed}, at most {SECONDS} s a file\n\n{table(found)}")
    return int(any(outcomes[finding] for outcomes in found.values() for finding in FINDINGS))


if __name__ == "__main__":
    sys.exit(main())
