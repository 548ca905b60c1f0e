"""A saved model as one network from a sensor's bands to class probabilities, for programs that know nothing of hsi."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from hsi.errors import UsageError
from hsi.inference.model_file import Bundle
from hsi.preprocessing.reducers import Reducer
from hsi.version import __version__

Shape = Literal["patch", "tile"]
Values = Literal["bands", "components"]


class Reduction(nn.Module):
    """A fitted linear reducer as a layer: ``(N, B, h, w)`` float32 bands to ``(N, K, h, w)`` components.

    In float64 inside, as the reducer: components are small differences of large numbers. A pixel that holds a NaN or
    an infinity, or zeros alone, is no ground, and its components are zero, as they are outside of a scene.
    """

    mean: Tensor
    weights: Tensor

    def __init__(self, reducer: Reducer) -> None:
        super().__init__()
        state = reducer.state()
        if "weights" not in state and "scale" not in state:
            raise UsageError(f"the {reducer.name} reducer is no matrix to put into a network: use --values components")
        weights = state["weights"] if "weights" in state else 1 / state["scale"]  # (B, K), or (B,)
        self.register_buffer("mean", torch.from_numpy(np.ascontiguousarray(state["mean"])))
        self.register_buffer("weights", torch.from_numpy(np.ascontiguousarray(weights)))

    def forward(self, bands: Tensor) -> Tensor:
        """``(N, B, h, w) -> (N, K, h, w)``."""
        ground = torch.isfinite(bands).all(dim=1, keepdim=True) & (bands != 0).any(dim=1, keepdim=True)
        pixels = torch.where(ground, bands, torch.zeros_like(bands)).permute(0, 2, 3, 1)  # (N, h, w, B)
        centred = pixels.to(torch.float64) - self.mean
        components = centred @ self.weights if self.weights.ndim == 2 else centred * self.weights
        return components.to(torch.float32).permute(0, 3, 1, 2) * ground.to(torch.float32)


class Deployed(nn.Module):
    """Class probabilities of pixels: the reduction, unless ``values`` are components, the network, its temperature.

    ``patch``: ``(N, C, window, window) -> (N, classes)``; ``tile``: ``(1, C, h, w) -> (1, classes, h - window + 1,
    w - window + 1)``. One look at the ground: no average over symmetries, and nothing blended.

    Raises :class:`UsageError` for tiles of a network without a trunk to share.
    """

    def __init__(self, bundle: Bundle, shape: Shape, values: Values) -> None:
        super().__init__()
        if shape == "tile" and not bundle.model.shares_trunk:
            raise UsageError(
                f"{bundle.settings.model.name} pads or strides, so the windows of a tile share nothing: use --input "
                "patch"
            )
        self.shape, self.network, self.temperature = shape, bundle.model, bundle.temperature
        self.reduction = Reduction(bundle.reducer) if values == "bands" else nn.Identity()
        self.folds = values == "bands"
        self.channels = len(bundle.reducer.state()["mean"]) if values == "bands" else bundle.model.components
        self.eval()

    def forward(self, values: Tensor) -> Tensor:
        """Probabilities of the classes, which are axis 1."""
        components = self.reduction(values)
        network = self.network
        scores = network(components) if self.shape == "patch" else network.head_map(network.trunk(components))
        return torch.softmax(scores / self.temperature, dim=1)

    def example(self, rows: int = 3, columns: int = 4) -> Tensor:
        """Random input of its shape: so many patches, or a tile of so many pixels."""
        generator = torch.Generator().manual_seed(rows)
        window = self.network.window
        size = (rows, window, window) if self.shape == "patch" else (1, rows + window - 1, columns + window - 1)
        components = torch.randn(size[0], self.network.components, *size[1:], generator=generator)
        if not isinstance(self.reduction, Reduction):
            return components
        weights, pixels = self.reduction.weights.float(), components.permute(0, 2, 3, 1)
        spread = pixels @ torch.linalg.pinv(weights) if weights.ndim == 2 else pixels / weights
        return (spread + self.reduction.mean.float()).permute(0, 3, 1, 2).contiguous()


def describe_deployed(bundle: Bundle, shape: Shape, values: Values) -> dict[str, Any]:
    """What a program has to know to use the file: its input, window, bands and classes."""
    table, window = bundle.table, bundle.model.window
    count = len(bundle.reducer.state()["mean"]) if values == "bands" else bundle.model.components
    sides = {"patch": f"N x {count} x {window} x {window}", "tile": f"1 x {count} x h x w"}
    given = {"patch": f"N x {len(table)}", "tile": f"1 x {len(table)} x (h - {window - 1}) x (w - {window - 1})"}
    reduction = {name: array.tolist() for name, array in bundle.reducer.state().items()}
    return {
        "hsi": __version__,
        "model": bundle.settings.model.name,
        "input": {"name": "input", "type": "float32", "shape": sides[shape], "values": values},
        "output": {"name": "probabilities", "type": "float32", "shape": given[shape], "of": "the pixel in the middle"},
        "window": window,
        "outside": "0 in all channels, around the scene and where there is no ground",
        "bands": asdict(bundle.bands),
        "classes": {"ids": table.ids, "names": table.names, "colours": table.colours},
        "temperature": bundle.temperature,
        "reducer": {"name": bundle.reducer.name, **(reduction if values == "components" else {})},
    }
