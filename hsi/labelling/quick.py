"""A map within a second of a stroke: features of pixels that are computed once, and a classifier that is fitted in one
step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsi.core.events import progress
from hsi.core.memory import scratch_array
from hsi.core.scene import Block, Scene, forget_pages
from hsi.errors import SceneError, UsageError
from hsi.preprocessing.reducers.mnf import MNF
from hsi.preprocessing.reducers.reducer import ValidBlock, reduce_cube
from hsi.settings import ReducerSettings

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
SIDES = (1, 5, 9)  # of the squares whose means are features; 1 is the pixel
SAMPLE = 1 << 18  # pixels that the components are fitted on
STRIP = 16  # rows of a strip of the sample
AT_ONCE = 64 * 2**20  # bytes of the scene as float64 that are reduced at a time
TILE = 64  # side of the pieces that single pixels are taken from
MOST_COMPONENTS = 15  # of the features of a scene on the page
GAMMA, RIDGE = 0.3, 0.01  # of the kernel, for features of about unit total variance, and of the regression
SHARPNESS = 6.0  # of probabilities: scores are 1 at pixels of the class, and 0 at those of others and far away
MOST_PIXELS = 2000  # that the classifier is fitted on
KERNEL = 1 << 23  # numbers of the kernel that are computed at a time


class PixelFeatures:
    """Features ``(H, W, F)`` of the pixels of a scene, computed in strips or, where asked for earlier, in a window.

    They are minimum noise fraction components (Green et al. 1988, doi:10.1109/36.3001) of the pixel and their means
    over 5 x 5 and 9 x 9 valid pixels around it, and 0 for pixels that are not valid. Components are scaled halfway
    between unit variance and unit noise, and so that the total variance is about 1. A scene of more than 262,144 pixels
    is sampled in strips for the fit. Only components are stored, ``(H, W, K)``, in a temporary file where they take
    more than ``limit`` bytes; means are computed when they are read. The scene is read in strips of 64 MiB as float64.
    """

    def __init__(
        self,
        scene: Scene,
        valid: Mask,
        *,
        components: int | None = None,
        sides: tuple[int, ...] = SIDES,
        limit: int | None = None,
        folder: Path | None = None,
    ) -> None:
        """Fit the components on the ``valid`` ``(H, W)`` pixels. ``folder`` is where the temporary file is made.

        Raises :class:`UsageError` for more ``components`` than bands or variance, or when no valid pixels are side by
        side, and :class:`SceneError` when no pixel is valid.
        """
        if not valid.any():
            raise SceneError(f"{scene.source or scene.name}: no valid pixel: all are NaN, zero or nodata")
        self.scene, self.valid, self.sides = scene, valid, sides
        self.reducer = MNF(ReducerSettings(name="mnf", components=components, whiten=False))
        self.reducer.check(len(scene.bands))
        self.reducer.fit(sample_strips(scene, valid))
        spread = np.sqrt(self.reducer.ratios_)
        self.reducer.weights_ = self.reducer.weights_ / np.sqrt(spread * spread.sum() * len(sides))
        shape = (scene.height, scene.width, self.reducer.components)
        self._ready = np.zeros(scene.height, bool)
        self._stored: Float = scratch_array(shape, np.float32, limit, folder)

    @property
    def count(self) -> int:
        """F, the number of features."""
        return len(self.sides) * self.reducer.components

    @property
    def reach(self) -> int:
        """How far, in pixels along rows and columns, the pixels are that the features of a pixel depend on."""
        return max(self.sides) // 2

    @property
    def ready(self) -> bool:
        """Whether all components are stored."""
        return bool(self._ready.all())

    def prepare(self) -> Iterator[Block]:
        """Compute and store the components of one strip after the other; yields each strip when it is stored.

        A caller can stop between strips, or read windows in another thread if the scene can be read in several.
        """
        with progress("features", "rows") as advance:
            for block in self.scene.blocks(AT_ONCE):
                rows = block.slices[0]
                if not self._ready[rows].all():
                    self._stored[rows] = self._reduce(block)
                    self._ready[rows] = True
                    self._release()
                advance(block.row + block.height, self.scene.height)
                yield block

    def read(self, block: Block | None = None) -> Float:
        """The features ``(h, w, F)`` float32 of a block, by default of the scene.

        Components that are not stored yet are computed for the block. Raises :class:`SceneError` for a
        block that leaves the scene.
        """
        block = block or self.scene.extent
        around, inside = self._around(block)
        if self._ready[around.slices[0]].all():
            components = np.array(self._stored[around.slices])
            self._release()
        else:
            components = self._reduce(around)
        valid = self.valid[around.slices]
        features = np.empty((block.height, block.width, self.count), np.float32)
        for place, side in enumerate(self.sides):
            part = slice(place * components.shape[2], (place + 1) * components.shape[2])
            features[:, :, part] = mean_around(components, valid, side)[inside]
        features[~self.valid[block.slices]] = 0
        return features

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Float:
        """The features ``(n, F)`` float32 of the pixels at ``rows`` and ``columns`` ``(n,)``."""
        features = np.empty((rows.size, self.count), np.float32)
        across = -(-self.scene.width // TILE)
        tiles = rows // TILE * across + columns // TILE
        for tile in np.unique(tiles).tolist():
            here = np.flatnonzero(tiles == tile)
            top, left = rows[here].min(), columns[here].min()
            block = Block(int(top), int(left), int(np.ptp(rows[here])) + 1, int(np.ptp(columns[here])) + 1)
            features[here] = self.read(block)[rows[here] - top, columns[here] - left]
        return features

    def _reduce(self, block: Block) -> Float:
        """The components ``(h, w, K)`` of a block of the scene."""
        return reduce_cube(self.scene.read(block), self.reducer, self.valid[block.slices]).transpose(1, 2, 0)

    def _around(self, block: Block) -> tuple[Block, tuple[slice, slice]]:
        """The block with the surroundings that its means take, and where it is in them."""
        margin = self.reach
        top, left = max(0, block.row - margin), max(0, block.column - margin)
        bottom = min(self.scene.height, block.row + block.height + margin)
        right = min(self.scene.width, block.column + block.width + margin)
        inside = Block(block.row - top, block.column - left, block.height, block.width)
        return Block(top, left, bottom - top, right - left), inside.slices

    def _release(self) -> None:
        """Pages of a file do not count as this process's memory once they are written or copied."""
        forget_pages(self._stored)


