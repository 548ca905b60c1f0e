"""Attention blocks whose gate looks at one window: squeeze-and-excitation and CBAM."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def largest(features: Tensor) -> Tensor:
    """``features.amax(dim=1)``, in halves: ``(N, C, p, p) -> (N, p, p)``. On CPUs some six times quicker; its gradient
    shares out otherwise among channels that are equal."""
    while features.shape[1] > 1:
        half = (features.shape[1] + 1) // 2  # an odd one is in both
        features = torch.maximum(features[:, :half], features[:, -half:])
    return features[:, 0]


def channel_maxima(features: Tensor) -> Tensor:
    """``features.amax(dim=1)``: ``(N, C, p, p) -> (N, p, p)``. Of equal channels one has the gradient, which on CPUs
    takes half the time of sharing it out."""
    return features.max(dim=1).values if features.requires_grad else features.amax(dim=1)


def window_means(features: Tensor) -> Tensor:
    """``features.mean(dim=(2, 3))``: ``(N, C, p, p) -> (N, C)``; on CPUs a sum in bfloat16 is several times quicker."""
    return features.sum(dim=(2, 3)) / (features.shape[2] * features.shape[3])


class SqueezeExcitation(nn.Module):
    """A weight in (0, 1) for each channel, from the mean over the window (Hu et al. 2018, arXiv:1709.01507).

    Two dense layers without bias, reduction 16 by default: 512 parameters for 64 channels. ``squeezed`` gives the
    channels between them instead; ``activation`` comes between them and ``shape`` after them.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        squeezed: int | None = None,
        bias: bool = False,
        activation: nn.Module | None = None,
        shape: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> None:
        super().__init__()
        squeezed = squeezed or channels // reduction
        self.squeeze = nn.Linear(channels, squeezed, bias=bias)
        self.excite = nn.Linear(squeezed, channels, bias=bias)
        self.activation, self.shape = activation or nn.ReLU(), shape

    def gate(self, means: Tensor) -> Tensor:
        """Channel weights from channel means: ``(..., C) -> (..., C)``."""
        return self.shape(self.excite(self.activation(self.squeeze(means))))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        return features * self.gate(window_means(features))[:, :, None, None]


class ChannelAttention(nn.Module):
    """CBAM's first half: one shared MLP over the window's mean and maximum (Woo et al. 2018, arXiv:1807.06521)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def gate(self, means: Tensor, maxima: Tensor) -> Tensor:
        """Channel weights from channel means and maxima: ``(..., C), (..., C) -> (..., C)``."""
        hidden = F.relu(self.squeeze(means)) + F.relu(self.squeeze(maxima))
        return torch.sigmoid(self.excite(hidden))  # the second layer is linear, so the sum may come before it

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        # amax(dim=(2, 3)) has a gradient that takes four times as long on CPUs
        gate = self.gate(window_means(features), F.adaptive_max_pool2d(features, 1).flatten(1))
        return features * gate[:, :, None, None]


class SpatialAttention(nn.Module):
    """CBAM's second half: a 7 x 7 convolution over the channels' mean and maximum weighs each place in the window."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def gate(self, means: Tensor, maxima: Tensor) -> Tensor:
        """Weights of places from means and maxima over channels: ``(N, p, p), (N, p, p) -> (N, 1, p, p)``."""
        return torch.sigmoid(self.weigh(torch.stack([means, maxima], dim=1)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        return features * self.gate(features.sum(dim=1) / features.shape[1], channel_maxima(features))


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al. 2018, arXiv:1807.06521): 610 parameters for 64 channels."""

    def __init__(self, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention(kernel)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        out: Tensor = self.spatial(self.channel(features))
        return out
