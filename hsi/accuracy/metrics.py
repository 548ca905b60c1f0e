"""Accuracy of a map: confusion matrix, overall and average accuracy, kappa, disagreement, per class, with intervals.

Fractions throughout, and None where a number is not defined; never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix as count_pairs

from hsi.accuracy.statistics import CONFIDENCE_LEVEL, Interval, wilson_interval
from hsi.core.labels import ClassTable
from hsi.errors import LabelError


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Shares of all pixels: ``quantity`` and ``allocation`` add up to 1 less the overall accuracy.

    ``quantity_of`` and ``allocation_of`` ``(C,)`` float64 belong to single classes. Each misplaced pixel is counted
    for two classes, so they add up to twice the overall numbers.
    """

    quantity: float
    allocation: float
    quantity_of: NDArray[np.float64]
    allocation_of: NDArray[np.float64]


def measure_disagreement(matrix: NDArray[Any]) -> Disagreement | None:
    """The :class:`Disagreement` in counts or shares ``(C, C)``, truth in rows or in columns; None of an empty matrix.

    The matrix stands for the population: a sample drawn by class has to be weighted before (equation 1 of the paper).
    """
    total = matrix.sum()
    if not total:
        return None
    missed, false = (matrix.sum(axis=axis) - matrix.diagonal() for axis in (1, 0))
    quantity, allocation = np.abs(missed - false), 2 * np.minimum(missed, false)
    return Disagreement(
        quantity=float(quantity.sum() / 2 / total),
        allocation=float(allocation.sum() / 2 / total),
        quantity_of=quantity / total,
        allocation_of=allocation / total,
    )


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """``counts`` ``(C, C)`` int64 with the truth in rows, and per true class the ``unclassified`` ones ``(C,)`` int64.

    An unclassified pixel is one that the map declines to name. It counts as wrong.
    """

    counts: NDArray[np.int64]
    unclassified: NDArray[np.int64]

    @property
    def total(self) -> int:
        """All pixels, the unclassified ones among them."""
        return int(self.counts.sum() + self.unclassified.sum())

    @property
    def correct(self) -> int:
        """Pixels on the diagonal."""
        return int(np.trace(self.counts))

    @property
    def truth(self) -> NDArray[np.int64]:
        """Pixels per true class ``(C,)``, the unclassified ones among them."""
        return np.asarray(self.counts.sum(axis=1) + self.unclassified, np.int64)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Pixels per predicted class ``(C,)``."""
        return np.asarray(self.counts.sum(axis=0), np.int64)

    @property
    def square(self) -> NDArray[np.int64]:
        """``(C + 1, C + 1)``: "unclassified" as a last class, which the truth never has."""
        square = np.zeros((len(self.counts) + 1,) * 2, np.int64)
        square[:-1, :-1], square[:-1, -1] = self.counts, self.unclassified
        return square


def confusion_matrix(truth: NDArray[Any], predicted: NDArray[Any], classes: int) -> ConfusionMatrix:
    """Count pairs of class codes, ``0`` to ``classes - 1``; a prediction may also be -1, "unclassified".

    Both arrays are whole numbers of the same shape, any number of axes, one entry per test pixel; none is fine.
    Raises :class:`LabelError` for different shapes and for other codes.
    """
    if truth.shape != predicted.shape:
        raise LabelError(f"truth and prediction differ in shape: {truth.shape} and {predicted.shape}")
    for name, codes, lowest in (("truth", truth, 0), ("prediction", predicted, -1)):
        wrong = codes[(codes < lowest) | (codes >= classes)]
        if wrong.size:
            raise LabelError(f"{name}: codes go from {lowest} to {classes - 1}, found {wrong.flat[0]}")
    if truth.size == 0:
        return ConfusionMatrix(np.zeros((classes, classes), np.int64), np.zeros(classes, np.int64))
    pairs = count_pairs(truth.ravel(), predicted.ravel(), labels=np.arange(-1, classes))  # (1 + C, 1 + C), -1 first
    return ConfusionMatrix(pairs[1:, 1:].astype(np.int64), pairs[1:, 0].astype(np.int64))


def kappa(confusion: ConfusionMatrix) -> float | None:
    """Cohen's kappa, agreement beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

    "Unclassified" is a category of its own that the truth never has. None where chance alone agrees on every pixel
    (truth and prediction are one and the same class throughout) and where there is no pixel. Computed in whole
    numbers up to the last division.
    """
    total = confusion.total
    pairs = zip(confusion.truth.tolist(), confusion.predicted.tolist(), strict=True)
    chance = sum(truth * predicted for truth, predicted in pairs)
    if total**2 == chance:
        return None
    return float((total * confusion.correct - chance) / (total**2 - chance))


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of one class: training and test pixels, fractions, and None where a fraction has nothing below it.

    Producer's accuracy is recall, user's accuracy is precision; ``unclassified`` counts its test pixels that the map
    declines to name. ``quantity_disagreement`` and ``allocation_disagreement`` are shares of all test pixels.
    """

    id: int
    name: str
    train: int
    test: int
    unclassified: int
    producers_accuracy: float | None
    producers_accuracy_interval: Interval | None
    users_accuracy: float | None
    users_accuracy_interval: Interval | None
    f1: float | None
    iou: float | None
    quantity_disagreement: float | None
    allocation_disagreement: float | None


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Accuracy of a map on test pixels. ``average_accuracy`` is the mean producer's accuracy of the classes that have
    test pixels; the names of the others are in ``absent_classes``. Quantity and allocation disagreement add up to 1
    less the overall accuracy. All five are None without a test pixel."""

    overall_accuracy: float | None
    overall_accuracy_interval: Interval | None
    average_accuracy: float | None
    kappa: float | None
    quantity_disagreement: float | None
    allocation_disagreement: float | None
    classes: tuple[ClassAccuracy, ...]
    confusion: ConfusionMatrix
    absent_classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, fractions, None where undefined; the rows of ``confusion_matrix`` are the truth."""
        return {
            "overall_accuracy": self.overall_accuracy,
            "average_accuracy": self.average_accuracy,
            "kappa": self.kappa,
            "quantity_disagreement": self.quantity_disagreement,
            "allocation_disagreement": self.allocation_disagreement,
            "classes": [_class_dict(entry) for entry in self.classes],
            "confusion_matrix": self.confusion.counts.tolist(),
            "absent_classes": list(self.absent_classes),
            "intervals": {
                "method": "Wilson",
                "level": CONFIDENCE_LEVEL,
                "overall_accuracy": _as_list(self.overall_accuracy_interval),
            },
        }


