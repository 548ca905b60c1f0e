"""How much memory there is, and the strips and tiles with which mapping a scene stays within it."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hsi.errors import OutputError, UsageError

MB = 10**6
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
TILE_SIDES = (16, 160)  # smallest and largest tile, in pixels; larger ones are no faster
ROWS = (8, 512)  # fewest and most rows of a strip
OUTPUT_TILE = 256  # rows of a tile of the files that are written
CACHES = (16 * MB, 512 * MB)  # smallest and largest block cache of GDAL, a share of the limit
CACHE_SHARE = 16
USABLE = 0.8  # of the free memory below the limit; the C library retains some freed memory, measured up to 19 %
MMAP_THRESHOLD, MOST_ARENAS = -3, -8  # parameters of glibc's mallopt(3)
PIECES = 48 * MB  # copies of a piece of a scene while it is reduced, for the largest of several reads
SECONDS_BETWEEN = 0.05  # two times that the memory of a process with a limit is measured

_limit: int | None = None  # of this process, see limit_memory


def parse_memory(text: str) -> int:
    """``"1GB"``, ``"512 MB"`` or ``"1.5GiB"`` in bytes. Raises :class:`UsageError` for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    if not match or match[2] not in UNITS:
        raise UsageError(f"'{text}' is not an amount of memory: write 512MB or 2GB")
    return int(float(match[1]) * UNITS[match[2]])


def free_memory() -> int:
    """Bytes that are available now without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def resident_memory() -> int:
    """Bytes of memory that this process uses now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def usual_limit(processes: int = 1) -> int:
    """Bytes for this process where nobody gives a limit: that of :func:`limit_memory`, else half of what is free for
    each of so many ``processes`` besides what this one uses."""
    return _limit or resident_memory() + free_memory() // (2 * processes)


def limit_memory(limit: int, exceeded: Callable[[], None]) -> None:
    """From now on plans of this process keep within ``limit`` bytes, and ``exceeded`` is called, in a thread, when it
    uses more. Raises :class:`UsageError` for less than it uses now."""
    global _limit
    if limit < (now := resident_memory()):
        raise UsageError(
            f"--max-memory is {limit / MB:,.0f} MB, and {now / MB + 1:,.0f} MB are in use already: give more"
        )
    _limit = limit
    return_freed_memory()

    def watch() -> None:
        while resident_memory() <= limit:
            time.sleep(SECONDS_BETWEEN)
        exceeded()

    threading.Thread(target=watch, name="hsi-memory", daemon=True).start()


def glibc() -> ctypes.CDLL | None:
    """The C library of Linux, where its allocator can be set; else None."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def return_freed_memory() -> None:
    """From now on large arrays are returned to the system when they are freed, whichever thread made them.

    By default glibc retains those of up to 32 MB, separately for each thread: hundreds of megabytes in a process with
    several. No effect with other C libraries.
    """
    library = glibc()
    if library is not None:
        library.mallopt(MMAP_THRESHOLD, MB)
        library.mallopt(MOST_ARENAS, 1)


def scratch_array(
    shape: tuple[int, ...], dtype: DTypeLike, most: int | None = None, folder: Path | None = None
) -> NDArray[Any]:
    """An array of zeros: in memory, or in a temporary file where it takes more than ``most`` bytes.

    The file is in ``folder``, by default the temporary folder of the system, and disappears with the array; see
    :func:`hsi.core.scene.forget_pages`. Raises :class:`OutputError` where there is no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if most is None or size <= most:
        return np.zeros(shape, dtype)
    where = folder or Path(tempfile.gettempdir())
    try:
        free = shutil.disk_usage(where).free
        if free < size:
            raise OSError(f"{free / 10**9:,.1f} GB are free")
        with tempfile.TemporaryFile(dir=where) as file:  # the mapping has its own handle
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"{where}: a temporary file of {size / 10**9:,.1f} GB cannot be written ({error.strerror or error}): free "
            "some space, or set TMPDIR to another folder"
        ) from error


