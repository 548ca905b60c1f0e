"""Training, validation and test pixels. One file here adds a rule: it registers itself in :data:`SPLITS`."""

from hsi.splits.make import check_default_request, check_request, expand_folds, make_split, split_request
from hsi.splits.polygons import choose_rule, count_polygons, field_kind
from hsi.splits.split import SPLITS, PixelCounts, SampleSize, Split, SplitRequest, parse_sample_size

__all__ = [
    "SPLITS",
    "PixelCounts",
    "SampleSize",
    "Split",
    "SplitRequest",
    "check_default_request",
    "check_request",
    "choose_rule",
    "count_polygons",
    "expand_folds",
    "field_kind",
    "make_split",
    "parse_sample_size",
    "split_request",
]