def measure_accuracy(confusion: ConfusionMatrix, table: ClassTable, training: Sequence[int]) -> Accuracy:
    """The :class:`Accuracy` in a confusion matrix; ``training`` holds the training pixels of each class of ``table``.

    Raises :class:`LabelError` when matrix, table and training counts are not of the same number of classes.
    """
    if not len(confusion.counts) == len(table) == len(training):
        found = f"{len(confusion.counts)}, {len(table)} and {len(training)}"
        raise LabelError(f"confusion matrix, class table and training counts are for {found} classes")
    disagreement = measure_disagreement(confusion.square)
    classes = tuple(_measure_class(confusion, table, i, int(training[i]), disagreement) for i in range(len(table)))
    recalls = [entry.producers_accuracy for entry in classes if entry.producers_accuracy is not None]
    return Accuracy(
        overall_accuracy=_ratio(confusion.correct, confusion.total),
        overall_accuracy_interval=wilson_interval(confusion.correct, confusion.total),
        average_accuracy=float(np.mean(recalls)) if recalls else None,
        kappa=kappa(confusion),
        quantity_disagreement=disagreement.quantity if disagreement else None,
        allocation_disagreement=disagreement.allocation if disagreement else None,
        classes=classes,
        confusion=confusion,
        absent_classes=tuple(entry.name for entry in classes if not entry.test),
    )


def _measure_class(
    confusion: ConfusionMatrix, table: ClassTable, code: int, train: int, disagreement: Disagreement | None
) -> ClassAccuracy:
    """The row and column of one class code."""
    hits = int(confusion.counts[code, code])
    truth, predicted = int(confusion.truth[code]), int(confusion.predicted[code])
    return ClassAccuracy(
        id=table.ids[code],
        name=table.names[code],
        train=train,
        test=truth,
        unclassified=int(confusion.unclassified[code]),
        producers_accuracy=_ratio(hits, truth),
        producers_accuracy_interval=wilson_interval(hits, truth),
        users_accuracy=_ratio(hits, predicted),
        users_accuracy_interval=wilson_interval(hits, predicted),
        f1=_ratio(2 * hits, truth + predicted),
        iou=_ratio(hits, truth + predicted - hits),
        quantity_disagreement=float(disagreement.quantity_of[code]) if disagreement else None,
        allocation_disagreement=float(disagreement.allocation_of[code]) if disagreement else None,
    )


def _ratio(part: int, whole: int) -> float | None:
    """The fraction, or None of nothing."""
    return part / whole if whole else None


def _class_dict(entry: ClassAccuracy) -> dict[str, Any]:
    """A class as plain values; JSON has lists and no tuples."""
    intervals = ("producers_accuracy_interval", "users_accuracy_interval")
    return {**vars(entry), **{name: _as_list(getattr(entry, name)) for name in intervals}}


def _as_list(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
