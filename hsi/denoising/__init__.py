"""Scenes with less noise: DnCNN, MNF truncation, total variation. One file here adds a denoiser."""

from hsi.denoising.applying import denoised_scene, kept_scene
from hsi.denoising.choosing import check_choice, chosen_bands, clean_bands
from hsi.denoising.denoiser import (
    DENOISERS,
    BandStatistics,
    Denoiser,
    denoiser_state,
    make_denoiser,
    noisier,
    restore_denoiser,
)
from hsi.denoising.measuring import Measured, held_out, measure_denoiser
from hsi.denoising.noise import NoiseLevels, add_noise

__all__ = [
    "DENOISERS",
    "BandStatistics",
    "Denoiser",
    "Measured",
    "NoiseLevels",
    "add_noise",
    "check_choice",
    "chosen_bands",
    "clean_bands",
    "denoised_scene",
    "denoiser_state",
    "held_out",
    "kept_scene",
    "make_denoiser",
    "measure_denoiser",
    "noisier",
    "restore_denoiser",
]
