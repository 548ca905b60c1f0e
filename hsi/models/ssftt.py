"""SSFTT, the spectral-spatial feature tokenization transformer (Sun et al. 2022, doi:10.1109/TGRS.2022.3144158)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import convolve_first, initialise_he
from hsi.models.network import WindowNetwork, refuse_small, register_network

MIN_COMPONENTS, MIN_WINDOW = 3, 5
WIDTH, TOKENS = 64, 4


class SSFTT(WindowNetwork):
    """A 3-D and a 2-D convolution, four tokens of the window, one transformer block (doi:10.1109/TGRS.2022.3144158).

    The convolutions (8 filters of 3 x 3 x 3, then 64 of 3 x 3, unpadded, with batch norm) are the trunk. In the head a
    token is the mean of a window's 64 features weighted by a softmax over its places, with Gaussian initial weights; a
    class token is put before the four, a learned position is added, and one block (4 heads, 8 hidden units, layer norm
    first, dropout 0.1) mixes them; the class token gives the scores. ``components >= 3`` (30 principal
    components as published) and any odd ``window >= 5``, 13 as published. Weights of the convolutions start as He's.

    Raises :class:`UsageError` (a ``ValueError``) for fewer components or a smaller or even window.
    """

    margin = 4

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("SSFTT", components, window, least_components=MIN_COMPONENTS, least_window=MIN_WINDOW)
        self.conv1 = nn.Conv3d(1, 8, 3)
        self.norm1 = nn.BatchNorm3d(8)
        self.conv2 = nn.Conv2d(8 * (components - 2), WIDTH, 3)
        self.norm2 = nn.BatchNorm2d(WIDTH)
        self.weigh = nn.Linear(WIDTH, TOKENS, bias=False)
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position = nn.Parameter(torch.empty(1, TOKENS + 1, WIDTH))
        self.block = nn.TransformerEncoderLayer(
            WIDTH, nhead=4, dim_feedforward=8, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.dropout = nn.Dropout(0.1)
        self.dense = nn.Linear(WIDTH, classes)
        initialise_he(self.conv1, self.conv2)
        nn.init.xavier_normal_(self.weigh.weight)
        nn.init.normal_(self.position, std=0.02)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 64, h - 4, w - 4)``."""
        x = F.relu(self.norm1(convolve_first(self.conv1, tiles)))  # (N, 8, K - 2, h - 2, w - 2)
        return F.relu(self.norm2(self.conv2(x.flatten(1, 2))))

    def tokens(self, features: Tensor) -> Tensor:
        """``(N, 64, p, p) -> (N, 4, 64)``: weighted means of the places of a window."""
        places = features.flatten(2).transpose(1, 2)  # (N, p * p, 64)
        shares = self.weigh(places).softmax(dim=1)  # (N, p * p, 4)
        return torch.bmm(shares.transpose(1, 2), places)

    def head(self, features: Tensor) -> Tensor:
        """``(N, 64, p, p) -> (N, classes)``."""
        tokens = self.tokens(features)
        class_tokens = self.class_token.expand(tokens.shape[0], -1, -1).to(tokens.dtype)
        x = torch.cat([class_tokens, tokens], dim=1) + self.position
        x = self.block(self.dropout(x))  # (N, 5, 64)
        scores: Tensor = self.dense(x[:, 0])
        return scores


_SOURCE = "doi:10.1109/TGRS.2022.3144158"
register_network(
    "ssftt", SSFTT, _SOURCE, norm="batch", attention="self", reducer="pca", components=30, window=13,
    least_components=MIN_COMPONENTS,
)  # fmt: skip
