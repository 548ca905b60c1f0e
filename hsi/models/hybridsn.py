"""HybridSN and its variants (Roy et al. 2020, doi:10.1109/LGRS.2019.2918719).

Three 3-D convolutions over (components, rows, columns), one 2-D convolution, three dense layers. All convolutions
are stride 1 and unpadded, so they form a shared trunk. Variants add batch norm after each convolution
(arXiv:1502.03167) and squeeze-and-excitation (arXiv:1709.01507) or CBAM (arXiv:1807.06521) after the 2-D one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from hsi.models.attention import CBAM, SqueezeExcitation
from hsi.models.layers import GatedLinearAsConv, LinearAsConv, initialise_he, slide_gated_dense, tracing, unfold_depth
from hsi.models.network import WindowNetwork, refuse_small, register_network
from hsi.models.windows import has_channels_last

MIN_COMPONENTS, MIN_WINDOW = 13, 11
ATTENTION: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "se": partial(SqueezeExcitation, 64),
    "cbam": partial(CBAM, 64),
}


class HybridSN(WindowNetwork):
    """HybridSN with optional batch norm and attention (doi:10.1109/LGRS.2019.2918719).

    ``components >= 13`` PCA components, odd ``window >= 11``. 5,122,176 parameters at 30 components, window 25 and
    16 classes, the paper's figure.

    Raises :class:`UsageError` (a ``ValueError``) for fewer components or a smaller or even window.
    """

    margin = 8
    patch_bytes = 270

    def __init__(self, components: int, window: int, classes: int, *, norm: bool = False, attention: str = "none"):
        super().__init__(components, window, classes)
        refuse_small("HybridSN", components, window, least_components=MIN_COMPONENTS, least_window=MIN_WINDOW)
        depth = components - 12  # what 7 x 5 x 3 leaves of the spectral axis
        self.conv1 = nn.Conv3d(1, 8, (7, 3, 3))
        self.conv2 = nn.Conv3d(8, 16, (5, 3, 3))
        self.conv3 = nn.Conv3d(16, 32, (3, 3, 3))
        self.conv4 = nn.Conv2d(32 * depth, 64, 3)
        self.norm1 = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.norm2 = nn.BatchNorm2d(16) if norm else nn.Identity()
        self.norm3 = nn.BatchNorm2d(32) if norm else nn.Identity()
        self.norm4 = nn.BatchNorm2d(64) if norm else nn.Identity()
        self.attention = ATTENTION[attention]()
        self.dense1 = nn.Linear(64 * self.head_window**2, 256)
        self.dense2 = nn.Linear(256, 128)
        self.dense3 = nn.Linear(128, classes)
        self.dropout = nn.Dropout(0.4)
        self.slide_dense1 = (LinearAsConv if attention == "none" else GatedLinearAsConv)(self.dense1, self.head_window)
        # under PyTorch's own initialisation the signal shrinks from layer to layer, from which a short training without
        # batch norm does not recover
        initialise_he(self.conv1, self.conv2, self.conv3, self.conv4, self.dense1, self.dense2, self.dense3)
        nn.init.normal_(self.dense3.weight, std=0.01)

    @property
    def gated(self) -> bool:  # type: ignore[override]
        """Under SE and CBAM."""
        return not isinstance(self.attention, nn.Identity)

    @property
    def cache_bytes(self) -> int:
        """Bytes of the transform of the first dense layer, which is not used under CBAM."""
        return 0 if isinstance(self.attention, CBAM) else self.slide_dense1.cache_bytes

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 64, h - 8, w - 8)``.

        The same sums as ``conv4(flatten(conv3(conv2(conv1(tiles)))))``, see :meth:`_spectral`.
        """
        last = _channels_last(tiles)
        x = tiles.unsqueeze(2)
        if _in_autocast(tiles):
            x = x.to(torch.get_autocast_dtype(tiles.device.type))
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2), (self.conv3, self.norm3)):
            places = int(x.shape[1]) - conv.kernel_size[0] + 1  # K - 6, K - 10, K - 12
            x = self._spectral(x, conv.weight, conv.bias, norm, last)
            x = x.view(-1, places, *x.shape[1:])
        kernel = self.conv4.weight.view(64, 32, -1, 3, 3)
        return self._spectral(x, kernel, self.conv4.bias, self.norm4, last)

    def _spectral(self, x: Tensor, weight: Tensor, bias: Tensor | None, norm: nn.Module, last: bool) -> Tensor:
        """A 3-D convolution, its norm and ReLU: ``(N, D, C, h, w) -> (N * (D - d + 1), C', h - 2, w - 2)``.

        Where channels are ``last`` in memory by PyTorch's 3-D convolution, otherwise as a 2-D one of every run of
        neighbouring components: in float32 on CPUs PyTorch's 3-D convolutions of a tile are several times slower.
        """
        if isinstance(norm, nn.BatchNorm2d) and not norm.training and not torch.is_grad_enabled():
            weight, bias = _fold(norm, weight, bias)
            norm = nn.Identity()
        if last and x.shape[2] > 1:
            y = F.conv3d(x.transpose(1, 2), weight, bias).permute(0, 2, 3, 4, 1)
            # by way of rows, so that a single image has the strides of channels last, too, which batch norm needs
            y = y.flatten(0, 2).view(-1, *y.shape[2:]).permute(0, 3, 1, 2)
        else:
            runs = unfold_depth(x, weight.shape[2])
            runs = runs.contiguous(memory_format=torch.channels_last) if last else runs
            y = F.conv2d(runs, weight.transpose(1, 2).flatten(1, 2), bias)
        return F.relu(norm(y))

    def head(self, features: Tensor) -> Tensor:
        """``(N, 64, p, p) -> (N, classes)``."""
        x = self.attention(features)
        if has_channels_last(x):
            # the weights are fewer numbers to bring into another order than the windows
            weight = self.dense1.weight.view(-1, *x.shape[1:]).permute(0, 2, 3, 1).flatten(1)
            return self._dense(F.linear(x.permute(0, 2, 3, 1).flatten(1), weight, self.dense1.bias))
        return self._dense(self.dense1(x.flatten(1)))

    def _dense(self, first: Tensor) -> Tensor:
        """The layers after the first dense one: ``(N, 256) -> (N, classes)``."""
        x = self.dropout(F.relu(self.dense2(self.dropout(F.relu(first)))))
        scores: Tensor = self.dense3(x)
        return scores

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, 64, h, w) -> (1, classes, h - p + 1, w - p + 1)``; without a gate by one convolution."""
        if isinstance(self.attention, nn.Identity):
            first = self.slide_dense1(features)  # (1, 256, h', w')
        elif tracing():
            return super().head_map(features)
        else:
            first = self._attended_dense1(features)
        return self._dense(first.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _attended_dense1(self, features: Tensor) -> Tensor:
        """The first dense layer under SE or CBAM, ``(1, 64, h, w) -> (1, 256, h', w')``.

        The means and maxima of a channel gate are pooled over the tile once.
        """
        attention: Any = self.attention
        side = self.head_window
        # by columns, then by rows: a fifth of the time of one pooling of large windows
        pooled = [F.avg_pool2d(F.avg_pool2d(features, (side, 1), stride=1), (1, side), stride=1)]  # (1, 64, h', w')
        if isinstance(attention, CBAM):
            pooled.append(F.max_pool2d(F.max_pool2d(features, (side, 1), stride=1), (1, side), stride=1))
        channel = attention.channel if isinstance(attention, CBAM) else attention
        dtype = torch.bfloat16 if self.maps_in_bfloat16 else None
        gates = channel.gate(*(statistic[0].permute(1, 2, 0) for statistic in pooled))  # (h', w', 64)
        if isinstance(attention, CBAM):
            first = slide_gated_dense(self.dense1, features[0], gates, side, attention.spatial.weigh_places, dtype)
            return first.permute(2, 0, 1)[None]
        assert isinstance(self.slide_dense1, GatedLinearAsConv), "under a gate"
        return self.slide_dense1.gated(features, gates, dtype)


def _channels_last(tiles: Tensor) -> bool:
    """Whether convolutions are faster with channels last in memory: on GPUs, but in float32 not on CPUs."""
    if tiles.is_cpu:
        return _in_autocast(tiles)
    return tiles.device.type not in ("meta", "mps")


def _in_autocast(tiles: Tensor) -> bool:
    kind = tiles.device.type  # "meta", where multiply-adds are counted, has no autocast
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def _fold(norm: nn.BatchNorm2d, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """The kernel and bias of a convolution with its batch norm, which is then not needed in evaluation."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None, "tracked by default"
    return fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)


SOURCES = {
    "": "doi:10.1109/LGRS.2019.2918719",
    "bn": "arXiv:1502.03167",
    "se": "arXiv:1709.01507",
    "cbam": "arXiv:1807.06521",
}

for _norm in ("", "bn"):
    for _attention in ("none", "se", "cbam"):
        _parts = [part for part in (_norm, "" if _attention == "none" else _attention) if part]
        register_network(
            "-".join(["hybridsn", *_parts]),
            partial(HybridSN, norm=bool(_norm), attention=_attention),
            ", ".join([SOURCES[""], *(SOURCES[part] for part in _parts)]),
            norm="batch" if _norm else "none",
            attention=_attention,
            least_components=MIN_COMPONENTS,
        )
