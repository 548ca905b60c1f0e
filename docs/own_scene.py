"""The README's worked example on generated data, with its picture: ``python docs/own_scene.py FOLDER``.

Writes an ENVI scene with a CRS and a GeoPackage of training polygons into FOLDER, runs the README's commands on them,
and draws FOLDER/own_scene.png: false colour with the polygons, the map, and its confidence. Nothing else is written;
docs/images/own_scene.png is a copy of the picture.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hsi.core.synthetic import make_scene, synthetic_georeference
from hsi.io import open_labels, open_scene
from hsi.io.geotiff import read_classes
from hsi.report.figures import false_colour

HERE = Path(__file__).parent
NAMES = ("water", "wheat", "maize", "meadow", "forest", "bare soil")
SIDE, POLYGON = 160, 7


def write_scene(path: Path) -> np.ndarray[Any, Any]:
    """An ENVI scene in UTM; returns the true classes ``(H, W)``, 0 where nothing is known."""
    from spectral.io import envi

    cube, labels, wavelengths = make_scene(SIDE, SIDE, bands=120, classes=len(NAMES), field=26, seed=4, noise=0.05)
    a, _, c, _, _, f = synthetic_georeference().transform
    facts = {
        "wavelength": [f"{nm:.2f}" for nm in wavelengths],
        "wavelength units": "Nanometers",
        "map info": ["UTM", "1", "1", f"{c}", f"{f}", f"{a}", f"{a}", "33", "North", "WGS-84"],
    }
    envi.save_image(str(path), cube, metadata=facts, interleave="bil", force=True)
    return labels


def write_polygons(path: Path, scene: Any, labels: np.ndarray[Any, Any]) -> None:
    """Small squares inside the fields, a few for each class, in geographic coordinates."""
    import geopandas
    from affine import Affine
    from scipy.ndimage import minimum_filter
    from shapely.geometry import box

    to_map, generator, shapes, classes = Affine(*scene.georeference.transform), np.random.default_rng(1), [], []
    for number, name in enumerate(NAMES, start=1):
        inside = minimum_filter((labels == number).astype(np.uint8), POLYGON + 2)
        places = generator.permutation(np.argwhere(inside))[:6]
        for row, column in places - POLYGON // 2:
            (left, top), (right, bottom) = to_map * (column, row), to_map * (column + POLYGON, row + POLYGON)
            shapes.append(box(left, bottom, right, top))
            classes.append(name)
    frame = geopandas.GeoDataFrame({"landcover": classes}, geometry=shapes, crs=scene.georeference.crs)
    frame.to_crs(4326).to_file(path)


def hsi(*words: object) -> None:
    """Run a command as a user would."""
    subprocess.run([sys.executable, "-m", "pipelines.cli", *map(str, words)], cwd=HERE.parent, check=True)


def draw(folder: Path) -> None:
    """The picture of the example."""
    scene = open_scene(folder / "scene.hdr")
    labels = open_labels(folder / "training.gpkg", scene, field="landcover")
    colours = np.full((max(labels.table.ids) + 1, 3), 0.93)
    colours[list(labels.table.ids)] = np.asarray(labels.table.colours) / 255
    picture = false_colour(scene, np.ones((SIDE, SIDE), bool)) / 255
    picture[labels.labelled] = colours[labels.values[labels.labelled]]
    figure = Figure(figsize=(10, 3.9), dpi=110)
    *axes, bar = figure.subplots(1, 4, width_ratios=(1, 1, 1, 0.05))
    axes[0].imshow(picture, interpolation="nearest")
    axes[1].imshow(colours[read_classes(folder / "map.tif")], interpolation="nearest")
    shown = axes[2].imshow(read_classes(folder / "map_confidence.tif"), cmap="cividis", vmin=0.3, vmax=1)
    for axis, title in zip(axes, ("false colour and training polygons", "map", "confidence"), strict=True):
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_axis_off()
    figure.colorbar(shown, cax=bar)
    bar.set_anchor("C")
    bar.set_box_aspect(20)
    table = labels.table
    patches = [Patch(color=colours[i], label=name) for i, name in zip(table.ids, table.names, strict=True)]
    figure.legend(handles=patches, loc="lower center", ncols=6, fontsize=8, frameon=False)
    figure.subplots_adjust(left=0.01, right=0.96, top=0.93, bottom=0.1, wspace=0.04)
    figure.savefig(folder / "own_scene.png")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Make the data in FOLDER, run the commands, draw the picture."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    labels = write_scene(folder / "scene.hdr")
    write_polygons(folder / "training.gpkg", open_scene(folder / "scene.hdr"), labels)
    np.save(folder / "reference.npy", labels)
    scene, field = folder / "scene.hdr", ("--labels", folder / "training.gpkg", "--label-field", "landcover")
    hsi("inspect", scene, *field)
    model, out = folder / "landcover.safetensors", folder / "map.tif"
    hsi("train", scene, *field, "--out", model, "--overwrite")
    hsi("predict", model, scene, "--out", out, "--max-memory", "1GB", "--overwrite")
    draw(folder)


if __name__ == "__main__":
    main()
