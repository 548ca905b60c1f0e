"""The base class of reducers, the one-pass moments that they are fitted from, and their use on a scene."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from hsi.core.registry import Registry
from hsi.core.scene import Scene
from hsi.errors import BundleError, SceneError, UsageError
from hsi.settings import USUAL_REDUCER, ReducerSettings

Pixels = NDArray[Any]
Float = NDArray[np.float64]
ValidBlock = tuple[NDArray[Any], NDArray[np.bool_]]  # (h, w, B) and its valid pixels (h, w)
Advance = Callable[[int, int], None]
PIXELS = 1 << 15  # that are transformed at a time, because each makes float64 copies


class LearnedArrays:
    """An object whose learned state is the arrays ``name_`` for each name in ``arrays``."""

    arrays: ClassVar[tuple[str, ...]]

    def state(self) -> dict[str, NDArray[Any]]:
        """The learned arrays, for a saved model."""
        return {name: getattr(self, f"{name}_") for name in self.arrays}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the arrays of :meth:`state`. Raises :class:`KeyError` for a missing array."""
        for name in self.arrays:
            setattr(self, f"{name}_", state[name])


class Reducer(LearnedArrays, ABC):
    """Reduces ``B`` bands to ``K`` components. Constructors only store; learned attributes end in ``_``."""

    name: ClassVar[str]
    tolerates_resampling: ClassVar[bool] = True  # whether interpolated bands give about the same components

    def __init__(self, settings: ReducerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` when the settings do not suit a scene of ``bands`` bands."""

    def fit(self, blocks: Iterable[ValidBlock]) -> None:
        """Learn from a stream of blocks of complete rows and their valid pixels. Raises what :meth:`learn` raises."""
        self.learn(self.summary_of(blocks))

    def summary_of(self, blocks: Iterable[ValidBlock]) -> Summary:
        """The sum of the summaries of a stream of blocks."""
        return sum((self.summarise(cube, valid) for cube, valid in blocks), Summary())

    def summarise(self, cube: Pixels, valid: NDArray[np.bool_]) -> Summary:
        """The summary of the ``valid`` pixels ``(h, w)`` of a block of complete rows ``(h, w, B)``."""
        return Summary(Moments.of(cube[valid]))

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


class LinearReducer(Reducer):
    """A projection of centred pixels onto ``K`` axes: learns ``mean_`` ``(B,)`` and ``weights_`` ``(B, K)``."""

    usual_components: ClassVar[int] = 30  # as HybridSN on Indian Pines
    mean_: Float
    weights_: Float

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` where more components than bands are asked for."""
        if (self.settings.components or 0) > bands:
            raise UsageError(
                f"{self.settings.components} components asked for, but the scene has {bands} usable bands: "
                f"--components {bands} or fewer"
            )

    def count_components(self, rank: int, pixels: int) -> int:
        """The requested number of components, else the usual one or the ``rank``, whichever is less.

        Raises :class:`UsageError` when fewer components than requested, or none, carry variance.
        """
        if not rank:
            raise UsageError(
                f"no band varies among the valid pixels ({pixels}), so there are no components: check area and nodata"
            )
        wanted = self.settings.components or min(self.usual_components, rank)
        if rank < wanted:
            raise UsageError(
                f"{wanted} components asked for, but only {rank} carry any variance "
                f"({pixels} valid pixels): --components {rank} or fewer"
            )
        return wanted

    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, K)`` float32."""
        components: Float = (pixels.astype(np.float64) - self.mean_) @ self.weights_
        return components.astype(np.float32)

    @property
    def components(self) -> int:
        """Number of components."""
        return int(self.weights_.shape[1])


class JoinedReducer(Reducer):
    """The components of a fitted reducer, followed by a projection of the same centred pixels: ``spectra`` ``(B, S)``,
    which a support vector machine takes."""

    def __init__(self, main: Reducer, spectra: Float) -> None:
        super().__init__(main.settings)
        self.main, self.spectra = main, spectra
        self.name, self.tolerates_resampling = main.name, main.tolerates_resampling  # type: ignore[misc]

    def check(self, bands: int) -> None:
        """As of the reducer."""
        self.main.check(bands)

    def learn(self, summary: Summary) -> None:
        """Both are fitted before."""
        raise NotImplementedError

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays of the reducer and ``spectra``."""
        return {**self.main.state(), SPECTRA: self.spectra}

    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, K + S)`` float32."""
        spectra: Float = (pixels.astype(np.float64) - self.main.state()["mean"]) @ self.spectra
        return np.hstack([self.main.transform(pixels), spectra.astype(np.float32)])

    @property
    def components(self) -> int:
        """K + S."""
        return self.main.components + int(self.spectra.shape[1])

    def describe(self) -> str:
        """One line for the report."""
        return f"{self.main.describe()}; {self.spectra.shape[1]} of standardised bands for a support vector machine"


SPECTRA = "spectra"
REDUCERS: Registry[type[Reducer]] = Registry("reducer", "hsi.preprocessing.reducers")


def find_reducer(settings: ReducerSettings) -> type[Reducer]:
    """The reducer class of ``settings.name``, by default MNF. Raises :class:`UnknownNameError`."""
    return REDUCERS[settings.name or USUAL_REDUCER]


def restore_reducer(settings: ReducerSettings, state: Mapping[str, NDArray[Any]]) -> Reducer:
    """A fitted reducer from its settings and arrays. Raises :class:`BundleError` for a missing array."""
    reducer = find_reducer(settings)(settings)
    try:
        reducer.restore(state)
    except KeyError as missing:
        raise BundleError(f"the {reducer.name} reducer's array {missing} is missing from the saved model") from None
    return JoinedReducer(reducer, state[SPECTRA]) if SPECTRA in state else reducer


@dataclass(frozen=True)
class Moments:
    """Number of pixels, band means ``(B,)`` and centred cross-products ``(B, B)``, all float64.

    Moments of two sets of pixels merge exactly (Chan et al. 1983, doi:10.1080/00031305.1983.10483115), so one pass
    over blocks in any order gives the covariance of the scene.
    """

    count: int
    mean: Float
    scatter: Float

    @classmethod
    def of(cls, pixels: Pixels) -> Moments | None:
        """Moments of ``(n, B)`` pixels; None for no pixels."""
        if not len(pixels):
            return None
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
    def covariance(self) -> Float:
        """Unbiased covariance ``(B, B)``."""
        return self.scatter / max(self.count - 1, 1)


@dataclass(frozen=True)
class Summary:
    """Moments of the valid pixels of blocks and, where noise is estimated, of the differences between neighbours in a
    row; None where there are none. Half the covariance of differences is that of the noise, in which edges and texture
    count, too (Green et al. 1988, doi:10.1109/36.3001).

    Summaries add up in any order and grouping, to rounding.
    """

    pixels: Moments | None = None
    differences: Moments | None = None

    def __add__(self, other: Summary) -> Summary:
        pairs = (self.pixels, other.pixels), (self.differences, other.differences)
        return Summary(*(one + two if one and two else one or two for one, two in pairs))

    @property
    def moments(self) -> Moments:
        """Moments of the valid pixels."""
        assert self.pixels is not None, "a scene has at least one valid pixel"
        return self.pixels


def fix_signs(axes: Float) -> Float:
    """Axes ``(B, K)`` with a positive loading of largest magnitude: signs are arbitrary, and runs must agree."""
    largest = np.abs(axes).argmax(axis=0)
    return np.asarray(axes * np.sign(axes[largest, np.arange(axes.shape[1])]))


def fit_reducer(
    scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_], progress: Advance | None = None
) -> Reducer:
    """A reducer fitted on all valid pixels of the scene, labelled or not, in one pass.

    ``valid`` is ``(H, W)`` bool. Raises :class:`UsageError` when the settings do not suit the scene and
    :class:`SceneError` when no pixel is valid, both before the scene is read.
    """
    reducer = find_reducer(settings)(settings)
    reducer.check(len(scene.bands))
    if not valid.any():
        raise SceneError(f"{scene.source or scene.name}: no valid pixel: all are NaN, zero or nodata")
    reducer.fit(valid_blocks(scene, valid, progress))
    return reducer


