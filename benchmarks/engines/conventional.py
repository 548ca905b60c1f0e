"""The conventional way, as other tools run it: patches from a ``DataLoader``, layer by layer as published.

The engines are measured against it; it is also the simplest form of the network to read.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from hsi.models.hybridsn import HybridSN

BATCH = 256  # as published


class Conventional(nn.Module):
    """HybridSN as in its paper (doi:10.1109/LGRS.2019.2918719), on the weights of ``network``.

    ``(N, K, window, window) -> (N, classes)``: the scores of the network, by 3-D convolutions of each patch.
    """

    def __init__(self, network: HybridSN) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        """``(N, K, window, window) -> (N, classes)``."""
        net = self.network
        x = patches.unsqueeze(1)  # (N, 1, K, window, window)
        for conv, norm in ((net.conv1, net.norm1), (net.conv2, net.norm2), (net.conv3, net.norm3)):
            x = conv(x)
            if isinstance(norm, nn.BatchNorm2d):  # over all but the channels
                x = norm(x.flatten(2, 3)).view_as(x)
            x = F.relu(x)
        x = F.relu(net.norm4(net.conv4(x.flatten(1, 2))))  # (N, 64, p, p)
        scores: Tensor = net.head(x)
        return scores


class Patches(Dataset[tuple[NDArray[np.float32], int]]):
    """The patch of each pixel of ``rows`` and ``columns``, cut from ``(K, H + window - 1, W + window - 1)``."""

    def __init__(
        self, padded: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], window: int,
        codes: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        self.padded, self.rows, self.columns, self.window = padded, rows, columns, window
        self.codes = np.zeros(len(rows), np.int64) if codes is None else codes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[NDArray[np.float32], int]:
        row, column = self.rows[i], self.columns[i]
        return self.padded[:, row : row + self.window, column : column + self.window], int(self.codes[i])


@torch.no_grad()
def conventional_scores(
    network: HybridSN, padded: NDArray[np.float32], height: int, width: int, device: torch.device
) -> Tensor:
    """Scores ``(classes, height, width)`` of the first rows and columns of a padded scene, patch by patch."""
    rows, columns = (part.ravel() for part in np.indices((height, width)))
    model = Conventional(network).to(device).eval()
    loader = DataLoader(Patches(padded, rows, columns, network.window), BATCH)
    scores = torch.cat([model(patches.to(device)) for patches, _ in loader])
    return scores.t().reshape(-1, height, width).cpu()


def conventional_pass(
    network: HybridSN, padded: NDArray[np.float32], codes: NDArray[np.int64], train: NDArray[np.bool_],
    device: torch.device,
) -> float:  # fmt: skip
    """One epoch: every training pixel once, in shuffled batches, forward and backward with Adam; the mean loss."""
    rows, columns = np.nonzero(train)
    model = Conventional(network).to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(
        Patches(padded, rows, columns, network.window, codes[train]), BATCH, shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    total = 0.0
    for patches, truth in loader:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(patches.to(device)), truth.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(truth)
    return total / len(rows)
