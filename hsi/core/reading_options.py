"""How a scene and its labels are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SceneOptions:
    """How to read a scene."""

    variable: str | None = None
    georef: Path | None = None
    mask: Path | None = None
    drop_bands: str | None = None
    drop_wavelengths: str | None = None
    keep_bad_bands: bool = False


@dataclass(frozen=True)
class LabelOptions:
    """How to read labels."""

    labels: Path | None = None
    label_variable: str | None = None
    background: int | None = None
    label_field: str | None = None
    label_layer: str | None = None
    all_touched: bool = False
    align: bool = False

    @property
    def given(self) -> bool:
        """Whether anything was said about labels."""
        return self != LabelOptions()
