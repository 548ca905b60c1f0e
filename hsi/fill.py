"""Fill: values that stand for "no data" although the file does not declare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# used by ENVI, GDAL, NetCDF (NC_FILL_SHORT to NC_FILL_DOUBLE), ESRI, CF conventions and sensors' processors
INTEGERS = (-999, -9999, -99999, -32767, -32768, 65535, -(2**31) + 1, -(2**31), 2**31 - 1)
FLOATS = (
    *(sign * size for sign in (-1.0, 1.0) for size in (1e20, 1e30, 1e34, 1e35, 1e36, 1e37, 9.969209968386869e36)),
    *(-3.4e38, -3.4028234663852886e38, 3.4028234663852886e38, -1.7976931348623157e308, 1.7976931348623157e308),
)
SCALE, LEAST = 1e-4, 0.5  # of reflectances that were stored as integers, fill included; smaller results are none
ENOUGH_BANDS = 8  # a pixel of real data does not have one value in all of so many bands
SEVERAL = 4  # pixels with a value that is not a usual fill
MOST_VALUES = 3  # of these in one scene; more are a scene without noise
FEWEST_BANDS = 3
ENOUGH_PIXELS = 16  # that show the range of a scene
CODES = 254  # values that are counted, by the codes 1 to 254


@dataclass(frozen=True)
class Fill:
    """Values, as stored, that mean "no data": ``values`` in any band, ``flat`` where all bands have them."""

    values: tuple[float, ...] = ()
    flat: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.flat)

    def __or__(self, other: Fill) -> Fill:
        return Fill(
            tuple(dict.fromkeys((*self.values, *other.values))), tuple(dict.fromkeys((*self.flat, *other.flat)))
        )


NO_FILL = Fill()


def format_value(value: float) -> str:
    """The shortest text that is this value, in float32 where it is one."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return f"{single!s}" if float(single) == value else repr(value)


def usual_fill(dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Values of a dtype that are used as fill; for integers with the ends of the dtype, but for 0 and for bytes' 255,
    which is white."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        ends = {limits.min, limits.max} - {0, 127, 255}
        return tuple(sorted({n for n in INTEGERS if limits.min <= n <= limits.max} | ends))
    scaled = [np.float32(n) * np.float32(SCALE) for n in INTEGERS] + [n * SCALE for n in INTEGERS]
    numbers = [*INTEGERS, *FLOATS, *scaled]
    with np.errstate(over="ignore"):
        known = np.unique(np.concatenate([np.array(numbers, dtype), np.array(numbers, np.float32).astype(dtype)]))
    return tuple(known[np.isfinite(known) & (np.abs(known) > LEAST)].tolist())


def is_far(value: float, low: float, high: float) -> bool:
    """Whether a value is far from all others of a scene, which go from ``low`` to ``high``: below zero where none is,
    twice as low as any, or four times as high."""
    return low <= high and (value < 2 * min(low, 0.0) or value > 4 * max(high, 0.0))


def find_flat_pixels(cube: Array) -> NDArray[np.bool_]:
    """The pixels ``(h, w)`` of ``(h, w, B)`` with one value in all bands; none where bands are too few to say."""
    if cube.shape[2] < FEWEST_BANDS:
        return np.zeros(cube.shape[:2], bool)
    flat: NDArray[np.bool_] = cube[:, :, 0] == cube[:, :, -1]
    pixels = cube[flat]
    flat[flat] = (pixels == pixels[:, :1]).all(axis=1)
    return flat


def ends_with_alpha(cube: Array) -> bool:
    """Whether the last band of unsigned ``(h, w, B)`` is like the transparency of pictures: 0 or the highest number
    everywhere, both occur, and all pixels with 0 are equal in the other bands."""
    last, colours = cube[:, :, -1], cube[:, :, :-1]
    if cube.dtype.kind != "u" or not colours.size or set(np.unique(last).tolist()) != {0, np.iinfo(cube.dtype).max}:
        return False
    hidden = colours[last == 0]
    return len(hidden) >= SEVERAL and bool((hidden == hidden[0]).all()) and not bool((colours == hidden[0]).all())


def repeats_pixels(cube: Array, use: NDArray[np.bool_]) -> bool:
    """Whether most ``use`` ``(h, w)`` pixels of ``(h, w, B)`` equal the one to their left, as without noise."""
    pairs = use[:, 1:] & use[:, :-1]
    same = (cube[:, 1:][pairs] == cube[:, :-1][pairs]).all(axis=1)
    return not same.size or bool(same.mean() > 0.8)


class FlatPixels:
    """The pixels of a scene ``(H, W)`` that have one value in all bands, counted by this value.

    ``units`` ``(B,)`` is what each value is in physical units.
    """

    def __init__(self, height: int, width: int) -> None:
        self.codes = np.zeros((height, width), np.uint8)  # 1 for the first of the values
        self.counts: dict[float, int] = {}
        self.units: list[Array] = []

    def add(self, where: tuple[slice, slice], stored: Array, cube: Array, flat: NDArray[np.bool_]) -> None:
        """Count the ``flat`` pixels of a block, as ``stored`` and in physical units (both ``(h, w, B)``); those whose
        values are too many to be fill are removed from ``flat``."""
        found, first, inverse = np.unique(stored[:, :, 0][flat], return_index=True, return_inverse=True)
        if len(found) > CODES - len(self.counts):
            flat[:] = False
        if not flat.any():
            return
        units = cube[flat][first]
        for i, value in enumerate(found.tolist()):
            if value not in self.counts:
                self.counts[value] = 0
                self.units.append(units[i])
            self.counts[value] += int(np.count_nonzero(inverse == i))
        numbers = list(self.counts)
        codes = np.array([1 + numbers.index(value) for value in found.tolist()], np.uint8)
        self.codes[where][flat] = codes[inverse]

    def choose(self, low: float, high: float, bands: int, repeats: Callable[[], bool]) -> tuple[float, ...]:
        """The values that are fill in a scene whose other values go from ``low`` to ``high``.

        These are the values of several pixels that are far from all others, or that almost all flat pixels of many
        ``bands`` have; none in a scene that ``repeats`` pixels, where such a value may be a class without noise.
        """
        usual = sorted((v for v, count in self.counts.items() if count >= SEVERAL), key=lambda v: -self.counts[v])
        few = usual[:MOST_VALUES]
        distinct = bands >= ENOUGH_BANDS and sum(self.counts[v] for v in few) > 0.9 * sum(self.counts.values())
        likely = tuple(value for value in few if distinct or is_far(value, low, high))
        return () if low > high or not likely or repeats() else tuple(map(float, likely))

    def pixels_of(self, values: tuple[float, ...], where: tuple[slice, slice]) -> NDArray[np.bool_]:
        """Which pixels ``(h, w)`` of a block are flat with one of the ``values``."""
        chosen = [False, *(value in values for value in self.counts), *[False] * (CODES - len(self.counts))]
        return np.array(chosen)[self.codes[where]]
