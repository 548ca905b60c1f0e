"""What every classifier of windows is: a trunk that slides over a scene and a head that looks at one window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.core.registry import Registry
from hsi.errors import UsageError
from hsi.models.windows import window_rows


class WindowNetwork(nn.Module):
    """A network that gives class scores to the pixel in the middle of a ``window x window`` neighbourhood.

    ``forward(patches) = head(trunk(patches))`` is the textbook network. A trunk whose layers are all stride 1 and
    unpadded shrinks its input by ``margin`` rows and columns and may slide over a whole scene once instead of over
    every patch: ``head_map(trunk(tile))`` then gives the same scores for every window in the tile. A network that
    pads or strides leaves ``trunk`` as the identity (``margin = 0``); its head is the whole network.

    Shapes: patches ``(N, K, window, window)`` float32, tiles ``(1, K, h, w)``, scores ``(N, classes)``.
    """

    margin: int = 0
    patch_bytes: int = (
        130  # for a component of a patch's pixel while the patch engine maps, above all that was measured
    )

    def __init__(self, components: int, window: int, classes: int) -> None:
        super().__init__()
        if window % 2 == 0 or window < 1:
            raise UsageError(f"window is {window}; it must be odd, so that it has a middle pixel: try {window + 1}")
        self.components, self.window, self.classes = components, window, classes

    @property
    def members(self) -> tuple[WindowNetwork, ...]:
        """The networks that learn each for itself; one, unless it is several."""
        return (self,)

    @property
    def shares_trunk(self) -> bool:
        """Whether neighbouring windows share the trunk's work."""
        return self.margin > 0

    @property
    def kept_bytes(self) -> int:
        """Memory that the network takes for good once it maps, beside its weights."""
        return 0

    @property
    def head_window(self) -> int:
        """Side of the square of trunk output that the head looks at."""
        return self.window - self.margin

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C, h - margin, w - margin)``; the identity unless overridden."""
        return tiles

    def head(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, classes)`` with ``p = head_window``."""
        raise NotImplementedError

    def head_map(self, features: Tensor) -> Tensor:
        """The head at every window of a tile: ``(1, C, h, w) -> (1, classes, h - p + 1, w - p + 1)``.

        The plain way, right for every head: the windows of a few rows at a time through :meth:`head`.
        """
        if tracing():  # a graph for other programs has no loops, so it holds all windows at once
            return self._unrolled_map(features)
        rows = [self.head(windows) for windows in window_rows(features[0], self.head_window)]
        height, width = (side - self.head_window + 1 for side in features.shape[-2:])
        return torch.cat(rows).view(1, height, width, -1).permute(0, 3, 1, 2)

    def _unrolled_map(self, features: Tensor) -> Tensor:
        side, channels = self.head_window, int(features.shape[1])
        windows = F.unfold(features, side).transpose(1, 2).reshape(-1, channels, side, side)
        height, width = features.shape[2] - side + 1, features.shape[3] - side + 1
        return self.head(windows).t().reshape(1, -1, height, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Class scores (logits) of patches: ``(N, K, window, window) -> (N, classes)``."""
        return self.head(self.trunk(patches))


@dataclass(frozen=True)
class ModelEntry:
    """A line of ``hsi models``: how to build the network and where it comes from.

    ``reducer``, ``components`` and ``window`` are what the method looks at as published; None leaves the choice to the
    settings. Components None under the reducer "identity" are all bands. ``multipliers`` tells whether ``build`` takes
    ``width`` and ``resolution`` beside components, window and classes.
    """

    name: str
    build: Callable[..., WindowNetwork]
    norm: str
    attention: str
    source: str
    reducer: str | None = None
    components: int | None = None
    window: int | None = None
    multipliers: bool = False


MODELS: Registry[ModelEntry] = Registry("model", "hsi.models")


def tracing() -> bool:
    """Whether the network is being written down as a graph, which has no loops over rows."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def refuse_small(title: str, components: int, window: int, *, least_components: int, least_window: int = 1) -> None:
    """Raise :class:`UsageError` for fewer components, or a smaller window, than a network's layers can take."""
    if components < least_components:
        raise UsageError(
            f"{title} needs at least {least_components} components, got {components}: raise --components, "
            "or use --reducer identity, which keeps every band"
        )
    if window < least_window:
        raise UsageError(f"{title} needs a window of at least {least_window}, got {window}: raise --window")


def initialise_he(*layers: nn.Conv2d | nn.Conv3d | nn.Linear) -> None:
    """He's initialisation (doi:10.1109/ICCV.2015.123) and zero biases."""
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def convolve_first(layer: nn.Conv3d, tiles: Tensor) -> Tensor:
    """A first 3-D layer of D x 3 x 3 with channels last in memory: ``(N, K, h, w) -> (N, C, K - D + 1, h - 2, w - 2)``.

    The same sums as ``layer(tiles.unsqueeze(1))``, as a 2-D convolution of every D neighbouring components, in the
    layout that CPUs and GPUs take fastest in the layers that follow.
    """
    depth = layer.kernel_size[0]
    runs = tiles.unfold(1, depth, 1).permute(0, 1, 4, 2, 3)  # (N, K - D + 1, D, h, w)
    runs = runs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    x = F.conv2d(runs, layer.weight.squeeze(1), layer.bias)  # (N * (K - D + 1), C, h - 2, w - 2)
    return x.view(-1, tiles.shape[1] - depth + 1, *x.shape[1:]).transpose(1, 2)


def choose_engine(engine: str, model: WindowNetwork) -> str:
    """``dense`` where the network has a trunk to share, unless told otherwise. Raises :class:`UsageError`."""
    if engine == "dense" and not model.shares_trunk:
        raise UsageError("this network pads or strides, so its windows share no trunk: use --engine patch")
    return ("dense" if model.shares_trunk else "patch") if engine == "auto" else engine
