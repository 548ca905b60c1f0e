"""What every baseline is: it learns from training pixels alone, and names any pixel from what it sees there."""

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
    of the S ``sides`` (1 is the pixel alone); ``codes``, ``rows`` and ``columns`` ``(n,)`` are class positions and
    places in a scene of ``shape`` (H, W)."""

    values: NDArray[np.float32]
    sides: tuple[int, ...]
    codes: Codes
    rows: Codes
    columns: Codes
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels to name: ``values`` ``(n, K)`` float32 as in :class:`Samples`, for the side that was chosen, and places
    ``rows`` and ``columns`` ``(n,)``. K is 0 for a baseline that looks at no spectra."""

    values: NDArray[np.float32]
    rows: Codes
    columns: Codes


@dataclass(frozen=True, eq=False)
class Predicted:
    """Class positions, int64, and the probability of each as float32; None where the method gives no probability."""

    codes: Codes
    confidence: NDArray[np.float32] | None = None


class Baseline(ABC):
    """A classifier to compare networks with. Constructors only store; what is learned ends in ``_``.

    ``title`` and ``source`` (a DOI) are a line of ``hsi models``, with ``sees`` for what it looks at. ``reducer`` and
    ``components`` are what it takes when nothing is asked for; ``reducer`` None means that it takes none: spectra are
    left as they are. The library holds no state of it on disk, as scikit-learn's would be a pickle.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    sees: ClassVar[str]
    reducer: ClassVar[str | None] = "identity"
    components: ClassVar[int | None] = None
    side_: int | None = None  # of the window whose mean a pixel is named from, once fitted

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def sides(self, window: int) -> tuple[int, ...]:
        """The sides of windows that it may average over, none above ``window``; empty where it looks at no spectra."""
        return (1,)

    @abstractmethod
    def fit(self, samples: Samples, progress: Advance) -> None:
        """Learn from training pixels, of two classes or more; ``progress(done, total)`` counts fits."""

    @abstractmethod
    def predict(self, pixels: Pixels) -> Predicted:
        """Name pixels: arrays ``(n,)``. Only classes with a training pixel are ever named."""

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """What was set and what was chosen, as plain values for the record of a run."""

    @abstractmethod
    def describe(self) -> str:
        """What was chosen and how, in one line."""


BASELINES: Registry[type[Baseline]] = Registry("baseline", "hsi.baselines")
