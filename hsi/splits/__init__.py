"""Training, validation and test pixels. One file here adds a rule: it registers itself in :data:`SPLITS`."""

from hsi.splits.amount import Amount, parse_amount
from hsi.splits.make import make_split
from hsi.splits.split import SPLITS, PixelCounts, Split, SplitRequest

__all__ = ["SPLITS", "Amount", "PixelCounts", "Split", "SplitRequest", "make_split", "parse_amount"]
