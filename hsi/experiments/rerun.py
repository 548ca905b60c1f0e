"""Repeat a finished run from its record and compare the results: ``hsi rerun``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hsi.core.events import info, warning
from hsi.core.installation import machine, versions
from hsi.errors import ComparisonError, OutputError, UsageError
from hsi.io.benchmark_scenes import locate_split
from hsi.preprocessing.mosaic import files_of_tiles
from hsi.report.compare_runs import compare_runs
from hsi.report.records import RunRecord, read_record
from hsi.settings import LABEL_INPUTS, SCENE_INPUTS, InputSettings, Settings, validated
from hsi.workflows.classify import run_classification
from hsi.workflows.inputs import Inputs, given_files, input_files, read_inputs
from hsi.workflows.provenance import hash_inputs
from hsi.workflows.resume import differing, listed


@dataclass(frozen=True)
class RecordedRun:
    """What the record of a run holds of how it was made."""

    settings: Settings
    inputs: InputSettings
    asked: Mapping[str, Any]
    record: RunRecord


def rerun(
    run: Path,
    out: Path,
    *,
    scene: Path | None = None,
    labels: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    command: Sequence[str],
) -> None:
    """Repeat the run of a folder in ``out``, and report which parts of its result are the same.

    ``scene`` and ``labels`` are their files where these have moved. What has changed since is reported before the run,
    as it explains most differences. Raises :class:`ComparisonError` for another result and, before anything is run,
    what :func:`read_run` raises.
    """
    recorded = read_run(run)
    record = recorded.record.inputs
    scenes = [scene] if scene else [Path(name) for name in record.parts or (record.scene,)]
    named = (scenes, recorded.inputs, labels or recorded.inputs.labels)
    recorded = replace(recorded, settings=locate_split(recorded.settings, input_files(*named)))
    if out.resolve() == run.resolve():
        raise OutputError(f"{out}: is the run that its repetition is compared with: choose another --out")
    changed: list[str] = []

    def read() -> Inputs:
        reading = recorded.inputs
        inputs = read_inputs(scenes, labels or reading.labels, reading)
        changed.extend(find_changes(recorded, inputs))
        return inputs

    run_classification(
        read, recorded.settings, out, command, asked=recorded.asked, overwrite=overwrite, resume=resume,
        sources=input_files(*named),
    )  # fmt: skip
    agreements = compare_runs(run, out)
    for agreement in agreements:
        info("same" if agreement.same else "differs", f"{agreement.part}: {agreement.words}")
    for agreement in agreements:
        if not agreement.same:
            why = f"not as when it was made: {listed(changed)}" if changed else "nothing that was recorded has changed"
            raise ComparisonError(f"{run}: not reproduced: {agreement.part}: {agreement.words}; {why}")


def read_run(run: Path) -> RecordedRun:
    """The record of the run in a folder.

    Raises :class:`UsageError` where there is none that can be run again, :class:`SceneFileError` for a damaged one and
    :class:`ConfigError` for settings that do not fit.
    """
    path = run / "run.json"
    if not path.is_file():
        raise UsageError(f"{path}: no such file: give the folder of a run of hsi classify")
    record = read_record(path, RunRecord)
    asked = record.asked or {}
    for section, known in {"scene": SCENE_INPUTS, "labels": LABEL_INPUTS, "settings": None}.items():
        values = asked.get(section)
        if not isinstance(values, dict) or (known and not values.keys() <= known):
            raise UsageError(
                f"{path}: lacks the settings and inputs that were asked for, as a run from Python or of an earlier "
                "hsi does: run hsi classify instead"
            )
    settings = validated(Settings, asked["settings"], str(path))
    return RecordedRun(settings, validated(InputSettings, asked["scene"] | asked["labels"], str(path)), asked, record)


def find_changes(recorded: RecordedRun, inputs: Inputs) -> list[str]:
    """What has changed since a run was made: versions, machine, files; warns of it."""
    record = recorded.record
    sources = (*files_of_tiles(inputs.scene), inputs.labels.source, *inputs.masks, *given_files(recorded.settings))
    sums = hash_inputs(*sources, classes=inputs.classes)
    now = {"versions": versions(), "machine": machine()}
    changed = differing({"versions": record.versions, "machine": record.machine}, now)
    if {*sums.values()} != {*record.inputs.sha256.values()}:
        changed.append("contents of the scene or label files")
    if changed:
        warning(f"not as when the run was made: {listed(changed)}")
    return changed
