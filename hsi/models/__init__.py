"""Networks by name. One file here adds a model: it registers itself in :data:`MODELS`."""

from hsi.models.build import build_model, count_parameters
from hsi.models.joined import Joined, join_linear
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, choose_engine

__all__ = [
    "MODELS",
    "Joined",
    "ModelEntry",
    "WindowNetwork",
    "build_model",
    "choose_engine",
    "count_parameters",
    "join_linear",
]
