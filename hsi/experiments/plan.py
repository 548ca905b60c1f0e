"""The runs of an experiment, checked and with their folders before the first one starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from hsi.core.events import warning
from hsi.core.files import write_new
from hsi.errors import ConfigError, UsageError
from hsi.experiments.jobs import Job
from hsi.experiments.results import FinishedRun, read_finished
from hsi.experiments.spec import Experiment, PlannedRun, SceneInput, merged, plan_runs, run_key
from hsi.preprocessing.mosaic import files_of_tiles
from hsi.settings import Settings, reading_arguments
from hsi.splits import choose_rule
from hsi.workflows.inputs import given_files, mask_files, open_any_labels, open_any_scene
from hsi.workflows.provenance import hash_files, hash_inputs
from hsi.workflows.resolve import check_names, resolve_settings
from hsi.workflows.run_folder import find_work


@dataclass(frozen=True)
class PlacedRun:
    """A planned run with its own files in the folder ``out`` of the comparison; ``key`` stands for all its inputs."""

    planned: PlannedRun
    key: str
    out: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.planned.name}-{self.key}"

    @property
    def folder(self) -> Path:
        """Where the run goes."""
        return self.out / "runs" / self.name

    def finished(self) -> FinishedRun | None:
        """Its results, when it is finished."""
        return read_finished(self.planned, self.folder)

    def job(self, scene: SceneInput, figures: bool) -> Job:
        """The command that makes it, with or without figures; its settings file is written."""
        values = yaml.safe_dump(self.planned.values, sort_keys=False)
        config = write_new(self.out / "configs" / f"{self.name}.yaml", values)
        arguments = ["classify", str(scene.path), *reading_arguments(scene), "--config", str(config)]
        arguments += [] if figures else ["--no-figures"]
        arguments += ["--out", str(self.folder)]
        begun = find_work(self.folder.resolve()) is not None
        arguments += ["--resume"] if begun else []
        # a folder without results is damaged, and what was begun may be of other versions
        arguments += ["--overwrite"] if begun or self.folder.exists() else []
        any_gpu = self.planned.settings.device in ("auto", "cuda")
        return Job(self.name, tuple(arguments), write_new(self.out / "logs" / f"{self.name}.log"), any_gpu)


@dataclass(frozen=True, eq=False)
class Plan:
    """Every run of an experiment, and the SHA-256 of its input files."""

    experiment: Experiment
    runs: tuple[PlacedRun, ...]
    sha256: Mapping[str, str]


def make_plan(experiment: Experiment, where: str, out: Path) -> Plan:
    """Check every row, read scene and labels, and give each run its folder; a split without a rule has that of the
    labels.

    Raises :class:`UsageError` with the row for settings that do not fit, and the errors of reading scene and labels.
    """
    planned = plan_runs(experiment, where)
    resolved = [_resolved(run, where) for run in planned]
    scene = experiment.scene
    opened = open_any_scene(scene.path, scene)
    labels = open_any_labels(scene.labels, opened, scene)
    if any(settings.split.rule is None for settings in resolved):
        rule, doubt = choose_rule(labels)
        if doubt:
            warning(doubt)
        experiment = experiment.model_copy(update={"settings": merged({"split": {"rule": rule}}, experiment.settings)})
        planned = plan_runs(experiment, where)
        resolved = [_resolved(run, where) for run in planned]
    hashes = hash_inputs(*files_of_tiles(opened), labels.source, scene.georef, *mask_files(scene))
    hashes |= hash_files(path for path in (scene.classes, scene.wavelengths) if path and path.is_file())
    given = {files: hash_files(files) for files in {given_files(settings) for settings in resolved}}
    runs = tuple(
        PlacedRun(run, run_key(settings, scene, [*hashes.values(), *given[given_files(settings)].values()]), out)
        for run, settings in zip(planned, resolved, strict=True)
    )
    for of_split in given.values():
        hashes |= of_split
    return Plan(experiment, runs, hashes)


def _resolved(run: PlannedRun, where: str) -> Settings:
    """The checked settings of a run, with what its model decides."""
    try:
        settings = resolve_settings(run.settings)
        check_names(settings)
    except UsageError as error:
        raise ConfigError(f"{where}: row '{run.row}', split '{run.split}': {error}") from None
    return settings
