"""``hsi.compare``: rows of settings over splits and seeds, each a run of ``hsi classify``, in one tested table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsi.core import events
from hsi.core.events import info, warning
from hsi.core.files import find_config
from hsi.core.installation import versions
from hsi.errors import ComparisonError, OutputError, SceneFileError, UsageError
from hsi.experiments.figures import COMPARISON_FIGURES, write_comparison_figures
from hsi.experiments.html import write_comparison_report
from hsi.experiments.jobs import Job, last_line, run_jobs, run_jobs_on, threads_each, visible_gpus
from hsi.experiments.plan import PlacedRun, Plan, make_plan
from hsi.experiments.results import FailedRun
from hsi.experiments.spec import (
    Experiment,
    choose_rows,
    find_experiment,
    load_experiment,
    parse_seeds,
    scene_experiment,
)
from hsi.experiments.summary import Comparison, compare_split
from hsi.experiments.tables import FORMATS, write_comparison
from hsi.report.records import read_json
from hsi.settings import settings_values
from hsi.workflows.outputs import REPORT
from hsi.workflows.provenance import date_now
from hsi.workflows.resolve import is_baseline
from hsi.workflows.run_folder import check_new_files, new_files

FILES = (
    *(f"comparison.{suffix}" for suffix in FORMATS),
    *(f"{name}.{suffix}" for name in COMPARISON_FIGURES for suffix in ("png", "pdf")),
    REPORT,
)
YAML = (".yaml", ".yml")


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """What ``hsi.compare`` returns: the planned ``runs``, those ``finished`` before and now, and those that ``failed``.

    ``tables`` are means, deviations and tests: ``result.tables.splits[0].rows[0].measures["overall_accuracy"].mean`` is
    a fraction. They were written to ``files``. After a dry run ``tables`` is None and nothing was written.
    """

    runs: tuple[PlacedRun, ...]
    finished: tuple[PlacedRun, ...]
    failed: tuple[FailedRun, ...] = ()
    tables: Comparison | None = None
    files: tuple[Path, ...] = ()


def compare(
    what: Path | str,
    *,
    models: Sequence[str] = (),
    seeds: int | Iterable[int] | str | None = None,
    only: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    config: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    out: Path | str | None = None,
    figures: bool = False,
    dry_run: bool = False,
    progress: bool | events.Report | None = None,
    command: Sequence[str] = ("hsi.compare",),
    **reading: Any,
) -> ComparisonResult:
    """Compare rows of settings over splits and seeds in one table, with tests of which differences hold.

    The same as ``hsi compare``. Each run is an ``hsi classify`` in a process of its own with a folder in ``out/runs``,
    so scene and labels are files, a cube ``(H, W, B)`` and class ids ``(H, W)``. Finished runs are not run again unless
    settings, data or the version of hsi changed; the tables are written each time.

    Args:
        what: An experiment, which is a YAML file of rows and splits or the name of one that comes with hsi; or a scene,
            whose rows are the ``models``.
        models: Networks and baselines to compare on a scene.
        seeds: How many, from 0 on, or which ones; five, or those of the experiment, when left out.
        only: Names of the rows to run and show; all when left out.
        settings: With a scene: settings by the names of ``configs/default.yaml``, such as ``{"model.window": 11}``.
        config: With a scene: a YAML file of settings, over which ``settings`` win.
        jobs: Runs at once; they share the cores, and each has a GPU of its own where there are several.
        scheduler: Address of a Dask scheduler, on whose workers runs are made instead; they share ``out`` and inputs.
        out: Folder of runs and tables, ``runs/compare/NAME`` when left out.
        figures: Whether the figures of each run are drawn, too.
        dry_run: Only check and list the runs.
        progress: True for a bar, or a function that is called with the stage, what is done of it, its total and a note.
        command: What the tables name as the command that made them.
        **reading: With a scene: how to read it and its ``labels``, as the parameters of :func:`hsi.classify`.

    Raises:
        UsageError: for settings that make no sense or a name that is not known, before anything is run.
        HsiError: for a scene, labels or a split that cannot be used, also before.
        OutputError: for a folder that holds something else or cannot be written to.
        ComparisonError: when no run finished. Where some did, the result lists those that failed.
    """
    what = Path(what)
    with events.report_to(events.reporter_for(progress)):
        experiment, where = _read_experiment(what, models, settings, config, reading)
        if seeds is not None:
            experiment = experiment.model_copy(update={"seeds": parse_seeds(seeds)})
        if only:
            experiment = choose_rows(experiment, only)
        folder = Path(out) if out else Path("runs") / "compare" / what.stem
        check_folder(folder, experiment.title)
        if scheduler and jobs > 1:
            raise UsageError("jobs is for this machine; with a scheduler there is a run for each thread of its workers")
        plan = make_plan(experiment, where, folder)
        check_files(folder, plan)
        finished = tuple(run for run in plan.runs if run.finished())
        if dry_run:
            return ComparisonResult(plan.runs, finished)
        failed = run_missing(plan, finished, jobs, scheduler, figures)
        tables = summarise(plan, failed, command)
        with new_files(folder, "comparison", overwrite=True, stale=FILES) as work:
            drafts = [*write_comparison(work.files, tables), *write_comparison_figures(work.files, tables)]
            write_comparison_report(work.files / REPORT, tables, folder)
        files = [*(folder / draft.name for draft in drafts), folder / REPORT]
        finished = tuple(run for run in plan.runs if run.finished())
        return ComparisonResult(plan.runs, finished, failed, tables, tuple(files))


def _read_experiment(
    what: Path,
    models: Sequence[str],
    settings: Mapping[str, Any] | None,
    config: Path | str | None,
    reading: Mapping[str, Any],
) -> tuple[Experiment, str]:
    """The experiment of a file, or of models on a scene, and what messages call it."""
    given = {name: value for name, value in reading.items() if value is not None and value is not False}
    if what.suffix.lower() in YAML or not (models or what.exists() or what.suffix):
        if models or config or settings or given:
            raise UsageError(
                f"{what}: an experiment defines what is run: only seeds, only, jobs, scheduler, out, figures and "
                "dry-run go with it; write models, settings and labels into the file"
            )
        path = find_experiment(what)
        return load_experiment(path), str(path)
    if not models:
        raise UsageError(f"{what}: give models to compare, such as hybridsn-bn,svm ('hsi models' lists them)")
    values = settings_values(find_config(Path(config)) if config else None, settings)
    if values.pop("seed", None) is not None:
        info("seeds", f"the seed in {config or 'the settings'} is not used: seeds decides them")
    return scene_experiment({"path": what, **given}, models, values), str(what)


def check_folder(out: Path, title: str) -> None:
    """Raise :class:`OutputError` for a folder that holds something other than a comparison of that title."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; a comparison needs a folder: choose another one")
    if out.is_dir() and any(out.iterdir()) and not (out / "runs").is_dir():
        raise OutputError(f"{out}: holds files that are no comparison, so nothing is written: choose another folder")
    if (out / "run.json").exists():
        raise OutputError(f"{out}: is the folder of a single run: choose another one")
    check_new_files(out, "comparison", FILES, overwrite=True)
    try:
        before = read_json(out / "comparison.json").get("title", title)
    except SceneFileError:
        return
    if before != title:
        raise OutputError(
            f"{out}: holds the tables of '{before}', which those of '{title}' would replace: choose another folder, or "
            "delete its comparison.json"
        )


