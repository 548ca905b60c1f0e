"""What every reducer is, and the one-pass moments that the linear ones are fitted from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.registry import Registry
from hsi.core.scene import Scene
from hsi.errors import BundleError, SceneError, UsageError
from hsi.settings import USUAL_REDUCER, ReducerSettings

Pixels = NDArray[Any]
ValidBlock = tuple[NDArray[Any], NDArray[np.bool_]]  # (h, w, B) and which of its pixels (h, w) count


class Reducer(ABC):
    """From ``B`` bands to ``K`` components. Constructors only store; what is learned ends in ``_``."""

    name: ClassVar[str]
    tolerates_resampling: ClassVar[bool] = True  # whether the components of interpolated bands are about the same

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


Advance = Callable[[int, int], None]
PIXELS = 1 << 15


def fit_reducer(
    scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_], progress: Advance | None = None
) -> Reducer:
    """A reducer fitted on all valid pixels of the scene, labelled or not, in one pass.

    ``valid`` is ``(H, W)`` bool. Raises :class:`UsageError` when the settings do not suit the scene and
    :class:`SceneError` when no pixel is valid.
    """
    reducer = reducer_for(scene, settings, valid)
    reducer.fit(valid_blocks(scene, valid, progress))
    return reducer


def reducer_for(scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_]) -> Reducer:
    """A reducer that has learned nothing yet. Raises as :func:`fit_reducer` does, before the scene is read."""
    reducer = find_reducer(settings)(settings)
    reducer.check(len(scene.bands))
    if not valid.any():
        raise SceneError(f"{scene.source or scene.name}: no valid pixel: all are NaN, zero or nodata")
    return reducer


def valid_blocks(scene: Scene, valid: NDArray[np.bool_], progress: Advance | None = None) -> Iterator[ValidBlock]:
    """Blocks of the scene with their ``valid`` pixels; ``progress(rows done, rows)`` is called after each."""
    for block in scene.blocks():
        yield scene.read(block), valid[block.slices]
        if progress:
            progress(block.row + block.height, scene.height)


def reduce_cube(cube: Pixels, reducer: Reducer, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``(h, w, B)`` as components ``(K, h, w)`` float32, zero where ``usable`` ``(h, w)`` is not set.

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    fitted_on = len(reducer.state()["mean"])
    if cube.shape[2] != fitted_on:
        raise BundleError(f"{cube.shape[2]} usable bands are given, but the reducer was fitted on {fitted_on}")
    pixels = cube[usable]  # (n, B)
    reduced = np.empty((len(pixels), reducer.components), np.float32)
    for start in range(0, len(pixels), PIXELS):  # float64 copies of a piece at a time
        reduced[start : start + PIXELS] = reducer.transform(pixels[start : start + PIXELS])
    components = np.zeros((reducer.components, *usable.shape), np.float32)
    components[:, usable] = reduced.T
    return components


def reduce_scene(
    scene: Scene,
    reducer: Reducer,
    valid: NDArray[np.bool_],
    progress: Advance | None = None,
    *,
    margin: int = 0,
    around: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """The scene as components ``(K, H, W)`` float32, zero where a pixel is not valid (as outside the scene).

    With ``margin`` there are that many zeros more on each side. With ``around`` ``(H, W)`` only the rows within
    ``margin`` of its pixels are read; the others stay zero and take no memory on systems that give it when it is used.

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    height, width, _ = scene.shape
    padded = np.zeros((reducer.components, height + 2 * margin, width + 2 * margin), np.float32)
    inside = padded[:, margin : margin + height, margin : margin + width]
    wanted = np.ones(height, bool) if around is None else _near(np.asarray(around.any(axis=1)), margin)
    for block in scene.blocks():
        rows, columns = block.slices
        if wanted[rows].any():
            inside[:, rows, columns] = reduce_cube(scene.read(block), reducer, valid[block.slices])
        if progress:
            progress(block.row + block.height, height)
    return padded


def _near(rows: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Rows within a distance of those marked, ``(H,)``."""
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(rows.astype(np.uint8), 2 * distance + 1, mode="constant") > 0)
