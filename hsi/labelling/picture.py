"""A picture of a scene of any size: three channels, of which a page gets the part and the resolution that it shows."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import EMPTY
from hsi.core.events import warning
from hsi.core.files import cache_folder, write_atomically
from hsi.core.memory import scratch_array
from hsi.core.scene import Block, Scene, forget_pages, take_sample, usable_pixels
from hsi.errors import OutputError, UsageError
from hsi.io.open import files_of
from hsi.preprocessing.reducers import find_reducer
from hsi.report.figures.maps import display_bands
from hsi.settings import ReducerSettings

Levels = NDArray[np.uint16]  # (h, w, 3), 0 where a pixel cannot be used
Compute = Callable[[NDArray[Any]], NDArray[np.floating[Any]]]
Advance = Callable[[int, int], None]
OVERVIEW_BYTES = 512 * 2**20  # of the scene as stored that are read for the first picture
OVERVIEW_PIXELS = 640_000  # of the first picture, at most
DIRECT_BYTES = 256 * 2**20  # of the scene as stored that are read for one view before all of it has been
CHUNK_BYTES = 16 * 2**20
SAMPLE_BYTES = 24 * 2**20  # that components are fitted on
PIECE = 1 << 13  # pixels that are transformed at a time, because each makes float64 copies
COARSE = 8  # the step of the level that large views are taken from
CACHED_PIXELS = 500_000  # from which on the picture is stored in the user's cache
MOST_CACHED = 12  # files
HASHED = 2**20  # bytes of the scene that tell it from others
SPARE = 1.1  # of the bytes of a picture, that have to be free to store it
SCALE = (0.05, 99.95)  # percentiles that levels 1 to 65535 span


@dataclass(frozen=True)
class Channels:
    """What is shown as red, green and blue: ``compute`` makes ``(h, w, 3)`` floats of a cube ``(h, w, B)``.

    ``title`` says it in words; ``key`` tells it from other choices of the same scene.
    """

    title: str
    key: str
    compute: Compute


@dataclass(frozen=True)
class View:
    """Pixels ``(h, w, 3)`` uint8 of a ``block`` of the scene, every ``step``-th of them; ``fine`` is False where a
    coarser picture than asked for stands in until the scene has been read."""

    block: Block
    step: int
    pixels: NDArray[np.uint8]
    fine: bool


def wavelength_channels(scene: Scene) -> Channels:
    """The bands nearest red, green and blue, or three bands far from each other where wavelengths are not known."""
    return band_channels(scene, display_bands(scene))


def band_channels(scene: Scene, bands: Sequence[int]) -> Channels:
    """Three bands by their positions among those of the scene. Raises :class:`UsageError` for any other choice."""
    wrong = [band for band in bands if not 0 <= band < len(scene.bands)]
    if len(bands) != 3 or wrong:
        raise UsageError(f"a picture shows 3 of the {len(scene.bands)} bands, found {len(bands)}: choose others")
    chosen = list(bands)
    names = [f"{scene.wavelengths[b]:.0f} nm" if scene.wavelengths else f"band {scene.bands[b] + 1}" for b in chosen]
    return Channels(", ".join(names), f"bands {chosen}", lambda cube: cube[:, :, chosen].astype(np.float32))


def component_channels(scene: Scene, use: NDArray[np.bool_] | None = None) -> Channels:
    """The first three components of minimum noise fraction, or principal ones where noise cannot be estimated.

    They are fitted on strips of complete rows from all over the scene, of 24 MiB as stored; ``use`` ``(H, W)`` are
    the pixels to use, all by default.
    """
    strips = list(_sample_strips(scene, use))
    if len(scene.bands) < 3:
        raise UsageError(f"components need 3 bands, and the scene has {len(scene.bands)}: choose bands")
    for name in ("mnf", "pca"):
        settings = ReducerSettings(name=name, components=3)
        reducer = find_reducer(settings)(settings)
        try:
            reducer.fit(strips)
            break
        except UsageError:
            if name == "pca":
                raise

    def compute(cube: NDArray[Any]) -> NDArray[np.float32]:
        pixels = cube.reshape(-1, cube.shape[2])
        reduced = np.empty((len(pixels), 3), np.float32)
        for start in range(0, len(pixels), PIECE):
            reduced[start : start + PIECE] = reducer.transform(np.nan_to_num(pixels[start : start + PIECE]))
        return reduced.reshape(*cube.shape[:2], 3)

    return Channels(f"components 1 to 3 ({name.upper()})", f"{name} 1 to 3", compute)


def _sample_strips(scene: Scene, use: NDArray[np.bool_] | None) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Complete rows in strips from all over the scene, with the pixels that can be used."""
    row = scene.width * len(scene.bands) * scene.dtype.itemsize
    rows = max(1, min(scene.height, SAMPLE_BYTES // row))
    strips = min(12, rows) if rows < scene.height else 1
    height = rows // strips
    for top in dict.fromkeys(np.linspace(0, scene.height - height, strips).astype(int).tolist()):
        block = Block(top, 0, height, scene.width)
        cube = scene.read(block)
        yield cube, _usable(scene, cube, use, block.slices)


def _usable(scene: Scene, cube: NDArray[Any], use: NDArray[np.bool_] | None, place: Any) -> NDArray[np.bool_]:
    usable = usable_pixels(cube, scene.nodata)
    return usable if use is None else usable & use[place]


class _Stopped(Exception):
    """The picture is no longer wanted."""


class ScenePicture:
    """The picture of a scene in some :class:`Channels`.

    A coarse overview is read at once; :meth:`build` reads the scene once and stores all of it, in memory or, for a
    large scene in a file, in the user's cache, where the next start finds it, unless a file of the scene has another
    size, time or sample of values by then. Methods may be called from any thread.
    """

    def __init__(
        self,
        scene: Scene,
        channels: Channels,
        use: NDArray[np.bool_] | None = None,
        folder: Path | None = None,
        most: int | None = None,
    ) -> None:
        """``use`` ``(H, W)`` are the pixels to show; ``folder`` is that of the cache, by default the user's. Where it
        cannot be written, a picture of more than ``most`` bytes is in a temporary file."""
        self.scene, self.channels, self.use, self._most = scene, channels, use, most
        self._usable: NDArray[np.bool_] | None = None
        large = scene.source is not None and scene.height * scene.width >= CACHED_PIXELS
        self._stem = (folder or cache_folder() / "pictures") / self._name() if large else None
        self.levels: dict[int, Levels] = self._load()
        pixels, stored = scene.height * scene.width, len(scene.bands) * scene.dtype.itemsize
        self._pixel_bytes = stored
        if self.complete:
            return
        small = pixels * stored <= DIRECT_BYTES and self._stem is None
        step = 1 if small else _power(pixels * stored / OVERVIEW_BYTES, (pixels / OVERVIEW_PIXELS) ** 0.5)
        values, usable = self._read(scene.extent, step)
        self._limits = _limits(values[usable])
        self.levels = {step: self._quantise(values, usable)}

    @property
    def complete(self) -> bool:
        """Whether every pixel of the scene is at hand."""
        return 1 in self.levels

    @property
    def usable(self) -> NDArray[np.bool_]:
        """The usable pixels ``(H, W)``; all pixels until every one is at hand."""
        if self._usable is None:
            if not self.complete:
                return np.ones((self.scene.height, self.scene.width), bool)
            usable = np.empty((self.scene.height, self.scene.width), bool)
            for block in self.scene.blocks():
                np.greater(self.levels[1][block.slices][:, :, 0], 0, out=usable[block.slices])
                forget_pages(self.levels[1])
            self._usable = usable
        return self._usable

    def build(self, progress: Advance | None = None, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Read the scene once, so that every view is fine; False where ``stopped()`` became true.

        ``progress(rows done, rows)`` is called after each block.
        """
        if self.complete:
            return True
        height, width = self.scene.height, self.scene.width
        try:
            if self._stem is not None:
                self._store((height, width, 3), progress, stopped)
                self.levels = self._load() or self.levels
        except _Stopped:
            return False
        except OutputError as error:
            warning(f"{error}; the picture is not stored, and made again at the next start")
        if not self.complete:
            full: Levels = scratch_array((height, width, 3), np.uint16, self._most)
            try:
                self._fill(full, progress, stopped)
            except _Stopped:
                return False
            coarse = np.array(full[::COARSE, ::COARSE])
            forget_pages(full)
            self.levels = {1: full, COARSE: coarse} if self._stem else {1: full, **self.levels}
        return True

    def _store(self, shape: tuple[int, int, int], progress: Advance | None, stopped: Callable[[], bool]) -> None:
        """Write the levels to the cache. Raises :class:`OutputError` where that is not possible."""
        folder, size = self._level_file(1).parent, 2 * math.prod(shape)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if folder.exists() and shutil.disk_usage(folder).free < SPARE * size:
            raise OutputError(f"{folder}: there is no room for {size / 10**6:,.0f} MB")
        with write_atomically(self._level_file(1)) as part:
            file = np.lib.format.open_memmap(part, "w+", np.uint16, shape)
            self._fill(file, progress, stopped)
            file.flush()
            coarse = np.array(file[::COARSE, ::COARSE])
            forget_pages(file)
        with write_atomically(self._level_file(COARSE)) as part, part.open("wb") as stream:
            np.save(stream, coarse)
        _forget_old(folder)

    def view(self, window: Block, step: int, percent: float = 2.0) -> View:
        """The pixels of a ``window``, every ``step``-th (a power of two), stretched between two percentiles of all the
        scene: ``percent`` and 100 less it. A window may leave the scene; the view is the part inside."""
        level = max((factor for factor in self.levels if factor <= step), default=0)
        block = _inside(window, step, self.scene)
        rows, columns = block.slices
        if level:
            every = step // level
            cut = self.levels[level][
                rows.start // level : -(-rows.stop // level) : every,
                columns.start // level : -(-columns.stop // level) : every,
            ]
            pixels = self._stretch(np.array(cut), percent)
            forget_pages(self.levels[level])
            return View(block, step, pixels, True)
        rows_read = -(-block.height // step)
        if rows_read * block.width * self._pixel_bytes <= DIRECT_BYTES:
            return View(block, step, self._stretch(self._quantise(*self._read(block, step)), percent), True)
        coarse = min(self.levels)
        near = self.view(window, coarse, percent)
        return View(near.block, coarse, near.pixels, False)

    def _stretch(self, levels: Levels, percent: float) -> NDArray[np.uint8]:
        overview = self.levels[max(self.levels)]
        some = overview[:: 1 + overview.shape[0] // 500, :: 1 + overview.shape[1] // 500].reshape(-1, 3)
        some = some[some.any(axis=1)]
        picture = np.empty(levels.shape, np.uint8)
        for channel in range(3):
            low, high = np.percentile(some[:, channel], (percent, 100 - percent)) if len(some) else (0.0, 1.0)
            table = (np.arange(65536) - low) * (255 / max(high - low, 1e-9))
            picture[..., channel] = np.clip(table, 0, 255).astype(np.uint8)[levels[..., channel]]
        picture[~levels.any(axis=2)] = EMPTY
        return picture

    def _read(self, block: Block, step: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Channels ``(h, w, 3)`` of every ``step``-th pixel of a block, and which can be used ``(h, w)``."""
        values, usable = [], []
        for cube, place in self._chunks(block, step):
            usable.append(_usable(self.scene, cube, self.use, place))
            values.append(self.channels.compute(cube).astype(np.float32))
        return np.concatenate(values), np.concatenate(usable)

    def _chunks(self, block: Block, step: int) -> Iterator[tuple[NDArray[Any], Any]]:
        """Cubes of every ``step``-th pixel of a block and their rows and columns in the scene."""
        per_row = block.width * len(self.scene.bands) * self.scene.dtype.itemsize
        rows = range(block.row, block.row + block.height, step)
        at_once = max(1, CHUNK_BYTES // (per_row // step + 1) if step > 1 else CHUNK_BYTES // per_row)
        columns = slice(block.column, block.column + block.width, step)
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            if step == 1:
                cube = self.scene.read(Block(some.start, block.column, len(some), block.width))
            else:
                lines = (self.scene.read(Block(row, block.column, 1, block.width))[:, ::step] for row in some)
                cube = np.concatenate(list(lines))
            yield cube, (slice(some.start, some.stop, step), columns)

    def _quantise(self, values: NDArray[np.float32], usable: NDArray[np.bool_]) -> Levels:
        low, high = self._limits
        share = (np.nan_to_num(values) - low) / (high - low)
        levels = np.clip(np.rint(share * 65534), 0, 65534).astype(np.uint16) + np.uint16(1)
        levels[~usable] = 0
        return levels

    def _fill(self, target: Levels, progress: Advance | None, stopped: Callable[[], bool]) -> None:
        height, width, bands = self.scene.shape
        rows = max(1, CHUNK_BYTES // (width * bands * self.scene.dtype.itemsize))
        for block in self.scene.extent.strips(rows):
            if stopped():
                raise _Stopped
            target[block.slices] = self._quantise(*self._read(block, 1))
            forget_pages(target)
            if progress:
                progress(block.row + block.height, height)

    def _level_file(self, factor: int) -> Path:
        assert self._stem is not None
        return self._stem.with_name(f"{self._stem.name}.{factor}.npy")

    def _name(self) -> str:
        """A name that changes with the files and a sample of their values, the bands, and what is shown."""
        scene, facts = self.scene, []
        named = scene.tiles or (() if scene.source is None else (scene.source,))
        for path in (file for one in named for file in files_of(one)):
            status = path.stat()
            facts.append([str(path.resolve()), status.st_size, status.st_mtime_ns])
        window = scene.area and [scene.area.window.row, scene.area.window.column]
        use = None if self.use is None else hashlib.sha256(np.packbits(self.use).tobytes()).hexdigest()
        sample = hashlib.sha256(take_sample(scene, HASHED).read().tobytes()).hexdigest()
        seen = [facts, sample, scene.shape, scene.bands, scene.variable, str(scene.nodata), scene.scale, window, use]
        text = json.dumps([*seen, self.channels.key, SCALE])
        return f"{scene.name[:40].replace('/', '_')}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def _load(self) -> dict[int, Levels]:
        """The levels in the cache; none where one is missing or damaged."""
        shape = (self.scene.height, self.scene.width, 3)
        coarse = (-(-shape[0] // COARSE), -(-shape[1] // COARSE), 3)
        try:
            found: dict[int, Levels] = {}
            for factor, expected in ((1, shape), (COARSE, coarse)):
                levels = np.load(self._level_file(factor), mmap_mode="r", allow_pickle=False)
                if levels.shape != expected or levels.dtype != np.uint16:
                    return {}
                found[factor] = levels
            return found
        except (AssertionError, OSError, ValueError):
            return {}


def _limits(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest level of each channel, by those of usable pixels ``(n, 3)``."""
    if not len(values):
        return np.zeros(3), np.ones(3)
    low, high = np.percentile(values[:: 1 + len(values) // 1_000_000].astype(np.float64), SCALE, axis=0)
    return low, np.where(high > low, high, low + 1)


def _power(*shares: float) -> int:
    """The smallest power of two that is at least as large as each number."""
    step = 1
    while step < max(shares):
        step *= 2
    return step


def step_for(pixels: float, dots: float) -> int:
    """Every how many pixels are enough for a screen: the largest power of two that leaves one for each dot."""
    step = 1
    while pixels / (2 * step) >= dots > 0:
        step *= 2
    return step


def _inside(window: Block, step: int, scene: Scene) -> Block:
    """The part of a window inside the scene, from a multiple of the step on, at least one pixel."""
    row = min(max(window.row, 0), scene.height - 1) // step * step
    column = min(max(window.column, 0), scene.width - 1) // step * step
    bottom = min(max(window.row + window.height, row + 1), scene.height)
    right = min(max(window.column + window.width, column + 1), scene.width)
    return Block(row, column, bottom - row, right - column)


def _forget_old(folder: Path) -> None:
    """Delete all but the newest pictures of the cache."""
    files = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MOST_CACHED:]:
        path.unlink(missing_ok=True)
