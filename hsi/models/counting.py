"""How much arithmetic a network takes for a pixel, counted while the network itself runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hsi.models.network import WindowNetwork


@dataclass(frozen=True)
class Work:
    """Multiply-adds a pixel: ``patch`` where every pixel's window goes through the whole network, ``dense`` where the
    trunk is shared by the windows of a large tile; the same for a network without a trunk to share."""

    patch: int
    dense: int


def count_work(model: WindowNetwork) -> Work:
    """Count the multiply-adds of convolutions, dense layers and matrix products; norms and activations are left out.

    What a tile of h x w pixels costs is ``a h w + b h + c w + d``, of which the dense mode's ``a`` is the part that
    stays as tiles grow; it is what remains of four tiles of neighbouring sizes.
    """
    model = copy.deepcopy(model).to("meta").eval()  # without values: nothing is computed
    patch = _of_pixels(model, model, 1, 1)
    if not model.shares_trunk:
        return Work(patch, patch)

    def dense(x: Tensor) -> Tensor:
        return model.head_map(model.trunk(x))

    both, tall, wide, single = (_of_pixels(model, dense, *sides) for sides in ((2, 2), (2, 1), (1, 2), (1, 1)))
    return Work(patch, both - tall - wide + single)


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
