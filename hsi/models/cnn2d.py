"""The 2-D CNN of Makantasis et al. 2015 (doi:10.1109/IGARSS.2015.7326945): space by convolutions, spectra by PCA."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.layers import slide_dense
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, initialise_he, refuse_small

MIN_WINDOW = 5


class CNN2D(WindowNetwork):
    """Two 3 x 3 convolutions, of 3 K and 9 K filters for K components, and one hidden layer of 6 K units.

    After Makantasis et al. 2015 (doi:10.1109/IGARSS.2015.7326945), who take windows of 5 x 5 pixels, which the
    convolutions bring down to one place, and neither pool nor pad. Any odd ``window >= 5`` works; the hidden layer then
    sees every place that is left. Departures: plain PCA where they use a randomised one, and He's initialisation.

    Raises :class:`UsageError` (a ``ValueError``) for a smaller or even window.
    """

    margin = 4

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__(components, window, classes)
        refuse_small("cnn2d", components, window, least_components=1, least_window=MIN_WINDOW)
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


MODELS.register("cnn2d")(
    ModelEntry(
        name="cnn2d",
        build=CNN2D,
        norm="none",
        attention="none",
        source="doi:10.1109/IGARSS.2015.7326945",
        reducer="pca",
        components=30,
        window=5,
    )
)
