"""The GeoPackage of drawn labels: its rows as shapes, and changes of shapes as changes of rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.colours import Colour, hex_colour, parse_hex
from hsi.core.files import write_atomically
from hsi.core.scene import Scene
from hsi.errors import OutputError, UsageError
from hsi.io.class_files import ClassFile
from hsi.io.open import open_classes
from hsi.io.reader import check_file
from hsi.io.vector_files import CLASS_FIELDS, DRAWN_FIELDS, Layer, find_class_field, parse_crs
from hsi.io.vector_labels import features_in_pixels
from hsi.io.vectors.geopackage import (
    Change,
    Table,
    add_columns,
    change_rows,
    check_size,
    create_layer,
    edit_geopackage,
    read_places,
    read_table,
    signature,
    write_classes,
    write_places,
)
from hsi.io.vectors.write import UPWARDS, need_geopandas
from hsi.labelling.classes import LabelClass, classes_of, entries_of, join_classes, stored_classes
from hsi.labelling.shapes import POINTS, Shape
from hsi.settings import InputSettings

LAYER = "labels"
COLUMNS = {"colour": "TEXT", **dict.fromkeys(DRAWN_FIELDS, "TEXT"), "time": "DATETIME"}


@dataclass(frozen=True)
class Contents:
    """What a file holds: shapes by their id, classes, notes on rows that are no shapes, and the places (row, column) of
    the scene that were suggested; ``last`` is the last id."""

    shapes: dict[int, Shape]
    classes: tuple[LabelClass, ...]
    notes: tuple[str, ...] = ()
    last: int = 0
    places: tuple[tuple[int, int], ...] = ()


class LabelFile:
    """A GeoPackage of labels of a scene; see :class:`hsi.labelling.store.LabelStore` for its arguments and errors."""

    def __init__(self, path: Path, scene: Scene, options: InputSettings) -> None:
        self.path, self.scene, self.options = path, scene, options
        self._table: Table | None = None
        self._field: tuple[str, str, str | None] = (CLASS_FIELDS[0], "integer", CLASS_FIELDS[1])
        self._signature = tuple[int, ...]()
        self._check_path()

    @property
    def class_field(self) -> str | None:
        """The field of the classes where it is not that of labels drawn with hsi; else None."""
        return None if self._field[0] == CLASS_FIELDS[0] and self._field[2] == CLASS_FIELDS[1] else self._field[0]

    @property
    def crs(self) -> str | None:
        """The CRS of the file, that of the scene for a new one; None for none."""
        if self._table is not None:
            return parse_crs(self.options.label_crs) or self._table.crs
        place = self.scene.georeference
        return (place.crs or None) if place else None

    def load(self) -> Contents:
        """What the file holds; raises for one that is not readable as labels of the scene."""
        check_file(self.path)
        check_size(self.path)
        mark = signature(self.path)
        name, field, kind, name_field = find_class_field(self.path, self.options)
        table, stored = read_table(self.path, name), stored_classes(self.path)
        known = ClassFile(self.path, entries_of(stored), exact=True) if stored and kind == "text" else None
        if self.options.classes and not stored:
            known = open_classes(self.options.classes)
            stored = classes_of(known.entries)
        shapes, names, notes = self._read_shapes(table, (field, kind, name_field), known)
        self._table, self._field, self._signature = table, (field, kind, name_field), mark
        colours = _drawn_colours(table, field) if kind != "text" else {}
        row, column = self._corner
        places = tuple((one - row, other - column) for one, other in read_places(self.path))
        return Contents(shapes, join_classes(stored, names, colours), notes, max(table.rows, default=0), places)

    def _read_shapes(
        self, table: Table, field: tuple[str, str, str | None], known: ClassFile | None
    ) -> tuple[dict[int, Shape], dict[int, str], tuple[str, ...]]:
        """The rows that have a class and a shape, the names of their classes, and notes on the others."""
        if not table.rows:
            return {}, {}, ()
        layer = self._layer_of(table, *field)
        geometries, classes, usable, notes = features_in_pixels(layer, self.scene, self.options, known)
        shapes = {}
        for place, (number, values) in enumerate(table.rows.items()):
            if usable[place]:
                geometry = geometries[place]
                drawn = str(values.get("shape") or "")
                own = drawn or ("point" if geometry.geom_type in POINTS else "polygon")
                author, time = str(values.get("author") or ""), str(values.get("time") or "")
                placed = table.shapes[number]
                shapes[number] = Shape(number, int(classes.ids[place]), geometry, own, author, time, placed, values)
        present = np.unique(classes.ids[usable]).tolist()
        return shapes, {i: classes.names.get(i, "") for i in present}, (*classes.notes, *notes)

    def _layer_of(self, table: Table, field: str, kind: str, name_field: str | None) -> Layer:
        """The rows of the file as the reader of vector labels takes them."""
        import geopandas

        columns = {key: [row[key] for row in table.rows.values()] for key in (field, name_field) if key}
        crs = parse_crs(self.options.label_crs) or table.crs
        frame = geopandas.GeoDataFrame(columns, geometry=[*table.shapes.values()], crs=crs)
        return Layer(self.path, frame, field, kind, name_field=name_field)

    def place(self, geometry: Any) -> Any:
        """A geometry in pixels in the coordinates of the file."""
        import shapely
        from pyproj import Transformer

        scene, full = self.scene, self.scene.area.full if self.scene.area else self.scene
        place, crs = scene.georeference, self.crs
        if place is not None and place.crs:
            a, b, c, d, e, f = place.transform
        else:
            a, b, c, d, e, f = full.georeference.transform if full.georeference else UPWARDS
            row, column = self._corner
            c, f = a * column + b * row + c, d * column + e * row + f
        placed = shapely.transform(geometry, lambda xy: xy @ np.array([[a, d], [b, e]]) + (c, f))
        if place is not None and place.crs and crs is not None and crs != place.crs:
            project = Transformer.from_crs(place.crs, crs, always_xy=True).transform
            placed = shapely.transform(placed, lambda xy: np.stack(project(xy[:, 0], xy[:, 1]), axis=1))
        kind = self._table.kind if self._table else ""  # of a layer that has only shapes of several parts
        several = {"MULTIPOLYGON": shapely.multipolygons, "MULTIPOINT": shapely.multipoints}
        alone = kind == f"MULTI{placed.geom_type.upper()}"
        return several[kind]([placed]) if alone else placed

    @property
    def _corner(self) -> tuple[int, int]:
        """Row and column of the first pixel of the scene in its file."""
        area = self.scene.area
        return (area.window.row, area.window.column) if area else (0, 0)

    def changed_outside(self) -> bool:
        """Whether another program has written to the file since it was read or saved.

        Raises :class:`OutputError` where it has disappeared, or appeared before it was created.
        """
        if self._table is None:
            if self.path.exists():
                raise OutputError(f"{self.path}: has appeared meanwhile and is left alone: open it, or choose another")
            return False
        if not self.path.exists():
            raise OutputError(f"{self.path}: has been moved or deleted: put it back, so that changes can be saved")
        return signature(self.path) != self._signature

    def save(
        self,
        numbers: Collection[int],
        before: Mapping[int, Shape],
        after: Mapping[int, Shape],
        classes: Collection[LabelClass],
        places: Collection[tuple[int, int]] = (),
    ) -> None:
        """Write the rows of these ``numbers``, the classes and the places that were suggested; ``before`` and ``after``
        are all shapes.

        Raises :class:`OutputError` where that is not possible, and leaves the file as it was.
        """
        if self._table is None:
            self._create()
        table = self._table
        assert table is not None
        lacking = {name: kind for name, kind in COLUMNS.items() if name not in table.types}
        known = {one.id: one for one in classes}
        with edit_geopackage(self.path) as base:
            if lacking:
                add_columns(base, table, lacking)
                table = replace(table, types={**table.types, **lacking})
            changes = {
                number: self._row_change(before.get(number), after.get(number), known, table)
                for number in sorted(numbers)
            }
            change_rows(base, table, changes)
            write_classes(base, entries_of(classes))
            if places:
                row, column = self._corner
                write_places(base, [(one + row, other + column) for one, other in places])
        self._table, self._signature = table, signature(self.path)

    def _row_change(
        self, known: Shape | None, shape: Shape | None, classes: Mapping[int, LabelClass], table: Table
    ) -> Change:
        if shape is None:
            return Change(None)
        one, (field, kind, name_field) = classes[shape.class_id], self._field
        values: dict[str, Any] = {} if known else dict(shape.fields or {})  # of a row that was deleted: all it had
        values[field] = one.name if kind == "text" else one.id
        if name_field:
            values[name_field] = one.name
        own = {"colour": hex_colour(one.colour), "shape": shape.kind, "author": shape.author, "time": shape.time}
        values |= {name: value for name, value in own.items() if _fits(table.types[name], COLUMNS[name])}
        moved = known is None or known.placed is not shape.placed
        return Change(values, shape.placed if moved else None)

    def _create(self) -> None:
        """A new file without shapes; raises :class:`OutputError` where one has appeared or none can be written."""
        import pandas as pd

        types = {"class_id": "int64", "class": "object", "colour": "object", "shape": "object", "author": "object"}
        types["time"] = pd.DatetimeTZDtype("ms", "UTC")
        with write_atomically(self.path.resolve(), durable=True, marked=True) as part:
            part.unlink()
            create_layer(part, LAYER, types, self.crs)
            if self.path.exists():
                raise OutputError(f"{self.path}: has appeared meanwhile and is left alone: choose another --labels")
        self._table, self._signature = read_table(self.path, LAYER), signature(self.path)

    def _check_path(self) -> None:
        need_geopandas(self.path, "labels")
        if self.path.suffix.lower() != ".gpkg":
            raise UsageError(
                f"{self.path}: drawn labels are saved as GeoPackage: give a name that ends with .gpkg; labels of other "
                "formats are imported into it"
            )
        if self.scene.source and self.path.exists() and self.path.samefile(self.scene.source):
            raise UsageError(f"{self.path}: is the scene, so no labels can be saved there: choose another --labels")
        folder = self.path.resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            fault = "cannot be written to" if folder.is_dir() else "is not there"
            raise UsageError(
                f"{self.path}: labels cannot be saved, as its folder {fault}: choose another one with --labels FILE"
            )
        if self.path.is_dir():
            raise UsageError(f"{self.path}: is a folder: give the name of a file that ends with .gpkg")


def _fits(declared: str, wanted: str) -> bool:
    """Whether a column of another program takes a text or time."""
    return declared.startswith(("TEXT", wanted)) or not declared


def _drawn_colours(table: Table, field: str) -> dict[int, Colour]:
    """The colours of classes in the rows of labels that were drawn, by id."""
    if field != CLASS_FIELDS[0] or "colour" not in table.types:
        return {}
    rows = table.rows.values()
    found = {row[field]: parse_hex(row["colour"]) for row in rows if row[field] is not None}
    return {number: colour for number, colour in found.items() if colour}
