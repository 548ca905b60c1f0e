"""Layers that several networks share: 3-D convolutions as 2-D ones, and a dense layer at every window of a tile."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_WINDOW = 11  # a convolution is as fast for smaller ones
TILE = 3  # windows along the side of a transformed tile: larger ones take fewer sums per pixel, and more memory


def tracing() -> bool:
    """Whether the network is being exported as a graph, which has no loops over rows."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def initialise_he(*layers: nn.Conv2d | nn.Conv3d | nn.Linear) -> None:
    """He's initialisation (doi:10.1109/ICCV.2015.123) and zero biases."""
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def convolve_first(layer: nn.Conv3d, tiles: Tensor) -> Tensor:
    """A first 3-D layer of D x 3 x 3 with channels last in memory: ``(N, K, h, w) -> (N, C, K - D + 1, h - 2, w - 2)``.

    The same sums as ``layer(tiles.unsqueeze(1))``, as a 2-D convolution of every D neighbouring components, in the
    memory layout that is fastest in the layers that follow. Faster than by :func:`unfold_depth`, whose layout differs.
    """
    depth = layer.kernel_size[0]
    runs = tiles.unfold(1, depth, 1).permute(0, 1, 4, 2, 3)  # (N, K - D + 1, D, h, w)
    runs = runs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    x = F.conv2d(runs, layer.weight.squeeze(1), layer.bias)  # (N * (K - D + 1), C, h - 2, w - 2)
    return x.view(-1, tiles.shape[1] - depth + 1, *x.shape[1:]).transpose(1, 2)


def slide_dense(layer: nn.Linear, features: Tensor, window: int) -> Tensor:
    """A dense layer at every window of a tile, as a convolution: ``(1, C, h, w) -> (1, out, h - p + 1, w - p + 1)``."""
    return F.conv2d(features, layer.weight.view(-1, int(features.shape[1]), window, window), layer.bias)


class LinearAsConv:
    """:func:`slide_dense` for mapping: equal up to float32 rounding, and faster for large windows on CPUs.

    A window of 17 x 17 takes 289 multiply-adds per pair of channels as a convolution, and about 5 through the Fourier
    transform of overlapping tiles (overlap-save, Cooley and Tukey 1965, doi:10.1090/S0025-5718-1965-0178586-1). The
    transform of the weights is cached until they change.
    """

    def __init__(self, layer: nn.Linear, window: int) -> None:
        self.layer, self.window = layer, window
        self.spectrum: Tensor | None = None
        self.spectrum_of: tuple[int, int] | None = None  # address and version of the weights that it belongs to

    @property
    def side(self) -> int:
        """Side of a transformed tile."""
        from scipy.fft import next_fast_len

        return int(next_fast_len(TILE * self.window, real=True))

    @property
    def cache_bytes(self) -> int:
        """Bytes of the transform of the weights; 0 where the window is too small for it."""
        frequencies, weights = self.side * (self.side // 2 + 1), self.layer.weight.numel() // self.window**2
        return 8 * frequencies * weights if self.window >= LEAST_WINDOW else 0

    def pays(self, features: Tensor) -> bool:
        """Whether the transform is faster: on a CPU, for a large window, on at least a tile, without gradients."""
        plain = torch.is_grad_enabled() or not features.is_cpu or features.dtype != torch.float32
        return not plain and self.window >= LEAST_WINDOW and min(features.shape[-2:]) >= self.side

    def __call__(self, features: Tensor) -> Tensor:
        """``(1, C, h, w) -> (1, out, h - p + 1, w - p + 1)``."""
        if not self.pays(features):
            return slide_dense(self.layer, features, self.window)
        side, rim = self.side, self.window - 1
        step = side - rim
        height, width = (length - rim for length in features.shape[-2:])
        down, across = -(-height // step), -(-width // step)
        padding = (0, across * step - width, 0, down * step - height)
        tiles = F.pad(features[0], padding).unfold(1, side, step).unfold(2, side, step)  # (C, down, across, side, side)
        spectra = torch.fft.rfft2(tiles).flatten(3).flatten(1, 2).permute(2, 1, 0)  # (frequencies, tiles, C)
        spectra = torch.bmm(spectra.contiguous(), self._weights())  # (frequencies, tiles, out)
        spectra = spectra.permute(2, 1, 0).reshape(-1, down, across, side, side // 2 + 1)
        sums = torch.fft.irfft2(spectra, s=(side, side))[..., :step, :step]  # (out, down, across, step, step)
        sums = sums.transpose(2, 3).reshape(len(sums), down * step, across * step)[:, :height, :width]
        slid: Tensor = (sums + self.layer.bias.view(-1, 1, 1))[None]
        return slid

    def _weights(self) -> Tensor:
        """The conjugate transform of the weights: ``(frequencies, C, out)`` complex64."""
        weight = self.layer.weight
        now = (weight.data_ptr(), weight._version)
        if self.spectrum is None or self.spectrum_of != now:
            kernel = weight.view(len(weight), -1, self.window, self.window).transpose(0, 1)  # (C, out, p, p)
            shape = (self.side * (self.side // 2 + 1), *kernel.shape[:2])
            self.spectrum, self.spectrum_of = weight.new_empty(shape, dtype=torch.complex64), now
            for channel, part in enumerate(kernel):  # one at a time, for memory
                self.spectrum[:, channel] = torch.fft.rfft2(part, s=(self.side, self.side)).flatten(1).t().conj()
        return self.spectrum


def unfold_depth(x: Tensor, depth: int) -> Tensor:
    """Every run of ``depth`` neighbouring components: ``(N, D, C, h, w) -> (N * (D - depth + 1), depth * C, h, w)``.

    The channels of a run are in order of components, then of C.
    """
    if x.requires_grad and torch.is_grad_enabled() and not tracing():
        runs: Tensor = _UnfoldDepth.apply(x, depth)  # type: ignore[no-untyped-call]
        return runs
    return _concatenate_runs(x, depth)


def _concatenate_runs(x: Tensor, depth: int) -> Tensor:
    places = x.shape[1] - depth + 1
    if places == 1:
        return x.flatten(1, 2)  # a view, no copy
    return torch.cat([x[:, i : i + places] for i in range(depth)], dim=2).flatten(0, 1)


class _UnfoldDepth(torch.autograd.Function):
    """The runs with a backward that adds the gradient of each place to one array: autograd's own allocates and copies
    an array of all components for each place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int) -> Tensor:
        ctx.shape, ctx.depth = x.shape, depth
        return _concatenate_runs(x, depth)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        images, components = ctx.shape[:2]
        places = components - ctx.depth + 1
        total = gradient.new_zeros(ctx.shape)
        parts = gradient.reshape(images, places, *gradient.shape[1:]).chunk(ctx.depth, 2)
        for i, part in enumerate(parts):
            total[:, i : i + places].add_(part)
        return total, None
