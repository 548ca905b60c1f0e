"""Networks by name, and the number of their parameters and multiply-adds."""

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
    return MultiWindowEnsemble(networks) if len(networks) > 1 else networks[0]


def check_multipliers(name: str, width: float | None, resolution: float | None) -> dict[str, float]:
    """Those that are given; raises :class:`UsageError` for a network that has no use for them."""
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
    """Multiply-adds a pixel: ``patch`` where every pixel's window goes through the whole network, ``dense`` where the
    trunk is shared by the windows of a large tile; the same for a network without a trunk to share."""

    patch: int
    dense: int


def count_flops(model: WindowNetwork) -> Flops:
    """Count the multiply-adds of convolutions, dense layers and matrix products; norms and activations are left out.

    What a tile of h x w pixels costs is ``a h w + b h + c w + d``, of which the dense mode's ``a`` is the part that
    stays as tiles grow; it is what remains of four tiles of neighbouring sizes.
    """
    model = copy.deepcopy(model).to("meta").eval()  # without values: nothing is computed
    patch = _of_pixels(model, model, 1, 1)
    if not model.shares_trunk:
        return Flops(patch, patch)

    def dense(x: Tensor) -> Tensor:
        return model.head_map(model.trunk(x))

    both, tall, wide, single = (_of_pixels(model, dense, *sides) for sides in ((2, 2), (2, 1), (1, 2), (1, 1)))
    return Flops(patch, both - tall - wide + single)


def multiply_adds(work: Callable[[], Any]) -> int:
    """The multiply-adds of the convolutions and matrix products that a piece of work does, as PyTorch counts them.

    Transforms are not counted, so count the plain form of what is done through one.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return int(counter.get_total_flops()) // 2


def _of_pixels(model: WindowNetwork, scores: Callable[[Tensor], Tensor], height: int, width: int) -> int:
    """Those of the scores of ``height x width`` pixels with half a window around them."""
    reach = model.window - 1
    tile = torch.empty(1, model.components, height + reach, width + reach, device="meta")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it hides a transformer's layers from the counter
    try:
        with torch.no_grad():
            return multiply_adds(lambda: scores(tile))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
