"""The settings of a training run with all defaults resolved."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from hsi.core.devices import bfloat16_suits
from hsi.models import WindowNetwork
from hsi.settings import TrainingSettings

DENSE_STEPS, DENSE_EPOCHS, PATCH_EPOCHS, PATCH_BATCH = 300, 20, 100, 256
# The dense engine's steps are several batches' worth, so its rates are higher, as by the linear scaling rule (Goyal et
# al. 2017, arXiv:1706.02677), and more so without batch norm; the patch engine's rates are those published for it.
DENSE_RATE, DENSE_RATE_UNNORMED, PATCH_RATE, PATCH_RATES = 1.5e-3, 2e-3, 1e-3, {"step": 1e-4}


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run with all defaults resolved.

    ``tile`` is the side of the dense engine's tiles where memory was too small for the default.
    """

    engine: str
    epochs: int
    steps: int
    batch: int | None
    optimiser: str
    lr: float
    lr_schedule: str
    weight_decay: float
    label_smoothing: float
    balance: float
    clip: float | None
    augment: bool
    context_dropout: float
    bfloat16: bool
    restore_best: bool = False
    tile: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the record of a run."""
        return asdict(self)


def resolve_recipe(
    settings: TrainingSettings,
    model: WindowNetwork,
    engine: str,
    steps_per_epoch: int,
    batch: int | None,
    device: torch.device,
) -> Recipe:
    """Resolve the defaults of the training settings for a network and an engine."""
    if engine == "dense":
        normed = any(isinstance(module, _BatchNorm) for module in model.modules())
        rate = DENSE_RATE if normed else DENSE_RATE_UNNORMED
    else:
        rate = PATCH_RATES.get(settings.lr_schedule, PATCH_RATE)
    enough = max(DENSE_EPOCHS, math.ceil(DENSE_STEPS / steps_per_epoch))
    textbook = engine == "patch" and model.shares_trunk  # HybridSN's epochs, where the dense engine is available
    usual = PATCH_EPOCHS if textbook else enough
    epochs = settings.epochs or (math.ceil(settings.steps / steps_per_epoch) if settings.steps else usual)
    given = {"optimiser", "lr_schedule", "weight_decay", "label_smoothing", "balance", "clip", "augment"}
    return Recipe(
        **settings.model_dump(include=given),
        engine=engine,
        epochs=epochs,
        steps=epochs * steps_per_epoch,
        batch=batch,
        lr=settings.lr or rate,
        context_dropout=settings.context_dropout or 0.0,
        restore_best=settings.restore_best,
        bfloat16=settings.amp == "auto" and bfloat16_suits(device, model, engine),
    )
