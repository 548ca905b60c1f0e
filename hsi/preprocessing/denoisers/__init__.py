"""Scenes with less noise: DnCNN, MNF truncation, total variation. One file here adds a denoiser."""

from hsi.preprocessing.denoisers.denoised_scene import denoise_scene
from hsi.preprocessing.denoisers.denoiser import (
    DENOISERS,
    Denoiser,
    check_band_selection,
    denoiser_state,
    make_denoiser,
    restore_denoiser,
)
from hsi.preprocessing.denoisers.quality import NoiseLevels, add_noise

__all__ = [
    "DENOISERS",
    "Denoiser",
    "NoiseLevels",
    "add_noise",
    "check_band_selection",
    "denoise_scene",
    "denoiser_state",
    "make_denoiser",
    "restore_denoiser",
]
