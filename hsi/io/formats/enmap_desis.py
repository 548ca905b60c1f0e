"""EnMAP and DESIS products, which DLR's ground segment writes alike: a GeoTIFF and an XML file that describes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats._checks import number, parse_xml
from hsi.io.formats._product import ProductReader, in_physical_units, stored_scene
from hsi.io.formats.gdal import raster_dataset
from hsi.io.reader import READERS, ArrayInfo, check_declared_size

NAME = re.compile(r"(?P<stem>.*?)-?(?P<role>METADATA|SPECTRAL_IMAGE(_COG)?)\.(?P<suffix>xml|tiff?)", re.IGNORECASE)
SPARSE_RATIO = 100_000
BANDS = "specific/bandCharacterisation"


@dataclass(frozen=True)
class BandTags:
    """What the XML calls a band and its facts."""

    band: str
    wavelength: str
    fwhm: str
    gain: str
    offset: str


class GroundSegmentReader(ProductReader):
    """The user names the metadata, the spectral image or the folder that holds them."""

    suffixes = (".tif", ".xml")
    mission: ClassVar[str]
    tags: ClassVar[BandTags]

    def recognises(self, path: Path) -> bool:
        """Whether it is the mission's Level 2A image or metadata, by its name and what the metadata describe."""
        name = path.name.upper()
        if NAME.fullmatch(name) is None or not name.startswith(self.mission) or "L2A" not in name:
            return False
        metadata = _beside(path, "METADATA", ("xml",))
        return metadata is not None and self._describes_bands(metadata)

    def _describes_bands(self, metadata: Path) -> bool:
        try:
            root = parse_xml(metadata, self.title)
        except SceneFileError:
            return True  # the name says so: opening it tells what is wrong
        return root.find(f"{BANDS}/{self.tags.band}/{self.tags.fwhm}") is not None

    def open_product(self, path: Path) -> Scene:
        """Surface reflectance, as the gains and offsets in the metadata make it, with wavelengths and FWHM."""
        image, metadata = self.files(path)
        root = parse_xml(metadata, self.title)
        scene = stored_scene(image, lambda: raster_dataset(image), f"{self.title} (GeoTIFF)")
        array = ArrayInfo("", scene.shape, scene.dtype.name)
        check_declared_size(image, array, image.stat().st_size, scene.dtype.itemsize, SPARSE_RATIO)
        bands = self._bands(metadata, root, len(scene.bands))
        centres, widths, gains, offsets = (
            tuple(number(metadata, band, tag) for band in bands)
            for tag in (self.tags.wavelength, self.tags.fwhm, self.tags.gain, self.tags.offset)
        )
        background = root.find("specific/backgroundValue")
        nodata = scene.nodata if background is None else number(metadata, root, "specific/backgroundValue")
        scene = replace(scene, wavelengths=centres, fwhm=widths, nodata=nodata)
        return in_physical_units(scene, gains, offsets)

    def files(self, path: Path) -> tuple[Path, Path]:
        """The image and its metadata; raises :class:`SceneFileError` when one is missing."""
        metadata = _beside(path, "METADATA", ("xml",))
        image = _beside(path, "SPECTRAL_IMAGE", ("tif", "tiff"))
        if metadata is None or image is None:
            missing = "*SPECTRAL_IMAGE.TIF" if metadata else "*METADATA.XML"
            raise SceneFileError(f"{path}: {self.title} also has a file {missing}, which is missing: put it beside")
        return image, metadata

    def _bands(self, metadata: Path, root: ElementTree.Element, count: int) -> list[ElementTree.Element]:
        """The XML elements of the bands, which must be as many as the image has."""
        bands = root.findall(f"{BANDS}/{self.tags.band}")
        if len(bands) != count:
            raise SceneFileError(
                f"{metadata}: describes {len(bands)} bands, but the image has {count}: "
                "they are not of one product; download it again"
            )
        return bands


def _beside(path: Path, role: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of the same product that has a role: the given one, else the first beside it in any case of letters."""
    given = NAME.fullmatch(path.name)
    if given is None:
        return None
    if given["role"].upper().startswith(role):
        return path
    for entry in sorted(path.parent.iterdir()):
        match = NAME.fullmatch(entry.name)
        if match is None or match["stem"].lower() != given["stem"].lower():
            continue
        if match["role"].upper().startswith(role) and match["suffix"].lower() in suffixes and entry.is_file():
            return entry
    return None


class EnmapReader(GroundSegmentReader):
    """``ENMAP*-SPECTRAL_IMAGE.TIF`` and ``ENMAP*-METADATA.XML``."""

    title = "EnMAP L2A"
    mission = "ENMAP"
    tags = BandTags("bandID", "wavelengthCenterOfBand", "FWHMOfBand", "GainOfBand", "OffsetOfBand")


READERS.register("enmap")(EnmapReader())


class DesisReader(GroundSegmentReader):
    """``DESIS-HSI-L2A*-SPECTRAL_IMAGE.tif`` and ``DESIS-HSI-L2A*-METADATA.xml``."""

    title = "DESIS L2A"
    mission = "DESIS"
    tags = BandTags("band", "wavelengthCenterOfBand", "wavelengthWidthOfBand", "gainOfBand", "offsetOfBand")


READERS.register("desis")(DesisReader())
