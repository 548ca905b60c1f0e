"""The map of a page: its layers on one grid, which may be every n-th pixel of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import safe_colours
from hsi.core.labels import ClassTable, codes_of
from hsi.core.scene import Georeference
from hsi.report.html.encoding import pack, pack_picture
from hsi.report.html.map_view import crs_name, place_for_page
from hsi.report.html.spectra import Spectra

CONFIDENCE_LEVELS = 254  # of a byte, whose 0 means that there is none
Codes = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class MapView:
    """A map of a scene ``(height, width)`` and what can be laid over it.

    Layers are ``(h, w)``, every ``step``-th row and column: ``ids`` and ``truth`` are class ids (others than those of
    ``table`` are no class), ``confidence`` from 0 to 1 or NaN, ``split`` the codes of ``split.tif``. Right and wrong
    is told of the split's test pixels, or with ``count_all`` of all pixels with a truth. ``picture`` ``(h, w, 3)``
    uint8 is the false colour, ``pixels`` the pixels of each class id in the whole map.
    """

    height: int
    width: int
    step: int
    table: ClassTable
    ids: NDArray[Any]
    pixels: Mapping[int, int] = field(default_factory=dict)
    truth: NDArray[Any] | None = None
    truth_name: str = "Ground truth"
    confidence: NDArray[np.floating[Any]] | None = None
    split: NDArray[np.uint8] | None = None
    count_all: bool = False
    picture: NDArray[np.uint8] | None = None
    georeference: Georeference | None = None
    spectra: Spectra | None = None

    @property
    def crs(self) -> str | None:
        """Name of the CRS; None where there is none."""
        return crs_name(self.georeference.crs) if self.georeference else None

    def to_page(self) -> dict[str, Any]:
        """What the page's scripts read."""
        rows, columns = self.ids.shape
        layers = {
            "map": pack(class_codes(self.ids, self.table)),
            "truth": None if self.truth is None else pack(class_codes(self.truth, self.table)),
            "confidence": None if self.confidence is None else pack(confidence_levels(self.confidence)),
            "split": None if self.split is None else pack(self.split.astype(np.uint8)),
        }
        return {
            "height": self.height,
            "width": self.width,
            "step": self.step,
            "rows": rows,
            "columns": columns,
            "classes": self.classes(),
            "layers": {name: layer for name, layer in layers.items() if layer is not None},
            "truthName": self.truth_name,
            "countAll": self.count_all or self.split is None,
            "picture": None if self.picture is None else pack_picture(self.picture),
            "place": place_for_page(self.georeference, self.height, self.width),
            "spectra": self.spectra and self.spectra.to_page(),
        }

    def classes(self) -> list[dict[str, Any]]:
        """Id, name, colour, colour-blind colour and pixels (None where they are not known) of each class."""
        table = self.table
        columns = zip(table.ids, table.names, table.colours, safe_colours(len(table)), strict=True)
        return [
            {"id": i, "name": name, "colour": list(own), "safe": list(other), "pixels": self.pixels.get(i)}
            for i, name, own, other in columns
        ]


def class_codes(ids: NDArray[Any], table: ClassTable) -> Codes:
    """Positions in the class table from 1 on, 0 for an id that is not in it: ``(h, w)`` uint8 or uint16."""
    codes = codes_of(ids, table) + 1
    return codes.astype(np.uint8) if len(table) < 256 else codes.astype(np.uint16)


def confidence_levels(confidence: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Confidence as 1 + 254 x its value, rounded; 0 where it is NaN."""
    levels = 1 + np.rint(np.clip(np.nan_to_num(confidence), 0, 1) * CONFIDENCE_LEVELS)
    return np.where(np.isnan(confidence), 0, levels).astype(np.uint8)
