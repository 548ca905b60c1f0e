"""Ids, names and colours of classes from files: styles of QGIS, SLD, tables, class maps and saved models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from hsi.core.class_colours import name_colours
from hsi.core.colours import Colour
from hsi.core.files import find_model
from hsi.core.labels import LARGEST_ID, ClassTable, LabelMap, printable_name
from hsi.errors import LabelError, SceneFileError
from hsi.io.formats._checks import parse_xml
from hsi.io.reader import LabelContent, check_file
from hsi.io.vectors.coordinates import read_table

LARGEST_STYLE = 1 << 24  # bytes
STYLES, TABLES, MODEL = (".qml", ".sld", ".xml"), (".csv", ".tsv", ".txt"), ".safetensors"
KNOWN = "a QML or SLD style, a CSV table (id, name, colour), a class map or a model"
MOST_LISTED = 5
# column names without spaces and punctuation, in lower case; the last of ids and names may be either
EITHER = ("class", "label", "category", "klasse", "classe", "clase", "klass", "klasa")
IDS = ("id", "classid", "value", "classvalue", "pixelvalue", "code", "classcode", "number", "nr", "gridcode", "dn",
       "wert", "valeur", "valor", "valore", "fid")  # fmt: skip
NAMES = ("name", "classname", "classlabel", "labelname", "title", "legend", "description", "landcover", "bezeichnung",
         "klassenname", "nom", "nombre", "nome", "naam", "nazwa")  # fmt: skip
COLOURS = ("colour", "color", "hex", "hexcolour", "hexcolor", "rgb", "farbe", "couleur", "colore", "cor", "kleur",
           "kolor")  # fmt: skip
CHANNELS = (("r", "red", "rot", "rouge", "rojo", "rosso"), ("g", "green", "grün", "vert", "verde"),
            ("b", "blue", "blau", "bleu", "azul", "blu"))  # fmt: skip


@dataclass(frozen=True)
class ClassEntry:
    """A class of a file; ``value`` is the text that stands for it in vector labels, empty for its name."""

    id: int
    name: str
    colour: Colour | None = None
    value: str = ""


@dataclass(frozen=True)
class ClassFile:
    """The classes of a file. Where it gives no ids, they are numbered from 1 and not ``numbered``.

    Texts are compared with names alone, and exactly, where they are ``exact``.
    """

    path: Path
    entries: tuple[ClassEntry, ...]
    numbered: bool = True
    exact: bool = False

    @cached_property
    def by_id(self) -> Mapping[int, ClassEntry]:
        """The classes by their ids."""
        return {entry.id: entry for entry in self.entries}

    @cached_property
    def _by_text(self) -> Mapping[str, ClassEntry]:
        if self.exact:
            return {entry.name: entry for entry in self.entries}
        exact = {text: entry for entry in self.entries for text in (str(entry.id), entry.name, entry.value) if text}
        loose: dict[str, list[ClassEntry]] = {}
        for text, entry in exact.items():
            loose.setdefault(_loose(text), []).append(entry)
        return {text: found[0] for text, found in loose.items() if len({one.id for one in found}) == 1} | exact

    def find(self, text: str) -> ClassEntry | None:
        """The class of that name or value, exactly or else but for case and spaces."""
        found = self._by_text.get(text)
        return found if found or self.exact else self._by_text.get(_loose(text))

    def number(self, names: Iterable[str]) -> dict[str, int]:
        """An id for each name: that of the class in the file, and free ones for names that it lacks."""
        found = {name: self.find(name) for name in names}
        free = (i for i in range(1, LARGEST_ID + 1) if i not in self.by_id)
        return {name: entry.id if entry else next(free) for name, entry in found.items()}


def read_class_file(path: Path, read_raster: Callable[[Path], LabelContent]) -> ClassFile:
    """The classes of a QML or SLD style, a CSV table, a class map or a saved model.

    QML may style a raster (paletted, or exact values) or vectors (categorised); SLD may be a ColorMap of values or
    rules that compare a field with a value. A table has a column of ids, of names or both, and for colours one of
    ``#rrggbb`` or three of red, green and blue. Of a class map, which ``read_raster`` opens, the named classes are
    taken, or those with a colour. Raises :class:`SceneFileError` for a file that cannot be read and
    :class:`LabelError` for one without classes, for ids that are no integers from 0 to 65534 or occur twice, and for
    colours that are none.
    """
    path = find_model(Path(path))
    check_file(path)
    readers = {**dict.fromkeys(STYLES, _read_style), **dict.fromkeys(TABLES, _read_rows), MODEL: _read_model}
    read = readers.get(path.suffix.lower())
    return _check(path, list(read(path) if read else _of_raster(path, read_raster(path))))


def apply_class_file(labels: LabelMap, file: ClassFile) -> LabelMap:
    """Labels with the names and colours of a file, by their ids, or by their names where the file has no ids.

    Classes that the file lacks stay as they are, with a note. Raises :class:`LabelError` when it has none of them.
    """
    table = labels.table
    pairs = list(zip(table.ids, table.names, strict=True))
    found = {i: file.by_id.get(i) if file.numbered else file.find(name) for i, name in pairs}
    entries = {i: entry for i, entry in found.items() if entry}
    if not entries:
        theirs = _listed(f"{entry.id} {entry.name}" if file.numbered else entry.name for entry in file.entries)
        raise LabelError(
            f"{file.path}: has none of the classes of the labels, {_listed(f'{i} {name}' for i, name in pairs)}; "
            f"it has {theirs}: give the classes of these labels"
        )
    notes = []
    if len(entries) < len(pairs):
        lacking = _listed(f"{i} '{name}'" for i, name in pairs if i not in entries)
        notes.append(f"{file.path}: lacks {lacking} of the labels' classes, which are added")
    others = {i: file.find(name) if file.numbered and i in entries else None for i, name in pairs}
    moved = [f"{i} is '{name}' in the labels" for i, name in pairs if (other := others[i]) and other.id != i]
    if moved:
        notes.append(f"{file.path}: gives other names to classes, and counts: {_listed(moved)}")
    names = tuple(entries[i].name if i in entries else name for i, name in pairs)
    own = {} if table.colours == name_colours(table.names) else dict(zip(table.ids, table.colours, strict=True))
    given = own | {i: entry.colour for i, entry in entries.items() if entry.colour}
    colours = name_colours(names, {place: given[i] for place, i in enumerate(table.ids) if i in given})
    return replace(labels, table=ClassTable(table.ids, names, colours), notes=(*labels.notes, *notes))


def _loose(text: str) -> str:
    return " ".join(text.split()).casefold()


def _one_line(text: str) -> str:
    """Text of a file for a message."""
    return " ".join(printable_name(text).split())[:60]


def _listed(texts: Iterable[str]) -> str:
    texts = [_one_line(text) for text in texts]
    more = len(texts) - MOST_LISTED
    return ", ".join(texts[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


# what a reader found: a value or None, a name, and a colour
Found = tuple[Any, str, Colour | None]


def _check(path: Path, found: list[Found]) -> ClassFile:
    """The classes that were found; values are ids where all of them are integers."""
    if not found:
        raise LabelError(f"{path}: holds no classes, expected {KNOWN}")
    numbers = [_integer(value) for value, _, _ in found]
    numbered = None not in numbers
    entries: dict[Any, ClassEntry] = {}
    for number, (value, name, colour) in zip(numbers, found, strict=True):
        text, name = "" if value is None else str(value).strip(), " ".join(printable_name(name).split())
        key: Any = number if numbered else text or name
        place = number if numbered and number is not None else len(entries) + 1
        entry = ClassEntry(place, name or (f"class {number}" if numbered else text), colour, text)
        known = entries.setdefault(key, entry)
        if known.name != entry.name or (known.colour and colour and known.colour != colour):
            raise LabelError(
                f"{path}: class {_one_line(str(key))} is there twice, as '{known.name[:60]}' and "
                f"'{entry.name[:60]}': delete one"
            )
    wrong = [entry.id for entry in entries.values() if not 0 <= entry.id <= LARGEST_ID]
    if wrong:
        raise LabelError(f"{path}: class ids go from 0 to {LARGEST_ID}, found {wrong[0]}")
    return ClassFile(path, tuple(sorted(entries.values(), key=lambda entry: entry.id)), numbered)


def _integer(value: Any) -> int | None:
    """A value as an integer; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else None


