"""What the readers of text files return: fields and geometries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hsi.core.colours import Colour


@dataclass(frozen=True)
class Features:
    """Values ``(n,)`` of each field (text, int or float, None where there is none) and geometries ``(n,)``.

    ``crs`` is a CRS as pyproj takes it, None for none. Coordinates ``in_pixels`` are (column, row) from the upper left
    corner of the scene. ``colours`` are those of classes by their name.
    """

    fields: Mapping[str, list[Any]]
    geometries: list[Any]
    crs: str | None
    colours: Mapping[str, Colour] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    in_pixels: bool = False
