"""Scenes with less noise: DnCNN, MNF truncation, total variation. One file here adds a denoiser."""

from hsi.preprocessing.denoisers.denoised_scene import denoised_scene, kept_scene
from hsi.preprocessing.denoisers.denoiser import (
    DENOISERS,
    BandStatistics,
    Denoiser,
    check_band_selection,
    clean_bands,
    denoiser_state,
    make_denoiser,
    noisier,
    restore_denoiser,
    selected_bands,
)
from hsi.preprocessing.denoisers.quality import Measured, NoiseLevels, add_noise, held_out, measure_denoiser

__all__ = [
    "DENOISERS",
    "BandStatistics",
    "Denoiser",
    "Measured",
    "NoiseLevels",
    "add_noise",
    "check_band_selection",
    "clean_bands",
    "denoised_scene",
    "denoiser_state",
    "held_out",
    "kept_scene",
    "make_denoiser",
    "measure_denoiser",
    "noisier",
    "restore_denoiser",
    "selected_bands",
]
