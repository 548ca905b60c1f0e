"""Keys: the browser passes them on, and all that they do is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.core.properties import Int, String
from bokeh.events import DocumentReady
from bokeh.model import DataModel
from bokeh.models import CustomJS

from hsi.labelling.page.drawing import TOOLS

if TYPE_CHECKING:
    from bokeh.document import Document

    from hsi.labelling.page.page import Page

ARROWS = {"ArrowUp": (-1, 0), "ArrowDown": (1, 0), "ArrowLeft": (0, -1), "ArrowRight": (0, 1)}
FAR = 10  # pixels that an arrow with Shift goes
HELP = [
    ("1 to 9", "choose a class"),
    ("arrows, Shift+arrows", "move the cursor by 1 or 10 pixels"),
    ("Space", "use the tool at the cursor: a corner, a dab, a point, a region, a selection"),
    ("Enter, Esc, Backspace", "finish a polygon, cancel, take a corner back"),
    *((key.upper(), f"tool: {name.lower()}") for name, (key, _) in TOOLS.items()),
    ("[ and ]", "smaller or larger brush, or angle of regions"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("Delete, Alt+arrows", "delete or move the selected shape"),
    ("+ and -, F", "zoom at the cursor, show all of the scene"),
    ("N", "where next?"),
    ("M, L", "show map, confidence or neither; show or hide labels"),
    ("S, X", "pin the spectrum under the cursor, remove the pins"),
    ("Tab", "go through buttons, sliders and fields"),
]
# what the browser does: it has no other way to pass keys on; those of fields and of focused controls stay theirs
LISTEN = """
document.addEventListener("keydown", (event) => {
  const target = event.composedPath()[0], name = (target.tagName ?? "").toUpperCase()
  const role = target.getAttribute?.("role")
  if (["INPUT", "TEXTAREA", "SELECT"].includes(name) && target.type != "checkbox" && target.type != "radio") return
  const own = {BUTTON: [" ", "Enter"]}[name] ?? (role == "slider" || target.closest?.(".slick-viewport, .grid-canvas")
    ? ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"] : [])
  if (own.includes(event.key) || event.key == "Tab" || (event.ctrlKey && !"zyZY".includes(event.key))) return
  const prefix = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "")
    + (event.shiftKey && event.key.length > 1 ? "Shift+" : "")
  if (event.key.startsWith("Arrow") || [" ", "Enter", "Backspace"].includes(event.key) || event.ctrlKey)
    event.preventDefault()
  keys.setv({pressed: prefix + event.key, count: keys.count + 1})
}, true)
"""


class Keys(DataModel):
    """The last key that was pressed in the browser, and a number that grows with each."""

    pressed = String(default="")
    count = Int(default=0)


class Keyboard:
    """Does what keys ask for."""

    def __init__(self, page: Page, document: Document) -> None:
        self.page = page
        self.keys = Keys()
        page.canvas.figure.tags = [self.keys]  # a part of the document
        document.js_on_event(DocumentReady, CustomJS(args={"keys": self.keys}, code=LISTEN))
        self.keys.on_change("count", page.watch(lambda *change: self.press(self.keys.pressed)))

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
            "Escape": drawing.cancel,
            "Backspace": drawing.delete if not drawing.corners else drawing.take_back,
            "Delete": drawing.delete,
            "+": lambda: canvas.zoom(0.5),
            "=": lambda: canvas.zoom(0.5),
            "-": lambda: canvas.zoom(2),
            "f": canvas.fit,
            "n": page.next_place,
            "m": page.layers.next_layer,
            "l": page.layers.switch_labels,
            "s": page.spectra.pin,
            "x": page.spectra.remove_pins,
        }
        if key in actions:
            actions[key]()
