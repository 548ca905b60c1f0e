"""Tiles of a padded scene around labelled pixels, and their grouping into steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

SINGLE_TILE_SIDE = 192  # a scene up to this side is one tile
TILE_SIDE = 96  # windows along the side of a tile of larger scenes, where the margin adds half of the cost
MOST_WINDOWS = 2048  # windows of a step, and windows gathered at once, to bound memory
STEP_AREA = 40_000  # padded pixels that one step's tiles cover together
STEP_WINDOWS = 1024  # windows about which a step on half a scene has at most
LEAST_HALVED, LEAST_SIDES = 800, 3  # labelled pixels, and windows along each side, of a scene that is halved for a step


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels: ``rows``, ``columns`` and class ``codes``, int64 of shape ``(N,)``."""

    rows: Tensor
    columns: Tensor
    codes: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, which: Tensor) -> Pixels:
        """The pixels of an index or mask."""
        return Pixels(self.rows[which], self.columns[which], self.codes[which])

    def split(self, most: int) -> list[Pixels]:
        """All pixels in parts of at most ``most``."""
        return [self.take(part) for part in torch.split(torch.arange(len(self), device=self.codes.device), most)]

    def to(self, device: torch.device) -> Pixels:
        """The pixels on a device."""
        return Pixels(self.rows.to(device), self.columns.to(device), self.codes.to(device))


@dataclass(frozen=True)
class Tile:
    """A rectangle of the padded scene and the labelled pixels whose windows lie in it.

    ``pixels.rows`` and ``pixels.columns`` are where their windows start, relative to the tile's corner.
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
        """Copies of the tile with random parts of its pixels: the fewest equal parts of at most ``most``."""
        parts = math.ceil(len(self.pixels) / most)
        if parts == 1:
            return [self]
        order = torch.randperm(len(self.pixels), generator=generator).to(self.pixels.codes.device)
        return [replace(self, pixels=self.pixels.take(part)) for part in order.chunk(parts)]

    def halve(self, generator: torch.Generator, window: int) -> list[Tile]:
        """Two halves of the tile, of its rows or of its columns, in random order; each has the margin of its windows.

        Both have the same size; one without pixels is left out.
        """
        by_rows = bool(torch.randint(2, (), generator=generator))
        places, length = (self.pixels.rows, self.height) if by_rows else (self.pixels.columns, self.width)
        windows = length - window + 1
        size = math.ceil(windows / 2)
        height, width = (size + window - 1, self.width) if by_rows else (self.height, size + window - 1)
        halves = []
        for start, inside in ((0, places < size), (windows - size, places >= size)):
            down, right = (start, 0) if by_rows else (0, start)
            pixels = self.pixels.take(inside)
            local = Pixels(pixels.rows - down, pixels.columns - right, pixels.codes)
            halves.append(Tile(self.row + down, self.column + right, height, width, local))
        order = torch.randperm(2, generator=generator).tolist()
        return [halves[i] for i in order if len(halves[i].pixels)]


def plan_tiles(pixels: Pixels, height: int, width: int, window: int, side: int | None = None) -> list[Tile]:
    """The cells of a grid that together contain the window of every pixel once, without cells that have no pixels.

    ``height`` and ``width`` are those of the scene before padding. All tiles have the same size (those at the far
    edges begin earlier), because every new shape costs a convolution library memory and preparation. ``side`` is the
    number of windows along a side; by default a small scene is one tile.
    """
    side = side or (max(height, width) if max(height, width) <= SINGLE_TILE_SIDE else TILE_SIDE)
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
    """Tiles in random order, in groups for one step each: of at most ``batch`` windows, or by default of about
    :data:`STEP_AREA` pixels or :data:`MOST_WINDOWS` windows."""
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
