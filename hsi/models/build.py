"""Build a registered network from its name and a seed."""

from __future__ import annotations

import torch

from hsi.models.network import MODELS, WindowNetwork


def build_model(name: str, *, components: int, window: int, classes: int, seed: int = 0) -> WindowNetwork:
    """A freshly initialised network; the same seed gives the same weights and the global generator is left alone.

    Raises :class:`UnknownNameError` for a name that is not registered and :class:`UsageError` for sizes it cannot take.
    """
    entry = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return entry.build(components, window, classes)


def count_parameters(model: torch.nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
