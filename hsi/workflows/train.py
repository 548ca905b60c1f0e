"""Train a network and save it, without a map: ``hsi train`` and :func:`hsi.train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hsi.errors import UsageError
from hsi.inference.model_file import save_model
from hsi.io.benchmark_scenes import locate_split
from hsi.settings import Settings
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import NetworkClassifier, fit_network, repeatable
from hsi.workflows.inputs import Inputs, complete_labels, given_files, split_labels
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import check_names, is_baseline, resolve_settings, updated
from hsi.workflows.resume import CHECKPOINT_SECONDS, CheckpointPolicy
from hsi.workflows.run_folder import check_free_files, unfinished_files


def train_model(
    read: Callable[[], Inputs],
    settings: Settings,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    sources: Sequence[Path | None] = (),
) -> tuple[NetworkClassifier, StageTimer]:
    """Train on what ``read`` returns and save the model in the file ``out``.

    All labelled pixels train unless ``settings`` say otherwise. Raises :class:`UsageError` for a baseline and for other
    settings that make no sense, before anything is read, :class:`OutputError` where ``out`` is taken or one of the
    ``sources`` that are read, and what reading and training raise.
    """
    settings = locate_split(settings, sources)
    if not settings.split.model_fields_set & {"train", "rule"}:
        settings = updated(settings, split={"rule": "all"})
    elif settings.split.rule is None:
        settings = updated(settings, split={"rule": "random"})  # nothing is held out for a test
    check_free_files(out, [out], overwrite=overwrite, resume=resume, inputs=[*sources, *given_files(settings)])
    if is_baseline(settings):
        raise UsageError(
            f"{settings.model.name} is a baseline and not saved: a saved scikit-learn model is a pickle, which can "
            f"run code when it is opened: map with hsi classify --model {settings.model.name}, or train a network"
        )
    settings = resolve_settings(settings)
    check_names(settings)
    inputs, timer = complete_labels(read(), settings), StageTimer()
    with unfinished_files(out, resume=resume, overwrite=overwrite) as work, repeatable(settings):
        inputs = denoise_inputs(inputs, settings, timer, work.files)
        checkpoints = CheckpointPolicy(work, checkpoint_seconds)
        trained = fit_network(inputs, settings, split_labels(inputs, settings), timer, checkpoints)
        save_model(work.files / out.name, trained.saved)
    return trained, timer