def check_files(out: Path, plan: Plan) -> None:
    """Raise :class:`OutputError` for a folder with tables of other files, such as of another scene of the same name."""
    try:
        before = read_json(out / "comparison.json").get("sha256")
    except SceneFileError:
        return
    if isinstance(before, dict) and before and plan.sha256 and not {*before.values()} & {*plan.sha256.values()}:
        raise OutputError(
            f"{out}: holds the tables of other files, such as {next(iter(before))}, which those of "
            f"{next(iter(plan.sha256))} would replace: choose another folder, or delete its comparison.json"
        )


def run_missing(
    plan: Plan, finished: Sequence[PlacedRun], slots: int, scheduler: str | None, figures: bool
) -> tuple[FailedRun, ...]:
    """Run what is not finished, report how each run ended, and return those that failed.

    At most ``slots`` run at once; with a ``scheduler`` they run on its workers.
    """
    missing, total = {run.name: run for run in plan.runs if run not in finished}, len(plan.runs)
    info("runs", f"{total}: {len(finished)} finished before, {len(missing)} to run")
    if not missing:
        return ()
    slots = min(slots, len(missing))
    gpus = visible_gpus() if slots > 1 and not scheduler else []
    share = f"{slots} at a time, {'at least ' * (slots > 1)}{threads_each(slots)} threads each"
    share += f", on {len(gpus)} GPUs in turn" * (len(gpus) > 1)
    info("", f"on the workers of {scheduler}" if scheduler else share)
    ended: dict[str, FailedRun | None] = {}
    with events.progress("compare", "runs") as advance:

        def note_end(job: Job, code: int, seconds: float) -> None:
            ended[job.name] = _failure(missing[job.name], job, code, seconds)

        def note_change(names: Sequence[str]) -> None:
            running = ", ".join(name.rpartition("-")[0] for name in names)
            advance(len(finished) + len(ended), total, running if len(running) <= 40 else f"{running[:39]}…")

        try:
            # the longest first, so that at the end no core waits for one of them
            order = sorted(missing.values(), key=lambda run: slots > 1 and is_baseline(run.planned.settings))
            jobs = [run.job(plan.experiment.scene, figures) for run in order]
            if scheduler:
                run_jobs_on(scheduler, jobs, plan.runs[0].out, note_end, note_change)
            else:
                run_jobs(jobs, slots, note_end, note_change, gpus)
        except KeyboardInterrupt:
            done = len(finished) + sum(failed is None for failed in ended.values())
            warning(f"{done} of {total} runs are finished and stay: the same command goes on from there")
            raise
    return tuple(failed for failed in ended.values() if failed)


