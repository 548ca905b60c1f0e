"""What every denoiser is, and what it knows of the bands of a scene."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.registry import Registry
from hsi.errors import BundleError, UsageError
from hsi.preprocessing.bands import parse_bands
from hsi.preprocessing.reducers.reducer import Moments, Summary
from hsi.settings import DenoisingSettings

if TYPE_CHECKING:
    from hsi.core.scene import Scene
    from hsi.preprocessing.denoisers.quality import DenoisingQuality


Float = NDArray[np.float64]
OWN = ("stack", "steps", "components", "strength")  # settings that only some methods have a use for


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """Mean, standard deviation and noise of bands, ``(B,)`` float64 each, in the units of the scene.

    Noise is half the variance of the differences between neighbours in a row (its root), as for MNF (Green et al. 1988,
    doi:10.1109/36.3001), so edges and texture count as noise, too.
    """

    mean: Float
    spread: Float
    noise: Float

    @classmethod
    def of(cls, summary: Summary) -> BandStatistics:
        """From the moments of pixels and of differences. Raises :class:`UsageError` where no two neighbours are valid.

        A band without spread has a spread of 1.
        """
        if summary.pixels is None or summary.differences is None:
            raise UsageError("noise is estimated from valid pixels side by side, and there are none: do not denoise")
        spread = np.sqrt(np.diag(summary.pixels.covariance))
        noise = np.sqrt(np.diag(summary.differences.covariance) / 2)
        return cls(summary.pixels.mean, np.where(spread > 0, spread, 1.0), noise)

    @property
    def ratio(self) -> Float:
        """Noise over the standard deviation of a band: 0 for a clean band, about 1 for nothing but noise."""
        return np.asarray(self.noise / self.spread)


def add_noise_variance(summary: Summary, variances: Float) -> Summary:
    """What a summary would be if independent noise of ``variances`` ``(B,)`` were added to the scene."""
    assert summary.pixels is not None and summary.differences is not None

    def add(moments: Moments, added: Float) -> Moments:
        return replace(moments, scatter=moments.scatter + np.diag(added) * max(moments.count - 1, 1))

    return Summary(add(summary.pixels, variances), add(summary.differences, 2 * variances))


class Denoiser(ABC):
    """From a cube to a cleaner one. Constructors only store; what is learned ends in ``_``.

    ``uses`` are those of :data:`OWN` that mean something to the method; ``halo`` is how many pixels away a pixel can
    be that has a say in its cleaned value. ``bands_`` are positions of the bands that are cleaned.
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

    def check(self, bands: int) -> None:  # noqa: B027 - most have nothing to check
        """Raise :class:`UsageError` where the settings do not suit a scene of that many bands."""

    def require(self) -> None:  # noqa: B027 - most need nothing else
        """Raise :class:`UsageError` where a library is missing."""

    @abstractmethod
    def learn(self, summary: Summary) -> None:
        """Learn what the method has to know of the bands."""

    @abstractmethod
    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """Cleaned ``bands`` of ``(h, w, B)``: ``(h, w, len(bands))`` float32 in the scene's units.

        Pixels that are not ``valid`` ``(h, w)`` have no say in others; what comes out for them means nothing.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line for the report."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """The learned arrays, for a saved model."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of :meth:`state` back."""

    def on(self, device: str) -> Denoiser:
        """The same denoiser, which computes on a device from now on if it can."""
        return self


DENOISERS: Registry[type[Denoiser]] = Registry("denoiser", "hsi.preprocessing.denoisers")


def make_denoiser(settings: DenoisingSettings) -> Denoiser:
    """A denoiser that has learned nothing yet.

    Raises :class:`UnknownNameError` for its name, and :class:`UsageError` for a setting that would have no effect on it
    and for a missing library.
    """
    assert settings.method is not None, "nothing is to be done"
    kind = DENOISERS[settings.method]
    for name in OWN:
        if getattr(settings, name) is not None and name not in kind.uses:
            raise UsageError(f"{name} has no effect on {kind.name}, which uses {_listed(kind.uses)}: leave it out")
    made = kind(settings)
    made.require()
    return made