def parse_colour(path: Path, text: str) -> Colour | None:
    """A colour such as ``#rrggbb`` or ``r,g,b``, what follows the third number ignored; None for nothing.

    Raises :class:`LabelError` for anything else.
    """
    text = text.strip()
    short = re.fullmatch(r"#?([0-9a-fA-F]{3})", text)
    digits = "".join(2 * digit for digit in short[1]) if short else text.removeprefix("#")
    if re.fullmatch(r"[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", digits):
        red, green, blue = bytes.fromhex(digits[:6])
        return red, green, blue
    numbers = re.match(r"\D*(\d{1,3})\s*[,; ]\s*(\d{1,3})\s*[,; ]\s*(\d{1,3})(?!\d)", text)
    if numbers and max(map(int, numbers.groups())) <= 255:
        red, green, blue = map(int, numbers.groups())
        return red, green, blue
    if text:
        raise LabelError(f"{path}: '{_one_line(text)}' is no colour, expected #rrggbb or three numbers from 0 to 255")
    return None


def _read_style(path: Path) -> Iterator[Found]:
    root = parse_xml(path, "a style", LARGEST_STYLE, doctype="qgis")
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag == "qgis":
        return _qml_raster(path, root) if root.find(".//rasterrenderer") is not None else _qml_vector(path, root)
    if root.tag == "StyledLayerDescriptor":
        return _sld_values(path, root) if root.find(".//ColorMap") is not None else _sld_rules(path, root)
    raise LabelError(
        f"{path}: begins with <{_one_line(root.tag)}>, which is no style of QGIS and no SLD; expected {KNOWN}"
    )


