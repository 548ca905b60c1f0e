"""The list of classes: choose, add, rename, recolour, merge, delete and import them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.events import ValueSubmit
from bokeh.models import (
    AllIndices,
    Button,
    ColorPicker,
    Column,
    ColumnDataSource,
    DataTable,
    Div,
    HTMLTemplateFormatter,
    InlineStyleSheet,
    NumberFormatter,
    Row,
    Select,
    TableColumn,
    TextInput,
)

from hsi.core.colours import Colour, Palette, hex_colour
from hsi.errors import UsageError
from hsi.io.vector_files import is_vector
from hsi.io.vectors.coordinates import CoordinatesError
from hsi.labelling.cross_validation import list_names

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page

SWATCH = "<span class='swatch' style='background:<%- value %>'></span>"
NAME = "<span class='name' dir='auto' title='<%- value %>'><%- value %></span>"  # what is cut is shown on hover
END = {"align-items": "end"}
ROW = 26
SIMILAR = 10.0  # CIEDE2000, for the kind of colour vision that separates two colours worst


class ClassList:
    """The table of classes and the fields that change the chosen one."""

    def __init__(self, page: Page) -> None:
        self.page, self.store = page, page.session.store
        self.chosen: int | None = None  # id
        self._listening = True
        self._asked: int | None = None  # the class whose deletion waits for a second click
        self.source = ColumnDataSource({"key": [], "colour": [], "name": [], "pixels": [], "shapes": []})
        number = NumberFormatter(format="0,0", text_align="right")
        columns = [
            TableColumn(field="key", title="", width=24, sortable=False),
            TableColumn(field="colour", title="", width=24, formatter=HTMLTemplateFormatter(template=SWATCH),
                        sortable=False),
            TableColumn(field="name", title="class", width=150, formatter=HTMLTemplateFormatter(template=NAME),
                        sortable=False),
            TableColumn(field="pixels", title="pixels", width=54, formatter=number, sortable=False),
            TableColumn(field="shapes", title="shapes", width=50, formatter=number, sortable=False),
        ]  # fmt: skip
        style = InlineStyleSheet(css=TABLE)
        self.table = DataTable(
            source=self.source, columns=columns, index_position=None, height=210, row_height=ROW, reorderable=False,
            autosize_mode="force_fit", stylesheets=[style], sizing_mode="stretch_both", min_height=120,
        )  # fmt: skip
        self.name = TextInput(placeholder="name", min_width=100, sizing_mode="stretch_width", title="")
        self.colour = ColorPicker(width=44, title="", color="#808080")
        self.add = Button(label="Add class", width=80)
        self.into = Select(title="Merge into", options=[], min_width=100, sizing_mode="stretch_width")
        self.merge = Button(label="Merge", width=58)
        self.delete = Button(label="Delete", width=62)
        self.import_path = TextInput(
            placeholder="file of classes or labels", min_width=100, sizing_mode="stretch_width"
        )
        self.import_button = Button(label="Import", width=70)
        self.notes = Div(text="", stylesheets=[InlineStyleSheet(css=NOTES)], sizing_mode="stretch_width")
        guard, watch = page.guard, page.watch
        self.source.selected.on_change("indices", watch(self._picked))
        self.name.on_change("value", watch(self._rename))
        self.colour.on_change("color", watch(self._recolour))
        self.add.on_click(guard(lambda event: self.add_new()))
        self.merge.on_click(guard(self._merge))
        self.delete.on_click(guard(self._delete))
        self.import_button.on_click(guard(self._import))
        self.import_path.on_event(ValueSubmit, guard(self._import))
        self.layout = Column(
            self.table,
            Row(self.colour, self.name, self.add, styles=END, sizing_mode="stretch_width"),
            Row(self.into, self.merge, self.delete, styles=END, sizing_mode="stretch_width"),
            Row(self.import_path, self.import_button, styles=END, sizing_mode="stretch_width"),
            self.notes,
            name="classes", sizing_mode="stretch_both",
        )  # fmt: skip

    def update(self) -> None:
        """Show the classes as they are now."""
        counts, classes = self.store.counts(), self.store.classes
        ids = [one.id for one in classes]
        if self.chosen not in ids:
            self.chosen = ids[0] if ids else None
        self._listening = False
        try:
            self.source.data = {
                "key": [str(place) for place in range(1, len(ids) + 1)],  # as in the picture
                "colour": [hex_colour(one.colour) for one in classes],
                "name": [one.name for one in classes],
                "pixels": [one.pixels for one in counts],
                "shapes": [one.shapes for one in counts],
            }
            self.table.view.filter = AllIndices()  # else the browser shows changed rows as they were
            self.source.selected.indices = [ids.index(self.chosen)] if self.chosen is not None else []
            current = next((one for one in classes if one.id == self.chosen), None)
            self.name.value = current.name if current else ""
            self.colour.color = hex_colour(current.colour) if current else "#808080"
            self.name.disabled = self.colour.disabled = current is None
            self.into.options = [(str(one.id), one.name) for one in classes if one.id != self.chosen]
            self.into.value = self.into.options[0][0] if self.into.options else ""
            for control in (self.merge, self.into):
                control.disabled = len(classes) < 2
            self.delete.disabled = current is None
        finally:
            self._listening = True
        self.forget_question()
        lacking: dict[str, list[str]] = {}
        for one in counts:
            if one.lacks:
                lacking.setdefault(one.lacks, []).append(one.name)
        lines = [f"{list_names(names)}: {lacks}" for lacks, names in lacking.items()]
        self.notes.text = "<br>".join(self.page.plain(line) for line in lines[:4])

    @property
    def asks(self) -> bool:
        """Whether the deletion of a class waits for a second click."""
        return self._asked is not None

    def forget_question(self) -> None:
        """Delete nothing: the next click asks again."""
        self._asked, self.delete.label, self.delete.button_type = None, "Delete", "default"

    def current(self) -> int:
        """The id of the chosen class; a first class is made where there is none."""
        if self.chosen is None:
            self.chosen = self.store.add_class("class 1").id
        return self.chosen

    def colour_of(self) -> Colour | None:
        """The colour of the chosen class."""
        return next((one.colour for one in self.store.classes if one.id == self.chosen), None)

    def choose(self, place: int) -> None:
        """Choose a class by its place in the list; the selected shape gets that class."""
        if not 0 <= place < len(self.store.classes):
            raise UsageError(f"there is no class {place + 1}: add it first")
        self.chosen = self.store.classes[place].id
        selected = self.page.drawing.selected
        if selected is not None and self.page.drawing.tool in ("Move", "Edit"):
            self.store.reclass(selected, self.chosen)
        self.update()
        self.page.chosen_class()
        self.page.hint(f"class {place + 1}: {self.store.classes[place].name}")  # in full, as the list may cut it

    def _picked(self, attr: str, old: list[int], new: list[int]) -> None:
        if self._listening and new and self.store.classes[new[0]].id != self.chosen:
            self.choose(new[0])

    def _rename(self, attr: str, old: str, new: str) -> None:
        known = next((one for one in self.store.classes if one.id == self.chosen), None)
        if self._listening and known and new != known.name:
            try:
                self.store.rename_class(known.id, new)
            finally:
                self.update()

    def _recolour(self, attr: str, old: str, new: str) -> None:
        known = next((one for one in self.store.classes if one.id == self.chosen), None)
        if self._listening and known and new != hex_colour(known.colour):
            red, green, blue = bytes.fromhex(str(new).removeprefix("#"))
            self.store.recolour_class(known.id, (red, green, blue))
            others = [one for one in self.store.classes if one.id != known.id]
            same = [one.name for one in others if Palette([one.colour]).distance((red, green, blue)) < SIMILAR]
            if same:
                self.page.hint(f"to some eyes, such as those without a kind of cone, this resembles {list_names(same)}")

    def choose_near(self, step: int) -> None:
        """Choose the class that many places after the chosen one, or before it."""
        ids = [one.id for one in self.store.classes]
        if ids:
            place = ids.index(self.chosen) + step if self.chosen in ids else 0
            self.choose(min(max(place, 0), len(ids) - 1))

    def add_new(self) -> None:
        """Add a class, whose name can be typed then."""
        taken = {one.name for one in self.store.classes}
        number = next(n for n in range(1, len(taken) + 2) if f"class {n}" not in taken)
        self.chosen = self.store.add_class(f"class {number}").id
        self.update()
        self.page.chosen_class()
        self.page.hint("type the name of the class, then press Enter")
        self.page.keyboard.focus("name")

    def _merge(self, *event: Any) -> None:
        if self.chosen is not None and self.into.value:
            source, self.chosen = self.chosen, int(self.into.value)
            self.store.merge_classes(source, self.chosen)
            self.page.hint("merged; Ctrl+Z takes it back")

    def _delete(self, *event: Any) -> None:
        """The first click asks, the second deletes."""
        if self.chosen is None:
            return
        shapes = sum(one.class_id == self.chosen for one in self.store.shapes)
        if shapes and self._asked != self.chosen:
            self._asked = self.chosen
            self.delete.label, self.delete.button_type = "Sure?", "danger"
            self.page.hint(f"shapes of the class: {shapes:,}; they are deleted with it: click again, or press Esc")
            self.page.keyboard.focus("delete")  # which a button with another label loses
            return
        self.store.delete_class(self.chosen)

    def _import(self, *event: Any) -> None:
        if not self.import_path.value.strip():
            raise UsageError("type the path of a file with classes or labels, then press Import")
        path = Path(self.import_path.value.strip()).expanduser()
        path = path if path.is_absolute() else self.page.session.path.parent / path
        if not path.exists():
            raise UsageError(f"{path}: there is no such file: type its path, or its name next to the scene")
        if self.store.path.exists() and path.samefile(self.store.path):
            raise UsageError(f"{path}: holds the labels of this page: import another file")
        count, what = 0, "classes"
        try:
            if is_vector(path):
                count, what = self.store.import_shapes(path), "shapes"
            else:
                count = self.store.import_classes(path)
        except CoordinatesError:  # a table of classes
            count = self.store.import_classes(path)
        self.page.hint(f"imported {what}: {count:,}; Ctrl+Z takes them back" if count else f"{path}: no new {what}")


TABLE = """
[hidefocus]:not([class]) { display: none; } /* else the grid takes the focus at each change */
.slick-header-column { font-weight: 600; font-size: 11px; background: #f2f4f5; border: none; padding: 3px 4px; }
.slick-header-column:nth-child(n+4) { text-align: right; }
.slick-viewport { overflow-x: hidden !important; }
.name { display: block; overflow: hidden; text-overflow: ellipsis; text-align: left; }
.slick-cell { font-size: 13px; border: none; padding: 3px 4px; line-height: 20px; }
.slick-cell.active { border: none; }
.slick-row.odd { background: white; }
.slick-row .slick-cell.selected, .slick-row.active .slick-cell.selected { background: #cfe3f5; }
.swatch { display: inline-block; width: 16px; height: 16px; border-radius: 3px; border: 1px solid #0005; }
"""
NOTES = """
:host { max-height: 102px; overflow-y: auto; overflow-wrap: anywhere; line-height: 17px; flex: none; }
:host(:focus-visible) { outline: 2px solid #111827; box-shadow: 0 0 0 5px #ffd54a; }
"""
