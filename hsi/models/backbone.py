"""Networks from tables of blocks in configs/models, run as a shared trunk and a head."""

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
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, initialise_he
from hsi.settings import Section, read_yaml, validated

OF_ROW = {"block", "channels", "repeats", "stride"}
Activation = Literal["none", "relu", "relu6", "silu", "hardswish"]
assert set(ACTIVATIONS) == set(Activation.__args__)  # type: ignore[attr-defined]


class StageConfig(Section):
    """``repeats`` blocks of a kind to ``channels``, the first of them with ``stride``. The rest are options that only
    some blocks have; None is the block's own default. A pool keeps its channels, an inception adds its branches up."""

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
            raise ValueError(
                f"the block '{self.block}' has no use for {unused[0]}: it knows {', '.join(sorted(known))}"
            )
        if (self.channels is None) != (self.block in ("pool", "inception")):
            raise ValueError(f"the block '{self.block}' {'needs' if self.channels is None else 'takes no'} channels")
        if self.block == "inception" and self.branches is None:
            raise ValueError("the block 'inception' needs branches")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What is said of the block's own options."""
        return {name: value for name, value in self.model_dump(exclude=OF_ROW).items() if value is not None}

    def scaled(self, width: float, divisor: int) -> StageConfig:
        """The row with its channels multiplied by ``width``, in multiples of ``divisor``."""
        if width == 1:
            return self
        channels = None if self.channels is None else divisible(self.channels * width, divisor)
        branches = tuple(divisible(width * one, divisor) for one in self.branches) if self.branches else None
        return self.model_copy(update={"channels": channels, "branches": branches})

    def outputs(self, inputs: int) -> int:
        """The channels that leave it."""
        if self.branches:
            return self.branches[0] + self.branches[2] + self.branches[4] + self.branches[5]
        return self.channels or inputs


class HeadConfig(Section):
    """What makes scores of a backbone's last rows and columns: their ``average`` or all of them (``flatten``), hidden
    dense layers of these widths, dropout before every dense layer but the first, and the dense layer of classes."""

    pool: Literal["average", "flatten"] = "average"
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    dropout: float = Field(default=0, ge=0, lt=1)


