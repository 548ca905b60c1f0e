"""``hsi rerun``: run again what a run's record tells, and say whether the result is the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.core.reading_options import LabelOptions, SceneOptions
from hsi.workflows.classify import classify
from hsi.workflows.fit import check_names, given_files, repeatable
from hsi.workflows.inputs import Inputs, read_inputs
from hsi.workflows.provenance import StageTimer, hash_inputs, machine, versions
from hsi.workflows.resolve import resolve_settings
from hsi.workflows.resume import CheckpointPolicy, differing, listed
from hsi.workflows.run_folder import check_free, run_folder

from .cli_support.help import Command
from .cli_support.options import resume_options
from .cli_support.terminal import say, warn

if TYPE_CHECKING:
    from hsi.report.records import RunRecord
    from hsi.settings import Settings

OPTIONS = {"scene": SceneOptions, "labels": LabelOptions}
EPILOG = """\b
Examples:
  hsi rerun runs/demo
  hsi rerun runs/demo --scene elsewhere/indian_pines.mat --out /tmp/again
"""


@click.command("rerun", cls=Command, epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new run. [default: RUN-rerun]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--scene", type=click.Path(path_type=Path), help="Where the scene lies now, if it has moved.")
@click.option("--labels", type=click.Path(path_type=Path), help="Where the labels lie now, if they have moved.")
@resume_options
def command(
    run: Path,
    out: Path | None,
    overwrite: bool,
    scene: Path | None,
    labels: Path | None,
    resume: bool,
    checkpoint_every: float,
) -> None:
    """Run again what the run.json in the folder RUN tells, and say whether the result is the same.

    The exit code is 1 if it is not. Versions, machine and input files that differ are said before the run, since they
    explain most differences.
    """
    out = out or run.with_name(f"{run.name}-rerun")
    told = read_told(run)
    check_free(out, overwrite, resume)
    watch = StageTimer()
    with watch.stage("import"):
        settings = resolve_settings(told.settings)
        check_names(settings)
    with watch.stage("read"):
        inputs = read_inputs(
            scene or told.scene_path, told.scene, replace(told.labels, labels=labels or told.labels.labels)
        )
    changed = changed_since(told, inputs, settings)
    with run_folder(out, overwrite, resume) as work, repeatable(settings):
        classify(inputs, settings, CheckpointPolicy(work, checkpoint_every), watch, ["hsi", *sys.argv[1:]], told.asked)
    compare(run, out, changed)


@dataclass(frozen=True)
class Told:
    """What a run's record tells of how it was made."""

    settings: Settings
    scene_path: Path
    scene: SceneOptions
    labels: LabelOptions
    asked: Mapping[str, Any]
    record: RunRecord


def read_told(run: Path) -> Told:
    """The record of the run in a folder.

    Raises :class:`UsageError` where there is none that can be run again, :class:`SceneFileError` for a damaged one and
    :class:`ConfigError` for settings that do not fit.
    """
    from hsi.errors import UsageError
    from hsi.report.records import RunRecord, read_record
    from hsi.settings import Settings, validated

    path = run / "run.json"
    if not path.is_file():
        raise UsageError(f"{path}: no such file: give the folder of a run of hsi classify")
    record = read_record(path, RunRecord)
    asked = record.asked or {}
    scene, labels = (_options(path, kind, asked.get(name)) for name, kind in OPTIONS.items())
    settings = validated(Settings, _told_whole(path, asked.get("settings")), str(path))
    return Told(settings, Path(record.inputs.scene), scene, labels, asked, record)


def _options(path: Path, kind: type[Any], told: Any) -> Any:
    """Recorded options of a kind; raises :class:`UsageError` for others and for what they cannot be."""
    from pydantic import TypeAdapter, ValidationError

    from hsi.errors import UsageError

    _told_whole(path, told, {field.name for field in fields(kind)})
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise UsageError(f"{path}: {where} among what was asked for: {wrong['msg']}: the file is damaged") from None


def _told_whole(path: Path, told: Any, known: set[str] | None = None) -> Any:
    """What was asked for; raises :class:`UsageError` where it is no mapping or holds more than what is ``known``."""
    from hsi.errors import UsageError

    if not isinstance(told, dict) or (known is not None and not told.keys() <= known):
        raise UsageError(
            f"{path}: does not tell all that was asked for, as a run from Python or of an earlier hsi: make it anew"
        )
    return told


def changed_since(told: Told, inputs: Inputs, settings: Settings) -> list[str]:
    """What is not as it was when the run was made: versions, machine, files; said as warnings."""
    sums = hash_inputs(inputs.scene.source, inputs.labels.source, *given_files(settings))
    now = {"versions": versions(), "machine": machine()}
    changed = differing({"versions": told.record.versions, "machine": told.record.machine}, now)
    if sorted(set(sums.values())) != sorted(set(told.record.inputs.sha256.values())):
        changed.append("contents of the scene or label files")
    if changed:
        warn(f"not as when the run was made: {listed(changed)}")
    return changed


def compare(run: Path, out: Path, changed: list[str]) -> None:
    """Say what is the same. Raises :class:`ComparisonError` when something is not."""
    from hsi.errors import ComparisonError
    from hsi.report.compare_runs import compare_runs

    agreements = compare_runs(run, out)
    for agreement in agreements:
        say("same" if agreement.same else "differs", f"{agreement.part}: {agreement.words}")
    unlike = [agreement for agreement in agreements if not agreement.same]
    if unlike:
        why = f"; not as when it was made: {listed(changed)}" if changed else "; nothing that was recorded has changed"
        raise ComparisonError(f"{run}: not reproduced: {unlike[0].part}: {unlike[0].words}{why}")
    say("reproduced", f"{run}, in {out}")
