"""Runs in TensorBoard: event files below the folder ``tensorboard`` of the current one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from hsi.tracking.tracker import Tracker

FOLDER = Path("tensorboard")
REMEDY = "work where a folder can be written"


def make_tracker(name: str) -> TensorBoardRun:
    """A run in a folder of its name and the time."""
    return TensorBoardRun(FOLDER / f"{name}-{datetime.now():%Y%m%d-%H%M%S-%f}")


class TensorBoardRun(Tracker):
    """Scalars by epoch, then hyperparameters with the accuracy; of what was made, its path."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self.writer: Any = SummaryWriter(folder)

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def finish(self, settings: Mapping[str, Any], results: Mapping[str, float], made: Path | None) -> None:
        """Write hyperparameters and close the file."""
        if made:
            self.writer.add_text("written", str(made.absolute()))
        plain = (bool, int, float)
        values = {name: value if isinstance(value, plain) else str(value) for name, value in settings.items()}
        self.writer.add_hparams(values, dict(results), run_name=".")
        self.writer.close()

    def fail(self, settings: Mapping[str, Any]) -> None:
        """Write hyperparameters without an accuracy."""
        self.finish(settings, {}, None)
