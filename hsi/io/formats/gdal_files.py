"""What readers share that read rasters through GDAL: a scene of an opened raster, and the facts in its tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.georeference import georeference_of
from hsi.core.scene import Block, Scene
from hsi.errors import SceneFileError
from hsi.io.formats._product import good_bands, spectral_axis
from hsi.io.formats.scaling import in_physical_units
from hsi.io.gdal import quiet
from hsi.io.reader import Array, reading

# opens one raster for as long as a block lasts
Opener = Callable[[], AbstractContextManager[Any]]


@contextmanager
def opened(path: Path, name: str, driver: str, title: str, least: int = 1) -> Iterator[Any]:
    """``name`` (the file, or a part of it) as a rasterio dataset of at ``least`` that many bands.

    Only ``driver`` is tried. Raises :class:`SceneFileError` that names ``path``.
    """
    import rasterio

    with reading(path, title), quiet(), rasterio.open(name, driver=driver) as dataset:
        if dataset.count < least:
            raise SceneFileError(f"{path}: holds no band, expected a raster; name one of its parts")
        yield dataset


def stored_scene(path: Path, opener: Opener, form: str, variable: str | None = None) -> Scene:
    """The raster as a scene of stored numbers with wavelengths, nodata and place, read by window.

    The file is opened anew for each window. Bands come in the dtype that holds them all.
    """
    with opener() as dataset:
        dtype, bands = common_dtype(dataset), dataset.count
        height, width = dataset.height, dataset.width
        facts = _band_facts(path, dataset)
        georeference, nodata = georeference_of(dataset), nodata_of(dataset)

    def fetch(block: Block) -> Array:
        from rasterio.windows import Window

        window = Window(block.column, block.row, block.width, block.height)  # type: ignore[call-arg, unused-ignore]
        with opener() as dataset:
            cube: Array = dataset.read(window=window, out_dtype=dtype)
        return np.moveaxis(cube, 0, -1)

    kept = tuple(range(bands))
    return Scene(
        path.stem, path, height, width, kept, dtype, fetch,
        variable=variable, format=form, nodata=nodata, georeference=georeference, **facts,
    )  # fmt: skip


def scaled_scene(path: Path, opener: Opener, form: str, variable: str | None = None) -> Scene:
    """As :func:`stored_scene`, in physical units where the raster has GDAL's scale and offset."""
    with opener() as dataset:
        scales, offsets = dataset.scales, dataset.offsets
    return in_physical_units(stored_scene(path, opener, form, variable), scales, offsets)


def common_dtype(dataset: Any) -> np.dtype[Any]:
    """The smallest dtype that holds every band."""
    return np.result_type(*(np.dtype(name) for name in set(dataset.dtypes)))


def nodata_of(dataset: Any) -> float | None:
    """The nodata value of the first band."""
    return None if dataset.nodata is None else float(dataset.nodata)


def _band_facts(path: Path, dataset: Any) -> dict[str, Any]:
    """Wavelengths, FWHM and bad bands from GDAL's IMAGERY domain, each band's tags, or the ENVI domain's lists."""
    plain = [{key.lower(): value for key, value in dataset.tags(band).items()} for band in dataset.indexes]
    lists = {key.lower(): _listed(value) for key, value in dataset.tags(ns="ENVI").items()}
    multipliers = _gathered(plain, "bbl") or lists.get("bbl", [])
    good = good_bands(path, multipliers, dataset.count)
    imagery = [dataset.tags(band, ns="IMAGERY") for band in dataset.indexes]
    centres, widths, unit = _gathered(imagery, "CENTRAL_WAVELENGTH_UM"), _gathered(imagery, "FWHM_UM"), "um"
    if not centres:
        centres, widths = _gathered(plain, "wavelength"), _gathered(plain, "fwhm")
        units = {tags.get("wavelength_units", "") for tags in plain}
        unit = units.pop() if len(units) == 1 else "mixed"
    if not centres:
        centres, widths = lists.get("wavelength", []), lists.get("fwhm", [])
        unit = " ".join(lists.get("wavelength_units", []))
    if not centres:
        return {"good": good}
    return {"good": good, **spectral_axis(path, dataset.count, centres, widths, unit)}


def _gathered(tags: list[dict[str, str]], key: str) -> list[str]:
    """One tag of every band, nothing unless every band has it."""
    return [entry[key] for entry in tags] if all(key in entry for entry in tags) else []


def _listed(text: str) -> list[str]:
    """``{a, b}``, as ENVI writes lists."""
    return [part.strip() for part in text.strip().strip("{}").split(",")]
