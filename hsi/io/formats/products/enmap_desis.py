"""EnMAP and DESIS products, both from DLR's ground segment: a GeoTIFF and an XML file that describes it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats._checks import parse_xml, read_number
from hsi.io.formats._product import SPARSE_RATIO, ProductReader, open_raster, raster_scene, scale_scene
from hsi.io.reader import ArrayInfo, check_declared_size, register_reader

NAME = re.compile(
    r"(?P<stem>.*?)-?((?P<metadata>METADATA\.xml)|(?P<image>SPECTRAL_IMAGE(_COG)?\.tiff?))", re.IGNORECASE
)
BANDS = "specific/bandCharacterisation"


class GroundSegmentReader(ProductReader):
    """The user names the metadata, the spectral image or the folder that holds them."""

    suffixes = (".tif", ".xml")
    mission: ClassVar[str]
    # XML tags: of a band, and in it of its wavelength, FWHM, gain and offset
    band_tag: ClassVar[str]
    tags: ClassVar[tuple[str, str, str, str]]

    def recognises(self, path: Path) -> bool:
        """Whether it is the mission's Level 2A image or metadata, by its name and what the metadata describe."""
        name = path.name.upper()
        if NAME.fullmatch(name) is None or not name.startswith(self.mission) or "L2A" not in name:
            return False
        metadata = _find_part(path, "metadata")
        if metadata is None:
            return False
        try:
            root = parse_xml(metadata, self.title)
        except SceneFileError:
            return True  # by its name it is one; opening it raises the error
        return root.find(f"{BANDS}/{self.band_tag}/{self.tags[1]}") is not None

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance, scaled by the gains and offsets of the metadata, with wavelengths and FWHM."""
        image, metadata = self.files(path)
        root = parse_xml(metadata, self.title)
        scene = raster_scene(image, lambda: open_raster(image), f"{self.title} (GeoTIFF)", scaled=False)
        array = ArrayInfo("", scene.shape, scene.dtype.name)
        check_declared_size(image, array, image.stat().st_size, scene.dtype.itemsize, SPARSE_RATIO)
        bands = root.findall(f"{BANDS}/{self.band_tag}")
        if len(bands) != len(scene.bands):
            raise SceneFileError(
                f"{metadata}: describes {len(bands)} bands, but the image has {len(scene.bands)}: "
                "they are not of one product; download it again"
            )
        centres, widths, gains, offsets = (
            tuple(read_number(metadata, band, tag) for band in bands) for tag in self.tags
        )
        background = root.find("specific/backgroundValue")
        nodata = scene.nodata if background is None else read_number(metadata, root, "specific/backgroundValue")
        scene = replace(scene, wavelengths=centres, fwhm=widths, nodata=nodata)
        return scale_scene(scene, gains, offsets)

    def files(self, path: Path) -> tuple[Path, Path]:
        """The image and its metadata; raises :class:`SceneFileError` when one is missing."""
        metadata = _find_part(path, "metadata")
        image = _find_part(path, "image")
        if metadata is None or image is None:
            missing = "*SPECTRAL_IMAGE.TIF" if metadata else "*METADATA.XML"
            raise SceneFileError(f"{path}: {self.title} needs a file {missing}, which is missing: add it to the folder")
        return image, metadata


def _find_part(path: Path, part: str) -> Path | None:
    """The "metadata" or "image" of the product of ``path``: this file, else the first in its folder, in any case."""
    given = NAME.fullmatch(path.name)
    if given is None or given[part]:
        return path if given else None
    for entry in sorted(path.parent.iterdir()):
        match = NAME.fullmatch(entry.name)
        if match and match[part] and match["stem"].lower() == given["stem"].lower() and entry.is_file():
            return entry
    return None


@register_reader("enmap")
class EnmapReader(GroundSegmentReader):
    """``ENMAP*-SPECTRAL_IMAGE.TIF`` and ``ENMAP*-METADATA.XML``."""

    title = "EnMAP L2A"
    mission = "ENMAP"
    band_tag = "bandID"
    tags = ("wavelengthCenterOfBand", "FWHMOfBand", "GainOfBand", "OffsetOfBand")


@register_reader("desis")
class DesisReader(GroundSegmentReader):
    """``DESIS-HSI-L2A*-SPECTRAL_IMAGE.tif`` and ``DESIS-HSI-L2A*-METADATA.xml``."""

    title = "DESIS L2A"
    mission = "DESIS"
    band_tag = "band"
    tags = ("wavelengthCenterOfBand", "wavelengthWidthOfBand", "gainOfBand", "offsetOfBand")
