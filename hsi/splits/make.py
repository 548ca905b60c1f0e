"""Make a split by the name of its rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.settings import USUAL_WINDOW, Settings
from hsi.splits.kfold import fold_count
from hsi.splits.split import SPLITS, Split, SplitRequest, parse_sample_size

# fields of a request that a user sets, and their options or settings
OPTIONS = {
    "train": "--train",
    "validation": "--val",
    "given": "--split given:FILE",
    "block": "split.block",
    "buffer": "split.buffer",
    "minimum": "split.minimum",
    "folds": "split.folds",
    "fold": "--fold",
    "scenes": "--split scenes:NAME",
}


def split_request(settings: Settings) -> SplitRequest:
    """The request in the settings of a run, without the pixels of a given split.

    Raises :class:`UsageError` for invalid sample sizes.
    """
    split = settings.split
    train, validation = (parse_sample_size(text) if text else None for text in (split.train, split.validation))
    return SplitRequest(
        seed=settings.seed,
        train=train,
        validation=validation,
        window=max(settings.model.window or USUAL_WINDOW, settings.model.second_window or 0),
        **{name: getattr(split, name) for name in ("block", "buffer", "minimum", "folds", "fold", "scenes")},
    )


def expand_folds(settings: Settings) -> list[Settings]:
    """One :class:`Settings` per fold of a k-fold split without a fold, which together test all pixels once.

    Other settings are returned unchanged.
    """
    if "folds" not in SPLITS[settings.split.rule or "random"].uses or settings.split.fold is not None:
        return [settings]
    folds = range(1, fold_count(split_request(settings)) + 1)
    return [settings.model_copy(update={"split": settings.split.model_copy(update={"fold": n})}) for n in folds]


def check_request(rule: str, request: SplitRequest) -> None:
    """Check a request before any pixel is read.

    Raises :class:`UnknownNameError` for a rule that is not registered, and :class:`UsageError` for a field that the
    rule does not use and for a request that is invalid for any labels.
    """
    if request.seed < 0:
        raise UsageError(f"a seed is an integer of 0 or more, found {request.seed}")
    split_rule = SPLITS[rule]
    for field, option in OPTIONS.items():
        if getattr(request, field) is not None and field not in split_rule.uses:
            users = ", ".join(name for name, other in SPLITS.items() if field in other.uses)
            raise UsageError(f"the split '{rule}' has no use for {option}: leave {option} out, it is for {users}")
    if request.window is not None and (request.window < 1 or request.window % 2 == 0):
        raise UsageError(f"a window is an odd number of pixels, found {request.window}")
    for field, least in {"block": 1, "buffer": 0, "minimum": 1}.items():
        value = getattr(request, field)
        if value is not None and value < least:
            raise UsageError(f"{OPTIONS[field]} is {least} or more, found {value}")
    for check in split_rule.checks:
        check(request)


def check_default_request(request: SplitRequest) -> None:
    """Check a request for the rule that the labels decide, which is ``random`` or ``polygons``.

    Raises :class:`UsageError` for one that is invalid for both.
    """
    try:
        check_request("random", request)
    except UsageError as error:
        try:
            check_request("polygons", request)
        except UsageError:
            raise error from None


def make_split(labels: LabelMap, request: SplitRequest | None = None, *, rule: str = "random", **fields: Any) -> Split:
    """Training, validation and test pixels of ``labels``; the same request gives the same split on any machine.

    ``request`` holds the parameters, which ``fields`` replace by name. Unlabelled pixels are never part of a split.
    Raises what :func:`check_request` raises, and :class:`SplitError` when these labels cannot be split.
    """
    request = SplitRequest(**fields) if request is None else replace(request, **fields)
    check_request(rule, request)
    present = [name for name, pixels in zip(labels.table.names, labels.counts.values(), strict=True) if pixels]
    if len(present) < 2:
        there = f"only '{present[0]}'" if present else "none"
        raise SplitError(f"{labels.source or 'labels'}: 2 or more classes are needed, found {there}")
    return SPLITS[rule].make(labels, request)
