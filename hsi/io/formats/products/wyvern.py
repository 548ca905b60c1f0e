"""Wyvern Dragonette L2A reflectance and L1B radiance: a GeoTIFF (COG) and the JSON file of its STAC item.

Format: Wyvern's public resources (``wyvern_stac.py`` and its guide to the data) and its Open Data catalogue (STAC
1.0.0). The asset "Cloud optimized GeoTiff" of ``wyvern_dragonette-*.json`` has ``eo:bands`` with ``center_wavelength``
and ``full_width_half_max`` in micrometres, and ``raster:bands`` with ``data_type``, ``nodata`` and ``scale``, in the
order of the GeoTIFF's bands. L2A is uint16, 65535 for no data, times the scale 0.0001, which the GeoTIFF lacks; L1B is
float32 without a scale, -9999 for no data. The data mask and the pixel quality mask are other files, and not applied.

The user names the GeoTIFF or the folder. Without the JSON file it is read as any GeoTIFF, as stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats._product import (
    SPARSE_RATIO,
    ProductReader,
    open_raster,
    raster_driver,
    raster_scene,
    scale_scene,
    to_nanometres,
)
from hsi.io.reader import ArrayInfo, check_declared_size, convert_errors, register_reader

NAME = re.compile(r"wyvern_dragonette-\d+_\w+\.tiff?", re.IGNORECASE)
ASSET = "Cloud optimized GeoTiff"
LARGEST_ITEM = 2**22


@register_reader("wyvern")
class WyvernReader(ProductReader):
    """The image is read as a GeoTIFF, scaled by what its item says."""

    title = "Wyvern Dragonette"
    suffixes = (".tif", ".tiff")

    def recognises(self, path: Path) -> bool:
        """Whether it is a GeoTIFF of that name with its item next to it."""
        named = NAME.fullmatch(path.name) is not None and path.with_suffix(".json").is_file()
        return named and raster_driver(path) == "GTiff"

    def files(self, path: Path) -> tuple[Path, Path]:
        """The image and its item."""
        return path, path.with_suffix(".json")

    def open_product(self, path: Path) -> Scene:
        """Reflectance or radiance with wavelengths, FWHM, nodata value and georeference."""
        item = path.with_suffix(".json")
        asset, level = _read_item(item)
        scene = raster_scene(path, lambda: open_raster(path), f"{self.title} {level} (GeoTIFF)", scaled=False)
        array = ArrayInfo("", scene.shape, scene.dtype.name)
        check_declared_size(path, array, path.stat().st_size, scene.dtype.itemsize, SPARSE_RATIO)
        count = len(scene.bands)
        optical, raster = (_bands(item, asset, key, count) for key in ("eo:bands", "raster:bands"))
        centres, widths = (_numbers(item, optical, key) for key in ("center_wavelength", "full_width_half_max"))
        if centres:
            wavelengths, fwhm = to_nanometres(centres, widths, "um")
            scene = replace(scene, wavelengths=wavelengths, fwhm=fwhm)
        nodata = _numbers(item, raster, "nodata")
        if scene.nodata is None and nodata:
            scene = replace(scene, nodata=nodata[0])
        gains, offsets = (
            _numbers(item, raster, key) or [usual] * count for key, usual in (("scale", 1.0), ("offset", 0.0))
        )
        return scale_scene(scene, gains, offsets)


def _read_item(path: Path) -> tuple[Mapping[str, Any], str]:
    """The image's asset of a STAC item, and the processing level."""
    with convert_errors(path, "the STAC item of a Wyvern scene"):
        if path.stat().st_size > LARGEST_ITEM:
            raise SceneFileError(f"{path}: is larger than the item of a scene ever is; download it again")
        item = json.loads(path.read_text(encoding="utf-8"))
        assets = item["assets"] if isinstance(item, Mapping) else {}
        asset = assets.get(ASSET) if isinstance(assets, Mapping) else None
        if not isinstance(asset, Mapping):
            raise SceneFileError(f"{path}: lacks the asset '{ASSET}'; download it again")
        properties = item.get("properties")
        level = properties.get("processing:level") if isinstance(properties, Mapping) else None
        return asset, str(level or "")[:10]


def _bands(path: Path, asset: Mapping[str, Any], key: str, count: int) -> list[Mapping[str, Any]]:
    """A list of the asset with one object for each band; empty where there is none."""
    bands = asset.get(key) or []
    if not isinstance(bands, Sequence) or not all(isinstance(band, Mapping) for band in bands):
        raise SceneFileError(f"{path}: '{key}' is no list of bands; download it again")
    if bands and len(bands) != count:
        raise SceneFileError(
            f"{path}: '{key}' describes {len(bands)} bands, but the image has {count}: they are not of one scene"
        )
    return list(bands)


def _numbers(path: Path, bands: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """The numbers of all bands; empty where a band has none."""
    values = [band.get(key) for band in bands]
    if not values or None in values:
        return []
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    if len(numbers) != len(values) or not np.all(np.isfinite(numbers)):
        raise SceneFileError(f"{path}: '{key}' of its bands are not all numbers; download it again")
    return numbers
