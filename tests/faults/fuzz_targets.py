"""What is fuzzed: for each format a few small valid files, and how a command opens and reads one of them."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import hsi
from hsi.core.scene import Block, Georeference, Scene, scene_from_array, survey_scene
from hsi.errors import LabelError
from tests.faults import fuzz_files, fuzz_records
from tests.faults.mutating import mutate
from tests.io.file_makers import NORTH_UP, small_cube


@dataclass(frozen=True)
class Seed:
    """A valid file with those beside it: their contents by name, which one is ``opened`` and which is ``changed``, and
    what kind of changes suit it."""

    files: dict[str, bytes]
    opened: str
    changed: str
    kind: str

    def mutated(self, chance: Random) -> Seed:
        """The same with a hostile file in the place of the one that is changed."""
        return replace(self, files={**self.files, self.changed: mutate(self.files[self.changed], self.kind, chance)})

    def write(self, folder: Path) -> Path:
        """Write all files; the path to open."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / self.opened


Make = Callable[[Path], Iterator[tuple[Path, str, str]]]


@dataclass(frozen=True)
class Target:
    """A format or loader: ``make`` writes valid files into empty folders and yields what to open, the name of the file
    to change and the kind of changes; ``read`` does what a command would, and raises only :class:`HsiError`."""

    name: str
    make: Make
    read: Callable[[Path], object]

    @cache  # noqa: B019 (targets live as long as the process)
    def seeds(self) -> list[Seed]:
        """The valid files, made once."""
        with tempfile.TemporaryDirectory() as folder:
            return [_seed(Path(folder), path, *more) for path, *more in self.make(Path(folder))]

    def hostile(self, chance: Random) -> Seed:
        """One of the valid files, changed."""
        return chance.choice(self.seeds()).mutated(chance)


def _seed(root: Path, opened: Path, changed: str, kind: str) -> Seed:
    top = root / opened.relative_to(root).parts[0]
    inside = [path for path in sorted(top.rglob("*")) if path.is_file()]
    files = {str(path.relative_to(top)): path.read_bytes() for path in inside}
    assert changed in files, (changed, list(files))
    return Seed(files, str(opened.relative_to(top)), changed, kind)


def a_scene(shape: tuple[int, int, int] = (11, 7, 5)) -> Scene:
    """The scene that labels and splits are read for: it lies where the files of :mod:`fuzz_files` lie."""
    from rasterio.crs import CRS

    place = Georeference(CRS.from_epsg(32633).to_wkt(), tuple(NORTH_UP)[:6])
    return replace(scene_from_array(small_cube(shape=shape)), georeference=place)


def read_scene(path: Path) -> None:
    """What ``hsi inspect`` does: open, look at corners, survey, and look for labels."""
    scene = hsi.open_scene(path)
    height, width, _ = scene.shape
    scene.read(Block(height - 1, width - 1, 1, 1))
    survey_scene(scene)
    scene._repr_html_()
    with contextlib.suppress(LabelError):
        hsi.open_labels(None, scene)


def read_labels(path: Path) -> None:
    """Labels as they are, and aligned."""
    with contextlib.suppress(LabelError):
        hsi.open_labels(path, a_scene(), align=path.suffix == ".tif")
    hsi.open_labels(path, a_scene())._repr_html_()


def read_polygons(path: Path) -> None:
    """Labels of a vector file, the field left to be found."""
    hsi.open_labels(path, a_scene())._repr_html_()


def read_split(path: Path) -> None:
    """A given split, or a mask."""
    from hsi.io.masks import open_mask, open_split

    open_mask(path, a_scene()) if path.stem == "mask" else open_split(str(path), a_scene())


def read_settings(path: Path) -> None:
    """Settings of ``--config``."""
    from hsi.settings import load_settings

    load_settings(path)


def read_experiment(path: Path) -> None:
    """An experiment and the runs that it comes to."""
    from hsi.experiments.spec import load_experiment, plan_runs

    for run in plan_runs(load_experiment(path), str(path))[:20]:
        assert Path(run.name).name == run.name


