"""GeoTIFF and every other raster that GDAL reads, virtual rasters and remote files included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from hsi.core.colours import Colour
from hsi.core.georeference import georeference_of
from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats._checks import parse_xml
from hsi.io.formats._product import common_dtype, nodata_of, opened, scaled_scene
from hsi.io.reader import (
    READERS,
    ArrayInfo,
    LabelContent,
    Reader,
    check_declared_size,
    first_bytes,
    kind_of,
    plane,
)

LARGEST = 2**20
NAME_USAGE, VALUE_USAGE = ("2",), ("0", "5")


def category_names(path: Path) -> dict[int, str]:
    """Names by class id of a raster's first band; empty where there is no side file or it cannot be trusted.

    The side file is a courtesy of GDAL's: one that is large, damaged or declares entities is passed over.
    """
    side = path.with_name(path.name + ".aux.xml")
    if not side.is_file() or side.stat().st_size > LARGEST:
        return {}
    try:
        text = side.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return {}
        band = ElementTree.fromstring(text).find("PAMRasterBand[@band='1']")
    except (OSError, ValueError, ElementTree.ParseError):
        return {}
    if band is None:
        return {}
    listed = [(entry.text or "").strip() for entry in band.findall("CategoryNames/Category")]
    return {i: name for i, name in enumerate(listed) if name} or _attribute_table(band)


def _attribute_table(band: ElementTree.Element) -> dict[int, str]:
    """Names from a raster attribute table; its columns are told by their usage (0 and 5: value, 2: name)."""
    usages = [(field.findtext("Usage") or "").strip() for field in band.findall("GDALRasterAttributeTable/FieldDefn")]
    names = [column for column, usage in enumerate(usages) if usage in NAME_USAGE]
    values = [column for column, usage in enumerate(usages) if usage in VALUE_USAGE]
    found: dict[int, str] = {}
    for row in band.findall("GDALRasterAttributeTable/Row"):
        cells = [(cell.text or "").strip() for cell in row.findall("F")]
        if names and values and len(cells) == len(usages) and cells[values[-1]].isdecimal():
            found[int(cells[values[-1]][:9])] = cells[names[0]]
    return found


PREFIXES = ("/vsicurl/", "/vsis3/", "/vsigs/", "/vsiaz/")
# what is read by window, by the name's end; a virtual raster could name any other file
REMOTE_DRIVERS = {".jp2": "JP2OpenJPEG"}
USUAL_DRIVER = "GTiff"
REMOTE_TITLE = "a GeoTIFF or JPEG 2000 behind a network"


def is_remote(path: Path) -> bool:
    """Whether a path is one of GDAL's names for what lies behind a network, such as ``/vsis3/bucket/scene.tif``."""
    return path.as_posix().startswith(PREFIXES)


def remote_name(path: Path) -> str:
    """The name as GDAL takes it; a path has lost one of the two slashes of ``/vsicurl/https://…``."""
    return re.sub(r"^(/vsicurl/[a-z]+):/+", r"\1://", path.as_posix())


def open_remote(path: Path) -> Scene:
    """A raster behind a network as a scene that is read by window.

    GDAL takes access keys and regions from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_NO_SIGN_REQUEST``, …). Raises
    :class:`SceneFileError` when it cannot be reached or is no GeoTIFF or JPEG 2000.
    """
    driver = REMOTE_DRIVERS.get(path.suffix.lower(), USUAL_DRIVER)
    return scaled_scene(path, lambda: opened(path, remote_name(path), driver, REMOTE_TITLE), "remote raster")


ALLOWED_BANDS = (None, "VRTSourcedRasterBand")  # others run programs over their sources or read raw bytes of any file
SOURCE_ELEMENTS = ("SourceFilename", "SourceDataset")
REMEDY = "gdal_translate makes a GeoTIFF of it"


def sources_of(path: Path, is_raster: Callable[[Path], bool]) -> tuple[Path, ...]:
    """The files that a virtual raster is made of: rasters in its folder or below, as ``is_raster`` tells.

    Raises :class:`SceneFileError` for one that is made of anything else, or in another way than by laying pixels of
    rasters beside and over each other.
    """
    root = parse_xml(path, "a virtual raster")
    for element in (root, *root.iter("VRTRasterBand")):
        if element.get("subClass") not in ALLOWED_BANDS:
            raise SceneFileError(f"{path}: is a virtual raster of the kind {element.get('subClass')}; {REMEDY}")
    named = [element for name in SOURCE_ELEMENTS for element in root.iter(name)]
    sources = dict.fromkeys(_source(path, element) for element in named)
    for source in sources:
        if not is_raster(source):
            raise SceneFileError(
                f"{path}: is a virtual raster of '{source.name}', which is missing or no raster; {REMEDY}"
            )
    return tuple(sources)


