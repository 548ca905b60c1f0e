"""Commands that ``torchrun`` starts in several processes: all train, the first one writes and speaks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsi.settings import Settings

TRAINING = ("classify", "train")  # the commands that several processes can share


def launched() -> bool:
    """Whether ``torchrun`` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_helper() -> bool:
    """Whether this process only helps another one to train."""
    return launched() and os.environ.get("RANK", "0") != "0"


def check_command(name: str) -> None:
    """Raise :class:`UsageError` for a command that several processes would do several times."""
    from hsi.errors import UsageError

    if launched() and name not in TRAINING:
        instead = "; --workers spreads a map over processes" if name == "predict" else ""
        raise UsageError(f"torchrun is for {' and '.join(TRAINING)}: run hsi {name} without it{instead}")


@contextmanager
def training_group(settings: Settings, resume: bool) -> Iterator[Settings]:
    """Join the processes that train together, if ``torchrun`` started this one: yields the settings with its device.

    Over NCCL on GPUs, of which each process has its own, else over Gloo. Raises :class:`UsageError` for what several
    processes cannot do.
    """
    if not launched():
        yield settings
        return
    from hsi.errors import UsageError
    from hsi.workflows.resolve import is_comparator

    if is_comparator(settings):
        raise UsageError(f"{settings.model.name} is trained by one process: leave torchrun out")
    if resume:
        raise UsageError("a training of several processes cannot be gone on with: leave --resume or torchrun out")
    import torch

    gpus = settings.device in ("auto", "cuda") and torch.cuda.is_available()
    if gpus:
        settings = settings.model_copy(update={"device": f"cuda:{os.environ['LOCAL_RANK']}"})
        torch.cuda.set_device(settings.device)
    torch.distributed.init_process_group("nccl" if gpus else "gloo")
    try:
        yield settings
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def own_place(out: Path) -> Iterator[Path]:
    """Where this process writes: to ``out``, or as a helper to what is gone at the end."""
    if not is_helper():
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / out.name
