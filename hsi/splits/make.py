"""Make a split by the name of its rule."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hsi.errors import SplitError, UsageError
from hsi.labels import LabelMap
from hsi.splits.amount import Amount
from hsi.splits.split import SPLITS, Split, SplitRequest


def make_split(
    labels: LabelMap,
    *,
    rule: str = "random",
    train: Amount | None = None,
    validation: Amount | None = None,
    seed: int,
    given: NDArray[Any] | None = None,
) -> Split:
    """Training, validation and test pixels of ``labels``; the same seed gives the same split on any machine.

    ``train`` and ``validation`` are amounts of each class; ``given`` is an ``(H, W)`` raster of 0 (not used),
    1 (training), 2 (validation) and 3 (test). A rule refuses what it has no use for. Pixels without a label are never
    part of a split. Raises :class:`UnknownNameError` for a rule that is not registered, :class:`UsageError` for a
    request that makes no sense and :class:`SplitError` when these labels cannot be split.
    """
    if seed < 0:
        raise UsageError(f"a seed is a whole number of 0 or more, found {seed}")
    make = SPLITS[rule]
    present = [name for name, pixels in zip(labels.table.names, labels.counts.values(), strict=True) if pixels]
    if len(present) < 2:
        found = f"only '{present[0]}'" if present else "none"
        raise SplitError(f"{labels.source or 'labels'}: 2 or more classes are needed to tell apart, found {found}")
    return make(labels, SplitRequest(seed, train, validation, given))
