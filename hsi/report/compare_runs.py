"""Whether two runs came to the same result, and by how much they differ where they did not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hsi.accuracy.metrics import OVERALL_METRICS
from hsi.errors import ComparisonError
from hsi.io.geotiff import read_classes


@dataclass(frozen=True)
class Agreement:
    """One part of a result: whether it is the same in both runs, and the difference in ``words``."""

    part: str
    same: bool
    words: str


def compare_runs(one: Path, other: Path) -> list[Agreement]:
    """What the folders of two runs of ``hsi classify`` have in common: split, model, map, confidence and accuracy.

    Parts that neither run has are left out. Raises :class:`ComparisonError` for one that only one has, or that cannot
    be read.
    """
    parts: dict[str, Callable[[Path, Path], tuple[bool, str]]] = {
        "split.tif": _pixels,
        "model.safetensors": _tensors,
        "map.tif": _pixels,
        "confidence.tif": _pixels,
        "accuracy.json": _measures,
    }
    agreements = []
    for name, compare in parts.items():
        pair = one / name, other / name
        there = [path.is_file() for path in pair]
        if not any(there):
            continue
        if not all(there):
            raise ComparisonError(f"{pair[there.index(False)]}: is missing, so the runs cannot be compared")
        if pair[0].read_bytes() == pair[1].read_bytes():
            agreements.append(Agreement(name, True, "the same bytes"))
            continue
        try:
            agreements.append(Agreement(name, *compare(*pair)))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ComparisonError(f"{pair[0]} and {pair[1]} cannot be compared: {error}") from error
    return agreements


def _pixels(one: Path, other: Path) -> tuple[bool, str]:
    first, second = read_classes(one), read_classes(other)
    if first.shape != second.shape:
        return False, f"{first.shape[0]} x {first.shape[1]} pixels, now {second.shape[0]} x {second.shape[1]}"
    measured = first.dtype.kind == "f"
    if np.array_equal(first, second, equal_nan=measured):
        return True, "the same in every pixel"
    if measured:
        return False, f"differs by up to {np.nanmax(np.abs(first - second)):.2g}"
    return False, f"{np.count_nonzero(first != second):,} of {first.size:,} pixels differ"


def _tensors(one: Path, other: Path) -> tuple[bool, str]:
    first, second = load_file(one), load_file(other)
    if first.keys() != second.keys():
        return False, "has other tensors"
    differing = [name for name in first if not np.array_equal(first[name], second[name])]
    if not differing:
        return True, "the same in every number"
    words = f"{len(differing)} of {len(first)} tensors differ"
    comparable = [name for name in differing if first[name].shape == second[name].shape]  # training pixels may not be
    if not comparable:
        return False, f"{words}, {differing[0]} in its shape"
    gaps = {name: float(np.max(np.abs(first[name] - second[name]), initial=0.0)) for name in comparable}
    worst = max(comparable, key=lambda name: gaps[name])
    return False, f"{words}, {worst} by up to {gaps[worst]:.2g}"


def _measures(one: Path, other: Path) -> tuple[bool, str]:
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (one, other))
    changed = [name for name, one in OVERALL_METRICS.items() if not one.is_error and first[name] != second[name]]
    if not changed:
        same = first["confusion_matrix"] == second["confusion_matrix"]
        return same, "the same confusion matrix" if same else "another confusion matrix"
    return False, ", ".join(
        f"{name.replace('_', ' ')} {_number(first[name])}, now {_number(second[name])}" for name in changed
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6f}"