def _failure(run: PlacedRun, job: Job, code: int, seconds: float) -> FailedRun | None:
    """Report how a run ended; None unless it failed."""
    done = run.finished()
    if code == 0 and done:
        overall = done.report["overall_accuracy"]
        info("finished", f"{run.name}: OA {'–' if overall is None else f'{overall:.2%}'}, {seconds:.0f} s")
        return None
    message = last_line(job.log)
    warning(f"failed: {run.name}: {message} ({job.log})")
    return FailedRun(run.planned, message, job.log)


def summarise(plan: Plan, failed: Sequence[FailedRun], command: Sequence[str]) -> Comparison:
    """The comparison of all finished runs, split by split; a split without one is left out, with a warning.

    Raises :class:`ComparisonError` when no run finished.
    """
    finished = [done for run in plan.runs if (done := run.finished())]
    if not finished:
        raise ComparisonError(f"all {len(failed)} runs failed, the first with: {failed[0].message} ({failed[0].log})")
    splits = []
    for name in dict.fromkeys(run.planned.split for run in plan.runs):
        of_split = [run for run in finished if run.planned.split == name]
        if not of_split:
            warning(f"no run of the split {name} finished, so it has no table")
            continue
        planned = [run.planned for run in plan.runs if run.planned.split == name]
        with events.progress("tests", "maps") as advance:
            splits.append(compare_split(name, plan.experiment.rows, planned, of_split, advance))
    about = {
        "command": list(command),
        "date": date_now(),
        "versions": versions(),
        "scene": plan.experiment.scene.model_dump(mode="json", exclude_defaults=True),
        "sha256": dict(plan.sha256),
        "seeds": list(plan.experiment.seeds),
    }
    return Comparison(plan.experiment.title, tuple(splits), tuple(finished), tuple(failed), about)
