"""Classes of drawn labels: their names, colours and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hsi.core.class_colours import name_colours
from hsi.core.colours import Colour
from hsi.core.labels import ClassTable, printable_name
from hsi.errors import LabelError
from hsi.io.class_files import ClassEntry
from hsi.io.vector_files import read_layer
from hsi.io.vector_labels import LONGEST_NAME
from hsi.io.vectors.geopackage import read_classes
from hsi.settings import InputSettings

GREY = (128, 128, 128)


@dataclass(frozen=True)
class LabelClass:
    """A class: its id, name and RGB colour (0 to 255)."""

    id: int
    name: str
    colour: Colour


def plain_name(name: str) -> str:
    """A name on one line, without control characters and white space at its ends."""
    return " ".join(printable_name(name).split())


def check_name(name: str, others: Iterable[LabelClass]) -> str:
    """A name as it is stored; raises :class:`LabelError` for one that is blank, too long or taken."""
    name = plain_name(name)
    if not name or len(name) > LONGEST_NAME:
        raise LabelError(f"the name of a class has 1 to {LONGEST_NAME} characters, this one {len(name)}")
    if any(one.name == name for one in others):
        raise LabelError(f"there is a class '{name[:60]}' already: choose another name, or merge the two classes")
    return name


def stored_classes(path: Path) -> tuple[LabelClass, ...]:
    """The classes in the table of a GeoPackage; none where it has no such table."""
    return classes_of(read_classes(path))


def classes_of(entries: Sequence[ClassEntry]) -> tuple[LabelClass, ...]:
    """The classes of a class file, with a colour for those without."""
    given = {place: one.colour for place, one in enumerate(entries) if one.colour}
    colours = name_colours(tuple(one.name for one in entries), given)
    return tuple(LabelClass(one.id, plain_name(one.name), colour) for one, colour in zip(entries, colours, strict=True))


def entries_of(classes: Iterable[LabelClass]) -> tuple[ClassEntry, ...]:
    """Classes as those of a class file."""
    return tuple(ClassEntry(one.id, one.name, one.colour) for one in classes)


def classes_of_table(table: ClassTable | None) -> tuple[LabelClass, ...]:
    """The classes of a table."""
    if table is None:
        return ()
    return tuple(LabelClass(*one) for one in zip(table.ids, table.names, table.colours, strict=True))


def classes_of_labels(path: Path) -> tuple[LabelClass, ...]:
    """The classes that drawn labels, or other vector labels, have."""
    stored = stored_classes(path) if path.suffix.lower() == ".gpkg" else ()
    if stored:
        return stored
    layer = read_layer(path, InputSettings())
    values = layer.frame[layer.name_field or layer.field].dropna()
    names = sorted({plain_name(str(value)) for value in values} - {""})
    names = names if layer.kind == "text" or layer.name_field else [f"class {name}" for name in names]
    own = {place: layer.colours[name] for place, name in enumerate(names) if name in layer.colours}
    chosen = zip(names, name_colours(tuple(names), own), strict=True)
    return tuple(LabelClass(place, name, colour) for place, (name, colour) in enumerate(chosen, 1))


def join_classes(
    stored: Sequence[LabelClass], names: Mapping[int, str], colours: Mapping[int, Colour]
) -> tuple[LabelClass, ...]:
    """The stored classes, with the names that rows give them, and those of rows that are not among them, by id."""
    known = {one.id: replace(one, name=names.get(one.id) or one.name) for one in stored}
    missing = {i: name for i, name in names.items() if i not in known}
    every = [*known.values(), *(LabelClass(i, name or f"class {i}", GREY) for i, name in missing.items())]
    every.sort(key=lambda one: one.id)
    given = {place: known[one.id].colour for place, one in enumerate(every) if one.id in known}
    given |= {p: colours[one.id] for p, one in enumerate(every) if p not in given and one.id in colours}
    chosen = name_colours(tuple(one.name for one in every), given)
    return tuple(replace(one, colour=colour) for one, colour in zip(every, chosen, strict=True))