def _qml_raster(path: Path, root: Element) -> Iterator[Found]:
    shader = root.find(".//colorrampshader")
    if shader is not None and shader.get("colorRampType", "").upper() != "EXACT":
        raise LabelError(f"{path}: is a ramp of colours, not of classes: style the raster by its unique values")
    for entry in root.iter("paletteEntry" if shader is None else "item"):
        yield entry.get("value", ""), entry.get("label", ""), parse_colour(path, entry.get("color", ""))


def _qml_vector(path: Path, root: Element) -> Iterator[Found]:
    symbols = {symbol.get("name"): symbol for symbol in root.iterfind(".//renderer-v2/symbols/symbol")}
    for category in root.iterfind(".//renderer-v2/categories/category"):
        symbol = symbols.get(category.get("symbol"))
        colour = None if symbol is None else parse_colour(path, _symbol_colour(symbol))
        values = [entry.get("value", "") for entry in category.findall("val")] or [category.get("value", "")]
        for value in values:
            if value:  # that of all other values is empty
                yield value, category.get("label", ""), colour


def _symbol_colour(symbol: Element) -> str:
    """The colour of the first layer of a symbol, in the form of QGIS 3.26 or an older one."""
    for key, name in (("name", "value"), ("k", "v")):
        for element in symbol.iterfind("layer//*"):
            if element.get(key) == "color":
                return element.get(name, "")
    return ""


def _sld_values(path: Path, root: Element) -> Iterator[Found]:
    if any(ramp.get("type", "values") != "values" for ramp in root.iter("ColorMap")):
        raise LabelError(f"{path}: is a ramp of colours, not of classes: expected a ColorMap of type 'values'")
    for entry in root.iter("ColorMapEntry"):
        yield entry.get("quantity", ""), entry.get("label", ""), parse_colour(path, entry.get("color", ""))


def _sld_rules(path: Path, root: Element) -> Iterator[Found]:
    for rule in root.iter("Rule"):
        name = next((text for key in ("Title", "Name") for text in (rule.findtext(f".//{key}"),) if text), "")
        colours = {element.get("name"): element.text or "" for element in rule.iter() if element.get("name")}
        colour = parse_colour(path, colours.get("fill") or colours.get("stroke", ""))
        for equal in rule.iter("PropertyIsEqualTo"):
            yield equal.findtext("Literal") or "", name, colour


def _read_rows(path: Path) -> Iterator[Found]:
    header, rows, _ = read_table(path)
    keys = [re.sub(r"[\W_]+", "", name.casefold()) for name in header]
    if not set(keys) & {*IDS, *NAMES, *EITHER}:  # no header: an id, a name and a colour
        if _integer(header[0] if header else "") is None:
            raise LabelError(
                f"{path}: has no column of ids or names: name them id, name and colour (or red, green and blue); "
                f"its first line has {_listed(header)}"
            )
        rows, keys = [header, *rows], ["id", "name", *(("colour",) if len(header) == 3 else ("r", "g", "b"))]
    either = [place for place, key in enumerate(keys) if key in EITHER]
    i, name = _column(keys, IDS), _column(keys, NAMES)
    for place in either:
        if i is None and all(_integer(row[place]) is not None for row in rows if row[place]):
            i = place
        elif name is None:
            name = place
    colour, channels = _column(keys, COLOURS), [_column(keys, names) for names in CHANNELS]
    for row in rows:
        value = row[i] if i is not None else ""
        label = _plain(row[name]) if name is not None and name < len(row) else ""
        if not value and (i is not None or not label):
            continue  # a line of totals
        if None not in channels:
            shade = ",".join(row[place] for place in channels if place is not None and place < len(row)).strip(",")
        else:
            shade = row[colour] if colour is not None and colour < len(row) else ""
        yield value or None, label, parse_colour(path, shade)


def _column(keys: list[str], names: tuple[str, ...]) -> int | None:
    return next((keys.index(name) for name in names if name in keys), None)


def _plain(text: str) -> str:
    """A cell without the apostrophe that marks text that begins like a formula."""
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


def _read_model(path: Path) -> Iterator[Found]:
    """The classes in the metadata of a saved model; its weights are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            classes = json.loads((file.metadata() or {})["hsi"])["classes"]
        columns = [list(classes[key]) for key in ("ids", "names", "colours")]
        rows = [(i, str(name), ",".join(map(str, colour))) for i, name, colour in zip(*columns, strict=True)]
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SceneFileError(f"{path}: is no complete model saved by hsi, so it has no classes ({error})") from error
    for i, name, shade in rows:
        yield i, name, parse_colour(path, shade)


def _of_raster(path: Path, content: LabelContent) -> list[Found]:
    """The named classes of a raster, or those with a colour."""
    ids = set(content.names) or {i for i, colour in content.colours.items() if any(colour)}
    ids -= {content.nodata}
    if not ids:
        raise LabelError(f"{path}: has neither class names nor colours, expected {KNOWN}")
    return [(i, content.names.get(i, ""), content.colours.get(i)) for i in sorted(ids)]
