"""The page of ``hsi label``: its parts together, for one window at a time."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.models import Button, Div, InlineStyleSheet, Row
from jinja2 import Environment, FileSystemLoader

from hsi.errors import HsiError
from hsi.labelling.page.actions import Actions
from hsi.labelling.page.canvas import Canvas
from hsi.labelling.page.classes import ClassList
from hsi.labelling.page.drawing import Drawing
from hsi.labelling.page.keyboard import HELP, Keyboard
from hsi.labelling.page.layers import Layers
from hsi.labelling.page.spectra import Spectra

if TYPE_CHECKING:
    from bokeh.document import Document

    from hsi.labelling.session import LabelSession

TEMPLATES = Path(__file__).parent / "templates"
MESSAGE = """
:host { overflow-wrap: anywhere; }
.error { color: #b00020; font-weight: 600; } .error::before { content: '⚠ '; } .hint { color: #334e68; }
"""
CLOSED = "This page is open in another window, where you can go on; this one no longer changes anything."


class Page:
    """All that one window shows, filled from the session which says what changes."""

    def __init__(self, session: LabelSession, document: Document) -> None:
        self.session, self.document = session, document
        self.open, self.painted = True, 0
        self.status = Div(text="", css_classes=["status"], sizing_mode="stretch_width")
        self.message = Div(
            text="", name="message", stylesheets=[InlineStyleSheet(css=MESSAGE)], sizing_mode="stretch_width"
        )
        self.canvas = Canvas(self)
        self.classes = ClassList(self)
        self.spectra = Spectra(self)
        self.drawing = Drawing(self)
        self.layers = Layers(self)
        self.actions = Actions(self)
        self.undo_button = Button(label="Undo", width=64)
        self.redo_button = Button(label="Redo", width=64)
        self.undo_button.on_click(self.guard(lambda *event: self.undo()))
        self.redo_button.on_click(self.guard(lambda *event: self.redo()))
        tools = Row(
            self.drawing.buttons, self.drawing.size, self.drawing.angle, self.undo_button, self.redo_button,
            name="tools", styles={"flex-wrap": "wrap", "align-items": "center"},
        )  # fmt: skip
        help_table = "".join(f"<tr><th>{escape(keys)}</th><td>{escape(what)}</td></tr>" for keys, what in HELP)
        style = InlineStyleSheet(
            css="th { text-align: left; vertical-align: top; width: 40%; } td { padding-bottom: 3px; }"
        )
        help_div = Div(
            stylesheets=[style],
            text=f"<table class='keys'>{help_table}</table>",
            name="help",
            sizing_mode="stretch_width",
        )
        roots = [
            self.canvas.figure, self.classes.layout, self.spectra.layout, self.layers.layout, self.actions.layout,
            tools, self.message, help_div, self.actions.buttons, self.actions.accuracy_layout, self.canvas.place,
        ]  # fmt: skip
        for root in roots:
            document.add_root(root)
        self.keyboard = Keyboard(self, document)
        document.title = f"hsi label: {session.path.name}"
        document.template = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("page.html")
        document.template_variables["scene_name"] = session.path.name
        document.template_variables["labels_name"] = session.store.path.name
        session.forget_listeners()
        session.listen("labels", lambda: self.soon(self._labels_changed))
        session.listen("map", lambda: self.soon(self._map_changed))
        session.listen("picture", lambda: self.soon(self.canvas.look))
        session.listen("accuracy", lambda: self.soon(self.actions.accuracy_changed))
        session.listen("training", lambda: self.soon(self.actions.training_changed))
        session.listen("finished", lambda: self.soon(self.actions.finished))
        session.listen("status", lambda: self.soon(self._status_changed))
        self._labels_changed()  # also what changed while the page was made
        self._map_changed()
        self.actions.accuracy_changed()
        self.actions.training_changed()
        self._status_changed()
        if not session.store.classes:
            self.hint("press Add class or C, type its name, then draw it with one of the tools")
        for note in session.store.notes:
            self.hint(note)

    # ---- messages

    def soon(self, work: Callable[[], None]) -> None:
        """Do something in the thread of the page, from any thread."""
        if self.open:
            self.document.add_next_tick_callback(lambda: self._if_open(work))

    def _if_open(self, work: Callable[[], None]) -> None:
        if self.open:
            work()

    def guard(self, work: Callable[..., Any]) -> Callable[[Any], None]:
        """A handler of events whose errors are shown in the page, which does nothing in a window not in use."""

        def guarded(event: Any) -> None:
            self._do(lambda: work(event))

        return guarded

    def watch(self, work: Callable[..., Any]) -> Callable[[str, Any, Any], None]:
        """As :meth:`guard`, for changes of a property."""

        def guarded(attr: str, old: Any, new: Any) -> None:
            self._do(lambda: work(attr, old, new))

        return guarded

    def _do(self, work: Callable[[], Any]) -> None:
        if not self.open:
            return
        try:
            work()
        except HsiError as error:
            self.error(str(error))
        except Exception as error:
            self.error(f"{type(error).__name__}: {error}; nothing was changed")
            raise

    @staticmethod
    def plain(text: str) -> str:
        """Text in which markup is shown as it is written."""
        return escape(text)

    def hint(self, text: str) -> None:
        """Show what to do or what has been done."""
        self.message.text = f"<span class='hint'>{escape(text)}</span>"

    def error(self, text: str) -> None:
        """Show what is wrong."""
        self.message.text = f"<span class='error'>{escape(text)}</span>"

    def close(self) -> None:
        """Take the page out of use: another window has been opened."""
        self.soon(lambda: self.error(CLOSED))
        self.open = False

    # ---- changes

    def _labels_changed(self) -> None:
        self.classes.update()
        selected = self.drawing.selected
        if selected is not None and all(one.id != selected for one in self.session.store.shapes):
            self.drawing.selected = None
        self.canvas.show_labels(self.drawing.selected)
        self.drawing.show_vertices()
        self.spectra.update()
        self.actions.labels_changed()
        store = self.session.store
        for button, text, word in (
            (self.undo_button, store.undo_text, "Undo"),
            (self.redo_button, store.redo_text, "Redo"),
        ):
            button.disabled = text is None
            button.label = word
        self.canvas.look()

    def _map_changed(self) -> None:
        self.canvas.look()
        self.actions.map_changed()

    def _status_changed(self) -> None:
        text = self.session.status
        if text.startswith("error: "):
            self.error(text.removeprefix("error: "))
        self.status.text = "" if text.startswith("error: ") else escape(text)

    def chosen_class(self) -> None:
        """Another class has been chosen."""
        self.spectra.show_chosen()
        self.drawing.show_brush()

    def point_at(self, row: int, column: int) -> None:
        """The cursor is on a pixel."""
        self.canvas.describe(row, column)
        self.spectra.point_at(row, column)

    def undo(self) -> None:
        """Take the last change back."""
        text = self.session.store.undo()
        self.hint(f"taken back: {text}" if text else "there is nothing to take back")

    def redo(self) -> None:
        """Do it again."""
        text = self.session.store.redo()
        self.hint(f"done again: {text}" if text else "there is nothing to do again")

    def next_place(self) -> None:
        """Go to the place that is most useful to label."""
        self.actions.next_place()
