"""The 1-D, 2-D and 3-D convolutional networks that publications compare with.

1-D: Hu et al. 2015 (doi:10.1155/2015/258619), the spectrum of one pixel without its neighbours. 2-D: Makantasis et al.
2015 (doi:10.1109/IGARSS.2015.7326945), convolutions in space over PCA components. 3-D: Ben Hamida et al. 2018
(doi:10.1109/TGRS.2018.2818945), convolutions in space and spectrum over all bands.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import convolve_first, initialise_he, slide_dense
from hsi.models.network import WindowNetwork, refuse_small, register_network

MIN_BANDS_1D = 9
POOLED = 37  # about the number of values that pooling leaves of a filter's output; the paper asks for 30 to 40
MIN_WINDOW_2D = 5
MIN_BANDS_3D, MIN_WINDOW_3D = 3, 5


class CNN3D(WindowNetwork):
    """Six convolutions along (bands, rows, columns) and one dense layer (doi:10.1109/TGRS.2018.2818945).

    Two of 3 x 3 x 3 (20 and 35 filters), two strided ones along the bands instead of pooling, and two more along the
    bands; ReLU after each. Padding and strides are along the bands only, so the layers slide over a scene.
    ``components >= 3`` bands and any odd ``window >= 5``; 5 as published. Weights start as He's.

    Raises :class:`UsageError` (a ``ValueError``) for fewer bands or a smaller or even window.
    """

    margin = 4

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn3d", components, window, least_components=MIN_BANDS_3D, least_window=MIN_WINDOW_3D)
        along = (1, 0, 0)
        self.conv1 = nn.Conv3d(1, 20, 3)
        self.pool1 = nn.Conv3d(20, 20, (3, 1, 1), stride=(2, 1, 1), padding=along)
        self.conv2 = nn.Conv3d(20, 35, 3, padding=along)
        self.pool2 = nn.Conv3d(35, 35, (3, 1, 1), stride=(2, 1, 1), padding=along)
        self.conv3 = nn.Conv3d(35, 35, (3, 1, 1), padding=along)
        self.conv4 = nn.Conv3d(35, 35, (2, 1, 1), stride=(2, 1, 1), padding=along)
        quarter = (components + 1) // 4  # of the bands, which the two strides leave
        depth = quarter // 2 + 1
        self.dense = nn.Linear(35 * depth * self.head_window**2, classes)
        initialise_he(self.conv1, self.pool1, self.conv2, self.pool2, self.conv3, self.conv4)
        nn.init.normal_(self.dense.weight, std=0.01)
        nn.init.zeros_(self.dense.bias)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 35 * depth, h - 4, w - 4)`` with a depth of about K / 8."""
        x = F.relu(convolve_first(self.conv1, tiles))  # (N, 20, K - 2, h - 2, w - 2)
        x = F.relu(self.pool1(x))  # (N, 20, K / 2, h - 2, w - 2)
        x = F.relu(self.conv2(x))  # (N, 35, K / 2, h - 4, w - 4)
        x = F.relu(self.pool2(x))  # (N, 35, K / 4, h - 4, w - 4)
        x = F.relu(self.conv4(F.relu(self.conv3(x))))  # (N, 35, K / 8, h - 4, w - 4)
        return x.flatten(1, 2)

    def head(self, features: Tensor) -> Tensor:
        """``(N, 35 * depth, p, p) -> (N, classes)``."""
        scores: Tensor = self.dense(features.flatten(1))
        return scores

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, 35 * depth, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        return slide_dense(self.dense, features, self.head_window)


register_network(
    "cnn3d", CNN3D, "doi:10.1109/TGRS.2018.2818945", reducer="identity", window=5, least_components=MIN_BANDS_3D
)


class CNN1D(WindowNetwork):
    """20 filters along the spectrum, max pooling, a dense layer of 100 units; tanh (doi:10.1155/2015/258619).

    For ``components >= 9`` bands B a filter is B // 9 long, as in the paper (24 of 220 and 224 bands, 11 of 103), and
    pooling takes as many values at a time as leave about 37 (5, 5 and 3 there), the last of them from the remainder.
    81,408 parameters at 220 bands and 8 classes, the paper's figure for Indian Pines.

    It classifies the middle pixel of any odd ``window``; the published window is 1. A departure: bands have unit
    variance where the paper scales them to [-1, 1].

    Raises :class:`UsageError` (a ``ValueError``) for fewer bands or an even window.
    """

    shares_trunk = True  # nothing is computed around a pixel, so both engines do the same work

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn1d", components, window, least_components=MIN_BANDS_1D)
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
        """The middle pixels of all windows: ``(N, K, h, w) -> (N, K, h - margin, w - margin)``."""
        half = self.window // 2
        return tiles[:, :, half : tiles.shape[2] - half, half : tiles.shape[3] - half]

    def head(self, features: Tensor) -> Tensor:
        """``(N, K, 1, 1) -> (N, classes)``."""
        x = torch.tanh(self.conv(features.flatten(1).unsqueeze(1)))  # (N, 20, K - K // 9 + 1)
        x = F.max_pool1d(x, self.pool, ceil_mode=True).flatten(1)  # (N, 20 * about 37)
        scores: Tensor = self.dense2(torch.tanh(self.dense1(x)))
        return scores


register_network("cnn1d", CNN1D, "doi:10.1155/2015/258619", reducer="identity", window=1, least_components=MIN_BANDS_1D)


class CNN2D(WindowNetwork):
    """Two 3 x 3 convolutions, of 3 K and 9 K filters for K components, and one hidden layer of 6 K units.

    After Makantasis et al. 2015 (doi:10.1109/IGARSS.2015.7326945), who take windows of 5 x 5 pixels, which the
    convolutions reduce to one place, without pooling or padding. Any odd ``window >= 5`` works; the inputs of the
    hidden layer are then all remaining places. Departures: plain PCA instead of a randomised one, and He's
    initialisation.

    Raises :class:`UsageError` (a ``ValueError``) for a smaller or even window.
    """

    margin = 4

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn2d", components, window, least_components=1, least_window=MIN_WINDOW_2D)
        self.conv1 = nn.Conv2d(components, 3 * components, 3)
        self.conv2 = nn.Conv2d(3 * components, 9 * components, 3)
        self.dense1 = nn.Linear(9 * components * self.head_window**2, 6 * components)
        self.dense2 = nn.Linear(6 * components, classes)
        initialise_he(self.conv1, self.conv2, self.dense1)
        nn.init.normal_(self.dense2.weight, std=0.01)
        nn.init.zeros_(self.dense2.bias)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, 9 K, h - 4, w - 4)``."""
        return F.relu(self.conv2(F.relu(self.conv1(tiles))))

    def head(self, features: Tensor) -> Tensor:
        """``(N, 9 K, p, p) -> (N, classes)``."""
        scores: Tensor = self.dense2(F.relu(self.dense1(features.flatten(1))))
        return scores

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, 9 K, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        x = F.relu(slide_dense(self.dense1, features, self.head_window))  # (1, 6 K, h', w')
        return slide_dense(self.dense2, x, 1)


register_network("cnn2d", CNN2D, "doi:10.1109/IGARSS.2015.7326945", reducer="pca", components=30, window=5)
