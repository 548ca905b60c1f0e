"""Labels that are drawn on a scene: shapes and classes with undo, saved to a GeoPackage after each change."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.class_colours import name_colours
from hsi.core.colours import Colour, hex_colour
from hsi.core.events import warning
from hsi.core.files import write_atomically
from hsi.core.labels import LARGEST_ID, ClassTable, LabelMap, printable_name
from hsi.core.scene import Block, Scene
from hsi.errors import LabelError, OutputError, UsageError
from hsi.io.class_files import ClassEntry, ClassFile
from hsi.io.open import open_classes
from hsi.io.vector_files import CLASS_FIELDS, Layer, find_class_field, is_vector, parse_crs, read_layer
from hsi.io.vector_labels import LONGEST_NAME, draw_layer, features_in_pixels
from hsi.io.vectors.geopackage import (
    Change,
    Table,
    add_columns,
    change_rows,
    create_layer,
    edit_geopackage,
    read_plain_table,
    read_table,
    replace_plain_table,
    signature,
)
from hsi.io.vectors.write import UPWARDS, need_geopandas
from hsi.settings import InputSettings
from hsi.splits.split import FEW

LAYER = "labels"
CLASSES = "hsi_classes"
AREAS = ("Polygon", "MultiPolygon")
POINTS = ("Point", "MultiPoint")
COLUMNS = {"colour": "TEXT", "shape": "TEXT", "author": "TEXT", "time": "DATETIME"}
SLIVER = 1e-6  # pixels; what is left of a shape under another one and is smaller is nothing


@dataclass(frozen=True)
class LabelClass:
    """A class: its id, name and RGB colour (0 to 255)."""

    id: int
    name: str
    colour: Colour


@dataclass(frozen=True)
class Shape:
    """A drawn shape of a class.

    ``geometry`` (shapely: Polygon, MultiPolygon, Point or MultiPoint) is in pixels, (column, row) from the upper left
    corner of the scene, so that the centre of the first pixel is (0.5, 0.5). ``kind`` says how it was drawn: polygon,
    brush, rectangle, point or region. ``time`` is that of its last change (UTC, ISO 8601). ``placed`` is the geometry
    in the coordinates of the file, ``fields`` are all values of its row as stored.
    """

    id: int
    class_id: int
    geometry: Any
    kind: str = "polygon"
    author: str = ""
    time: str = ""
    placed: Any = None
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ClassCount:
    """How much of a class is drawn: its ``pixels``, its ``shapes``, and what it lacks for training and testing."""

    id: int
    name: str
    pixels: int
    shapes: int
    lacks: str = ""


@dataclass(frozen=True)
class Edit:
    """A change that can be undone: shapes by id before and after it (None where there is none), and the classes."""

    text: str
    before: Mapping[int, Shape | None]
    after: Mapping[int, Shape | None]
    classes_before: tuple[LabelClass, ...]
    classes_after: tuple[LabelClass, ...]

    @property
    def reversed(self) -> Edit:
        """The edit that takes this one back."""
        return Edit(self.text, self.after, self.before, self.classes_after, self.classes_before)

    def window(self, shape: tuple[int, int]) -> Block | None:
        """The pixels of a scene (rows, columns) around the shapes that changed; None where there are none."""
        import shapely

        changed = [one.geometry for side in (self.before, self.after) for one in side.values() if one]
        if not changed:
            return None
        west, north, east, south = shapely.total_bounds(changed).tolist()
        left, top = max(0, int(west)), max(0, int(north))
        right, bottom = min(shape[1], int(east) + 1), min(shape[0], int(south) + 1)
        return Block(top, left, bottom - top, right - left) if right > left and bottom > top else None


class LabelStore:
    """The labels of a scene in a GeoPackage: shapes and classes, changed one at a time and saved at once.

    ``path`` is opened where it is there: labels drawn earlier, or polygons and points of other programs, whose class is
    in ``options.label_field`` (see :class:`InputSettings`: also ``label_layer``, ``label_name_field``, ``label_crs``,
    ``background``, ``classes``, ``all_touched``); rows and fields that are not changed stay as they are. Else it is
    created by the first change, with the ``classes`` given. Shapes have the CRS of the scene, or that of the file; for
    a scene without CRS coordinates are those of its transform, or pixels to the right and upwards from its upper left
    corner, which ``hsi classify`` and ``hsi train`` read as such.

    Each change is one step of undo, is on disk when the method returns, and leaves the file as it was when it raises.
    What another program has changed in the file meanwhile is taken over first. All methods may be called from any
    thread. ``author`` goes into new shapes; the login name unless given.

    Raises :class:`UsageError` for a file that is no GeoPackage or is the scene's, and what
    :func:`hsi.io.vector_labels.read_vector_labels` raises for a file that ``hsi train`` would not read.
    """

    def __init__(
        self,
        path: Path | str,
        scene: Scene,
        classes: ClassTable | None = None,
        options: InputSettings | None = None,
        author: str | None = None,
    ) -> None:
        self.path, self.scene, self.options = Path(path), scene, options or InputSettings()
        self.author = _login_name() if author is None else author
        self.notes: tuple[str, ...] = ()
        """What the file holds that cannot be shown, in words."""
        self._lock = threading.RLock()
        self._shapes: dict[int, Shape] = {}
        self._classes: tuple[LabelClass, ...] = ()
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._listeners: list[Callable[[Edit], None]] = []
        self._revision, self._next, self._signature = 0, 1, tuple[int, ...]()
        self._map: tuple[int, LabelMap] | None = None
        self._table: Table | None = None
        self._field: tuple[str, str, str | None] = (CLASS_FIELDS[0], "integer", CLASS_FIELDS[1])
        self._check_path()
        if self.path.exists():
            self._load()
        elif self.options.classes:
            self._classes = _classes_of(open_classes(self.options.classes))
        self._classes = self._classes or _classes_of_table(classes)

    # ---- what is there

    @property
    def revision(self) -> int:
        """A number that grows with each change, undo and redo."""
        return self._revision

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes in ascending order of id, those without shapes too."""
        return self._classes

    @property
    def table(self) -> ClassTable:
        """The classes as a :class:`ClassTable`."""
        known = self._classes
        return ClassTable(
            tuple(one.id for one in known), tuple(one.name for one in known), tuple(one.colour for one in known)
        )

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes in ascending order of id, which is the order in which they were first drawn."""
        with self._lock:
            return tuple(self._shapes[number] for number in sorted(self._shapes))

    def shape(self, number: int) -> Shape:
        """The shape of that id; raises :class:`LabelError` where there is none."""
        try:
            return self._shapes[number]
        except KeyError:
            raise LabelError(f"{self.path}: has no shape {number} (any more)") from None

    def find(self, column: float, row: float) -> Shape | None:
        """The last shape at a place in pixels; None where there is none."""
        import shapely

        pixel, place = _pixel_box(column, row), shapely.Point(column, row)
        for one in reversed(self.shapes):
            if one.geometry.intersects(pixel if one.geometry.geom_type in POINTS else place):
                return one
        return None

    @property
    def undo_text(self) -> str | None:
        """What :meth:`undo` would take back, such as "draw polygon"; None for nothing."""
        return self._done[-1].text if self._done else None

    @property
    def redo_text(self) -> str | None:
        """What :meth:`redo` would do again; None for nothing."""
        return self._undone[-1].text if self._undone else None

    def subscribe(self, listener: Callable[[Edit], None]) -> None:
        """Call ``listener`` after each change, undo and redo, in the thread that made it.

        ``edit.window((H, W))`` are the pixels around what changed; ``edit.before`` and ``edit.after`` the shapes.
        """
        self._listeners.append(listener)

    def rasterize(self) -> LabelMap:
        """The labels ``(H, W)`` int32 as ``hsi train`` reads them from the file, with the shape of each pixel.

        Pixels whose centre lies in a polygon, or that hold a point; with ``options.all_touched`` those that a polygon
        touches. The table has only the classes that occur, none where nothing is drawn. The result is computed once
        for each :attr:`revision`, so its arrays must not be changed.
        """
        with self._lock:
            if self._map is None or self._map[0] != self._revision:
                self._map = self._revision, self._draw()
            return self._map[1]

    def counts(self) -> tuple[ClassCount, ...]:
        """Pixels and shapes of each class, and what it lacks: five pixels to train, a second shape to test."""
        with self._lock:
            pixels, classes = self.rasterize().counts, self._classes
            drawn = np.bincount([one.class_id for one in self._shapes.values()] or [0], minlength=LARGEST_ID + 1)
        return tuple(
            ClassCount(one.id, one.name, pixels.get(one.id, 0), count, _lacking(pixels.get(one.id, 0), count))
            for one in classes
            for count in (int(drawn[one.id]),)
        )

    # ---- shapes

    def add(self, class_id: int, geometry: Any, kind: str = "polygon") -> Shape:
        """Draw a shape (in pixels, see :class:`Shape`) of a class.

        Outlines that cross themselves are repaired. What lies under it of other classes is cut out of their shapes, so
        that each pixel has one class. Raises :class:`LabelError` for a shape that labels no pixel of the scene.
        """
        with self._lock:
            self._refresh()
            known = self._class(class_id)
            shape = self._stamp(Shape(self._next, known.id, self._checked(geometry), kind))
            self._next += 1
            self._commit(f"draw {kind}", {shape.id: shape, **self._cut(shape)})
            return self._shapes[shape.id]

    def edit(self, number: int, geometry: Any) -> Shape:
        """Give a shape another outline, such as after a vertex was moved."""
        return self._change(number, "edit shape", lambda one: replace(one, geometry=self._checked(geometry)))

    def move(self, number: int, columns: float, rows: float) -> Shape:
        """Move a shape by so many columns to the right and rows down."""
        from shapely.affinity import translate

        return self._change(
            number,
            "move shape",
            lambda one: replace(one, geometry=self._checked(translate(one.geometry, columns, rows))),
        )

    def reclass(self, number: int, class_id: int) -> Shape:
        """Give a shape another class."""
        return self._change(number, "change class", lambda one: replace(one, class_id=self._class(class_id).id))

    def delete(self, numbers: int | Iterable[int]) -> None:
        """Delete one or several shapes in one step."""
        with self._lock:
            self._refresh()
            removed = [self.shape(one).id for one in ([numbers] if isinstance(numbers, int) else numbers)]
            self._commit(f"delete {_count(len(removed), 'shape')}", dict.fromkeys(removed))

    # ---- classes

    def add_class(self, name: str, colour: Colour | None = None) -> LabelClass:
        """A new class with the next free id, and a colour by its name unless given.

        Raises :class:`LabelError` for a name that is blank, too long or taken.
        """
        with self._lock:
            self._refresh()
            added = self._new_class(self._classes, name, colour)
            self._commit(f"add class {added.name}", {}, (*self._classes, added))
            return self._class(added.id)

    def rename_class(self, class_id: int, name: str) -> None:
        """Give a class another name; raises :class:`LabelError` as :meth:`add_class` does."""
        with self._lock:
            self._refresh()
            known = self._class(class_id)
            name = self._checked_name(name, [one for one in self._classes if one != known])
            self._replace_class(f"rename class {known.name}", replace(known, name=name))

    def recolour_class(self, class_id: int, colour: Colour) -> None:
        """Give a class another colour."""
        with self._lock:
            self._refresh()
            known = self._class(class_id)
            self._replace_class(f"recolour class {known.name}", replace(known, colour=colour))

    def merge_classes(self, class_id: int, into: int) -> None:
        """Give all shapes of a class to another one, and delete the class."""
        with self._lock:
            self._refresh()
            source, target = self._class(class_id), self._class(into)
            if source == target:
                raise LabelError(f"class '{source.name}' cannot be merged with itself: choose another one")
            moved = {
                number: self._stamp(replace(one, class_id=target.id))
                for number, one in self._shapes.items()
                if one.class_id == source.id
            }
            self._commit(f"merge {source.name} into {target.name}", moved, _without(self._classes, source))

    def delete_class(self, class_id: int) -> None:
        """Delete a class with all its shapes."""
        with self._lock:
            self._refresh()
            known = self._class(class_id)
            shapes = {number: None for number, one in self._shapes.items() if one.class_id == known.id}
            self._commit(f"delete class {known.name}", shapes, _without(self._classes, known))

    def import_classes(self, path: Path | str) -> int:
        """Add the classes of a style, table, class map, saved model, or of other labels, that are not there by name.

        Ids are those of the file where they are free. Returns how many were added. Raises what
        :func:`hsi.io.open.open_classes` raises.
        """
        path = Path(path)
        found = _classes_of_labels(path) if is_vector(path) and path.suffix.lower() != ".csv" else None
        listed = _classes_of(open_classes(path)) if found is None else found
        with self._lock:
            self._refresh()
            classes, before = self._classes, len(self._classes)
            names = {one.name for one in classes}
            for one in listed:
                if one.name not in names:
                    free = one.id not in {known.id for known in classes}
                    classes = (*classes, replace(self._new_class(classes, one.name, one.colour), id=one.id) if free
                               else self._new_class(classes, one.name, one.colour))  # fmt: skip
                    names.add(one.name)
            if len(classes) > before:
                self._commit(f"import classes of {path.name}", {}, classes)
            return len(classes) - before

    def import_shapes(self, path: Path | str, options: InputSettings | None = None) -> int:
        """Add the polygons and points of another vector file (any format that ``hsi train`` reads), and its classes.

        Classes are matched by name. Returns how many shapes were added; raises as ``hsi train --labels`` would.
        """
        path, options = Path(path), options or InputSettings()
        layer = read_layer(path, options, self.scene.area.full if self.scene.area else self.scene)
        geometries, found, usable, notes = features_in_pixels(layer, self.scene, options)
        for note in (*layer.notes, *found.notes, *notes):
            warning(f"{path}: {note}")
        with self._lock:
            self._refresh()
            classes, ids = self._classes, dict[int, int]()
            for number in np.unique(found.ids[usable]).tolist():
                name = _plain_name(found.names.get(number, f"class {number}"))
                known = next((one for one in classes if one.name == name), None)
                if known is None:
                    known = self._new_class(classes, name, layer.colours.get(name))
                    classes = (*classes, known)
                ids[number] = known.id
            added: dict[int, Shape | None] = {}
            for number, geometry in zip(found.ids[usable].tolist(), geometries[usable], strict=True):
                kind = "point" if geometry.geom_type in POINTS else "polygon"
                added[self._next] = self._stamp(Shape(self._next, ids[number], geometry, kind))
                self._next += 1
            self._commit(f"import {_count(len(added), 'shape')} of {path.name}", added, classes)
            return len(added)

    # ---- undo

    def undo(self) -> str | None:
        """Take the last change back; returns what it was, None where there is none."""
        return self._step(self._done, self._undone)

    def redo(self) -> str | None:
        """Do the change again that was taken back last; returns what it was, None where there is none."""
        return self._step(self._undone, self._done)

    def _step(self, source: list[Edit], target: list[Edit]) -> str | None:
        with self._lock:
            self._refresh()
            if not source:
                return None
            edit = source[-1] if source is self._undone else source[-1].reversed
            self._apply(edit)
            target.append(source.pop())
        self._announce(edit)
        return edit.text

    # ---- changes

    def _change(self, number: int, text: str, change: Callable[[Shape], Shape]) -> Shape:
        with self._lock:
            self._refresh()
            new = self._stamp(change(self.shape(number)))
            self._commit(text, {number: new, **self._cut(new)})
            return self._shapes[number]

    def _replace_class(self, text: str, new: LabelClass) -> None:
        classes = tuple(new if one.id == new.id else one for one in self._classes)
        self._commit(text, {}, classes)

    def _commit(
        self, text: str, shapes: Mapping[int, Shape | None], classes: tuple[LabelClass, ...] | None = None
    ) -> None:
        """Make a change, save it and put it on the list of what can be undone."""
        before = {number: self._shapes.get(number) for number in shapes}
        new = self._classes if classes is None else tuple(sorted(classes, key=lambda one: one.id))
        edit = Edit(text, before, dict(shapes), self._classes, new)
        self._apply(edit)
        self._done.append(edit)
        self._undone.clear()
        self._announce(edit)

    def _apply(self, edit: Edit) -> None:
        """Save the state after an edit, then take it."""
        shapes = dict(self._shapes)
        for number, one in edit.after.items():
            if one is None:
                shapes.pop(number, None)
            else:
                shapes[number] = one
        self._save(edit, shapes)
        self._shapes, self._classes = shapes, edit.classes_after
        self._revision += 1

    def _announce(self, edit: Edit) -> None:
        for listener in [*self._listeners]:
            listener(edit)

    def _stamp(self, shape: Shape) -> Shape:
        """The shape as changed by the author now, with its place in the file where that is not known."""
        known = self._shapes.get(shape.id)
        placed = known.placed if known is not None and known.geometry is shape.geometry else self._place(shape.geometry)
        return replace(shape, author=self.author, time=_now(), placed=placed)

    def _class(self, class_id: int) -> LabelClass:
        known = next((one for one in self._classes if one.id == class_id), None)
        if known is None:
            raise LabelError(f"{self.path}: has no class {class_id} (any more): choose another one")
        return known

    def _new_class(self, classes: Sequence[LabelClass], name: str, colour: Colour | None) -> LabelClass:
        name, used = self._checked_name(name, classes), {one.id for one in classes}
        number = max([0, *used, *(one.class_id for one in self._shapes.values())]) + 1
        if number > LARGEST_ID:
            raise LabelError(f"{self.path}: class ids go to {LARGEST_ID}: merge classes first")
        known = {place: one.colour for place, one in enumerate(classes)}
        return LabelClass(number, name, colour or name_colours((*(one.name for one in classes), name), known)[-1])

    def _checked_name(self, name: str, others: Iterable[LabelClass]) -> str:
        name = _plain_name(name)
        if not name or len(name) > LONGEST_NAME:
            raise LabelError(f"the name of a class has 1 to {LONGEST_NAME} characters, this one {len(name)}")
        if any(one.name == name for one in others):
            raise LabelError(f"there is a class '{name[:60]}' already: choose another name, or merge the two classes")
        return name

    def _checked(self, geometry: Any) -> Any:
        """A geometry that labels pixels of the scene, repaired where its outline crosses itself."""
        import shapely

        if geometry is None or geometry.is_empty or geometry.geom_type not in (*AREAS, *POINTS):
            raise LabelError("a label is a polygon or a point: draw three corners or more")
        geometry = shapely.force_2d(geometry)
        if not np.isfinite(shapely.get_coordinates(geometry)).all():
            raise LabelError("a coordinate of the shape is not a finite number: draw it again")
        if not geometry.is_valid:
            parts = shapely.get_parts(shapely.make_valid(geometry))
            geometry = shapely.union_all([part for part in parts if part.geom_type in AREAS])
        if not self._labels_a_pixel(geometry):
            raise LabelError(
                "the shape contains no pixel's centre of the scene: draw it larger and inside, or set a point"
            )
        return geometry

    def _labels_a_pixel(self, geometry: Any) -> bool:
        from hsi.io.vector_labels import Canvas

        size = self.scene.height, self.scene.width
        all_touched = self.options.all_touched and geometry.geom_type in AREAS
        canvas = Canvas(size, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "", all_touched)
        return not geometry.is_empty and canvas.gives_a_pixel(geometry)

    def _cut(self, shape: Shape) -> dict[int, Shape | None]:
        """The shapes of other classes without what lies under a new one."""
        import shapely

        cover = _footprint(shape.geometry)
        shapely.prepare(cover)
        others = [one for one in self._shapes.values() if one.class_id != shape.class_id and one.id != shape.id]
        near = shapely.intersects(cover, np.array([_footprint(one.geometry) for one in others], object))
        changed: dict[int, Shape | None] = {}
        for one in (one for one, hit in zip(others, near, strict=True) if hit):
            if one.geometry.geom_type in POINTS:
                parts = shapely.get_parts(one.geometry)
                rest = parts[~shapely.contains_properly(cover, _centres(parts))]
                left = shapely.multipoints(rest) if len(rest) > 1 else (rest[0] if len(rest) else None)
                if len(rest) == len(parts):
                    continue
            else:
                remaining = shapely.get_parts(shapely.difference(one.geometry, cover))
                pieces = [part for part in remaining if part.geom_type == "Polygon" and part.area > SLIVER]
                left = shapely.union_all(pieces) if pieces else None
                if left is not None and one.geometry.area - left.area <= SLIVER:
                    continue  # only their edges meet
            usable = left is not None and self._labels_a_pixel(left)
            changed[one.id] = self._stamp(replace(one, geometry=left)) if usable else None
        return changed

    # ---- places

    def _place(self, geometry: Any) -> Any:
        """A geometry in pixels in the coordinates of the file."""
        import shapely
        from pyproj import Transformer

        scene, full = self.scene, self.scene.area.full if self.scene.area else self.scene
        place, crs = scene.georeference, self._file_crs()
        if place is not None and place.crs:
            a, b, c, d, e, f = place.transform
        else:
            a, b, c, d, e, f = full.georeference.transform if full.georeference else UPWARDS
            column, row = (scene.area.window.column, scene.area.window.row) if scene.area else (0, 0)
            c, f = a * column + b * row + c, d * column + e * row + f
        placed = shapely.transform(geometry, lambda xy: xy @ np.array([[a, d], [b, e]]) + (c, f))
        if place is None or not place.crs or crs is None or crs == place.crs:
            return placed
        project = Transformer.from_crs(place.crs, crs, always_xy=True).transform
        return shapely.transform(placed, lambda xy: np.stack(project(xy[:, 0], xy[:, 1]), axis=1))

    def _file_crs(self) -> str | None:
        """The CRS of the file, that of the scene for a new one."""
        if self._table is not None:
            return parse_crs(self.options.label_crs) or self._table.crs
        place = self.scene.georeference
        return (place.crs or None) if place else None

    # ---- the file

    def _check_path(self) -> None:
        need_geopandas(self.path, "labels")
        if self.path.suffix.lower() != ".gpkg":
            raise UsageError(
                f"{self.path}: drawn labels are saved as GeoPackage: give a name that ends with .gpkg; labels of other "
                "formats are imported into it"
            )
        if self.scene.source and self.path.exists() and self.path.samefile(self.scene.source):
            raise UsageError(f"{self.path}: is the scene, so no labels can be saved there: choose another --labels")
        if self.path.is_dir():
            raise UsageError(f"{self.path}: is a folder: give the name of a file that ends with .gpkg")

    def _load(self) -> None:
        """Take the state of the file; raises for one that is not readable as labels of the scene."""
        mark = signature(self.path)
        name, field, kind, name_field = find_class_field(self.path, self.options)
        table = read_table(self.path, name)
        stored = [
            LabelClass(int(i), str(text), parsed)
            for i, text, shade in read_plain_table(self.path, CLASSES)
            for parsed in (_colour(shade),)
        ]
        given = open_classes(self.options.classes) if self.options.classes else None
        known = given if given and not stored else _class_file(self.path, stored) if kind == "text" else None
        shapes, names, notes = self._read_shapes(table, field, kind, name_field, known)
        if given and not stored:
            stored = list(_classes_of(given))
        self._table, self._field, self._signature = table, (field, kind, name_field), mark
        self._shapes, self.notes = shapes, notes
        self._classes = _join_classes(stored, names, _drawn_colours(table, field) if kind != "text" else {})
        self._next = max([self._next - 1, *table.rows]) + 1

    def _read_shapes(
        self, table: Table, field: str, kind: str, name_field: str | None, known: ClassFile | None
    ) -> tuple[dict[int, Shape], dict[int, str], tuple[str, ...]]:
        """The rows that have a class and a shape, the names of their classes, and notes on the others."""
        if not table.rows:
            return {}, {}, ()
        layer = self._layer_of(table, field, kind, name_field)
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
        return shapes, {i: classes.names.get(i, f"class {i}") for i in present}, (*classes.notes, *notes)

    def _layer_of(self, table: Table, field: str, kind: str, name_field: str | None) -> Layer:
        """The rows of the file as the reader of vector labels takes them."""
        import geopandas

        columns = {key: [row[key] for row in table.rows.values()] for key in (field, name_field) if key}
        crs = parse_crs(self.options.label_crs) or table.crs
        frame = geopandas.GeoDataFrame(columns, geometry=[*table.shapes.values()], crs=crs)
        return Layer(self.path, frame, field, kind, name_field=name_field)

    def _draw(self) -> LabelMap:
        import geopandas

        size, shapes = (self.scene.height, self.scene.width), self.shapes
        empty = LabelMap(np.zeros(size, np.int32), ClassTable((), (), ()), source=self.path)
        if not shapes:
            return empty
        names = {one.id: one.name for one in self._classes}
        ids = [one.class_id for one in shapes]
        columns = {CLASS_FIELDS[0]: ids, CLASS_FIELDS[1]: [names[i] for i in ids]}
        placed = [one.placed for one in shapes]
        frame = geopandas.GeoDataFrame(columns, geometry=placed, crs=self._file_crs())
        colours = {one.name: one.colour for one in self._classes}
        layer = Layer(self.path, frame, CLASS_FIELDS[0], "integer", colours=colours, name_field=CLASS_FIELDS[1])
        areas = any(one.geometry.geom_type in AREAS for one in shapes)
        options = InputSettings(all_touched=self.options.all_touched and areas, background=self.options.background)
        try:
            return draw_layer(layer, self.scene, options)
        except LabelError as error:  # all pixels lie under shapes of several classes
            return replace(empty, notes=(str(error),))

    def _refresh(self) -> None:
        """Take over what another program has changed in the file since it was last read or saved."""
        if self._table is None:
            if self.path.exists():
                raise OutputError(f"{self.path}: has appeared meanwhile and is left alone: open it, or choose another")
            return
        mark = signature(self.path)
        if mark == self._signature:
            return
        if not self.path.exists():
            raise OutputError(f"{self.path}: has been moved or deleted: put it back, so that changes can be saved")
        shapes, classes = self._shapes, self._classes
        self._load()
        changed = {
            number: (shapes.get(number), self._shapes.get(number))
            for number in sorted(shapes.keys() | self._shapes.keys())
            if not _same(shapes.get(number), self._shapes.get(number))
        }
        for number in shapes.keys() - changed.keys():  # as objects that edits refer to, with the fields of the file
            self._shapes[number] = replace(shapes[number], fields=self._shapes[number].fields)
        if not changed and classes == self._classes:
            return  # another program has only opened it
        before, after = ({number: pair[side] for number, pair in changed.items()} for side in (0, 1))
        edit = Edit("changes by another program", before, after, classes, self._classes)
        self._revision += 1
        self._done.append(edit)
        self._undone.clear()
        self._announce(edit)

    def _save(self, edit: Edit, shapes: Mapping[int, Shape]) -> None:
        """Write an edit to the file; ``shapes`` are all shapes after it."""
        if self._table is None:
            self._create()
        table = self._table
        assert table is not None
        recoloured = {one for one in edit.classes_after if one not in edit.classes_before}
        ids = {one.id for one in recoloured}
        touched = {*edit.after, *(number for number, one in shapes.items() if one.class_id in ids)}
        lacking = {name: kind for name, kind in COLUMNS.items() if name not in table.types}
        with edit_geopackage(self.path, None) as base:
            if lacking:
                add_columns(base, table, lacking)
                table = replace(table, types={**table.types, **lacking})
            changes = {number: self._row_change(edit, number, shapes.get(number), table) for number in sorted(touched)}
            change_rows(base, table, changes)
            rows = [(one.id, one.name, hex_colour(one.colour)) for one in edit.classes_after]
            types = {"class_id": "INTEGER PRIMARY KEY", "class": "TEXT NOT NULL", "colour": "TEXT"}
            replace_plain_table(base, CLASSES, types, rows)
        self._table, self._signature = table, signature(self.path)

    def _row_change(self, edit: Edit, number: int, shape: Shape | None, table: Table) -> Change:
        if shape is None:
            return Change(None)
        known = self._shapes.get(number)
        new = next(one for one in edit.classes_after if one.id == shape.class_id)
        field, kind, name_field = self._field
        values: dict[str, Any] = {} if known else dict(shape.fields or {})  # of a row that was deleted: all it had
        values[field] = new.name if kind == "text" else new.id
        if name_field:
            values[name_field] = new.name
        own = {"colour": hex_colour(new.colour), "shape": shape.kind, "author": shape.author, "time": shape.time}
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
            create_layer(part, LAYER, types, self._file_crs())
            if self.path.exists():
                raise OutputError(f"{self.path}: has appeared meanwhile and is left alone: choose another --labels")
        self._table, self._signature = read_table(self.path, LAYER), signature(self.path)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in a container
        return ""


def _now() -> str:
    """The time as GeoPackage writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _plain_name(name: str) -> str:
    return " ".join(printable_name(name).split())


