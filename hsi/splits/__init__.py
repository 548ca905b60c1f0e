"""Training, validation and test pixels. One file here adds a rule: it registers itself in :data:`SPLITS`."""

from hsi.splits.amount import Amount, parse_amount
from hsi.splits.make import check_request, every_fold, make_folds, make_split, split_request
from hsi.splits.split import SPLITS, PixelCounts, Split, SplitRequest

__all__ = [
    "SPLITS",
    "Amount",
    "PixelCounts",
    "Split",
    "SplitRequest",
    "check_request",
    "every_fold",
    "make_folds",
    "make_split",
    "parse_amount",
    "split_request",
]