@dataclass(frozen=True)
class MemoryModel:
    """What determines the memory of mapping a scene.

    Its ``width`` and the bytes ``stored`` per pixel of its file; the network's ``components``, ``window`` and
    ``classes``; the bytes of ``outputs`` per pixel; the ``patches`` that the patch engine processes at a time (0 for
    the dense engine), which take ``patch_bytes`` per component of a pixel; how far away (``reach``) probabilities are
    blended, 0 for not; the bytes that the network has ``cached``, and those of ``denoising`` the scene as it is read.
    """

    width: int
    stored: int
    components: int
    window: int
    classes: int
    outputs: int
    patches: int = 0
    reach: int = 0
    patch_bytes: int = 270
    cached: int = 0
    denoising: int = 0

    def network(self, tile: int) -> int:
        """Bytes that the network takes for tiles of up to that side, or for its patches.

        The factors are above all measurements in float32 on a CPU, as growth of the peak resident memory in MB
        (components / window / tile, without, with SE and with CBAM attention): 13 / 11 / 128: 89, 166, 101;
        13 / 25 / 128: 75, 137, 237; 15 / 19 / 128: 75, 142, 221; 30 / 11 / 128: 286, 274, 286; 30 / 25 / 32: 54, 42,
        94; 30 / 25 / 80: 184, 173, 144; 30 / 25 / 128: 356, 328, 381; 60 / 11 / 128: 611, 659, 540; 60 / 25 / 160: 913,
        931, 1426. 256 patches at a time: 13 / 11: 45; 13 / 25: 328; 15 / 19: 210; 30 / 25: 1239; 60 / 11: 446.
        Other networks take less for a tile of as many components, as tests confirm.
        """
        if self.patches:
            return 60 * MB + self.patches * self.window**2 * self.patch_bytes * self.components
        return 60 * MB + self.cached + (tile + self.window - 1) ** 2 * 5 * self.largest_layer

    @property
    def largest_layer(self) -> int:
        """Numbers per pixel of a tile in the largest layer: its inputs, and twice its outputs and the runs of
        neighbouring components that it copies."""
        channels, depths = (1, 8, 16, 32), [self.components - taken for taken in (0, 6, 10, 12)]
        largest = 2500  # in the head
        for layer, run in enumerate((7, 5, 3)):
            inside, outside = channels[layer] * depths[layer], channels[layer + 1] * depths[layer + 1]
            copies = run * channels[layer] * depths[layer + 1]
            largest = max(largest, inside + 2 * copies + 2 * outside)
        return largest

    @property
    def row(self) -> int:
        """Bytes per row of a strip: as stored, five copies of the components, probabilities, and the outputs."""
        copies = 5 if self.reach else 3  # of the probabilities
        return self.width * (self.stored + 5 * 4 * self.components + copies * 4 * self.classes + 2 * self.outputs + 16)

    @property
    def held(self) -> int:
        """Bytes independent of the strip: the rows of components above it and a row of output tiles, both twice, and
        those of denoising the scene."""
        around = self.window + 2 * self.reach
        return self.denoising + self.width * (2 * around * 4 * self.components + 2 * OUTPUT_TILE * self.outputs)


@dataclass(frozen=True)
class MemoryPlan:
    """How a scene is streamed: ``rows`` are read and reduced at a time, ``tile`` is the side of the network's tiles,
    ``cache`` the bytes of GDAL's block cache for the files it reads and writes."""

    rows: int
    tile: int
    cache: int


def plan_memory(limit: int, work: MemoryModel) -> MemoryPlan:
    """The largest tiles, and strips to match, with which this process stays below ``limit`` bytes for any height.

    Raises :class:`UsageError` when even the smallest do not fit.
    """
    cache = min(max(limit // CACHE_SHARE, CACHES[0]), CACHES[1])
    resident = resident_memory()
    budget = (limit - resident - cache) * USABLE - work.held - PIECES
    for tile in range(TILE_SIDES[1], TILE_SIDES[0] - 1, -8):
        rows = int((budget - work.network(tile)) / work.row)
        # in strips lower than the tile its margin costs more
        if rows >= tile or (tile == TILE_SIDES[0] and rows >= ROWS[0]):
            return MemoryPlan(min(ROWS[1], rows), tile, cache)
    least = resident + (work.held + PIECES + work.network(TILE_SIDES[0]) + ROWS[0] * work.row) / USABLE
    need = max(least + CACHES[0], least * CACHE_SHARE / (CACHE_SHARE - 1)) / MB + 1
    raise UsageError(f"--max-memory is {limit / MB:,.0f} MB; this scene and model need at least {need:,.0f} MB")
