"""Comparison of exported files with their network on a labelled scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.core.scene import Block, usable_pixels
from hsi.errors import LabelError
from hsi.exports.network import ExportedNetwork, Scores
from hsi.preprocessing.band_matching import BandMatch
from hsi.preprocessing.reducers import Reducer, reduce_cube

ROWS, COLUMNS = 64, 64  # of a scene, and of a tile, at a time
PATCHES = 256
Advance = Callable[[int, int], None]
Float = NDArray[np.float32]
Ids = NDArray[np.int64]
Inputs = tuple[Float, Ids, tuple[Ids, ...]]  # input, ids of its labelled pixels, and their places in a tile's output


@dataclass(frozen=True)
class Checked:
    """A file on labelled pixels: its overall accuracy, the share of pixels with the network's class, and the largest
    difference of a probability."""

    accuracy: float
    agreement: float
    difference: float


@dataclass(frozen=True)
class Check:
    """The number of labelled pixels, the network's overall accuracy on them, and the results of each file."""

    pixels: int
    accuracy: float
    files: Mapping[str, Checked]


def check_files(
    exported: ExportedNetwork,
    reducer: Reducer,
    files: Mapping[str, Scores],
    match: BandMatch,
    labels: LabelMap,
    ids: Sequence[int],
    advance: Advance = lambda done, total: None,
) -> Check:
    """Run the network and the ``files`` on every labelled pixel of a scene; ``ids`` are the classes of the outputs.

    Pixels of other classes than the network's count as wrong. Raises :class:`LabelError` without usable labelled
    pixels.
    """
    known, truths = np.asarray(ids), []
    outputs: dict[str, list[Float]] = {name: [] for name in ("", *files)}  # "" is the network
    for values, truth, places in _labelled(exported, reducer, match, labels, advance):
        with torch.no_grad():
            outputs[""].append(_chosen(exported(torch.from_numpy(values)).numpy(), places))
        for name, run in files.items():
            outputs[name].append(_chosen(run(values), places))
        truths.append(truth)
    if not truths:
        raise LabelError(f"{labels.source}: none of its labelled pixels can be used in {match.scene.source}")
    truth, expected = np.concatenate(truths), np.concatenate(outputs[""])
    right = {name: float((known[np.concatenate(parts).argmax(1)] == truth).mean()) for name, parts in outputs.items()}
    checked = {}
    for name in files:
        given = np.concatenate(outputs[name])
        same = float((given.argmax(1) == expected.argmax(1)).mean())
        checked[name] = Checked(right[name], same, float(np.abs(given - expected).max()))
    return Check(len(truth), right[""], checked)


def _chosen(probabilities: Float, places: tuple[Ids, ...]) -> Float:
    """The probabilities of the labelled pixels, ``(n, classes)``: all of a batch of patches, or some of a tile."""
    return probabilities if not places else probabilities[0][:, places[0], places[1]].T


def _labelled(
    exported: ExportedNetwork, reducer: Reducer, match: BandMatch, labels: LabelMap, advance: Advance
) -> Iterator[Inputs]:
    """The inputs for all labelled pixels of a scene."""
    for top in range(0, match.scene.height, ROWS):
        here = labels.labelled[top : top + ROWS]
        if here.any():
            padded, usable = _strip(exported, reducer, match, top, len(here))
            yield from _cut(exported, padded, here & usable, labels.values[top : top + ROWS].astype(np.int64))
        advance(min(top + ROWS, match.scene.height), match.scene.height)


def _strip(
    exported: ExportedNetwork, reducer: Reducer, match: BandMatch, top: int, rows: int
) -> tuple[Float, NDArray[np.bool_]]:
    """The input ``(C, h, w)`` for rows of a scene, with half a window of neighbours or zeros around; and their usable
    pixels."""
    scene, half = match.scene, exported.network.window // 2
    first, last = max(0, top - half), min(scene.height, top + rows + half)
    stored = scene.read(Block(first, 0, last - first, scene.width))
    usable = usable_pixels(stored, scene.nodata)
    cube = match.convert(stored)
    if exported.folds:
        values = np.where(usable[:, :, None], cube, 0).astype(np.float32).transpose(2, 0, 1)
    else:
        values = reduce_cube(cube, reducer, usable)
    above, below = half - (top - first), half - (last - top - rows)
    return np.pad(values, ((0, 0), (above, below), (half, half))), usable[top - first : top - first + rows]


def _cut(exported: ExportedNetwork, padded: Float, wanted: NDArray[np.bool_], ids: Ids) -> Iterator[Inputs]:
    """Batches of patches, or tiles, around the ``wanted`` pixels of padded rows."""
    window = exported.network.window
    if exported.shape == "patch":
        views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))  # (C, rows, W, w, w)
        rows, columns = np.nonzero(wanted)
        for start in range(0, len(rows), PATCHES):
            batch = rows[start : start + PATCHES], columns[start : start + PATCHES]
            yield np.ascontiguousarray(views[:, *batch].transpose(1, 0, 2, 3)), ids[batch], ()
        return
    for left in range(0, wanted.shape[1], COLUMNS):
        part = wanted[:, left : left + COLUMNS]
        if part.any():
            tile = np.ascontiguousarray(padded[None, :, :, left : left + part.shape[1] + window - 1])
            yield tile, ids[:, left : left + COLUMNS][part], np.nonzero(part)
