"""Small models for tests, trained or with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hsi.bundle import Bundle
from hsi.config import load_settings
from hsi.familiarity import learn_familiarity
from hsi.labels import ClassTable, default_table
from hsi.matching import BandList
from hsi.models import build_model
from hsi.reducers import fit_reducer, reduce_scene
from hsi.scene import Scene


def random_bundle(
    scene: Scene, *, name: str = "hybridsn-bn", window: int = 11, table: ClassTable | None = None, seed: int = 0
) -> Bundle:
    """A bundle of 13 components fitted on a scene, with random weights that give every class a share of the pixels."""
    table = table or default_table([1, 2, 3])
    settings = load_settings(None, {"model.window": window, "model.name": name, "reducer.components": 13})
    valid = np.ones((scene.height, scene.width), bool)
    reducer = fit_reducer(scene, settings.reducer, valid)
    model = build_model(name, components=13, window=window, classes=len(table), seed=seed)
    with torch.no_grad():
        torch.nn.init.normal_(model.dense3.weight, generator=torch.Generator().manual_seed(seed))
    components = reduce_scene(scene, reducer, valid).reshape(13, -1).T
    familiar = learn_familiarity(components, np.arange(len(components)) % len(table), len(table))
    bands = BandList(scene.bands, len(scene.bands), scene.wavelengths, scene.fwhm)
    return Bundle(model.eval(), reducer, table, settings, bands, familiar, {})


def random_cube(height: int, width: int, bands: int = 15, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Numbers between 1 and 100, the same for the same arguments."""
    return np.random.default_rng(seed).uniform(1, 100, (height, width, bands)).astype(dtype)
