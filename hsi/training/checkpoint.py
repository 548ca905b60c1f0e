"""A training that can be gone on with: all that it holds between two steps, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, FiniteFloat, NonNegativeFloat, NonNegativeInt, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hsi.core.files import write_atomically
from hsi.errors import ResumeError

FORMAT = 1
# what steps change of a parameter group and of a schedule; the rest follows from the settings
OF_GROUP = {"lr", "betas"}
OF_SCHEDULE = {"last_epoch", "_step_count", "_last_lr", "best", "num_bad_epochs", "cooldown_counter"}
MOMENTS = {"step", "exp_avg", "exp_avg_sq"}


class Sums(BaseModel):
    """The numbers of a :class:`TrainingState`."""

    kept_epoch: NonNegativeInt
    steps_done: NonNegativeInt
    step: NonNegativeInt
    lr: NonNegativeFloat
    loss: FiniteFloat
    right: NonNegativeFloat
    seen: NonNegativeFloat
    seconds: NonNegativeFloat


@dataclass(frozen=True)
class Epoch:
    """What an epoch showed: mean loss and accuracy on training pixels (before its steps), and on validation pixels."""

    epoch: int
    loss: float
    accuracy: float
    lr: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass
class TrainingState:
    """How far a training is, beside what its network, optimiser, schedule and generators hold.

    ``step`` steps of the epoch that follows ``history`` are done, with their sums of loss, pixels right and pixels
    seen; ``lr`` and ``order`` are the learning rate and the generator's state when it began. ``kept`` are the weights
    of ``kept_epoch``, the best so far.
    """

    history: list[Epoch] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)
    kept_epoch: int = 0
    steps_done: int = 0
    step: int = 0
    lr: float = 0.0
    loss: float = 0.0
    right: float = 0.0
    seen: float = 0.0
    seconds: float = 0.0
    order: Tensor | None = None

    def begin_epoch(self, lr: float, order: Tensor) -> None:
        """Forget the sums of the epoch before."""
        self.lr, self.order = lr, order
        self.step, self.loss, self.right, self.seen = 0, 0.0, 0.0, 0.0

    def end_epoch(self, record: Epoch) -> None:
        """Take the record of the epoch that is done; the next one has not begun."""
        self.history.append(record)
        self.order = None


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name and plain facts: what :func:`save_checkpoint` writes and :func:`load_checkpoint` reads."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``name`` and a dot, without these."""
        return {
            key.removeprefix(f"{name}."): value for key, value in self.tensors.items() if key.startswith(f"{name}.")
        }


def take_checkpoint(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    state: TrainingState,
    generators: Mapping[str, Tensor],
) -> Checkpoint:
    """All that a training holds now; ``generators`` are the states of its random generators by name."""
    held = optimiser.state_dict()
    moments = {f"{i}.{name}": value for i, entry in held["state"].items() for name, value in entry.items()}
    parts = {"model": model.state_dict(), "kept": state.kept, "optimiser": moments, "generator": dict(generators)}
    if state.order is not None:
        parts["generator"]["order"] = state.order
    tensors = {
        f"{part}.{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, values in parts.items()
        for name, value in values.items()
    }
    facts = {
        "format": FORMAT,
        "state": {name: getattr(state, name) for name in Sums.model_fields},
        "history": [asdict(epoch) for epoch in state.history],
        "groups": [{key: value for key, value in group.items() if key != "params"} for group in held["param_groups"]],
        "schedule": {key: value for key, value in schedule.state_dict().items() if _is_plain(value)},
    }
    return Checkpoint(tensors, facts)