def _lacking(pixels: int, shapes: int) -> str:
    if pixels < FEW:
        return f"{_count(pixels, 'pixel')}: label {FEW} or more"
    return "one shape: draw a second one elsewhere, so that the class can be tested" if shapes == 1 else ""


def _pixel_box(column: float, row: float) -> Any:
    import shapely

    left, top = np.floor(column), np.floor(row)
    return shapely.box(left, top, left + 1, top + 1)


def _centres(points: NDArray[Any]) -> NDArray[Any]:
    """The centres ``(n,)`` of the pixels that points ``(n,)`` lie in."""
    import shapely

    centres: NDArray[Any] = shapely.points(np.floor(shapely.get_coordinates(points)) + 0.5)
    return centres


def _footprint(geometry: Any) -> Any:
    """The area that a shape labels: a polygon itself, of points their pixels."""
    import shapely

    if geometry.geom_type in AREAS:
        return geometry
    corners = np.floor(shapely.get_coordinates(geometry))
    return shapely.union_all(shapely.box(*corners.T, *(corners + 1).T))


def _same(first: Shape | None, second: Shape | None) -> bool:
    """Whether two states of a row are equal in class, place and what is shown of it."""
    if first is None or second is None:
        return first is second
    shown = [(one.class_id, one.kind, one.author, one.time) for one in (first, second)]
    return shown[0] == shown[1] and bool(first.placed.equals_exact(second.placed))