class BackboneConfig(Section):
    """A backbone: where it comes from, what it looks at where nobody says, its rows and its ending.

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
    """A table from a YAML file; raises :class:`ConfigError` with the file and the row for what does not fit."""
    return validated(BackboneConfig, read_yaml(path), str(path))


def shipped_backbones() -> dict[str, BackboneConfig]:
    """The tables that come with this package, by the names of their networks."""
    return {path.stem: load_backbone(path) for path in sorted((config_dir() / "models").glob("*.yaml"))}


LEAST_SIDE = 2  # of what the last rows look at: batch norm needs more than one value of a single window
COPIES = 5  # of a block's widest layer, with its norm and activation, that are held at once; above what was measured
BYTES = 4


class Backbone(WindowNetwork):
    """A network built from a table: blocks row by row, then an average and dense layers.

    ``width`` multiplies all channels and ``resolution`` the side of the window, which is resampled bilinearly (both
    from MobileNet, arXiv:1704.04861). Weights start as He's, with a small last layer.

    Raises :class:`UsageError` (a ``ValueError``) for an even window or one that the strides leave nothing of, and for
    multipliers outside (0, 4] and (0, 1].
    """

    def __init__(
        self,
        components: int,
        window: int,
        classes: int,
        *,
        name: str,
        table: BackboneConfig,
        width: float = 1.0,
        resolution: float = 1.0,
    ) -> None:
        super().__init__(components, window, classes)
        _check_multipliers(name, width, resolution)
        rows = [row.scaled(width, table.divisor) for row in table.rows]
        self.side = max(1, round(resolution * window))
        _check_window(name, rows, window, resolution)
        blocks = _blocks(rows, components)
        self.blocks = nn.Sequential(*blocks)
        channels = _channels(rows, components)
        last = _sides(rows, self.side)[-1]
        self.flat = table.ending.pool == "flatten"
        self.dense = _ending(table.ending, channels * (last * last if self.flat else 1), classes)
        self.patch_bytes = _patch_bytes(blocks, rows, self, self.side)
        self._initialise()

    def _initialise(self) -> None:
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        initialise_he(*layers)
        nn.init.normal_(layers[-1].weight, std=0.01)

    def head(self, features: Tensor) -> Tensor:
        """The whole network: ``(N, K, window, window) -> (N, classes)``."""
        x = features.contiguous(memory_format=torch.channels_last)  # up to four times as fast on CPUs
        if self.side != self.window:
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = self.blocks(x)
        scores: Tensor = self.dense(x.flatten(1) if self.flat else x.mean(dim=(2, 3)))
        return scores


def _blocks(rows: list[StageConfig], components: int) -> list[ConvBlock]:
    """The blocks of all rows; only the first of a row has its stride."""
    blocks, channels = [], components
    for row in rows:
        for repeat in range(row.repeats):
            outputs = row.outputs(channels)
            stride = row.stride if repeat == 0 else 1
            make: Any = BLOCKS[row.block]
            blocks.append(make(channels, outputs, stride, **row.options))
            channels = outputs
    return blocks


def _channels(rows: list[StageConfig], components: int) -> int:
    channels = components
    for row in rows:
        channels = row.outputs(channels)
    return channels


def _sides(rows: list[StageConfig], side: int) -> list[int]:
    """The side of a window before the first row and after each row."""
    sides = [side]
    for row in rows:
        whole = row.block == "pool" and (row.kernel or 2) % 2 == 0  # an even pool does not pad
        sides.append(sides[-1] // row.stride if whole else -(-sides[-1] // row.stride))
    return sides


def _ending(ending: HeadConfig, inputs: int, classes: int) -> nn.Sequential:
    """Hidden dense layers and the one that gives the scores."""
    widths = [inputs, *ending.hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), ACTIVATIONS[ending.activation]()]
        layers += [nn.Dropout(ending.dropout)] if ending.dropout else []
    if ending.dropout and not ending.hidden:
        layers.append(nn.Dropout(ending.dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def _patch_bytes(blocks: Iterable[ConvBlock], rows: list[StageConfig], network: WindowNetwork, side: int) -> int:
    """Bytes for a component of a patch's pixel: copies of the widest layer of the block that takes most."""
    sides = _sides(rows, side)
    entered = chain.from_iterable([sides[i]] + [sides[i + 1]] * (row.repeats - 1) for i, row in enumerate(rows))
    numbers = max(block.widest * entering**2 for block, entering in zip(blocks, entered, strict=True))
    return math.ceil(BYTES * (1 + COPIES * numbers / network.window**2 / network.components))


def _check_multipliers(name: str, width: float, resolution: float) -> None:
    if not 0 < width <= 4:
        raise UsageError(f"model.width {width:g}: {name} multiplies its channels by a number above 0 and up to 4")
    if not 0 < resolution <= 1:
        raise UsageError(
            f"model.resolution {resolution:g}: the window of {name} is multiplied by a number above 0, up to 1"
        )


def _check_window(name: str, rows: list[StageConfig], window: int, resolution: float) -> None:
    """Raise :class:`UsageError` where the strides leave less than :data:`LEAST_SIDE` rows of a window."""
    least = next(w for w in range(1, 10_000, 2) if min(_sides(rows, round(resolution * w))) >= LEAST_SIDE)
    if window < least:
        at = "" if resolution == 1 else f" at model.resolution {resolution:g}"
        raise UsageError(f"{name} needs a window of at least {least}{at}, got {window}: raise --window")


def entry_of(name: str, table: BackboneConfig) -> ModelEntry:
    """A table as a registered network."""
    return ModelEntry(
        name=name,
        build=partial(Backbone, name=name, table=table),
        norm="none" if all(row.norm is False for row in table.rows) else "batch",
        attention="se" if any(row.se for row in table.rows) else "none",
        source=table.source,
        reducer=table.reducer,
        components=table.components,
        window=table.window,
        multipliers=True,
    )


for _name, _table in shipped_backbones().items():
    MODELS.register(_name)(entry_of(_name, _table))
