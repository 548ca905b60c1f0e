"""Complete polygons, or connected fields, held out: the accuracy on fields without training pixels."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.splits.groups import field_groups
from hsi.splits.holdout import HoldoutRule, hold_out, list_names, resolve_minimum
from hsi.splits.split import Split, SplitRequest, split_rule


def field_kind(labels: LabelMap) -> str:
    """The name of the groups of these labels in messages: points are polygons of one pixel each."""
    if labels.polygons is None:
        return "connected fields"
    return "points" if np.bincount(labels.polygons[labels.polygons > 0]).max(initial=0) == 1 else "polygons"


def count_polygons(labels: LabelMap) -> dict[int, int]:
    """Polygons, points or connected fields of each class id of the table."""
    groups = np.count_nonzero(field_groups(labels).counts, axis=0).tolist()
    return dict(zip(labels.table.ids, groups, strict=True))


def choose_rule(labels: LabelMap) -> tuple[str, str | None]:
    """The rule for labels where none is asked for, and a warning.

    ``polygons`` for labels from polygons where each class has two or more, and for points; else ``random``.
    """
    if labels.polygons is None:
        return "random", None
    counts, kind = count_polygons(labels), field_kind(labels)
    named = zip(labels.table.names, counts.values(), strict=True)
    single = [name for name, count in named if count == 1]
    if not single or (kind == "points" and max(counts.values()) > 1):
        return "polygons", None
    others = "; --split polygons tests the other classes" if len(single) < sum(map(bool, counts.values())) else ""
    return "random", (
        f"no honest test of {list_names(single)} is possible: {'it has' if len(single) == 1 else 'each has'} only one "
        f"of the {kind}, whose pixels now train and test: draw a second one in another field{others}"
    )


@split_rule("polygons", ("train", "validation", "buffer", "minimum"), resolve_minimum)
def split_polygons(labels: LabelMap, request: SplitRequest) -> Split:
    """Each polygon trains or tests as a unit, with about half of the pixels of each class on each side; points
    do so one by one.

    Labels that were not rasterised from polygons are divided into 8-connected fields of one class. A class with a
    single polygon can only train. Neighbouring fields stay neighbours, so windows may overlap; ``buffer`` excludes
    pixels as in ``blocks``, and with ``window // 2`` no two windows share a pixel. ``train`` and ``validation`` work
    as in ``blocks``.
    """
    buffer, kind, groups = request.buffer or 0, field_kind(labels), field_groups(labels)
    text = request.describe(f"polygons ({kind} held out)", buffer)
    return hold_out(
        labels, request, HoldoutRule(text, kind, lambda random: groups, buffer, labels.polygons is not None)
    )