def _without(classes: tuple[LabelClass, ...], removed: LabelClass) -> tuple[LabelClass, ...]:
    return tuple(one for one in classes if one.id != removed.id)


def _fits(declared: str, wanted: str) -> bool:
    """Whether a column of another program takes a text or time."""
    return declared.startswith(("TEXT", wanted)) or not declared


def _colour(text: Any) -> Colour:
    digits = str(text).removeprefix("#")
    red, green, blue = bytes.fromhex(digits) if len(digits) == 6 else (128, 128, 128)
    return red, green, blue


def _drawn_colours(table: Table, field: str) -> dict[int, Colour]:
    """The colours of classes in the rows of labels that were drawn, by id."""
    if field != CLASS_FIELDS[0] or "colour" not in table.types:
        return {}
    rows = table.rows.values()
    return {row[field]: _colour(row["colour"]) for row in rows if row[field] is not None and row["colour"]}


def _class_file(path: Path, classes: Iterable[LabelClass]) -> ClassFile | None:
    entries = tuple(ClassEntry(one.id, one.name, one.colour) for one in classes)
    return ClassFile(path, entries) if entries else None


def _classes_of(file: ClassFile) -> tuple[LabelClass, ...]:
    given = {place: entry.colour for place, entry in enumerate(file.entries) if entry.colour}
    colours = name_colours(tuple(entry.name for entry in file.entries), given)
    return tuple(
        LabelClass(entry.id, _plain_name(entry.name), colour)
        for entry, colour in zip(file.entries, colours, strict=True)
    )


