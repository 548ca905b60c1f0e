"""What every reducer is, and the one-pass moments that the linear ones are fitted from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.config import ReducerSettings
from hsi.errors import BundleError
from hsi.registry import Registry

Pixels = NDArray[Any]


class Reducer(ABC):
    """From ``B`` bands to ``K`` components. Constructors only store; what is learned ends in ``_``."""

    name: ClassVar[str]

    def __init__(self, settings: ReducerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` when the settings do not suit a scene of that many bands."""

    @abstractmethod
    def fit(self, pixels: Iterable[Pixels]) -> None:
        """Learn from a stream of valid pixels, ``(n, B)`` each."""

    @abstractmethod
    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, K)`` float32."""

    @property
    @abstractmethod
    def components(self) -> int:
        """K, after fitting."""

    @abstractmethod
    def describe(self) -> str:
        """One line for the report."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[np.float64]]:
        """The learned arrays, for a saved model."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the arrays of :meth:`state` back."""


REDUCERS: Registry[type[Reducer]] = Registry("reducer", "hsi.reducers")


def restore_reducer(settings: ReducerSettings, state: Mapping[str, NDArray[np.float64]]) -> Reducer:
    """A fitted reducer from its settings and arrays. Raises :class:`BundleError` for arrays that are missing."""
    reducer = REDUCERS[settings.name](settings)
    try:
        reducer.restore(state)
    except KeyError as missing:
        raise BundleError(f"the {settings.name} reducer's array {missing} is missing from the saved model") from None
    return reducer


@dataclass(frozen=True)
class Moments:
    """Number of pixels, band means ``(B,)`` and centred cross-products ``(B, B)``, all float64.

    Moments of two sets of pixels merge exactly (Chan et al. 1983, doi:10.1080/00031305.1983.10483115), so one pass
    over blocks in any order gives the covariance of the whole.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, pixels: Pixels) -> Moments:
        """Moments of ``(n, B)`` pixels."""
        values = pixels.astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        return cls(len(values), mean, values.T @ values)

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Unbiased covariance ``(B, B)``."""
        return self.scatter / max(self.count - 1, 1)


def stream_moments(pixels: Iterable[Pixels]) -> Moments:
    """Moments of a stream of ``(n, B)`` blocks; empty blocks are passed over."""
    total: Moments | None = None
    for block in pixels:
        if len(block):
            moments = Moments.of(block)
            total = moments if total is None else total + moments
    assert total is not None, "a scene has at least one valid pixel"
    return total
