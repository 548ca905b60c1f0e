"""hsi: land-cover maps and believable accuracy tables from hyperspectral cubes.

The library holds the nouns (scenes, labels, splits, networks, metrics); the commands live in ``hsi.pipelines``.
What is named here is imported when it is first used, so that ``import hsi`` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hsi.version import __version__

if TYPE_CHECKING:
    from hsi.api import classify
    from hsi.classification import Classification
    from hsi.classifier import HybridSNClassifier
    from hsi.config import Settings, load_settings
    from hsi.errors import HsiError
    from hsi.labels import ClassTable, LabelMap
    from hsi.opening import open_labels, open_scene
    from hsi.scene import Scene

__all__ = [
    "ClassTable",
    "Classification",
    "HsiError",
    "HybridSNClassifier",
    "LabelMap",
    "Scene",
    "Settings",
    "__version__",
    "classify",
    "load_settings",
    "open_labels",
    "open_scene",
]

_HOMES = {
    "ClassTable": "labels",
    "Classification": "classification",
    "HsiError": "errors",
    "HybridSNClassifier": "classifier",
    "LabelMap": "labels",
    "Scene": "scene",
    "Settings": "config",
    "classify": "api",
    "load_settings": "config",
    "open_labels": "opening",
    "open_scene": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hsi' has no attribute '{name}'")
    found = getattr(import_module(f"hsi.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