def _classes_of_table(table: ClassTable | None) -> tuple[LabelClass, ...]:
    if table is None:
        return ()
    return tuple(LabelClass(*one) for one in zip(table.ids, table.names, table.colours, strict=True))


def _classes_of_labels(path: Path) -> tuple[LabelClass, ...] | None:
    """The classes that drawn labels, or other vector labels, have; None where a class file is to be read."""
    stored = read_plain_table(path, CLASSES) if path.suffix.lower() == ".gpkg" else []
    if stored:
        return tuple(LabelClass(int(i), str(name), _colour(shade)) for i, name, shade in stored)
    layer = read_layer(path, InputSettings())
    values = layer.frame[layer.name_field or layer.field].dropna()
    names = sorted({_plain_name(str(value)) for value in values} - {""})
    names = names if layer.kind == "text" or layer.name_field else [f"class {name}" for name in names]
    own = {place: layer.colours[name] for place, name in enumerate(names) if name in layer.colours}
    chosen = zip(names, name_colours(tuple(names), own), strict=True)
    return tuple(LabelClass(place, name, colour) for place, (name, colour) in enumerate(chosen, 1))


def _join_classes(
    stored: Sequence[LabelClass], names: Mapping[int, str], colours: Mapping[int, Colour]
) -> tuple[LabelClass, ...]:
    """The stored classes and those of rows that are not among them, by id."""
    known = {one.id: one for one in stored}
    missing = {i: name for i, name in names.items() if i not in known}
    every = [*known.values(), *(LabelClass(i, name, (0, 0, 0)) for i, name in missing.items())]
    every.sort(key=lambda one: one.id)
    given = {place: known[one.id].colour for place, one in enumerate(every) if one.id in known}
    given |= {p: colours[one.id] for p, one in enumerate(every) if p not in given and one.id in colours}
    chosen = name_colours(tuple(one.name for one in every), given)
    return tuple(replace(one, colour=colour) for one, colour in zip(every, chosen, strict=True))
