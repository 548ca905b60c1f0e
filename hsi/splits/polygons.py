"""Complete polygons, or connected fields, held out: the accuracy on fields without training pixels."""

from __future__ import annotations

from hsi.core.labels import LabelMap
from hsi.splits.groups import field_groups
from hsi.splits.holdout import HoldoutRule, hold_out, resolve_minimum
from hsi.splits.split import Split, SplitRequest, split_rule


def field_kind(labels: LabelMap) -> str:
    """The name of the groups of these labels in messages."""
    return "connected fields" if labels.polygons is None else "polygons"


@split_rule("polygons", ("train", "validation", "buffer", "minimum"), resolve_minimum)
def split_polygons(labels: LabelMap, request: SplitRequest) -> Split:
    """Each polygon trains or tests as a unit, with about half of the pixels of each class on each side.

    Labels that were not rasterised from polygons are divided into 8-connected fields of one class. A class with a
    single polygon can only train. Neighbouring fields stay neighbours, so windows may overlap; ``buffer`` excludes
    pixels as in ``blocks``, and with ``window // 2`` no two windows share a pixel. ``train`` and ``validation`` work
    as in ``blocks``.
    """
    buffer, kind, groups = request.buffer or 0, field_kind(labels), field_groups(labels)
    text = request.describe(f"polygons ({kind} held out)", buffer)
    return hold_out(labels, request, HoldoutRule(text, kind, lambda random: groups, buffer))
