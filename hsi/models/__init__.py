"""Networks by name. One file here adds a model: it registers itself in :data:`MODELS`."""

from hsi.models.build import build_model, build_networks, check_multipliers, count_parameters
from hsi.models.counting import Work, count_work
from hsi.models.ensemble import Joined, join_linear
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, choose_engine
from hsi.models.pooled import Pooled

__all__ = [
    "MODELS",
    "Joined",
    "ModelEntry",
    "Pooled",
    "WindowNetwork",
    "Work",
    "build_model",
    "build_networks",
    "check_multipliers",
    "choose_engine",
    "count_parameters",
    "count_work",
    "join_linear",
]
