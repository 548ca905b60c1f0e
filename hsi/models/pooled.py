"""Networks of one kind on windows of different sides, which see the same pixel with more and with less around it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.errors import UsageError
from hsi.models.network import WindowNetwork
from hsi.models.windows import crop


class Pooled(WindowNetwork):
    """The mean of the class probabilities of networks whose windows differ.

    A linear opinion pool (Stone 1961, doi:10.1214/aoms/1177704873). The networks share nothing but the pixel in the
    middle: each is trained as if it were alone. Shapes are those of :class:`WindowNetwork` for the largest window; the
    trunk gives all networks' features one after the other. While it trains, the head gives the scores of each network,
    ``(networks, N, classes)``.
    """

    def __init__(self, networks: Sequence[WindowNetwork]) -> None:
        largest = max(networks, key=lambda network: network.window)
        if len({network.margin for network in networks}) > 1 or len({network.window for network in networks}) == 1:
            raise UsageError("networks on these windows do not differ in what they see: leave --second-window out")
        super().__init__(largest.components, largest.window, largest.classes)
        self.margin, self.patch_bytes = largest.margin, sum(network.patch_bytes for network in networks)
        self.networks = nn.ModuleList(networks)

    @property
    def members(self) -> tuple[WindowNetwork, ...]:
        """The networks."""
        return tuple(self.networks)  # type: ignore[arg-type]

    @property
    def kept_bytes(self) -> int:
        """What the networks keep."""
        return sum(network.kept_bytes for network in self.members)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C, h - margin, w - margin)``, zeros where a network's window does not reach."""
        features = []
        for network in self.members:
            rim = self._rim(network)
            features.append(F.pad(network.trunk(crop(tiles, rim)), (rim, rim, rim, rim)))
        return torch.cat(features, dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, classes)``: logarithms of mean probabilities."""
        scores = torch.stack([network.head(seen) for network, seen in self._shares(features)])
        return scores if self.training else _log_mean(scores)

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        return _log_mean(torch.stack([network.head_map(seen) for network, seen in self._shares(features)]))

    def _shares(self, features: Tensor) -> Iterator[tuple[WindowNetwork, Tensor]]:
        """Each network with its own features."""
        for network, seen in zip(self.members, features.chunk(len(self.members), dim=1), strict=True):
            yield network, crop(seen, self._rim(network))

    def _rim(self, network: WindowNetwork) -> int:
        return (self.window - network.window) // 2


def _log_mean(scores: Tensor) -> Tensor:
    """Logarithms of mean probabilities: ``(networks, N, classes, ...) -> (N, classes, ...)``."""
    return F.log_softmax(scores, 2).logsumexp(0) - math.log(len(scores))
