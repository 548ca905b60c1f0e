"""Networks built from YAML files in ``configs/models``: stages of convolutional blocks, then a head."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from hsi.core.files import config_dir
from hsi.errors import UsageError
from hsi.models.blocks import ACTIVATIONS, BLOCKS, ConvBlock, divisible
from hsi.models.layers import initialise_he
from hsi.models.network import WindowNetwork, register_network
from hsi.settings import Section, read_yaml, validated

STAGE_FIELDS = {"block", "channels", "repeats", "stride"}
Activation = Literal["none", "relu", "relu6", "silu", "hardswish"]
assert set(ACTIVATIONS) == set(Activation.__args__)  # type: ignore[attr-defined]


class StageConfig(Section):
    """``repeats`` blocks of a kind with ``channels`` outputs, the first of them with ``stride``.

    The other fields are options of some blocks; None is the block's default. A pool has the channels of its input, an
    inception the sum of its branches.
    """

    block: str
    channels: int | None = Field(default=None, ge=1)
    repeats: int = Field(default=1, ge=1)
    stride: int = Field(default=1, ge=1, le=2)
    kernel: int | None = Field(default=None, ge=1)
    activation: Activation | None = None
    norm: bool | None = None
    expand: float | None = Field(default=None, ge=1)
    se: float | None = Field(default=None, ge=0, le=1)
    squeeze: Literal["expanded", "input"] | None = None
    groups: int | None = Field(default=None, ge=1)
    first_groups: int | None = Field(default=None, ge=1)
    ratio: int | None = Field(default=None, ge=1)
    branches: tuple[int, int, int, int, int, int] | None = None

    @model_validator(mode="after")
    def _fits_the_block(self) -> StageConfig:
        if self.block not in BLOCKS:
            raise ValueError(f"unknown block '{self.block}': known: {', '.join(sorted(BLOCKS))}")
        known = set(inspect.signature(BLOCKS[self.block].__init__).parameters) - {"self", "inputs", "outputs", "stride"}
        unused = sorted(set(self.options) - known)
        if unused:
            raise ValueError(f"the block '{self.block}' has no option {unused[0]}: it has {', '.join(sorted(known))}")
        if (self.channels is None) != (self.block in ("pool", "inception")):
            raise ValueError(f"the block '{self.block}' {'needs' if self.channels is None else 'takes no'} channels")
        if self.block == "inception" and self.branches is None:
            raise ValueError("the block 'inception' needs branches")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options of the block that are set."""
        return {name: value for name, value in self.model_dump(exclude=STAGE_FIELDS).items() if value is not None}

    def scaled(self, width: float, divisor: int) -> StageConfig:
        """The stage with its channels multiplied by ``width``, in multiples of ``divisor``."""
        if width == 1:
            return self
        channels = None if self.channels is None else divisible(self.channels * width, divisor)
        branches = tuple(divisible(width * one, divisor) for one in self.branches) if self.branches else None
        return self.model_copy(update={"channels": channels, "branches": branches})

    def outputs(self, inputs: int) -> int:
        """The number of its output channels."""
        if self.branches:
            return self.branches[0] + self.branches[2] + self.branches[4] + self.branches[5]
        return self.channels or inputs


class HeadConfig(Section):
    """The head of a backbone: ``average`` or ``flatten`` the last rows and columns, ``hidden`` dense layers of these
    widths, dropout before every dense layer but the first, and the dense layer of classes."""

    pool: Literal["average", "flatten"] = "average"
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    dropout: float = Field(default=0, ge=0, lt=1)


class BackboneConfig(Section):
    """A backbone: its source, its default reducer, components and window, its stages and its head.

    Scaled channels are multiples of ``divisor``.
    """

    source: str = Field(min_length=1)
    reducer: str = "mnf"
    components: int | None = Field(default=15, ge=1)
    window: int = Field(default=15, ge=1)
    divisor: int = Field(default=8, ge=1)
    rows: tuple[StageConfig, ...] = Field(min_length=1)
    ending: HeadConfig = HeadConfig()


def load_backbone(path: Path) -> BackboneConfig:
    """A backbone from a YAML file; raises :class:`ConfigError` with the file and the stage for invalid values."""
    return validated(BackboneConfig, read_yaml(path), str(path))


def shipped_backbones() -> dict[str, BackboneConfig]:
    """The backbones that come with this package, by name."""
    return {path.stem: load_backbone(path) for path in sorted((config_dir() / "models").glob("*.yaml"))}


LEAST_SIDE = 2  # of the last features: batch norm needs more than one value of a single window
COPIES = 5  # of a block's widest layer, with its norm and activation, in memory at once; above all measurements
BYTES = 4


