"""Networks by name, and their numbers of parameters and multiply-adds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hsi.errors import UsageError
from hsi.models.ensemble import MultiWindowEnsemble
from hsi.models.layers import initialise_glorot
from hsi.models.network import MODELS, WindowNetwork


def build_model(
    name: str,
    *,
    components: int,
    window: int,
    classes: int,
    seed: int = 0,
    width: float | None = None,
    resolution: float | None = None,
    initialisation: str = "own",
) -> WindowNetwork:
    """A newly initialised network; the same seed gives the same weights, and the global generator is not changed.

    ``width`` and ``resolution`` multiply the channels and the window's side of a backbone. The ``initialisation`` is
    the network's own, or ``glorot``.
    Raises :class:`UnknownNameError` for a name that is not registered and :class:`UsageError` for unsuitable sizes.
    """
    entry = MODELS[name]
    multipliers = check_multipliers(name, width, resolution)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = entry.build(components, window, classes, **multipliers)
        if initialisation == "glorot":
            initialise_glorot(network)
        return network


def build_networks(
    name: str, *, windows: Sequence[int], components: int, classes: int, seed: int = 0, **others: Any
) -> WindowNetwork:
    """The network of :func:`build_model` for one window, an ensemble of networks for several.

    Raises what :func:`build_model` does, and :class:`UsageError` for networks that cannot form an ensemble.
    """
    seeds = [seed, *np.random.SeedSequence(seed).generate_state(len(windows) - 1).tolist()]
    networks = [
        build_model(name, components=components, window=window, classes=classes, seed=own, **others)
        for window, own in zip(windows, seeds, strict=True)
    ]
    return MultiWindowEnsemble(networks) if len(networks) > 1 else networks[0]


def check_multipliers(name: str, width: float | None, resolution: float | None) -> dict[str, float]:
    """The multipliers that are given; raises :class:`UsageError` for a network without them."""
    given = {key: value for key, value in (("width", width), ("resolution", resolution)) if value is not None}
    if given and not MODELS[name].multipliers:
        able = ", ".join(other for other, entry in MODELS.items() if entry.multipliers)
        raise UsageError(f"model.{next(iter(given))} means nothing to {name}: leave it out, or choose one of {able}")
    return given


def count_parameters(model: torch.nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@dataclass(frozen=True)
class Flops:
    """Multiply-adds per pixel: ``patch`` where every pixel's window goes through the complete network, ``dense`` where
    the windows of a large tile share the trunk; equal for a network without a shared trunk."""

    patch: int
    dense: int


def count_flops(model: WindowNetwork) -> Flops:
    """Count the multiply-adds of convolutions, dense layers and matrix products, without norms and activations.

    A tile of h x w pixels costs ``a h w + b h + c w + d``; ``a``, the cost per pixel of a large tile, follows from four
    tiles of neighbouring sizes.
    """
    model = copy.deepcopy(model).to("meta").eval()  # tensors without values: nothing is computed
    patch = _of_pixels(model, model, 1, 1)
    if not model.shares_trunk:
        return Flops(patch, patch)

    def dense(x: Tensor) -> Tensor:
        return model.head_map(model.trunk(x))

    both, tall, wide, single = (_of_pixels(model, dense, *sides) for sides in ((2, 2), (2, 1), (1, 2), (1, 1)))
    return Flops(patch, both - tall - wide + single)


def multiply_adds(work: Callable[[], Any]) -> int:
    """The multiply-adds of the convolutions and matrix products of a function call, as PyTorch counts them.

    Fourier transforms are not counted.
    """
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2


def _of_pixels(model: WindowNetwork, scores: Callable[[Tensor], Tensor], height: int, width: int) -> int:
    """Multiply-adds of the scores of ``height x width`` pixels with half a window around them."""
    reach = model.window - 1
    tile = torch.empty(1, model.components, height + reach, width + reach, device="meta")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its layers are not counted
    try:
        with torch.no_grad():
            return multiply_adds(lambda: scores(tile))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
