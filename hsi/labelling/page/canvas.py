"""The picture with the map and the labels over it: what is seen is painted at the resolution of the screen."""

from __future__ import annotations

import functools
import math
from html import escape
from typing import TYPE_CHECKING, Any

from bokeh.events import MouseMove, RangesUpdate
from bokeh.models import (
    Arrow,
    ColumnDataSource,
    Div,
    Label,
    NormalHead,
    PanTool,
    Range1d,
    ScaleBar,
    Span,
    WheelZoomTool,
)
from bokeh.models.annotations.dimensional import Metric
from bokeh.plotting import figure

from hsi.core.colours import hex_colour
from hsi.core.georeference import crs_name
from hsi.core.scene import Block
from hsi.labelling.page.latest_work import LatestWork
from hsi.labelling.page.painting import as_words, hatch, paint_classes, paint_confidence
from hsi.labelling.picture import step_for
from hsi.report.figures.scale_bar import Ground, ground_of

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page

EMPTY_IMAGE: dict[str, list[Any]] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
MOST_DOTS = 2_000_000  # of a picture with hatching
TICKS: list[float] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]
CLOSE = 4  # pixels of the scene that the narrowest view shows
MOST_SHAPES = 3_000  # that are drawn at a time


class Canvas:
    """The figure, its layers and what is seen of the scene."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.session
        self.height, self.width, _ = self.session.scene.shape
        self.ground: Ground | None = ground_of(self.session.scene.georeference, self.height, self.width)
        self.tall = self.ground.down / self.ground.across if self.ground else 1.0
        self.percent, self.swipe, self.threshold = 2.0, 1.0, 0.0
        self.layer: str | None = "map"
        self.cursor = (self.height // 2, self.width // 2)  # row and column
        self.across, self.down = 800, 600  # dots of the figure
        self._sized: set[str] = set()
        self._fitted = True  # until the user moves or zooms
        self._moving = False
        self._painting = LatestWork(self._paint)
        self._make_figure()
        self._make_layers()
        self.place = Div(text="", name="place", visible=False)

    def _make_figure(self) -> None:
        self.pan, self.wheel = PanTool(), WheelZoomTool(zoom_on_axis=False)
        self.figure = plot = figure(
            name="picture", sizing_mode="stretch_both", min_width=300, min_height=200, toolbar_location=None,
            x_range=Range1d(0, self.width), y_range=Range1d(self.height, 0), tools=[self.pan, self.wheel],
            active_scroll=self.wheel, background_fill_color="#d9dee2", border_fill_color="#d9dee2",
            outline_line_color=None, min_border=0, match_aspect=False, lod_threshold=None,
        )  # fmt: skip
        plot.axis.visible = False
        plot.grid.visible = False
        plot.on_event(RangesUpdate, lambda event: self._moved_view())
        plot.on_event(MouseMove, self._move)
        for name in ("inner_width", "inner_height"):
            plot.on_change(name, self.page.watch(self._resize))

    def _make_layers(self) -> None:
        plot = self.figure
        self.pictures = ColumnDataSource(dict(EMPTY_IMAGE))
        self.maps = ColumnDataSource(dict(EMPTY_IMAGE))
        image = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        plot.image_rgba(source=self.pictures, **image)
        self.map_glyph = plot.image_rgba(source=self.maps, global_alpha=0.6, **image)
        self.areas = ColumnDataSource({"xs": [], "ys": [], "fill": [], "width": [], "casing": []})
        self.casing = plot.multi_polygons(
            xs="xs", ys="ys", source=self.areas, fill_alpha=0, line_color="white", line_width="casing"
        )
        self.area_glyph = plot.multi_polygons(
            xs="xs", ys="ys", source=self.areas, fill_color="fill", fill_alpha=0.25, line_color="fill",
            line_width="width", line_alpha=1.0,
        )  # fmt: skip
        self.dots = ColumnDataSource({"x": [], "y": [], "fill": [], "size": []})
        self.dot_glyph = plot.scatter(
            "x", "y", source=self.dots, fill_color="fill", line_color="white", size="size", line_width=1.5
        )
        self.numbers = ColumnDataSource({"x": [], "y": [], "text": []})
        self.number_glyph = plot.text(
            "x", "y", "text", source=self.numbers, text_align="center", text_baseline="middle", text_color="white",
            text_font_size="11px", text_font_style="bold", background_fill_color="#222222",
            background_fill_alpha=0.85, padding=2, border_radius=2,
        )  # fmt: skip
        self.cross = ColumnDataSource({"x": [], "y": []})
        plot.scatter("x", "y", source=self.cross, marker="cross", size=18, line_color="white", line_width=4)
        plot.scatter("x", "y", source=self.cross, marker="cross", size=16, line_color="#d00000", line_width=1.5)
        self.targets = ColumnDataSource({"x": [], "y": []})
        for size, colour in ((34, "white"), (30, "#d00000")):
            plot.scatter("x", "y", source=self.targets, marker="circle", size=size, fill_alpha=0, line_color=colour,
                         line_width=2)  # fmt: skip
        self.border = Span(dimension="height", line_color="white", line_width=2, visible=False)
        plot.add_layout(self.border)
        self._add_ground()

    def _add_ground(self) -> None:
        """Scale bar and north arrow where the place is known; a bar in pixels elsewhere."""
        unit, known = ("m", ["cm", "m", "km"]) if self.ground else ("px", ["px"])
        self.extent = Range1d(0, 1)  # of the view, in the unit of the bar
        self.figure.add_layout(ScaleBar(
            range=self.extent, unit=unit, dimensional=Metric(base_unit=unit, include=known, ticks=TICKS),
            location="bottom_left", background_fill_alpha=0.75, bar_length=0.12, padding=6, margin=8,
            border_line_color=None, label_text_font_size="12px",
        ))  # fmt: skip
        if not self.ground:
            return
        angle, long = math.radians(self.ground.north), 30
        across, up = math.sin(angle) * long / 2, math.cos(angle) * long / 2
        middle = (30, 90)
        screen = {"start_units": "screen", "end_units": "screen"}
        for colour, width in (("white", 5), ("#222222", 2)):
            head = NormalHead(size=13, fill_color=colour, line_color="white")
            self.figure.add_layout(Arrow(
                x_start=middle[0] - across, y_start=middle[1] - up, x_end=middle[0] + across, y_end=middle[1] + up,
                line_color=colour, line_width=width, end=head, **screen,
            ))  # fmt: skip
        self.figure.add_layout(Label(
            x=middle[0] + 1.9 * across, y=middle[1] + 1.9 * up, x_units="screen", y_units="screen", text="N",
            text_align="center", text_baseline="middle", text_font_style="bold", text_color="#111111",
            text_font_size="15px", background_fill_color="white", background_fill_alpha=0.6, padding=1,
        ))  # fmt: skip

    # ---- what is seen

    @property
    def view(self) -> Block:
        """The pixels that are seen, which may leave the scene."""
        left, right = sorted((self.figure.x_range.start, self.figure.x_range.end))
        top, bottom = sorted((self.figure.y_range.start, self.figure.y_range.end))
        row, column = math.floor(top), math.floor(left)
        return Block(row, column, max(1, math.ceil(bottom) - row), max(1, math.ceil(right) - column))

    def _resize(self, attr: str, old: int, new: int) -> None:
        """The figure has another size in dots; a view has square pixels on the ground, whatever its size."""
        plot, before = self.figure, self.across
        if attr == "inner_width":
            self.across = new or self.across
        else:
            self.down = new or self.down
        self._sized.add(attr)
        if len(self._sized) < 2:
            return
        if self._fitted:
            self.fit()
            return
        middle = ((plot.x_range.start + plot.x_range.end) / 2, (plot.y_range.start + plot.y_range.end) / 2)
        self._set_view(*middle, abs(plot.x_range.end - plot.x_range.start) / before)

    def fit(self) -> None:
        """Show all of the scene."""
        across, down = self.across, self.down
        scale = 1.02 * max(self.width / across, self.height * self.tall / down)
        self._set_view(self.width / 2, self.height / 2, scale)
        self._fitted = True

    def zoom(self, factor: float) -> None:
        """Show more (above 1) or less around the cursor, or the middle where it is outside."""
        plot, view = self.figure, self.view
        row, column = self.cursor
        inside = view.row <= row < view.row + view.height and view.column <= column < view.column + view.width
        x = column + 0.5 if inside else view.column + view.width / 2
        y = row + 0.5 if inside else view.row + view.height / 2
        self._set_view(x, y, factor * abs(plot.x_range.end - plot.x_range.start) / self.across)

    def go(self, row: int, column: int, wide: int | None = None) -> None:
        """Show the surroundings of a pixel, ``wide`` pixels across at most where given, and put the cursor there."""
        plot = self.figure
        scale = abs(plot.x_range.end - plot.x_range.start) / self.across
        if wide:
            scale = min(scale, wide / self.across)
        self.set_cursor(row, column)
        self._set_view(column + 0.5, row + 0.5, scale)

    def _set_view(self, x: float, y: float, scale: float) -> None:
        """Show the surroundings of a place, ``scale`` columns for a dot."""
        self._fitted = False
        plot = self.figure
        across, down = self.across, self.down
        scale = max(scale, CLOSE / across)
        wide, high = scale * across / 2, scale * down / self.tall / 2
        plot.x_range.update(start=x - wide, end=x + wide)
        plot.y_range.update(start=y + high, end=y - high)
        self.look()

    def _moved_view(self) -> None:
        self._fitted = False
        self.look()

    def look(self) -> None:
        """Paint what is seen now; while a painting is under way the next one waits."""
        if not self._painting.request():
            return
        view = self.view
        self.session.show(view)
        self.border.update(location=view.column + self.swipe * view.width, visible=self.swipe < 1)
        self.extent.end = view.width * (self.ground.across if self.ground else 1)
        self.session.run(self._painting.work)

    def _paint(self) -> None:
        self.page.soon(functools.partial(self._use, *self._painted()))

    def _use(self, picture: dict[str, Any], classes: dict[str, Any] | None) -> None:
        self.pictures.data = picture
        self.maps.data = classes or dict(EMPTY_IMAGE)
        self.page.painted += 1

    def _painted(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The data of picture and map for the view."""
        view = self.view
        step = step_for(view.width, self.across)
        shown = self.session.picture.view(view, step, self.percent)
        picture = _image(as_words(shown.pixels), shown.block, shown.step)
        if self.layer is None or not self.session.map.maker:
            return picture, None
        step = step_for(view.width, self.across)
        return picture, self._paint_map(view, step)

    def _paint_map(self, view: Block, step: int) -> dict[str, Any] | None:
        top, left = min(max(view.row, 0), self.height - 1), min(max(view.column, 0), self.width - 1)
        top, left = top // step * step, left // step * step
        bottom, right = min(view.row + view.height, self.height), min(view.column + view.width, self.width)
        split = view.column + self.swipe * view.width
        right = min(right, math.ceil(split))
        if bottom <= top or right <= left:
            return None
        now, block = self.session.map, Block(top, left, bottom - top, right - left)
        rows, columns = block.slices
        ids = now.ids[rows, columns][::step, ::step]
        confidence = now.confidence[rows, columns][::step, ::step]
        if self.layer == "confidence":
            colours = paint_confidence(confidence, ids)
        else:
            colours = paint_classes(ids, self.session.store.table)
        if self.threshold > 0:
            dots = max(1, round(self.across * step / view.width))
            dots = max(1, min(dots, int((MOST_DOTS / max(1, ids.size)) ** 0.5)))
            colours = hatch(colours, (confidence < self.threshold * 255) & (ids > 0), dots)
        return _image(as_words(colours), block, step)

    # ---- the labels

    def show_labels(self, selected: int | None) -> None:
        """Draw the shapes in view; that which is selected has a thick outline."""
        store = self.session.store
        places = {one.id: place for place, one in enumerate(store.classes, 1)}
        colours = {one.id: hex_colour(one.colour) for one in store.classes}
        areas: dict[str, list[Any]] = {"xs": [], "ys": [], "fill": [], "width": [], "casing": []}
        dots: dict[str, list[Any]] = {"x": [], "y": [], "fill": [], "size": []}
        numbers: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
        for shape in store.shapes[-MOST_SHAPES:]:
            colour, form = colours.get(shape.class_id, "#808080"), shape.geometry
            if form.geom_type in ("Point", "MultiPoint"):
                for point in getattr(form, "geoms", [form]):
                    dots["x"].append(math.floor(point.x) + 0.5)
                    dots["y"].append(math.floor(point.y) + 0.5)
                    dots["fill"].append(colour)
                    dots["size"].append(14 if shape.id == selected else 9)
            else:
                parts = getattr(form, "geoms", [form])
                rings = [[part.exterior, *part.interiors] for part in parts]
                areas["xs"].append([[list(ring.coords.xy[0]) for ring in part] for part in rings])
                areas["ys"].append([[list(ring.coords.xy[1]) for ring in part] for part in rings])
                areas["fill"].append(colour)
                areas["width"].append(4 if shape.id == selected else 2)
                areas["casing"].append(9 if shape.id == selected else 4)
            middle = form.representative_point()
            numbers["x"].append(middle.x)
            numbers["y"].append(middle.y)
            numbers["text"].append(str(places.get(shape.class_id, "")))
        self.areas.data, self.dots.data, self.numbers.data = areas, dots, numbers

    def show_shapes(self, shown: bool) -> None:
        """Show or hide the labels."""
        for renderer in (self.casing, self.area_glyph, self.dot_glyph, self.number_glyph):
            renderer.visible = shown

    # ---- the cursor

    def _move(self, event: MouseMove) -> None:
        self._pointer = (event.y, event.x)
        if not self._moving:
            self._moving = True
            self.page.soon(self._moved)

    def _moved(self) -> None:
        self._moving = False
        row, column = (math.floor(value) for value in self._pointer)
        if 0 <= row < self.height and 0 <= column < self.width:
            self.cursor = row, column
            if self.cross.data["x"]:
                self.cross.data = {"x": [], "y": []}
            self.page.point_at(row, column)

    def set_cursor(self, row: int, column: int) -> None:
        """Put the cursor of the keyboard on a pixel, and show it."""
        row, column = min(max(row, 0), self.height - 1), min(max(column, 0), self.width - 1)
        self.cursor = row, column
        self.cross.data = {"x": [column + 0.5], "y": [row + 0.5]}
        view = self.view
        if not (view.row <= row < view.row + view.height and view.column <= column < view.column + view.width):
            plot = self.figure
            scale = abs(plot.x_range.end - plot.x_range.start) / self.across
            self._set_view(column + 0.5, row + 0.5, scale)
        self.page.point_at(row, column)

    def describe(self, row: int, column: int) -> None:
        """Show the coordinates of a pixel, its class in the map and how sure it is."""
        words = [f"column {column + 1}, row {row + 1}"]
        place = self.session.scene.georeference
        if place:
            x, y = place.map_coordinates(column + 0.5, row + 0.5)
            digits = 6 if abs(x) <= 360 and abs(y) <= 360 else 1
            words.append(f"{x:.{digits}f}, {y:.{digits}f}{f' ({crs_name(place.crs)})' if place.crs else ''}")
        now = self.session.map
        number = int(now.ids[row, column])
        name = next((one.name for one in self.session.store.classes if one.id == number), None)
        if name:
            words.append(f"map: {name} ({now.confidence[row, column] / 255:.0%})")
        self.place.update(text=escape(" · ".join(words)), visible=True)


def _image(words: Any, block: Block, step: int) -> dict[str, Any]:
    high, wide = -(-block.height // step) * step, -(-block.width // step) * step
    return {"image": [words], "x": [block.column], "y": [block.row], "dw": [wide], "dh": [high]}
