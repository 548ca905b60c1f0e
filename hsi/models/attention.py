"""Attention blocks with a gate computed from one window: squeeze-and-excitation and CBAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import tracing
from hsi.models.windows import has_channels_last

LARGEST_MATRIX = 25  # side of a window whose places a matrix product weighs: beyond, it has too many numbers


class _MeanAndMaximum(torch.autograd.Function):
    """Mean and maximum over channels, ``(N, C, p, p)`` to two of ``(N, p, p)``.

    Their gradients are in one array of the features' layout: autograd's own are in two layouts, whose sum takes ten
    times as long. The gradient of a maximum goes to one of several equal channels.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        maxima, channels = features.max(dim=1)
        last = has_channels_last(features)
        ctx.shape, ctx.position = features.shape, 3 if last else 1  # of channels in memory
        ctx.save_for_backward(channels)
        return features.sum(dim=1) / features.shape[1], maxima

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        of_mean, of_maximum = (gradient.unsqueeze(ctx.position) for gradient in gradients)
        channels = ctx.saved_tensors[0].unsqueeze(ctx.position)
        of_mean = of_mean / ctx.shape[1]
        total: Tensor = of_mean.repeat_interleave(ctx.shape[1], ctx.position)
        total.scatter_(ctx.position, channels, of_mean + of_maximum)
        return total.movedim(ctx.position, 1)


def window_means(features: Tensor) -> Tensor:
    """``features.mean(dim=(2, 3))``: ``(N, C, p, p) -> (N, C)``; on CPUs several times faster in bfloat16."""
    return features.sum(dim=(2, 3)) / (features.shape[2] * features.shape[3])


class SqueezeExcitation(nn.Module):
    """A weight in (0, 1) for each channel, from the mean over the window (Hu et al. 2018, arXiv:1709.01507).

    Two dense layers without bias, reduction 16 by default: 512 parameters for 64 channels. ``squeezed`` overrides the
    number of channels between them; ``activation`` is applied between them and ``shape`` after them.
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
    """CBAM's first half: one shared MLP of the window's mean and maximum (Woo et al. 2018, arXiv:1807.06521)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def gate(self, means: Tensor, maxima: Tensor) -> Tensor:
        """Channel weights from channel means and maxima: ``(..., C), (..., C) -> (..., C)``."""
        hidden = F.relu(self.squeeze(means)) + F.relu(self.squeeze(maxima))
        return torch.sigmoid(self.excite(hidden))  # the second layer is linear, so it is applied once, to the sum

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        # the gradient of amax(dim=(2, 3)) takes four times as long on CPUs
        gate = self.gate(window_means(features), F.adaptive_max_pool2d(features, 1).flatten(1))
        return features * gate[:, :, None, None]


class SpatialAttention(nn.Module):
    """CBAM's second half: a 7 x 7 convolution over the channels' mean and maximum weighs each place in the window."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def gate(self, means: Tensor, maxima: Tensor) -> Tensor:
        """Weights of places from means and maxima over channels: ``(N, p, p), (N, p, p) -> (N, 1, p, p)``."""
        side, statistics = int(means.shape[-1]), torch.stack([means, maxima], dim=1)
        if not means.is_cpu or tracing() or not min(self.weigh.kernel_size) // 2 < side <= LARGEST_MATRIX:
            return torch.sigmoid(self.weigh(statistics))
        return torch.sigmoid(statistics.flatten(1) @ self._matrix(side)).view(-1, 1, side, side)

    def _matrix(self, side: int) -> Tensor:
        """The convolution of a window as a matrix ``(2 p p, p p)``: PyTorch's convolution of one or two channels, and
        its gradient, take twice and ten times as long on CPUs."""
        rim = side - 1 - self.weigh.kernel_size[0] // 2
        padded = F.pad(self.weigh.weight[0], (rim, rim, rim, rim))  # (2, 2 p - 1, 2 p - 1)
        matrix = padded.unfold(1, side, 1).unfold(2, side, 1).flip(1, 2)  # of each place to weigh, (2, p, p, p, p)
        return matrix.permute(0, 3, 4, 1, 2).reshape(2 * side**2, side**2)

    def weigh_places(self, features: Tensor) -> Tensor:
        """Weights of places: ``(N, C, p, p) -> (N, 1, p, p)``."""
        if features.requires_grad and torch.is_grad_enabled() and not tracing():
            means, maxima = _MeanAndMaximum.apply(features)  # type: ignore[no-untyped-call]
            return self.gate(means, maxima)
        return self.gate(features.sum(dim=1) / features.shape[1], features.amax(dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, C, p, p)``."""
        return features * self.weigh_places(features)


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
