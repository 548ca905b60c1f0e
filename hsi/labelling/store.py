"""Labels that are drawn on a scene: shapes and classes with undo, saved to a GeoPackage after each change."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.class_colours import name_colours
from hsi.core.colours import Colour
from hsi.core.events import warning
from hsi.core.labels import LARGEST_ID, ClassTable, LabelMap
from hsi.core.scene import Block, Scene
from hsi.errors import LabelError
from hsi.io.open import open_classes
from hsi.io.vector_files import CLASS_FIELDS, TABLES, Layer, is_vector, read_layer
from hsi.io.vector_labels import AREAS, draw_layer, features_in_pixels
from hsi.labelling.classes import (
    LabelClass,
    check_name,
    classes_of,
    classes_of_labels,
    classes_of_table,
    plain_name,
)
from hsi.labelling.label_file import LabelFile
from hsi.labelling.shapes import (
    POINTS,
    DrawnPixels,
    Shape,
    area_around,
    check_geometry,
    cut_shapes,
    move_together,
    pixel_box,
    same_row,
)
from hsi.settings import InputSettings
from hsi.splits.split import FEW

NO_CLASSES = ClassTable((), (), ())
SMALL = 1 << 20  # pixels of a scene all of which are drawn on after each change


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
        return area_around([*self.before.values(), *self.after.values()], shape)


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
        self._places: tuple[tuple[int, int], ...] = ()
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._fields: dict[int, Mapping[str, Any] | None] = {}  # of rows as last read, also of those deleted since
        self._listeners: list[Callable[[Edit], None]] = []
        self._revision, self._next = 0, 1
        self._map: tuple[int, LabelMap] | None = None
        self._drawn: tuple[int, DrawnPixels] | None = None
        self.file = LabelFile(self.path, scene, self.options)
        if self.path.exists():
            self._load()
        elif self.options.classes:
            self._classes = classes_of(open_classes(self.options.classes).entries)
        known = self._classes or classes_of_table(classes)
        self._classes = tuple(one for one in known if one.id != self._background)

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

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The places (row, column) that were suggested for a label, in this sitting or before; they are no labels."""
        return self._places

    def note_place(self, row: int, column: int) -> None:
        """Store a place that was suggested; with the next change where there is no file yet.

        Raises :class:`OutputError` where it cannot be stored; it is noted for this sitting then.
        """
        with self._lock:
            self._places = (*self._places, (row, column))
            if self.path.exists():
                self._refresh()
                self._save((), self._shapes, self._classes)

    def shape(self, number: int) -> Shape:
        """The shape of that id; raises :class:`LabelError` where there is none."""
        try:
            return self._shapes[number]
        except KeyError:
            raise LabelError(f"{self.path}: has no shape {number} (any more)") from None

    def find(self, column: float, row: float) -> Shape | None:
        """The last shape at a place in pixels; None where there is none."""
        import shapely

        pixel, place = pixel_box(column, row), shapely.Point(column, row)
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

    @property
    def reading_options(self) -> InputSettings:
        """The options by which ``hsi train`` and ``hsi classify`` read these labels as :meth:`rasterize` does."""
        areas = any(one.geometry.geom_type in AREAS for one in self.shapes)
        own = {"labels": self.path, "label_field": self.file.class_field, "classes": None}
        return self.options.model_copy(update={**own, "all_touched": self.options.all_touched and areas})

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

    def drawn_pixels(self) -> DrawnPixels:
        """The labels of the pixels near shapes, in which those of a large scene take little time and memory.

        They are those of :meth:`rasterize`, but for pixels whose centre lies on an outline to the last digit.
        """
        with self._lock:
            if self._drawn is None or self._drawn[0] != self._revision:
                height, width = self._size
                shapes = self.shapes
                if height * width <= SMALL:
                    labels, rows, columns = self.rasterize(), np.arange(height), np.arange(width)
                elif not shapes:
                    rows = columns = np.zeros(0, np.int64)
                    labels = LabelMap(np.zeros((0, 0), np.int32), NO_CLASSES, source=self.path)
                else:
                    moved, rows, columns = move_together([one.geometry for one in shapes], self._size)
                    facts: dict[str, Any] = {"georeference": None, "area": None, "stored": None}
                    near = replace(self.scene, height=rows.size, width=columns.size, **facts)
                    labels = self._draw_on(near, shapes, moved, in_pixels=True)
                self._drawn = self._revision, DrawnPixels(labels, rows, columns)
            return self._drawn[1]

    def counts(self) -> tuple[ClassCount, ...]:
        """Pixels and shapes of each class, and what it lacks: five pixels to train, a second shape to test."""
        with self._lock:
            pixels, classes = self.drawn_pixels().labels.counts, self._classes
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
            name = check_name(name, [one for one in self._classes if one != known])
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
        drawn = is_vector(path) and path.suffix.lower() not in TABLES
        listed = classes_of_labels(path) if drawn else classes_of(open_classes(path).entries)
        with self._lock:
            self._refresh()
            classes, before = self._classes, len(self._classes)
            for one in listed:
                if one.name not in {known.name for known in classes}:
                    added = self._new_class(classes, one.name, one.colour)
                    free = one.id not in {self._background, *(known.id for known in classes)}
                    classes = (*classes, replace(added, id=one.id) if free else added)
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
                name = plain_name(found.names.get(number, f"class {number}"))
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
            if number in self._shapes:  # another program may have changed its fields since the edit was made
                self._fields[number] = self._shapes[number].fields
            if one is None:
                shapes.pop(number, None)
            else:
                shapes[number] = replace(one, fields=self._fields.get(number, one.fields))
        changed = {one.id for one in edit.classes_after if one not in edit.classes_before}
        named = {number for number, one in shapes.items() if one.class_id in changed}  # rows have the class's name
        self._save({*edit.after, *named}, shapes, edit.classes_after)
        self._shapes, self._classes = shapes, edit.classes_after
        self._revision += 1

    def _save(self, numbers: Collection[int], shapes: Mapping[int, Shape], classes: tuple[LabelClass, ...]) -> None:
        self.file.save(numbers, self._shapes, shapes, classes, self._places)

    def _announce(self, edit: Edit) -> None:
        for listener in [*self._listeners]:
            listener(edit)

    def _stamp(self, shape: Shape) -> Shape:
        """The shape as changed by the author now, with its place in the file where that is not known."""
        known = self._shapes.get(shape.id)
        placed = (
            known.placed if known is not None and known.geometry is shape.geometry else self.file.place(shape.geometry)
        )
        return replace(shape, author=self.author, time=_now(), placed=placed)

    def _class(self, class_id: int) -> LabelClass:
        known = next((one for one in self._classes if one.id == class_id), None)
        if known is None:
            raise LabelError(f"{self.path}: has no class {class_id} (any more): choose another one")
        return known

    def _new_class(self, classes: Sequence[LabelClass], name: str, colour: Colour | None) -> LabelClass:
        name, used = check_name(name, classes), {one.id for one in classes}
        number = max([0, *used, *(one.class_id for one in self._shapes.values())]) + 1
        number += number == self._background
        if number > LARGEST_ID:
            raise LabelError(f"{self.path}: class ids go to {LARGEST_ID}: merge classes first")
        known = {place: one.colour for place, one in enumerate(classes)}
        return LabelClass(number, name, colour or name_colours((*(one.name for one in classes), name), known)[-1])

    def _cut(self, shape: Shape) -> dict[int, Shape | None]:
        """The shapes of other classes without what lies under a new one."""
        cut = cut_shapes(shape, self._shapes.values(), self._size, self.options.all_touched)
        return {number: one and self._stamp(one) for number, one in cut.items()}

    def _checked(self, geometry: Any) -> Any:
        return check_geometry(geometry, self._size, self.options.all_touched)

    @property
    def _background(self) -> int:
        """The id that means unlabelled."""
        return self.options.background or 0

    @property
    def _size(self) -> tuple[int, int]:
        return self.scene.height, self.scene.width

    def _load(self) -> None:
        """Take the state of the file."""
        found = self.file.load()
        self._shapes, self.notes = found.shapes, found.notes
        self._classes = tuple(one for one in found.classes if one.id != self._background)
        self._places = tuple(dict.fromkeys((*found.places, *self._places)))
        self._next = max(self._next, found.last + 1)

    def _refresh(self) -> None:
        """Take over what another program has changed in the file since it was last read or saved."""
        if not self.file.changed_outside():
            return
        shapes, classes = self._shapes, self._classes
        self._load()
        changed = {
            number: (shapes.get(number), self._shapes.get(number))
            for number in sorted(shapes.keys() | self._shapes.keys())
            if not same_row(shapes.get(number), self._shapes.get(number))
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

    def _draw(self) -> LabelMap:
        shapes = self.shapes
        return self._draw_on(self.scene, shapes, [one.placed for one in shapes])

    def _draw_on(
        self, scene: Scene, shapes: Sequence[Shape], geometries: Iterable[Any], in_pixels: bool = False
    ) -> LabelMap:
        """The labels of a scene: shapes at the ``geometries``, in the file's coordinates or ``in_pixels``."""
        import geopandas

        size = scene.height, scene.width
        if not len(shapes):
            return LabelMap(np.zeros(size, np.int32), NO_CLASSES, source=self.path)
        names = {one.id: one.name for one in self._classes}
        ids = [one.class_id for one in shapes]
        columns = {CLASS_FIELDS[0]: ids, CLASS_FIELDS[1]: [names[i] for i in ids]}
        frame = geopandas.GeoDataFrame(columns, geometry=[*geometries], crs=None if in_pixels else self.file.crs)
        colours = {one.name: one.colour for one in self._classes}
        how: dict[str, Any] = {"colours": colours, "name_field": CLASS_FIELDS[1], "in_pixels": in_pixels}
        layer = Layer(self.path, frame, CLASS_FIELDS[0], "integer", **how)
        areas = any(one.geometry.geom_type in AREAS for one in shapes)
        options = InputSettings(all_touched=self.options.all_touched and areas, background=self.options.background)
        try:
            return draw_layer(layer, scene, options)
        except LabelError as error:  # all pixels lie under shapes of several classes
            return LabelMap(np.zeros(size, np.int32), NO_CLASSES, source=self.path, notes=(str(error),))


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


def _lacking(pixels: int, shapes: int) -> str:
    if pixels < FEW:
        return f"{_count(pixels, 'pixel')}: label {FEW} or more"
    return "one shape: draw a second one elsewhere, so that the class can be tested" if shapes == 1 else ""


def _without(classes: tuple[LabelClass, ...], removed: LabelClass) -> tuple[LabelClass, ...]:
    return tuple(one for one in classes if one.id != removed.id)
