"""How much memory there is, and how a scene is cut so that mapping stays within it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hsi.errors import UsageError

MB = 10**6
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
TILE_SIDES = (16, 160)  # smallest and largest tile, in pixels; larger ones are no faster
ROWS = (8, 512)  # fewest and most rows of a strip
OUTPUT_TILE = 256  # rows of a tile of the files that are written
CACHES = (16 * MB, 512 * MB)  # smallest and largest block cache of GDAL, which gets a share of the limit
CACHE_SHARE = 16
USABLE = 0.8  # of what is free below the limit; the C library holds on to some that was given back, measured up to 19 %
PIECES = 48 * MB  # copies of a piece of a scene while it becomes components, for the largest of several reads


def parse_memory(text: str) -> int:
    """``"1GB"``, ``"512 MB"`` or ``"1.5GiB"`` in bytes. Raises :class:`UsageError` for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    if not match or match[2] not in UNITS:
        raise UsageError(f"'{text}' is not an amount of memory: write 512MB or 2GB")
    return int(float(match[1]) * UNITS[match[2]])


def free_memory() -> int:
    """Bytes that could be used now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def resident_memory() -> int:
    """Bytes of memory that this process holds now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


@dataclass(frozen=True)
class MemoryModel:
    """What mapping a scene takes: its ``width`` and the bytes ``stored`` for a pixel of its file, the network's
    ``components``, ``window`` and ``classes``, the bytes of ``outputs`` for a pixel, and the ``patches`` that the patch
    engine works on at a time (0 for the dense engine), which take ``patch_bytes`` for a component of a pixel.
    Probabilities are blended with those of pixels up to ``reach`` away (0 where they are not). The network has ``kept``
    bytes for good, and cleaning the scene as it is read takes ``cleaning``."""

    width: int
    stored: int
    components: int
    window: int
    classes: int
    outputs: int
    patches: int = 0
    reach: int = 0
    patch_bytes: int = 270
    kept: int = 0
    cleaning: int = 0

    def network(self, tile: int) -> int:
        """Bytes that the network takes for tiles of up to that side, or for its patches.

        The factors lie above all that was measured in float32 on a CPU, as growth of the peak resident memory in MB
        (components / window / tile, without, with SE and with CBAM attention): 13 / 11 / 128: 89, 166, 101;
        13 / 25 / 128: 75, 137, 237; 15 / 19 / 128: 75, 142, 221; 30 / 11 / 128: 286, 274, 286; 30 / 25 / 32: 54, 42,
        94; 30 / 25 / 80: 184, 173, 144; 30 / 25 / 128: 356, 328, 381; 60 / 11 / 128: 611, 659, 540; 60 / 25 / 160: 913,
        931, 1426. 256 patches at a time: 13 / 11: 45; 13 / 25: 328; 15 / 19: 210; 30 / 25: 1239; 60 / 11: 446.
        Other networks hold less for a tile of as many components: see the tests.
        """
        if self.patches:
            return 60 * MB + self.patches * self.window**2 * self.patch_bytes * self.components
        return 60 * MB + self.kept + (tile + self.window - 1) ** 2 * 5 * self.largest_layer

    @property
    def largest_layer(self) -> int:
        """Numbers that the layer which takes most holds for a pixel of a tile: its inputs, and twice its outputs and
        the runs of neighbouring components that it copies."""
        channels, depths = (1, 8, 16, 32), [self.components - taken for taken in (0, 6, 10, 12)]
        largest = 2500  # in the head
        for layer, run in enumerate((7, 5, 3)):
            inside, outside = channels[layer] * depths[layer], channels[layer + 1] * depths[layer + 1]
            copies = run * channels[layer] * depths[layer + 1]
            largest = max(largest, inside + 2 * copies + 2 * outside)
        return largest

    @property
    def row(self) -> int:
        """Bytes for a row of a strip: as stored, five copies of the components, probabilities, and the outputs."""
        copies = 5 if self.reach else 3  # of the probabilities
        return self.width * (self.stored + 5 * 4 * self.components + copies * 4 * self.classes + 2 * self.outputs + 16)

    @property
    def held(self) -> int:
        """Bytes held whatever the strip: the rows of components above, and a row of output tiles, twice, and what it
        takes to clean the scene."""
        around = self.window + 2 * self.reach
        return self.cleaning + self.width * (2 * around * 4 * self.components + 2 * OUTPUT_TILE * self.outputs)


@dataclass(frozen=True)
class MemoryPlan:
    """How a scene is streamed: ``rows`` are read and reduced at a time, ``tile`` is the side of the network's tiles,
    ``cache`` the bytes that GDAL may keep of the files it reads and writes."""

    rows: int
    tile: int
    cache: int


def plan_memory(limit: int, work: MemoryModel) -> MemoryPlan:
    """The largest tiles, and strips to suit them, that keep this process below ``limit`` bytes, whatever the height.

    Raises :class:`UsageError` when even the smallest do not fit.
    """
    cache = min(max(limit // CACHE_SHARE, CACHES[0]), CACHES[1])
    resident = resident_memory()
    budget = (limit - resident - cache) * USABLE - work.held - PIECES
    for tile in range(TILE_SIDES[1], TILE_SIDES[0] - 1, -8):
        rows = int((budget - work.network(tile)) / work.row)
        # strips lower than the tile make its margin count for more
        if rows >= tile or (tile == TILE_SIDES[0] and rows >= ROWS[0]):
            return MemoryPlan(min(ROWS[1], rows), tile, cache)
    least = resident + (work.held + PIECES + work.network(TILE_SIDES[0]) + ROWS[0] * work.row) / USABLE
    need = max(least + CACHES[0], least * CACHE_SHARE / (CACHE_SHARE - 1)) / MB + 1
    raise UsageError(f"--max-memory is {limit / MB:,.0f} MB; this scene and model need at least {need:,.0f} MB")
