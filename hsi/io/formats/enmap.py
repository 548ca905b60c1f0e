"""EnMAP Level 2A: surface reflectance as GeoTIFF with an XML file of metadata.

Format: EnMAP Ground Segment, "EnMAP HSI Level 1B / 1C / 2A Product Specification", EN-PCV-ICD-2009-2. Each
``specific/bandCharacterisation/bandID`` has ``wavelengthCenterOfBand`` and ``FWHMOfBand`` in nanometres, and
``GainOfBand`` and ``OffsetOfBand``, with which stored numbers become reflectance; ``specific/backgroundValue`` is the
value of pixels without data. Bands are in the order of their wavelengths, those of the two detectors mixed where they
overlap.
"""

from __future__ import annotations

from hsi.io.formats.enmap_desis import BandTags, GroundSegmentReader
from hsi.io.reader import READERS


class EnmapReader(GroundSegmentReader):
    """``ENMAP*-SPECTRAL_IMAGE.TIF`` and ``ENMAP*-METADATA.XML``."""

    title = "EnMAP L2A"
    mission = "ENMAP"
    tags = BandTags("bandID", "wavelengthCenterOfBand", "FWHMOfBand", "GainOfBand", "OffsetOfBand")


READERS.register("enmap")(EnmapReader())