class Backbone(WindowNetwork):
    """A network built from a :class:`BackboneConfig`: the blocks of its stages, then its head.

    ``width`` multiplies all channels and ``resolution`` the side of the window, which is resampled bilinearly (both
    from MobileNet, arXiv:1704.04861). Weights start as He's, with a small last layer.

    Raises :class:`UsageError` (a ``ValueError``) for an even window or one too small for the strides, and for
    multipliers outside (0, 4] and (0, 1].
    """

    def __init__(
        self,
        components: int,
        window: int,
        classes: int,
        *,
        name: str,
        config: BackboneConfig,
        width: float = 1.0,
        resolution: float = 1.0,
    ) -> None:
        super().__init__(components, window, classes)
        _check_multipliers(name, width, resolution)
        stages = [stage.scaled(width, config.divisor) for stage in config.rows]
        self.side = max(1, round(resolution * window))
        _check_window(name, stages, window, resolution)
        blocks, channels = _blocks(stages, components)
        self.blocks = nn.Sequential(*blocks)
        last = _sides(stages, self.side)[-1]
        self.flat = config.ending.pool == "flatten"
        self.dense = _head_layers(config.ending, channels * (last * last if self.flat else 1), classes)
        self.patch_bytes = _patch_bytes(blocks, stages, self, self.side)
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        initialise_he(*layers)
        nn.init.normal_(layers[-1].weight, std=0.01)

    def head(self, features: Tensor) -> Tensor:
        """The complete network: ``(N, K, window, window) -> (N, classes)``."""
        x = features.contiguous(memory_format=torch.channels_last)  # up to four times as fast on CPUs
        if self.side != self.window:
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = self.blocks(x)
        scores: Tensor = self.dense(x.flatten(1) if self.flat else x.mean(dim=(2, 3)))
        return scores


def _blocks(stages: list[StageConfig], components: int) -> tuple[list[ConvBlock], int]:
    """The blocks of all stages, of which the first has the stride of its stage, and the channels of the last."""
    blocks, channels = [], components
    for stage in stages:
        for repeat in range(stage.repeats):
            outputs = stage.outputs(channels)
            stride = stage.stride if repeat == 0 else 1
            make: Any = BLOCKS[stage.block]
            blocks.append(make(channels, outputs, stride, **stage.options))
            channels = outputs
    return blocks, channels


def _sides(stages: list[StageConfig], side: int) -> list[int]:
    """The side of a window before the first stage and after each stage."""
    sides = [side]
    for stage in stages:
        unpadded = stage.block == "pool" and (stage.kernel or 2) % 2 == 0
        sides.append(sides[-1] // stage.stride if unpadded else -(-sides[-1] // stage.stride))
    return sides


def _head_layers(head: HeadConfig, inputs: int, classes: int) -> nn.Sequential:
    """Hidden dense layers and the one that gives the scores."""
    widths = [inputs, *head.hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), ACTIVATIONS[head.activation]()]
        layers += [nn.Dropout(head.dropout)] if head.dropout else []
    if head.dropout and not head.hidden:
        layers.append(nn.Dropout(head.dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def _patch_bytes(blocks: Iterable[ConvBlock], stages: list[StageConfig], network: WindowNetwork, side: int) -> int:
    """Bytes per component of a patch's pixel: copies of the widest layer of the largest block."""
    sides = _sides(stages, side)
    entered = chain.from_iterable([sides[i]] + [sides[i + 1]] * (stage.repeats - 1) for i, stage in enumerate(stages))
    numbers = max(block.widest * entering**2 for block, entering in zip(blocks, entered, strict=True))
    return math.ceil(BYTES * (1 + COPIES * numbers / network.window**2 / network.components))


def _check_multipliers(name: str, width: float, resolution: float) -> None:
    if not 0 < width <= 4:
        raise UsageError(f"model.width {width:g}: {name} multiplies its channels by a number above 0, up to 4")
    if not 0 < resolution <= 1:
        raise UsageError(
            f"model.resolution {resolution:g}: the window of {name} is multiplied by a number above 0, up to 1"
        )


def _check_window(name: str, stages: list[StageConfig], window: int, resolution: float) -> None:
    """Raise :class:`UsageError` where the strides leave fewer than :data:`LEAST_SIDE` rows of a window."""
    least = next(w for w in range(1, 10_000, 2) if min(_sides(stages, round(resolution * w))) >= LEAST_SIDE)
    if window < least:
        at = "" if resolution == 1 else f" at model.resolution {resolution:g}"
        raise UsageError(f"{name} needs a window of at least {least}{at}, got {window}: raise --window")


for _name, _config in shipped_backbones().items():
    register_network(
        _name,
        partial(Backbone, name=_name, config=_config),
        _config.source,
        norm="none" if all(stage.norm is False for stage in _config.rows) else "batch",
        attention="se" if any(stage.se for stage in _config.rows) else "none",
        reducer=_config.reducer,
        components=_config.components,
        window=_config.window,
        multipliers=True,
    )
