"""The training loop: optimiser, schedule, checkpoints and history; see :mod:`hsi.training.engines` for its data."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hsi.core.devices import read_generator, restore_generators, retain_freed_memory, set_generator
from hsi.errors import TrainingError
from hsi.models import WindowNetwork, choose_engine
from hsi.settings import TrainingSettings
from hsi.training.checkpoint import Checkpoint, TrainingState, restore_checkpoint, take_checkpoint
from hsi.training.checkpoint import Epoch as Epoch
from hsi.training.engines import DenseEngine, DrawMask, PatchEngine, labelled_pixels
from hsi.training.recipe import PATCH_BATCH, Recipe, resolve_recipe
from hsi.training.tiles import Pixels, Tile

STEP_DECAYS = (0.41, 0.76)  # of the epochs, after which the rate is a tenth: epochs 40 and 75 of 100, counted from 0
LARGEST_ON_DEVICE = 4 * 2**30  # bytes of components that are stored on the device; beyond that, tiles are sent
VALIDATIONS = 20  # about how often the validation pixels are evaluated


def count_right(scores: Tensor, codes: Tensor) -> Tensor:
    """The number of pixels ``(n,)`` whose class has the highest score, by ``([networks,] n, classes)`` scores."""
    predicted = scores.argmax(1) if scores.dim() == 2 else scores.softmax(2).sum(0).argmax(1)
    return (predicted == codes).sum()


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with its recipe, history and the epoch of its weights."""

    model: WindowNetwork
    recipe: Recipe
    history: tuple[Epoch, ...]
    epoch: int
    seconds: float


Progress = Callable[[Epoch, int], None]
AfterStep = Callable[["Trainer"], None]


