"""What ``hsi compare`` is asked for, as runs that are checked and have their folders before the first one starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hsi.settings import InputSettings, declarations
from hsi.workflows.fit import check_names, given_files
from hsi.workflows.inputs import open_input_labels, open_input_scene
from hsi.workflows.provenance import hash_files, hash_inputs
from hsi.workflows.resolve import resolve_settings
from hsi.workflows.run_folder import hidden_folder

from .cli_support.terminal import say
from .jobs import Job

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.experiments.spec import Experiment, PlannedRun, SceneInput
    from hsi.settings import Settings


@dataclass(frozen=True)
class PlacedRun:
    """A planned run with the files of the comparison in ``out`` that are its own; ``key`` stands for all its inputs."""

    planned: PlannedRun
    key: str
    out: Path

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.planned.name}-{self.key}"

    @property
    def folder(self) -> Path:
        """Where the run goes."""
        return self.out / "runs" / self.name

    @property
    def config(self) -> Path:
        """Its settings as YAML."""
        return self.out / "configs" / f"{self.name}.yaml"

    def job(self, scene: SceneInput, figures: bool) -> Job:
        """The command that makes it, with or without figures; its settings file is written."""
        from hsi.core.files import write_atomically

        with write_atomically(self.config) as part:
            part.write_text(yaml.safe_dump(self.planned.values, sort_keys=False), encoding="utf-8")
        arguments = ["classify", str(scene.path), *reading_arguments(scene)]
        arguments += ["--config", str(self.config)]
        arguments += [] if figures else ["--no-figures"]
        arguments += ["--out", str(self.folder)]
        begun = hidden_folder(self.folder).exists()
        arguments += ["--resume"] if begun else []
        # what lies there is damaged, and what was begun may be of other versions
        arguments += ["--overwrite"] if begun or self.folder.exists() else []
        return Job(self.name, tuple(arguments), self.out / "logs" / f"{self.name}.log")


@dataclass(frozen=True, eq=False)
class Plan:
    """Every run of an experiment, the class ids ``(H, W)`` of its scene and the SHA-256 of its input files."""

    experiment: Experiment
    runs: tuple[PlacedRun, ...]
    truth: NDArray[Any]
    sha256: Mapping[str, str]


def scene_experiment(
    path: Path,
    models: Sequence[str],
    inputs: InputSettings,
    values: Mapping[str, Any],
) -> Experiment:
    """The experiment that compares models on a scene with the same settings, which hold no seed."""
    from hsi.experiments.spec import Experiment
    from hsi.settings import validated

    scene = {"path": path, **inputs.model_dump()}
    rows = [{"name": name, "settings": {"model": {"name": name}}} for name in models]
    wanted = {"title": path.stem, "scene": scene, "settings": values, "rows": rows}
    return validated(Experiment, wanted, "--models")


def reading_arguments(scene: SceneInput) -> list[str]:
    """The options of ``hsi classify`` that read a scene as it is described."""
    words = []
    for setting in declarations(InputSettings):
        value, option = getattr(scene, setting.name), setting.extra("option")
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, str(value)]
    return words


def make_plan(experiment: Experiment, where: str, out: Path) -> Plan:
    """Check every row, read scene and labels, and give each run its folder.

    Raises :class:`UsageError` with the row for settings that cannot be, and whatever the scene and labels give rise to.
    """
    from hsi.experiments.spec import plan_runs, run_key

    planned = plan_runs(experiment, where)
    settled = [_settled(run, where) for run in planned]
    scene = experiment.scene
    opened = open_input_scene(scene.path, scene)
    labels = open_input_labels(opened, scene)
    sums = hash_inputs(opened.source, labels.source, scene.georef, scene.mask)
    given = {files: hash_files(files) for files in {given_files(settings) for settings in settled}}
    runs = tuple(
        PlacedRun(run, run_key(settings, scene, [*sums.values(), *given[given_files(settings)].values()]), out)
        for run, settings in zip(planned, settled, strict=True)
    )
    more = {path: value for hashed in given.values() for path, value in hashed.items()}
    return Plan(experiment, runs, labels.values, {**sums, **more})


def _settled(run: PlannedRun, where: str) -> Settings:
    """The settings that a run comes to, of which it is certain that they can be."""
    from hsi.errors import ConfigError, UsageError

    try:
        settings = resolve_settings(run.settings)
        check_names(settings)
    except UsageError as error:
        raise ConfigError(f"{where}: row '{run.row}', split '{run.split}': {error}") from None
    return settings


def show_plan(plan: Plan, finished: Sequence[PlacedRun]) -> None:
    """A line for each run with whether it is finished."""
    for run in plan.runs:
        say("finished" if run in finished else "to run", str(run.folder))
    say("runs", f"{len(plan.runs)}: {len(finished)} finished, {len(plan.runs) - len(finished)} to run")
