"""A network joined with a linear discriminant of the pixel in the middle, for scenes whose fields are small."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hsi.models.network import WindowNetwork


class Joined(WindowNetwork):
    """The geometric mean of the class probabilities of a network and of a linear discriminant of the middle pixel.

    That is a logarithmic opinion pool of equal weights (Genest and Zidek 1986, doi:10.1214/ss/1177013825). Where fields
    are of a few pixels, a network learns from what surrounds its training pixels, which says little of others; a linear
    discriminant (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x) does not see it, and errs on other pixels. Shapes
    are those of :class:`WindowNetwork`; the trunk gives the network's features, then the components in the middle of
    its view.
    """

    def __init__(self, network: WindowNetwork) -> None:
        super().__init__(network.components, network.window, network.classes)
        self.margin, self.patch_bytes = network.margin, network.patch_bytes
        self.network = network
        self.discriminant = nn.Linear(network.components, network.classes)

    @property
    def kept_bytes(self) -> int:
        """What the network keeps."""
        return self.network.kept_bytes

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C + K, h - margin, w - margin)``."""
        rim = self.margin // 2
        middle = tiles[..., rim : tiles.shape[-2] - rim, rim : tiles.shape[-1] - rim]
        return torch.cat([self.network.trunk(tiles), middle], dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C + K, p, p) -> (N, classes)``: logarithms of the joined probabilities, but for a constant."""
        middle = self.head_window // 2
        spectra = features[:, -self.components :, middle, middle]
        return _join(self.network.head(features[:, : -self.components]), self.discriminant(spectra))

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C + K, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        rim = self.head_window // 2
        spectra = features[:, -self.components :, rim : features.shape[-2] - rim, rim : features.shape[-1] - rim]
        spectral = self.discriminant(spectra.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return _join(self.network.head_map(features[:, : -self.components]), spectral)


def _join(spatial: Tensor, spectral: Tensor) -> Tensor:
    joined: Tensor = (F.log_softmax(spatial, 1) + F.log_softmax(spectral, 1)) / 2
    return joined


def join_discriminant(network: WindowNetwork, pixels: NDArray[np.float32], codes: NDArray[np.int64]) -> Joined:
    """A trained network joined with the linear discriminant of training ``pixels`` ``(n, K)`` and ``codes`` ``(n,)``.

    A class without a training pixel gets the least score there is.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    found = LinearDiscriminantAnalysis().fit(pixels, codes)
    joined = Joined(network)
    weight, bias = torch.from_numpy(found.coef_), torch.from_numpy(found.intercept_)
    if len(found.classes_) == 2:  # scikit-learn gives the difference of the two
        weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
    with torch.no_grad():
        joined.discriminant.weight.zero_()
        joined.discriminant.bias.fill_(-1e4)
        joined.discriminant.weight[found.classes_] = weight.float()
        joined.discriminant.bias[found.classes_] = bias.float()
    return joined.to(next(network.parameters()).device).eval()
