"""Build a registered network from its name and a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hsi.errors import UsageError
from hsi.models.network import MODELS, WindowNetwork
from hsi.models.pooled import Pooled


def build_model(
    name: str,
    *,
    components: int,
    window: int,
    classes: int,
    seed: int = 0,
    width: float | None = None,
    resolution: float | None = None,
) -> WindowNetwork:
    """A freshly initialised network; the same seed gives the same weights and the global generator is left alone.

    ``width`` and ``resolution`` multiply the channels and the window's side of a network that is a table of blocks.
    Raises :class:`UnknownNameError` for a name that is not registered and :class:`UsageError` for sizes it cannot take.
    """
    entry = MODELS[name]
    multipliers = check_multipliers(name, width, resolution)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return entry.build(components, window, classes, **multipliers)


def build_networks(
    name: str, *, windows: Sequence[int], components: int, classes: int, seed: int = 0, **sizes: float | None
) -> WindowNetwork:
    """The network for one window, as :func:`build_model` has it, or networks for several, pooled.

    Raises what :func:`build_model` does, and :class:`UsageError` for networks that cannot be pooled.
    """
    seeds = [seed, *np.random.SeedSequence(seed).generate_state(len(windows) - 1).tolist()]
    networks = [
        build_model(name, components=components, window=window, classes=classes, seed=own, **sizes)
        for window, own in zip(windows, seeds, strict=True)
    ]
    return Pooled(networks) if len(networks) > 1 else networks[0]


def check_multipliers(name: str, width: float | None, resolution: float | None) -> dict[str, float]:
    """Those that are given; raises :class:`UsageError` for a network that has no use for them."""
    given = {key: value for key, value in (("width", width), ("resolution", resolution)) if value is not None}
    if given and not MODELS[name].multipliers:
        able = ", ".join(other for other, entry in MODELS.items() if entry.multipliers)
        raise UsageError(f"--{next(iter(given))} means nothing to {name}: leave it out, or choose one of {able}")
    return given


def count_parameters(model: torch.nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
