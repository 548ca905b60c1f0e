"""Labels that may mean something else than their numbers and names say."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np

from hsi.core.labels import LabelMap

UNLABELLED = frozenset(
    {"unclassified", "unlabelled", "unlabeled", "background", "nodata", "none", "masked", "other", "0"}
    | {"ignore", "noclass", "null", "unassigned", "undefined", "unknown", "void"}
)
BYTE_FILL = 255
LARGEST_NEXT_TO_FILL = 127


def note_fill_values(labels: LabelMap, names: Mapping[int, str], given: int | None) -> list[str]:
    """Notes on classes 0 and 255 that may mean unlabelled; ``names`` are those in the file, ``given`` the background
    that was asked for."""
    counts, notes = labels.counts, []
    meant = {i for i, name in names.items() if is_class_name(name)}
    if given is None and labels.background == 0 and 0 in meant and not labels.labelled.all():
        pixels = int(np.count_nonzero(~labels.labelled))
        notes.append(
            f"{describe_named_zero(names[0], pixels)}: if it is a class, make another value the file's nodata value, "
            f"or add --background {BYTE_FILL}"
        )
    if given is None and labels.background != 0 and counts.get(0) and 0 not in meant:
        notes.append(
            f"0 is taken as a class of {counts[0]:,} pixels, because the file's nodata value is {labels.background}: "
            "if 0 means unlabelled, add --background 0"
        )
    if given and counts.get(0) and 0 not in meant:
        notes.append(
            f"0 is taken as a class of {counts[0]:,} pixels, because --background is {given}: if 0 means unlabelled, "
            f"too, set it to {given} in the file"
        )
    others = [i for i in counts if i != BYTE_FILL]
    if counts.get(BYTE_FILL) and others and max(others) <= LARGEST_NEXT_TO_FILL and BYTE_FILL not in meant:
        background = labels.background
        remedy = (
            f"set it to {background} in the file, or make it the file's nodata value and add --background {background}"
        )
        if labels.labelled.all():
            remedy = f"add --background {BYTE_FILL}"
        pixels = counts[BYTE_FILL]
        notes.append(f"{BYTE_FILL} is taken as a class of {pixels:,} pixels: if it means unlabelled, {remedy}")
    return notes


def is_class_name(name: str | None) -> bool:
    """Whether a name does not say that there is no class."""
    return bool(name) and normalise_name(name or "") not in UNLABELLED


def describe_named_zero(name: str, pixels: int) -> str:
    """What it is that 0 has the name of a class in a file that does not say which value means unlabelled."""
    return f"0 is taken as unlabelled on {pixels:,} pixels, although the file names it '{name[:60]}'"


def note_similar_names(counts: Mapping[str, int], unit: str) -> list[str]:
    """Notes on classes whose names differ only in case, blanks, accents or punctuation, with their counts of
    ``unit``."""
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(normalise_name(name), []).append(name)
    notes = []
    for names in groups.values():
        if len(names) > 1:
            listed = " and ".join(f"'{name[:60]}' ({counts[name]:,} {unit})" for name in names[:5])
            notes.append(f"{listed} differ only in case, blanks or accents: give them one name if they are one class")
    return notes


def normalise_name(name: str) -> str:
    """A name in lower case without accents, blanks and punctuation; the name itself where nothing is left."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum()) or name
