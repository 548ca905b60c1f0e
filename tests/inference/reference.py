"""Class scores and blended probabilities of all pixels of a scene in memory, which tests compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.inference import blending
from hsi.inference.scores import padded_scores
from hsi.models import WindowNetwork
from hsi.models.windows import pad_scene


def score_pixels(model: WindowNetwork, components: NDArray[np.float32], **options: Any) -> Tensor:
    """Class scores ``(classes, H, W)`` of components ``(K, H, W)``, on the CPU; NaN where no tile covers a pixel."""
    scores = torch.full((model.classes, *components.shape[1:]), float("nan"))
    padded = pad_scene(torch.from_numpy(components), model.window)
    for block, part in padded_scores(model, padded, device=torch.device("cpu"), **options):
        scores[:, *block.slices] = part
    return scores


def blend(probabilities: NDArray[np.float32], components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities ``(C, H, W)`` blended by components ``(K, H, W)``, on the CPU."""
    blended: NDArray[np.float32] = blending.blend(*map(torch.tensor, (probabilities, components))).numpy()
    return blended
