"""Labels: class ids per pixel and the table of their names and colours.

"Background" (not labelled), "nodata" (not measured) and "unclassified" (rejected by a map) differ; in a
:class:`LabelMap` there is only background, ``LabelMap.background``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core import notebook as markup
from hsi.core.class_colours import name_colours
from hsi.core.colours import Colour
from hsi.core.scene import Block
from hsi.errors import LabelError

LARGEST_ID = 65534


@dataclass(frozen=True)
class ClassTable:
    """Ids, names and RGB colours (0 to 255) of the classes, in ascending order of id. Background is not a class."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    colours: tuple[Colour, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def renamed(self, names: Mapping[int, str], colours: Mapping[int, Colour] | None = None) -> ClassTable:
        """The table with other names and colours for the ids of ``names`` and ``colours``."""
        colours = colours or {}
        return replace(
            self,
            names=tuple(names.get(i, old) for i, old in zip(self.ids, self.names, strict=True)),
            colours=tuple(colours.get(i, old) for i, old in zip(self.ids, self.colours, strict=True)),
        )


def printable_name(name: str) -> str:
    """A name without the control characters that XML cannot represent."""
    return "".join(letter if letter.isprintable() else " " for letter in name)


def drop_class(table: ClassTable, name: str) -> ClassTable:
    """The table without the class of that name."""
    return _select_classes(table, [i for i, known in enumerate(table.names) if known != name])


def _select_classes(table: ClassTable, positions: Sequence[int]) -> ClassTable:
    columns = (table.ids, table.names, table.colours)
    return ClassTable(*(tuple(column[i] for i in positions) for column in columns))  # type: ignore[arg-type]


def default_table(ids: Sequence[int]) -> ClassTable:
    """Classes named ``class 1``, ``class 2``, … after their ids."""
    ids = sorted(int(i) for i in ids)
    names = tuple(f"class {i}" for i in ids)
    return ClassTable(tuple(ids), names, name_colours(names))


@dataclass(frozen=True)
class ScenePlace:
    """The name of a scene and its ``block`` in a raster that holds several scenes below each other."""

    name: str
    block: Block


@dataclass(frozen=True)
class LabelMap:
    """Class ids ``(H, W)`` int32 with ``background`` where nothing is labelled, and their :class:`ClassTable`.

    For labels from polygons ``polygons`` ``(H, W)`` int32 is the number of each pixel's polygon or point, from 1, or 0.
    ``notes`` are what a user should know about how the labels were made. ``scenes`` are the scenes of labels of
    several ones, below each other; empty for one scene.
    """

    values: NDArray[np.int32]
    table: ClassTable
    background: int = 0
    source: Path | None = None
    variable: str | None = None
    polygons: NDArray[np.int32] | None = None
    notes: tuple[str, ...] = ()
    scenes: tuple[ScenePlace, ...] = ()

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """``(H, W)`` mask of pixels that have a class."""
        return np.asarray(self.values != self.background)

    @property
    def counts(self) -> dict[int, int]:
        """Pixels per class id, every class of the table."""
        return {i: int(np.count_nonzero(self.values == i)) for i in self.table.ids}

    def codes(self) -> NDArray[np.int64]:
        """Positions in the class table ``(H, W)``, -1 for background."""
        return np.where(self.labelled, codes_of(self.values, self.table), -1)

    def __repr__(self) -> str:
        height, width = self.values.shape
        labelled = f"{np.count_nonzero(self.labelled):,} labelled in {len(self.table)} classes"
        return f"<LabelMap: {height:,} x {width:,} pixels, {labelled}>"

    def _repr_html_(self) -> str:
        """The classes with colours and counts over a small map, for notebooks."""
        table, counts = self.table, self.counts
        rows = [(str(i), name, f"{counts[i]:,}") for i, name in zip(table.ids, table.names, strict=True)]
        height, width = self.values.shape
        size = ("size", f"{height:,} x {width:,} pixels")
        properties = [size, ("source", self.source), *(("note", note) for note in self.notes)]
        classes = markup.render_classes(("id", "class", "pixels"), rows, table.colours)
        picture = markup.render_picture(markup.colour_classes(self.values, table.ids, table.colours), "labels")
        return markup.render_properties("Labels", properties) + classes + picture

    def within(self, inside: NDArray[np.bool_], window: Block | None = None) -> LabelMap:
        """The labels ``inside`` ``(h, w)`` an area, of a window of the scene where given, and their classes.

        Raises :class:`LabelError` without any.
        """
        here = window.slices if window else (slice(None), slice(None))
        polygons = None if self.polygons is None else self.polygons[here]
        part = replace(self, values=self.values[here], polygons=polygons).masked(inside)
        present = [position for position, count in enumerate(part.counts.values()) if count]
        if not present:
            raise LabelError(f"{self.source or 'labels'}: no labelled pixel lies in the area of interest; label others")
        return replace(part, table=_select_classes(self.table, present))

    def masked(self, keep: NDArray[np.bool_]) -> LabelMap:
        """The same labels with background outside ``keep``; the class table is unchanged."""
        polygons = None if self.polygons is None else np.where(keep, self.polygons, np.int32(0))
        return replace(self, values=np.where(keep, self.values, np.int32(self.background)), polygons=polygons)


