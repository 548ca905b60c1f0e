"""Checkpoints: the complete state of a training between two steps, in one safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from hsi.core.files import write_atomically
from hsi.errors import ResumeError

FORMAT = 1
# entries of a parameter group and of a schedule that steps change; the others follow from the settings
CHANGING_IN_GROUP = {"lr", "betas"}
CHANGING_IN_SCHEDULE = {"last_epoch", "_step_count", "_last_lr", "best", "num_bad_epochs", "cooldown_counter"}
MOMENTS = {"step", "exp_avg", "exp_avg_sq"}


class Sums(BaseModel):
    """The numbers of a :class:`TrainingState`."""

    best_epoch: NonNegativeInt = Field(alias="kept_epoch")
    steps_done: NonNegativeInt
    step: NonNegativeInt
    lr: NonNegativeFloat
    loss: FiniteFloat
    right: NonNegativeFloat
    seen: NonNegativeFloat
    seconds: NonNegativeFloat


@dataclass(frozen=True)
class Epoch:
    """Mean loss and accuracy of an epoch on training pixels (before each step), and on validation pixels."""

    epoch: int
    loss: float
    accuracy: float
    lr: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass
class TrainingState:
    """The progress of a training, in addition to the states of its network, optimiser, schedule and generators.

    ``step`` steps of the epoch that follows ``history`` are done, with their sums of loss, pixels right and pixels
    seen; ``lr`` and ``order`` are the learning rate and the generator's state when it began (None before). ``best`` are
    the weights of ``best_epoch``, the best so far.
    """

    history: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    steps_done: int = 0
    step: int = 0
    lr: float = 0.0
    loss: float = 0.0
    right: float = 0.0
    seen: float = 0.0
    seconds: float = 0.0
    order: Tensor | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name and plain facts, see :func:`save_checkpoint` and :func:`load_checkpoint`."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``name`` and a dot, by the rest of the name."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def take_checkpoint(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    state: TrainingState,
    generators: Mapping[str, Tensor],
) -> Checkpoint:
    """The current state of a training; ``generators`` are the states of its random generators by name."""
    optimised = optimiser.state_dict()
    moments = {f"{i}.{name}": value for i, entry in optimised["state"].items() for name, value in entry.items()}
    parts = {"model": model.state_dict(), "kept": state.best, "optimiser": moments, "generator": dict(generators)}
    if state.order is not None:
        parts["generator"]["order"] = state.order
    tensors = {
        f"{part}.{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, values in parts.items()
        for name, value in values.items()
    }
    facts = {
        "format": FORMAT,
        "state": {entry.alias or name: getattr(state, name) for name, entry in Sums.model_fields.items()},
        "history": [asdict(epoch) for epoch in state.history],
        "groups": [
            {key: value for key, value in group.items() if key != "params"} for group in optimised["param_groups"]
        ],
        "schedule": {key: value for key, value in schedule.state_dict().items() if _is_plain(value)},
    }
    return Checkpoint(tensors, facts)


def restore_checkpoint(
    checkpoint: Checkpoint, model: torch.nn.Module, optimiser: torch.optim.Optimizer, schedule: Any
) -> TrainingState:
    """Load a checkpoint into a network, its optimiser and its schedule, and return the state.

    Raises :class:`ResumeError` when it does not fit them.
    """
    facts = checkpoint.facts
    try:
        state = _checked_state(checkpoint, model)
        model.load_state_dict(checkpoint.part("model"))
        moments = _checked_moments(checkpoint.part("optimiser"), optimiser)
        groups = [
            group | _checked_facts(group, saved, CHANGING_IN_GROUP)
            for group, saved in zip(optimiser.state_dict()["param_groups"], facts["groups"], strict=True)
        ]
        if not all(0 <= group["lr"] < math.inf and all(0 <= beta < 1 for beta in group["betas"]) for group in groups):
            raise ValueError("its learning rate or betas are out of range")
        initial = schedule.state_dict()
        progressed = _checked_facts(initial, facts["schedule"], CHANGING_IN_SCHEDULE)
        if not 0 <= progressed["last_epoch"] <= state.steps_done:
            raise ValueError("the schedule does not match the steps")
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        schedule.load_state_dict(initial | progressed)
        return state
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ResumeError(f"the checkpoint does not fit this training: {reason}") from None


def _checked_state(checkpoint: Checkpoint, model: torch.nn.Module) -> TrainingState:
    """The progress of the training; raises ValueError for an impossible state."""
    sums = Sums.model_validate(checkpoint.facts["state"])
    history = TypeAdapter(list[Epoch]).validate_python(checkpoint.facts["history"])
    best, generators = checkpoint.part("kept"), checkpoint.part("generator")
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    if best and {name: value.shape for name, value in best.items()} != shapes:
        raise ValueError("the best weights so far are of another network")
    epochs, least_seen = len(history) if best else 0, 1 if sums.step else 0
    if sums.best_epoch > epochs or sums.step > sums.steps_done or sums.seen < least_seen:
        raise ValueError("its counts contradict each other")
    for name in ("own", "cpu", *({"order"} & generators.keys())):
        torch.Generator().set_state(generators[name])
    return TrainingState(history, best, order=generators.get("order"), **sums.model_dump())


def _checked_moments(tensors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The moments of the parameters by their index; raises ValueError where they do not fit the optimiser."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    for number, saved in moments.items():
        kinds = {(saved[name].shape, saved[name].dtype) for name in saved if name != "step"}
        expected = {(value.shape, value.dtype) for value in parameters[number : number + 1]}
        if number < 0 or saved.keys() != MOMENTS or kinds != expected:
            raise ValueError(f"the moments of parameter {number} are not those of this optimiser")
        if saved["step"].shape != () or not saved["step"].is_floating_point():
            raise ValueError(f"the steps of parameter {number} are no number")
    return moments


def _checked_facts(current: Mapping[str, Any], saved: Mapping[str, Any], changing: set[str]) -> dict[str, Any]:
    """The saved facts in the types of the current ones; raises ValueError where others than ``changing`` differ."""
    checked = {}
    for name, value in saved.items():
        known = current[name]
        checked[name] = tuple(value) if isinstance(known, tuple) else value
        if checked[name] != known and not (name in changing and _same_kind(checked[name], known)):
            raise ValueError(f"'{name}' is {str(value)[:40]}, and {str(known)[:40]} in this training")
    return checked


def _same_kind(value: Any, known: Any) -> bool:
    """Whether both are numbers, or equally long lists of numbers."""
    if isinstance(known, (list, tuple)):
        same = type(value) is type(known) and len(value) == len(known)
        return same and all(_same_kind(*pair) for pair in zip(value, known, strict=True))
    return type(value) in (int, float) and (type(value) is int or type(known) is float)


def _is_plain(value: object) -> bool:
    """Whether a value of a schedule is unchanged by JSON."""
    return isinstance(value, (int, float, str)) or (
        isinstance(value, list) and all(isinstance(entry, (int, float)) for entry in value)
    )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file at ``path`` by a checkpoint, atomically. Raises :class:`OutputError`."""
    content = to_safetensors(dict(checkpoint.tensors), metadata={"hsi": json.dumps(dict(checkpoint.facts))})
    with write_atomically(path, durable=True) as part:
        part.write_bytes(content)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, on the CPU. Raises :class:`ResumeError` when it cannot be read or has another format."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["hsi"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        version = int(facts["format"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ResumeError(f"{path}: the checkpoint cannot be read: {' '.join(str(error).split())}") from None
    if version != FORMAT:
        raise ResumeError(f"{path}: the checkpoint has format {version}, this hsi reads format {FORMAT}")
    return Checkpoint(tensors, facts)
