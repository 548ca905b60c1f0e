"""Small models for tests, trained or with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hsi.core.labels import ClassTable, default_table
from hsi.core.scene import Scene
from hsi.inference.model_file import SavedModel
from hsi.inference.novelty import fit_novelty
from hsi.models import WindowNetwork, build_model
from hsi.preprocessing.band_matching import BandList
from hsi.preprocessing.reducers import fit_reducer, reduce_scene
from hsi.settings import load_settings


def random_model(
    scene: Scene,
    *,
    name: str = "hybridsn-bn",
    window: int = 11,
    table: ClassTable | None = None,
    seed: int = 0,
    reducer: str = "mnf",
) -> SavedModel:
    """A saved of 13 components fitted on a scene, with random weights that give every class a share of the pixels."""
    table = table or default_table([1, 2, 3])
    chosen = {"model.window": window, "model.name": name, "reducer.components": 13, "reducer.name": reducer}
    chosen |= {"mapping.calibrate": True, "split.validation": "10%"}  # so that a confidence is a threshold
    settings = load_settings(None, chosen)
    valid = np.ones((scene.height, scene.width), bool)
    fitted = fit_reducer(scene, settings.reducer, valid)
    model = build_model(name, components=13, window=window, classes=len(table), seed=seed)
    wake(model, seed)
    components = reduce_scene(scene, fitted, valid).reshape(13, -1).T
    novelty = fit_novelty(components, np.arange(len(components)) % len(table), len(table))
    bands = BandList(scene.bands, len(scene.bands), scene.wavelengths, scene.fwhm)
    return SavedModel(model.eval(), fitted, table, settings, bands, novelty, {})


def last_layer(model: WindowNetwork) -> torch.nn.Linear:
    """The dense layer that gives the class scores."""
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1]


def wake(model: WindowNetwork, seed: int = 0) -> WindowNetwork:
    """The network with weights of its last layer that let the scores of pixels differ; fresh ones are near zero."""
    torch.nn.init.normal_(last_layer(model).weight, generator=torch.Generator().manual_seed(seed))
    return model


def random_cube(height: int, width: int, bands: int = 15, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Numbers between 1 and 100, the same for the same arguments."""
    return np.random.default_rng(seed).uniform(1, 100, (height, width, bands)).astype(dtype)
