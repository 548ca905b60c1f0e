"""The layers of a map, written strip by strip from top to bottom, and the pixels and areas of its classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from hsi.core.colours import UNCLASSIFIED_GREY
from hsi.core.georeference import pixel_hectares
from hsi.core.labels import ClassTable
from hsi.core.scene import Block, Scene
from hsi.errors import UsageError
from hsi.inference.blending import REACH
from hsi.io.geotiff import TILE, Write, band_writer, class_map_writer, nodata_value

UNCLASSIFIED = "unclassified"
Layers = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class MapOptions:
    """The layers of a map besides class and confidence, and how they are made.

    ``reject`` is the confidence below which a pixel is "unclassified"; ``symmetries`` averages with the
    scene after a half turn, ``blend`` over the neighbours with similar spectra.
    """

    reject: float | None = None
    probabilities: bool = False
    novelty: bool = False
    engine: str = "auto"
    symmetries: bool = False
    blend: bool = False

    @property
    def reach(self) -> int:
        """How many pixels around a strip its map depends on, besides their windows."""
        return REACH if self.blend else 0

    def __post_init__(self) -> None:
        if self.reject is not None and not 0 <= self.reject < 1:
            raise UsageError(f"reject is a probability between 0 and 1, found {self.reject:g}")


@dataclass(frozen=True)
class MapSummary:
    """Pixels and hectares of a map by class id; hectares are None where the place is not known.

    ``novel`` counts the pixels farther from every class than 99.9 % of the training pixels were; None where novelty
    was not requested. ``layers`` are those in memory, if requested: class ids "map" ``(H, W)`` and bands ``(C, H, W)``
    by name.
    """

    table: ClassTable
    pixels: Mapping[int, int]
    hectares: Mapping[int, float] | None
    without_data: int
    novel: int | None
    layers: Layers = field(default_factory=dict, compare=False, repr=False)


def map_table(table: ClassTable, reject: bool) -> ClassTable:
    """The classes of a map; with ``reject`` there is another one, "unclassified", which is not the same as no data.

    Raises :class:`UsageError` when a class has that name already.
    """
    if not reject:
        return table
    if UNCLASSIFIED in table.names:
        raise UsageError(f"the model has a class named '{UNCLASSIFIED}' already: leave reject out")
    number = 254 if table.ids[-1] < 254 and 0 not in table.ids else table.ids[-1] + 1
    return ClassTable((*table.ids, number), (*table.names, UNCLASSIFIED), (*table.colours, UNCLASSIFIED_GREY))


def layer_path(map_path: Path, name: str) -> Path:
    """``map.tif`` and "confidence" make ``map_confidence.tif``."""
    return map_path.with_name(f"{map_path.stem}_{name}.tif")


def layer_files(map_path: Path, options: MapOptions) -> dict[str, Path]:
    """The rasters of a map that is made with these options by their layers, "map" first."""
    layers = {"confidence": True, "probabilities": options.probabilities, "novelty": options.novelty}
    return {"map": map_path} | {name: layer_path(map_path, name) for name, wanted in layers.items() if wanted}


class MapWriter:
    """Writes and counts the layers of strips, from top to bottom; see :func:`map_writer`."""

    def __init__(
        self, writers: Mapping[str, Write], table: ClassTable, scene: Scene, limit: float, in_memory: bool
    ) -> None:
        self.writers, self.table, self.scene, self.limit, self.in_memory = writers, table, scene, limit, in_memory
        self.hectares_of_row = pixel_hectares(scene.georeference, scene.height, scene.width)
        self.pixels, self.hectares = np.zeros(len(table), np.int64), np.zeros(len(table))
        self.without_data = 0
        self.novel: int | None = None
        self.layers: dict[str, NDArray[Any]] = {}

    def add(self, block: Block, layers: Layers) -> None:
        """Write and count the next rows: class ids ``(h, W)`` and bands ``(C, h, W)`` by name."""
        for name, write in self.writers.items():
            write(block, layers[name])
        ids = layers["map"]
        for i, number in enumerate(self.table.ids):
            in_row = np.count_nonzero(ids == number, axis=1)
            self.pixels[i] += in_row.sum()
            if self.hectares_of_row is not None:
                self.hectares[i] += in_row @ self.hectares_of_row[block.slices[0]]
        self.without_data += int(np.count_nonzero(ids == nodata_value(self.table)))
        if "novelty" in layers:
            self.novel = (self.novel or 0) + int(np.count_nonzero(layers["novelty"] > self.limit))
        for name, values in layers.items() if self.in_memory else ():
            if name not in self.layers:
                shape = (*values.shape[:-2], self.scene.height, self.scene.width)
                self.layers[name] = np.empty(shape, values.dtype)
            self.layers[name][(..., *block.slices)] = values

    def summary(self) -> MapSummary:
        """The counts so far, and the layers in memory."""
        pixels = dict(zip(self.table.ids, self.pixels.tolist(), strict=True))
        hectares = dict(zip(self.table.ids, self.hectares.tolist(), strict=True))
        known = self.hectares_of_row is not None
        return MapSummary(self.table, pixels, hectares if known else None, self.without_data, self.novel, self.layers)


@contextmanager
def map_writer(
    files: Mapping[str, Path],
    classes: ClassTable,
    scene: Scene,
    *,
    reject: bool = False,
    limit: float = math.inf,
    cache: int | None = None,
    in_memory: bool = False,
) -> Iterator[MapWriter]:
    """A writer of a map of ``classes``, for networks and baselines; its ``files`` by layer ("map", "confidence",
    "probabilities", "novelty") appear when the block ends, and none of them if it raises.

    With ``reject`` there is a class "unclassified"; novelty above ``limit`` counts as novel; GDAL may use ``cache``
    bytes. With ``in_memory`` the summary has all layers. Raises what opening and writing raise.
    """
    table, where = map_table(classes, reject), scene.georeference
    bands = {
        "confidence": ["largest class probability"],
        "probabilities": list(classes.names),
        "novelty": ["Mahalanobis distance to the nearest class"],
    }
    writers: dict[str, Write] = {}
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**({"GDAL_CACHEMAX": cache} if cache else {})))
        for name in sorted(files, key=[*bands, "map"].index):
            writer: AbstractContextManager[Write]
            if name == "map":
                writer = class_map_writer(files[name], (scene.height, scene.width), table, georeference=where)
            else:
                shape, place = (len(bands[name]), scene.height, scene.width), {"georeference": where}
                writer = band_writer(
                    files[name], shape, np.float32, **place, nodata=float("nan"), descriptions=bands[name]
                )
            writers[name] = _TileRows(stack.enter_context(writer), scene.height)
        yield MapWriter(writers, table, scene, limit, in_memory)


class _TileRows:
    """Passes rows on as complete rows of a GeoTIFF's tiles, so that each tile is compressed once for any strips."""

    def __init__(self, write: Write, height: int) -> None:
        self.write, self.height, self.row = write, height, 0
        self.rows: list[NDArray[Any]] = []

    def __call__(self, block: Block, values: NDArray[Any]) -> None:
        """Take the next rows ``(..., h, W)``, which end with the last row of ``block``."""
        self.rows.append(values)
        end = block.row + block.height
        ready = end if end == self.height else end // TILE * TILE
        if ready == self.row:
            return
        rows = np.concatenate(self.rows, axis=-2)
        count = ready - self.row
        self.write(Block(self.row, 0, count, block.width), rows[..., :count, :])
        self.rows, self.row = [rows[..., count:, :].copy()], ready
