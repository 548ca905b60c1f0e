"""From inputs and settings to a trained model: what classify and train have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.events import info, progress, warning
from hsi.core.interrupts import defer_interrupts
from hsi.workflows.denoise import check_denoising
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import StageTimer, hash_inputs
from hsi.workflows.resolve import updated
from hsi.workflows.resume import CheckpointCallback, CheckpointPolicy, identity_of, tile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.accuracy.calibration import Temperature
    from hsi.core.scene import Scene
    from hsi.inference.model_file import SavedModel
    from hsi.models import WindowNetwork
    from hsi.preprocessing.reducers import Reducer
    from hsi.settings import Settings
    from hsi.splits import Split
    from hsi.training.trainer import Epoch, TrainedNetwork, Trainer


TILE_SIDES = (96, 48, 24)  # of training, one after the other, when the usual tiles do not fit into memory


def train_with_smaller_tiles(
    make: Callable[[int | None], Trainer],
    settings: Settings,
    keeping: CheckpointPolicy | None,
    identity: Mapping[str, Any],
    watch: StageTimer,
) -> tuple[Trainer, TrainedNetwork, int | None]:
    """Train with what ``make`` makes for tiles of a side, from smaller and smaller ones until memory suffices.

    Returns the trainer, what it fitted and the step that it went on from. A run that is gone on with begins with the
    tiles that it had. Without ``keeping`` there are no checkpoints. Raises :class:`DeviceMemoryError` when the smallest
    tiles are too large, or batches are.
    """
    from hsi.core.devices import is_out_of_memory

    sides: list[int | None] = [None, *TILE_SIDES]
    begun = tile_of(keeping)
    for tile in sides[sides.index(begun) if begun in sides else 0 :]:
        trainer = make(tile)
        if tile in (begun, None):
            say_plan(settings, trainer)
        try:
            if keeping is None:
                return trainer, train(trainer, None, watch), None
            keeper = CheckpointCallback(
                keeping, {**identity, "device": trainer.device.type, "recipe": trainer.recipe.to_dict()}
            )
            return trainer, train(trainer, keeper, watch), keeper.resumed_from
        except RuntimeError as error:  # torch's out of memory is one
            if not is_out_of_memory(error):
                raise
            out_of_memory(trainer, tile, error)
        del trainer
        if keeping:
            keeping.work.checkpoint.unlink(missing_ok=True)
    raise AssertionError("the last side ends in an error")


def out_of_memory(trainer: Trainer, tile: int | None, error: RuntimeError) -> None:
    """Say that training starts again with smaller tiles; raises :class:`DeviceMemoryError` where there are none."""
    from hsi.core.devices import release_memory
    from hsi.errors import DeviceMemoryError

    smaller = [side for side in TILE_SIDES if tile is None or side < tile]
    where = f"training runs out of memory on {trainer.device}"
    if trainer.recipe.engine == "patch":
        raise DeviceMemoryError(f"{where} with batches of {trainer.recipe.batch}: give a smaller --batch") from error
    if not smaller:
        raise DeviceMemoryError(
            f"{where} with tiles of {tile} x {tile} pixels, the smallest there are: free some of its memory, or use "
            "--device cpu, a smaller --window, fewer --components or --engine patch with a small --batch"
        ) from error
    warning(f"{where}: it starts again with tiles of {smaller[0]} x {smaller[0]} pixels, which batch norm sees")
    release_memory(trainer.device)


def train(trainer: Trainer, keeper: CheckpointCallback | None, watch: StageTimer) -> TrainedNetwork:
    """Train with a progress bar and checkpoints, from the last one of an interrupted run where that is asked for.

    With a keeper an interrupt waits until a checkpoint is written. Raises what :meth:`Trainer.fit` does.
    """
    from hsi.errors import TrainingError

    if keeper is None:
        with watch.stage("train"), progress("train", "epochs") as advance:
            return trainer.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)))
    keeper.go_on(trainer)
    with watch.stage("train"), progress("train", "epochs") as advance, defer_interrupts() as keeper.stop:
        try:
            fitted = trainer.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)), keeper)
        except TrainingError as error:
            keeper.say_last(error)
            raise
        keeper.write(trainer)
    watch.seconds["train"] = round(watch.seconds["train"] + keeper.seconds_before, 3)
    return fitted


@contextmanager
def repeatable(settings: Settings) -> Iterator[None]:
    """Compute the same numbers every time where ``deterministic=true`` asks for it."""
    from hsi.core.devices import deterministic_algorithms, resolve_device

    if settings.deterministic and resolve_device(settings.device).type == "cpu":
        info("repeatable", "on a CPU without deterministic=true, too")
    with deterministic_algorithms(settings.deterministic):
        yield


def say_plan(settings: Settings, trainer: Trainer) -> None:
    """Print what will be trained, how and where."""
    from hsi.core.devices import describe_device
    from hsi.models import count_parameters

    recipe, model = trainer.recipe, trainer.model
    info("model", f"{settings.model.name}: {count_parameters(model):,} parameters, {settings.model.describe_windows()}")
    number = "bfloat16" if recipe.bfloat16 else "float32"
    info("training", f"{recipe.engine} engine, {number}, on {describe_device(trainer.device)}")
    info("", f"{recipe.epochs} epochs of {recipe.steps // recipe.epochs} steps, {recipe.optimiser}, "
            f"{recipe.lr_schedule} learning rate up to {recipe.lr:g}")  # fmt: skip


def epoch_note(epoch: Epoch) -> str:
    """Loss and accuracy for the progress bar."""
    note = f"loss {epoch.loss:.3f} accuracy {epoch.accuracy:.1%}"
    return note if epoch.validation_accuracy is None else f"{note} validation {epoch.validation_accuracy:.1%}"


JOINED = {
    "none": "",
    "discriminant": ", joined with a linear discriminant of the pixel's components",
    "logistic": ", joined with a logistic regression of the pixel's components",
}


@dataclass(frozen=True)
class FittedRun:
    """What was trained, on what split, and everything that a saved model keeps.

    ``resumed_from`` is the step of the checkpoint that training went on from, if any.
    """

    settings: Settings
    split: Split
    fitted: TrainedNetwork
    bundle: SavedModel
    temperature: Temperature | None = None
    resumed_from: int | None = None


def fit(
    inputs: Inputs, settings: Settings, split: Split, watch: StageTimer, keeping: CheckpointPolicy | None = None
) -> FittedRun:
    """Reduce the scene, train on the split's training pixels, and put the saved model together.

    Checkpoints are kept where ``keeping`` says, and gone on from.
    """
    from hsi.core.devices import resolve_device
    from hsi.inference.model_file import SavedModel
    from hsi.inference.novelty import fit_novelty
    from hsi.models import build_networks, join_linear
    from hsi.models.windows import crop
    from hsi.training.trainer import Trainer

    scene, labels = inputs.scene, inputs.labels
    classes, codes = len(labels.table), labels.codes()
    check_windows(settings, scene)
    check_calibration(settings, split)
    with watch.stage("reduce"):
        reducer, padded, margin = reduce_around(inputs, settings, split)
        settings = settle_by_scene(settings, crop(padded, margin), codes, split)
    windows, seed = settings.model.windows, settings.seed
    half = max(windows) // 2
    padded = crop(padded, margin - half)
    sizes = {"width": settings.model.width, "resolution": settings.model.resolution}
    model = build_networks(
        settings.model.name, windows=windows, components=reducer.components, classes=classes, seed=seed, **sizes
    )

    def make(tile: int | None) -> Trainer:
        given = (copy.deepcopy(model), padded, codes, split.train, split.validation, settings.training)
        where: dict[str, Any] = {"device": resolve_device(settings.device), "seed": settings.seed, "tile": tile}
        return Trainer(*given, **where)

    trained_on = hash_inputs(scene.source, labels.source, *given_files(settings))
    arrays: dict[str, NDArray[Any]] = {"components": padded, "labels": codes}
    identity = identity_of(settings, split, arrays, trained_on) if keeping else {}
    trainer, fitted, resumed_from = train_with_smaller_tiles(make, settings, keeping, identity, watch)
    rows, columns = np.nonzero(split.train)
    spectra, truth = padded[:, rows + half, columns + half].T, codes[split.train]
    kind = settings.mapping.spectral or "none"
    network = fitted.model if kind == "none" else join_linear(fitted.model, kind, spectra, truth)
    temperature = None
    if settings.mapping.calibrate:
        with watch.stage("calibrate"), progress("calibrate"):
            temperature = calibrate(network, trainer, padded, codes, split, settings)
    bundle = SavedModel(
        model=network,
        reducer=reducer,
        table=labels.table,
        settings=settings,
        bands=inputs.band_list,
        familiar=fit_novelty(spectra, truth, classes),
        trained_on=trained_on,
        temperature=temperature.value if temperature else 1.0,
        denoiser=inputs.denoising.denoiser if inputs.denoising else None,
    )
    return FittedRun(settings, split, fitted, bundle, temperature, resumed_from)


def reduce_around(inputs: Inputs, settings: Settings, split: Split) -> tuple[Reducer, NDArray[np.float32], int]:
    """A fitted reducer, the components ``(K, H + 2 margin, W + 2 margin)`` that training looks at, and the margin: half
    of the largest window, or of the largest that may be chosen."""
    from scipy.ndimage import maximum_filter

    from hsi.inference.blending import REACH
    from hsi.preprocessing.reducers import fit_reducer, reduce_scene
    from hsi.settings import SECOND_WINDOW, USUAL_WINDOW

    scene, valid = inputs.scene, inputs.survey.valid
    second = SECOND_WINDOW if settings.model.second_window is None else settings.model.second_window
    margin = max(settings.model.window or USUAL_WINDOW, second) // 2
    around = split.train | split.validation
    if settings.mapping.calibrate and settings.mapping.blend is not False:
        around = maximum_filter(around, 2 * REACH + 1)  # validation pixels are blended with their neighbours
    with progress("reduce", "rows") as advance:
        reducer = fit_reducer(scene, settings.reducer, valid, advance)
        padded = reduce_scene(scene, reducer, valid, advance, margin=margin, around=around)
    info("reducer", f"{reducer.describe()}; fitted on all {np.count_nonzero(valid):,} valid pixels, labelled or not")
    return reducer, padded, margin


def settle_by_scene(
    settings: Settings,
    components: NDArray[np.float32],
    codes: NDArray[np.int64],
    split: Split,
) -> Settings:
    """The settings with all that surroundings decide: by the training pixels where it is not given, which is said.

    A model that is trained and not tested is for other scenes, where nothing is near its training pixels.
    """
    from hsi.training.window_selection import advise_window

    window, second = settings.model.window, settings.model.second_window
    spectral, blend = settings.mapping.spectral, settings.mapping.blend
    dropout = settings.training.context_dropout
    if None not in (window, second, spectral, blend, dropout):
        return settings
    found = advise_window(components, codes, split.train, split.test)
    window = window or found.window
    if second is None:
        second = found.second_window if max(components.shape[1:]) >= found.second_window else 0
    spectral = spectral or found.spectral
    blend = found.blend if blend is None else blend
    dropout = float(found.misleading) if dropout is None else dropout
    pooled = f" and {second} in a second network" if second else ""
    info("window", f"{window}{pooled}{JOINED[spectral]}: {found.in_words()}")
    model = {"window": window, "second_window": second}
    mapping = {"spectral": spectral, "blend": blend}
    return updated(settings, model=model, training={"context_dropout": dropout}, mapping=mapping)


def calibrate(
    network: WindowNetwork,
    trainer: Trainer,
    padded: NDArray[np.float32],
    codes: NDArray[np.int64],
    split: Split,
    settings: Settings,
) -> Temperature | None:
    """The temperature that suits the validation pixels, which is said; None where they tell nothing."""
    import torch

    from hsi.accuracy.calibration import fit_temperature
    from hsi.inference.scores import pixel_scores

    averages = {"symmetries": bool(settings.mapping.symmetries), "blended": bool(settings.mapping.blend)}
    how: dict[str, Any] = {"device": trainer.device, "engine": trainer.recipe.engine, **averages}
    scores = pixel_scores(network, torch.from_numpy(padded), split.validation, **how)
    codes = codes[split.validation]
    found = fit_temperature(scores, codes)
    if found is None:
        warning(
            f"all {len(codes):,} validation pixels are right, so they tell no temperature: confidence stays as it is"
        )
        return None
    before, after = found.error
    fitted = f"temperature {found.value:.3g} by {found.pixels:,} validation pixels"
    info("calibrated", f"{fitted}: ECE from {before:.2%} to {after:.2%}")
    return found


def split_labels(inputs: Inputs, settings: Settings) -> Split:
    """Make the split and say its sizes, what it left out and its warnings."""
    from hsi.io.masks import open_split
    from hsi.splits import make_split, split_request

    wanted = settings.split
    given = open_split(wanted.given, inputs.scene) if wanted.given else None
    split = make_split(inputs.labels, split_request(settings), rule=wanted.rule, given=given)
    sizes = {"training": split.train, "validation": split.validation, "test": split.test}
    listed = ", ".join(f"{int(mask.sum()):,} {name}" for name, mask in sizes.items() if mask.any())
    seed = "" if split.seed is None else f", seed {split.seed}"
    info("split", f"{split.rule}{seed}: {listed} pixels")
    for note in split.notes:
        info("", note)
    for text in split.warnings:
        warning(text)
    return split


def given_files(settings: Settings) -> tuple[Path, ...]:
    """The files that a given split is in; none for any other split."""
    from hsi.io.masks import split_files

    return split_files(settings.split.given) if settings.split.given else ()


def check_names(settings: Settings) -> None:
    """Raise :class:`UsageError` for a model, reducer, split or device that does not exist or cannot be as asked.

    Raises :class:`SceneFileError` for a given split whose file is missing; all before any work.
    """
    from hsi.baselines import BASELINES
    from hsi.core.devices import resolve_device
    from hsi.errors import UnknownNameError
    from hsi.models import MODELS, check_multipliers
    from hsi.preprocessing.reducers import find_reducer
    from hsi.splits import check_request, split_request

    models = [*MODELS, *BASELINES]
    if settings.model.name not in models:
        raise UnknownNameError("model", settings.model.name, models)
    if settings.model.name in MODELS:
        check_multipliers(settings.model.name, settings.model.width, settings.model.resolution)
    check_denoising(settings.denoising)
    find_reducer(settings.reducer)
    check_request(settings.split.rule, split_request(settings))
    given_files(settings)
    resolve_device(settings.device)


def check_calibration(settings: Settings, split: Split) -> None:
    """Raise :class:`UsageError` where a calibration is asked for and the split has no validation pixel."""
    from hsi.errors import UsageError

    if settings.mapping.calibrate and not split.validation.any():
        raise UsageError(f"--calibrate fits on validation pixels, and the split {split.rule} has none: give it some")


def check_windows(settings: Settings, scene: Scene) -> None:
    """Raise :class:`UsageError` for a window larger than the scene; where it is still to be chosen, the smallest."""
    from hsi.errors import UsageError
    from hsi.training.window_selection import SMALL_WINDOW

    model, size = settings.model, f"{scene.height} x {scene.width} pixels"
    for option, window in (("window", model.window or SMALL_WINDOW), ("second_window", model.second_window or 0)):
        if window > max(scene.height, scene.width):
            raise UsageError(f"model.{option} is {window}, larger than the scene of {size}: try a smaller one")
