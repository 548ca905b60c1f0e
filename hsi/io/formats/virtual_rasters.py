"""Virtual rasters (``.vrt``), which name the files that they are made of, checked before GDAL opens any of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from hsi.errors import SceneFileError
from hsi.io.formats.xml_files import parse_xml

TITLE = "a virtual raster"
SOURCED = (None, "VRTSourcedRasterBand")  # others run programs over their sources or read raw bytes of any file
NAMES = ("SourceFilename", "SourceDataset")
REMEDY = "gdal_translate makes a GeoTIFF of it"


def sources_of(path: Path, is_raster: Callable[[Path], bool]) -> tuple[Path, ...]:
    """The files that a virtual raster is made of: rasters in its folder or below, as ``is_raster`` tells.

    Raises :class:`SceneFileError` for one that is made of anything else, or in another way than by laying pixels of
    rasters beside and over each other.
    """
    root = parse_xml(path, TITLE)
    for element in (root, *root.iter("VRTRasterBand")):
        if element.get("subClass") not in SOURCED:
            raise SceneFileError(f"{path}: is {TITLE} of the kind {element.get('subClass')}; {REMEDY}")
    named = [element for name in NAMES for element in root.iter(name)]
    sources = dict.fromkeys(_source(path, element) for element in named)
    for source in sources:
        if not is_raster(source):
            raise SceneFileError(f"{path}: is {TITLE} of '{source.name}', which is missing or no raster; {REMEDY}")
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
            f"{path}: is {TITLE} of '{text[:80]}', which lies outside its folder: put it into a folder that holds all "
            f"of its rasters, or {REMEDY}"
        )
    return source
