"""Maps in memory: read back from files, or made by a saved model as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import progress

if TYPE_CHECKING:
    import torch

    from hsi.inference.model_file import Bundle
    from hsi.preprocessing.band_matching import BandMatch


@dataclass(frozen=True, eq=False)
class MapArrays:
    """Class ids ``(H, W)``, which pixels could be used ``(H, W)`` bool, and probabilities ``(H, W, C)`` float32, NaN
    where they could not, or None where they were not asked for."""

    ids: NDArray[Any]
    valid: NDArray[np.bool_]
    probabilities: NDArray[np.float32] | None


def map_arrays(bundle: Bundle, match: BandMatch, *, device: torch.device, probabilities: bool = False) -> MapArrays:
    """A scene's map by a model as ``hsi predict`` makes it, averaged and blended as the model's settings say.

    Raises :class:`TrainingError` where the model's scores are no numbers.
    """
    from hsi.core.heap import kept_memory
    from hsi.core.memory import free_memory, resident_memory
    from hsi.inference.predict import MapOptions, map_strips, plan_map
    from hsi.io.geotiff import class_dtype, nodata_value

    mapping, engine = bundle.settings.mapping, bundle.settings.training.engine
    options = MapOptions(
        probabilities=probabilities, engine=engine, symmetries=bool(mapping.symmetries), blend=bool(mapping.blend)
    )
    plan = plan_map(bundle, match, options, resident_memory() + free_memory() // 2)
    height, width, _ = match.scene.shape
    ids = np.empty((height, width), class_dtype(bundle.table))
    shares = np.empty((height, width, len(bundle.table)), np.float32) if probabilities else None
    with kept_memory(), progress("map", "rows") as advance:
        for block, layers in map_strips(bundle, match, options, plan, device=device):
            ids[block.slices] = layers["map"]
            if shares is not None:
                shares[block.slices] = np.moveaxis(layers["probabilities"], 0, 2)
            advance(block.row + block.height, height)
    return MapArrays(ids, ids != nodata_value(bundle.table), shares)


def read_bands(path: Path) -> NDArray[Any]:
    """All bands ``(C, H, W)`` of a raster that this package wrote."""
    import rasterio

    from hsi.io.gdal import quiet

    with quiet(), rasterio.open(path) as raster:
        bands: NDArray[Any] = raster.read()
    return bands
