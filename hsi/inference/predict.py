"""Map a scene of any size with a saved model, strip by strip, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from hsi.core.devices import retain_freed_memory
from hsi.core.events import progress
from hsi.core.labels import ClassTable
from hsi.core.memory import MemoryModel, MemoryPlan, plan_memory, usual_limit
from hsi.core.scene import Block, Scene
from hsi.errors import TrainingError
from hsi.fill import NO_FILL, Fill
from hsi.inference.blending import blend
from hsi.inference.map_files import UNCLASSIFIED, MapOptions, MapSummary, MapWriter, map_table, map_writer
from hsi.inference.model_file import SavedModel
from hsi.inference.resume import StripCache
from hsi.inference.scores import DIVERGED, PATCHES, map_precision, padded_scores
from hsi.inference.smoothing import majority, sieve
from hsi.inference.strips import Strip, component_strips, strip_blocks
from hsi.io.geotiff import TILE, class_dtype, gdal_env, nodata_value, read_classes
from hsi.models import choose_engine
from hsi.preprocessing.band_matching import BandMatch

Advance = Callable[[int, int], None]


def plan_map(saved: SavedModel, match: BandMatch, options: MapOptions, limit: int) -> MemoryPlan:
    """Strips and tiles with which this process stays below ``limit`` bytes. Raises :class:`UsageError` if none do.

    One pixel is read, for the size of a pixel in the file.
    """
    stored = match.scene.fetch(Block(0, 0, 1, 1)).nbytes
    layers = 1 + options.novelty + len(saved.table) * options.probabilities
    work = MemoryModel(
        width=match.scene.width,
        # as stored, and in physical units or laid into a mosaic
        stored=stored if match.scene.scale is None and not match.scene.tiles else 2 * stored,
        components=saved.reducer.components,
        window=saved.model.window,
        reach=options.reach,
        classes=len(saved.table),
        outputs=2 + 4 * layers,
        patches=PATCHES if choose_engine(options.engine, saved.model) == "patch" else 0,
        patch_bytes=saved.model.patch_bytes,
        cached=saved.model.cache_bytes,
        denoising=match.working,
    )
    return plan_memory(limit, work)


@dataclass(frozen=True)
class SceneValues:
    """How values of a scene are read: times ``scale``, with ``nodata`` in place of the file's and with ``fill``.

    ``wavelengths`` are those of its bands, in nm, where they are not the file's.
    """

    scale: float = 1.0
    nodata: float | None = None
    fill: Fill = NO_FILL
    wavelengths: tuple[float, ...] | None = None


AS_STORED = SceneValues()


@dataclass(frozen=True, eq=False)
class MapJob:
    """A model, the scene that it maps, and the options; ``usable`` ``(H, W)`` excludes pixels."""

    saved: SavedModel
    match: BandMatch
    options: MapOptions
    plan: MemoryPlan
    device: torch.device
    usable: NDArray[np.bool_] | None = None
    values: SceneValues = AS_STORED

    @property
    def window(self) -> int:
        """The side of the window that the map of a pixel depends on."""
        return self.saved.model.window + 2 * self.options.reach

    @property
    def precision(self) -> str:
        """What the map is computed in, see :func:`hsi.inference.scores.map_precision`."""
        saved = self.saved
        return map_precision(saved.model, self.device, self.options.engine, saved.settings.training.amp)

    def blocks(self) -> list[Block]:
        """The strips of complete rows of the map, from top to bottom."""
        return strip_blocks(self.match.scene, window=self.window, rows=self.plan.rows)

    def writer(self, files: Mapping[str, Path], in_memory: bool = False) -> AbstractContextManager[MapWriter]:
        """A writer of the map; see :func:`hsi.inference.map_files.map_writer`."""
        saved, reject = self.saved, self.options.reject is not None
        how: dict[str, Any] = {"limit": saved.novelty.limits[2], "cache": self.plan.cache, "in_memory": in_memory}
        return map_writer(files, saved.table, self.match.scene, reject=reject, **how)


def map_scene(
    files: Mapping[str, Path],
    job: MapJob,
    *,
    progress: Advance | None = None,
    strips: StripCache | None = None,
    in_memory: bool = False,
) -> MapSummary:
    """Write the layers of a map to ``files`` by name; each file is complete or not there.

    The model's reducer is applied, not fitted. Finished strips are saved in ``strips``, those that are there already
    are loaded, with the same result. With ``in_memory`` the summary has all layers. Raises what reading and writing
    raise.
    """
    with job.writer(files, in_memory) as writer, retain_freed_memory():
        for block, layers in map_strips(job, strips):
            writer.add(block, layers)
            if progress:
                progress(block.row + block.height, job.match.scene.height)
    return writer.summary()


def map_strips(job: MapJob, cache: StripCache | None = None) -> Iterator[tuple[Block, dict[str, NDArray[Any]]]]:
    """Strips of complete rows with their layers: "map" ``(h, W)``, "confidence" ``(1, h, W)`` and other options'
    ``(C, h, W)``. Strips in ``cache`` are loaded, others are saved there."""
    match, done = job.match, cache.done if cache else frozenset()
    reading: dict[str, Any] = {"rows": job.plan.rows, "convert": match.convert, "usable": job.usable}
    strips = component_strips(match.scene, job.saved.reducer, window=job.window, skip=done, **reading)
    for block in job.blocks():
        if cache and block.row in done:
            yield block, cache.load(block)
            continue
        layers = classify_strip(next(strips), job)
        if cache:
            cache.save(block, layers)
        yield block, layers
        del layers


def classify_strip(strip: Strip, job: MapJob) -> dict[str, NDArray[Any]]:
    """All layers of a strip: map ``(h, W)`` and bands ``(C, h, W)``, nodata and NaN where there is no data."""
    saved, options, table = job.saved, job.options, map_table(job.saved.table, job.options.reject is not None)
    height, width = strip.valid.shape
    reach, half = options.reach, saved.model.window // 2
    around = (height + 2 * reach, width + 2 * reach)
    probabilities = torch.empty((len(saved.table), *around), device=job.device)
    padded = torch.from_numpy(strip.padded)
    how: dict[str, Any] = {"engine": options.engine, "tile": job.plan.tile, "symmetries": options.symmetries}
    how["amp"] = saved.settings.training.amp
    for block, scores in padded_scores(saved.model, padded, device=job.device, **how):
        rows, columns = block.slices
        probabilities[:, rows, columns] = scores.softmax(0)
    if options.blend:
        middle = padded[:, half : half + around[0], half : half + around[1]].to(job.device)
        probabilities = blend(probabilities, middle)[:, reach : reach + height, reach : reach + width]
    codes = probabilities.argmax(dim=0).int()  # before rounding by a temperature
    if saved.temperature != 1:
        probabilities = (probabilities.log() / saved.temperature).softmax(dim=0)
    ids = np.asarray(table.ids, class_dtype(table))[codes.cpu().numpy()]
    confidence = probabilities.amax(dim=0).cpu().numpy()
    if not np.isfinite(confidence).all():
        raise TrainingError(DIVERGED)
    if options.reject is not None:
        ids[confidence < options.reject] = table.ids[-1]
    ids[~strip.valid] = nodata_value(table)
    layers = {"map": ids, "confidence": confidence[None]}
    if options.probabilities:
        layers["probabilities"] = probabilities.cpu().numpy()
    if options.novelty:
        novelty = np.empty((1, height, width), np.float32)
        first = half + reach
        pixels = strip.padded[:, first : first + height, first : first + width][:, strip.valid].T
        novelty[:, strip.valid] = saved.novelty.distance(pixels)
        layers["novelty"] = novelty
    for name in layers.keys() - {"map"}:
        layers[name][:, ~strip.valid] = np.nan
    return layers


def smooth_map(path: Path | None, size: int, scene: Scene, summary: MapSummary) -> MapSummary:
    """Replace the map at ``path``, or the one in memory, by its majority filter of ``size x size`` pixels; returns the
    new counts.

    Unclassified pixels neither count nor change, because a rejected pixel has no class that could be trusted. Blocks
    are filtered with ``size // 2`` rows around them, so that there are no seams.
    """
    half, width, ignore = size // 2, scene.width, ids_without_class(summary.table)
    with map_writer({"map": path} if path else {}, summary.table, scene, in_memory=path is None) as writer:
        for block in scene.extent.strips(TILE):
            top, bottom = max(0, block.row - half), min(scene.height, block.row + block.height + half)
            ids = read_classes(path, Block(top, 0, bottom - top, width)) if path else summary.layers["map"][top:bottom]
            first = block.row - top
            writer.add(block, {"map": majority(ids, size, ignore)[first : first + block.height]})
    smoothed = writer.summary()
    return replace(smoothed, novel=summary.novel, layers={**summary.layers, **smoothed.layers})


def ids_without_class(table: ClassTable) -> list[int]:
    """The ids of pixels of a map that lack data or are unclassified."""
    rejected = [number for number, name in zip(table.ids, table.names, strict=True) if name == UNCLASSIFIED]
    return [nodata_value(table), *rejected]


def sieve_map(path: Path | None, pixels: int, scene: Scene, summary: MapSummary, in_memory: bool = True) -> MapSummary:
    """Replace the map at ``path``, or the one in memory, by one without areas of fewer than ``pixels`` pixels of a
    class; returns the new counts.

    Areas of unclassified pixels remain. The map is in memory at once.
    """
    table = summary.table
    ids = summary.layers["map"] if path is None or "map" in summary.layers else read_classes(path)
    with map_writer({"map": path} if path else {}, table, scene, in_memory=in_memory) as writer:
        writer.add(scene.extent, {"map": sieve(ids, pixels, ids_without_class(table))})
    sieved = writer.summary()
    return replace(sieved, novel=summary.novel, layers={**summary.layers, **sieved.layers})


def map_in_memory(
    saved: SavedModel, match: BandMatch, *, device: torch.device, probabilities: bool = False
) -> Mapping[str, NDArray[Any]]:
    """The layers of a scene's map by name as :func:`map_scene` makes them, averaged and blended as the model's settings
    say. Raises :class:`TrainingError` where the model's scores are no numbers."""
    mapping, engine = saved.settings.mapping, saved.settings.training.engine
    options = MapOptions(
        probabilities=probabilities, engine=engine, symmetries=bool(mapping.symmetries), blend=bool(mapping.blend)
    )
    plan = plan_map(saved, match, options, usual_limit())
    with progress("map", "rows") as advance:
        return map_scene({}, MapJob(saved, match, options, plan, device), progress=advance, in_memory=True).layers


def read_bands(path: Path) -> NDArray[Any]:
    """All bands ``(C, H, W)`` of a raster that this package wrote."""
    with gdal_env(), rasterio.open(path) as raster:
        bands: NDArray[Any] = raster.read()
    return bands