def _source(path: Path, element: ElementTree.Element) -> Path:
    """The file that an element names; raises :class:`SceneFileError` unless it lies in the folder or below."""
    text = element.text or ""
    folder = path.parent.resolve()
    try:
        source = (folder / text if element.get("relativeToVRT") == "1" else Path(text)).resolve()
        inside = bool(text) and source.is_relative_to(folder)
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise SceneFileError(
            f"{path}: is a virtual raster of '{text[:80]}', which lies outside its folder: put it into a folder that "
            f"holds all of its rasters, or {REMEDY}"
        )
    return source


TITLE = "a GDAL raster"
VIRTUAL = "VRT"
DRIVERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"EHFA_HEADER_TAG": "HFA",
    b"HEAD74": "LAN",
    b"HEADER": "LAN",
    b"\x00\x00\x00\x0cjP  ": "JP2OpenJPEG",
    b"<VRTDataset": VIRTUAL,
}
FORMATS = {"GTiff": "GeoTIFF", "HFA": "ERDAS Imagine", "LAN": "ERDAS LAN", "JP2OpenJPEG": "JPEG 2000"}
# tiles that were never written and constant areas shrink far more than deflate alone
SPARSE_RATIO = 100_000


class RasterReader(Reader):
    """Bands are read together, a window at a time; the file is opened anew for each window."""

    title = "GeoTIFF and other GDAL rasters"
    suffixes = (".tif", ".tiff", ".jp2", ".lan", ".vrt")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as TIFF, BigTIFF, JPEG 2000, ERDAS LAN, ERDAS Imagine or virtual rasters do."""
        return _driver(path) is not None

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster; raises :class:`SceneFileError` when the file is too small for the size that it declares."""
        files = sources_of(path, _is_plain_raster) if _driver(path) == VIRTUAL else (path,)
        with raster_dataset(path) as dataset:
            dtype = common_dtype(dataset)
            array = ArrayInfo("", (dataset.height, dataset.width, dataset.count), kind_of(dtype))
            stored = sum(file.stat().st_size for file in files)
            check_declared_size(path, array, stored, dtype.itemsize, SPARSE_RATIO)
            return (array,)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster as a scene with wavelengths, bad bands, nodata and place, in physical units if it has a scale."""
        driver = str(_driver(path))
        return scaled_scene(path, lambda: raster_dataset(path), FORMATS.get(driver, driver))

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster's band as labels, with its palette, its category names and its nodata value."""
        with raster_dataset(path) as dataset:
            values = plane(np.moveaxis(dataset.read(), 0, -1))
            return LabelContent(
                values, category_names(path), _palette(dataset), nodata_of(dataset), georeference_of(dataset)
            )


READERS.register("gdal")(RasterReader())


@contextmanager
def raster_dataset(path: Path) -> Iterator[Any]:
    """The file as a rasterio dataset; raises :class:`SceneFileError` unless it is a raster by its first bytes."""
    driver = _driver(path)
    if driver is None:
        raise SceneFileError(
            f"{path}: is not a raster: it starts with {first_bytes(path, 8)!r}, expected a TIFF, BigTIFF, JPEG 2000, "
            "ERDAS or VRT signature; rename it to its real format or download it again"
        )
    with opened(path, str(path), driver, TITLE) as dataset:
        yield dataset


def _driver(path: Path) -> str | None:
    """The GDAL driver for what the file starts with, so that a file cannot ask for any other one."""
    start = first_bytes(path)
    return next((driver for magic, driver in DRIVERS.items() if start.startswith(magic)), None)


def _is_plain_raster(path: Path) -> bool:
    """Whether a virtual raster may be made of a file: one of the other rasters, or ENVI's raw data with its header."""
    headers = (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr"))
    return _driver(path) not in (None, VIRTUAL) or any(first_bytes(header).startswith(b"ENVI") for header in headers)


def _palette(dataset: Any) -> dict[int, Colour]:
    try:
        entries = dataset.colormap(1)
    except ValueError:  # a band without a palette
        return {}
    return {int(i): (int(colour[0]), int(colour[1]), int(colour[2])) for i, colour in entries.items()}
