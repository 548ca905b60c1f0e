"""From inputs and settings to a fitted classifier, a network or a baseline: what ``classify`` and ``train`` share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.special import softmax

from hsi.accuracy.calibration import Temperature, fit_temperature
from hsi.accuracy.rejection import ValidationConfidence, validation_confidence
from hsi.baselines import BASELINES, Baseline, fit_baseline, predict_scene
from hsi.core.devices import (
    describe_device,
    deterministic_algorithms,
    is_out_of_memory,
    release_memory,
    resolve_device,
)
from hsi.core.events import Advance, info, metrics, progress, warning
from hsi.core.interrupts import defer_interrupts
from hsi.errors import DeviceMemoryError, TrainingError
from hsi.inference.blending import REACH
from hsi.inference.map_files import MapOptions, MapSummary, map_writer
from hsi.inference.model_file import SavedModel
from hsi.inference.novelty import fit_novelty
from hsi.inference.scores import map_precision, pixel_scores
from hsi.inference.training_pixels import TrainingPixels, training_pixels
from hsi.io.geotiff import class_dtype, nodata_value
from hsi.models import (
    FILTER_REACH,
    SpectralPool,
    SupportVectors,
    WindowNetwork,
    build_networks,
    count_flops,
    count_parameters,
    filter_components,
    join_linear,
    leading_inputs,
    member_logarithms,
)
from hsi.models.windows import crop, gather_windows
from hsi.preprocessing.mosaic import files_of_tiles
from hsi.preprocessing.reducers import JoinedReducer, Reducer, fit_reducer, reduce_pixels, reduce_scene
from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, ReducerSettings, Settings
from hsi.splits import Split
from hsi.training.held_out import Members, fit_members, fit_weights, held_out_folds, improves, squares_of
from hsi.training.trainer import Epoch, TrainedNetwork, Trainer
from hsi.workflows.inputs import Inputs, given_files
from hsi.workflows.predict import map_inputs
from hsi.workflows.provenance import StageTimer, hash_inputs
from hsi.workflows.resolve import (
    check_calibration,
    check_windows,
    choose_square,
    is_baseline,
    resolve_by_scene,
    suit_bands,
    suit_components,
    updated,
)
from hsi.workflows.resume import CheckpointCallback, CheckpointPolicy, identity_of, tile_of

WORSE = 0.05  # by so much a temperature worsens the error that it calibrates where a few squares decide it
POOLS = ("pool", "filtered")  # of mapping.spectral: weighted by held-out pixels
PROBE_STEPS = 0.3  # of those of the training, for the network that is trained without held-out pixels
OTHER_GROUND_SHARE = 0.2  # of the network in a pool on other ground, chosen on blocks cut from training sides
FILTERED_AT_ONCE = 4096  # training pixels, at a time, whose windows are copied to be filtered
TILE_SIDES = (96, 48, 24)  # of training, one after the other, when the usual tiles do not fit into memory


class Classifier(ABC):
    """What was fitted on a scene's training pixels: a network or a baseline.

    ``settings`` are those of the fit, ``trained_on`` the SHA-256 of its input files by name, ``saved`` the model to
    save (None for a baseline, which is not saved).
    """

    settings: Settings
    trained_on: Mapping[str, str]
    saved: SavedModel | None

    @property
    @abstractmethod
    def window(self) -> int:
        """The side of the largest window that decides the class of a pixel, 1 where pixels are classified alone."""

    @abstractmethod
    def map_scene(
        self, inputs: Inputs, folder: Path, probabilities: bool, checkpoints: CheckpointPolicy | None
    ) -> MapSummary:
        """Classify every valid pixel of the scene into the rasters of ``folder``; all layers are in the summary too."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What ``run.json`` records of the method."""


def fit(
    inputs: Inputs, settings: Settings, split: Split, timer: StageTimer, checkpoints: CheckpointPolicy | None = None
) -> Classifier:
    """Fit the network or the baseline of ``settings`` on the training pixels of ``split``.

    Raises :class:`UsageError` for a window larger than the scene, and what training raises.
    """
    if is_baseline(settings):
        return fit_baseline_model(inputs, settings, split, timer)
    return fit_network(inputs, settings, split, timer, checkpoints)


