"""What is asked of labels, besides the file that they are in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hsi.errors import UsageError

RASTER_ONLY = {"variable": "--label-variable", "align": "--align"}
VECTOR_ONLY = {"field": "--label-field", "layer": "--label-layer", "all_touched": "--all-touched"}


@dataclass(frozen=True)
class LabelRequest:
    """``variable`` and ``align`` are for rasters; ``field``, ``layer`` and ``all_touched`` are for vectors."""

    variable: str | None = None
    background: int | None = None
    field: str | None = None
    layer: str | None = None
    all_touched: bool = False
    align: bool = False

    def for_raster(self, path: Path) -> LabelRequest:
        """The same request; raises :class:`UsageError` when it asks for what only vectors have."""
        return self._without(VECTOR_ONLY, f"{path}: holds a raster", "a GeoPackage, Shapefile or GeoJSON")

    def for_vector(self, path: Path) -> LabelRequest:
        """The same request; raises :class:`UsageError` when it asks for what only rasters have."""
        return self._without(RASTER_ONLY, f"{path}: holds polygons or points, not a raster", "a class raster")

    def _without(self, options: dict[str, str], found: str, meant_for: str) -> LabelRequest:
        given = [option for name, option in options.items() if getattr(self, name) not in (None, False)]
        if given:
            raise UsageError(f"{found}: leave {' and '.join(given)} out, which is for {meant_for}")
        return self