def balanced_weights(codes: Tensor, classes: int, balance: float) -> Tensor:
    """A weight for each class, ``count ** -balance`` scaled so that the mean over pixels is 1: ``(classes,)``."""
    counts = torch.bincount(codes, minlength=classes).clamp(min=1).float()
    weights = counts**-balance
    return weights / weights[codes].mean()


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> Any:
    """The learning rate schedule of a recipe."""
    kinds = torch.optim.lr_scheduler
    if recipe.lr_schedule == "one-cycle":
        return kinds.OneCycleLR(optimiser, recipe.lr, recipe.steps, cycle_momentum=False)
    if recipe.lr_schedule == "cosine":
        return kinds.CosineAnnealingLR(optimiser, recipe.steps)
    if recipe.lr_schedule == "step":
        return kinds.MultiStepLR(optimiser, [round(share * recipe.steps) for share in STEP_DECAYS])
    if recipe.lr_schedule == "plateau":
        return kinds.ReduceLROnPlateau(optimiser, patience=max(1, recipe.epochs // 20))
    return kinds.ConstantLR(optimiser, factor=1.0)


class Trainer:
    """A prepared training: ``recipe`` has its resolved settings; :meth:`fit` runs it.

    ``padded`` is ``(K, H + window - 1, W + window - 1)`` float32 components with half a window of zeros around them,
    ``codes`` ``(H, W)`` class positions, ``train`` and ``validation`` masks; ``tile`` is the side of the dense engine's
    tiles, by default that of :func:`hsi.training.tiles.plan_tiles`.
    """

    def __init__(
        self,
        model: WindowNetwork,
        padded: NDArray[np.float32],
        codes: NDArray[np.int64],
        train: NDArray[np.bool_],
        validation: NDArray[np.bool_],
        settings: TrainingSettings,
        *,
        device: torch.device,
        seed: int,
        tile: int | None = None,
    ) -> None:
        engine = choose_engine(settings.engine, model)
        self.model, self.device, self.seed = model.to(device), device, seed
        self.generator = torch.Generator().manual_seed(seed)
        scene = torch.from_numpy(padded)
        if scene.nbytes <= LARGEST_ON_DEVICE:
            scene = scene.to(device)
        batch = settings.batch or (PATCH_BATCH if engine == "patch" else None)

        def make_engine(pixels: Pixels, batch: int | None) -> DenseEngine | PatchEngine:
            if engine == "patch":
                return PatchEngine(model, scene, pixels, settings.batch or PATCH_BATCH)
            return DenseEngine(model, scene, pixels, batch, tile)

        pixels = labelled_pixels(codes, train).to(device)
        self.class_weights = balanced_weights(pixels.codes, model.classes, settings.balance)
        self.engine: Any = make_engine(pixels, batch)
        judges = labelled_pixels(codes, validation).to(device)
        self.validation: Any = make_engine(judges, len(judges)) if len(judges) else None
        steps_per_epoch = sum(1 for _ in self.engine.steps(torch.Generator().manual_seed(seed)))
        self.recipe = replace(resolve_recipe(settings, model, engine, steps_per_epoch, batch, device), tile=tile)
        kind: Any = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.recipe.optimiser]
        self.optimiser: torch.optim.Optimizer = kind(
            model.parameters(), lr=self.recipe.lr, weight_decay=self.recipe.weight_decay
        )
        self.schedule = make_schedule(self.optimiser, self.recipe)
        self.state = TrainingState(best=copy.deepcopy(model.state_dict()))
        self._resumed: Checkpoint | None = None

    def checkpoint(self) -> Checkpoint:
        """The state of the training between two steps of :meth:`fit`.

        Raises :class:`TrainingError` when weights are not finite, so that every checkpoint is usable.
        """
        if not _is_finite(self.model):
            raise TrainingError(f"weights are no numbers after step {self.state.steps_done}: {self._lower_rate()}")
        states = {"own": self.generator.get_state(), "cpu": torch.get_rng_state()}
        states[self.device.type] = read_generator(self.device)
        return take_checkpoint(self.model, self.optimiser, self.schedule, self.state, states)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Let :meth:`fit` continue from a checkpoint of a trainer with the same arguments; on a CPU the weights are
        those of an uninterrupted training. Raises :class:`ResumeError` when the checkpoint does not fit.
        """
        self.state = restore_checkpoint(checkpoint, self.model, self.optimiser, self.schedule)
        self._resumed = checkpoint

    def fit(self, progress: Progress | None = None, after_step: AfterStep | None = None) -> TrainedNetwork:
        """Train. With validation pixels the weights are those of the epoch with the best accuracy on them, otherwise
        those of the last, or with ``restore_best`` of the first with the highest accuracy in training.

        ``after_step`` is called with the trainer after each step: to take a :meth:`checkpoint`, or to stop by raising.
        Raises :class:`TrainingError` when the loss is not finite.
        """
        state, started = self.state, time.perf_counter() - self.state.seconds
        with restore_generators(self.device), retain_freed_memory():
            torch.manual_seed(self.seed)
            while len(state.history) < self.recipe.epochs:
                record = self._epoch(len(state.history) + 1, started, after_step)
                state.history.append(record)
                state.order = None  # the next epoch has not begun
                quality = self._quality(record)
                best = self._quality(state.history[state.best_epoch - 1]) if state.best_epoch else (-1.0, -math.inf)
                if quality is not None and best is not None and quality > best:
                    state.best, state.best_epoch = copy.deepcopy(self.model.state_dict()), record.epoch
                if progress:
                    progress(record, self.recipe.epochs)
        if state.best_epoch:
            self.model.load_state_dict(state.best)
        if not _is_finite(self.model):
            raise TrainingError(f"training ended with weights that are no numbers: {self._lower_rate()}")
        self.model.eval()
        state.seconds = time.perf_counter() - started
        epoch = state.best_epoch or self.recipe.epochs
        return TrainedNetwork(self.model, self.recipe, tuple(state.history), epoch, state.seconds)

    def _epoch(self, number: int, started: float, after_step: AfterStep | None) -> Epoch:
        state = self.state
        parts_of_steps = self._begin_epoch()
        self.model.train()
        for parts in parts_of_steps[state.step :]:
            lr = self.optimiser.param_groups[0]["lr"]
            step_loss, step_right, step_seen = self._step(parts)
            if not math.isfinite(step_loss):
                where = f"in step {state.steps_done} of {self.recipe.steps} (epoch {number} of {self.recipe.epochs})"
                raise TrainingError(f"the loss is {step_loss} {where} at learning rate {lr:.2g}: {self._lower_rate()}")
            state.loss, state.right = state.loss + step_loss * step_seen, state.right + step_right
            state.seen, state.step = state.seen + step_seen, state.step + 1
            state.seconds = time.perf_counter() - started
            if after_step:
                after_step(self)
        return self._validated(Epoch(number, state.loss / state.seen, state.right / state.seen, state.lr))

    def _begin_epoch(self) -> list[list[Any]]:
        """The parts of each step of the next epoch, or of the one in which a checkpoint was taken."""
        state, resumed, self._resumed = self.state, self._resumed, None
        if resumed is not None and state.order is not None:
            self.generator.set_state(state.order)
            steps = list(self.engine.steps(self.generator))
            self._set_generators(resumed)
            return steps
        if resumed is not None:
            self._set_generators(resumed)
        state.lr, state.order = self.optimiser.param_groups[0]["lr"], self.generator.get_state()
        state.step, state.loss, state.right, state.seen = 0, 0.0, 0.0, 0.0
        return list(self.engine.steps(self.generator))

    def _set_generators(self, checkpoint: Checkpoint) -> None:
        states = checkpoint.part("generator")
        self.generator.set_state(states["own"])
        torch.set_rng_state(states["cpu"])
        if self.device.type in states:  # not where the checkpoint is of another kind of device
            set_generator(self.device, states[self.device.type])

    def _quality(self, record: Epoch) -> tuple[float, float] | None:
        """What orders epochs, larger is better; None for those that are not compared."""
        if record.validation_accuracy is not None and record.validation_loss is not None:
            return record.validation_accuracy, -record.validation_loss
        return (record.accuracy, 0.0) if self.recipe.restore_best and not self.validation else None

    def _lower_rate(self) -> str:
        return f"try a lower rate, for example --lr {self.recipe.lr / 10:.1g} (training.lr)"

    def _step(self, parts: list[Any]) -> tuple[float, int, int]:
        """One optimiser step over the mean loss of all parts: loss, pixels right, pixels."""
        total = sum(len(part.pixels) if isinstance(part, Tile) else len(part) for part in parts)
        turn = int(torch.randint(8, (), generator=self.generator)) if self.recipe.augment else 0
        self.optimiser.zero_grad(set_to_none=True)
        loss, right = self._backward(parts, total, turn, self._context_dropout())
        if self.recipe.clip is not None:
            for network in self.model.members:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.state.steps_done += 1
        # random grouping may need a step more than planned, which the schedule would refuse
        if self.recipe.lr_schedule != "plateau" and self.state.steps_done <= self.recipe.steps:
            self.schedule.step()
        return loss, right, total

    def _context_dropout(self) -> DrawMask | None:
        """Drops pixels at a rate that is drawn for each step, from 0 to ``recipe.context_dropout``."""
        if not self.recipe.context_dropout:
            return None
        dropped = self.recipe.context_dropout * float(torch.rand((), generator=self.generator))
        return lambda shape: torch.rand(shape, generator=self.generator) >= dropped

    def _backward(self, parts: list[Any], total: int, turn: int, draw_mask: DrawMask | None) -> tuple[float, int]:
        """Gradients of the mean loss over the ``total`` pixels of all parts; returns the loss (of several networks its
        mean) and the number of pixels right."""
        how: dict[str, Any] = {"label_smoothing": self.recipe.label_smoothing, "reduction": "sum"}
        losses, right = [], []
        for part in parts:
            shares = []
            for scores, codes in self._scores(self.engine, part, turn, draw_mask):
                flat, targets = scores.flatten(0, -2), codes.repeat(scores.shape[:-2].numel())
                share = F.cross_entropy(flat, targets, self.class_weights, **how) / total
                share.backward()  # type: ignore[no-untyped-call]
                shares.append(share.detach() / len(self.model.members))
                right.append(count_right(scores, codes))
            losses.append(torch.stack(shares).sum())
        # one transfer, for which the CPU waits; float32 counts the pixels of a step exactly
        loss, correct = torch.stack([torch.stack(losses).sum(), torch.stack(right).sum().float()]).tolist()
        return loss, int(correct)

    def _scores(
        self, engine: Any, part: Any, turn: int = 0, draw_mask: DrawMask | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a part, a piece at a time; in training those of each
        network of several, ``(networks, n, classes)``.

        Call ``backward`` on a piece before the next one is requested: gradients accumulate at the features, through
        whose own graph they go once, after the last piece.
        """
        precision = partial(torch.autocast, self.device.type, dtype=torch.bfloat16, enabled=self.recipe.bfloat16)
        with precision():
            features = engine.features(part, turn, draw_mask)
        pieces = engine.pieces(part)
        detached = len(pieces) > 1 and features.requires_grad
        inputs = features.detach().requires_grad_() if detached else features
        for piece in pieces:
            with precision():
                scores, codes = engine.head(inputs, piece, turn)
            yield scores.float(), codes
        if detached:
            features.backward(inputs.grad)

    @torch.no_grad()
    def _validated(self, record: Epoch) -> Epoch:
        """The record with validation loss and accuracy, in the epochs that are validated."""
        every = 1 if self.recipe.lr_schedule == "plateau" else max(1, self.recipe.epochs // VALIDATIONS)
        if not self.validation or (record.epoch % every and record.epoch != self.recipe.epochs):
            return record
        self.model.eval()
        pairs = [
            pair
            for parts in self.validation.steps(torch.Generator().manual_seed(0))
            for part in parts
            for pair in self._scores(self.validation, part)
        ]
        scores, codes = torch.cat([s for s, _ in pairs]), torch.cat([c for _, c in pairs])
        correct = (scores.argmax(1) == codes).float().mean()
        loss, right = torch.stack([F.cross_entropy(scores, codes), correct]).tolist()
        if self.recipe.lr_schedule == "plateau":
            self.schedule.step(loss)
        return replace(record, validation_loss=loss, validation_accuracy=right)


def _is_finite(model: WindowNetwork) -> bool:
    """Whether all weights are numbers, by one transfer from the device."""
    return bool(torch.stack([torch.isfinite(weight).all() for weight in model.state_dict().values()]).all())
