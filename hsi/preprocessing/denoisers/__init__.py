"""Scenes with less noise: DnCNN, MNF truncation, total variation. One file here adds a denoiser."""

from hsi.preprocessing.denoisers.denoised_scene import cache_scene, denoise_scene
from hsi.preprocessing.denoisers.denoiser import (
    DENOISERS,
    BandStatistics,
    Denoiser,
    DenoisingQuality,
    add_noise_variance,
    check_band_selection,
    denoiser_state,
    least_noisy_bands,
    make_denoiser,
    restore_denoiser,
    select_bands_to_clean,
)
from hsi.preprocessing.denoisers.quality import (
    NoiseLevels,
    add_noise,
    held_out_block,
    measure_denoiser,
)

__all__ = [
    "DENOISERS",
    "BandStatistics",
    "Denoiser",
    "DenoisingQuality",
    "NoiseLevels",
    "add_noise",
    "add_noise_variance",
    "cache_scene",
    "check_band_selection",
    "denoise_scene",
    "denoiser_state",
    "held_out_block",
    "least_noisy_bands",
    "make_denoiser",
    "measure_denoiser",
    "restore_denoiser",
    "select_bands_to_clean",
]