@dataclass(frozen=True, eq=False)
class NetworkClassifier(Classifier):
    """A trained network with its reducer, as it is saved; ``resumed_from`` is the step of the checkpoint that training
    was resumed from, if any."""

    settings: Settings
    trained_on: Mapping[str, str]
    saved: SavedModel
    trained: TrainedNetwork
    temperature: Temperature | None = None
    resumed_from: int | None = None
    pool: dict[str, Any] | None = None

    @property
    def window(self) -> int:
        """The larger of the windows of its networks."""
        return max(self.settings.model.windows)

    def map_scene(
        self, inputs: Inputs, folder: Path, probabilities: bool, checkpoints: CheckpointPolicy | None
    ) -> MapSummary:
        """Classify the scene strip by strip, as :func:`hsi.predict` does; finished strips are stored to resume from."""
        averages = self.settings.mapping.model_dump(include={"symmetries", "blend"})
        options = MapOptions(engine=self.trained.recipe.engine, probabilities=probabilities, **averages)
        names = ("map", "confidence", *(("probabilities",) if probabilities else ()))
        files = {name: folder / f"{name}.tif" for name in names}
        strips = checkpoints.work.strips if checkpoints else None
        with discarded_if_diverged(checkpoints):
            return map_inputs(inputs, self.saved, self.settings.device, files, options, strips)

    def describe(self) -> dict[str, Any]:
        """The recipe, size and history of the network."""
        model, recipe = self.saved.model, self.trained.recipe
        device = next(self.trained.model.parameters()).device
        return {
            "recipe": recipe.to_dict(),
            "map_precision": map_precision(model, device, recipe.engine, self.settings.training.amp),
            "parameters": count_parameters(model),
            "multiply_adds": asdict(count_flops(model)),
            "weight_bytes": sum(tensor.nbytes for tensor in model.state_dict().values()),
            "device": str(device),
            "reducer": f"{self.saved.reducer.describe()}; fitted on all valid pixels, labelled or not",
            "calibration": self.temperature.to_dict() if self.temperature else None,
            "pool": self.pool,
            "kept_epoch": self.trained.epoch,
            "resumed_from_step": self.resumed_from,
            "history": [asdict(epoch) for epoch in self.trained.history],
        }


def fit_network(
    inputs: Inputs, settings: Settings, split: Split, timer: StageTimer, checkpoints: CheckpointPolicy | None = None
) -> NetworkClassifier:
    """Reduce the scene, choose windows, build and train the network, join it with a spectral classifier and calibrate.

    Training writes checkpoints and resumes from them where ``checkpoints`` are given.
    """
    scene, labels = inputs.scene, inputs.labels
    classes, codes = len(labels.table), labels.codes()
    settings = suit_bands(settings, len(scene.bands))
    check_windows(settings, scene)
    check_calibration(settings, split)
    with timer.stage("reduce"):
        reducer, padded, margin = reduce_around(inputs, settings, split)
        settings = suit_components(settings, reducer.components)
        square = choose_square(settings, codes, split)
        settings = resolve_by_scene(settings, crop(padded, margin), codes, split, square)
    windows, half = settings.model.windows, max(settings.model.windows) // 2
    padded = crop(padded, margin - half)
    model = build_networks(
        settings.model.name, windows=windows, components=reducer.components, classes=classes, seed=settings.seed,
        width=settings.model.width, resolution=settings.model.resolution,
        initialisation=settings.training.initialisation,
    )  # fmt: skip
    device = resolve_device(settings.device)

    def make_trainer(tile: int | None) -> Trainer:
        arrays = (copy.deepcopy(model), padded, codes, split.train, split.validation)
        return Trainer(*arrays, settings.training, device=device, seed=settings.seed, tile=tile)

    sources = (*files_of_tiles(scene), labels.source, *inputs.masks, *given_files(settings))
    trained_on = hash_inputs(*sources, classes=inputs.classes)
    # a few pixels more or less change components by no more than rounding, but what is mapped, and ids only the map
    arrays = {"labels": labels.values, "usable_pixels": inputs.survey.valid}
    identity = identity_of(settings, split, padded, arrays, trained_on) if checkpoints else {}
    trainer, trained, resumed_from = train_with_smaller_tiles(make_trainer, settings, checkpoints, identity, timer)
    rows, columns = np.nonzero(split.train)
    pixels, truth = padded[:, rows + half, columns + half].T, codes[split.train]
    wanted, temperature, validation = settings.mapping.calibrate is not False, None, None
    held_out = wanted and not split.validation.any()
    with discarded_if_diverged(checkpoints):
        probe = None
        if held_out or settings.mapping.spectral in POOLS:
            probe = train_probe(model, trainer, padded, codes, split, square, settings, timer)
        joined = join_classifiers(trained.model, probe, inputs, reducer, padded, pixels, truth, settings, timer)
        network, reducer = joined.network, joined.reducer
        settings = updated(settings, mapping={"spectral": joined.spectral})
        if probe and joined.tested and held_out:
            scores = score_pixels(joined.tested, probe.trainer, probe.padded, probe.held_out, once(settings))
            temperature = calibrate(scores, codes[probe.held_out], "held out")
        if split.validation.any():
            with timer.stage("calibrate"), progress("calibrate"):
                wide = padded
                if isinstance(reducer, JoinedReducer):
                    around = maximum_filter(split.validation, 2 * REACH + 1)
                    wide = reduce_scene(scene, reducer, inputs.survey.valid, margin=half, around=around)
                scores = score_pixels(network, trainer, wide, split.validation, settings)
            checked = codes[split.validation]
            temperature = calibrate(scores, checked, "validation") if wanted else None
            validation = measure_validation(scores, checked, temperature.value if temperature else 1.0)
    saved = SavedModel(
        model=network,
        reducer=reducer,
        table=labels.table,
        settings=settings,
        bands=inputs.band_list,
        novelty=fit_novelty(pixels, truth, classes),
        trained_on=trained_on,
        temperature=temperature.value if temperature else 1.0,
        denoiser=inputs.denoising.denoiser if inputs.denoising else None,
        training=used_pixels(inputs, split),
        levels=inputs.levels,
        fill=inputs.fill,
        validation=validation,
    )
    return NetworkClassifier(settings, trained_on, saved, trained, temperature, resumed_from, joined.record)


