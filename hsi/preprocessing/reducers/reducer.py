"""What every reducer is, and the one-pass moments that the linear ones are fitted from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.registry import Registry
from hsi.errors import BundleError, UsageError
from hsi.settings import USUAL_REDUCER, ReducerSettings

Pixels = NDArray[Any]
ValidBlock = tuple[NDArray[Any], NDArray[np.bool_]]  # (h, w, B) and which of its pixels (h, w) count


class Reducer(ABC):
    """From ``B`` bands to ``K`` components. Constructors only store; what is learned ends in ``_``."""

    name: ClassVar[str]
    stands_resampling: ClassVar[bool] = True  # whether the components of interpolated bands are about the same

    def __init__(self, settings: ReducerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` when the settings do not suit a scene of that many bands."""

    def fit(self, blocks: Iterable[ValidBlock]) -> None:
        """Learn from a stream of blocks of whole rows and their valid pixels. Raises what :meth:`learn` raises."""
        self.learn(self.summary_of(blocks))

    def summary_of(self, blocks: Iterable[ValidBlock]) -> Summary:
        """What a stream of blocks of whole rows tells of their valid pixels together."""
        return sum((self.summarise(cube, valid) for cube, valid in blocks), Summary())

    def summarise(self, cube: Pixels, valid: NDArray[np.bool_]) -> Summary:
        """What a block of whole rows ``(h, w, B)`` tells of its ``valid`` pixels ``(h, w)``; there may be none."""
        return Summary(moments_of(cube[valid]))

    @abstractmethod
    def learn(self, summary: Summary) -> None:
        """Learn from the sum of the summaries of all blocks."""

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


class LinearReducer(Reducer):
    """A projection of centred pixels onto ``K`` axes: learns ``mean_`` ``(B,)`` and ``weights_`` ``(B, K)``."""

    usual_components: ClassVar[int] = 30  # as HybridSN on Indian Pines
    mean_: NDArray[np.float64]
    weights_: NDArray[np.float64]

    @property
    def wanted(self) -> int:
        """Number of components asked for, or the usual one."""
        return self.settings.components or self.usual_components

    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, K)`` float32."""
        components: NDArray[np.float64] = (pixels.astype(np.float64) - self.mean_) @ self.weights_
        return components.astype(np.float32)

    @property
    def components(self) -> int:
        """Number of components."""
        return int(self.weights_.shape[1])


REDUCERS: Registry[type[Reducer]] = Registry("reducer", "hsi.preprocessing.reducers")


def find_reducer(settings: ReducerSettings) -> type[Reducer]:
    """The reducer of that name, MNF where there is none. Raises :class:`UnknownNameError`."""
    return REDUCERS[settings.name or USUAL_REDUCER]


def restore_reducer(settings: ReducerSettings, state: Mapping[str, NDArray[np.float64]]) -> Reducer:
    """A fitted reducer from its settings and arrays. Raises :class:`BundleError` for arrays that are missing."""
    reducer = find_reducer(settings)(settings)
    try:
        reducer.restore(state)
    except KeyError as missing:
        raise BundleError(f"the {reducer.name} reducer's array {missing} is missing from the saved model") from None
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


@dataclass(frozen=True)
class Summary:
    """What blocks of a scene tell a reducer: moments of their valid pixels and, for a reducer that estimates noise, of
    the differences between neighbours; None where there are none.

    Summaries add up in any order and grouping, to rounding, so that parts of a scene can be summarised apart.
    """

    pixels: Moments | None = None
    differences: Moments | None = None

    def __add__(self, other: Summary) -> Summary:
        return Summary(_merged(self.pixels, other.pixels), _merged(self.differences, other.differences))

    @property
    def moments(self) -> Moments:
        """Moments of the valid pixels, of which a scene has at least one."""
        assert self.pixels is not None, "a scene has at least one valid pixel"
        return self.pixels


def _merged(one: Moments | None, other: Moments | None) -> Moments | None:
    return one + other if one and other else one or other


def moments_of(pixels: Pixels) -> Moments | None:
    """Moments of ``(n, B)`` pixels; None without any."""
    return Moments.of(pixels) if len(pixels) else None


def fix_signs(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(B, K)`` axes whose loading of largest magnitude is positive: a sign is arbitrary, and runs must agree."""
    largest = np.abs(axes).argmax(axis=0)
    return np.asarray(axes * np.sign(axes[largest, np.arange(axes.shape[1])]))


def refuse_too_many(wanted: int, bands: int) -> None:
    """Raise :class:`UsageError` for more components than bands."""
    if wanted > bands:
        raise UsageError(
            f"{wanted} components asked for, but the scene has {bands} usable bands: --components {bands} or fewer"
        )


def refuse_too_few(wanted: int, found: int, pixels: int) -> None:
    """Raise :class:`UsageError` when fewer components than wanted hold anything."""
    if found < wanted:
        raise UsageError(
            f"{wanted} components asked for, but only {found} carry any variance "
            f"({pixels} valid pixels): --components {found} or fewer"
        )
