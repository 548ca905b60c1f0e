"""What the readers of data products share: sidecar files, scaling to reflectance, wavelengths."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import georeference_of
from hsi.core.scene import Block, Scene
from hsi.errors import LabelError, SceneError, SceneFileError
from hsi.io.geotiff import gdal_env
from hsi.io.reader import READERS, Array, ArrayInfo, LabelContent, Reader, reading

# what one unit is in nanometres; MICRO SIGN and GREEK SMALL LETTER MU both occur
UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1.0),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns"), 1000.0),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1000.0),
    **dict.fromkeys(("mm", "millimeters", "millimetres"), 1e6),
    **dict.fromkeys(("m", "meters", "metres"), 1e9),
}
UNSAID = ("", "unknown", "none")


def unit_in_nanometres(unit: str | None, values: Sequence[float]) -> float | None:
    """What one unit is in nanometres, or None for what is no length (wavenumbers, GHz, an index).

    Where the file does not say, wavelengths below 100 can only be micrometres.
    """
    name = (unit or "").strip().lower()
    if name in UNSAID:
        return 1000.0 if values and max(values) < 100 else 1.0
    return UNITS.get(name)


def spectral_axis(
    path: Path, bands: int, wavelengths: Sequence[str], fwhm: Sequence[str], unit: str | None
) -> dict[str, tuple[float, ...] | None]:
    """``wavelengths`` and ``fwhm`` of a scene in nanometres, None where the file has none.

    Raises :class:`SceneError` when a list is not as long as the bands or holds what is not a positive number.
    """
    centres = _numbers(path, "wavelength", wavelengths, bands)
    widths = _numbers(path, "fwhm", fwhm, bands)
    scale = unit_in_nanometres(unit, centres or widths)
    if scale is None:
        return {"wavelengths": None, "fwhm": None}
    return {
        "wavelengths": tuple(value * scale for value in centres) or None,
        "fwhm": tuple(value * scale for value in widths) or None,
    }


def good_bands(path: Path, multipliers: Sequence[str], bands: int) -> tuple[bool, ...] | None:
    """Bad-band multipliers (0: bad, 1: good) as truth values; None where the file has none.

    Raises :class:`SceneError` when the list is not as long as the bands or holds what is not a number.
    """
    return tuple(value != 0 for value in _numbers(path, "bbl", multipliers, bands)) or None


def _numbers(path: Path, key: str, texts: Sequence[str], bands: int) -> list[float]:
    if not texts:
        return []
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise SceneError(f"{path}: '{key}' holds what is not a number ({error}); correct or delete it") from error
    if len(values) != bands:
        raise SceneError(f"{path}: '{key}' lists {len(values)} values for {bands} bands; correct or delete it")
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise SceneError(f"{path}: '{key}' holds a negative or infinite value; correct or delete it")
    return values


class ProductReader(Reader):
    """A product with one cube, told by its content, whatever the file is called."""

    is_product = True

    def accepts(self, path: Path) -> bool:
        """Only what it recognises: others use the same suffixes."""
        return self.recognises(path)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one cube."""
        scene = self.open_product(path)
        return (ArrayInfo("", scene.shape, scene.dtype.name),)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The cube, read by window."""
        return self.open_product(path)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """Raise :class:`LabelError`: a product has no labels."""
        raise LabelError(f"{path}: is {self.title}, which holds no labels; give another --labels FILE")

    @abstractmethod
    def open_product(self, path: Path) -> Scene:
        """The product's cube as a scene."""


def product_file(path: Path) -> Path:
    """The file to open for ``path``: of a folder that holds one product its image, else the path itself.

    Raises :class:`SceneFileError` when a folder holds several products.
    """
    if not path.is_dir():
        return path
    products = [reader for _, reader in READERS.items() if reader.is_product]
    entries = sorted(entry for entry in path.iterdir() if entry.is_file() and entry.suffix.lower() != ".xml")
    found = [entry for entry in entries if any(reader.recognises(entry) for reader in products)]
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found[:5])
        raise SceneFileError(f"{path}: holds {len(found)} products: {names}; name one of them")
    return found[0] if found else path


def in_physical_units(scene: Scene, gains: Sequence[float], offsets: Sequence[float]) -> Scene:
    """The scene with the values ``stored * gain + offset`` as float32, one gain and offset per band of the file.

    The nodata value is looked for before scaling and becomes NaN; a nodata value of 0 counts only in pixels that hold
    it in every band. A scene whose gains are all 1 and offsets all 0 comes back as it is. Raises
    :class:`SceneFileError` for a gain or offset that is not finite, or a gain of 0.
    """
    gain, offset = np.asarray(gains, np.float64), np.asarray(offsets, np.float64)
    if not (np.all(np.isfinite(gain)) and np.all(np.isfinite(offset)) and np.all(gain != 0)):
        raise SceneFileError(
            f"{scene.source}: its scale factors or offsets are zero or not finite, expected numbers such as 0.0001; "
            "correct them or download the file again"
        )
    if np.all(gain == 1) and np.all(offset == 0):
        return scene
    fetch, nodata = scene.fetch, scene.nodata

    def scaled(block: Block) -> Array:
        return scale_values(fetch(block), gain, offset, nodata)

    return replace(
        scene,
        fetch=scaled,
        dtype=np.dtype(np.float32),
        nodata=None if nodata is None else float("nan"),
        scale=tuple(float(gain[band]) for band in scene.bands),
    )


def scale_values(
    stored: Array, gain: NDArray[np.float64], offset: NDArray[np.float64], nodata: float | None
) -> NDArray[np.float32]:
    """``(h, w, B)`` of stored numbers as float32 ``stored * gain + offset``, NaN where they were nodata."""
    values = stored.astype(np.float32)
    values *= gain.astype(np.float32)
    values += offset.astype(np.float32)
    if nodata is not None:
        void = stored == nodata
        values[void.all(axis=2) if nodata == 0 else void] = np.nan
    return values


# opens one raster for as long as a block lasts
Opener = Callable[[], AbstractContextManager[Any]]


@contextmanager
def opened(path: Path, name: str, driver: str, title: str, least: int = 1) -> Iterator[Any]:
    """``name`` (the file, or a part of it) as a rasterio dataset of at ``least`` that many bands.

    Only ``driver`` is tried. Raises :class:`SceneFileError` that names ``path``.
    """
    import rasterio

    with reading(path, title), gdal_env(), rasterio.open(name, driver=driver) as dataset:
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
