"""What is read for a run: bands of products, bands to leave out, and masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hsi
from hsi.preprocessing.reducers.mnf import MNF
from hsi.settings import SECOND_WINDOW, USUAL_WINDOW
from hsi.workflows.inputs import estimate_memory
from tests.conftest import SMALL, Run, Sample
from tests.io.file_makers import tiff
from tests.io.product_makers import neon

HERE = {"crs": "EPSG:32618", "transform": (1, 0, 368_000, 0, -1, 4_307_000)}


@pytest.mark.usefixtures("no_figures")
def test_a_product_with_a_label_raster_becomes_a_map(run: Run, sample: Sample, tmp_path: Path):
    cube = sample.cube - sample.cube.min() + 1
    path = neon(tmp_path, cube / cube.max() * 9000).path
    labels = tiff(tmp_path / "truth.tif", sample.truth, **HERE)
    done = run("classify", path, "--labels", labels, *SMALL, "--epochs", 2, "--train", "20", "--out", "run")
    assert done.code == 0, done.stderr
    bands = json.loads((tmp_path / "run" / "run.json").read_text())["bands"]["kept"]
    assert len(bands) < sample.cube.shape[2]
    assert "bands marked bad in the file" in done.stdout
    assert (tmp_path / "run" / "map.tif").is_file()


@pytest.mark.usefixtures("no_figures")
def test_bands_to_drop_reach_the_run(run: Run, scenes: dict[str, Path], tmp_path: Path):
    mask = tmp_path / "mask.npy"
    np.save(mask, np.pad(np.ones((30, 40), np.uint8), ((0, 6), (0, 0))))
    options = ("--drop-bands", "1-3", "--drop-wavelengths", "2300-2500", "--mask", mask)
    done = run("classify", scenes["envi"], *SMALL, "--epochs", 2, *options, "--train", "20", "--out", "run")
    assert done.code == 0, done.stderr
    assert "3 bands named with --drop-bands: 1-3" in done.stdout
    assert "bands within --drop-wavelengths: 23-24" in done.stdout
    assert "240 outside the mask" in done.stderr
    bands = json.loads((tmp_path / "run" / "run.json").read_text())["bands"]["kept"]
    assert bands == list(range(4, 23))


@pytest.mark.parametrize(
    ("settings", "components", "windows"),
    [
        ({}, MNF.usual_components, (USUAL_WINDOW, SECOND_WINDOW)),
        ({"reducer.name": "pca", "model.window": 11}, 24, (11,)),
        ({"reducer.components": 7, "model.second_window": 13}, 7, (13,)),
        ({"reducer.name": "identity"}, 24, (USUAL_WINDOW, SECOND_WINDOW)),
    ],
)
def test_memory_is_estimated_by_the_settings(settings: dict[str, Any], components: int, windows: tuple, sample: Sample):
    cube, reduced, patches = estimate_memory(hsi.open_scene(sample.cube), hsi.load_settings(None, settings)).items()
    assert cube[1] == 36 * 40 * 24 * 8
    assert reduced[1] == 36 * 40 * components * 4 and reduced[0].startswith(f"as {components} components")
    assert patches[1] == reduced[1] * sum(side**2 for side in windows)
    assert all(f"{side} x {side}" in patches[0] for side in windows)
