"""Accuracy of a map: confusion matrix, overall and average accuracy, kappa, per class, with intervals.

Fractions throughout, and None where a number is not defined; never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix as count_pairs

from hsi.errors import LabelError
from hsi.labels import ClassTable

LEVEL = 0.95

Interval = tuple[float, float]


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


def wilson_interval(correct: int, total: int) -> Interval | None:
    """Two-sided 95 % score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); None of nothing.

    It treats pixels as independent draws. Neighbouring pixels are not, so the true interval is wider.
    """
    if total == 0:
        return None
    found = binomtest(correct, total).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of one class: training and test pixels, fractions, and None where a fraction has nothing below it.

    Producer's accuracy is recall, user's accuracy is precision; ``unclassified`` counts its test pixels that the map
    declines to name.
    """

    id: int
    name: str
    train: int
    test: int
    unclassified: int
    producers_accuracy: float | None
    producers_accuracy_interval: Interval | None
    users_accuracy: float | None
    f1: float | None
    iou: float | None


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Accuracy of a map on test pixels. ``average_accuracy`` is the mean producer's accuracy of the classes that have
    test pixels; the names of the others are in ``absent_classes``. All three are None without a test pixel."""

    overall_accuracy: float | None
    overall_accuracy_interval: Interval | None
    average_accuracy: float | None
    kappa: float | None
    classes: tuple[ClassAccuracy, ...]
    confusion: ConfusionMatrix
    absent_classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, fractions, None where undefined; the rows of ``confusion_matrix`` are the truth."""
        return {
            "overall_accuracy": self.overall_accuracy,
            "average_accuracy": self.average_accuracy,
            "kappa": self.kappa,
            "classes": [_class_dict(entry) for entry in self.classes],
            "confusion_matrix": self.confusion.counts.tolist(),
            "absent_classes": list(self.absent_classes),
            "intervals": {
                "method": "Wilson",
                "level": LEVEL,
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
    classes = tuple(_measure_class(confusion, table, i, int(training[i])) for i in range(len(table)))
    recalls = [entry.producers_accuracy for entry in classes if entry.producers_accuracy is not None]
    return Accuracy(
        overall_accuracy=_ratio(confusion.correct, confusion.total),
        overall_accuracy_interval=wilson_interval(confusion.correct, confusion.total),
        average_accuracy=float(np.mean(recalls)) if recalls else None,
        kappa=kappa(confusion),
        classes=classes,
        confusion=confusion,
        absent_classes=tuple(entry.name for entry in classes if not entry.test),
    )


def _measure_class(confusion: ConfusionMatrix, table: ClassTable, code: int, train: int) -> ClassAccuracy:
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
        f1=_ratio(2 * hits, truth + predicted),
        iou=_ratio(hits, truth + predicted - hits),
    )


def _ratio(part: int, whole: int) -> float | None:
    """The fraction, or None of nothing."""
    return part / whole if whole else None


def _class_dict(entry: ClassAccuracy) -> dict[str, Any]:
    """A class as plain values; JSON has lists and no tuples."""
    return {**vars(entry), "producers_accuracy_interval": _as_list(entry.producers_accuracy_interval)}


def _as_list(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
