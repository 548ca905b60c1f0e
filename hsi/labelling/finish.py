"""The end of a sitting: a run folder as ``hsi classify`` writes it, and the commands that make it again."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hsi.core.files import Manifest
from hsi.errors import TrainingError
from hsi.labelling.network import NetworkTask, NetworkTraining, sum_of_labels
from hsi.workflows.run_folder import check_free, run_folder


@dataclass(frozen=True)
class Finished:
    """The folder of the run, and the commands, ready for a shell, that make it, its model alone, and a test of it."""

    folder: Path
    commands: tuple[str, ...]


def free_folder(out: Path) -> Path:
    """The first of ``out``, ``out-2``, ``out-3``, … that is not there."""
    number, folder = 1, out
    while folder.exists():
        number += 1
        folder = out.with_name(f"{out.name}-{number}")
    return folder


def finish(
    task: NetworkTask,
    trained: NetworkTraining | None = None,
    overwrite: bool = False,
    changed: Callable[[NetworkTraining], None] = lambda training: None,
    limit: int | None = None,
) -> Finished:
    """Write model, map, confidence, accuracy, figures and report of a task to the folder ``task.out``.

    What was ``trained``, or still is, is used where its labels and settings are those of the task; else a network is
    trained now within ``limit`` bytes of memory, with ``changed`` called as it advances. Temporary files are removed.
    Raises :class:`OutputError` where the folder is taken, and :class:`TrainingError` where the training fails or is
    cancelled.
    """
    check_free(task.out, overwrite, False, [*task.scene, *([task.options.labels] if task.options.labels else [])])
    with run_folder(task.out, overwrite) as work:  # before the training, as the folder may not be writable
        training = trained if trained is not None and fits(task, trained) else NetworkTraining(task, changed, limit)
        try:
            if training.wait() != "finished" or training.result is None:
                raise TrainingError(training.error or "the training was cancelled: nothing was written")
            source = training.result.folder
            for name in Manifest.of_folder(source).files:
                (work.files / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, work.files / name)
        finally:
            training.discard()
    commands = (task.classify_command, task.train_command, task.test_command)
    return Finished(task.out, tuple(shlex.join(command) for command in commands if command))


def fits(task: NetworkTask, trained: NetworkTraining) -> bool:
    """Whether a training, which may still be running, is that of the task from the labels as they are now."""
    now = sum_of_labels(task)
    if trained.task != task or not now or trained.labels_sum != now:
        return False
    return trained.wait() == "finished" and trained.result is not None and now in trained.result.sums.values()
