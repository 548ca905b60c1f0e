"""HybridSN with depthwise-separable convolutions: few parameters and multiply-adds, and a shared trunk.

The factorisation is MobileNet's (Howard et al. 2017, arXiv:1704.04861): a convolution of each channel by itself, then
one of 1 x 1 over the channels, with batch norm and ReLU after both. As there, the first layer is a full convolution,
since it has one input channel.
"""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.hybridsn import MIN_COMPONENTS, MIN_WINDOW
from hsi.models.layers import LinearAsConv, convolve_first, initialise_he
from hsi.models.network import WindowNetwork, refuse_small, register_network


class SpectralSeparable(nn.Module):
    """A depthwise 3-D convolution of ``depth`` x 3 x 3 and a pointwise one, unpadded."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(inputs, inputs, (depth, 3, 3), groups=inputs, bias=False)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, D, C, h, w) -> (N, D - depth + 1, C', h - 2, w - 2)``.

        The depthwise part is a sum of 2-D convolutions, each of all components by one slice of the kernels: the
        gradient of PyTorch's grouped 3-D convolution takes several times as long on CPUs.
        """
        depth = self.depthwise.kernel_size[0]
        places, channels = int(x.shape[1]) - depth + 1, self.depthwise.in_channels
        total = None
        for i in range(depth):
            kernel = self.depthwise.weight[:, :, i].repeat(places, 1, 1, 1)  # (places * C, 1, 3, 3)
            part = F.conv2d(x[:, i : i + places].flatten(1, 2), kernel, groups=places * channels)
            total = part if total is None else total + part
        assert total is not None
        y = total.reshape(-1, channels, *total.shape[2:])  # (N * places, C, h - 2, w - 2)
        y = F.relu(self.norm2(self.pointwise(F.relu(self.norm1(y)))))
        return y.reshape(-1, places, *y.shape[1:])


class SeparableHybridSN(WindowNetwork):
    """HybridSN (doi:10.1109/LGRS.2019.2918719) with separable convolutions after the first, and batch norm.

    ``pooled`` replaces the first dense layer, which has most of the parameters, by the mean over the window.
    ``components >= 13``, odd ``window >= 11``. Weights start as He's, with a small last layer.

    Raises :class:`UsageError` (a ``ValueError``) for fewer components or a smaller or even window.
    """

    margin = 8
    patch_bytes = 270

    def __init__(self, components: int, window: int, classes: int, *, pooled: bool = False) -> None:
        super().__init__(components, window, classes)
        refuse_small("HybridSN", components, window, least_components=MIN_COMPONENTS, least_window=MIN_WINDOW)
        depth = components - 12  # what 7 x 5 x 3 leaves of the spectral axis
        self.conv1 = nn.Conv3d(1, 8, (7, 3, 3), bias=False)
        self.norm1 = nn.BatchNorm3d(8)
        self.spectral2 = SpectralSeparable(8, 16, 5)
        self.spectral3 = SpectralSeparable(16, 32, 3)
        self.depthwise4 = nn.Conv2d(32 * depth, 32 * depth, 3, groups=32 * depth, bias=False)
        self.norm4 = nn.BatchNorm2d(32 * depth)
        self.pointwise4 = nn.Conv2d(32 * depth, 64, 1, bias=False)
        self.norm5 = nn.BatchNorm2d(64)
        self.dense1 = None if pooled else nn.Linear(64 * self.head_window**2, 256)
        self.slide_dense1 = LinearAsConv(self.dense1, self.head_window) if self.dense1 else None
        self.dense2 = nn.Linear(64 if pooled else 256, 128)
        self.dense3 = nn.Linear(128, classes)
        self.dropout = nn.Dropout(0.4)
        initialise_he(*(m for m in self.modules() if isinstance(m, nn.Conv2d | nn.Conv3d | nn.Linear)))
        nn.init.normal_(self.dense3.weight, std=0.01)

    @property
    def cache_bytes(self) -> int:
        """Bytes of the transform of the first dense layer, where there is one."""
        return self.slide_dense1.cache_bytes if self.slide_dense1 else 0

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 64, h - 8, w - 8)``."""
        x = F.relu(self.norm1(convolve_first(self.conv1, tiles))).transpose(1, 2)  # (N, K - 6, 8, h - 2, w - 2)
        x = self.spectral3(self.spectral2(x)).flatten(1, 2)  # (N, 32 * (K - 12), h - 6, w - 6)
        x = F.relu(self.norm4(self.depthwise4(x)))  # (N, 32 * (K - 12), h - 8, w - 8)
        return F.relu(self.norm5(self.pointwise4(x)))

    def head(self, features: Tensor) -> Tensor:
        """``(N, 64, p, p) -> (N, classes)``."""
        return self._dense(self.dense1(features.flatten(1)) if self.dense1 else features.mean(dim=(2, 3)))

    def _dense(self, first: Tensor) -> Tensor:
        """The layers after the first: ``(N, 256)`` before its ReLU, or ``(N, 64)`` means, ``-> (N, classes)``."""
        x = self.dropout(F.relu(first)) if self.dense1 else first
        scores: Tensor = self.dense3(self.dropout(F.relu(self.dense2(x))))
        return scores

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, 64, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        slide = self.slide_dense1 or partial(F.avg_pool2d, kernel_size=self.head_window, stride=1)
        first = slide(features)  # (1, 256, h', w'), or (1, 64, h', w')
        return self._dense(first.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


for _name, _pooled in (("hybridsn-ds", False), ("hybridsn-ds-gap", True)):
    _source = "doi:10.1109/LGRS.2019.2918719, arXiv:1704.04861"
    _build = partial(SeparableHybridSN, pooled=_pooled)
    register_network(_name, _build, _source, norm="batch", least_components=MIN_COMPONENTS)