def valid_blocks(scene: Scene, valid: NDArray[np.bool_], progress: Advance | None = None) -> Iterator[ValidBlock]:
    """Blocks of the scene with their ``valid`` pixels; ``progress(rows done, rows)`` is called after each."""
    for block in scene.blocks():
        yield scene.read(block), valid[block.slices]
        if progress:
            progress(block.row + block.height, scene.height)


def reduce_cube(cube: Pixels, reducer: Reducer, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Components ``(K, h, w)`` float32 of ``(h, w, B)``, zero where ``usable`` ``(h, w)`` is not set.

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    fitted_on = len(reducer.state()["mean"])
    if cube.shape[2] != fitted_on:
        raise BundleError(f"{cube.shape[2]} usable bands are given, but the reducer was fitted on {fitted_on}")
    pixels = cube[usable]  # (n, B)
    reduced = np.empty((len(pixels), reducer.components), np.float32)
    for start in range(0, len(pixels), PIXELS):
        reduced[start : start + PIXELS] = reducer.transform(pixels[start : start + PIXELS])
    components = np.zeros((reducer.components, *usable.shape), np.float32)
    components[:, usable] = reduced.T
    return components


def reduce_pixels(scene: Scene, reducer: Reducer, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Components ``(n, K)`` float32 of the ``chosen`` ``(H, W)`` pixels, in order of rows."""
    parts = [
        reducer.transform(scene.read(block)[chosen[block.slices]])
        for block in scene.blocks()
        if chosen[block.slices].any()
    ]
    return np.concatenate(parts)


def reduce_scene(
    scene: Scene,
    reducer: Reducer,
    valid: NDArray[np.bool_],
    progress: Advance | None = None,
    *,
    margin: int = 0,
    around: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Components ``(K, H, W)`` float32 of the scene, zero where a pixel is not ``valid`` ``(H, W)``.

    ``margin`` adds zeros on each side. With ``around`` ``(H, W)`` only the rows within ``margin`` of its pixels are
    read; the others stay zero and take no memory on systems that allocate it when it is used. Raises
    :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    height, width, _ = scene.shape
    padded = np.zeros((reducer.components, height + 2 * margin, width + 2 * margin), np.float32)
    inside = padded[:, margin : margin + height, margin : margin + width]
    wanted = np.ones(height, bool)
    if around is not None:
        wanted = maximum_filter1d(around.any(axis=1).astype(np.uint8), 2 * margin + 1, mode="constant") > 0
    for block in scene.blocks():
        rows, columns = block.slices
        if wanted[rows].any():
            inside[:, rows, columns] = reduce_cube(scene.read(block), reducer, valid[block.slices])
        if progress:
            progress(block.row + block.height, height)
    return padded
