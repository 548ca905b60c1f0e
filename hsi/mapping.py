"""Map a scene of any size with a saved model: strips in, GeoTIFF blocks out, memory bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from hsi.areas import pixel_hectares
from hsi.blending import REACH, blend
from hsi.bundle import Bundle
from hsi.errors import TrainingError, UsageError
from hsi.heap import kept_memory
from hsi.inference import PATCHES, padded_scores
from hsi.labels import ClassTable
from hsi.matching import BandMatch
from hsi.memory import MemoryPlan, Work, plan_memory
from hsi.models import choose_engine
from hsi.partial_map import PartialMap
from hsi.rasters import (
    TILE,
    Write,
    band_writer,
    class_dtype,
    class_map_writer,
    nodata_value,
    read_classes,
)
from hsi.scene import Block, Scene
from hsi.smoothing import majority
from hsi.streaming import Strip, component_strips, strip_blocks

UNCLASSIFIED = "unclassified"
GREY = (128, 128, 128)
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class MapOptions:
    """What to write beside the map, and how to make it.

    ``reject`` is the confidence below which a pixel is "unclassified"; ``symmetries`` averages over the eight
    symmetries of the square, ``blend`` over the neighbours that look alike.
    """

    reject: float | None = None
    probabilities: bool = False
    novelty: bool = False
    engine: str = "auto"
    symmetries: bool = False
    blend: bool = False

    @property
    def reach(self) -> int:
        """How many pixels around a strip have a say in its map, beside their windows."""
        return REACH if self.blend else 0

    def __post_init__(self) -> None:
        if self.reject is not None and not 0 < self.reject < 1:
            raise UsageError(f"--reject is a probability between 0 and 1, found {self.reject:g}")


@dataclass(frozen=True)
class MapSummary:
    """Pixels and hectares per class id of a map (hectares None where the place is not known), and the rest.

    ``novel`` counts the pixels farther from every class than 99.9 % of the training pixels were; None if not asked.
    """

    table: ClassTable
    pixels: Mapping[int, int]
    hectares: Mapping[int, float] | None
    without_data: int
    novel: int | None


def map_table(table: ClassTable, reject: bool) -> ClassTable:
    """The classes of a map: with ``reject`` there is one more, "unclassified", which is not the same as no data.

    Raises :class:`UsageError` when a class has that name already.
    """
    if not reject:
        return table
    if UNCLASSIFIED in table.names:
        raise UsageError(f"the model has a class named '{UNCLASSIFIED}' already: leave --reject out")
    number = 254 if table.ids[-1] < 254 and 0 not in table.ids else table.ids[-1] + 1
    return ClassTable((*table.ids, number), (*table.names, UNCLASSIFIED), (*table.colours, GREY))


def plan_map(bundle: Bundle, match: BandMatch, options: MapOptions, limit: int) -> MemoryPlan:
    """Strips and tiles that keep this process below ``limit`` bytes. Raises :class:`UsageError` when none do.

    One pixel is read, to see how much of the file comes with it.
    """
    stored = match.scene.fetch(Block(0, 0, 1, 1)).nbytes
    layers = 1 + options.novelty + len(bundle.table) * options.probabilities
    work = Work(
        width=match.scene.width,
        stored=stored if match.scene.scale is None else 2 * stored,  # as stored, and in physical units
        components=bundle.reducer.components,
        window=bundle.model.window,
        reach=options.reach,
        classes=len(bundle.table),
        outputs=2 + 4 * layers,
        patches=PATCHES if choose_engine(options.engine, bundle.model) == "patch" else 0,
        patch_bytes=bundle.model.patch_bytes,
        kept=bundle.model.kept_bytes,
    )
    return plan_memory(limit, work)


def sibling(path: Path, kind: str) -> Path:
    """``map.tif`` and "confidence" make ``map_confidence.tif``."""
    return path.with_name(f"{path.stem}_{kind}.tif")


def write_map(
    path: Path,
    bundle: Bundle,
    match: BandMatch,
    options: MapOptions,
    plan: MemoryPlan,
    *,
    device: torch.device,
    usable: NDArray[np.bool_] | None = None,
    progress: Advance | None = None,
    partial: PartialMap | None = None,
) -> MapSummary:
    """Write ``path`` and, beside it, confidence and what else was asked for; each file is complete or not there.

    ``usable`` ``(H, W)`` leaves out pixels that could be read. The stored reducer is applied, never fitted again.
    Strips are kept in ``partial`` as they are done, and those that it has already are taken from there: the files are
    the same. Raises what reading and writing raise.
    """
    scene = match.scene
    table = map_table(bundle.table, options.reject is not None)
    tally = Tally(table, scene)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=plan.cache))
        stack.enter_context(kept_memory())
        writers = _open_writers(stack, path, scene, bundle, table, options)
        strips = map_strips(bundle, match, options, plan, device=device, usable=usable, partial=partial)
        for block, layers in strips:
            for name, write in writers.items():
                write(block, layers[name])
            tally.add(block, layers, bundle.familiar.limits[2])
            if progress:
                progress(block.row + block.height, scene.height)
    return tally.summary()


def map_strips(
    bundle: Bundle,
    match: BandMatch,
    options: MapOptions,
    plan: MemoryPlan,
    *,
    device: torch.device,
    usable: NDArray[np.bool_] | None = None,
    partial: PartialMap | None = None,
) -> Iterator[tuple[Block, dict[str, NDArray[Any]]]]:
    """One strip of whole rows after another with its layers: "map" ``(h, W)``, "confidence" ``(1, h, W)`` and what else
    is asked for, ``(C, h, W)``. Parameters as for :func:`write_map`."""
    table, done = map_table(bundle.table, options.reject is not None), partial.done if partial else frozenset()
    window = bundle.model.window + 2 * options.reach
    reading: dict[str, Any] = {"window": window, "rows": plan.rows, "convert": match.convert, "usable": usable}
    strips = component_strips(match.scene, bundle.reducer, skip=done, **reading)
    for block in map_blocks(bundle, match, options, plan):
        if partial and block.row in done:
            yield block, partial.load(block)
            continue
        layers = classify_strip(next(strips), bundle, table, options, plan, device)
        if partial:
            partial.save(block, layers)
        yield block, layers
        del layers


def map_blocks(bundle: Bundle, match: BandMatch, options: MapOptions, plan: MemoryPlan) -> list[Block]:
    """The strips of whole rows in which a map is made, from top to bottom."""
    return strip_blocks(match.scene, window=bundle.model.window + 2 * options.reach, rows=plan.rows)


def _open_writers(
    stack: ExitStack, path: Path, scene: Scene, bundle: Bundle, table: ClassTable, options: MapOptions
) -> dict[str, Write]:
    """Writers of the layers that are wanted, by name."""
    shape, where = (scene.height, scene.width), scene.georeference

    def bands(kind: str, names: list[str]) -> Write:
        place: dict[str, Any] = {"georeference": where, "nodata": float("nan"), "descriptions": names}
        return stack.enter_context(band_writer(sibling(path, kind), (len(names), *shape), np.float32, **place))

    writers = {"confidence": bands("confidence", ["largest class probability"])}
    if options.probabilities:
        writers["probabilities"] = bands("probabilities", list(bundle.table.names))
    if options.novelty:
        writers["novelty"] = bands("novelty", ["Mahalanobis distance to the nearest class"])
    writers["map"] = stack.enter_context(class_map_writer(path, shape, table, georeference=where))
    return {name: _TileRows(write, scene.height) for name, write in writers.items()}


class _TileRows:
    """Passes rows on as whole rows of a GeoTIFF's tiles, so that each tile is compressed once, whatever the strips."""

    def __init__(self, write: Write, height: int) -> None:
        self.write, self.height, self.row = write, height, 0
        self.held: list[NDArray[Any]] = []

    def __call__(self, block: Block, values: NDArray[Any]) -> None:
        """Take the next rows ``(..., h, W)``, which end with the last row of ``block``."""
        self.held.append(values)
        end = block.row + block.height
        whole = end if end == self.height else end // TILE * TILE
        if whole == self.row:
            return
        rows = np.concatenate(self.held, axis=-2)
        ready = whole - self.row
        self.write(Block(self.row, 0, ready, block.width), rows[..., :ready, :])
        self.held, self.row = [rows[..., ready:, :].copy()], whole


