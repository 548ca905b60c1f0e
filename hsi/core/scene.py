"""A hyperspectral scene: ``(H, W, B)`` on disk, read block by block when asked."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsi.core import notebook as markup
from hsi.core.interrupts import reading
from hsi.errors import SceneError, SceneFileError
from hsi.fill import (
    ENOUGH_BANDS,
    ENOUGH_PIXELS,
    NO_FILL,
    Fill,
    FlatPixels,
    find_flat_pixels,
    is_far,
    repeats_pixels,
    usual_fill,
)

Array = NDArray[Any]
T = TypeVar("T")
SAMPLE_SIDE = 64  # pixels of a square of a sample
FILL_TOLERANCE = 1e-6  # relative, of floats
LEVEL_PIXELS = 5000  # that band levels are measured on


@dataclass(frozen=True)
class Block:
    """A rectangle of pixels: first row, first column, height, width."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an ``(H, W, ...)`` array."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def strips(self, rows: int) -> Iterator[Block]:
        """Parts of so many ``rows``, from top to bottom; the last one may have fewer."""
        for done in range(0, self.height, rows):
            yield replace(self, row=self.row + done, height=min(rows, self.height - done))


@dataclass(frozen=True)
class Georeference:
    """The place of a scene: ``crs`` as WKT (or None) and ``transform``, the six numbers (a, b, c, d, e, f) of an affine
    map from (column, row) to map coordinates, in GDAL's and rasterio's pixel-corner convention."""

    crs: str | None
    transform: tuple[float, float, float, float, float, float]

    def map_coordinates(self, column: Any, row: Any) -> tuple[Any, Any]:
        """The map coordinates of a place in pixels from the upper left corner, or of arrays of them."""
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f


