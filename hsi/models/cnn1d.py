"""The 1-D CNN of Hu et al. 2015 (doi:10.1155/2015/258619): the spectrum of one pixel, and nothing around it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.network import MODELS, ModelEntry, WindowNetwork, refuse_small

MIN_BANDS = 9
POOLED = 37  # about as many values as pooling leaves of a filter's output; the paper asks for 30 to 40


class CNN1D(WindowNetwork):
    """20 filters along the spectrum, max pooling, a dense layer of 100 units; tanh (doi:10.1155/2015/258619).

    For ``components >= 9`` bands B a filter is B // 9 long, as in the paper (24 of 220 and 224 bands, 11 of 103), and
    pooling takes as many values at a time as leave about 37 (5, 5 and 3 there), the last of them from what remains.
    81,408 parameters at 220 bands and 8 classes, the paper's figure for Indian Pines.

    It looks at the pixel in the middle of any odd ``window``, which as published is the pixel alone. A departure: bands
    have unit variance where the paper scales them to [-1, 1].

    Raises :class:`UsageError` (a ``ValueError``) for fewer bands or an even window.
    """

    shares_trunk = True  # there is nothing around a pixel to compute, so both engines do the same work

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn1d", components, window, least_components=MIN_BANDS)
        self.margin = window - 1
        length = components // 9
        filtered = components - length + 1
        self.pool = max(1, round(filtered / POOLED))
        self.conv = nn.Conv1d(1, 20, length)
        self.dense1 = nn.Linear(20 * math.ceil(filtered / self.pool), 100)
        self.dense2 = nn.Linear(100, classes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.05, 0.05)  # as in the paper

    def trunk(self, tiles: Tensor) -> Tensor:
        """The pixels that are in the middle of a window: ``(N, K, h, w) -> (N, K, h - margin, w - margin)``."""
        half = self.window // 2
        return tiles[:, :, half : tiles.shape[2] - half, half : tiles.shape[3] - half]

    def head(self, features: Tensor) -> Tensor:
        """``(N, K, 1, 1) -> (N, classes)``."""
        x = torch.tanh(self.conv(features.flatten(1).unsqueeze(1)))  # (N, 20, K - K // 9 + 1)
        x = F.max_pool1d(x, self.pool, ceil_mode=True).flatten(1)  # (N, 20 * about 37)
        scores: Tensor = self.dense2(torch.tanh(self.dense1(x)))
        return scores


MODELS.register("cnn1d")(
    ModelEntry(
        name="cnn1d",
        build=CNN1D,
        norm="none",
        attention="none",
        source="doi:10.1155/2015/258619",
        reducer="identity",
        window=1,
    )
)