@dataclass(frozen=True, eq=False)
class BaselineClassifier(Classifier):
    """A fitted baseline with the reducer of its input, if it has one."""

    settings: Settings
    trained_on: Mapping[str, str]
    baseline: Baseline
    reducer: Reducer | None
    reduced: str
    saved: None = None

    @property
    def window(self) -> int:
        """The window whose mean represents a pixel; most baselines have none."""
        return self.baseline.side_ or 1

    def map_scene(
        self, inputs: Inputs, folder: Path, probabilities: bool, checkpoints: CheckpointPolicy | None
    ) -> MapSummary:
        """Classify the scene some rows at a time; the confidence is missing where the method gives no probability."""
        scene, table, valid = inputs.scene, inputs.labels.table, inputs.survey.valid
        with progress("map", "rows") as advance:
            predicted = predict_scene(self.baseline, scene, self.reducer, valid, advance)
        ids = np.asarray(table.ids, class_dtype(table))[predicted.codes]
        ids[~valid] = nodata_value(table)
        layers = {"map": ids}
        if predicted.confidence is not None:
            layers["confidence"] = predicted.confidence[None]
        with map_writer({name: folder / f"{name}.tif" for name in layers}, table, scene, in_memory=True) as writer:
            writer.add(scene.extent, layers)
        return writer.summary()

    def describe(self) -> dict[str, Any]:
        """The recipe of the baseline and its reducer."""
        return {"recipe": self.baseline.recipe(), "parameters": None, "device": "cpu", "reducer": self.reduced}


def fit_baseline_model(inputs: Inputs, settings: Settings, split: Split, timer: StageTimer) -> BaselineClassifier:
    """Fit a baseline on the training pixels alone, on components where it has a reducer."""
    scene, labels, valid = inputs.scene, inputs.labels, inputs.survey.valid
    settings = suit_bands(settings, len(scene.bands))
    check_windows(settings, scene)
    baseline = BASELINES[settings.model.name](settings.seed)
    window = settings.model.windows[0]
    info("model", f"{baseline.name}: {baseline.title}; --window {window} is for the split")
    reducer, reduced = None, f"none: {baseline.sees}, neither reduced nor standardised"
    if baseline.reducer:
        with timer.stage("reduce"), progress("reduce", "rows") as advance:
            reducer = fit_reducer(scene, settings.reducer, valid, advance)
        reduced = f"{reducer.describe()}; fitted on all {np.count_nonzero(valid):,} valid pixels, labelled or not"
    info("reducer", reduced)
    unused = np.count_nonzero(split.validation)
    note = f"; the {unused:,} validation pixels are not used" if unused else ""
    info("training", f"on the {np.count_nonzero(split.train):,} training pixels alone{note}")
    with timer.stage("train"), progress("train", "fits") as advance:
        fit_baseline(baseline, scene, reducer, valid, split.train, labels.codes(), window, advance)
    info("", baseline.describe())
    sources = (*files_of_tiles(scene), labels.source, *inputs.masks, *given_files(settings))
    trained_on = hash_inputs(*sources, classes=inputs.classes)
    return BaselineClassifier(settings, trained_on, baseline, reducer, reduced)


