"""The blocks of backbones, each ``(N, C, h, w) -> (N, C', h', w')`` at stride 1 or 2.

A block takes its input and output channels, a stride, and options of its own, which are the keys of the stages in
``configs/models``. Convolutions pad: stride 1 preserves rows and columns, stride 2 halves them, rounded up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hsi.models.attention import SqueezeExcitation

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
}
BLOCKS: dict[str, type[ConvBlock]] = {}


class ConvBlock(nn.Module):
    """A block of a backbone: its layers in the order of their definition, then the input is added if ``adds_input``.

    ``widest`` is the largest number of channels, at the size of the input.
    """

    name: ClassVar[str]
    widest: int
    adds_input: bool = False

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "name" in vars(cls):
            BLOCKS[cls.name] = cls

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w) -> (N, C', h', w')``."""
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.adds_input else y


def divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to a number of channels, at least nine tenths of it (MobileNet's code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class ConvNorm(nn.Sequential):
    """A padded convolution, batch norm (without it, a bias) and an activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: str = "relu",
        norm: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.add_module("conv", nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=not norm))
        if norm:
            self.add_module("norm", nn.BatchNorm2d(outputs))
        if activation != "none":
            self.add_module("activation", ACTIVATIONS[activation]())


def _gate(channels: int, squeezed: int, activation: str = "relu", gate: str = "sigmoid") -> SqueezeExcitation:
    """Squeeze-and-excitation with biases and the given number of squeezed channels."""
    shape: Callable[[Tensor], Tensor] = F.hardsigmoid if gate == "hardsigmoid" else torch.sigmoid
    return SqueezeExcitation(channels, squeezed=squeezed, bias=True, activation=ACTIVATIONS[activation](), shape=shape)


class Convolution(ConvBlock):
    """One convolution with norm and activation."""

    name = "conv"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        activation: str = "relu",
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.widest = outputs
        self.conv = ConvNorm(inputs, outputs, kernel, stride, activation=activation, norm=norm)


class Pool(ConvBlock):
    """The largest value of every ``kernel x kernel`` square; the number of channels is unchanged."""

    name = "pool"

    def __init__(self, inputs: int, outputs: int, stride: int = 2, *, kernel: int = 2) -> None:
        super().__init__()
        self.widest = inputs
        self.pool = nn.MaxPool2d(kernel, stride, padding=kernel // 2 if kernel % 2 else 0)


class Separable(ConvBlock):
    """A depthwise convolution, then a pointwise one (MobileNet V1, Howard et al. 2017, arXiv:1704.04861).

    Of the multiply-adds of a full convolution of D x D it takes ``1 / C' + 1 / D ** 2``.
    """

    name = "separable"

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, *, kernel: int = 3, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.widest = max(inputs, outputs)
        self.depthwise = ConvNorm(inputs, inputs, kernel, stride, groups=inputs, activation=activation)
        self.pointwise = ConvNorm(inputs, outputs, 1, activation=activation)


class InvertedResidual(ConvBlock):
    """The inverted residual: expand, depthwise, a linear bottleneck (MobileNet V2, Sandler et al. 2018,
    doi:10.1109/CVPR.2018.00474).

    There is a shortcut only where the stride is 1 and the shapes match. ``se`` squeezes to that share of the
    ``expanded`` channels, as in MobileNet V3 (Howard et al. 2019, doi:10.1109/ICCV.2019.00140), or of the ``input``
    channels, as in EfficientNet (Tan and Le 2019, arXiv:1905.11946).
    """

    name = "inverted"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        expand: float = 6,
        kernel: int = 3,
        activation: str = "relu6",
        se: float = 0,
        squeeze: str = "expanded",
    ) -> None:
        super().__init__()
        hidden = inputs if expand == 1 else divisible(inputs * expand)
        self.widest = hidden
        self.adds_input = stride == 1 and inputs == outputs
        self.expand = nn.Identity() if expand == 1 else ConvNorm(inputs, hidden, 1, activation=activation)
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride, groups=hidden, activation=activation)
        if squeeze == "input":
            gate: nn.Module = _gate(hidden, max(1, int(inputs * se)), activation)
        else:
            gate = _gate(hidden, divisible(hidden * se), "relu", "hardsigmoid")
        self.attention = gate if se else nn.Identity()
        self.project = ConvNorm(hidden, outputs, 1, activation="none")


class FusedMBConv(ConvBlock):
    """The inverted residual whose expansion and depthwise convolution are one full convolution (EfficientNet V2, Tan
    and Le 2021, arXiv:2104.00298)."""

    name = "fused"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        expand: float = 4,
        kernel: int = 3,
        activation: str = "silu",
    ) -> None:
        super().__init__()
        hidden = outputs if expand == 1 else divisible(inputs * expand)
        self.widest = hidden
        self.adds_input = stride == 1 and inputs == outputs
        self.expand = ConvNorm(inputs, hidden, kernel, stride, activation=activation)
        self.project = nn.Identity() if expand == 1 else ConvNorm(hidden, outputs, 1, activation="none")


def shuffle_channels(x: Tensor, groups: int) -> Tensor:
    """Channels taken from ``groups`` groups in turn: ``(N, C, h, w) -> (N, C, h, w)`` (arXiv:1707.01083)."""
    return x.view(-1, groups, x.shape[1] // groups, *x.shape[2:]).transpose(1, 2).flatten(1, 2)


class Shuffle(ConvBlock):
    """ShuffleNet's unit: grouped pointwise convolutions around a depthwise one, with a channel shuffle after the first
    (Zhang et al. 2018, doi:10.1109/CVPR.2018.00716).

    A quarter of the output's channels is in the middle. At stride 2 the averages of the input are concatenated with the
    result, elsewhere the input is added to it. ``first_groups`` are the groups of the first pointwise convolution,
    1 where the input has few channels.
    """

    name = "shuffle"

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, *, groups: int = 3, first_groups: int | None = None
    ) -> None:
        super().__init__()
        middle, first = outputs // 4, first_groups or groups
        self.widest, self.groups, self.concatenates = outputs, first, stride == 2 or inputs != outputs
        self.reduce = ConvNorm(inputs, middle, 1, groups=first)
        self.depthwise = ConvNorm(middle, middle, 3, stride, groups=middle, activation="none")
        left = outputs - inputs if self.concatenates else outputs
        self.restore = ConvNorm(middle, left, 1, groups=groups, activation="none")
        self.averages = nn.AvgPool2d(3, stride, padding=1) if self.concatenates else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w) -> (N, C', h', w')``."""
        y = self.restore(self.depthwise(shuffle_channels(self.reduce(x), self.groups)))
        return F.relu(torch.cat([self.averages(x), y], dim=1) if self.concatenates else x + y)


class Split(ConvBlock):
    """ShuffleNet V2's unit: half of the channels is passed on, the other half goes through convolutions of equal width,
    and both are shuffled (Ma et al. 2018, doi:10.1007/978-3-030-01264-9_8).

    Where stride or channels change, all channels go through two branches instead.
    """

    name = "split"

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        half = outputs // 2
        self.widest, self.passes = max(inputs, outputs), stride == 1 and inputs == outputs
        entering = half if self.passes else inputs
        self.branch = nn.Sequential(
            ConvNorm(entering, half, 1),
            ConvNorm(half, half, 3, stride, groups=half, activation="none"),
            ConvNorm(half, half, 1),
        )
        self.beside = nn.Sequential()  # the name is a key of saved models
        if not self.passes:
            self.beside.append(ConvNorm(inputs, inputs, 3, stride, groups=inputs, activation="none"))
            self.beside.append(ConvNorm(inputs, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w) -> (N, C', h', w')``."""
        passing, entering = x.chunk(2, dim=1) if self.passes else (self.beside(x), x)
        return shuffle_channels(torch.cat([passing, self.branch(entering)], dim=1), 2)


class Residual(ConvBlock):
    """The base of residual blocks: convolutions, a gate where ``se`` is a share of the channels, and a shortcut, which
    is a 1 x 1 convolution where shapes differ (He et al. 2016, doi:10.1109/CVPR.2016.90; SE: Hu et al. 2018,
    doi:10.1109/CVPR.2018.00745)."""

    def __init__(self, inputs: int, outputs: int, stride: int, layers: list[ConvNorm], se: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.attention = _gate(outputs, max(1, int(outputs * se))) if se else nn.Identity()
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride, activation="none")

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w) -> (N, C', h', w')``."""
        return F.relu(self.attention(self.layers(x)) + self.shortcut(x))


class Basic(Residual):
    """ResNet's block of two 3 x 3 convolutions."""

    name = "basic"

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, se: float = 0) -> None:
        layers = [ConvNorm(inputs, outputs, 3, stride), ConvNorm(outputs, outputs, 3, activation="none")]
        super().__init__(inputs, outputs, stride, layers, se)
        self.widest = max(inputs, outputs)


class Bottleneck(Residual):
    """ResNet's block of 1 x 1, 3 x 3 and 1 x 1 convolutions, narrower in the middle by ``ratio``; with ``groups`` it is
    ResNeXt's (Xie et al. 2017, doi:10.1109/CVPR.2017.634)."""

    name = "bottleneck"

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, *, ratio: int = 4, groups: int = 1, se: float = 0
    ) -> None:
        middle = outputs // ratio
        layers = [
            ConvNorm(inputs, middle, 1),
            ConvNorm(middle, middle, 3, stride, groups=groups),
            ConvNorm(middle, outputs, 1, activation="none"),
        ]
        super().__init__(inputs, outputs, stride, layers, se)
        self.widest = max(inputs, outputs)


class Inception(ConvBlock):
    """GoogLeNet's module: parallel 1 x 1, 3 x 3 and 5 x 5 convolutions and a pooled branch (Szegedy et al. 2015,
    doi:10.1109/CVPR.2015.7298594).

    ``branches`` are the channels of 1 x 1; of 3 x 3 reduced and 3 x 3; of 5 x 5 reduced and 5 x 5; and of the pooled
    branch, in the order of the paper's table. All but the reduced ones add up to the output's channels.
    """

    name = "inception"

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, branches: list[int], norm: bool = True) -> None:
        super().__init__()
        single, reduced3, three, reduced5, five, pooled = branches
        self.widest = max(inputs, outputs)
        self.single = ConvNorm(inputs, single, 1, stride, norm=norm)
        self.three = _reduced(inputs, reduced3, three, 3, stride, norm)
        self.five = _reduced(inputs, reduced5, five, 5, stride, norm)
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvNorm(inputs, pooled, 1, stride, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w) -> (N, C', h', w')``."""
        return torch.cat([self.single(x), self.three(x), self.five(x), self.pooled(x)], dim=1)


def _reduced(inputs: int, reduced: int, outputs: int, kernel: int, stride: int, norm: bool) -> nn.Sequential:
    """A 1 x 1 convolution to fewer channels, then one of ``kernel``."""
    return nn.Sequential(ConvNorm(inputs, reduced, 1, norm=norm), ConvNorm(reduced, outputs, kernel, stride, norm=norm))
