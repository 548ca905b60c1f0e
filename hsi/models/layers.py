"""Layers that several networks share: 3-D convolutions as 2-D ones, and a dense layer at every window of a tile."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.core.devices import bfloat16_pays
from hsi.models.windows import view_windows

LEAST_WINDOW = 11  # a convolution is as fast for smaller ones
# errors of gates in (0, 1), without their small factors, which are in bfloat16, and with them: as much as float32
# rounds in the sum of a large window, and less than bfloat16 rounds a gate
FINE_ERRORS, COARSE_ERRORS = (3e-3, 1e-5), (1e-2, 1e-3)
MOST_FACTORS, FACTORS_A_TILE = 24, 6  # of float32: more take as long as copies; together, to bound memory
WINDOWS = 256  # copied at a time to compute a gate
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


def initialise_glorot(network: nn.Module) -> None:
    """The uniform initialisation of Glorot and Bengio (2010, https://proceedings.mlr.press/v9/glorot10a.html) and zero
    biases, as in Keras, of all convolutions and dense layers."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
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


def slide_gated_dense(
    layer: nn.Linear,
    features: Tensor,
    gates: Tensor,
    window: int,
    weigh_places: Callable[[Tensor], Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """A dense layer at every window of a tile, whose channels a gate of each window weighs: features ``(C, h, w)`` and
    gates ``(h', w', C)`` to ``(h', w', out)``.

    Windows are copied, a few at a time. ``weigh_places`` gives weights ``(n, 1, p, p)`` of the places of gated windows.
    The product is in ``dtype``, by default that of the features; its sums are in float32.
    """
    dtype = dtype or features.dtype
    weight, bias = layer.weight.to(dtype), layer.bias.to(dtype)
    rows = []
    for row, row_gates in zip(view_windows(features, window), gates, strict=True):  # (w', C, p, p), (w', C)
        for some, gate in zip(row.split(WINDOWS), row_gates.split(WINDOWS), strict=True):
            # a product of the view would have its strides, which sums, maxima and the matrix below are slower for
            x = some.contiguous().mul_(gate[:, :, None, None])
            if weigh_places:
                x *= weigh_places(x)
            rows.append(F.linear(x.flatten(1).to(dtype), weight, bias))
    return torch.cat(rows).to(features.dtype).view(*gates.shape[:2], -1)


def factor_gates(gates: Tensor, errors: tuple[float, float] = FINE_ERRORS) -> list[tuple[Tensor, Tensor]]:
    """Gates of neighbouring windows as sums of few products: ``(h, w, C)`` to pairs ``(h, w, r)`` and ``(r, C)``.

    The smallest truncated singular value decompositions: the first pair differs from no gate by more than the first of
    the ``errors``, all pairs together by no more than the second. No pairs if gates are no numbers.
    """
    flat = gates.flatten(0, 1)
    if not flat.isfinite().all():
        return []
    exact = flat.double()
    values, vectors = torch.linalg.eigh(exact.t() @ exact)  # ascending
    channels = vectors.flip(1).t().to(flat.dtype)
    weights = flat @ channels.t()
    ranks = [0]
    for error in errors:
        # of a remainder within the bound the root mean square is within it, too
        rank = max(1, ranks[-1], int((values.cumsum(0) > flat.numel() * error**2).sum()))
        while rank < len(channels) and (flat - weights[:, :rank] @ channels[:rank]).abs().max() > error:
            rank += 1
        ranks.append(rank)
    parts = [slice(*pair) for pair in pairwise(ranks) if pair[0] < pair[1]]
    return [(weights[:, part].unflatten(0, gates.shape[:2]), channels[part]) for part in parts]


@functools.cache
def _inverse_transforms(side: int, step: int) -> tuple[Tensor, Tensor]:
    """The inverse of ``rfft2`` of ``(side, side)`` numbers as two matrix products that give the first ``step`` rows and
    columns only, which is faster than transforming back all of them.

    Down the rows ``(2 step, 2 side)``, between alternating real and imaginary parts; and across
    ``(step, 2, side // 2 + 1)``, from real and imaginary parts to numbers.
    """
    places, half = torch.arange(step, dtype=torch.float64), side // 2 + 1
    angles = 2 * math.pi / side * torch.outer(places, torch.arange(side, dtype=torch.float64))
    cos, sin = angles.cos() / side, angles.sin() / side
    down = torch.stack([torch.stack([cos, -sin], 2), torch.stack([sin, cos], 2)], 1)  # (step, 2, side, 2)
    occurrences = torch.full((half,), 2.0, dtype=torch.float64)  # of a frequency and its negative
    occurrences[0] = 1
    if side % 2 == 0:
        occurrences[-1] = 1
    across = torch.stack([cos[:, :half], -sin[:, :half]], 1) * occurrences
    return down.reshape(2 * step, 2 * side).float(), across.float()


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
        """The transform of the weights as :meth:`_transform_weights` gives it."""
        weight = self.layer.weight
        now = (weight.data_ptr(), weight._version)
        if self.spectrum is None or self.spectrum_of != now:
            kernel = weight.view(len(weight), -1, self.window, self.window).transpose(0, 1)  # (C, out, p, p)
            self.spectrum, self.spectrum_of = self._transform_weights(kernel), now
        return self.spectrum

    def _transform_weights(self, kernel: Tensor) -> Tensor:
        """The conjugate transform of ``(C, out, p, p)``: ``(frequencies, C, out)`` complex64."""
        shape = (self.side * (self.side // 2 + 1), *kernel.shape[:2])
        spectrum = kernel.new_empty(shape, dtype=torch.complex64)
        for channel, part in enumerate(kernel):  # one at a time, for memory
            spectrum[:, channel] = torch.fft.rfft2(part, s=(self.side, self.side)).flatten(1).t().conj()
        return spectrum


class GatedLinearAsConv(LinearAsConv):
    """:class:`LinearAsConv` for windows whose channels are weighed, those of each window by other numbers.

    The gates of a tile's windows are a product of few factors (:func:`factor_gates`), so the layer is a sum of as many
    convolutions, each weighted by window. The small ones are in bfloat16 where a CPU has it, which rounds by less than
    float32 rounds the large ones.
    """

    def gated(self, features: Tensor, gates: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """``(1, C, h, w)`` and gates ``(h - p + 1, w - p + 1, C) -> (1, out, h - p + 1, w - p + 1)``.

        With bfloat16 as ``dtype`` factors of gates are fewer, and windows that are copied are multiplied in it.
        """
        if not self.pays(features):
            copied = slide_gated_dense(self.layer, features[0], gates, self.window, dtype=dtype)
            return copied.permute(2, 0, 1)[None]
        rim = self.window - 1
        step = self.side - rim
        height, width = (length - rim for length in features.shape[-2:])
        slid = self.layer.bias.repeat(height, width, 1)
        errors = COARSE_ERRORS if dtype == torch.bfloat16 else FINE_ERRORS
        small = torch.bfloat16 if bfloat16_pays(features.device) else features.dtype
        dtypes = (features.dtype, small)
        factored: dict[torch.dtype, list[FactoredTile]] = {dtype: [] for dtype in dtypes}
        corners = list(product(range(0, height, step), range(0, width, step)))
        for tile, (row, column) in enumerate(corners):
            rows, columns = slice(row, min(row + step, height)), slice(column, min(column + step, width))
            here = slid[rows, columns]
            pairs = factor_gates(gates[rows, columns], errors)
            cost = sum(len(channels) * own.itemsize for (_, channels), own in zip(pairs, dtypes))  # noqa: B905
            if not pairs or cost > MOST_FACTORS * features.itemsize:
                seen = features[0, :, row : rows.stop + rim, column : columns.stop + rim]
                here.copy_(slide_gated_dense(self.layer, seen, gates[rows, columns], self.window, dtype=dtype))
                continue
            for pair, own in zip(pairs, dtypes):  # noqa: B905 (there may be no small factors)
                factored[own].append((tile, here, *pair))
        spectra = self._transform(features[0], height, width)
        for own, some in factored.items():
            for group in _group_factored(some, FACTORS_A_TILE * len(corners) * features.itemsize // own.itemsize):
                self._add_tiles(spectra, group, own)
        return slid.permute(2, 0, 1)[None]

    def _transform(self, features: Tensor, height: int, width: int) -> Tensor:
        """Spectra of the tiles of ``(C, h, w)``, twice: ``(side // 2 + 1, side, 2, tiles, 2 C)``.

        Times the transform of the weights the first gives the real part of the product, the second the imaginary one.
        """
        side, step = self.side, self.side - self.window + 1
        padding = (0, -width % step, 0, -height % step)
        tiles = F.pad(features, padding).unfold(1, side, step).unfold(2, side, step)  # (C, down, across, side, side)
        spectra = torch.fft.rfft2(tiles).flatten(1, 2).permute(3, 2, 1, 0)  # (side // 2 + 1, side, tiles, C)
        real, imaginary = spectra.real, spectra.imag
        return torch.stack([torch.cat([real, -imaginary], 3), torch.cat([imaginary, real], 3)], 2)

    def _add_tiles(self, spectra: Tensor, group: list[FactoredTile], dtype: torch.dtype) -> None:
        """Add what some factors contribute at the windows of their tiles."""
        side, step, out = self.side, self.side - self.window + 1, self.layer.out_features
        down, across = _inverse_transforms(side, step)
        down = down.to(dtype)
        ranks = [len(channels) for *_, channels in group]
        which = torch.tensor([tile for tile, *_ in group]).repeat_interleave(torch.tensor(ranks))
        scale = torch.cat([channels for *_, channels in group]).repeat(1, 2)  # (factors, 2 C)
        products = spectra.new_empty(side, 2 * len(scale), out, dtype=dtype)
        parts = [spectra.new_empty(2 * step, len(spectra), rank * out, dtype=dtype) for rank in ranks]
        for i, (spectrum, weights) in enumerate(zip(spectra, self._weights(), strict=True)):
            rows = (spectrum[:, :, which] * scale).flatten(1, 2)
            torch.bmm(rows.to(dtype), weights.to(dtype), out=products)
            columns = torch.split(products.view(2 * side, -1), [rank * out for rank in ranks], dim=1)
            for part, some in zip(parts, columns, strict=True):
                torch.mm(down, some, out=part[:, i])
        for part, (_, slid, windows, _) in zip(parts, group, strict=True):
            height, width = slid.shape[:2]
            basis = windows[:, :, None, None] * across[:width, :, :, None]  # (h', w', 2, side // 2 + 1, r)
            slid += torch.bmm(basis.flatten(2).to(dtype), part.view(step, -1, out)[:height])

    def _transform_weights(self, kernel: Tensor) -> Tensor:
        """As real and imaginary parts: ``(side // 2 + 1, side, 2 C, out)``."""
        side, (channels, out) = self.side, kernel.shape[:2]
        transformed = kernel.new_empty(side // 2 + 1, side, 2 * channels, out)
        for channel, part in enumerate(kernel):  # one at a time, for memory
            spectrum = torch.fft.rfft2(part, s=(side, side)).permute(2, 1, 0)  # (side // 2 + 1, side, out)
            transformed[:, :, channel], transformed[:, :, channels + channel] = spectrum.real, -spectrum.imag
        return transformed


FactoredTile = tuple[int, Tensor, Tensor, Tensor]  # its number, where its result goes, and its factors


def _group_factored(tiles: list[FactoredTile], most: int) -> list[list[FactoredTile]]:
    """Tiles in groups of at most ``most`` factors together, or of one."""
    groups: list[list[FactoredTile]] = []
    factors = most
    for tile in tiles:
        factors += len(tile[3])
        if factors > most:
            groups.append([])
            factors = len(tile[3])
        groups[-1].append(tile)
    return groups


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
