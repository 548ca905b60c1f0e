"""A training that can be gone on with: all that it holds between two steps, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hsi.errors import ResumeError
from hsi.paths import write_atomically

FORMAT = 1
SUMS = ("kept_epoch", "steps_done", "step", "lr", "loss", "right", "seen", "seconds")


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
        "state": {name: getattr(state, name) for name in SUMS},
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
        model.load_state_dict(checkpoint.part("model"))
        held = optimiser.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in checkpoint.part("optimiser").items():
            index, _, name = key.partition(".")
            moments.setdefault(int(index), {})[name] = value
        groups = [
            group | {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
            for group, known in zip(held["param_groups"], facts["groups"], strict=True)
        ]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        schedule.load_state_dict(schedule.state_dict() | dict(facts["schedule"]))
        history = [Epoch(**epoch) for epoch in facts["history"]]
        sums = {name: facts["state"][name] for name in SUMS}
        order = checkpoint.part("generator").get("order")
        return TrainingState(history, checkpoint.part("kept"), order=order, **sums)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ResumeError(f"the checkpoint does not fit this training: {' '.join(str(error).split())}") from None


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
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResumeError(f"{path}: the checkpoint cannot be read: {' '.join(str(error).split())}") from None
    if found != FORMAT:
        raise ResumeError(f"{path}: the checkpoint is of format {found}, this hsi goes on with format {FORMAT}")
    return Checkpoint(tensors, facts)
