"""Three flight lines: scenes next to each other on the ground, of one sensor, with labels of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hsi.core.synthetic import UTM_16N, make_scene
from tests.io import file_makers

WAVELENGTHS = np.linspace(450, 2400, 16)


@dataclass(frozen=True)
class Lines:
    """The folder of ``a.hdr``, ``b.hdr`` and ``c.hdr`` with ``a.tif``, …, and their cubes and class ids."""

    folder: Path
    cubes: dict[str, np.ndarray]
    truths: dict[str, np.ndarray]

    def named(self, *names: str) -> list[Path]:
        return [self.folder / name for name in names]


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """Not to be changed. The bands of ``b.hdr`` are in descending order, and ``c.hdr`` has one more."""
    folder = tmp_path_factory.mktemp("lines")
    cube, labels, _ = make_scene(30, 72, bands=16, classes=4, field=10)
    cubes, truths = {}, {}
    for name, columns in {"a": slice(0, 24), "b": slice(24, 44), "c": slice(44, 72)}.items():
        cubes[name], truths[name] = cube[:, columns], labels[:, columns]
        stored, wavelengths = cubes[name], WAVELENGTHS
        if name == "b":
            stored, wavelengths = stored[:, :, ::-1], wavelengths[::-1]
        if name == "c":
            stored, wavelengths = np.dstack([stored[:, :, :1], stored]), np.insert(wavelengths, 0, 400)
        left = 500000 + 20 * columns.start
        place = ["UTM", 1, 1, left, 4480000, 20, 20, 16, "North", "WGS-84"]
        file_makers.envi(
            folder / f"{name}.hdr",
            np.ascontiguousarray(stored),
            "bil",
            wavelength=list(map(str, wavelengths)),
            **{"map info": place},
        )
        grid = {"crs": UTM_16N, "transform": (20, 0, left, 0, -20, 4480000)}
        file_makers.tiff(folder / f"{name}.tif", truths[name], **grid)
    return Lines(folder, cubes, truths)