def used_pixels(inputs: Inputs, split: Split) -> tuple[TrainingPixels, ...]:
    """The pixels of each scene that train or validate; of several scenes those without any are left out."""
    used = split.train | split.validation
    return tuple(
        training_pixels(part.scene, used[block.slices]) for part, block in inputs.scenes() if used[block.slices].any()
    )


def reduce_around(inputs: Inputs, settings: Settings, split: Split) -> tuple[Reducer, NDArray[np.float32], int]:
    """A fitted reducer, the components ``(K, H + 2 margin, W + 2 margin)`` that training uses, and the margin: half
    of the largest window, or of the largest that may be chosen."""
    scene, valid = inputs.scene, inputs.survey.valid
    second = SECOND_WINDOW if settings.model.second_window is None else settings.model.second_window
    margin = max(settings.model.window or USUAL_WINDOW, second) // 2
    around = split.train | split.validation
    if settings.mapping.blend is not False and settings.mapping.calibrate is not False:
        around = maximum_filter(around, 2 * REACH + 1)  # the pixels to calibrate on are blended with their neighbours
    with progress("reduce", "rows") as advance:
        reducer = fit_reducer(scene, settings.reducer, valid, advance)
        padded = reduce_scene(scene, reducer, valid, advance, margin=margin, around=around)
    info("reducer", f"{reducer.describe()}; fitted on all {np.count_nonzero(valid):,} valid pixels, labelled or not")
    return reducer, padded, margin


@contextmanager
def discarded_if_diverged(checkpoints: CheckpointPolicy | None) -> Iterator[None]:
    """Discard the stored work of a training whose scores are no numbers, of which nothing is worth to resume from."""
    try:
        yield
    except TrainingError:
        if checkpoints:
            checkpoints.work.discard()
        raise


@dataclass(frozen=True, eq=False)
class Probe:
    """A network that was trained, for fewer steps, without the training pixels ``held_out`` ``(H, W)``, one of the
    ``folds`` ``(H, W)``, for which those of a ``square`` were held out as one; ``padded`` are its components."""

    network: WindowNetwork
    trainer: Trainer
    padded: NDArray[np.float32]
    codes: NDArray[np.int64]
    train: NDArray[np.bool_]
    folds: NDArray[np.int64]
    square: int

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """The pixels that it has not seen."""
        return np.asarray(self.folds == 0)


def train_probe(
    model: WindowNetwork,
    trainer: Trainer,
    padded: NDArray[np.float32],
    codes: NDArray[np.int64],
    split: Split,
    square: int,
    settings: Settings,
    timer: StageTimer,
) -> Probe | None:
    """Train the first network again on three quarters of the training pixels, for fewer steps; None for too few pixels.

    Training pixels of a ``square``, see :func:`choose_square`, are held out as one.
    """
    folds = held_out_folds(codes, split.train, settings.seed, square)
    held_out, others = folds == 0, split.train & (folds != 0)
    if not held_out.any() or np.unique(codes[others]).size < 2:
        return None
    first = copy.deepcopy(model.members[0])
    own = np.ascontiguousarray(crop(padded, (model.window - first.window) // 2))
    steps = max(1, round(PROBE_STEPS * trainer.recipe.steps))
    training = settings.training.model_copy(update={"steps": steps, "epochs": None})
    none = np.zeros_like(held_out)
    how: dict[str, Any] = {"device": trainer.device, "seed": settings.seed, "tile": trainer.recipe.tile}
    short = Trainer(first, own, codes, others, none, training, **how)
    with timer.stage("calibrate"), progress("hold out", "epochs") as advance:
        trained = short.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)))
    return Probe(trained.model, short, own, codes, split.train, folds, square)


def once(settings: Settings) -> Settings:
    """The settings without the average over symmetries, which changes confidence little."""
    return updated(settings, mapping={"symmetries": False})


