"""Networks by name. One file here adds a model: it registers itself in :data:`MODELS`."""

from hsi.models.build import Flops, build_model, build_networks, check_multipliers, count_flops, count_parameters
from hsi.models.ensemble import MultiWindowEnsemble, SpectralEnsemble, join_linear
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, choose_engine

__all__ = [
    "MODELS",
    "Flops",
    "ModelEntry",
    "MultiWindowEnsemble",
    "SpectralEnsemble",
    "WindowNetwork",
    "build_model",
    "build_networks",
    "check_multipliers",
    "choose_engine",
    "count_flops",
    "count_parameters",
    "join_linear",
]
