"""Label maps for the tests of splits, and what their windows share, counted by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from hsi.core.labels import LabelMap, label_map
from hsi.errors import SplitError
from hsi.splits import SampleSize, Split, SplitRequest, make_split


def strip(*pixels: int) -> LabelMap:
    """One row with so many pixels of class 1, 2, ..., between background."""
    return label_map(np.concatenate([[0], np.repeat(np.arange(len(pixels)) + 1, pixels), [0]])[None])


def stripes(height: int, width: int, *classes: int) -> LabelMap:
    """Columns of the classes in turn, ``width`` times."""
    return label_map(np.tile([classes], (height, width)))


def fields(height: int, width: int, size: int, classes: int) -> LabelMap:
    """Square fields of ``size`` pixels, their classes in turn, with a strip of background between."""
    rows, columns = np.indices((height, width))
    values = (rows // size * 2 + columns // size) % classes + 1
    return label_map(np.where((rows % size == 0) | (columns % size == 0), 0, values))


def parcels() -> LabelMap:
    """Polygons of three classes that touch each other, five pixels wide, the third class in one polygon only."""
    polygons = np.arange(12).repeat(5)[None].repeat(6, axis=0) + 1
    values = np.where(polygons == 12, 3, np.where(polygons > 6, 2, 1))
    return label_map(values, polygons=polygons.astype(np.int32))


@st.composite
def scenes(draw: st.DrawFn) -> LabelMap:
    """Fields of several sizes with strips of background, some classes rare."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width, size = draw(st.integers(12, 34)), draw(st.integers(12, 34)), draw(st.integers(2, 9))
    coarse = random.integers(0, draw(st.integers(3, 6)), (height // size + 1, width // size + 1))
    values = np.kron(coarse, np.ones((size, size), int))[:height, :width]
    values[random.random((height, width)) < draw(st.sampled_from([0.0, 0.5]))] = 0
    values[random.integers(0, height), :2] = (7, 8)  # classes of a pixel or two, and two classes at least
    return label_map(values)


percentages = st.decimals(1, 49, places=1).map(lambda value: SampleSize(percent=float(value)))
two_counts = st.tuples(st.integers(2, 60), st.integers(1, 59)).filter(lambda both: both[1] < both[0])
sample_sizes = st.one_of(
    percentages,
    st.integers(1, 60).map(lambda count: SampleSize(count=count)),
    two_counts.map(lambda both: SampleSize(count=both[0], small=both[1])),
)


def split_or_reject(labels: LabelMap, request: SplitRequest, rule: str) -> Split:
    try:
        return make_split(labels, request, rule=rule)
    except SplitError:  # some labels leave nothing to test or to train
        reject()


def windows_overlap(some: np.ndarray, others: np.ndarray, window: int) -> bool:
    """Whether a window of one mask has a pixel in common with a window of the other, painted one by one."""
    half = window // 2
    painted = np.zeros(np.add(some.shape, 2 * half), bool)
    for row, column in np.argwhere(others):
        painted[row : row + window, column : column + window] = True
    return any(painted[row : row + window, column : column + window].any() for row, column in np.argwhere(some))


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Chebyshev distance of every pixel of ``some`` to the nearest of ``others``."""
    pairs = np.abs(np.argwhere(some)[:, None] - np.argwhere(others)[None]).max(axis=2)
    return pairs.min(axis=1, initial=10_000)