@dataclass(frozen=True, eq=False)
class Joined:
    """A network joined with classifiers of the pixel, or alone where they do not help, the reducer of its input and, of
    a pool, a record; ``tested`` is the same of members that have not seen the held-out pixels. It is None where the
    weights by held-out pixels are the calibration: on other ground these are easier than the pixels of the map."""

    network: WindowNetwork
    tested: WindowNetwork | None
    reducer: Reducer
    spectral: str = "none"
    record: dict[str, Any] | None = None


def join_classifiers(
    network: WindowNetwork,
    probe: Probe | None,
    inputs: Inputs,
    reducer: Reducer,
    padded: NDArray[np.float32],
    pixels: NDArray[np.float32],
    truth: NDArray[np.int64],
    settings: Settings,
    timer: StageTimer,
) -> Joined:
    """The network with the classifiers of ``mapping.spectral``, fitted on components of training pixels, ``(n, K)``
    with classes ``truth`` ``(n,)``; a logistic regression where there are too few pixels to weight a pool with."""
    kind = settings.mapping.spectral or "none"
    if kind in POOLS and probe:
        return join_pool(network, probe, inputs, reducer, padded, pixels, settings, timer)
    if kind in POOLS:
        warning("too few training pixels to weight a pool with: the network and a logistic regression classify")
        kind = "logistic"
    if kind == "none":
        return Joined(network, probe.network if probe else None, reducer)
    tested = None
    if probe:
        others = probe.folds[probe.train] != 0
        tested = join_linear(probe.network, kind, pixels[others], truth[others])
    return Joined(join_linear(network, kind, pixels, truth), tested, reducer, kind)


def join_pool(
    network: WindowNetwork,
    probe: Probe,
    inputs: Inputs,
    reducer: Reducer,
    padded: NDArray[np.float32],
    pixels: NDArray[np.float32],
    settings: Settings,
    timer: StageTimer,
) -> Joined:
    """Pool a network with linear classifiers and a support vector machine, weighted by held-out pixels.

    The weights of the two are fitted on all training pixels, each of which is predicted by the other folds; those of
    the two together and of the network on the pixels that the probe has not seen. Only what raises their likelihood,
    see :func:`improves`, joins the member that leads: the network of wide fields, the two of small fields. On other
    ground in wide fields the network has a fixed share, since held-out squares share fields with the other pixels.
    """
    scene, train, valid, classes = inputs.scene, probe.train, inputs.survey.valid, network.classes
    filtered, codes, folds = settings.mapping.spectral == "filtered", probe.codes[train], probe.folds[train]
    with timer.stage("pool"), progress("pool", "rows") as advance:
        if filtered:
            spectra = filtered_pixels(padded, train)
            fitted, others, held_out = fit_members(pixels, spectra, codes, folds, classes, 0)
        else:
            principal = fit_reducer(scene, ReducerSettings(name="pca", whiten=False, standardise=True), valid, advance)
            joined = JoinedReducer(reducer, principal.state()["weights"])
            spectra = reduce_pixels(scene, joined, train)[:, reducer.components :]
            fitted, others, held_out = fit_members(pixels, spectra, codes, folds, classes, len(scene.bands))
        seen, first = held_out.any(axis=(0, 2)), folds == 0
        spectral = fit_weights(held_out[:, seen], codes[seen], np.zeros(2), 1.0)
        if settings.mapping.blend and not filtered and probe.square > 1:
            together, alone = 1 - OTHER_GROUND_SHARE, OTHER_GROUND_SHARE * float(spectral.sum())
        else:
            scores = score_pixels(probe.network, probe.trainer, probe.padded, probe.held_out, settings)  # as in the map
            own = member_logarithms(torch.from_numpy(scores)).numpy()
            both = np.stack([np.tensordot(spectral, held_out[:, first], 1), own])
            usual = np.array([0.0, 1.0] if filtered else [1.0, 0.0])
            found, squares = fit_weights(both, codes[first], usual, 0.2), squares_of(probe.held_out, probe.square)
            together, alone = (found if improves(both, codes[first], found, usual, squares) else usual).tolist()
    weights = [alone, *(together * spectral).tolist()]
    record = dict(zip(("network", "linear", "svm"), weights, strict=True))
    record |= {"filtered": filtered, "support_vectors": 0, "held_out": int(np.count_nonzero(seen))}
    if weights[2] > 0:
        record["support_vectors"] = len(fitted.machine.vectors)
    info("pool", describe_pool(record))
    if not any(weights[1:]):
        return Joined(network, probe.network, reducer, record=record)
    used = weights[2] > 0 or bool(fitted.linear.weight[:, pixels.shape[1] :].any())  # the values beyond components

    def pool(network: WindowNetwork, members: Members) -> SpectralPool:
        none = SupportVectors((0, spectra.shape[1] if used else 0, 0), classes)
        made = SpectralPool(network, members.machine if weights[2] > 0 else none, filtered=filtered)
        made.linear = members.linear if used else leading_inputs(members.linear, pixels.shape[1])
        made.weights.copy_(torch.tensor(weights))
        return made.to(probe.trainer.device).eval()

    if filtered:
        return Joined(pool(network, fitted), pool(probe.network, others), reducer, "filtered", record)
    return Joined(pool(network, fitted), None, joined if used else reducer, "pool", record)


