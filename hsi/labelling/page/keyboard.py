"""Keys: the browser passes them on, and all that they do is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.core.properties import Int, String
from bokeh.events import DocumentReady
from bokeh.model import DataModel
from bokeh.models import CustomJS, InlineStyleSheet, Widget

from hsi.labelling.page.drawing import TOOLS

if TYPE_CHECKING:
    from bokeh.document import Document

    from hsi.labelling.page.page import Page

ARROWS = {"ArrowUp": (-1, 0), "ArrowDown": (1, 0), "ArrowLeft": (0, -1), "ArrowRight": (0, 1)}
FAR = 10  # pixels that an arrow with Shift goes
HELP = [
    ("1 to 9", "choose a class"),
    (", and .", "choose the class before or after it in the list"),
    ("C, F2", "add a class, rename the chosen one; Enter ends typing, Esc takes it back"),
    ("arrows, Shift+arrows", "move the cursor by 1 or 10 pixels"),
    ("Space", "use the tool at the cursor: a corner, a dab, a point, a region, a selection"),
    ("Enter, Esc, Backspace", "finish a polygon, cancel, take a corner back"),
    *((key.upper(), f"tool: {name.lower()}") for name, (key, _) in TOOLS.items()),
    ("[ and ]", "smaller or larger brush, or angle of regions"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("Delete, Alt+arrows", "delete or move the selected shape"),
    ("Space, I, Backspace", "with Edit: take a corner and set it down, add one, remove the one taken"),
    ("+ and -, F", "zoom at the cursor, show all of the scene"),
    ("N", "where next?"),
    ("M, L", "show map, confidence or neither; show or hide labels"),
    ("S, X", "pin the spectrum under the cursor, remove the pins"),
    ("Tab", "go through buttons, sliders and fields"),
]
# what the browser does: it has no other way to pass keys on; those of fields and of focused controls stay theirs
LISTEN = """
let field = null, before = ""  // the text field in use, and what it held when it was entered
const first = (event) => event.composedPath()[0]
const isText = (target) => target.tagName == "INPUT" && !["checkbox", "radio", "color", "range"].includes(target.type)
document.addEventListener("focusin", (event) => { before = first(event).value })
document.addEventListener("keyup", (event) => {
  if (event.key == "Enter" && field != null && first(event) == field) field.blur()
})
document.addEventListener("keydown", (event) => {
  const target = first(event), name = (target.tagName ?? "").toUpperCase()
  const grid = Bokeh.index.find_one(table)?.shadow_el  // its own keys would hold the focus in it
  if (event.key == "Tab") for (const part of grid?.querySelectorAll("div") ?? []) part.tabIndex = -1
  if (grid?.contains(target)) event.stopImmediatePropagation()
  field = event.key == "Enter" && !event.isComposing && isText(target) ? target : null
  if (event.key == "Escape" && ["INPUT", "SELECT"].includes(name) && !event.isComposing) {
    if (isText(target)) target.value = before
    target.blur()
    return
  }
  if (["INPUT", "TEXTAREA", "SELECT"].includes(name) && target.type != "checkbox" && target.type != "radio") return
  if (event.repeat && name == "BUTTON" && event.key == "Enter") event.preventDefault()  // one click for a held key
  const own = {BUTTON: [" ", "Enter"], SUMMARY: [" ", "Enter"]}[name] ?? (target.getAttribute?.("role") == "slider"
    ? ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"] : [])
  const held = event.ctrlKey || event.metaKey
  if (own.includes(event.key) || event.key == "Tab" || (held && !"zyZY".includes(event.key))) return
  if (event.altKey && !event.key.startsWith("Arrow")) return
  const prefix = (held ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "")
    + (event.shiftKey && event.key.length > 1 ? "Shift+" : "")
  if (event.key.startsWith("Arrow") || [" ", "Enter", "Backspace", "F2"].includes(event.key) || held)
    event.preventDefault()
  keys.setv({pressed: prefix + event.key, count: keys.count + 1})
}, true)
"""
FOCUS = """
const view = Bokeh.index.find_one(controls[keys.wanted.split(" ")[0]])
const element = view?.input_el ?? view?.button_el
element?.focus()
element?.select?.()
"""
CONTROLS = """
.bk-btn-primary, .bk-btn-primary.bk-active { background-color: #1f6aa5; border-color: #1a5a8d; }
.bk-btn-primary:hover { background-color: #1a5a8d; }
.bk-btn-success { background-color: #2e7d32; border-color: #276a2b; }
.bk-btn-success:hover { background-color: #276a2b; }
:focus-visible { outline: 2px solid #111827 !important; outline-offset: 1px; box-shadow: 0 0 0 5px #ffd54a !important;
  position: relative; z-index: 2; }
"""


class Keys(DataModel):
    """The last key that was pressed in the browser, a number that grows with each, and the control that gets the focus,
    with a number that makes each request another text."""

    pressed = String(default="")
    count = Int(default=0)
    wanted = String(default="")


class Keyboard:
    """Does what keys ask for."""

    def __init__(self, page: Page, document: Document) -> None:
        self.page = page
        self.keys = Keys()
        self._wanted = 0
        page.canvas.figure.tags = [self.keys, document.config]  # parts of the document, whose changes are sent
        passed = {"keys": self.keys, "table": page.classes.table}
        document.js_on_event(DocumentReady, CustomJS(args=passed, code=LISTEN))
        controls = {"name": page.classes.name, "delete": page.classes.delete}
        self.keys.js_on_change("wanted", CustomJS(args={"keys": self.keys, "controls": controls}, code=FOCUS))
        self.keys.on_change("count", page.watch(lambda *change: self.press(self.keys.pressed)))
        style = InlineStyleSheet(css=CONTROLS)
        for control in {one for root in document.roots for one in root.references() if isinstance(one, Widget)}:
            control.stylesheets = [*control.stylesheets, style]

    def focus(self, control: str) -> None:
        """Give the focus to a control: "name", whose text is selected, or "delete"."""
        self._wanted += 1
        self.keys.wanted = f"{control} {self._wanted}"

    def press(self, key: str) -> None:
        """Do what a key, such as ``Ctrl+z``, ``5`` or ``Alt+ArrowUp``, asks for."""
        page, drawing, canvas = self.page, self.page.drawing, self.page.canvas
        held, _, name = key.rpartition("+") if len(key) > 1 else ("", "", key)
        step = FAR if "Shift" in held else 1
        tools = {letter: tool for tool, (letter, _) in TOOLS.items()}
        small = name.lower() if len(name) == 1 else name
        if name in ARROWS:
            rows, columns = (step * way for way in ARROWS[name])
            if "Alt" in held:
                drawing.nudge(columns, rows)
            else:
                canvas.set_cursor(canvas.cursor[0] + rows, canvas.cursor[1] + columns)
        elif "Ctrl" in held:
            page.redo() if small == "y" or name == "Z" else page.undo()
        elif name in "123456789" and name:
            page.classes.choose(int(name) - 1)
        elif name in (",", "."):
            page.classes.choose_near(1 if name == "." else -1)
        elif small in tools:
            drawing.choose(tools[small])
        else:
            self._more(small)

    def _more(self, key: str) -> None:
        page, drawing, canvas = self.page, self.page.drawing, self.page.canvas
        if key in ("[", "]"):
            slider = drawing.angle if drawing.tool == "Region" else drawing.size
            step = slider.step if key == "]" else -slider.step
            slider.value = min(max(slider.value + step, slider.start), slider.end)
            if slider is drawing.angle:
                drawing.regrow()
            return
        actions = {
            " ": drawing.act,
            "Enter": drawing.finish,
            "Escape": self._cancel,
            "Backspace": drawing.take_back,
            "Delete": drawing.delete,
            "+": lambda: canvas.zoom(0.5),
            "=": lambda: canvas.zoom(0.5),
            "-": lambda: canvas.zoom(2),
            "f": canvas.fit,
            "c": page.classes.add_new,
            "F2": lambda: self.focus("name"),
            "i": drawing.insert_at_cursor,
            "n": page.next_place,
            "m": page.layers.next_layer,
            "l": page.layers.switch_labels,
            "s": page.spectra.pin,
            "x": page.spectra.remove_pins,
        }
        if key in actions:
            actions[key]()

    def _cancel(self) -> None:
        self.page.drawing.cancel()
        if self.page.classes.asks:
            self.page.classes.forget_question()
            self.page.hint("nothing is deleted")
            self.focus("delete")