def pixel_features(scene: Scene, valid: Mask, **options: Any) -> Float:
    """The features ``(H, W, F)`` float32 of a scene, which fits in memory with them; see :class:`PixelFeatures`.

    ``valid`` ``(H, W)`` are the usable pixels. Raises what :class:`PixelFeatures` raises.
    """
    features = PixelFeatures(scene, valid, **options)
    for _ in features.prepare():
        pass
    return features.read()


def sample_strips(scene: Scene, valid: Mask, pixels: int = SAMPLE) -> Iterator[ValidBlock]:
    """Strips of rows from all over the scene, about so many ``pixels``, with their valid pixels; all rows of a scene
    that is no larger, or where the sample has few valid pixels."""
    count = max(2, pixels // (scene.width * STRIP))
    if count * STRIP < scene.height:
        tops = np.linspace(0, scene.height - STRIP, count).astype(int).tolist()
        blocks = [Block(top, 0, STRIP, scene.width) for top in tops]
        if sum(int(valid[block.slices].sum()) for block in blocks) < min(pixels // 8, int(valid.sum())):
            blocks = list(scene.blocks(AT_ONCE))
    else:
        blocks = list(scene.blocks(AT_ONCE))
    for block in blocks:
        yield scene.read(block), valid[block.slices]


def mean_around(components: Float, valid: Mask, side: int) -> Float:
    """Means ``(h, w, K)`` of components ``(h, w, K)`` over the ``valid`` ones of ``side x side`` pixels around each;
    the others are 0."""
    if side == 1:
        return components
    means: Float = uniform_filter(components, (side, side, 1), mode="constant")
    share = uniform_filter(valid.astype(np.float32), side, mode="constant")
    means /= np.maximum(share, 0.5 / side**2)[:, :, None]
    return means


class QuickClassifier:
    """A least-squares support vector machine (Suykens and Vandewalle 1999, doi:10.1023/A:1018628609742) with a radial
    basis function kernel: ridge regression on one target a class, 1 or 0.

    It is fitted by one solution of linear equations and predicts by matrix products, so the time does not depend on the
    data, and it works from a single class on. Probabilities are a softmax of the scores; far from all labelled pixels
    they are equal, so that confidence is low there, except that a single class always has 1.
    """

    def __init__(self, gamma: float = GAMMA, ridge: float = RIDGE, most: int = MOST_PIXELS) -> None:
        self.gamma, self.ridge, self.most = gamma, ridge, most
        self.classes_: NDArray[np.int32] = np.zeros(0, np.int32)

    def fit(self, features: Float, labels: NDArray[Any], background: int = 0) -> QuickClassifier:
        """Learn from features ``(..., F)`` and class ids ``(...)``, where ``background`` is not labelled.

        Of more than ``most`` pixels a sample is used, in which large classes are reduced first. Raises
        :class:`UsageError` when no pixel is labelled.
        """
        labelled = labels != background
        ids = labels[labelled].astype(np.int32)
        if not ids.size:
            raise UsageError("no pixel is labelled yet: draw a polygon or a stroke first")
        use = limit_pixels(ids, self.most)
        self.points_: Float = features[labelled][use]
        self.classes_, codes = np.unique(ids[use], return_inverse=True)
        targets = np.eye(self.classes_.size)[codes]
        kernel = similarity(self.points_.astype(np.float64), self.points_.astype(np.float64), self.gamma)
        kernel.flat[:: len(kernel) + 1] += self.ridge
        lower = np.linalg.cholesky(kernel)  # lets other threads run meanwhile, which scipy.linalg.solve does not
        half = scipy.linalg.solve_triangular(lower, targets, lower=True)
        self.weights_: Float = scipy.linalg.solve_triangular(lower, half, trans=1, lower=True).astype(np.float32)
        return self

    def predict(self, features: Float) -> tuple[NDArray[np.int32], Float]:
        """Class ids ``(...)`` int32 and probabilities ``(..., C)`` float32, in order of ``classes_``, of features
        ``(..., F)``."""
        points = features.reshape(-1, features.shape[-1])
        probabilities = np.empty((len(points), self.classes_.size), np.float32)
        step = max(1, KERNEL // len(self.points_))
        for start in range(0, len(points), step):
            scores = SHARPNESS * (similarity(points[start : start + step], self.points_, self.gamma) @ self.weights_)
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores, out=scores)
            probabilities[start : start + step] = scores / scores.sum(axis=1, keepdims=True)
        shape = features.shape[:-1]
        ids = self.classes_[probabilities.argmax(axis=1)].reshape(shape)
        return ids, probabilities.reshape(*shape, -1)


def similarity(first: NDArray[Any], second: NDArray[Any], gamma: float) -> NDArray[Any]:
    """The radial basis function kernel ``(n, m)`` of features ``(n, F)`` and ``(m, F)``, in their dtype."""
    kernel: NDArray[Any] = first @ (2 * gamma * second.T)
    kernel -= gamma * (second**2).sum(axis=1)
    kernel -= gamma * (first**2).sum(axis=1)[:, None]
    np.minimum(kernel, 0, out=kernel)
    np.exp(kernel, out=kernel)
    return kernel


def limit_pixels(ids: NDArray[np.int32], most: int) -> NDArray[np.int64]:
    """Positions of at most ``most`` of the pixels with class ids ``(n,)``, ascending: all of small classes, and
    a random sample of equal size of the others."""
    if ids.size <= most:
        return np.arange(ids.size)
    counts = np.unique(ids, return_counts=True)[1]
    each = max(each for each in range(1, most + 1) if np.minimum(counts, each).sum() <= max(most, counts.size))
    random = np.random.default_rng(0)
    chosen = [random.permutation(np.flatnonzero(ids == i))[:each] for i in np.unique(ids)]
    return np.sort(np.concatenate(chosen))
