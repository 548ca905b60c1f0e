"""Checkpoints of a training: what they belong to, when they are written, and resuming from one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.events import info, warning
from hsi.core.installation import machine, versions
from hsi.core.interrupts import Stop
from hsi.errors import OutputError, ResumeError, TrainingError
from hsi.workflows.run_folder import WorkDirectory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.settings import Settings
    from hsi.splits import Split
    from hsi.training.trainer import Trainer

CHECKPOINT_SECONDS = 30.0
COMPONENTS, SAMPLED, TOLERANCE = "components", 1000, 1e-3


@dataclass(frozen=True)
class CheckpointPolicy:
    """Where a training stores its checkpoints, and how many seconds lie between them."""

    work: WorkDirectory
    seconds: float = CHECKPOINT_SECONDS


class CheckpointCallback:
    """Writes checkpoints of the training that ``identity`` describes.

    Called after each step: writes when the seconds are over, or when an interrupt waits, which is then raised.
    """

    def __init__(self, policy: CheckpointPolicy, identity: Mapping[str, Any]) -> None:
        self.policy, self.identity = policy, json.loads(json.dumps(dict(identity)))
        self.made_with = {"versions": versions(), "machine": machine()}
        self.stop = Stop()
        self.written = time.monotonic()
        self.seconds_before = 0.0
        self.resumed_from: int | None = None
        self._last_step: int | None = None
        self._failed = False

    def resume(self, trainer: Trainer) -> None:
        """Resume from the checkpoint of an interrupted run, if that is asked for and there is one.

        Raises :class:`ResumeError` for one of other settings or data, unless it may be overwritten.
        """
        from hsi.training.checkpoint import load_checkpoint

        work = self.policy.work
        if not (work.resume and work.checkpoint.is_file()):
            if work.resume:
                info("resumed", "nothing: there is no checkpoint, so training starts from the beginning")
            return
        try:
            checkpoint = load_checkpoint(work.checkpoint)
            known = checkpoint.facts.get("identity")
            different = dict.fromkeys(name.partition(".sha256")[0] for name in differing(known, self.identity))
            rounded = isinstance(known, dict) and _agree(known.get(COMPONENTS), self.identity[COMPONENTS])
            if different.keys() - ({COMPONENTS, f"{COMPONENTS}.sample"} if rounded else ()):
                raise ResumeError(f"it was made with other {listed([*different])}")
            trainer.resume(checkpoint)
        except ResumeError as error:
            work.restart(error)
            return
        if different:
            warning(
                "the components differ from those of the checkpoint by rounding, as on another machine or with another "
                "number of threads: the run goes on, and its bytes may differ from those of an uninterrupted one"
            )
        changed = differing(checkpoint.facts.get("made_with"), self.made_with)
        if changed:
            warning(f"the run was started with other {listed(changed)}: an uninterrupted run may differ")
        state = trainer.state
        self._last_step = self.resumed_from = state.steps_done
        self.seconds_before = state.seconds
        info("resumed", f"after step {state.steps_done} of {trainer.recipe.steps}, epoch {len(state.history) + 1}")

    def __call__(self, trainer: Trainer) -> None:
        """After each step of a training."""
        if self.stop.asked is None and time.monotonic() - self.written < self.policy.seconds:
            return
        self.write(trainer)
        if self.stop.asked is not None:
            raise self.stop.asked

    def write(self, trainer: Trainer) -> None:
        """Write a checkpoint. Where it cannot be written there is one warning; only a removed folder ends the training.

        Raises :class:`TrainingError` for weights that are not finite and :class:`OutputError` for a removed folder.
        """
        from hsi.training.checkpoint import Checkpoint, save_checkpoint

        work = self.policy.work
        if not work.files.is_dir():
            raise OutputError(f"{work.out}: its folder was removed")
        taken = trainer.checkpoint()
        facts = {**taken.facts, "identity": self.identity, "made_with": self.made_with}
        try:
            save_checkpoint(work.checkpoint, Checkpoint(taken.tensors, facts))
            self._last_step = trainer.state.steps_done
        except OutputError as error:
            if not self._failed:
                warning(f"training continues, but its checkpoint cannot be written: {error}")
            self._failed = True
        self.written = time.monotonic()

    def note_last(self, error: TrainingError) -> None:
        """Add to an error of training which good checkpoint there is."""
        if self._last_step is not None:
            error.add_note(
                f"the last good checkpoint, of step {self._last_step}, is in {self.policy.work.checkpoint}; "
                "other settings need --overwrite"
            )


def identity_of(
    settings: Settings,
    split: Split,
    components: NDArray[Any],
    arrays: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, str],
) -> dict[str, Any]:
    """All that decides how a training ends but its recipe, as plain values: settings, split and hashes of its inputs.

    Files are identified by their SHA-256 alone, so that they may have moved.
    """
    return {
        "settings": settings.model_dump(mode="json"),
        "split": split.hash,
        "files": sorted(set(inputs.values())),
        **{name: hash_array(values) for name, values in arrays.items()},
        COMPONENTS: {"sha256": hash_array(components), "sample": _sample(components)},
    }


def _sample(values: NDArray[Any]) -> list[float]:
    """Some numbers of an array, evenly spaced, by which it is known where sums were rounded differently."""
    flat = values.reshape(-1)
    return [float(value) for value in np.nan_to_num(flat[:: max(1, flat.size // SAMPLED)])]


def _agree(known: Any, wanted: Any) -> bool:
    """Whether the samples of two arrays are the same but for rounding."""
    try:
        one, other = (np.asarray(values["sample"], np.float64) for values in (known, wanted))
    except (KeyError, TypeError, ValueError, OverflowError):  # a changed checkpoint
        return False
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * np.ptp(other)))


def tile_of(policy: CheckpointPolicy | None) -> int | None:
    """The side of the tiles of the training to resume; None for the usual ones or where there is none."""
    from hsi.training.checkpoint import load_checkpoint

    if policy is None or not (policy.work.resume and policy.work.checkpoint.is_file()):
        return None
    try:
        tile = load_checkpoint(policy.work.checkpoint).facts["identity"]["recipe"]["tile"]
    except (ResumeError, KeyError, TypeError):  # reported when it is resumed
        return None
    return tile if isinstance(tile, int) else None


def hash_array(values: NDArray[Any]) -> str:
    """SHA-256 of an array's shape, type and numbers."""
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}".encode())
    for part in values:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def differing(known: Any, wanted: Any, name: str = "") -> list[str]:
    """The dotted names of what two nested mappings do not have in common."""
    if isinstance(known, Mapping) and isinstance(wanted, Mapping):
        return [
            found
            for key in {**wanted, **known}
            for found in differing(known.get(key), wanted.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [] if known == wanted else [name or "contents"]


def listed(names: list[str]) -> str:
    """The first few names, as in a sentence."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
