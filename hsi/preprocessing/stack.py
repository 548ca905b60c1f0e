"""Rasters of one band each, stacked to a scene, as Landsat, Sentinel-2 and many tools deliver them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, warning
from hsi.core.georeference import crs_name, grid_offset, pixel_size, same_crs
from hsi.core.scene import Block, Scene
from hsi.errors import SceneError
from hsi.preprocessing.mosaic import join_tiles, path_of, replace_nodata_by_nan

NUMBER = re.compile(r"(?:^|[^a-z0-9])b(?:and)?[ _-]?(\d{1,4})([a-z]?)(?![a-z0-9])", re.IGNORECASE)
NANOMETRES = re.compile(r"(?<![\d.])(\d{3,5}(?:[.]\d+)?)[ _-]?nm(?![a-z0-9])", re.IGNORECASE)
SUFFIXES = (".tif", ".tiff", ".jp2", ".img", ".dat", ".bil", ".vrt")
MOST_LISTED = 12


@dataclass(frozen=True)
class BandName:
    """What the name of a file says of its band: a number with a letter, such as (8, "A"), or nanometres."""

    number: tuple[int, str] | None = None
    nanometres: float | None = None

    @classmethod
    def of(cls, name: str) -> BandName:
        """By ``B08``, ``band_8``, ``B8A`` or ``865nm`` in the name, the last one where there are several."""
        numbers, lengths = NUMBER.findall(name), NANOMETRES.findall(name)
        number = (int(numbers[-1][0]), numbers[-1][1].upper()) if numbers else None
        return cls(number, float(lengths[-1]) if lengths else None)

    def __bool__(self) -> bool:
        return self.number is not None or self.nanometres is not None


def join_scenes(scenes: Sequence[Scene]) -> Scene:
    """Scenes that are parts of one: a stack where each has one band, else a mosaic of tiles."""
    if len(scenes) == 1:
        return scenes[0]
    return stack_bands(scenes) if all(len(scene.bands) == 1 for scene in scenes) else join_tiles(scenes)


def list_band_files(folder: Path) -> list[Path]:
    """The rasters of a folder whose names have a band number or a wavelength; empty for fewer than two."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
    named = [path for path in files if BandName.of(path.stem)]
    others = [path.name for path in files if path not in named]
    if len(named) > 1 and others:
        info("left out", f"{', '.join(others[:MOST_LISTED])} of {folder}, whose names have no band number")
    return named if len(named) > 1 else []


def stack_bands(scenes: Sequence[Scene]) -> Scene:
    """Scenes of one band on one grid as one scene, read by block; ``tiles`` are their files, in the order of bands.

    The order is that of wavelengths where all have them, in the file or as ``865nm`` in its name; else of band
    numbers (``B2`` before ``B10``, ``B8`` before ``B8A``); else of names, numbers in them by value. Bands of different
    nodata values are read as float, with NaN. A pixel that a mask hides in one band is no data in all. Raises
    :class:`SceneError` that names the first file on another grid, and two files of the same band.
    """
    first = scenes[0]
    for other in scenes:
        reason = _explain_misfit(first, other)
        if reason:
            raise SceneError(f"{_file(other)}: does not stack on {_file(first)}: {reason}")
    ordered, rule, wavelengths = _order(scenes)
    one = len({repr(scene.nodata) for scene in ordered}) == 1
    dtype = np.result_type(*(scene.dtype for scene in ordered), *(() if one else (np.float32,)))
    hiding = next(filter(None, (scene.hiding for scene in ordered)), "")
    hidden = [number for number, scene in enumerate(ordered) if scene.hiding]

    def fetch(block: Block) -> NDArray[Any]:
        cube = np.empty((block.height, block.width, len(ordered)), dtype)
        for number, scene in enumerate(ordered):
            values = scene.read(block)
            cube[:, :, number] = (values if one else replace_nodata_by_nan(values, scene.nodata, dtype))[:, :, 0]
        if hidden:
            cube[(cube[:, :, hidden] == 0).any(axis=2)] = 0
        return cube

    names = [_file(scene) for scene in ordered]
    listed = names if len(names) <= MOST_LISTED else [*names[:2], "…", names[-1]]
    info("stack", f"{len(names)} files by {rule}: {', '.join(listed)}")
    widths = [width for scene in ordered for width in scene.fwhm or ()]
    scales = [scene.scale[0] if scene.scale else 1.0 for scene in ordered]
    good = [scene.good[0] if scene.good else True for scene in ordered]
    return first.with_fetch(
        fetch,
        name=common_name([scene.name for scene in ordered]),
        source=None,
        tiles=tuple(path for scene in ordered if (path := path_of(scene))),
        bands=tuple(range(len(ordered))),
        dtype=dtype,
        nodata=first.nodata if one else float("nan"),
        wavelengths=wavelengths,
        fwhm=tuple(widths) if wavelengths and len(widths) == len(ordered) else None,
        scale=tuple(scales) if any(scene.scale for scene in ordered) else None,
        good=None if all(good) else tuple(good),
        format=f"stack of {len(ordered)} files, {first.format}",
        hiding=hiding,
    )


