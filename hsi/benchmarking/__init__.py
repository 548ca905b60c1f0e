"""What ``hsi bench`` measures: the conventional way, the engines, and what the machine itself could do."""

from hsi.benchmarking.conventional import Conventional, conventional_pass, conventional_scores
from hsi.benchmarking.engines import MapTimes, TrainingTimes, time_map, time_training
from hsi.benchmarking.rates import Rates, machine_rates, median_seconds
from hsi.models.build import multiply_adds

__all__ = [
    "Conventional",
    "MapTimes",
    "Rates",
    "TrainingTimes",
    "conventional_pass",
    "conventional_scores",
    "machine_rates",
    "median_seconds",
    "multiply_adds",
    "time_map",
    "time_training",
]
