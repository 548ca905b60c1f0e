"""Four generated flight lines ``a.tif`` to ``d.tif`` over one area, with labels, for docs/howto/several_scenes.md.

``python -m benchmarks.flight_lines FOLDER SEED`` writes them; each has other fields, light and haze.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio

from hsi.core.synthetic import UTM_16N, make_scene

WIDTH, HEIGHT, BANDS = 48, 80, 40


def write_lines(folder: Path, seed: int) -> None:
    """Write the scenes of ``(80, 48, 40)`` float32 and their labels ``(80, 48)`` uint8, next to each other."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    made = make_scene(HEIGHT, 4 * WIDTH, BANDS, classes=6, field=11, seed=seed, noise=0.03, dtype="float32")
    cube, labels, wavelengths = made
    spectrum = (wavelengths - 400) / 2100
    for i, name in enumerate("abcd"):
        columns = slice(i * WIDTH, (i + 1) * WIDTH)
        light = 1 + 0.12 * random.standard_normal() + 0.15 * random.standard_normal() * (spectrum - 0.5)
        haze = 0.03 * random.random() * np.exp(-4 * spectrum)
        transform = rasterio.Affine(20, 0, 500000 + 20 * columns.start, 0, -20, 4480000)
        grid = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "crs": UTM_16N, "transform": transform}
        with rasterio.open(folder / f"{name}.tif", "w", count=BANDS, dtype="float32", **grid) as file:
            file.write(np.moveaxis((cube[:, columns] * light + haze).astype(np.float32), 2, 0))
            for band, value in enumerate(wavelengths, 1):
                file.update_tags(band, wavelength=f"{value:.2f}", wavelength_units="Nanometers")
        with rasterio.open(folder / f"{name}_labels.tif", "w", count=1, dtype="uint8", **grid) as file:
            file.write(labels[:, columns], 1)


if __name__ == "__main__":
    write_lines(Path(sys.argv[1]), int(sys.argv[2]))
