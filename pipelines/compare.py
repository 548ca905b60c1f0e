"""``hsi compare``: rows of settings over splits and seeds, each a run of ``hsi classify``, in one tested table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.settings import InputSettings

from .cli_support.completion import completes, model_names
from .cli_support.help import Command
from .cli_support.options import input_options, setting_options
from .cli_support.terminal import progress, report, say, warn

if TYPE_CHECKING:
    from hsi.experiments.results import FailedRun, FinishedRun
    from hsi.experiments.spec import Experiment

    from .jobs import Job
    from .planning import PlacedRun, Plan

YAML = (".yaml", ".yml")
EPILOG = """\b
Examples:
  hsi compare configs/experiments/ablation.yaml --seeds 5
  hsi compare ablation --only "hybridsn,+ batch norm" --dry-run
  hsi compare data/indian_pines.mat --models hybridsn-bn,svm,rf \\
      --train 10% --seeds 10
  hsi compare cube.hdr --labels truth.tif --models hybridsn-bn,svm-window \\
      --split blocks --seeds 0,3,7 --jobs 4
"""


@click.command("compare", cls=Command, epilog=EPILOG)
@click.argument("what", metavar="EXPERIMENT|SCENE", type=click.Path(path_type=Path))
@click.option(
    "--models",
    shell_complete=completes(model_names, listed=True),
    help="With a SCENE: the networks and baselines to compare, with commas between them.",
)
@click.option("--seeds", help="How many seeds, from 0 on, or a list: 0,3,7. [default: 5, or what EXPERIMENT says]")
@click.option("--only", metavar="ROWS", help="Rows to run and show, with commas between them. [default: all]")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at once; they share the cores."
)
@click.option(
    "--scheduler", metavar="ADDRESS",
    help="Runs on the workers of this Dask scheduler (tcp://host:8786), which share the folder OUT and the inputs.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder of runs and tables. [default: runs/compare/NAME]")
@click.option("--figures", is_flag=True, help="Draw the figures of each run, too. 'hsi plot' can do so later.")
@click.option("--dry-run", is_flag=True, help="List the runs and which of them are finished, and stop.")
@input_options
@partial(setting_options, without=("model.name", "seed", "run."))
def command(
    what: Path,
    models: str | None,
    seeds: str | None,
    only: str | None,
    jobs: int,
    scheduler: str | None,
    out: Path | None,
    figures: bool,
    dry_run: bool,
    inputs: InputSettings,
    config: Path | None,
    overrides: Mapping[str, Any],
) -> None:
    """Compare rows of settings over splits and seeds in one table, with tests of which differences hold.

    EXPERIMENT is a YAML file of rows and splits, or the name of one that comes with hsi; with a SCENE, --models are the
    rows, and all other options are those of 'hsi classify'. --epochs and other settings of networks are then for the
    networks alone where there are baselines beside them.

    Each run is an 'hsi classify' in its own folder in OUT/runs. Finished runs are not run again unless settings, data
    or the version of hsi changed, so the same command goes on after an interrupt. Tables are made anew each time.
    """
    from hsi.errors import UsageError
    from hsi.experiments.spec import choose_rows, parse_seeds

    if what.suffix.lower() in YAML or not (models or what.exists() or what.suffix):
        experiment, where = _from_file(what, [models, config, *overrides.values()], inputs)
    else:
        experiment, where = _from_scene(what, models, config, overrides, inputs), str(what)
    if seeds:
        experiment = experiment.model_copy(update={"seeds": parse_seeds(seeds)})
    if only:
        experiment = choose_rows(experiment, _listed(only))
    out = out or Path("runs") / "compare" / what.stem
    check_folder(out, experiment.title)
    if scheduler and jobs > 1:
        raise UsageError("--jobs is for this machine; with --scheduler there is a run for each thread of its workers")
    compare(experiment, where, out, Execution(jobs, scheduler, figures, dry_run))


def _from_file(path: Path, others: Sequence[Any], inputs: InputSettings) -> tuple[Experiment, str]:
    from hsi.errors import UsageError
    from hsi.experiments.spec import find_experiment, load_experiment

    if any(other is not None for other in others) or inputs.given:
        raise UsageError(
            f"{path}: an experiment says itself what is run: only --seeds, --only, --jobs, --out and --dry-run go with "
            "it; write models, settings and labels into the file"
        )
    found = find_experiment(path)
    return load_experiment(found), str(found)


def _from_scene(
    path: Path,
    models: str | None,
    config: Path | None,
    overrides: Mapping[str, Any],
    inputs: InputSettings,
) -> Experiment:
    from hsi.errors import UsageError
    from hsi.settings import settings_values

    from .planning import scene_experiment

    names = _listed(models or "")
    if not names:
        raise UsageError(
            f"{path}: --models says what to compare, such as --models hybridsn-bn,svm ('hsi models' lists)"
        )
    values = settings_values(config, overrides)
    if values.pop("seed", None) is not None:
        say("seeds", f"--seeds decides them; the seed in {config} is not used")
    return scene_experiment(path, names, inputs, values)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def check_folder(out: Path, title: str) -> None:
    """Raise :class:`OutputError` for a folder that holds something other than a comparison of that title."""
    from hsi.errors import OutputError

    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; a comparison needs a folder: choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / "runs").is_dir():
        raise OutputError(f"{out}: holds files that are no comparison, so it is left alone: choose another --out")
    if (out / "run.json").exists():
        raise OutputError(f"{out}: is the folder of a single run: choose another --out")
    before = _title_in(out / "comparison.json")
    if before not in (None, title):
        raise OutputError(
            f"{out}: holds the tables of '{before}', which those of '{title}' would replace: choose another --out, or "
            "delete its comparison.json"
        )


def _title_in(record: Path) -> Any:
    """The title in a comparison's record; None where there is none to be read."""
    from hsi.errors import SceneFileError
    from hsi.report.records import read_json

    try:
        return read_json(record).get("title")
    except SceneFileError:
        return None