@dataclass(frozen=True)
class ItemSource:
    """The STAC Item that a scene is from: the ``path`` of a file or web address, the ``asset`` that is the cube, and
    its ``dates``, by the names of the Item's properties."""

    path: Path
    asset: str
    dates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A cube ``(H, W, B)`` of any real dtype that is read lazily.

    ``fetch(block)`` reads ``(h, w, all bands of the file)``; ``bands`` are the selected bands of the file, from 0.
    ``axes`` is the order of the array in the file, such as BHW, where its format leaves that open.
    Wavelengths and FWHM (nanometres), ``good`` (False where the file marks a band as bad) and ``scale`` have an entry
    per *selected* band. ``scale`` is given when values are in physical units, float32, instead of as stored: the factor
    that each band was multiplied by; then ``stored`` is the scene as stored, of which ``to_units(values, nodata)``
    makes physical units. ``nodata`` is the value for "no data", NaN where the file's value was replaced.
    ``hiding`` names the alpha band or mask of the file whose hidden pixels are read as 0 in all bands, ``unplaced``
    says what the file has in place of a georeference; both are empty for most files. ``area`` is what the scene is of a
    larger one, ``tiles`` the files that it is joined from, ``item`` the STAC Item that names its ``source``.
    """

    name: str
    source: Path | None
    height: int
    width: int
    bands: tuple[int, ...]
    dtype: np.dtype[Any]
    fetch: Callable[[Block], Array] = field(compare=False)
    variable: str | None = None
    axes: str | None = None
    format: str = "array"
    wavelengths: tuple[float, ...] | None = None
    fwhm: tuple[float, ...] | None = None
    good: tuple[bool, ...] | None = None
    scale: tuple[float, ...] | None = None
    nodata: float | None = None
    georeference: Georeference | None = None
    hiding: str = ""
    unplaced: str = ""
    area: Area | None = field(default=None, compare=False)
    tiles: tuple[Path, ...] = ()
    item: ItemSource | None = None
    stored: Scene | None = field(default=None, compare=False, repr=False)
    to_units: Callable[[Array, float | None], Array] | None = field(default=None, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(H, W, B)`` with the selected bands."""
        return self.height, self.width, len(self.bands)

    @property
    def extent(self) -> Block:
        """All of the scene as one block."""
        return Block(0, 0, self.height, self.width)

    @property
    def grid_sizes(self) -> set[tuple[int, int]]:
        """The sizes that labels and masks of the scene may have: its own, and that of the scene it is cropped from."""
        return {(scene.height, scene.width) for scene in (self, *([self.area.full] if self.area else ()))}

    def read(self, block: Block | None = None) -> Array:
        """The selected bands of a block (or of the scene): ``(h, w, B)`` in the scene's dtype.

        Raises :class:`SceneError` for a block that leaves the scene.
        """
        block = block or self.extent
        inside = block.row >= 0 and block.column >= 0 and block.height > 0 and block.width > 0
        if not inside or block.row + block.height > self.height or block.column + block.width > self.width:
            raise SceneError(f"{block} is outside the scene of {self.height} x {self.width} pixels")
        cube = self.fetch_rows(block)
        if self.bands != tuple(range(cube.shape[2])):
            cube = cube[:, :, list(self.bands)]
        return cube

    def fetch_rows(self, block: Block) -> Array:
        """All bands of the file in a block, ``(h, w, bands of the file)``.

        Raises :class:`SceneError` with the rows when they cannot be read, :class:`SceneFileError` when that is the
        file's fault, and MemoryError when there is none.
        """
        try:
            with reading(self.source):
                return self.fetch(block)
        except MemoryError:
            raise
        except Exception as error:
            where = str(self.source or self.name)
            reason = " ".join(str(error).split()).removeprefix(f"{where}: ")
            last = block.row + block.height
            rows = f"row {last}" if block.height == 1 else f"rows {block.row + 1} to {last}"
            kind = SceneFileError if isinstance(error, SceneFileError) else SceneError
            raise kind(f"{where}: {rows} of {self.height} cannot be read: {reason}") from error

    def blocks(self, budget: int = 128 * 2**20) -> Iterator[Block]:
        """Strips of complete rows that cover the scene, each of about ``budget`` bytes as float64, at least one row."""
        rows = max(1, budget // (self.width * len(self.bands) * 8))
        return self.extent.strips(rows)

    def __repr__(self) -> str:
        return f"<Scene {self.name}: {self._size}, {self.format}>"

    def _repr_html_(self) -> str:
        """The scene's properties, for notebooks."""
        place = self.georeference
        nanometres = f"{min(self.wavelengths):g} to {max(self.wavelengths):g} nm" if self.wavelengths else None
        rows: list[tuple[str, object]] = [
            ("size", self._size),
            ("format", self.format),
            ("source", self.source),
            ("variable", self.variable),
            ("wavelengths", nanometres),
            ("no data", self.nodata),
        ]
        if place:
            corner = f"corner at {place.transform[2]:g}, {place.transform[5]:g}"
            rows.append(("place", f"{(place.crs or 'no CRS')[:60]}, {corner}"))
        return markup.render_properties(f"Scene {self.name}", rows)

    @property
    def _size(self) -> str:
        return f"{self.height:,} x {self.width:,} pixels, {len(self.bands)} bands, {self.dtype}"

    def keep_bands(self, keep: Sequence[int]) -> Scene:
        """The same scene with fewer bands; ``keep`` are positions in ``bands``, ascending.

        Raises :class:`SceneError` when no band remains.
        """
        if not keep:
            raise SceneError(f"{self.source or self.name}: no usable band is left of {len(self.bands)}")

        def pick(values: tuple[T, ...] | None) -> tuple[T, ...] | None:
            return None if values is None else tuple(values[i] for i in keep)

        return replace(
            self,
            bands=tuple(self.bands[i] for i in keep),
            wavelengths=pick(self.wavelengths),
            fwhm=pick(self.fwhm),
            good=pick(self.good),
            scale=pick(self.scale),
            stored=self.stored and self.stored.keep_bands(keep),
        )

    def with_fetch(self, fetch: Callable[[Block], Array], **changes: Any) -> Scene:
        """The same scene with values from elsewhere, which are not those stored."""
        return replace(self, fetch=fetch, stored=None, to_units=None, **changes)

    def with_stored(self, stored: Scene) -> Scene:
        """The same scene in physical units of what is ``stored`` now."""
        to_units = self.to_units
        assert to_units is not None, "only a scene in physical units has another one as stored"
        return replace(
            self, fetch=lambda block: to_units(stored.fetch(block), stored.nodata), stored=stored, nodata=math.nan
        )

    def declare_nodata(self, value: float) -> Scene:
        """The same scene in which ``value``, as stored, means "no data" instead of what the file declares."""
        if self.stored is not None:
            return self.with_stored(self.stored.declare_nodata(value))
        return replace(self, nodata=value)

    def exclude_fill(self, fill: Fill) -> Scene:
        """The same scene in which fill is "no data", too: NaN, or for integers the nodata value, or 0 in all bands."""
        if not fill:
            return self
        if self.stored is not None:
            return self.with_stored(self.stored.exclude_fill(fill))
        fetch, bands, nodata = self.fetch, list(self.bands), self.nodata
        values, flat = (_values_of(numbers, self.dtype) for numbers in (fill.values, fill.flat))
        marker: Any = math.nan
        if self.dtype.kind in "iu":
            known = _values_of((nodata,), self.dtype) if nodata else ()
            nodata = marker = [*known, *values, 0][0]

        def fetch_without(block: Block) -> Array:
            cube = fetch(block)
            hit, pixels = _find_values(cube, values), _find_flat_values(cube, bands, flat)
            if hit is None and not pixels.any():
                return cube
            cube = np.array(cube)
            if hit is not None:
                cube[hit] = marker
            cube[pixels] = marker
            return cube

        return replace(self, fetch=fetch_without, nodata=nodata)


@dataclass(frozen=True, eq=False)
class Area:
    """What a scene is of a ``full`` one: its ``window``, and the pixels ``inside`` ``(h, w)``; others lack data."""

    full: Scene
    window: Block
    inside: NDArray[np.bool_]


def crop_scene(scene: Scene, window: Block, inside: NDArray[np.bool_] | None = None) -> Scene:
    """A window of a scene, with its place on the ground, as a scene ``(h, w, B)``.

    Pixels that are not ``inside`` ``(h, w)`` hold nodata, or NaN or 0 where there is no nodata value.
    """
    inside = np.ones((window.height, window.width), bool) if inside is None else inside
    nodata, place = scene.nodata, scene.georeference
    if scene.dtype.kind != "f":
        limits = np.iinfo(scene.dtype)
        nodata = 0 if nodata is None or not limits.min <= nodata <= limits.max else nodata
    empty = np.asarray(np.nan if nodata is None else nodata, scene.dtype)

    def fetch(block: Block) -> Array:
        cube = scene.fetch(replace(block, row=block.row + window.row, column=block.column + window.column))
        here = inside[block.slices][:, :, None]
        return cube if here.all() else np.where(here, cube, empty)

    place = place and crop_georeference(place, window.row, window.column)
    part: dict[str, Any] = {"height": window.height, "width": window.width, "georeference": place}
    part["area"] = Area(scene, window, inside)
    if scene.stored is not None:
        return replace(scene.with_stored(crop_scene(scene.stored, window, inside)), **part)
    return replace(scene, fetch=fetch, **part)


def crop_georeference(place: Georeference, row: int, column: int) -> Georeference:
    """The place of the pixels from a row and column on."""
    a, b, _, d, e, _ = place.transform
    x, y = place.map_coordinates(column, row)
    return Georeference(place.crs, (a, b, x, d, e, y))


def scene_from_array(cube: Array, name: str = "scene", source: Path | None = None, **facts: Any) -> Scene:
    """A :class:`Scene` over an ``(H, W, B)`` array that is already in memory (or memory-mapped).

    Blocks are read in native byte order. Raises :class:`SceneError` unless the array is 3-D, real and not empty.
    """
    where = source or name
    if cube.ndim != 3 or 0 in cube.shape:
        raise SceneError(f"{where}: a scene has 3 axes (rows, columns, bands), found shape {cube.shape}")
    if cube.dtype.kind not in "iuf":
        raise SceneError(f"{where}: a scene holds real numbers, found dtype {cube.dtype}")

    dtype = cube.dtype.newbyteorder("=")

    def fetch(block: Block) -> Array:
        values = np.array(cube[block.slices], dtype) if mapped else np.asarray(cube[block.slices], dtype)
        if mapped:
            forget_pages(cube)
        return values

    mapped = isinstance(cube, np.memmap) and cube.mode != "c"  # a private copy may differ from the file
    height, width, bands = cube.shape
    return Scene(name, source, height, width, tuple(range(bands)), dtype, fetch, **facts)


def forget_pages(cube: Array) -> None:
    """Release the pages of a memory-mapped file, which otherwise count as this process's memory until it ends."""
    base: Any = cube
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class PixelSurvey:
    """The result of one pass over a scene. Counts are of pixels; band positions are in the scene's ``bands``.

    ``valid`` is the ``(H, W)`` bool mask of usable pixels; ``dead`` bands have no valid number, ``constant`` ones a
    single value. ``masked`` pixels lie outside the given mask and are in no other count;
    ``zero`` are zero in all bands, as those are that the scene's ``hiding`` hides. ``filled`` pixels hold values
    that mean "no data" although the file does not declare them: those ``found``; ``fill`` are all that would.
    ``levels`` ``(3, B)`` are the percentiles 2, 50 and 98 of each band over a sample; None where nothing was usable.
    """

    valid: NDArray[np.bool_]
    not_finite: int
    nodata: int
    zero: int
    minimum: float
    maximum: float
    dead: tuple[int, ...]
    constant: tuple[int, ...]
    masked: int = 0
    hiding: str = ""
    filled: int = 0
    found: tuple[float, ...] = ()
    fill: Fill = NO_FILL
    levels: NDArray[np.float64] | None = field(default=None, compare=False)

    @property
    def useless(self) -> tuple[int, ...]:
        """Bands without information: dead or constant, ascending."""
        return tuple(sorted({*self.dead, *self.constant}))

    @property
    def found_fill(self) -> Fill:
        """The fill that occurs."""
        fill = self.fill
        return Fill(*(tuple(v for v in values if v in self.found) for values in (fill.values, fill.flat)))

    @property
    def useful_levels(self) -> NDArray[np.float64] | None:
        """``levels`` without those of useless bands."""
        return None if self.levels is None else np.delete(self.levels, self.useless, axis=1)

    @property
    def invalid(self) -> int:
        """Number of unusable pixels."""
        return int(self.valid.size - np.count_nonzero(self.valid))


def survey_scene(
    scene: Scene, progress: Callable[[int, int], None] | None = None, mask: NDArray[np.bool_] | None = None
) -> PixelSurvey:
    """Find invalid pixels and useless bands in one pass of bounded memory and a sample.

    A pixel is invalid when a band that is not dead is NaN, infinite, fill or the scene's nodata value, or when all its
    bands are zero. A nodata value of 0 counts only where every band has it, because single zeros are common in
    absorption bands. Fill is a value that is usual for it and far from all others, or one value in all bands of several
    pixels (see :mod:`hsi.fill`). Pixels without numbers other than zero, and pixels where ``mask`` ``(H, W)`` is
    not set, do not count for dead or constant bands. ``progress(rows done, rows)`` is called after each block.
    """
    height, width, bands = scene.shape
    sample = take_sample(scene)
    scene = sample if sample.shape == scene.shape else scene  # it has been read
    limits, known = _find_usual_fill(sample)
    values, flat = (_values_of(numbers, _stored(scene).dtype) for numbers in (known.values, known.flat))
    bad_in_pixel, nan_in_pixel, fill_in_pixel = np.zeros((3, height, width), np.min_scalar_type(bands))
    empty = np.zeros((height, width), bool)
    bad_in_band, nan_in_band, fill_in_band = np.zeros((3, bands), np.int64)
    low, high = np.full(bands, np.inf), np.full(bands, -np.inf)
    constants, found = FlatPixels(height, width), dict[float, None]()
    for block in scene.blocks():
        stored, cube = _read_both(scene, block)
        nan, bad = _flag_values(cube, scene.nodata)
        hit = _find_fill(stored, values, flat)
        if hit is not None:
            bad = bad | hit
            there = np.unique(stored[hit])
            exact = [v for v in values if (there == v).any()]
            near = [v for v in values if _equals(there, v).any() and not any(_equals(other, v) for other in exact)]
            found |= dict.fromkeys(map(float, (*exact, *near)))
            found |= dict.fromkeys(float(v) for v in flat if (there == v).any())
        void = (bad | (cube == 0)).all(axis=2)
        if mask is not None:
            void |= ~mask[block.slices]
        empty[block.slices], filled = void, ~void[:, :, None]
        bad_in_pixel[block.slices], nan_in_pixel[block.slices] = bad.sum(axis=2), nan.sum(axis=2)
        bad_in_band += (bad & filled).sum(axis=(0, 1))
        nan_in_band += (nan & filled).sum(axis=(0, 1))
        if hit is not None:
            fill_in_pixel[block.slices] = hit.sum(axis=2)
            fill_in_band += (hit & filled).sum(axis=(0, 1))
        constant = find_flat_pixels(stored) & ~void
        constants.add(block.slices, stored, cube, constant)
        lowest, highest = _band_range(cube, ~bad & filled & ~constant[:, :, None])
        low, high = np.minimum(low, lowest), np.maximum(high, highest)
        if progress:
            progress(block.row + block.height, height)
    chosen = constants.choose(*limits, bands, lambda: _repeats(sample))
    for value, units in zip(constants.counts, constants.units, strict=True):
        if value not in chosen:
            low, high = np.minimum(low, units), np.maximum(high, units)
    for block in scene.blocks() if chosen else ():
        empty[block.slices] |= constants.pixels_of(chosen, block.slices)
    pixels = height * width - np.count_nonzero(empty)
    dead, without = bad_in_band == pixels, [band == pixels for band in (nan_in_band, fill_in_band)]
    # a dead band is bad in every pixel that is not empty, which must not make all of them invalid
    most_bad, most_nan, most_fill = (np.count_nonzero(some) if pixels else 0 for some in (dead, *without))
    counts = {"not_finite": 0, "nodata": 0, "zero": 0, "filled": 0}
    for block in scene.blocks():  # so that there are no more arrays of the scene's size
        inside = slice(None) if mask is None else mask[block.slices]
        bad_pixel, void = (bad_in_pixel[block.slices] > most_bad)[inside], empty[block.slices][inside]
        nan_pixel = bad_pixel & (nan_in_pixel[block.slices] > most_nan)[inside]
        fill_pixel = bad_pixel & (fill_in_pixel[block.slices] > most_fill)[inside] & ~nan_pixel
        fill_pixel |= constants.pixels_of(chosen, block.slices)[inside]
        counts["not_finite"] += int(np.count_nonzero(nan_pixel))
        counts["nodata"] += int(np.count_nonzero(bad_pixel & ~nan_pixel & ~fill_pixel))
        counts["zero"] += int(np.count_nonzero(void & ~bad_pixel & ~fill_pixel))
        counts["filled"] += int(np.count_nonzero(fill_pixel))
        empty[block.slices] |= bad_in_pixel[block.slices] > most_bad
    fill = known | Fill(flat=chosen)
    return PixelSurvey(
        valid=np.logical_not(empty, out=empty),
        **counts,
        minimum=float(low[~dead].min()) if pixels else float("nan"),
        maximum=float(high[~dead].max()) if pixels else float("nan"),
        dead=tuple(np.flatnonzero(dead).tolist()),
        constant=tuple(np.flatnonzero(~dead & (low == high)).tolist()),
        masked=0 if mask is None else mask.size - int(np.count_nonzero(mask)),
        hiding=scene.hiding,
        found=(*found, *chosen),
        fill=fill,
        levels=_band_levels(sample.exclude_fill(fill), ~dead),
    )


def take_sample(scene: Scene, budget: int = 16 * 2**20) -> Scene:
    """Squares of pixels from all over the scene, below each other, as a scene in memory of at most ``budget`` bytes as
    stored; the complete scene where it is so small. Where most pixels have no data, they are smaller and more."""
    stored, (height, width, _) = _stored(scene), scene.shape
    pixel = stored.fetch_rows(Block(0, 0, 1, 1)).nbytes
    if height * width * pixel <= budget:
        cube = stored.fetch_rows(Block(0, 0, height, width))
    else:
        for count in (3, 6, 12):
            side = min(SAMPLE_SIDE, max(1, int(math.sqrt(budget / pixel) / count)))
            rows, columns = min(side, height), min(side, width)
            tops, lefts = (np.linspace(0, n, count).astype(int).tolist() for n in (height - rows, width - columns))
            blocks = [Block(top, left, rows, columns) for top in dict.fromkeys(tops) for left in dict.fromkeys(lefts)]
            cube = np.concatenate([stored.fetch_rows(block) for block in blocks])
            chosen = cube[:, :, list(scene.bands)]
            with_data = ~find_flat_pixels(chosen) & usable_pixels(chosen, stored.nodata)
            if np.count_nonzero(with_data) >= cube.shape[0] * cube.shape[1] // 8:
                break
    size = {"height": cube.shape[0], "width": cube.shape[1]}
    sampled = replace(stored, fetch=lambda block: cube[block.slices], **size)
    return sampled if scene.stored is None else replace(scene.with_stored(sampled), **size)


def _stored(scene: Scene) -> Scene:
    """The scene as stored."""
    return scene if scene.stored is None else scene.stored


def _read_both(scene: Scene, block: Block) -> tuple[Array, Array]:
    """The selected bands of a block as stored and in the units of the scene, ``(h, w, B)`` each, read once."""
    if scene.stored is None or scene.to_units is None:
        cube = scene.read(block)
        return cube, cube
    stored, bands = scene.stored.fetch_rows(block), list(scene.bands)
    return stored[:, :, bands], scene.to_units(stored, scene.stored.nodata)[:, :, bands]


def _values_of(numbers: Sequence[float], dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Those of the numbers that values of a dtype can be, in this dtype."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        integers = [int(n) for n in numbers if math.isfinite(n) and float(n).is_integer()]
        return tuple(dtype.type(n) for n in integers if limits.min <= n <= limits.max)
    with np.errstate(over="ignore"):
        return tuple(n for n in map(dtype.type, numbers) if np.isfinite(n))


def _find_values(cube: Array, values: Sequence[Any]) -> NDArray[np.bool_] | None:
    """Which values of ``(h, w, B)`` are among ``values``, see :func:`_equals`; None where none is."""
    if not values or not cube.size:
        return None
    low, high = np.fmin.reduce(cube, axis=None), np.fmax.reduce(cube, axis=None)
    hit = None
    for value in values:
        if low <= value <= high or _equals(low, value) or _equals(high, value):
            equal = _equals(cube, value)
            hit = equal if hit is None else hit | equal
    return hit if hit is not None and hit.any() else None


def _equals(values: Any, fill: Any) -> Any:
    """Whether values are a fill; floats to a millionth, which resampling and conversions add and remove."""
    if isinstance(fill, np.floating):
        with np.errstate(over="ignore", invalid="ignore"):
            return abs(values - fill) <= abs(fill) * FILL_TOLERANCE
    return values == fill


def _find_flat_values(cube: Array, bands: list[int], values: Sequence[Any]) -> NDArray[np.bool_]:
    """The pixels ``(h, w)`` of ``(h, w, all bands)`` that have one of the ``values`` in all ``bands``."""
    where: NDArray[np.bool_] = np.isin(cube[:, :, bands[0]], np.array(values, cube.dtype))
    if where.any():
        pixels = cube[where][:, bands]
        where[where] = (pixels == pixels[:, :1]).all(axis=1)
    return where


def _find_fill(cube: Array, values: Sequence[Any], flat: Sequence[Any]) -> NDArray[np.bool_] | None:
    """Which values of ``(h, w, B)`` are fill; None where none is."""
    hit, pixels = _find_values(cube, values), _find_flat_values(cube, list(range(cube.shape[2])), flat)
    if not pixels.any():
        return hit
    return np.broadcast_to(pixels[:, :, None], cube.shape) | (False if hit is None else hit)


def _find_usual_fill(sample: Scene) -> tuple[tuple[float, float], Fill]:
    """The lowest and highest value of a sample as stored, without fill, and the fill that its scene may have."""
    sample = _stored(sample)
    cube, usual = sample.read(), usual_fill(sample.dtype)
    pixels = cube[~find_flat_pixels(cube)]
    nan, bad = _flag_values(pixels[None], sample.nodata)
    hit = _find_values(pixels, _values_of(usual, sample.dtype))
    use = ~(nan | bad)[0] if hit is None else ~((nan | bad)[0] | hit)
    if np.count_nonzero(use.any(axis=1)) < ENOUGH_PIXELS:
        return (math.inf, -math.inf), Fill()
    low, high = float(pixels[use].min()), float(pixels[use].max())
    usual = tuple(value for value in usual if value != sample.nodata)
    far = tuple(value for value in usual if is_far(value, low, high))
    flat = tuple(value for value in usual if value not in far) if len(sample.bands) >= ENOUGH_BANDS else ()
    return (low, high), Fill(far, flat)


def _repeats(sample: Scene) -> bool:
    """Whether a scene has no noise, by its sample."""
    cube = _stored(sample).read()
    return repeats_pixels(cube, ~find_flat_pixels(cube) & usable_pixels(cube, _stored(sample).nodata))


def _band_levels(sample: Scene, live: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The percentiles 2, 50 and 98 ``(3, B)`` of the usable pixels of a sample; NaN for bands that are not ``live``."""
    cube = sample.read()[:, :, live]
    pixels = cube[usable_pixels(cube, sample.nodata)]
    if not pixels.size:
        return None
    levels = np.full((3, live.size), np.nan)
    levels[:, live] = np.percentile(pixels[:: 1 + len(pixels) // LEVEL_PIXELS].astype(np.float64), (2, 50, 98), axis=0)
    return levels


def _flag_values(cube: Array, nodata: float | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values of ``(h, w, B)`` are not finite, and which are unusable."""
    nan = ~np.isfinite(cube) if cube.dtype.kind == "f" else np.zeros(cube.shape, bool)
    if nodata is not None and np.isnan(nodata) and cube.dtype.kind == "f":
        return np.isinf(cube), nan
    if not nodata:  # 0 counts only where all bands have it
        return nan, nan
    return nan, nan | (cube == nodata)


def _band_range(cube: Array, use: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest used value per band as float64; inf and -inf where none is used."""
    limits = np.iinfo(cube.dtype) if cube.dtype.kind in "iu" else np.finfo(cube.dtype)
    used = use.any(axis=(0, 1))
    lowest = np.min(cube, axis=(0, 1), where=use, initial=limits.max)
    highest = np.max(cube, axis=(0, 1), where=use, initial=limits.min)
    return np.where(used, lowest, np.inf), np.where(used, highest, -np.inf)


def usable_pixels(cube: Array, nodata: float | None) -> NDArray[np.bool_]:
    """The usable pixels ``(h, w)`` of ``(h, w, B)``, by the rules of :func:`survey_scene` without dead bands."""
    _, bad = _flag_values(cube, nodata)
    return np.asarray(~bad.any(axis=2) & cube.any(axis=2))
