"""DESIS Level 2A: surface reflectance as GeoTIFF with an XML file of metadata.

Format: DLR, "DESIS Product Specification", PAV-DLR-ICD-003, issue 1.0. Each ``specific/bandCharacterisation/band`` has
``wavelengthCenterOfBand`` and ``wavelengthWidthOfBand`` in nanometres, and ``gainOfBand`` and ``offsetOfBand``, with
which stored numbers become reflectance. Pixels without data hold the GeoTIFF's nodata value.
"""

from __future__ import annotations

from hsi.io.formats.enmap_desis import BandTags, GroundSegmentReader
from hsi.io.reader import READERS


class DesisReader(GroundSegmentReader):
    """``DESIS-HSI-L2A*-SPECTRAL_IMAGE.tif`` and ``DESIS-HSI-L2A*-METADATA.xml``."""

    title = "DESIS L2A"
    mission = "DESIS"
    tags = BandTags("band", "wavelengthCenterOfBand", "wavelengthWidthOfBand", "gainOfBand", "offsetOfBand")


READERS.register("desis")(DesisReader())
