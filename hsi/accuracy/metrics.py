"""Accuracy of a map: the confusion matrix, and metrics of all pixels and of each class, with intervals.

A metric is declared once, in :data:`OVERALL_METRICS` or :data:`CLASS_METRICS`. The tables (JSON, CSV, Markdown, LaTeX),
the terminal and ``report.html`` show all that are declared, in their order, so to add one is to add an entry::

    CLASS_METRICS["specificity"] = Metric(
        "Specificity",
        lambda one: (one.total - one.truth - one.predicted + one.hits, one.total - one.truth),
        short="Spec",
    )

Values are fractions throughout, and None where a number is not defined; never NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsi.accuracy.statistics import CONFIDENCE_LEVEL, wilson_interval
from hsi.core.labels import ClassTable
from hsi.errors import LabelError

Value = float | tuple[int, int] | None  # a pair is a share: so many of so many pixels


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

    Both arrays are integers of the same shape, any number of axes, one entry per test pixel; none is fine.
    Raises :class:`LabelError` for different shapes and for other codes.
    """
    if truth.shape != predicted.shape:
        raise LabelError(f"truth and prediction differ in shape: {truth.shape} and {predicted.shape}")
    for name, codes, lowest in (("truth", truth, 0), ("prediction", predicted, -1)):
        wrong = codes[(codes < lowest) | (codes >= classes)]
        if wrong.size:
            raise LabelError(f"{name}: codes go from {lowest} to {classes - 1}, found {wrong.flat[0]}")
    places = truth.ravel().astype(np.int64) * (classes + 1) + predicted.ravel().astype(np.int64) + 1
    pairs = np.bincount(places, minlength=classes * (classes + 1)).reshape(classes, classes + 1)  # unclassified first
    return ConfusionMatrix(pairs[:, 1:].astype(np.int64), pairs[:, 0].astype(np.int64))


class ClassCounts(NamedTuple):
    """Test pixels of one class: right ones, those of the class in the ``truth`` and on the map, and all of the map."""

    hits: int
    truth: int
    predicted: int
    total: int


@dataclass(frozen=True)
class Metric:
    """A metric: its ``title`` in tables, what measures it, and how it is shown.

    ``measure`` takes a :class:`ConfusionMatrix`, or :class:`ClassCounts` for a class. ``short`` is an abbreviation for
    the terminal, ``note`` a line below an overall metric on the page. A share ``with_interval`` has a Wilson interval.
    ``percent`` is False for what is shown as a number, ``is_error`` True for shares of wrong pixels. A metric with
    ``in_tables=False`` is only in JSON and CSV.
    """

    title: str
    measure: Callable[[Any], Value]
    short: str = ""
    note: str = ""
    with_interval: bool = False
    percent: bool = True
    is_error: bool = False
    in_tables: bool = True

    def value(self, counts: ConfusionMatrix | ClassCounts) -> float | None:
        """The number, None where it is not defined."""
        measured = self.measure(counts)
        if not isinstance(measured, tuple):
            return measured
        part, total = measured
        return part / total if total else None

    def interval(self, counts: ConfusionMatrix | ClassCounts) -> list[float] | None:
        """The ends of the 95 % interval of a share; None without a pixel."""
        measured = self.measure(counts)
        assert isinstance(measured, tuple)
        bounds = wilson_interval(*measured)
        return None if bounds is None else list(bounds)


def average_accuracy(confusion: ConfusionMatrix) -> float | None:
    """The mean producer's accuracy of the classes that have test pixels."""
    pairs = zip(confusion.counts.diagonal().tolist(), confusion.truth.tolist(), strict=True)
    recalls = [hits / truth for hits, truth in pairs if truth]
    return float(np.mean(recalls)) if recalls else None


def kappa(confusion: ConfusionMatrix) -> float | None:
    """Cohen's kappa, agreement beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

    "Unclassified" is a category of its own that the truth never has. None where chance alone agrees on every pixel
    (truth and prediction are one and the same class throughout) and where there is no pixel. Computed in integers up
    to the last division.
    """
    total = confusion.total
    pairs = zip(confusion.truth.tolist(), confusion.predicted.tolist(), strict=True)
    chance = sum(truth * predicted for truth, predicted in pairs)
    if total**2 == chance:
        return None
    return float((total * confusion.correct - chance) / (total**2 - chance))


