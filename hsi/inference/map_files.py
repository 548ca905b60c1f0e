"""The files of a map, written strip by strip from top to bottom, and what is counted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:  # it loads torch
    from hsi.inference.model_file import SavedModel

UNCLASSIFIED = "unclassified"
Layers = Mapping[str, NDArray[Any]]


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
    return ClassTable((*table.ids, number), (*table.names, UNCLASSIFIED), (*table.colours, UNCLASSIFIED_GREY))


def layer_path(path: Path, kind: str) -> Path:
    """``map.tif`` and "confidence" make ``map_confidence.tif``."""
    return path.with_name(f"{path.stem}_{kind}.tif")


class MapWriter:
    """Takes the layers of strips from top to bottom; see :func:`map_writer`."""

    def __init__(self, writers: Mapping[str, Write], tally: ClassAreas, limit: float) -> None:
        self.writers, self.tally, self.limit = writers, tally, limit

    def add(self, block: Block, layers: Layers) -> None:
        """Write and count the next rows: class ids ``(h, W)`` and bands ``(C, h, W)`` by name."""
        for name, write in self.writers.items():
            write(block, layers[name])
        self.tally.add(block, layers, self.limit)


@contextmanager
def map_writer(path: Path, bundle: SavedModel, scene: Scene, options: MapOptions, cache: int) -> Iterator[MapWriter]:
    """A writer of ``path`` and of the layers beside it, each of which takes its name when the block ends well.

    ``cache`` is the bytes that GDAL may keep. Raises what opening and writing the files raise.
    """
    table = map_table(bundle.table, options.reject is not None)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=cache))
        writers = _open_writers(stack, path, scene, bundle, table, options)
        yield MapWriter(writers, ClassAreas(table, scene), bundle.familiar.limits[2])


def _open_writers(
    stack: ExitStack, path: Path, scene: Scene, bundle: SavedModel, table: ClassTable, options: MapOptions
) -> dict[str, Write]:
    """Writers of the layers that are wanted, by name."""
    shape, where = (scene.height, scene.width), scene.georeference

    def bands(kind: str, names: list[str]) -> Write:
        place: dict[str, Any] = {"georeference": where, "nodata": float("nan"), "descriptions": names}
        return stack.enter_context(band_writer(layer_path(path, kind), (len(names), *shape), np.float32, **place))

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


class ClassAreas:
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
