"""Whole polygons, or whole connected fields, held out: how well a map does on fields that were never seen."""

from __future__ import annotations

from hsi.core.labels import LabelMap
from hsi.splits.groups import field_groups
from hsi.splits.holdout import Kind, hold_out, resolve_minimum
from hsi.splits.split import Split, SplitRequest, split_rule


def fields_of(labels: LabelMap) -> str:
    """What the units of these labels are called."""
    return "connected fields" if labels.polygons is None else "polygons"


@split_rule("polygons", ("train", "validation", "buffer", "minimum"), resolve_minimum)
def whole_polygons(labels: LabelMap, request: SplitRequest) -> Split:
    """The polygons of each class train or test as a whole, about half of the pixels of the class on each side.

    Labels that were not drawn from polygons are parted into connected fields of one class, corners included. A class
    of a single polygon can only train. Neighbouring fields stay neighbours, so windows may overlap; ``buffer`` leaves
    out pixels as ``blocks`` does, and with ``window // 2`` no two windows share a pixel. Amounts are as for ``blocks``.
    """
    buffer, units = request.buffer or 0, fields_of(labels)
    text = f"polygons ({units} held out){f', buffer {buffer}' if buffer else ''}{request.amounts}"
    cut = field_groups(labels)
    return hold_out(labels, request, lambda random: cut, Kind(text, units, buffer))