def disagreement(matrix: NDArray[Any]) -> tuple[float, float] | tuple[None, None]:
    """Quantity and allocation disagreement in counts or shares ``(C, C)``, which add up to 1 less the overall accuracy
    (Pontius and Millones 2011, doi:10.1080/01431161.2011.552923); None for both of an empty matrix.

    The truth is in rows or in columns. The matrix stands for the population: a sample drawn by class has to be
    weighted before (equation 1).
    """
    total = matrix.sum()
    if not total:
        return None, None
    missed, false = (matrix.sum(axis=axis) - matrix.diagonal() for axis in (1, 0))
    quantity, allocation = np.abs(missed - false).sum() / 2, np.minimum(missed, false).sum()
    return float(quantity / total), float(allocation / total)


OVERALL_METRICS = {
    "overall_accuracy": Metric("Overall accuracy", lambda all_: (all_.correct, all_.total), "OA", with_interval=True),
    "average_accuracy": Metric("Average accuracy", average_accuracy, "AA", "mean of the classes"),
    "kappa": Metric("Kappa", kappa, "kappa", "agreement beyond chance", percent=False),
    "quantity_disagreement": Metric(
        "Quantity disagreement", lambda all_: disagreement(all_.square)[0], "by quantity", is_error=True
    ),
    "allocation_disagreement": Metric(
        "Allocation disagreement", lambda all_: disagreement(all_.square)[1], "by allocation", is_error=True
    ),
}
# producer's accuracy is recall, user's accuracy precision; disagreements are shares of all pixels and count each wrong
# one for two classes, so they add up to twice the overall numbers
CLASS_METRICS = {
    "producers_accuracy": Metric("Producer's accuracy", lambda one: (one.hits, one.truth), "PA", with_interval=True),
    "users_accuracy": Metric("User's accuracy", lambda one: (one.hits, one.predicted), "UA", with_interval=True),
    "f1": Metric("F1", lambda one: (2 * one.hits, one.truth + one.predicted)),
    "iou": Metric("IoU", lambda one: (one.hits, one.truth + one.predicted - one.hits)),
    "quantity_disagreement": Metric(
        "Quantity disagreement", lambda one: (abs(one.truth - one.predicted), one.total), in_tables=False
    ),
    "allocation_disagreement": Metric(
        "Allocation disagreement",
        lambda one: (2 * min(one.truth - one.hits, one.predicted - one.hits), one.total),
        in_tables=False,
    ),
}


def measure_overall(confusion: ConfusionMatrix) -> dict[str, Any]:
    """The metrics of all pixels by name, plain values for JSON, and their ``intervals``."""
    intervals = {key: one.interval(confusion) for key, one in OVERALL_METRICS.items() if one.with_interval}
    return {
        **{key: one.value(confusion) for key, one in OVERALL_METRICS.items()},
        "intervals": {"method": "Wilson", "level": CONFIDENCE_LEVEL, **intervals},
    }


def measure_accuracy(confusion: ConfusionMatrix, table: ClassTable, training: Sequence[int | None]) -> dict[str, Any]:
    """The accuracy report of a confusion matrix, plain values for JSON: fractions, and None where undefined.

    ``training`` holds the training pixels of each class of ``table``, None where they are not known. The report has the
    overall metrics by name, for each of ``classes`` its ``id``, ``name``, pixels (``train``, ``test``,
    ``unclassified``) and metrics with their ``_interval``, the ``confusion_matrix`` with the truth in rows,
    ``absent_classes`` (names of those without a test pixel, which the average leaves out) and the ``intervals`` of
    overall metrics. Raises :class:`LabelError` when matrix, table and training counts are not of the same number of
    classes.
    """
    if not len(confusion.counts) == len(table) == len(training):
        sizes = f"{len(confusion.counts)}, {len(table)} and {len(training)}"
        raise LabelError(f"confusion matrix, class table and training counts are for {sizes} classes")
    columns = (confusion.counts.diagonal(), confusion.truth, confusion.predicted, confusion.unclassified)
    classes = []
    for i, name, train, *pixels in zip(table.ids, table.names, training, *(c.tolist() for c in columns), strict=True):
        hits, truth, predicted, unclassified = pixels
        counts = ClassCounts(hits, truth, predicted, confusion.total)
        entry = {"id": i, "name": name, "train": train, "test": truth, "unclassified": unclassified}
        for key, one in CLASS_METRICS.items():
            entry |= {
                key: one.value(counts),
                **({f"{key}_interval": one.interval(counts)} if one.with_interval else {}),
            }
        classes.append(entry)
    overall = measure_overall(confusion)
    intervals = overall.pop("intervals")
    return {
        **overall,
        "classes": classes,
        "confusion_matrix": confusion.counts.tolist(),
        "absent_classes": [entry["name"] for entry in classes if not entry["test"]],
        "intervals": intervals,
    }
