"""Accuracy of a map and areas of its classes, estimated from a probability sample of its pixels.

The mapped area of a class is biased by the errors of the map. Olofsson et al. (2014, doi:10.1016/j.rse.2014.02.015)
weight the confusion matrix of a sample by the mapped areas, which gives accuracies and areas of the map with standard
errors. Their equations 2 to 11 are written here as ratios of totals over strata (Stehman 2014,
doi:10.1080/01431161.2014.930207), which are the same where the strata are the classes of the map.

A stratum of the sample that is all right, or all wrong, has a standard error of 0, which says nothing. There intervals
are made of the Wilson intervals of the strata (Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286), whose
distances from the estimates are added in squares (Newcombe 1998, Statistics in Medicine 17, 873-890).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hsi.accuracy.metrics import disagreement
from hsi.accuracy.statistics import CONFIDENCE_LEVEL, wilson_interval
from hsi.core.labels import ClassTable
from hsi.errors import LabelError, UsageError

Design = Literal["simple", "stratified"]
DESIGNS: tuple[Design, ...] = ("simple", "stratified")
ROUNDING = 1e-18  # of a squared standard error
LEAST = 2  # pixels in a stratum, for a variance
Floats = NDArray[np.float64]


def make_estimate(value: float, standard_error: float, scale: float = 1.0) -> dict[str, float]:
    """An estimated share with its two-sided 95 % normal interval, limited to 0 to 1, all multiplied by ``scale``."""
    reach = float(ndtri((1 + CONFIDENCE_LEVEL) / 2)) * standard_error
    low, high = max(0.0, value - reach), min(1.0, value + reach)
    numbers = {"value": value, "standard_error": standard_error, "low": low, "high": high}
    return {name: number * scale for name, number in numbers.items()}


def estimate_map(
    counts: NDArray[Any], mapped: NDArray[Any], table: ClassTable, design: Design, hectares: float | None = None
) -> dict[str, Any]:
    """Estimate the accuracy and the areas of a map from a random sample of its pixels.

    ``counts`` ``(C + 1, C + 1)`` are the sampled pixels, truth in rows, map in columns; ``mapped`` ``(C + 1,)`` are the
    pixels of the map. The last class of both is "unclassified", which may be empty.

    With the design ``stratified``, pixels were drawn at random within each class of the map. With ``simple``, they were
    drawn from the entire map and are stratified by class afterwards, as the paper recommends; classes with fewer than
    two sampled pixels are pooled. As in the paper, there is no finite population correction: the errors are a little
    too large for a sample that is a large part of the map.

    Returns JSON-compatible values: estimates with ``value``, ``standard_error``, ``low`` and ``high`` of the overall
    accuracy and, for each class, of its accuracies (None where based on fewer than two sampled pixels), its ``share``
    of the map in truth and its ``area``, in pixels or in hectares with the ``hectares`` of a pixel. ``pooled`` names
    the classes whose few sampled pixels share one stratum. Raises :class:`LabelError` for shapes that do not fit and
    :class:`UsageError` when a sample has too few pixels.
    """
    classes = len(table)
    if counts.shape != (classes + 1, classes + 1) or mapped.shape != (classes + 1,):
        raise LabelError(f"{classes} classes and 'unclassified' do not fit {counts.shape} and {mapped.shape} counts")
    matrix = counts.T.astype(np.float64)  # map in rows from here on
    names = [*table.names, "unclassified"]
    strata = _strata(matrix.sum(axis=1), mapped, names, design)
    sample = _Sample.of(matrix, mapped, strata)
    everything = np.ones_like(matrix)
    quantity, allocation = disagreement(sample.shares)
    return {
        "design": design,
        "sample": int(matrix.sum()),
        "mapped_pixels": int(mapped.sum()),
        "unit": "hectares" if hectares else "pixels",
        "overall_accuracy": sample.accuracy(np.eye(classes + 1), everything),
        "quantity_disagreement": quantity,
        "allocation_disagreement": allocation,
        "classes": [_estimate_class(sample, mapped, table, code, hectares or 1.0) for code in range(classes)],
        "pooled": [name for name, stratum in zip(names, strata, strict=True) if np.sum(strata == stratum) > 1],
    }


def _estimate_class(
    sample: _Sample, mapped: NDArray[Any], table: ClassTable, code: int, pixel_area: float
) -> dict[str, Any]:
    row, column, both, everything = (np.zeros_like(sample.counts) for _ in range(4))
    row[code], column[:, code], both[code, code], everything[:] = 1, 1, 1, 1
    in_map, in_truth = (int((sample.counts * part).sum()) for part in (row, column))
    return {
        "id": table.ids[code],
        "name": table.names[code],
        "sample": in_map,
        "users_accuracy": sample.accuracy(both, row) if in_map >= LEAST else None,
        "producers_accuracy": sample.ratio(both, column) if in_truth >= LEAST else None,
        "mapped_area": int(mapped[code]) * pixel_area,
        "share": sample.ratio(column, everything),
        "area": sample.ratio(column, everything, int(mapped.sum()) * pixel_area),
    }


def _strata(sizes: Floats, mapped: NDArray[Any], names: list[str], design: Design) -> NDArray[np.int64]:
    """The stratum of each class of the map ``(C + 1,)``; -1 for a class without mapped pixels."""
    strata = np.where(mapped > 0, np.arange(len(mapped)), -1)
    thin = np.flatnonzero((strata >= 0) & (sizes < LEAST) & (sizes < mapped))  # others are sampled completely
    if not thin.size:
        return strata
    if design == "stratified":
        listed = ", ".join(f"{names[i]} ({sizes[i]:.0f})" for i in thin[:5])
        raise UsageError(
            f"--design stratified needs {LEAST} or more reference pixels in each class of the map, found fewer in "
            f"{thin.size}: {listed}: label more there ('hsi sample' draws pixels), or leave --design out"
        )
    order = [i for i in np.argsort(sizes, kind="stable") if strata[i] >= 0]
    needed = next((n for n in range(thin.size, len(order) + 1) if sizes[order[:n]].sum() >= LEAST), None)
    if needed is None:
        raise UsageError(f"--design simple needs {LEAST} or more reference pixels on the map, found {sizes.sum():.0f}")
    strata[order[:needed]] = order[0]
    return strata


@dataclass(frozen=True, eq=False)
class _Sample:
    """Sampled pixels ``counts`` ``(map, truth)`` float64, the stratum of each row ``(map,)``, and for each stratum its
    sampled pixels (``sizes``) and its share of the map (``weights``)."""

    counts: Floats
    strata: NDArray[np.int64]
    sizes: Floats
    weights: Floats

    @classmethod
    def of(cls, counts: Floats, mapped: NDArray[Any], strata: NDArray[np.int64]) -> _Sample:
        """The sample of strata; classes without mapped pixels share a last stratum of weight 0."""
        last = len(strata)
        strata = np.where(strata < 0, last, strata)
        sizes = np.asarray(np.bincount(strata, counts.sum(axis=1), minlength=last + 1), np.float64)
        weights = np.bincount(strata, mapped, minlength=last + 1) / mapped.sum()
        return cls(counts, strata, sizes, weights)

    @property
    def shares(self) -> Floats:
        """Estimated shares of the map ``(map, truth)``: equation 4 of Olofsson et al."""
        scale = self.weights / np.maximum(self.sizes, 1)
        return np.asarray(self.counts * scale[self.strata, None])

    def ratio(self, part: Floats, base: Floats, scale: float = 1.0) -> dict[str, float] | None:
        """The estimated ratio of ``part`` to ``base``, both ``(map, truth)`` of 0 and 1; None for an empty ``base``."""
        total = (self.shares * base).sum()
        if not total:
            return None
        value = (self.shares * part).sum() / total
        rest = part - value * base
        sums, squares = (
            np.bincount(self.strata, (self.counts * rest**power).sum(axis=1), minlength=len(self.sizes))
            for power in (1, 2)
        )
        sizes = np.maximum(self.sizes, LEAST)  # a stratum with fewer is empty
        variances = np.maximum(squares - sums**2 / sizes, 0) / (sizes - 1)
        squared_error = (self.weights**2 * variances / sizes).sum() / total**2
        if squared_error < ROUNDING:
            return self._from_wilson(part, base, float(value), scale)
        return make_estimate(float(value), float(np.sqrt(squared_error)), scale)

    def accuracy(self, part: Floats, base: Floats) -> dict[str, float] | None:
        """:meth:`ratio` for a share of the sampled pixels of strata, which may be all right or all wrong."""
        estimate = self.ratio(part, base)
        right, count = (self._of_strata(self.counts * one) for one in (part, base))
        certain = (count > 0) & ((right == 0) | (right == count)) & (np.arange(len(count)) != len(self.counts) - 1)
        if estimate is None or not certain.any():  # pixels that are unclassified are wrong in any case
            return estimate
        return self._from_wilson(part, base, estimate["value"], 1.0)

    def _of_strata(self, values: Floats) -> Floats:
        """Sums over the rows of each stratum."""
        return np.asarray(np.bincount(self.strata, values.sum(axis=1), minlength=len(self.sizes)), np.float64)

    def _from_wilson(self, part: Floats, base: Floats, value: float, scale: float) -> dict[str, float]:
        """An estimate whose interval is made of the Wilson intervals of its strata."""
        right, count = (self._of_strata(self.counts * one) for one in (part, base))
        weights = self._of_strata(self.shares * base) / (self.shares * base).sum()
        below = above = 0.0
        for weight, hits, pixels in zip(weights, right, count, strict=True):
            bounds = wilson_interval(round(hits), round(pixels))
            if bounds and weight:
                below += (weight * (hits / pixels - bounds[0])) ** 2
                above += (weight * (bounds[1] - hits / pixels)) ** 2
        low, high = max(0.0, value - float(np.sqrt(below))), min(1.0, value + float(np.sqrt(above)))
        error = (high - low) / (2 * float(ndtri((1 + CONFIDENCE_LEVEL) / 2)))
        numbers = {"value": value, "standard_error": error, "low": low, "high": high}
        return {name: number * scale for name, number in numbers.items()}