def _order(scenes: Sequence[Scene]) -> tuple[list[Scene], str, tuple[float, ...] | None]:
    """The scenes in the order of their bands, the name of the rule, and the wavelengths where these are it."""
    names = [BandName.of(scene.name) for scene in scenes]
    lengths = [
        scene.wavelengths[0] if scene.wavelengths else name.nanometres
        for scene, name in zip(scenes, names, strict=True)
    ]
    known = [length for length in lengths if length is not None]
    if len(known) == len(scenes):
        _refuse_twice(scenes, lengths, "{} nm")
        order = np.argsort(known, kind="stable").tolist()
        return [scenes[i] for i in order], "wavelength", tuple(known[i] for i in order)
    numbered = [name.number for name in names if name.number is not None]
    if not numbered:
        return sorted(scenes, key=lambda scene: _natural(scene.name)), "name", None
    _refuse_twice(scenes, [name.number and f"{name.number[0]}{name.number[1]}" for name in names], "band {}")
    order = sorted(range(len(scenes)), key=lambda i: (names[i].number or (10**6, ""), _natural(scenes[i].name)))
    without = [_file(scenes[i]) for i in order if names[i].number is None]
    if without:
        warning(f"{', '.join(without)}: no band number in the name: stacked as the last; leave out what is no band")
    return [scenes[i] for i in order], "band number", None


def _refuse_twice(scenes: Sequence[Scene], keys: Sequence[object], words: str) -> None:
    """Raise :class:`SceneError` for two scenes of the same key, such as files of two dates."""
    found: dict[object, Scene] = {}
    for scene, key in zip(scenes, keys, strict=True):
        if key is not None and key in found:
            names = f"{_file(found[key])} and {_file(scene)}"
            raise SceneError(f"{names} are both {words.format(key)}: give the files of one scene, each once")
        found[key] = scene


def _explain_misfit(first: Scene, other: Scene) -> str:
    """Why a scene does not have the pixels of the first one; empty where it does."""
    one, place = first.georeference, other.georeference
    sizes = [f"{scene.height} x {scene.width} pixels" for scene in (other, first)]
    if (one is None) != (place is None):
        return "one is georeferenced and the other is not; give files of one grid"
    if one and place:
        if not same_crs(one.crs, place.crs):
            names = [crs_name(crs) if crs else "no CRS" for crs in (place.crs, one.crs)]
            return f"its CRS is {names[0]}, not {names[1]}; gdalwarp brings it there"
        if (offset := grid_offset(one, place, (other.height, other.width))) != (0, 0):
            places = "another corner" if offset else "another grid"
            sizes = [f"{size} of {pixel_size(at)}" for size, at in zip(sizes, (place, one), strict=True)]
            return f"it lies on {places}: {sizes[0]}, not {sizes[1]}; gdalwarp brings it there"
    if (first.height, first.width) != (other.height, other.width):
        return f"it has {sizes[0]}, not {sizes[1]}; gdalwarp brings it there"
    return ""


def _file(scene: Scene) -> str:
    return scene.source.name if scene.source else scene.name


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by value."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def common_name(names: Sequence[str]) -> str:
    """What all names start with, without the beginning of a band number."""
    same = itertools.takewhile(lambda letters: len({*letters}) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in same)
    return re.sub(r"(?:[ ._-]+b(?:and)?)?[ ._-]*\d*$", "", start, flags=re.IGNORECASE) or names[0]
