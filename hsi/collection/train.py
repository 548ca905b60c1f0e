"""Train one model on several scenes, and measure it on held-out scenes: ``hsi train`` and :func:`hsi.train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hsi.collection.accuracy import HeldOutScene, Report, assess_scene, held_out_scenes, pool_scenes, write_accuracy
from hsi.collection.scenes import LabelledScene, read_scenes
from hsi.core.events import info
from hsi.errors import UsageError
from hsi.inference.blending import REACH
from hsi.inference.model_file import SavedModel
from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, Settings
from hsi.workflows.fit import Classifier, NetworkClassifier, fit, fit_network, repeatable
from hsi.workflows.inputs import Inputs, split_labels
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import check_names, is_baseline, resolve_settings, updated
from hsi.workflows.resume import CHECKPOINT_SECONDS, CheckpointPolicy
from hsi.workflows.run_folder import WorkDirectory, check_free_files, unfinished_files
from hsi.workflows.train import model_files, train_model, write_model

HELD_OUT, IN_TURN = "scenes", "kfold-scenes"


@dataclass(frozen=True, eq=False)
class TrainedScenes:
    """A model that was trained on several scenes, None for a baseline, and its accuracy on scenes that were held out:
    the report of all together, None without such scenes, and of each. ``folder`` holds them as tables."""

    model: NetworkClassifier | None
    timer: StageTimer
    accuracy: Report | None = None
    scenes: tuple[HeldOutScene, ...] = field(default=())
    folder: Path | None = None

    @property
    def saved(self) -> SavedModel | None:
        """The model as it is saved."""
        return self.model.saved if self.model else None


def train_scenes(
    scenes: Sequence[LabelledScene],
    settings: Settings,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    stac: bool = False,
    track: str | None = None,
) -> TrainedScenes:
    """Train on all ``scenes`` and save the model in the file ``out``, with a STAC Item where asked for.

    The split ``scenes`` holds out some, which the saved model does not know; ``kfold-scenes`` holds out each in turn,
    unless a fold is given, and the saved model is then trained on all. Accuracy on held-out scenes is written to the
    folder ``out`` with ``_accuracy`` for its suffix. With any other split the accuracy is not measured. A baseline
    is not saved. Raises :class:`UsageError` for settings that make no sense, before anything is read,
    :class:`OutputError` where ``out`` is taken or one of the files that are read, and what reading and training raise.
    """
    sources = [path for one in scenes for path in one.files]
    if settings.denoising.method:
        raise UsageError("--denoise works on one scene: denoise each with 'hsi denoise', and train on the results")
    if settings.split.rule == "given":
        raise UsageError(
            "the split given is of one scene: hold out complete scenes with --split scenes, or leave it out"
        )
    if settings.split.rule not in (HELD_OUT, IN_TURN):
        wanted = resolve_settings(settings)
        trained, timer = train_model(
            lambda: read_scenes(scenes, gap_of(wanted)), settings, out, overwrite=overwrite, resume=resume,
            checkpoint_seconds=checkpoint_seconds, sources=sources, stac=stac, track=track,
        )  # fmt: skip
        return TrainedScenes(trained, timer)
    if track:
        raise UsageError(f"track follows one training, and the split {settings.split.rule} also tests it: leave it out")
    if resume and settings.split.rule == IN_TURN:
        raise UsageError("--resume continues one training, and kfold-scenes has several: leave it out, or give --fold")
    settings, timer = resolve_settings(settings), StageTimer()
    in_turn = settings.split.rule == IN_TURN and settings.split.fold is None
    check_names(_with_fold(settings, 1) if in_turn else settings)
    if settings.model.name == "position":
        raise UsageError("the baseline position knows no other scene than its own: choose another --model")
    folder = out.with_name(f"{out.stem}_accuracy")
    check_free_files(out, model_files(out, stac), overwrite=overwrite, resume=resume, inputs=sources)
    inputs = read_scenes(scenes, gap_of(settings))
    with unfinished_files(out, resume=resume, overwrite=overwrite) as work, repeatable(settings):
        results = list[HeldOutScene]()
        count = len(inputs.parts)
        for fold in [_with_fold(settings, n + 1) for n in range(count)] if in_turn else [settings]:
            if in_turn:
                info("fold", f"{fold.split.fold} of {count}")
            checkpoints = None if in_turn else CheckpointPolicy(work, checkpoint_seconds)
            classifier, found = _train_and_test(inputs, fold, work.files / folder.name, timer, checkpoints)
            results += found
        pooled = pool_scenes(results, inputs.labels.table)
        write_accuracy(work.files / folder.name, pooled, results)
        model = _final_model(inputs, settings, classifier, timer, work, checkpoint_seconds if in_turn else None)
        if model:
            write_model(work.files, out, model.saved, inputs, stac)
    return TrainedScenes(model, timer, pooled, tuple(results), folder)


def gap_of(settings: Settings) -> int:
    """Rows between scenes: at least the largest window, and more than what buffers and blending reach."""
    model = settings.model
    second = SECOND_WINDOW if model.second_window is None else model.second_window
    return max(model.window or USUAL_WINDOW, second, 2 * (settings.split.buffer or 0) + 1, 2 * REACH + 1)


def without_scenes(inputs: Inputs, numbers: Sequence[int]) -> Inputs:
    """The inputs without valid pixels in some scenes, so that reducers do not know these either."""
    valid = inputs.survey.valid.copy()
    for number in numbers:
        valid[inputs.labels.scenes[number].block.slices] = False
    return replace(inputs, survey=replace(inputs.survey, valid=valid))


def _with_fold(settings: Settings, fold: int) -> Settings:
    return updated(settings, split={"fold": fold})


def _train_and_test(
    inputs: Inputs, settings: Settings, folder: Path, timer: StageTimer, checkpoints: CheckpointPolicy | None
) -> tuple[Classifier, list[HeldOutScene]]:
    """Train on some scenes and map the others, each into a folder of its name in ``folder``."""
    split = split_labels(inputs, settings)
    held_out, results = held_out_scenes(inputs, split), list[HeldOutScene]()
    classifier = fit(without_scenes(inputs, held_out), settings, split, timer, checkpoints)
    for number in held_out:
        place = folder / inputs.labels.scenes[number].name
        place.mkdir(parents=True, exist_ok=True)
        info("held out", inputs.labels.scenes[number].name)
        with timer.stage("map"):
            mapped = classifier.map_scene(inputs.parts[number], place, False, None)
        results.append(assess_scene(inputs, number, split, classifier, mapped))
    return classifier, results


def _final_model(
    inputs: Inputs,
    settings: Settings,
    classifier: Classifier,
    timer: StageTimer,
    work: WorkDirectory,
    checkpoint_seconds: float | None,
) -> NetworkClassifier | None:
    """What is saved: the network that was tested or, after all scenes were held out in turn, one of all scenes."""
    if is_baseline(settings):
        info("model", f"none is saved: {settings.model.name} is a baseline")
        return None
    if checkpoint_seconds is None:
        assert isinstance(classifier, NetworkClassifier)
        return classifier
    info("model", "of all scenes, with the same settings; its accuracy is estimated by the folds")
    of_all = updated(settings, split={"rule": "random" if settings.split.train else "all"})
    split = split_labels(inputs, of_all)
    return fit_network(inputs, of_all, split, timer, CheckpointPolicy(work, checkpoint_seconds))