def restore_checkpoint(
    checkpoint: Checkpoint, model: torch.nn.Module, optimiser: torch.optim.Optimizer, schedule: Any
) -> TrainingState:
    """Give a network, its optimiser and its schedule what a checkpoint holds, and return the state.

    Raises :class:`ResumeError` when they do not fit it.
    """
    facts = checkpoint.facts
    try:
        state = _checked_state(checkpoint, model)
        model.load_state_dict(checkpoint.part("model"))
        held = optimiser.state_dict()
        moments = _checked_moments(checkpoint.part("optimiser"), optimiser)
        groups = [
            group | _checked_facts(group, known, OF_GROUP)
            for group, known in zip(held["param_groups"], facts["groups"], strict=True)
        ]
        if not all(
            0 <= group["lr"] < float("inf") and all(0 <= beta < 1 for beta in group["betas"]) for group in groups
        ):
            raise ValueError("its learning rate or betas are out of range")
        fresh = schedule.state_dict()
        progressed = _checked_facts(fresh, facts["schedule"], OF_SCHEDULE)
        if not 0 <= progressed["last_epoch"] <= state.steps_done:
            raise ValueError("the schedule is not where the steps are")
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        schedule.load_state_dict(fresh | progressed)
        return state
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ResumeError(f"the checkpoint does not fit this training: {reason}") from None


def _checked_state(checkpoint: Checkpoint, model: torch.nn.Module) -> TrainingState:
    """How far the training was; raises ValueError for what no training comes to."""
    sums = Sums.model_validate(checkpoint.facts["state"])
    history = TypeAdapter(list[Epoch]).validate_python(checkpoint.facts["history"])
    kept, generators = checkpoint.part("kept"), checkpoint.part("generator")
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    if kept and {name: value.shape for name, value in kept.items()} != shapes:
        raise ValueError("the best weights so far are of another network")
    known_epochs, least_seen = len(history) if kept else 0, 1 if sums.step else 0
    if sums.kept_epoch > known_epochs or sums.step > sums.steps_done or sums.seen < least_seen:
        raise ValueError("its counts contradict each other")
    for name in ("own", "cpu", *({"order"} & generators.keys())):
        torch.Generator().set_state(generators[name])
    return TrainingState(history, kept, order=generators.get("order"), **sums.model_dump())


def _checked_moments(tensors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The moments of the parameters by their numbers; raises ValueError for others than the optimiser has."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    for number, found in moments.items():
        kinds = {(found[name].shape, found[name].dtype) for name in found if name != "step"}
        known = {(value.shape, value.dtype) for value in parameters[number : number + 1]}
        if number < 0 or found.keys() != MOMENTS or kinds != known:
            raise ValueError(f"the moments of parameter {number} are not those of this optimiser")
        if found["step"].shape != () or not found["step"].is_floating_point():
            raise ValueError(f"the steps of parameter {number} are no number")
    return moments


def _checked_facts(fresh: Mapping[str, Any], found: Mapping[str, Any], changing: set[str]) -> dict[str, Any]:
    """What was found, as the types that a fresh one has; raises ValueError where more than ``changing`` differs."""
    checked = {}
    for name, value in found.items():
        known = fresh[name]
        checked[name] = tuple(value) if isinstance(known, tuple) else value
        if checked[name] != known and not (name in changing and _alike(checked[name], known)):
            raise ValueError(f"'{name}' is {str(value)[:40]}, and {str(known)[:40]} in this training")
    return checked


def _alike(value: Any, known: Any) -> bool:
    """Whether both are numbers, or equally long lists of numbers."""
    if isinstance(known, (list, tuple)):
        same = type(value) is type(known) and len(value) == len(known)
        return same and all(_alike(*pair) for pair in zip(value, known, strict=True))
    return type(value) in (int, float) and (type(value) is int or type(known) is float)


def _is_plain(value: object) -> bool:
    """Whether JSON gives a value of a schedule back as it was."""
    return isinstance(value, (int, float, str)) or (
        isinstance(value, list) and all(isinstance(entry, (int, float)) for entry in value)
    )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of the one before, whole or not at all. Raises :class:`OutputError`."""
    with write_atomically(path, durable=True) as part:
        try:
            save_file(dict(checkpoint.tensors), part, metadata={"hsi": json.dumps(dict(checkpoint.facts))})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint back, on the CPU. Raises :class:`ResumeError` when it cannot be read or has another format."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["hsi"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        found = int(facts["format"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ResumeError(f"{path}: the checkpoint cannot be read: {' '.join(str(error).split())}") from None
    if found != FORMAT:
        raise ResumeError(f"{path}: the checkpoint is of format {found}, this hsi goes on with format {FORMAT}")
    return Checkpoint(tensors, facts)