def classify_strip(
    strip: Strip, bundle: Bundle, table: ClassTable, options: MapOptions, plan: MemoryPlan, device: torch.device
) -> dict[str, NDArray[Any]]:
    """All layers of a strip: map ``(h, W)`` and bands ``(C, h, W)``, without values where there is no data."""
    height, width = strip.valid.shape
    reach, half = options.reach, bundle.model.window // 2
    probabilities = np.empty((len(bundle.table), height + 2 * reach, width + 2 * reach), np.float32)
    padded = torch.from_numpy(strip.padded)
    how: dict[str, Any] = {"engine": options.engine, "tile": plan.tile, "symmetries": options.symmetries}
    for block, scores in padded_scores(bundle.model, padded, device=device, **how):
        rows, columns = block.slices
        probabilities[:, rows, columns] = scores.softmax(0).cpu().numpy()
    middle = strip.padded[:, half : half + height + 2 * reach, half : half + width + 2 * reach]
    if options.blend:
        inner = (slice(None), slice(reach, reach + height), slice(reach, reach + width))
        probabilities, middle = blend(probabilities, middle)[inner], middle[inner]
    ids = np.asarray(table.ids, class_dtype(table))[probabilities.argmax(axis=0)]  # before rounding by a temperature
    if bundle.temperature != 1:
        with np.errstate(divide="ignore"):
            probabilities = softmax(np.log(probabilities) / np.float32(bundle.temperature), axis=0)
    confidence = probabilities.max(axis=0)
    if not np.isfinite(confidence).all():
        raise TrainingError("the model's scores are no numbers: its training diverged; train again with a lower --lr")
    if options.reject is not None:
        ids[confidence < options.reject] = table.ids[-1]
    ids[~strip.valid] = nodata_value(table)
    layers = {"map": ids, "confidence": confidence[None]}
    if options.probabilities:
        layers["probabilities"] = probabilities
    if options.novelty:
        novelty = np.empty((1, height, width), np.float32)
        novelty[:, strip.valid] = bundle.familiar.distance(middle[:, strip.valid].T)
        layers["novelty"] = novelty
    for name in layers.keys() - {"map"}:
        layers[name][:, ~strip.valid] = np.nan
    return layers


