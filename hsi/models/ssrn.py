"""SSRN, the spectral-spatial residual network (Zhong et al. 2018, doi:10.1109/TGRS.2017.2755542): all bands."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import initialise_he
from hsi.models.network import WindowNetwork, refuse_small, register_network

MIN_BANDS, MIN_WINDOW = 7, 3
FILTERS, MATCHED = 24, 128


class Residual(nn.Module):
    """Batch norm, ReLU and a padded convolution, twice, added to the input, whose shape is unchanged."""

    def __init__(self, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.norm1, self.norm2 = nn.BatchNorm2d(FILTERS), nn.BatchNorm2d(FILTERS)
        self.conv1 = nn.Conv2d(FILTERS, FILTERS, kernel, padding=padding)
        self.conv2 = nn.Conv2d(FILTERS, FILTERS, kernel, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 24, n, d) -> (N, 24, n, d)``."""
        y = self.conv1(F.relu(self.norm1(x)))
        out: Tensor = x + self.conv2(F.relu(self.norm2(y)))
        return out


class SSRN(WindowNetwork):
    """Two residual blocks along the bands, two in space, 24 filters each (doi:10.1109/TGRS.2017.2755542).

    Filters along the bands are 7 long; the first takes every second band, and after the spectral blocks 128 filters
    that span all remaining bands reduce a pixel's spectrum to 128 numbers. These layers and the unpadded 3 x 3 one
    that follows are the trunk; the spatial blocks pad a window by zeros, so they are in the head with the average over
    the window. Batch norm precedes each convolution but the first, and the average. ``components >= 7`` bands and any
    odd ``window >= 3``; 7 as published. 364,168 parameters at 200 bands and 16 classes. Weights start as He's.

    Raises :class:`UsageError` (a ``ValueError``) for fewer bands or a smaller or even window.
    """

    margin = 2
    patch_bytes = 420

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("SSRN", components, window, least_components=MIN_BANDS, least_window=MIN_WINDOW)
        self.depth = (components - 7) // 2 + 1
        self.conv1 = nn.Conv2d(1, FILTERS, (1, 7), stride=(1, 2))
        self.spectral = nn.Sequential(Residual((1, 7)), Residual((1, 7)))
        self.norm2 = nn.BatchNorm2d(FILTERS)
        self.conv2 = nn.Conv2d(FILTERS, MATCHED, (1, self.depth))
        self.norm3 = nn.BatchNorm2d(MATCHED)
        self.conv3 = nn.Conv2d(MATCHED, FILTERS, 3)
        self.spatial = nn.Sequential(Residual((3, 3)), Residual((3, 3)))
        self.norm4 = nn.BatchNorm2d(FILTERS)
        self.dense = nn.Linear(FILTERS, classes)
        initialise_he(*(layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)))

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 24, h - 2, w - 2)``.

        The spectral layers treat pixels independently, so rows and columns are one axis; channels are last in memory,
        so that the layer that spans the bands is a matrix product.
        """
        spectra = tiles.flatten(2).transpose(1, 2).unsqueeze(1)  # (N, 1, h * w, K)
        x = self.conv1(spectra.contiguous()).contiguous(memory_format=torch.channels_last)  # (N, 24, h * w, d)
        x = F.relu(self.norm2(self.spectral(x)))
        kernel = self.conv2.weight.permute(0, 2, 3, 1).flatten(1)  # (128, d * 24)
        x = F.linear(x.permute(0, 2, 3, 1).flatten(2), kernel, self.conv2.bias)  # (N, h * w, 128)
        x = F.relu(self.norm3(x.transpose(1, 2).reshape(-1, MATCHED, *tiles.shape[2:])))  # (N, 128, h, w)
        features: Tensor = self.conv3(x)
        return features

    def head(self, features: Tensor) -> Tensor:
        """``(N, 24, p, p) -> (N, classes)``."""
        x = F.relu(self.norm4(self.spatial(features)))
        scores: Tensor = self.dense(torch.mean(x, dim=(2, 3)))
        return scores


register_network(
    "ssrn",
    SSRN,
    "doi:10.1109/TGRS.2017.2755542",
    norm="batch",
    reducer="identity",
    window=7,
    least_components=MIN_BANDS,
)
