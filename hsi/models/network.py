"""The base class of all networks: a trunk that slides over a scene and a head that classifies one window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.core.registry import Registry
from hsi.errors import UsageError
from hsi.models.layers import tracing
from hsi.models.windows import gather_windows, window_rows


class WindowNetwork(nn.Module):
    """A network that gives class scores to the pixel in the middle of a ``window x window`` neighbourhood.

    ``forward(patches) = head(trunk(patches))`` is the textbook network. A trunk whose layers are all stride 1 and
    unpadded shrinks its input by ``margin`` rows and columns and may slide over a scene once instead of over
    every patch: ``head_map(trunk(tile))`` then gives the same scores for every window in the tile. In a network that
    pads or strides ``trunk`` is the identity (``margin = 0``), and the head is the complete network.

    Shapes: patches ``(N, K, window, window)`` float32, tiles ``(1, K, h, w)``, scores ``(N, classes)``.
    """

    margin: int = 0
    gated: bool = False  # whether a gate of each window weighs the features before the first dense layer
    maps_in_bfloat16: bool = False  # whether a gated head multiplies in bfloat16 while it maps, with float32 sums
    patch_bytes: int = 130  # memory of the patch engine per component of a patch's pixel, above all measurements

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__()
        if window % 2 == 0 or window < 1:
            raise UsageError(f"window is {window}; it must be odd, so that it has a middle pixel: try {window + 1}")
        self.components, self.window, self.classes = components, window, classes

    @property
    def members(self) -> tuple[WindowNetwork, ...]:
        """The networks that are trained independently: this one, or those of an ensemble."""
        return (self,)

    @property
    def shares_trunk(self) -> bool:
        """Whether neighbouring windows share the trunk's work."""
        return self.margin > 0

    @property
    def cache_bytes(self) -> int:
        """Bytes that the network caches while it maps, in addition to its weights."""
        return 0

    @property
    def head_window(self) -> int:
        """Side of the square of trunk output that the head classifies."""
        return self.window - self.margin

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C, h - margin, w - margin)``; the identity unless overridden."""
        return tiles

    def head(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, classes)`` with ``p = head_window``."""
        raise NotImplementedError

    def head_map(self, features: Tensor) -> Tensor:
        """The head at every window of a tile: ``(1, C, h, w) -> (1, classes, h - p + 1, w - p + 1)``.

        The generic implementation, valid for every head: the windows of a few rows at a time through :meth:`head`.
        """
        if tracing():  # an exported graph has no loops, so it holds all windows at once
            side, channels = self.head_window, int(features.shape[1])
            windows = F.unfold(features, side).transpose(1, 2).reshape(-1, channels, side, side)
            height, width = features.shape[2] - side + 1, features.shape[3] - side + 1
            return self.head(windows).t().reshape(1, -1, height, width)
        rows = [self.head(windows) for windows in window_rows(features[0], self.head_window)]
        height, width = (side - self.head_window + 1 for side in features.shape[-2:])
        return torch.cat(rows).view(1, height, width, -1).permute(0, 3, 1, 2)

    def head_at(self, features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The head at the windows of a tile's features that start at ``rows`` and ``columns``, int64 of shape ``(N,)``:
        ``(1, C, h, w) -> (N, classes)``."""
        return self.head(gather_windows(features, rows, columns, self.head_window))

    def forward(self, patches: Tensor) -> Tensor:
        """Class scores (logits) of patches: ``(N, K, window, window) -> (N, classes)``."""
        return self.head(self.trunk(patches))


@dataclass(frozen=True)
class ModelEntry:
    """A row of ``hsi models``: how to build the network and where it is published (``source``).

    ``reducer``, ``components`` and ``window`` are those of the publication; None leaves the choice to the settings.
    Components None with the reducer "identity" are all bands. With ``multipliers`` ``build`` takes ``width`` and
    ``resolution`` in addition to components, window and classes. ``least_components`` is what its layers need.
    """

    name: str
    build: Callable[..., WindowNetwork]
    source: str
    norm: str = "none"
    attention: str = "none"
    reducer: str | None = None
    components: int | None = None
    window: int | None = None
    multipliers: bool = False
    least_components: int = 1


MODELS: Registry[ModelEntry] = Registry("model", "hsi.models")


def register_network(name: str, build: Callable[..., WindowNetwork], source: str, **facts: Any) -> None:
    """Add a network to :data:`MODELS`; ``facts`` are the other fields of its :class:`ModelEntry`."""
    MODELS.register(name)(ModelEntry(name, build, source, **facts))


def refuse_small(title: str, components: int, window: int, *, least_components: int, least_window: int = 1) -> None:
    """Raise :class:`UsageError` for fewer components, or a smaller window, than a network's layers accept."""
    if components < least_components:
        able = ", ".join(name for name, entry in MODELS.items() if entry.least_components <= components)
        raise UsageError(
            f"{title} needs at least {least_components} components, got {components}: choose a --model that takes so "
            f"few ({able}, or a baseline such as svm-window), or more --components where the scene has more bands"
        )
    if window < least_window:
        raise UsageError(f"{title} needs a window of at least {least_window}, got {window}: raise --window")


def choose_engine(engine: str, model: WindowNetwork) -> str:
    """The engine for "auto": "dense" where windows share the trunk, else "patch"; other names are checked.

    Raises :class:`UsageError` for "dense" and a network without a shared trunk.
    """
    if engine == "dense" and not model.shares_trunk:
        raise UsageError("this network pads or strides, so its windows share no trunk: use --engine patch")
    return ("dense" if model.shares_trunk else "patch") if engine == "auto" else engine
