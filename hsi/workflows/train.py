"""Train a network and save it, without a map: ``hsi train`` and :func:`hsi.train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hsi.errors import UsageError
from hsi.inference.model_file import SavedModel, save_model
from hsi.io.benchmark_scenes import locate_split
from hsi.settings import Settings
from hsi.stac.document import item_path
from hsi.stac.model_item import write_model_item
from hsi.tracking.tracker import tracked
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import NetworkClassifier, fit_network, repeatable
from hsi.workflows.inputs import Inputs, complete_labels, given_files, split_labels
from hsi.workflows.provenance import StageTimer, date_now
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
    stac: bool = False,
    track: str | None = None,
) -> tuple[NetworkClassifier, StageTimer]:
    """Train on what ``read`` returns and save the model in the file ``out``, with a STAC Item where asked for.

    The training is also reported to the program ``track`` (:mod:`hsi.tracking`).

    All labelled pixels train unless ``settings`` say otherwise. Raises :class:`UsageError` for a baseline and for other
    settings that make no sense, before anything is read, :class:`OutputError` where ``out`` is taken or one of the
    ``sources`` that are read, and what reading and training raise.
    """
    settings = locate_split(settings, sources)
    if not settings.split.model_fields_set & {"train", "rule"}:
        settings = updated(settings, split={"rule": "all"})
    elif settings.split.rule is None:
        settings = updated(settings, split={"rule": "random"})  # nothing is held out for a test
    given = [*sources, *given_files(settings)]
    check_free_files(out, model_files(out, stac), overwrite=overwrite, resume=resume, inputs=given)
    if is_baseline(settings):
        raise UsageError(
            f"{settings.model.name} is a baseline and not saved: a saved scikit-learn model is a pickle, which can "
            f"run code when it is opened: map with hsi classify --model {settings.model.name}, or train a network"
        )
    settings = resolve_settings(settings)
    check_names(settings)
    with tracked(track, out.stem, settings) as run:
        inputs, timer = complete_labels(read(), settings), StageTimer()
        with unfinished_files(out, resume=resume, overwrite=overwrite) as work, repeatable(settings):
            inputs = denoise_inputs(inputs, settings, timer, work.files)
            checkpoints = CheckpointPolicy(work, checkpoint_seconds)
            trained = fit_network(inputs, settings, split_labels(inputs, settings), timer, checkpoints)
            write_model(work.files, out, trained.saved, inputs, stac)
        if run:
            run.complete(trained.settings, {}, out)
    return trained, timer


def model_files(out: Path, stac: bool) -> list[Path]:
    """The files of a model, with its STAC Item where asked for."""
    return [out, item_path(out)] if stac else [out]


def write_model(folder: Path, out: Path, saved: SavedModel, inputs: Inputs, stac: bool) -> None:
    """Write the files of a model to a folder, from which they will move to ``out`` and next to it."""
    file, *items = (folder / path.name for path in model_files(out, stac))
    save_model(file, saved)
    for item in items:
        scenes = [part.scene for part, _ in inputs.scenes()]
        write_model_item(item, item_path(out), file, saved, scenes, created=date_now())
