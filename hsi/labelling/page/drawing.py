"""Drawing tools: what the mouse and the keyboard do on the picture becomes shapes in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.events import DoubleTap, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    FreehandDrawTool,
    InlineStyleSheet,
    PointDrawTool,
    RadioButtonGroup,
    Slider,
)

from hsi.core.colours import hex_colour
from hsi.core.scene import Block
from hsi.errors import UsageError
from hsi.labelling.regions import brush_stroke, grow_region, point, polygon, rectangle, spectral_angles

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page

TOOLS = {
    "Move": ("v", "drag to move the picture, turn the wheel to zoom; click a shape to select it"),
    "Polygon": ("p", "click the corners; double-click or Enter to finish, Backspace takes a corner back, Esc cancels"),
    "Brush": ("b", "drag over pixels of the class"),
    "Rectangle": ("r", "drag from corner to corner"),
    "Point": ("d", "click a pixel"),
    "Region": ("g", "click a pixel: its neighbours of a similar spectrum are taken; the slider sets how similar"),
    "Edit": ("e", "click a shape; drag its corners, double-click an edge for a new one, Delete removes the shape"),
}
REACH = 150  # pixels around the one that a region grows from
ROWS = 32  # whose angles are computed at a time
MOST_CORNERS = 300  # of a shape that can be edited corner by corner
NEAR_DOTS = 6  # two clicks that are nearer are one


class Drawing:
    """The tool in use, the shape that is being drawn, and the one that is selected."""

    def __init__(self, page: Page) -> None:
        self.page, self.session, self.canvas = page, page.session, page.canvas
        self.store = page.session.store
        self.tool = "Move"
        self.selected: int | None = None  # id of a shape
        self.corners: list[tuple[float, float]] = []
        self._region: tuple[int, int, Block, Any, int] | None = None
        self._taken: int | None = None  # the corner that the keyboard moves
        self._listening = True
        plot = self.canvas.figure
        self.pending = ColumnDataSource({"x": [], "y": []})
        plot.line("x", "y", source=self.pending, line_color="white", line_width=4)
        plot.line("x", "y", source=self.pending, line_color="#d00000", line_width=2)
        plot.scatter("x", "y", source=self.pending, size=7, fill_color="#d00000", line_color="white")
        self.trail = ColumnDataSource({"xs": [], "ys": []})
        self.trail_renderer = plot.multi_line("xs", "ys", source=self.trail, line_width=6, line_alpha=0.7,
                                              line_cap="square", line_color="#d00000")  # fmt: skip
        self.vertices = ColumnDataSource({"x": [], "y": []})
        vertex_renderer = plot.scatter("x", "y", source=self.vertices, marker="square", size=10, fill_color="white",
                                       line_color="#d00000", line_width=2)  # fmt: skip
        self.taken = ColumnDataSource({"x": [], "y": []})
        plot.scatter("x", "y", source=self.taken, marker="square", size=14, fill_color="#d00000", line_color="white",
                     line_width=2)  # fmt: skip
        self.free = FreehandDrawTool(renderers=[self.trail_renderer], num_objects=1)
        self.box = BoxSelectTool(renderers=[])
        self.drag = PointDrawTool(renderers=[vertex_renderer], add=False)
        plot.add_tools(self.free, self.box, self.drag)
        plot.toolbar.active_drag, plot.toolbar.active_tap = self.canvas.pan, None
        style = InlineStyleSheet(css=".bk-btn { padding: 5px 8px; }")
        self.buttons = RadioButtonGroup(labels=list(TOOLS), active=0, stylesheets=[style])
        self.size = Slider(title="Pixels", start=1, end=25, value=3, step=1, width=100)
        self.angle = Slider(title="Degrees", start=0.2, end=15, value=3, step=0.1, width=100, format="0.0")
        self.buttons.on_change("active", lambda attr, old, new: self.choose(list(TOOLS)[new]))
        self.angle.on_change("value_throttled", self.page.watch(self.regrow))
        self.size.on_change("value", lambda attr, old, new: self.show_brush())
        plot.on_event(Tap, self.page.guard(self._tap))
        plot.on_event(DoubleTap, self.page.guard(self._double_tap))
        plot.on_event(SelectionGeometry, self.page.guard(self._boxed))
        self.trail.on_change("data", self.page.watch(self._stroked))
        self.vertices.on_change("data", self.page.watch(self._dragged))
        self.size.visible = self.angle.visible = False

    def choose(self, tool: str) -> None:
        """Take another tool."""
        self._take(None)
        self.cancel()
        self.tool = tool
        self.buttons.active = list(TOOLS).index(tool)
        bar = self.canvas.figure.toolbar
        drags = {"Brush": self.free, "Rectangle": self.box, "Edit": self.drag}
        bar.active_drag = drags.get(tool, self.canvas.pan)
        bar.active_tap = self.drag if tool == "Edit" else None
        self.size.visible, self.angle.visible = tool == "Brush", tool == "Region"
        self.show_brush()
        self.show_vertices()
        self.page.hint(TOOLS[tool][1])

    def cancel(self) -> None:
        """Forget the shape that is being drawn and the selection."""
        self.corners = []
        self.pending.data = {"x": [], "y": []}
        if self._taken is not None:  # Esc leaves the corner where it was, and the shape selected
            self._take(None)
        elif self.selected is not None:
            self.select(None)

    def select(self, number: int | None) -> None:
        """Select a shape; None for none."""
        self.selected = number
        self.canvas.show_labels(number)
        self.show_vertices()

    def delete(self) -> None:
        """Delete the selected shape."""
        if self.selected is not None:
            number, self.selected = self.selected, None
            self.store.delete(number)
            self.show_vertices()

    def nudge(self, columns: int, rows: int) -> None:
        """Move the selected shape."""
        if self.selected is not None:
            self.store.move(self.selected, columns, rows)
            self.show_vertices()

    def act(self) -> None:
        """Use the tool at the cursor of the keyboard."""
        row, column = self.canvas.cursor
        if self.tool == "Rectangle":
            self.corners.append((column, row))
            if len(self.corners) == 2:
                (left, top), (right, bottom) = np.sort(self.corners, axis=0).tolist()
                self.corners = []
                self.pending.data = {"x": [], "y": []}
                self._add(rectangle((left, top), (right + 1, bottom + 1)), "rectangle")
            else:
                self.page.hint("the first corner is set; move the cursor and press Space again")
                self._show_pending()
        elif self.tool == "Brush":
            self._add(self._brush([(column + 0.5, row + 0.5)]), "brush")
        elif self.tool == "Edit" and self._taken is not None:
            places = self._corners()
            places[self._taken] = column + 0.5, row + 0.5
            self._reshape(places)
        elif self.tool == "Edit" and (near := self._vertex_near(column + 0.5, row + 0.5)) is not None:
            self._take(near)
            self.page.hint("corner taken: move the cursor, Space sets it down, Backspace removes it, Esc leaves it")
        else:
            self._use_at(column + 0.5, row + 0.5)

    def finish(self) -> None:
        """Close the polygon that is being drawn."""
        if self.tool == "Polygon" and self.corners:
            self._add(polygon(self.corners), "polygon")  # corners stay where that fails
            self.corners = []
            self.pending.data = {"x": [], "y": []}

    def take_back(self) -> None:
        """Take the last corner back, or remove the one that the keyboard has taken; else delete what is selected."""
        if self.corners:
            self.corners.pop()
            self._show_pending()
        elif self._taken is not None:
            places = self._corners()
            del places[self._taken]
            self._reshape(places)
        else:
            self.delete()

    def insert_at_cursor(self) -> None:
        """A new corner at the cursor of the keyboard, with the tool Edit."""
        if self.tool == "Edit" and self.selected is not None:
            row, column = self.canvas.cursor
            self.insert_corner(column + 0.5, row + 0.5)

    # ---- the mouse

    def _tap(self, event: Tap) -> None:
        if self.tool not in ("Brush", "Rectangle"):
            self._use_at(event.x, event.y)
        elif self.tool == "Brush":
            self._add(self._brush([(event.x, event.y)]), "brush")

    def _use_at(self, x: float, y: float) -> None:
        """A click, or Space, at a place in pixels."""
        if self.tool == "Polygon":
            if not self.corners or self._far(self.corners[-1], (x, y)):
                self.corners.append((x, y))
                self._show_pending()
        elif self.tool == "Point":
            self._add(point(x, y), "point")
        elif self.tool == "Region":
            self._grow(int(y // 1), int(x // 1))
        elif self.tool in ("Move", "Edit"):
            found = self.store.find(x, y)
            if self.tool == "Edit" and self._vertex_near(x, y) is not None:
                return
            self.select(found.id if found else None)

    def _double_tap(self, event: DoubleTap) -> None:
        if self.tool == "Polygon":
            if self.corners and not self._far(self.corners[-1], (event.x, event.y)):  # else two corners set fast
                self.finish()
        elif self.tool == "Edit" and self.selected is not None:
            self.insert_corner(event.x, event.y)

    def _boxed(self, event: SelectionGeometry) -> None:
        form = event.geometry
        if event.final and form["type"] == "rect" and self.tool == "Rectangle":
            self._add(rectangle((form["x0"], form["y0"]), (form["x1"], form["y1"])), "rectangle")

    def _stroked(self, *change: Any) -> None:
        xs, ys = self.trail.data["xs"], self.trail.data["ys"]
        if not self._listening or not xs or self.tool != "Brush":
            return
        places = list(zip(xs[-1], ys[-1], strict=True))
        self._quietly(lambda: setattr(self.trail, "data", {"xs": [], "ys": []}))
        self._add(self._brush(places), "brush")

    def _brush(self, places: list[tuple[float, float]]) -> Any:
        height, width, _ = self.session.scene.shape
        return brush_stroke(places, int(self.size.value), (height, width))

    def _add(self, geometry: Any, kind: str) -> None:
        shape = self.store.add(self.page.classes.current(), geometry, kind)
        self._region = None
        self.page.hint(f"drawn: {kind} {shape.id}; Ctrl+Z takes it back")

    # ---- regions

    def _grow(self, row: int, column: int) -> None:
        height, width, _ = self.session.scene.shape
        spectrum = self.session.spectrum(row, column)
        if spectrum is None:
            raise UsageError("there is no spectrum at this place: click a pixel with data")
        top, left = max(0, row - REACH), max(0, column - REACH)
        window = Block(top, left, min(height, row + REACH + 1) - top, min(width, column + REACH + 1) - left)
        scene = self.session.scene
        angles = np.concatenate([spectral_angles(scene.read(part), spectrum) for part in window.strips(ROWS)])
        angles[~self.session.valid[window.slices]] = np.nan
        self._add(grow_region(angles, self.angle.value, row, column, window), "region")
        self._region = row, column, window, angles, self.store.shapes[-1].id

    def regrow(self, *change: Any) -> None:
        """Another angle for the region that was drawn last."""
        if self._region is None or self.tool != "Region":
            return
        row, column, window, angles, number = self._region
        if any(one.id == number for one in self.store.shapes):
            self.store.edit(number, grow_region(angles, self.angle.value, row, column, window))

    # ---- corners

    def show_vertices(self) -> None:
        """Show the corners of the selected shape, where the tool edits them."""
        xs: list[float] = []
        ys: list[float] = []
        if self.tool == "Edit" and self.selected is not None:
            form = self.store.shape(self.selected).geometry
            if form.geom_type == "Polygon" and len(form.exterior.coords) <= MOST_CORNERS:
                xs, ys = ([float(v) for v in values[:-1]] for values in form.exterior.coords.xy)
            elif form.geom_type == "Point":
                xs, ys = [form.x], [form.y]
            else:
                self.page.hint("this shape has too many corners to edit: move it with Alt and the arrows, or delete it")
        self._quietly(lambda: setattr(self.vertices, "data", {"x": xs, "y": ys}))
        self._take(None)

    def _dragged(self, *change: Any) -> None:
        """A corner has been moved, or deleted by Backspace."""
        if not self._listening or self.selected is None:
            return
        self._reshape(self._corners())

    def _reshape(self, places: list[tuple[float, float]]) -> None:
        assert self.selected is not None
        form = self.store.shape(self.selected).geometry
        if not places:
            return self.delete()
        try:
            if form.geom_type == "Point":
                self.store.edit(self.selected, point(*places[0]))
            else:
                import shapely

                outline = polygon(places).exterior
                self.store.edit(self.selected, shapely.Polygon(outline, [ring.coords for ring in form.interiors]))
        finally:
            self.show_vertices()

    def insert_corner(self, x: float, y: float) -> None:
        """A new corner where an edge is nearest."""
        import shapely

        assert self.selected is not None
        form = self.store.shape(self.selected).geometry
        if form.geom_type != "Polygon":
            return
        places = [tuple(place) for place in form.exterior.coords]
        edges = [shapely.LineString(places[i : i + 2]).distance(shapely.Point(x, y)) for i in range(len(places) - 1)]
        at = int(np.argmin(edges)) + 1
        self._reshape([*places[:at], (x, y), *places[at:-1]])

    def _corners(self) -> list[tuple[float, float]]:
        """The corners that are shown of the selected shape."""
        return list(zip(self.vertices.data["x"], self.vertices.data["y"], strict=True))

    def _take(self, corner: int | None) -> None:
        """Take a corner, by its place in the list, to move it with the keyboard; None for none."""
        self._taken = corner
        places = [] if corner is None else [self._corners()[corner]]
        self.taken.data = {"x": [x for x, _ in places], "y": [y for _, y in places]}

    def _vertex_near(self, x: float, y: float) -> int | None:
        """The corner at a place, by its number: within some dots or in the same pixel; None where there is none."""
        places = self._corners()
        near = [i for i, place in enumerate(places) if not self._far(place, (x, y), 2 * NEAR_DOTS)]
        near += [i for i, place in enumerate(places) if max(abs(place[0] - x), abs(place[1] - y)) <= 1]
        return min(near, key=lambda i: np.hypot(places[i][0] - x, places[i][1] - y), default=None)

    def _far(self, first: tuple[float, float], second: tuple[float, float], dots: float = NEAR_DOTS) -> bool:
        plot = self.canvas.figure
        scale = abs(plot.x_range.end - plot.x_range.start) / self.canvas.across
        return bool(np.hypot(first[0] - second[0], first[1] - second[1]) > dots * scale)

    # ---- what is shown while drawing

    def _show_pending(self) -> None:
        xs, ys = [x for x, _ in self.corners], [y for _, y in self.corners]
        self.pending.data = {"x": xs, "y": ys}

    def show_brush(self) -> None:
        """The trail of the brush is as wide as what it labels."""
        plot = self.canvas.figure
        scale = abs(plot.x_range.end - plot.x_range.start) / self.canvas.across
        glyph = self.trail_renderer.glyph
        glyph.line_width = max(2.0, float(self.size.value / scale))
        colour = self.page.classes.colour_of()
        if colour:
            glyph.line_color = hex_colour(colour)

    def _quietly(self, change: Callable[[], None]) -> None:
        """Change what Bokeh's tools change, without taking it for the user's change."""
        self._listening = False
        try:
            change()
        finally:
            self._listening = True