def read_model(path: Path) -> None:
    """A saved model that maps a scene of four pixels and writes the map."""
    import torch

    from hsi.inference.model_file import load_model
    from hsi.inference.predict import map_in_memory
    from hsi.io.geotiff import write_class_map
    from hsi.preprocessing.band_matching import match_bands

    saved = load_model(path)
    match = match_bands(saved.bands, scene_from_array(fuzz_records.model_cube()[:2, :2]))
    ids = map_in_memory(saved, match, device=torch.device("cpu"))["map"]
    saved.novelty.distance(saved.reducer.transform(fuzz_records.model_cube()[0]))
    saved.reducer.describe()
    out = path.parent / "out"
    write_class_map(out / "map.tif", ids, saved.table, georeference=None, nodata_mask=None)


def read_checkpoint(path: Path) -> None:
    """A checkpoint that a training goes on from."""
    from hsi.training.checkpoint import load_checkpoint

    trainer = fuzz_records.trainer()
    trainer.resume(load_checkpoint(path))
    trainer.fit()


def read_strips(path: Path) -> None:
    """The finished strips of a map begun earlier."""
    from hsi.inference.resume import StripCache

    partial = StripCache(path.parent, fuzz_records.MAP_FACTS)
    for row in sorted(partial.done):
        partial.load(Block(row, 0, 4, 6))


def read_record(path: Path) -> None:
    """What ``hsi rerun`` reads before it runs, and what ``hsi plot`` draws of it."""
    from hsi.experiments.rerun import read_run
    from hsi.report.run_figures import read_run_figures

    with contextlib.suppress(hsi.errors.UsageError):
        read_run(path.parent)
    found = read_run_figures(path.parent, ["map"]).drawings()
    for name in ("confusion_matrix", "reliability", "training_curves"):
        if name in found:
            found[name]()


def read_comparison(path: Path) -> None:
    """The figures of a comparison."""
    from hsi.experiments.figures import COMPARISON_FIGURES, read_comparison_figures
    from hsi.report.figures import drawings

    for draw in drawings(COMPARISON_FIGURES, read_comparison_figures(path.parent)).values():
        draw()


SCENES = {
    "mat": fuzz_files.matlab,
    "mat73": fuzz_files.matlab_hdf5,
    "npy": fuzz_files.npy,
    "npz": fuzz_files.npz,
    "envi-header": fuzz_files.envi,
    "geotiff": fuzz_files.geotiff,
    "virtual-raster": fuzz_files.virtual_raster,
    "other-rasters": fuzz_files.other_rasters,
    "hdf5": fuzz_files.hdf5,
    "hdf5-structure": fuzz_files.hdf5_structure,
    "geotiff-tags": fuzz_files.geotiff_tags,
    "hdf5-products": fuzz_files.hdf5_products,
    "xml-products": fuzz_files.xml_products,
}
LOADERS: dict[str, tuple[Make, Callable[[Path], Any]]] = {
    "label-rasters": (fuzz_files.label_rasters, read_labels),
    "geopackage": (fuzz_files.geopackage, read_polygons),
    "geopackage-geometry": (fuzz_files.geopackage_geometry, read_polygons),
    "hdf5-labels": (fuzz_files.hdf5_labels, read_labels),
    "geojson": (fuzz_files.geojson, read_polygons),
    "shapefile": (fuzz_files.shapefile, read_polygons),
    "split-and-mask": (fuzz_files.splits, read_split),
    "settings": (fuzz_records.settings, read_settings),
    "experiment": (fuzz_records.experiment, read_experiment),
    "model": (fuzz_records.model, read_model),
    "checkpoint": (fuzz_records.checkpoint, read_checkpoint),
    "strips": (fuzz_records.strips, read_strips),
    "run-record": (fuzz_records.run_record, read_record),
    "comparison": (fuzz_records.comparison, read_comparison),
}
TARGETS = {name: Target(name, make, read_scene) for name, make in SCENES.items()} | {
    name: Target(name, make, read) for name, (make, read) in LOADERS.items()
}


def told(seed: Seed) -> str:
    """What a seed is, in a line of JSON, so that a kept input can be opened again."""
    return json.dumps({"opened": seed.opened, "changed": seed.changed, "kind": seed.kind})
