"""The protocol of baselines: they learn from training pixels alone and classify single pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.registry import Registry

Codes = NDArray[np.int64]
Advance = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Samples:
    """Training pixels: ``values`` ``(S, n, K)`` float32 are their spectra or components, averaged over a window of each
    of the S ``sides`` (1 is the pixel alone); ``codes`` ``(n,)`` are class codes, ``rows`` and ``columns`` ``(n,)``
    positions in a scene of ``shape`` (H, W)."""

    values: NDArray[np.float32]
    sides: tuple[int, ...]
    codes: Codes
    rows: Codes
    columns: Codes
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels to classify: ``values`` ``(n, K)`` float32 as in :class:`Samples`, for the side ``side_`` of the baseline,
    and their ``rows`` and ``columns`` ``(n,)``. K is 0 for a baseline that uses no spectra."""

    values: NDArray[np.float32]
    rows: Codes
    columns: Codes


@dataclass(frozen=True, eq=False)
class Predicted:
    """Class codes, int64, and their probabilities, float32; None for a method without probabilities."""

    codes: Codes
    confidence: NDArray[np.float32] | None = None


class Baseline(ABC):
    """A pixel classifier: :meth:`fit` once, then :meth:`predict` any pixels; :meth:`describe` and :meth:`recipe` give
    what was fitted for the terminal and the record. Constructors only store; learned attributes end in ``_``.

    ``title``, ``source`` (a DOI) and ``sees`` (its input) are shown by ``hsi models``. ``reducer`` and ``components``
    are its defaults; with a ``reducer`` of None it uses the spectra unchanged. Baselines are not saved, because a saved
    scikit-learn model is a pickle.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    sees: ClassVar[str]
    reducer: ClassVar[str | None] = "identity"
    components: ClassVar[int | None] = None
    side_: int | None = None  # of the window whose mean represents a pixel; None before fitting and without spectra

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def sides(self, window: int) -> tuple[int, ...]:
        """The sides of the windows to average over, at most ``window``; empty for a baseline that uses no spectra.

        Raises :class:`UsageError` where ``window`` is too small.
        """
        return (1,)

    @abstractmethod
    def fit(self, samples: Samples, progress: Advance | None = None) -> None:
        """Learn from training pixels of two or more classes; ``progress(done, total)`` counts fits."""

    @abstractmethod
    def predict(self, pixels: Pixels) -> Predicted:
        """Classify pixels: arrays ``(n,)``. Only classes with training pixels are predicted."""

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Fixed and tuned parameters, as JSON-compatible values for the record of a run."""

    @abstractmethod
    def describe(self) -> str:
        """The parameters and how they were tuned, in one line."""


BASELINES: Registry[type[Baseline]] = Registry("baseline", "hsi.baselines")