def filtered_pixels(padded: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Components ``(n, K)`` of the ``chosen`` pixels ``(H, W)``, averaged over similar neighbours, from components
    ``(K, H + window - 1, W + window - 1)``."""
    half = (padded.shape[1] - chosen.shape[0]) // 2
    reach = min(FILTER_REACH, half)
    scene = torch.from_numpy(crop(padded, half - reach))
    rows, columns = (torch.from_numpy(places) for places in np.nonzero(chosen))
    parts = zip(torch.split(rows, FILTERED_AT_ONCE), torch.split(columns, FILTERED_AT_ONCE), strict=True)
    windows = (gather_windows(scene, *places, 2 * reach + 1) for places in parts)
    filtered: NDArray[np.float32] = torch.cat([filter_components(part, reach)[..., 0, 0] for part in windows]).numpy()
    return filtered


def describe_pool(pool: dict[str, Any]) -> str:
    """The weights of the members."""
    names = {"network": "network", "linear": "linear classifiers", "svm": "support vector machine"}
    listed = ", ".join(f"{name} {pool[key]:.2f}" for key, name in names.items())
    return f"weights {listed}, by {pool['held_out']:,} training pixels, each held out once"


def score_pixels(
    network: WindowNetwork,
    trainer: Trainer,
    padded: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    settings: Settings,
) -> NDArray[np.float32]:
    """Class scores ``(n, C)`` of the ``chosen`` pixels, as for a map."""
    averages = {"symmetries": bool(settings.mapping.symmetries), "blended": bool(settings.mapping.blend)}
    how: dict[str, Any] = {"device": trainer.device, "engine": trainer.recipe.engine, **averages}
    how["amp"] = settings.training.amp
    return pixel_scores(network, torch.from_numpy(padded), chosen, **how)


def measure_validation(
    scores: NDArray[np.float32], codes: NDArray[np.int64], temperature: float
) -> ValidationConfidence:
    """The confidence of validation pixels at a temperature, to choose by it later which pixels of a map to reject."""
    confidence = softmax(scores / np.float32(temperature), axis=1).max(axis=1)
    return validation_confidence(confidence, scores.argmax(axis=1) == codes)


def calibrate(scores: NDArray[np.float32], codes: NDArray[np.int64], which: str) -> Temperature | None:
    """The temperature fitted on the scores ``(n, C)`` and classes ``(n,)`` of pixels, ``which`` says how they were
    chosen; None, with a warning, where all validation pixels are right."""
    found = fit_temperature(scores, codes)
    if found is None:
        if which == "validation":
            warning(
                f"all {len(codes):,} validation pixels are right, so no temperature can be fitted: confidence stays "
                "as is"
            )
        return None
    before, after = found.error
    if after > before + WORSE and which == "held out":
        return None
    fitted = f"temperature {found.value:.3g} by {found.pixels:,} {which} pixels"
    info("calibrated", f"{fitted}: ECE from {before:.2%} to {after:.2%}")
    return found


def train_with_smaller_tiles(
    make: Callable[[int | None], Trainer],
    settings: Settings,
    checkpoints: CheckpointPolicy | None,
    identity: Mapping[str, Any],
    timer: StageTimer,
) -> tuple[Trainer, TrainedNetwork, int | None]:
    """Train with what ``make`` returns for a side of tiles, with smaller tiles until the memory suffices.

    Returns the trainer, the trained network and the step that training was resumed from. A resumed run begins with the
    tiles that it had. Raises :class:`DeviceMemoryError` when the smallest tiles, or the batches, are too large.
    """
    sides: list[int | None] = [None, *TILE_SIDES]
    begun = tile_of(checkpoints)
    for tile in sides[sides.index(begun) if begun in sides else 0 :]:
        trainer = make(tile)
        if tile in (begun, None):
            report_plan(settings, trainer)
        try:
            if checkpoints is None:
                return trainer, train(trainer, None, timer), None
            callback = CheckpointCallback(
                checkpoints, {**identity, "device": trainer.device.type, "recipe": trainer.recipe.to_dict()}
            )
            return trainer, train(trainer, callback, timer), callback.resumed_from
        except RuntimeError as error:  # torch's out of memory is one
            if not is_out_of_memory(error):
                raise
            out_of_memory(trainer, tile, error)
        del trainer
        if checkpoints:
            checkpoints.work.checkpoint.unlink(missing_ok=True)
    raise AssertionError("the last side ends in an error")


def out_of_memory(trainer: Trainer, tile: int | None, error: RuntimeError) -> None:
    """Warn that training restarts with smaller tiles; raises :class:`DeviceMemoryError` where there are none."""
    smaller = [side for side in TILE_SIDES if tile is None or side < tile]
    where = f"training runs out of memory on {trainer.device}"
    if trainer.recipe.engine == "patch":
        raise DeviceMemoryError(f"{where} with batches of {trainer.recipe.batch}: give a smaller --batch") from error
    if not smaller:
        raise DeviceMemoryError(
            f"{where} with tiles of {tile} x {tile} pixels, the smallest there are: free some of its memory, or use "
            "--device cpu, a smaller --window, fewer --components or --engine patch with a small --batch"
        ) from error
    warning(f"{where}: it restarts with tiles of {smaller[0]} x {smaller[0]} pixels, which batch norm sees")
    release_memory(trainer.device)


def train(trainer: Trainer, callback: CheckpointCallback | None, timer: StageTimer) -> TrainedNetwork:
    """Train with a progress bar and checkpoints, from the last one of an interrupted run where that is asked for.

    With a callback an interrupt waits until a checkpoint is written. Raises what :meth:`Trainer.fit` does.
    """
    if callback is None:
        with timer.stage("train"), progress("train", "epochs") as advance:
            return trainer.fit(partial(report_epoch, advance))
    callback.resume(trainer)
    with timer.stage("train"), progress("train", "epochs") as advance, defer_interrupts() as callback.stop:
        try:
            fitted = trainer.fit(partial(report_epoch, advance), callback)
        except TrainingError as error:
            callback.note_last(error)
            raise
        callback.write(trainer)
    timer.seconds["train"] = round(timer.seconds["train"] + callback.seconds_before, 3)
    return fitted


@contextmanager
def repeatable(settings: Settings) -> Iterator[None]:
    """Compute the same numbers every time where ``deterministic=true`` asks for it."""
    if settings.deterministic and resolve_device(settings.device).type == "cpu":
        info("repeatable", "on a CPU without deterministic=true, too")
    with deterministic_algorithms(settings.deterministic):
        yield


def report_plan(settings: Settings, trainer: Trainer) -> None:
    """Report what will be trained, how and where."""
    recipe, model = trainer.recipe, trainer.model
    info("model", f"{settings.model.name}: {count_parameters(model):,} parameters, {settings.model.describe_windows()}")
    number = "bfloat16" if recipe.bfloat16 else "float32"
    info("training", f"{recipe.engine} engine, {number}, on {describe_device(trainer.device)}")
    info("", f"{recipe.epochs} epochs of {recipe.steps // recipe.epochs} steps, {recipe.optimiser}, "
            f"{recipe.lr_schedule} learning rate up to {recipe.lr:g}")  # fmt: skip


def report_epoch(advance: Advance, epoch: Epoch, epochs: int) -> None:
    """Report an epoch that is done, for the progress bar and for programs that follow the training."""
    advance(epoch.epoch, epochs, epoch_note(epoch))
    values = {name: value for name, value in asdict(epoch).items() if name != "epoch" and value is not None}
    metrics(epoch.epoch, values)


def epoch_note(epoch: Epoch) -> str:
    """Loss and accuracy for the progress bar."""
    note = f"loss {epoch.loss:.3f} accuracy {epoch.accuracy:.1%}"
    return note if epoch.validation_accuracy is None else f"{note} validation {epoch.validation_accuracy:.1%}"
