"""``hsi rerun``: run again what a run's record tells, and say whether the result is the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.core.installation import machine, versions
from hsi.workflows.inputs import Inputs, given_files, read_inputs
from hsi.workflows.provenance import hash_inputs
from hsi.workflows.resume import differing, listed

from .cli_support.help import Command
from .cli_support.options import resume_option
from .cli_support.terminal import say, warn

if TYPE_CHECKING:
    from hsi.report.records import RunRecord
    from hsi.settings import InputSettings, Settings

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
@resume_option
def command(
    run: Path,
    out: Path | None,
    overwrite: bool,
    scene: Path | None,
    labels: Path | None,
    resume: bool,
) -> None:
    """Run again what the run.json in the folder RUN tells, and say whether the result is the same.

    The exit code is 1 if it is not. Versions, machine and input files that differ are said before the run, since they
    explain most differences.
    """
    from hsi.workflows.classify import run_classification

    out = out or run.with_name(f"{run.name}-rerun")
    told = read_told(run)
    changed: list[str] = []

    def read() -> Inputs:
        options = told.inputs.model_copy(update={"labels": labels or told.inputs.labels})
        inputs = read_inputs(scene or told.scene_path, options.labels, options)
        changed.extend(changed_since(told, inputs, told.settings))
        return inputs

    command = ["hsi", *sys.argv[1:]]
    run_classification(read, told.settings, out, command, asked=told.asked, overwrite=overwrite, resume=resume)
    compare(run, out, changed)


@dataclass(frozen=True)
class Told:
    """What a run's record tells of how it was made."""

    settings: Settings
    scene_path: Path
    inputs: InputSettings
    asked: Mapping[str, Any]
    record: RunRecord


def read_told(run: Path) -> Told:
    """The record of the run in a folder.

    Raises :class:`UsageError` where there is none that can be run again, :class:`SceneFileError` for a damaged one and
    :class:`ConfigError` for settings that do not fit.
    """
    from hsi.errors import UsageError
    from hsi.report.records import RunRecord, read_record
    from hsi.settings import LABEL_INPUTS, SCENE_INPUTS, InputSettings, Settings, validated

    path = run / "run.json"
    if not path.is_file():
        raise UsageError(f"{path}: no such file: give the folder of a run of hsi classify")
    record = read_record(path, RunRecord)
    asked = record.asked or {}
    scene = _mapping(path, asked.get("scene"), SCENE_INPUTS)
    labels = _mapping(path, asked.get("labels"), LABEL_INPUTS)
    settings = validated(Settings, _mapping(path, asked.get("settings")), str(path))
    options = validated(InputSettings, scene | labels, str(path))
    return Told(settings, Path(record.inputs.scene), options, asked, record)


def _mapping(path: Path, told: Any, known: set[str] | None = None) -> dict[str, Any]:
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
