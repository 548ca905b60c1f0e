"""Make a split by the name of its rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.settings import USUAL_WINDOW
from hsi.splits.kfold import fold_count
from hsi.splits.split import SPLITS, Split, SplitRequest, parse_sample_size

if TYPE_CHECKING:
    from hsi.settings import Settings

# fields of a request that a user asks for, and the options that they are asked for with
OPTIONS = {
    "train": "--train",
    "validation": "--val",
    "given": "--split given:FILE",
    "block": "--block",
    "buffer": "split.buffer",
    "minimum": "split.minimum",
    "folds": "split.folds",
    "fold": "--fold",
}


def split_request(settings: Settings) -> SplitRequest:
    """What the settings of a run ask of their rule, but for the pixels of a given split.

    Raises :class:`UsageError` for amounts that are none.
    """
    wanted = settings.split
    train, validation = (parse_sample_size(text) if text else None for text in (wanted.train, wanted.validation))
    return SplitRequest(
        seed=settings.seed,
        train=train,
        validation=validation,
        window=max(settings.model.window or USUAL_WINDOW, settings.model.second_window or 0),
        block=wanted.block,
        buffer=wanted.buffer,
        minimum=wanted.minimum,
        folds=wanted.folds,
        fold=wanted.fold,
    )


def expand_folds(settings: Settings) -> list[Settings]:
    """The settings for each fold of a k-fold split that leaves its fold open; of all others the settings as they are.

    So a run for each of the result tests all pixels once.
    """
    if "fold" not in SPLITS[settings.split.rule].uses or settings.split.fold is not None:
        return [settings]
    folds = range(1, fold_count(split_request(settings)) + 1)
    return [settings.model_copy(update={"split": settings.split.model_copy(update={"fold": n})}) for n in folds]


def check_request(rule: str, request: SplitRequest) -> None:
    """Raise for a rule that is not registered (:class:`UnknownNameError`), for what it has no use for and for a request
    that makes no sense whatever the labels are (:class:`UsageError`). No pixel is looked at."""
    if request.seed < 0:
        raise UsageError(f"a seed is a whole number of 0 or more, found {request.seed}")
    found = SPLITS[rule]
    for field, option in OPTIONS.items():
        if getattr(request, field) is not None and field not in found.uses:
            users = ", ".join(name for name, other in SPLITS.items() if field in other.uses)
            raise UsageError(f"the split '{rule}' has no use for {option}: leave {option} out, it is for {users}")
    if request.window is not None and (request.window < 1 or request.window % 2 == 0):
        raise UsageError(f"a window is an odd number of pixels, found {request.window}")
    for field, least in {"block": 1, "buffer": 0, "minimum": 1}.items():
        value = getattr(request, field)
        if value is not None and value < least:
            raise UsageError(f"{OPTIONS[field]} is {least} or more, found {value}")
    found.check(request)


def make_split(labels: LabelMap, request: SplitRequest | None = None, *, rule: str = "random", **fields: Any) -> Split:
    """Training, validation and test pixels of ``labels``; the same request gives the same split on any machine.

    What is asked for is a :class:`SplitRequest`, or its fields by name. A rule refuses what it has no use for. Pixels
    without a label are never part of a split. Raises :class:`UnknownNameError` for a rule that is not registered,
    :class:`UsageError` for a request that makes no sense and :class:`SplitError` when these labels cannot be split.
    """
    request = SplitRequest(**fields) if request is None else replace(request, **fields)
    check_request(rule, request)
    present = [name for name, pixels in zip(labels.table.names, labels.counts.values(), strict=True) if pixels]
    if len(present) < 2:
        found = f"only '{present[0]}'" if present else "none"
        raise SplitError(f"{labels.source or 'labels'}: 2 or more classes are needed to tell apart, found {found}")
    return SPLITS[rule].make(labels, request)


def make_folds(labels: LabelMap, request: SplitRequest, *, rule: str) -> Iterator[Split]:
    """One split for each fold of a k-fold ``rule``, the first fold first; over all, each pixel is tested once.

    Raises as :func:`make_split` does, and :class:`UsageError` for a rule without folds.
    """
    if "fold" not in SPLITS[rule].uses:
        known = ", ".join(name for name, other in SPLITS.items() if "fold" in other.uses)
        raise UsageError(f"the split '{rule}' has no folds: choose one of {known}")
    for fold in range(1, fold_count(request) + 1):
        yield make_split(labels, request, rule=rule, fold=fold)