@dataclass(frozen=True)
class Execution:
    """How runs are made: so many at once here, or on the workers of a Dask ``scheduler``; with ``figures`` of each or
    without; or only planned."""

    jobs: int
    scheduler: str | None
    figures: bool
    dry_run: bool


def compare(experiment: Experiment, where: str, out: Path, how: Execution) -> None:
    """Plan, run what is missing, and write and show the tables.

    Raises :class:`ComparisonError` after all else when a run failed.
    """
    from hsi.errors import ComparisonError

    from .cli_support.compared import show_comparison, sum_up
    from .planning import make_plan, show_plan

    plan = make_plan(experiment, where, out)
    finished = [run for run in plan.runs if finished_run(run)]
    if how.dry_run:
        show_plan(plan, finished)
        return
    failed = run_missing(plan, finished, how)
    runs = [run for run in map(finished_run, plan.runs) if run]
    if not runs:
        raise ComparisonError(f"all {len(failed)} runs failed, the first with: {failed[0].message} ({failed[0].log})")
    comparison = sum_up(plan, runs, failed, about_this(plan))
    show_comparison(comparison, out)
    if failed:
        raise ComparisonError(
            f"{len(failed)} of {len(plan.runs)} runs failed and are not in the table: their logs say why; the same "
            "command tries them again"
        )


def finished_run(run: PlacedRun) -> FinishedRun | None:
    """What a run left, when it is finished."""
    from hsi.experiments.results import read_finished

    return read_finished(run.planned, run.folder)


def about_this(plan: Plan) -> dict[str, Any]:
    """How the comparison came to be."""
    from hsi.workflows.provenance import versions

    scene = plan.experiment.scene
    return {
        "command": ["hsi", *sys.argv[1:]],
        "date": date.today().isoformat(),
        "versions": versions(),
        "scene": scene.model_dump(mode="json", exclude_defaults=True),
        "sha256": dict(plan.sha256),
        "seeds": list(plan.experiment.seeds),
    }


def run_missing(plan: Plan, finished: Sequence[PlacedRun], how: Execution) -> list[FailedRun]:
    """Run what is not finished, say how each run ended, and return those that failed."""
    from .jobs import run_jobs, run_jobs_on, threads_each

    missing, total = {run.name: run for run in plan.runs if run not in finished}, len(plan.runs)
    slots = max(1, min(how.jobs, len(missing)))
    threads = threads_each(slots)
    say("runs", f"{total}: {len(finished)} finished before, {len(missing)} to run")
    if not missing:
        return []
    say("", f"on the workers of {how.scheduler}" if how.scheduler else f"{slots} at a time, {threads} threads each")
    failed: list[FailedRun] = []
    ended = [len(finished)]
    with progress("compare", "runs") as advance:

        def note_end(job: Job, code: int, seconds: float) -> None:
            ended[0] += 1
            failed.extend(_ended(missing[job.name], job, code, seconds))

        def note_change(names: Sequence[str]) -> None:
            advance(ended[0], total, _named(names))

        try:
            jobs = [run.job(plan.experiment.scene, how.figures) for run in missing.values()]
            if how.scheduler:
                run_jobs_on(how.scheduler, jobs, plan.runs[0].out, note_end, note_change)
            else:
                run_jobs(jobs, slots, threads, note_end, note_change)
        except KeyboardInterrupt:
            warn(f"{ended[0] - len(failed)} of {total} runs are finished and kept: the same command goes on from there")
            raise
    return failed


def _ended(run: PlacedRun, job: Job, code: int, seconds: float) -> list[FailedRun]:
    """Say how a run ended; it is returned if it failed."""
    from hsi.experiments.results import FailedRun

    from .jobs import last_line

    found = finished_run(run)
    if code == 0 and found:
        overall = found.report["overall_accuracy"]
        report("finished", f"{run.name}: OA {'–' if overall is None else f'{overall:.2%}'}, {seconds:.0f} s")
        return []
    message = last_line(job.log)
    report("failed", f"{run.name}: {message} ({job.log})", "red")
    return [FailedRun(run.planned, message, job.log)]


def _named(names: Sequence[str]) -> str:
    """The runs behind the progress bar, cut so that they stay on its line."""
    shown = ", ".join(name.rpartition("-")[0] for name in names)
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
