"""The base class of denoisers, the statistics of bands, and the results of denoising."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.registry import Registry
from hsi.core.scene import Scene
from hsi.errors import BundleError, UsageError
from hsi.preprocessing.bands import parse_bands
from hsi.preprocessing.reducers.reducer import Float, LearnedArrays, Moments, Summary
from hsi.settings import DenoisingSettings

METHOD_SETTINGS = ("stack", "steps", "components", "strength")  # that only some methods use
ALL, NOISIEST = "all", "noisiest"
CLEAN_SHARE, MAX_CLEAN = 0.25, 40  # of the bands, the least noisy, are used for training and quality
SYNTAX = "write all, noisiest:20, or numbers from 1 such as 104-108,220"


def require_noise(summary: Summary) -> tuple[Moments, Moments]:
    """Moments of the pixels, and of differences between neighbours. Raises :class:`UsageError` without neighbours."""
    if summary.pixels is None or summary.differences is None:
        raise UsageError("noise is estimated from valid pixels side by side, and there are none: do not denoise")
    return summary.pixels, summary.differences


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """Mean, standard deviation and noise of bands, ``(B,)`` float64 each, in the units of the scene; noise is the root
    of half the variance of differences between neighbours."""

    mean: Float
    spread: Float
    noise: Float

    @classmethod
    def of(cls, summary: Summary) -> BandStatistics:
        """Statistics from moments; a constant band has a spread of 1. Raises what :func:`require_noise` raises."""
        pixels, differences = require_noise(summary)
        spread = np.sqrt(np.diag(pixels.covariance))
        return cls(pixels.mean, np.where(spread > 0, spread, 1.0), np.sqrt(np.diag(differences.covariance) / 2))

    @property
    def ratio(self) -> Float:
        """Noise over the standard deviation of a band: 0 for a clean band, about 1 for pure noise."""
        return np.asarray(self.noise / self.spread)


def add_noise_variance(summary: Summary, variances: Float) -> Summary:
    """The summary after adding independent noise of ``variances`` ``(B,)`` to the scene."""
    assert summary.pixels is not None and summary.differences is not None

    def add(moments: Moments, added: Float) -> Moments:
        return replace(moments, scatter=moments.scatter + np.diag(added) * max(moments.count - 1, 1))

    return Summary(add(summary.pixels, variances), add(summary.differences, 2 * variances))


class Denoiser(LearnedArrays, ABC):
    """Removes noise from a cube. Constructors only store; learned attributes end in ``_``.

    ``uses`` are the :data:`METHOD_SETTINGS` of the method; ``halo`` is the distance of the farthest pixel that changes
    a cleaned value. ``bands_`` are the positions of the bands that are cleaned.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    uses: ClassVar[frozenset[str]]
    halo: ClassVar[int]
    trains: ClassVar[bool] = False
    bands_: NDArray[np.int64]

    def __init__(self, settings: DenoisingSettings) -> None:
        self.settings = settings

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` when the settings do not suit a scene of ``bands`` bands."""

    def require(self) -> None:
        """Raise :class:`UsageError` when a library is missing."""

    @abstractmethod
    def learn(self, summary: Summary) -> None:
        """Learn the statistics that the method uses."""

    @abstractmethod
    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """Cleaned ``bands`` of ``(h, w, B)``: ``(h, w, len(bands))`` float32 in the units of the scene.

        Pixels that are not ``valid`` ``(h, w)`` do not affect others; their own results are undefined.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line for the report."""

    def on(self, device: str) -> Denoiser:
        """The same denoiser, moved to a device if it can use one."""
        return self


DENOISERS: Registry[type[Denoiser]] = Registry("denoiser", "hsi.preprocessing.denoisers")


def make_denoiser(settings: DenoisingSettings) -> Denoiser:
    """A denoiser that is not fitted.

    Raises :class:`UnknownNameError` for its name, and :class:`UsageError` for a setting that has no effect on it and
    for a missing library.
    """
    assert settings.method is not None, "no denoising is requested"
    kind = DENOISERS[settings.method]
    for name in METHOD_SETTINGS:
        if getattr(settings, name) is not None and name not in kind.uses:
            uses = " and ".join(sorted(kind.uses))
            raise UsageError(f"{name} has no effect on {kind.name}, which uses {uses}: leave it out")
    denoiser = kind(settings)
    denoiser.require()
    return denoiser


def restore_denoiser(settings: DenoisingSettings, state: Mapping[str, NDArray[Any]], bands: int) -> Denoiser:
    """A denoiser from its settings and arrays, for a scene of ``bands`` bands.

    Raises :class:`BundleError` for arrays that are missing or do not fit.
    """
    denoiser = make_denoiser(settings)
    try:
        denoiser.bands_ = np.asarray(state["bands"], np.int64)
        denoiser.restore(state)
        positions = denoiser.bands_.tolist()
        if positions != sorted(set(positions) & set(range(bands))):
            raise IndexError("it cleans other bands than there are")
        cleaned = denoiser.clean(np.zeros((2, 2, bands), np.float32), np.ones((2, 2), bool), positions)
    except KeyError as missing:
        raise BundleError(f"the {denoiser.name} denoiser's array {missing} is missing from the saved model") from None
    except (IndexError, ValueError, TypeError, RuntimeError) as error:
        raise BundleError(f"the {denoiser.name} denoiser does not suit the model's {bands} bands: {error}") from None
    if cleaned.shape != (2, 2, len(positions)):
        raise BundleError(f"the {denoiser.name} denoiser does not suit the model's {bands} bands")
    return denoiser


def denoiser_state(denoiser: Denoiser) -> dict[str, NDArray[Any]]:
    """All arrays of a denoiser, for :func:`restore_denoiser`."""
    return {"bands": denoiser.bands_, **denoiser.state()}


@dataclass(frozen=True)
class Quality:
    """Peak signal to noise in dB and structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), means over
    bands, and the mean angle between spectra in degrees."""

    psnr: float
    ssim: float
    angle: float


@dataclass(frozen=True)
class DenoisingQuality:
    """The noise that was added to bands, and the quality of the noisy and of the cleaned bands."""

    noise: str
    noisy: Quality
    cleaned: Quality


@dataclass(frozen=True, eq=False)
class DenoisingResult:
    """A fitted ``denoiser``, the scene ``before`` with the ``statistics`` of its bands and its valid pixels ``(H, W)``,
    and the quality ``measured`` with added noise."""

    denoiser: Denoiser
    before: Scene
    statistics: BandStatistics
    valid: NDArray[np.bool_]
    measured: tuple[DenoisingQuality, ...]
    seed: int

    @property
    def numbers(self) -> list[int]:
        """Numbers in the file, from 1, of the bands that are cleaned."""
        return [self.before.bands[position] + 1 for position in self.denoiser.bands_]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values for a record."""
        return {
            "method": self.denoiser.describe(),
            "source": self.denoiser.source,
            "settings": self.denoiser.settings.model_dump(),
            "bands": self.numbers,
            "seed": self.seed,
            "noise": [round(float(ratio), 4) for ratio in self.statistics.ratio[self.denoiser.bands_]],
            "measured": [asdict(quality) for quality in self.measured],
        }


def check_band_selection(text: str | None) -> None:
    """Raise :class:`UsageError` for an invalid selection of bands."""
    if text is None or text == ALL or re.fullmatch(rf"{NOISIEST}:[1-9]\d{{0,5}}", text):
        return
    if not re.fullmatch(r"[\d\s,-]+", text):
        raise UsageError(f"'{text}' names no bands to clean: {SYNTAX}")
    parse_bands(text)


def select_bands_to_clean(text: str | None, numbers: Sequence[int], statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the bands to clean, ascending, among the used bands, whose ``numbers`` in the file are from 0.

    Raises :class:`UsageError` for a selection without bands or with more bands than there are.
    """
    check_band_selection(text)
    if text is None or text == ALL:
        return tuple(range(len(numbers)))
    if text.startswith(NOISIEST):
        count = int(text.partition(":")[2])
        if count > len(numbers):
            raise UsageError(f"{text}: the scene has {len(numbers)} usable bands: give fewer")
        return tuple(sorted(np.argsort(-statistics.ratio, kind="stable")[:count].tolist()))
    positions: set[int] = set()
    for low, high in parse_bands(text):
        inside = [position for position, number in enumerate(numbers) if low <= number + 1 <= high]
        if not inside:
            raise UsageError(f"{low}-{high}: no usable band has such a number; they are {numbers[0] + 1} to "
                             f"{numbers[-1] + 1}, without bad and constant ones")  # fmt: skip
        positions.update(inside)
    return tuple(sorted(positions))


def least_noisy_bands(statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the least noisy bands, ascending: a quarter of all, at most 40 and at least one."""
    count = int(np.clip(len(statistics.ratio) * CLEAN_SHARE, 1, MAX_CLEAN))
    return tuple(sorted(np.argsort(statistics.ratio, kind="stable")[:count].tolist()))
