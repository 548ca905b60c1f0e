"""Backbones as tables: rows of blocks in ``configs/models/NAME.yaml``, checked, and read when networks are listed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from hsi.core.files import config_dir
from hsi.models.blocks import ACTIVATIONS, BLOCKS, divisible
from hsi.settings import Section, read_yaml, validated

OF_ROW = {"block", "channels", "repeats", "stride"}
Activation = Literal["none", "relu", "relu6", "silu", "hardswish"]
assert set(ACTIVATIONS) == set(Activation.__args__)  # type: ignore[attr-defined]


class Row(Section):
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
    def _fits_the_block(self) -> Row:
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

    def scaled(self, width: float, divisor: int) -> Row:
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


class Ending(Section):
    """What makes scores of a backbone's last rows and columns: their ``average`` or all of them (``flatten``), hidden
    dense layers of these widths, dropout before every dense layer but the first, and the dense layer of classes."""

    pool: Literal["average", "flatten"] = "average"
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    dropout: float = Field(default=0, ge=0, lt=1)


class Table(Section):
    """A backbone: where it comes from, what it looks at where nobody says, its rows and its ending.

    Scaled channels are multiples of ``divisor``.
    """

    source: str = Field(min_length=1)
    reducer: str = "mnf"
    components: int | None = Field(default=15, ge=1)
    window: int = Field(default=15, ge=1)
    divisor: int = Field(default=8, ge=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    ending: Ending = Ending()


def load_table(path: Path) -> Table:
    """A table from a YAML file; raises :class:`ConfigError` with the file and the row for what does not fit."""
    return validated(Table, read_yaml(path), str(path))


def shipped_tables() -> dict[str, Table]:
    """The tables that come with this package, by the names of their networks."""
    return {path.stem: load_table(path) for path in sorted((config_dir() / "models").glob("*.yaml"))}
