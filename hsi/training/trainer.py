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

from hsi.core.devices import retain_freed_memory
from hsi.errors import TrainingError
from hsi.models import WindowNetwork, choose_engine
from hsi.settings import TrainingSettings
from hsi.training.checkpoint import Checkpoint, TrainingState, restore_checkpoint, take_checkpoint
from hsi.training.checkpoint import Epoch as Epoch
from hsi.training.engines import DenseEngine, Kept, PatchEngine, labelled_pixels
from hsi.training.recipe import PATCH_BATCH, Recipe, resolve_recipe
from hsi.training.tiles import Pixels, Tile

STEP_DECAYS = (0.41, 0.76)  # of the epochs; the learning rate is a tenth after each
LARGEST_ON_DEVICE = 4 * 2**30  # bytes of components that are kept on the device; beyond that, tiles are sent
VALIDATIONS = 20  # about how often the validation pixels are looked at


def count_right(scores: Tensor, codes: Tensor) -> Tensor:
    """How many of the pixels ``(n,)`` have their own class by scores ``([networks,] n, classes)``."""
    named = scores.argmax(1) if scores.dim() == 2 else scores.softmax(2).sum(0).argmax(1)
    return (named == codes).sum()


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with its recipe, history and the epoch whose weights it has."""

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


def _quality(record: Epoch) -> tuple[float, float] | None:
    """What tells which epoch is better; None where validation pixels were not looked at."""
    if record.validation_accuracy is None or record.validation_loss is None:
        return None
    return record.validation_accuracy, -record.validation_loss


class Trainer:
    """Prepared training: ``recipe`` says what was decided; :meth:`fit` does it.

    ``padded`` is ``(K, H + window - 1, W + window - 1)`` float32 components with half a window of zeros around them,
    ``codes`` ``(H, W)`` class positions, ``train`` and ``validation`` masks; ``tile`` is the side of the dense engine's
    tiles, by default as :func:`hsi.training.tiles.plan_tiles` has it.
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
        pixels = labelled_pixels(codes, train).to(device)
        self.class_weights = balanced_weights(pixels.codes, model.classes, settings.balance)
        batch = settings.batch or (PATCH_BATCH if engine == "patch" else None)

        def make(pixels: Pixels, batch: int | None) -> DenseEngine | PatchEngine:
            if engine == "patch":
                return PatchEngine(model, scene, pixels, settings.batch or PATCH_BATCH)
            return DenseEngine(model, scene, pixels, batch, tile)

        self.engine: Any = make(pixels, batch)
        judges = labelled_pixels(codes, validation).to(device)
        self.validation: Any = make(judges, len(judges)) if len(judges) else None
        planning = torch.Generator().manual_seed(seed)
        steps_per_epoch = sum(1 for _ in self.engine.steps(planning))
        self.recipe = replace(resolve_recipe(settings, model, engine, steps_per_epoch, batch, device), tile=tile)
        self.optimiser = self._make_optimiser()
        self.schedule = self._make_schedule()
        self.state = TrainingState(kept=copy.deepcopy(model.state_dict()))
        self._going_on: Checkpoint | None = None

    def _make_optimiser(self) -> torch.optim.Optimizer:
        kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        recipe = self.recipe
        kind = kinds[recipe.optimiser]
        optimiser: torch.optim.Optimizer = kind(self.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        return optimiser

    def _make_schedule(self) -> Any:
        recipe, kinds = self.recipe, torch.optim.lr_scheduler
        if recipe.lr_schedule == "one-cycle":
            return kinds.OneCycleLR(self.optimiser, recipe.lr, recipe.steps, cycle_momentum=False)
        if recipe.lr_schedule == "cosine":
            return kinds.CosineAnnealingLR(self.optimiser, recipe.steps)
        if recipe.lr_schedule == "step":
            return kinds.MultiStepLR(self.optimiser, [round(share * recipe.steps) for share in STEP_DECAYS])
        if recipe.lr_schedule == "plateau":
            return kinds.ReduceLROnPlateau(self.optimiser, patience=max(1, recipe.epochs // 20))
        return kinds.ConstantLR(self.optimiser, factor=1.0)

    def checkpoint(self) -> Checkpoint:
        """All that the training holds between two steps of :meth:`fit`.

        Raises :class:`TrainingError` when weights are not finite, so that a checkpoint is always good.
        """
        if not all(torch.isfinite(weight).all() for weight in self.model.state_dict().values()):
            raise TrainingError(f"weights are no numbers after step {self.state.steps_done}: {self._lower_rate()}")
        states = {"own": self.generator.get_state(), "cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return take_checkpoint(self.model, self.optimiser, self.schedule, self.state, states)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Let :meth:`fit` go on from a checkpoint of a trainer that was made alike; on a CPU it ends with the same
        weights as one that never stopped. Raises :class:`ResumeError` when the checkpoint does not fit.
        """
        self.state = restore_checkpoint(checkpoint, self.model, self.optimiser, self.schedule)
        self._going_on = checkpoint

    def fit(self, progress: Progress | None = None, after_step: AfterStep | None = None) -> TrainedNetwork:
        """Train. With validation pixels the epoch that does best on them is kept, otherwise the last.

        ``after_step`` is called with the trainer after each step: to take a :meth:`checkpoint`, or to stop by raising.
        Raises :class:`TrainingError` when the loss is not finite.
        """
        state, started = self.state, time.perf_counter() - self.state.seconds
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), retain_freed_memory():
            torch.manual_seed(self.seed)
            while len(state.history) < self.recipe.epochs:
                record = self._epoch(len(state.history) + 1, started, after_step)
                state.end_epoch(record)
                self._keep_best(record)
                if progress:
                    progress(record, self.recipe.epochs)
        if self.validation:
            self.model.load_state_dict(state.kept)
        if not all(torch.isfinite(weight).all() for weight in self.model.state_dict().values()):
            raise TrainingError(f"training ended with weights that are no numbers: {self._lower_rate()}")
        self.model.eval()
        state.seconds = time.perf_counter() - started
        kept_epoch = state.kept_epoch or self.recipe.epochs
        return TrainedNetwork(self.model, self.recipe, tuple(state.history), kept_epoch, state.seconds)

    def _keep_best(self, record: Epoch) -> None:
        """Keep the weights when validation pixels never were named better."""
        state = self.state
        quality = _quality(record)
        best = _quality(state.history[state.kept_epoch - 1]) if state.kept_epoch else (-1.0, -math.inf)
        if quality is not None and best is not None and quality > best:
            state.kept, state.kept_epoch = copy.deepcopy(self.model.state_dict()), record.epoch

    def _epoch(self, number: int, started: float = 0.0, after_step: AfterStep | None = None) -> Epoch:
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
        """The parts of each step of the next epoch, or of the one that a checkpoint is in the middle of."""
        going_on, self._going_on = self._going_on, None
        if going_on is not None and self.state.order is not None:
            self.generator.set_state(self.state.order)
            steps = list(self.engine.steps(self.generator))
            self._set_generators(going_on)
            return steps
        if going_on is not None:
            self._set_generators(going_on)
        self.state.begin_epoch(self.optimiser.param_groups[0]["lr"], self.generator.get_state())
        return list(self.engine.steps(self.generator))

    def _set_generators(self, checkpoint: Checkpoint) -> None:
        states = checkpoint.part("generator")
        self.generator.set_state(states["own"])
        torch.set_rng_state(states["cpu"])
        if "cuda" in states and self.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.device)

    def _lower_rate(self) -> str:
        return f"try a lower rate, for example --lr {self.recipe.lr / 10:.1g}"

    def _step(self, parts: list[Any]) -> tuple[float, int, int]:
        """One optimiser step over the mean loss of all parts: loss, pixels right, pixels."""
        total = sum(len(part.pixels) if isinstance(part, Tile) else len(part) for part in parts)
        turn = int(torch.randint(8, (), generator=self.generator)) if self.recipe.augment else 0
        self.optimiser.zero_grad(set_to_none=True)
        kept = self._keep() if self.recipe.context_dropout else None
        loss, right = self._backward(parts, total, turn, kept)
        if self.recipe.clip is not None:
            for network in self.model.members:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.state.steps_done += 1
        # random grouping may need a step more than planned, which the schedule would refuse
        if self.recipe.lr_schedule != "plateau" and self.state.steps_done <= self.recipe.steps:
            self.schedule.step()
        return loss, right, total

    def _backward(self, parts: list[Any], total: int, turn: int, kept: Kept | None) -> tuple[float, int]:
        """Gradients of the mean loss over the ``total`` pixels of all parts; returns it, and how many are right."""
        losses, right = [], []
        for part in parts:
            part_loss, part_right = self._add_gradients(part, total, turn, kept)
            losses.append(part_loss)
            right.append(part_right)
        return float(torch.stack(losses).sum()), int(torch.stack(right).sum())

    def _add_gradients(self, part: Any, total: float, turn: int, kept: Kept | None) -> tuple[Tensor, Tensor]:
        """Add the gradients of a part's summed loss over ``total``; that loss for a network, and how many are right."""
        losses, right = [], []
        for scores, codes in self._scores(self.engine, part, turn, kept):
            share = self._loss_sum(scores, codes) / total
            share.backward()  # type: ignore[no-untyped-call]
            losses.append(share.detach() / len(self.model.members))
            right.append(count_right(scores, codes))
        return torch.stack(losses).sum(), torch.stack(right).sum()

    def _loss_sum(self, scores: Tensor, codes: Tensor) -> Tensor:
        """Cross-entropy of scores, weighted by class, summed over pixels and networks."""
        smoothing = self.recipe.label_smoothing
        scores, codes = scores.flatten(0, -2), codes.repeat(scores.shape[:-2].numel())
        return F.cross_entropy(scores, codes, self.class_weights, label_smoothing=smoothing, reduction="sum")

    def _keep(self) -> Kept:
        """Pixels stay with a probability that each step draws anew, between all and what the recipe leaves."""
        dropped = self.recipe.context_dropout * float(torch.rand((), generator=self.generator))
        return lambda shape: torch.rand(shape, generator=self.generator) >= dropped

    def _scores(
        self, engine: Any, part: Any, turn: int = 0, kept: Kept | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a part, a piece at a time; in training those of each
        network of several, ``(networks, n, classes)``.

        Gradients of a piece are to be taken before the next one is asked for: they gather at the features, whose own
        are taken once, after the last.
        """
        precision = partial(torch.autocast, self.device.type, dtype=torch.bfloat16, enabled=self.recipe.bfloat16)
        with precision():
            features = engine.features(part, turn, kept)
        pieces = engine.pieces(part)
        apart = len(pieces) > 1 and features.requires_grad
        seen = features.detach().requires_grad_() if apart else features
        for piece in pieces:
            with precision():
                scores, codes = engine.head(seen, piece, turn)
            yield scores.float(), codes
        if apart:
            features.backward(seen.grad)

    @torch.no_grad()
    def _validated(self, record: Epoch) -> Epoch:
        """The record with validation loss and accuracy, when it is this epoch's turn."""
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
        loss, right = float(F.cross_entropy(scores, codes)), float((scores.argmax(1) == codes).float().mean())
        if self.recipe.lr_schedule == "plateau":
            self.schedule.step(loss)
        return Epoch(record.epoch, record.loss, record.accuracy, record.lr, loss, right)