def codes_of(ids: NDArray[Any], table: ClassTable) -> NDArray[np.int64]:
    """Positions in the class table of class ids of any shape, -1 where an id is not in it."""
    known = np.asarray(table.ids)
    codes = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[codes] == ids, codes, -1)


def decode_one_hot(values: NDArray[Any], where: str) -> tuple[NDArray[np.int32], str]:
    """Class ids ``(H, W)`` of one-hot labels ``(H, W, K)``: 1 to K by the layer that is not 0, and 0 where all are; and
    a note that says so.

    Raises :class:`LabelError` unless all values are 0 and one other number, which at most one layer of a pixel has.
    """
    hot = (values != 0) & ~np.isnan(values) if values.dtype.kind == "f" else values != 0
    layers, most = values.shape[2], int(hot.sum(axis=2).max(initial=0))
    if most != 1 or np.unique(values[hot]).size > 1:
        raise LabelError(
            f"{where}: labels are a 2-D array of integers, found {' x '.join(map(str, values.shape))} ({values.dtype}) "
            "that is not one-hot, 0 but for one 1 in each pixel; of probabilities, save the number of the largest, "
            "array.argmax(axis=2) + 1"
        )
    ids = np.where(hot.any(axis=2), hot.argmax(axis=2) + 1, 0).astype(np.int32)
    note = f"one-hot labels of {layers} layers are read as classes 1 to {layers}"
    if not ids.all():
        return ids, f"{note}, and pixels that are 0 in all layers as unlabelled"
    return ids, f"{note}; every pixel has one: if the first layer means unlabelled, add --background 1"


def label_map(
    values: NDArray[Any],
    *,
    background: int = 0,
    table: ClassTable | None = None,
    source: Path | None = None,
    variable: str | None = None,
    polygons: NDArray[np.int32] | None = None,
    notes: tuple[str, ...] = (),
) -> LabelMap:
    """A validated :class:`LabelMap` of a 2-D array of integers, or of floats without fractions where NaN is background.

    Classes are the ids that occur, named by ``table`` where it has them. Raises :class:`LabelError` for another number
    of axes, fractions, ids below 0 or above 65534, and when everything is background.
    """
    where = f"{source}{f' ({variable})' if variable else ''}" if source else (variable or "labels")
    if values.ndim != 2:
        raise LabelError(f"{where}: labels have 2 axes (rows, columns), found shape {values.shape}")
    if values.dtype.kind == "f":
        filled = np.where(np.isnan(values), float(background), values)
        if not np.all(np.isfinite(filled)) or np.any(filled != np.rint(filled)):
            example = filled[filled != np.rint(filled)]
            shown = f"such as {example.flat[0]:g}" if example.size else "such as infinity"
            raise LabelError(f"{where}: labels are integers, found {shown}: is this the label variable?")
        values = filled
    elif values.dtype.kind not in "iub":
        raise LabelError(f"{where}: labels are integers, found dtype {values.dtype}")
    ids = np.unique(values)
    ids = ids[ids != background]
    if ids.size == 0:
        raise LabelError(f"{where}: every pixel is background ({background}), so there is nothing to train on")
    if ids[0] < 0 or ids[-1] > LARGEST_ID:
        wrong = ids[0] if ids[0] < 0 else ids[-1]
        raise LabelError(
            f"{where}: class ids go from 0 to {LARGEST_ID}, found {wrong:g}; if it means unlabelled, add --background "
            f"{wrong:g}; else give the class another number"
        )
    classes = default_table(ids.tolist())
    if table is not None:
        names, colours = zip(table.ids, table.names, strict=True), zip(table.ids, table.colours, strict=True)
        classes = classes.renamed(dict(names), dict(colours))
    if abs(background) > np.iinfo(np.int32).max:  # a nodata value such as -3.4e38 or 4294967295
        values, background = np.where(values == background, -1.0, values), -1
    return LabelMap(values.astype(np.int32), classes, background, source, variable, polygons, notes)
