"""The map view of a report: its layers, and the place of its pixels on the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import safe_colours
from hsi.core.georeference import crs_title, longitude_latitude, pixel_metres
from hsi.core.labels import ClassTable, codes_of
from hsi.core.scene import Georeference
from hsi.report.html.encoding import encode_array, encode_picture
from hsi.report.html.spectra import Spectra

NODES = 33  # each way; between them the page interpolates
FINEST = 7  # decimals of a degree: a centimetre


def place_for_page(georeference: Georeference | None, height: int, width: int) -> dict[str, Any] | None:
    """What the page's scripts need for the place of a pixel; None where it is not known."""
    if georeference is None:
        return None
    return {
        "transform": list(georeference.transform),
        "metres": pixel_metres(georeference),
        "degrees": degrees_of(georeference, height, width),
    }


def degrees_of(georeference: Georeference, height: int, width: int) -> dict[str, Any] | None:
    """Longitude and latitude at nodes that are spread evenly from the first to the last corner of a scene
    ``(height, width)``, and the ``decimals`` that are right after interpolation between them.

    None without a CRS, with one of a local grid, and where they are not known everywhere or jump from 180 to -180
    degrees.
    """
    rows, columns = (np.linspace(0, size, NODES) for size in (height, width))
    nodes = _on_grid(georeference, rows, columns)
    if nodes is None:
        return None
    middles = _on_grid(georeference, (rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2)
    if middles is None or np.ptp(nodes[0]) > 180:
        return None
    corners = (nodes[:, 1:, 1:], nodes[:, 1:, :-1], nodes[:, :-1, 1:], nodes[:, :-1, :-1])
    error = float(np.abs(sum(corners) / 4 - middles).max())
    decimals = FINEST if error < 10.0**-FINEST else int(np.floor(-np.log10(error)))
    longitude, latitude = nodes.reshape(2, -1).tolist()
    return {
        "rows": NODES,
        "columns": NODES,
        "longitude": longitude,
        "latitude": latitude,
        "decimals": max(0, min(FINEST, decimals)),
    }


def _on_grid(
    georeference: Georeference, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Longitude and latitude ``(2, n, m)`` where rows ``(n,)`` and columns ``(m,)`` cross; None if some are unknown."""
    across, down = np.meshgrid(columns, rows)
    degrees = longitude_latitude(georeference, across.ravel(), down.ravel())
    return None if degrees is None else degrees.reshape(2, *across.shape)


CONFIDENCE_LEVELS = 254  # of a byte, whose 0 means that there is none
Codes = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class MapView:
    """A map of a scene ``(height, width)`` and what can be laid over it.

    Layers are ``(h, w)``, every ``step``-th row and column: ``ids`` and ``truth`` are class ids (others than those of
    ``table`` are no class), ``confidence`` from 0 to 1 or NaN, ``split`` the codes of ``split.tif``. Right and wrong
    are of the split's test pixels, or with ``count_all`` of all pixels with a truth. ``picture`` ``(h, w, 3)`` uint8
    is the false colour, ``pixels`` the pixels of each class id in the map at full size.
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
        return crs_title(self.georeference.crs) if self.georeference else None

    def to_page(self) -> dict[str, Any]:
        """What the page's scripts read."""
        rows, columns = self.ids.shape
        layers = {
            "map": encode_array(class_codes(self.ids, self.table)),
            "truth": None if self.truth is None else encode_array(class_codes(self.truth, self.table)),
            "confidence": None if self.confidence is None else encode_array(confidence_levels(self.confidence)),
            "split": None if self.split is None else encode_array(self.split.astype(np.uint8)),
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
            "picture": None if self.picture is None else encode_picture(self.picture),
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
