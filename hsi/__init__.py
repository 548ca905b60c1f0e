"""hsi: land-cover maps and believable accuracy tables from hyperspectral cubes.

The library holds the nouns (scenes, labels, splits, networks, metrics); the commands live in ``hsi.pipelines``.
What is named here is imported when it is first used, so that ``import hsi`` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hsi.version import __version__

if TYPE_CHECKING:
    from hsi.api import Classification, classify, predict, train, train_scenes
    from hsi.collection.train import TrainedScenes
    from hsi.core.labels import ClassTable, LabelMap
    from hsi.core.scene import Scene
    from hsi.errors import HsiError
    from hsi.estimator import HybridSNClassifier
    from hsi.experiments.run import ComparisonResult, compare
    from hsi.settings import Settings, load_settings
    from hsi.workflows.denoise import DenoisedScene, denoise
    from hsi.workflows.evaluate import MapAccuracy, evaluate
    from hsi.workflows.export import ExportedModel, export
    from hsi.workflows.inputs import open_labels, open_scene
    from hsi.workflows.predict import PredictedMap
    from hsi.workflows.sample import MapSample, sample

__all__ = [
    "ClassTable",
    "Classification",
    "ComparisonResult",
    "DenoisedScene",
    "ExportedModel",
    "HsiError",
    "HybridSNClassifier",
    "LabelMap",
    "MapAccuracy",
    "MapSample",
    "PredictedMap",
    "Scene",
    "Settings",
    "TrainedScenes",
    "__version__",
    "classify",
    "compare",
    "denoise",
    "evaluate",
    "export",
    "load_settings",
    "open_labels",
    "open_scene",
    "predict",
    "sample",
    "train",
    "train_scenes",
]

_HOMES = {
    "ClassTable": "core.labels",
    "Classification": "api",
    "ComparisonResult": "experiments.run",
    "DenoisedScene": "workflows.denoise",
    "ExportedModel": "workflows.export",
    "HsiError": "errors",
    "HybridSNClassifier": "estimator",
    "LabelMap": "core.labels",
    "MapAccuracy": "workflows.evaluate",
    "MapSample": "workflows.sample",
    "PredictedMap": "workflows.predict",
    "Scene": "core.scene",
    "Settings": "settings",
    "TrainedScenes": "collection.train",
    "classify": "api",
    "compare": "experiments.run",
    "denoise": "workflows.denoise",
    "evaluate": "workflows.evaluate",
    "export": "workflows.export",
    "load_settings": "settings",
    "open_labels": "workflows.inputs",
    "open_scene": "workflows.inputs",
    "predict": "api",
    "sample": "workflows.sample",
    "train": "api",
    "train_scenes": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hsi' has no attribute '{name}'")
    found = getattr(import_module(f"hsi.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