def restore_denoiser(settings: DenoisingSettings, state: Mapping[str, NDArray[Any]], bands: int) -> Denoiser:
    """A denoiser from its settings and arrays, for a scene of so many ``bands``.

    Raises :class:`BundleError` for arrays that are missing or do not suit.
    """
    made = make_denoiser(settings)
    try:
        made.bands_ = np.asarray(state["bands"], np.int64)
        made.restore(state)
        chosen = made.bands_.tolist()
        if chosen != sorted(set(chosen) & set(range(bands))):
            raise IndexError("it cleans other bands than there are")
        cleaned = made.clean(np.zeros((2, 2, bands), np.float32), np.ones((2, 2), bool), chosen)
    except KeyError as missing:
        raise BundleError(f"the {made.name} denoiser's array {missing} is missing from the saved model") from None
    except (IndexError, ValueError, TypeError, RuntimeError) as error:
        raise BundleError(f"the {made.name} denoiser does not suit the model's {bands} bands: {error}") from None
    if cleaned.shape != (2, 2, len(chosen)):
        raise BundleError(f"the {made.name} denoiser does not suit the model's {bands} bands")
    return made


def denoiser_state(denoiser: Denoiser) -> dict[str, NDArray[Any]]:
    """All arrays of a denoiser, which :func:`restore_denoiser` takes."""
    return {"bands": denoiser.bands_, **denoiser.state()}


def _listed(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))


@dataclass(frozen=True, eq=False)
class DenoisingResult:
    """How a scene is denoised: the fitted ``denoiser``, the scene ``before`` with its bands' ``statistics``, its valid
    pixels ``(H, W)``, and what it does to noise that is known."""

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
        """For a record."""
        return {
            "method": self.denoiser.describe(),
            "source": self.denoiser.source,
            "settings": self.denoiser.settings.model_dump(),
            "bands": self.numbers,
            "seed": self.seed,
            "noise": [round(float(ratio), 4) for ratio in self.statistics.ratio[self.denoiser.bands_]],
            "measured": [one.to_dict() for one in self.measured],
        }


ALL, NOISIEST = "all", "noisiest"
CLEAN_SHARE, MOST_CLEAN = 0.25, 40  # of the bands, the least noisy, are learned from and measured on
HOW = "write all, noisiest:20, or numbers from 1 such as 104-108,220"


def check_band_selection(text: str | None) -> None:
    """Raise :class:`UsageError` for what names no bands."""
    if text is None or text == ALL or re.fullmatch(rf"{NOISIEST}:[1-9]\d{{0,5}}", text):
        return
    if not re.fullmatch(r"[\d\s,-]+", text):
        raise UsageError(f"'{text}' names no bands to clean: {HOW}")
    parse_bands(text)


def select_bands_to_clean(text: str | None, numbers: Sequence[int], statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the bands to clean, ascending, among those that are used, whose ``numbers`` in the file are from 0.

    Raises :class:`UsageError` for a choice that names none of them, or more than there are.
    """
    check_band_selection(text)
    if text is None or text == ALL:
        return tuple(range(len(numbers)))
    if text.startswith(NOISIEST):
        count = int(text.partition(":")[2])
        if count > len(numbers):
            raise UsageError(f"{text}: the scene has {len(numbers)} usable bands: give fewer")
        return tuple(sorted(np.argsort(-statistics.ratio, kind="stable")[:count].tolist()))
    found: set[int] = set()
    for low, high in parse_bands(text):
        inside = [position for position, number in enumerate(numbers) if low <= number + 1 <= high]
        if not inside:
            raise UsageError(f"{low}-{high}: no usable band has such a number; they are {numbers[0] + 1} to "
                             f"{numbers[-1] + 1}, without bad and constant ones")  # fmt: skip
        found.update(inside)
    return tuple(sorted(found))


def least_noisy_bands(statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the least noisy bands, ascending: a quarter of all, at most 40 and at least one."""
    ratio = statistics.ratio
    count = int(np.clip(len(ratio) * CLEAN_SHARE, 1, MOST_CLEAN))
    return tuple(sorted(np.argsort(ratio, kind="stable")[:count].tolist()))
