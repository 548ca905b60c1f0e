"""The 3-D CNN of Ben Hamida et al. 2018 (doi:10.1109/TGRS.2018.2818945): space and spectrum together, all bands."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import slide_dense
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, convolve_first, initialise_he, refuse_small

MIN_BANDS, MIN_WINDOW = 3, 5


class CNN3D(WindowNetwork):
    """Six convolutions along (bands, rows, columns) and one dense layer (doi:10.1109/TGRS.2018.2818945).

    Two of 3 x 3 x 3 (20 and 35 filters) look around, two strided ones along the bands stand in for pooling, and two
    more go on along the bands; ReLU after each. Padding and strides are along the bands only, so the layers slide over
    a scene. ``components >= 3`` bands and any odd ``window >= 5``; 5 as published. Weights start as He's.

    Raises :class:`UsageError` (a ``ValueError``) for fewer bands or a smaller or even window.
    """

    margin = 4

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn3d", components, window, least_components=MIN_BANDS, least_window=MIN_WINDOW)
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


MODELS.register("cnn3d")(
    ModelEntry(
        name="cnn3d",
        build=CNN3D,
        norm="none",
        attention="none",
        source="doi:10.1109/TGRS.2018.2818945",
        reducer="identity",
        window=5,
    )
)
