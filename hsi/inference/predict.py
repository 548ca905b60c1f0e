"""Map a scene of any size with a saved model: strips in, GeoTIFF blocks out, memory bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from hsi.core.devices import retain_freed_memory
from hsi.core.events import progress
from hsi.core.labels import ClassTable
from hsi.core.memory import MemoryModel, MemoryPlan, plan_memory
from hsi.core.scene import Block, Scene
from hsi.errors import TrainingError
from hsi.inference.blending import blend
from hsi.inference.map_files import ClassAreas, MapOptions, MapSummary, map_table, map_writer
from hsi.inference.model_file import SavedModel
from hsi.inference.resume import StripCache
from hsi.inference.scores import PATCHES, padded_scores
from hsi.inference.smoothing import majority
from hsi.inference.strips import Strip, component_strips, strip_blocks
from hsi.io.geotiff import TILE, class_dtype, class_map_writer, nodata_value, read_classes
from hsi.models import choose_engine
from hsi.preprocessing.band_matching import BandMatch

if TYPE_CHECKING:
    import torch

    from hsi.inference.model_file import SavedModel
    from hsi.preprocessing.band_matching import BandMatch


Advance = Callable[[int, int], None]


def plan_map(bundle: SavedModel, match: BandMatch, options: MapOptions, limit: int) -> MemoryPlan:
    """Strips and tiles that keep this process below ``limit`` bytes. Raises :class:`UsageError` when none do.

    One pixel is read, to see how much of the file comes with it.
    """
    stored = match.scene.fetch(Block(0, 0, 1, 1)).nbytes
    layers = 1 + options.novelty + len(bundle.table) * options.probabilities
    work = MemoryModel(
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
        cleaning=match.working,
    )
    return plan_memory(limit, work)


def map_scene(
    path: Path,
    bundle: SavedModel,
    match: BandMatch,
    options: MapOptions,
    plan: MemoryPlan,
    *,
    device: torch.device,
    usable: NDArray[np.bool_] | None = None,
    progress: Advance | None = None,
    partial: StripCache | None = None,
) -> MapSummary:
    """Write ``path`` and, beside it, confidence and what else was asked for; each file is complete or not there.

    ``usable`` ``(H, W)`` leaves out pixels that could be read. The stored reducer is applied, never fitted again.
    Strips are kept in ``partial`` as they are done, and those that it has already are taken from there: the files are
    the same. Raises what reading and writing raise.
    """
    with map_writer(path, bundle, match.scene, options, plan.cache) as writer, retain_freed_memory():
        strips = map_strips(bundle, match, options, plan, device=device, usable=usable, partial=partial)
        for block, layers in strips:
            writer.add(block, layers)
            if progress:
                progress(block.row + block.height, match.scene.height)
    return writer.tally.summary()


def map_strips(
    bundle: SavedModel,
    match: BandMatch,
    options: MapOptions,
    plan: MemoryPlan,
    *,
    device: torch.device,
    usable: NDArray[np.bool_] | None = None,
    partial: StripCache | None = None,
) -> Iterator[tuple[Block, dict[str, NDArray[Any]]]]:
    """One strip of whole rows after another with its layers: "map" ``(h, W)``, "confidence" ``(1, h, W)`` and what else
    is asked for, ``(C, h, W)``. Parameters as for :func:`map_scene`."""
    table, done = map_table(bundle.table, options.reject is not None), partial.done if partial else frozenset()
    window = bundle.model.window + 2 * options.reach
    reading: dict[str, Any] = {"window": window, "rows": plan.rows, "convert": match.convert, "usable": usable}
    strips = component_strips(match.scene, bundle.reducer, skip=done, **reading)
    for block in map_blocks(bundle, match, options, plan):
        if partial and block.row in done:
            yield block, partial.load(block)
            continue
        layers = classify_strip(next(strips), bundle, table, options, plan.tile, device)
        if partial:
            partial.save(block, layers)
        yield block, layers
        del layers


def map_blocks(bundle: SavedModel, match: BandMatch, options: MapOptions, plan: MemoryPlan) -> list[Block]:
    """The strips of whole rows in which a map is made, from top to bottom."""
    return strip_blocks(match.scene, window=bundle.model.window + 2 * options.reach, rows=plan.rows)


def classify_strip(
    strip: Strip, bundle: SavedModel, table: ClassTable, options: MapOptions, tile: int, device: torch.device
) -> dict[str, NDArray[Any]]:
    """All layers of a strip: map ``(h, W)`` and bands ``(C, h, W)``, without values where there is no data."""
    height, width = strip.valid.shape
    reach, half = options.reach, bundle.model.window // 2
    probabilities = np.empty((len(bundle.table), height + 2 * reach, width + 2 * reach), np.float32)
    padded = torch.from_numpy(strip.padded)
    how: dict[str, Any] = {"engine": options.engine, "tile": tile, "symmetries": options.symmetries}
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
    tally = ClassAreas(table, scene)
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


@dataclass(frozen=True, eq=False)
class MapArrays:
    """Class ids ``(H, W)``, which pixels could be used ``(H, W)`` bool, and probabilities ``(H, W, C)`` float32, NaN
    where they could not, or None where they were not asked for."""

    ids: NDArray[Any]
    valid: NDArray[np.bool_]
    probabilities: NDArray[np.float32] | None


def map_arrays(bundle: SavedModel, match: BandMatch, *, device: torch.device, probabilities: bool = False) -> MapArrays:
    """A scene's map by a model as ``hsi predict`` makes it, averaged and blended as the model's settings say.

    Raises :class:`TrainingError` where the model's scores are no numbers.
    """
    from hsi.core.devices import retain_freed_memory
    from hsi.core.memory import free_memory, resident_memory
    from hsi.io.geotiff import class_dtype, nodata_value

    mapping, engine = bundle.settings.mapping, bundle.settings.training.engine
    options = MapOptions(
        probabilities=probabilities, engine=engine, symmetries=bool(mapping.symmetries), blend=bool(mapping.blend)
    )
    plan = plan_map(bundle, match, options, resident_memory() + free_memory() // 2)
    height, width, _ = match.scene.shape
    ids = np.empty((height, width), class_dtype(bundle.table))
    shares = np.empty((height, width, len(bundle.table)), np.float32) if probabilities else None
    with retain_freed_memory(), progress("map", "rows") as advance:
        for block, layers in map_strips(bundle, match, options, plan, device=device):
            ids[block.slices] = layers["map"]
            if shares is not None:
                shares[block.slices] = np.moveaxis(layers["probabilities"], 0, 2)
            advance(block.row + block.height, height)
    return MapArrays(ids, ids != nodata_value(bundle.table), shares)


def read_bands(path: Path) -> NDArray[Any]:
    """All bands ``(C, H, W)`` of a raster that this package wrote."""
    import rasterio

    from hsi.io.geotiff import gdal_env

    with gdal_env(), rasterio.open(path) as raster:
        bands: NDArray[Any] = raster.read()
    return bands
