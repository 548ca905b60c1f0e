"""Tiles of a padded scene around labelled pixels, and the eight symmetries of the square."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE_SIDE = 192  # a scene up to this side is one tile
TILE_SIDE = 96  # side of a tile's windows elsewhere: its margin costs half as much again
MOST_WINDOWS = 2048  # windows of a step, and windows that are gathered at once, which bounds memory
STEP_AREA = 40_000  # padded pixels that one step's tiles cover together


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels: ``rows``, ``columns`` and class ``codes``, int64 of shape ``(N,)``."""

    rows: Tensor
    columns: Tensor
    codes: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, which: Tensor) -> Pixels:
        """Some of them, by index or mask."""
        return Pixels(self.rows[which], self.columns[which], self.codes[which])

    def split(self, most: int) -> list[Pixels]:
        """All of them, at most so many at a time."""
        places = torch.arange(len(self), device=self.codes.device)
        return [self.take(some) for some in torch.split(places, most)]

    def to(self, device: torch.device) -> Pixels:
        """The same on a device."""
        return Pixels(self.rows.to(device), self.columns.to(device), self.codes.to(device))


@dataclass(frozen=True)
class Tile:
    """A rectangle of the padded scene and the labelled pixels whose windows lie in it.

    ``pixels.rows`` and ``pixels.columns`` are where their windows start, counted from the tile's corner.
    """

    row: int
    column: int
    height: int
    width: int
    pixels: Pixels

    def cut(self, padded: Tensor) -> Tensor:
        """The rectangle: ``(K, H', W') -> (1, K, height, width)``."""
        rows, columns = slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)
        return padded[None, :, rows, columns]

    @property
    def area(self) -> int:
        """Padded pixels."""
        return self.height * self.width

    def chunk(self, generator: torch.Generator, most: int) -> list[Tile]:
        """The tile with its pixels dealt at random into the fewest equal hands of at most ``most``."""
        hands = math.ceil(len(self.pixels) / most)
        if hands == 1:
            return [self]
        order = torch.randperm(len(self.pixels), generator=generator)
        return [
            Tile(self.row, self.column, self.height, self.width, self.pixels.take(hand.to(self.pixels.codes.device)))
            for hand in order.chunk(hands)
        ]


def plan_tiles(pixels: Pixels, height: int, width: int, window: int, side: int | None = None) -> list[Tile]:
    """Tiles that together hold the window of every pixel once; cells of a grid without pixels are left out.

    ``height`` and ``width`` are those of the scene before padding. All tiles are of one size (those at the far
    edges begin earlier), because every new shape costs a convolution library memory and preparation. ``side`` is that
    of their windows; by default a small scene is one tile.
    """
    side = side or (max(height, width) if max(height, width) <= WHOLE_SIDE else TILE_SIDE)
    across = math.ceil(width / side)
    cells = (pixels.rows // side) * across + pixels.columns // side
    tall, wide = min(side, height), min(side, width)
    tiles = []
    for cell in torch.unique(cells).tolist():
        inside = pixels.take(cells == cell)
        row = min(cell // across * side, height - tall)
        column = min(cell % across * side, width - wide)
        local = Pixels(inside.rows - row, inside.columns - column, inside.codes)
        tiles.append(Tile(row, column, tall + window - 1, wide + window - 1, local))
    return tiles


def group_tiles(tiles: list[Tile], generator: torch.Generator, batch: int | None = None) -> list[list[Tile]]:
    """Tiles in random order, in groups for one step each: of at most ``batch`` windows, however many tiles that takes;
    by default of about ``STEP_AREA`` pixels or ``MOST_WINDOWS`` windows.
    """
    most_windows, most_area = (batch, math.inf) if batch else (MOST_WINDOWS, STEP_AREA)
    parts = [part for tile in tiles for part in tile.chunk(generator, most_windows)]
    groups: list[list[Tile]] = []
    area = windows = 0
    for i in torch.randperm(len(parts), generator=generator).tolist():
        part = parts[i]
        area, windows = area + part.area, windows + len(part.pixels)
        if not groups or area > most_area or windows > most_windows:
            groups.append([])
            area, windows = part.area, len(part.pixels)
        groups[-1].append(part)
    return groups


def symmetry_of_starts(tile: Tile, window: int, which: int) -> tuple[Tensor, Tensor]:
    """Where the tile's windows start after :func:`symmetry` of the tile: ``rows, columns``."""
    rows, columns = tile.pixels.rows, tile.pixels.columns
    if which & 1:
        columns = tile.width - window - columns
    if which & 2:
        rows = tile.height - window - rows
    return (columns, rows) if which & 4 else (rows, columns)
