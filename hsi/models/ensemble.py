"""Ensembles: a network and a linear classifier of the spectrum, or networks of different windows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hsi.errors import UsageError
from hsi.models.network import WindowNetwork
from hsi.models.windows import crop

# Weight of the linear classifier. That of the discriminant was chosen on generated scenes of small fields, that of
# logistic regression on blocks of Indian Pines cut from the training sides of block splits.
SHARES = {"discriminant": 0.5, "logistic": 0.9}


class SpectralEnsemble(WindowNetwork):
    """The weighted geometric mean of class probabilities: a network's and a linear classifier's of the middle pixel.

    That is a logarithmic opinion pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825). Where fields have few pixels,
    or test areas differ from training areas, what a network learnt about surroundings misleads it; a linear classifier
    of the single pixel makes other errors. ``share`` is its weight, from 0 to 1. Shapes are those of
    :class:`WindowNetwork`; the trunk gives the network's features, followed by the components.
    """

    share: Tensor

    def __init__(self, network: WindowNetwork, share: float = 0.5) -> None:
        super().__init__(network.components, network.window, network.classes)
        self.margin, self.patch_bytes = network.margin, network.patch_bytes
        self.network = network
        self.linear = nn.Linear(network.components, network.classes)
        self.register_buffer("share", torch.tensor(share))

    @property
    def cache_bytes(self) -> int:
        """Bytes that the network caches."""
        return self.network.cache_bytes

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C + K, h - margin, w - margin)``."""
        return torch.cat([self.network.trunk(tiles), crop(tiles, self.margin // 2)], dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C + K, p, p) -> (N, classes)``: logarithms of the mean probabilities, up to a constant."""
        middle = self.head_window // 2
        spectra = features[:, -self.components :, middle, middle]
        return self._join(self.network.head(features[:, : -self.components]), self.linear(spectra))

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C + K, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        spectra = crop(features[:, -self.components :], self.head_window // 2)
        spectral = self.linear(spectra.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self._join(self.network.head_map(features[:, : -self.components]), spectral)

    def _join(self, spatial: Tensor, spectral: Tensor) -> Tensor:
        joined: Tensor = (1 - self.share) * F.log_softmax(spatial, 1) + self.share * F.log_softmax(spectral, 1)
        return joined


def join_linear(
    network: WindowNetwork, kind: str, pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> SpectralEnsemble:
    """An ensemble of a network and a linear classifier, fitted on ``pixels`` ``(n, K)`` with ``codes`` ``(n,)``.

    ``kind`` is "discriminant", the linear one (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x), or "logistic",
    regression with scikit-learn's penalty (Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x). A class without a
    training pixel gets a very low score.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    estimator = LinearDiscriminantAnalysis() if kind == "discriminant" else LogisticRegression(max_iter=1000)
    joined = SpectralEnsemble(network, SHARES[kind])
    estimator.fit(pixels, codes)
    weight, bias = torch.from_numpy(estimator.coef_), torch.from_numpy(estimator.intercept_)
    if len(estimator.classes_) == 2:  # scikit-learn gives the difference of the two
        weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
    with torch.no_grad():
        joined.linear.weight.zero_()
        joined.linear.bias.fill_(-1e4)
        joined.linear.weight[estimator.classes_] = weight.float()
        joined.linear.bias[estimator.classes_] = bias.float()
    return joined.to(next(network.parameters()).device).eval()


class MultiWindowEnsemble(WindowNetwork):
    """The mean of the class probabilities of networks whose windows differ.

    A linear opinion pool (Stone 1961, doi:10.1214/aoms/1177704873). The networks are trained independently; their
    windows share the middle pixel. Shapes are those of :class:`WindowNetwork` for the largest window; the trunk
    concatenates the features of all networks. In training mode the head gives the scores of each network,
    ``(networks, N, classes)``.
    """

    def __init__(self, networks: Sequence[WindowNetwork]) -> None:
        largest = max(networks, key=lambda network: network.window)
        if len({network.margin for network in networks}) > 1 or len({network.window for network in networks}) == 1:
            raise UsageError("networks on these windows have the same inputs: leave model.second_window out")
        super().__init__(largest.components, largest.window, largest.classes)
        self.margin, self.patch_bytes = largest.margin, sum(network.patch_bytes for network in networks)
        self.networks = nn.ModuleList(networks)

    @property
    def members(self) -> tuple[WindowNetwork, ...]:
        """The networks."""
        return tuple(self.networks)  # type: ignore[arg-type]

    @property
    def cache_bytes(self) -> int:
        """Bytes that the networks cache."""
        return sum(network.cache_bytes for network in self.members)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C, h - margin, w - margin)``, zeros where a network's window does not reach."""
        features = []
        for network in self.members:
            rim = self._rim(network)
            features.append(F.pad(network.trunk(crop(tiles, rim)), (rim, rim, rim, rim)))
        return torch.cat(features, dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, classes)``: logarithms of mean probabilities."""
        return self._join([network.head(crop(seen, rim)) for network, seen, rim in self._shares(features)])

    def head_at(self, features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """``(1, C, h, w) -> (N, classes)``, each network on windows of its own size."""
        shares = self._shares(features)
        return self._join([network.head_at(seen, rows + rim, columns + rim) for network, seen, rim in shares])

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        shares = self._shares(features)
        return _log_mean(torch.stack([network.head_map(crop(seen, rim)) for network, seen, rim in shares]))

    def _join(self, scores: list[Tensor]) -> Tensor:
        stacked = torch.stack(scores)
        return stacked if self.training else _log_mean(stacked)

    def _shares(self, features: Tensor) -> Iterator[tuple[WindowNetwork, Tensor, int]]:
        """Each network with its own features and their rim."""
        for network, seen in zip(self.members, features.chunk(len(self.members), dim=1), strict=True):
            yield network, seen, self._rim(network)

    def _rim(self, network: WindowNetwork) -> int:
        return (self.window - network.window) // 2


def _log_mean(scores: Tensor) -> Tensor:
    """Logarithms of mean probabilities: ``(networks, N, classes, ...) -> (N, classes, ...)``."""
    return F.log_softmax(scores, 2).logsumexp(0) - math.log(len(scores))