def smooth_map(path: Path, size: int, table: ClassTable, scene: Scene, summary: MapSummary) -> MapSummary:
    """Replace the map at ``path`` by its majority filter of ``size x size`` pixels; returns the new counts.

    Read and written by blocks with ``size // 2`` rows around them, so that no seam shows.
    """
    tally = Tally(table, scene)
    half, width = size // 2, scene.width
    shape, where = (scene.height, width), scene.georeference
    with class_map_writer(path, shape, table, georeference=where) as write:
        for row in range(0, scene.height, TILE):
            top, bottom = max(0, row - half), min(scene.height, row + TILE + half)
            ids = read_classes(path, Block(top, 0, bottom - top, width))
            block = Block(row, 0, min(TILE, scene.height - row), width)
            smoothed = majority(ids, size, ignore=nodata_value(table))[row - top : row - top + block.height]
            write(block, smoothed)
            tally.add(block, {"map": smoothed}, 0.0)
    return replace(tally.summary(), novel=summary.novel)


class Tally:
    """Counts of a map as it is written."""

    def __init__(self, table: ClassTable, scene: Scene) -> None:
        self.table, self.scene = table, scene
        self.hectares_of_row = pixel_hectares(scene.georeference, scene.height, scene.width)
        self.pixels, self.hectares = np.zeros(len(table), np.int64), np.zeros(len(table))
        self.without_data = 0
        self.novel: int | None = None

    def add(self, block: Block, layers: Mapping[str, NDArray[Any]], limit: float) -> None:
        """Count the classes of some rows."""
        ids = layers["map"]
        for i, number in enumerate(self.table.ids):
            in_row = np.count_nonzero(ids == number, axis=1)
            self.pixels[i] += in_row.sum()
            if self.hectares_of_row is not None:
                self.hectares[i] += in_row @ self.hectares_of_row[block.slices[0]]
        self.without_data += int(np.count_nonzero(ids == nodata_value(self.table)))
        if "novelty" in layers:
            self.novel = (self.novel or 0) + int(np.count_nonzero(layers["novelty"] > limit))

    def summary(self) -> MapSummary:
        """The counts so far."""
        by_id = dict(zip(self.table.ids, self.pixels.tolist(), strict=True))
        known = self.hectares_of_row is not None
        hectares = dict(zip(self.table.ids, self.hectares.tolist(), strict=True)) if known else None
        return MapSummary(self.table, by_id, hectares, self.without_data, self.novel)
