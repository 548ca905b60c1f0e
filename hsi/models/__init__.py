"""Networks by name. One file here adds a model: it registers itself in :data:`MODELS`."""

from hsi.models.build import Flops, build_model, build_networks, check_multipliers, count_flops, count_parameters
from hsi.models.ensemble import (
    FILTER_REACH,
    MultiWindowEnsemble,
    SpectralPool,
    SupportVectors,
    filter_components,
    fit_linear,
    fit_support_vectors,
    join_linear,
    leading_inputs,
    member_logarithms,
    place_inputs,
    scale_guide,
    sum_linear,
)
from hsi.models.network import MODELS, ModelEntry, WindowNetwork, choose_engine

__all__ = [
    "FILTER_REACH",
    "MODELS",
    "Flops",
    "ModelEntry",
    "MultiWindowEnsemble",
    "SpectralPool",
    "SupportVectors",
    "WindowNetwork",
    "build_model",
    "build_networks",
    "check_multipliers",
    "choose_engine",
    "count_flops",
    "count_parameters",
    "filter_components",
    "fit_linear",
    "fit_support_vectors",
    "join_linear",
    "leading_inputs",
    "member_logarithms",
    "place_inputs",
    "scale_guide",
    "sum_linear",
]
