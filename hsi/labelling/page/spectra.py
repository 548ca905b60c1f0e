"""The spectrum under the cursor with the means and the spread of the classes."""

from __future__ import annotations

import functools
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import BoxAnnotation, Button, ColumnDataSource, InlineStyleSheet, Range1d, Row
from bokeh.models import Column as Stack
from bokeh.plotting import figure
from numpy.typing import NDArray

from hsi.core.colours import INK, hex_colour
from hsi.core.scene import Block
from hsi.labelling.page.latest_work import LatestWork
from hsi.labelling.shapes import DrawnPixels, Shape

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page

Vector = NDArray[np.float64]
MOST_PIXELS = 20_000  # of a shape whose spectra are averaged
HOLE = 2.5  # times the usual step between wavelengths
FOCUSED = ":host(:focus-within) { outline: 2px solid #111827; }"
DASHES = ([6], [2, 4], [2, 4, 6, 4], [6, 4, 2, 4])


class Spectra:
    """A plot of the spectrum under the cursor, pinned ones, and the classes' means with one standard deviation."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.session
        scene = self.session.scene
        known = scene.wavelengths is not None
        self.places: Vector = np.asarray(scene.wavelengths if known else [band + 1 for band in scene.bands], np.float64)
        self._sums: dict[int, tuple[Any, int, Vector, Vector]] = {}
        self._averaging = LatestWork(self._average)
        self._order = np.argsort(self.places, kind="stable")
        every = np.sort(self._all_places())
        self.figure = plot = figure(
            height=230, sizing_mode="stretch_both", min_height=150, toolbar_location=None, tools="xwheel_zoom,xpan",
            x_axis_label="wavelength (nm)" if known else "band", x_range=Range1d(every[0], every[-1]),
            min_border=4, min_border_right=16, outline_line_color=None, stylesheets=[InlineStyleSheet(css=FOCUSED)],
        )  # fmt: skip
        plot.axis.axis_label_text_font_style = "normal"
        plot.axis.axis_label_text_font_size = plot.axis.major_label_text_font_size = "11px"
        plot.grid.grid_line_color = "#eeeeee"
        plot.yaxis.formatter.use_scientific = False
        for left, right in self._gaps(every):
            plot.add_layout(BoxAnnotation(left=left, right=right, fill_color="#888888", fill_alpha=0.22,
                                          line_color=None))  # fmt: skip
        self.spread = ColumnDataSource({"x": [], "low": [], "high": []})
        self.means = ColumnDataSource({"xs": [], "ys": [], "colour": [], "width": []})
        self.pins = ColumnDataSource({"xs": [], "ys": [], "dash": []})
        self.now = ColumnDataSource(self._first())
        self.area = plot.varea("x", "low", "high", source=self.spread, fill_alpha=0.3, fill_color="#888888")
        plot.multi_line("xs", "ys", source=self.means, line_color="colour", line_width="width")
        plot.multi_line("xs", "ys", source=self.pins, line_color="#555555", line_width=1.5, line_dash="dash")
        plot.line("x", "y", source=self.now, line_color=INK, line_width=2)
        pin, clear = Button(label="Pin (S)", width=70), Button(label="Remove pins (X)", width=120)
        pin.on_click(page.guard(lambda *event: self.pin()))
        clear.on_click(page.guard(lambda *event: self.remove_pins()))
        self.layout = Stack(plot, Row(pin, clear, css_classes=["line"]), name="spectra", sizing_mode="stretch_both")

    def _first(self) -> dict[str, list[float]]:
        """A spectrum to begin with: that in the middle, or zeros where it cannot be used."""
        height, width, bands = self.session.scene.shape
        spectrum = self.session.spectrum(height // 2, width // 2)
        xs, ys = self.broken(np.zeros(bands) if spectrum is None else spectrum)
        return {"x": xs, "y": ys}

    def _all_places(self) -> Vector:
        """Wavelengths, or numbers, of all bands of the file."""
        full = self.session.full_scene
        places = full.wavelengths if self.session.scene.wavelengths is not None else [b + 1 for b in full.bands]
        return np.asarray(places, np.float64)

    def _gaps(self, every: Vector) -> list[tuple[float, float]]:
        """Where bands are left out: bad, useless or not wanted."""
        used = set(self.places.tolist())
        gaps: list[tuple[float, float]] = []
        step = float(np.median(np.diff(every))) if len(every) > 1 else 1.0
        for place in every.tolist():
            if place in used:
                continue
            if gaps and place - gaps[-1][1] <= HOLE * step:
                gaps[-1] = gaps[-1][0], place + step / 2
            else:
                gaps.append((place - step / 2, place + step / 2))
        return gaps

    def broken(self, values: Vector) -> tuple[list[float], list[float]]:
        """Places and values in order of wavelengths, with NaN where bands are missing between."""
        xs, ys = self.places[self._order], values[self._order]
        steps = np.diff(xs)
        holes = np.flatnonzero(steps > HOLE * np.median(steps)) + 1 if len(steps) else np.zeros(0, np.int64)
        return np.insert(xs, holes, np.nan).tolist(), np.insert(ys, holes, np.nan).tolist()

    def point_at(self, row: int, column: int) -> None:
        """Show the spectrum of a pixel."""
        spectrum = self.session.spectrum(row, column)
        xs, ys = self.broken(spectrum) if spectrum is not None else ([], [])
        self.now.data = {"x": xs, "y": ys}

    def pin(self) -> None:
        """Leave the spectrum under the cursor in the plot."""
        if not self.now.data["x"]:
            self.page.spectra.point_at(*self.page.canvas.cursor)
        pins = self.pins.data
        count = len(pins["xs"])
        self.pins.data = {
            "xs": [*pins["xs"], self.now.data["x"]],
            "ys": [*pins["ys"], self.now.data["y"]],
            "dash": [*pins["dash"], DASHES[count % len(DASHES)]],
        }

    def remove_pins(self) -> None:
        """Remove all pinned spectra."""
        self.pins.data = {"xs": [], "ys": [], "dash": []}

    def update(self) -> None:
        """Compute the means of the classes again, in the background."""
        if self._averaging.request():
            self.session.run(self._averaging.work)

    def _average(self) -> None:
        self.page.soon(functools.partial(self._show, self._class_lines()))

    def _class_lines(self) -> dict[int, tuple[Vector, Vector]]:
        """Mean and standard deviation ``(B,)`` of each class that has pixels."""
        drawn = self.session.store.drawn_pixels()
        sums: dict[int, tuple[Any, int, Vector, Vector]] = {}
        classes: dict[int, list[int]] = {}
        for shape in self.session.store.shapes:
            known = self._sums.get(shape.id)
            if known is None or known[0] is not shape.geometry:
                known = self._sum(shape, drawn)
            sums[shape.id] = known
            classes.setdefault(shape.class_id, []).append(shape.id)
        self._sums = sums
        lines = {}
        for class_id, numbers in classes.items():
            count = sum(sums[number][1] for number in numbers)
            if count:
                mean = np.sum([sums[number][2] for number in numbers], axis=0) / count
                square = np.sum([sums[number][3] for number in numbers], axis=0) / count
                lines[class_id] = mean, np.sqrt(np.maximum(square - mean**2, 0))
        return lines

    def _sum(self, shape: Shape, drawn: DrawnPixels) -> tuple[Any, int, Vector, Vector]:
        """Count, sum and sum of squares of the spectra under a shape."""
        geometry = shape.geometry
        height, width, bands = self.session.scene.shape
        west, north, east, south = geometry.bounds
        top, left = max(0, int(north)), max(0, int(west))
        bottom, right = min(height, int(south) + 1), min(width, int(east) + 1)
        total, squares, count = np.zeros(bands), np.zeros(bands), 0
        rows = max(1, MOST_PIXELS // max(1, right - left))
        for block in islice(Block(top, left, bottom - top, right - left).strips(rows), 4):
            use = (drawn.at(*np.mgrid[block.slices]) == shape.class_id) & self.session.valid[block.slices]
            if use.any():
                spectra = self.session.scene.read(block)[use].astype(np.float64)
                count, total, squares = count + len(spectra), total + spectra.sum(0), squares + (spectra**2).sum(0)
        return geometry, count, total, squares

    def _show(self, lines: dict[int, tuple[Vector, Vector]]) -> None:
        chosen = self.page.classes.chosen
        data: dict[str, list[Any]] = {"xs": [], "ys": [], "colour": [], "width": []}
        spread: dict[str, list[float]] = {"x": [], "low": [], "high": []}
        for one in self.session.store.classes:
            if one.id not in lines:
                continue
            mean, deviation = lines[one.id]
            xs, ys = self.broken(mean)
            data["xs"].append(xs)
            data["ys"].append(ys)
            data["colour"].append(hex_colour(one.colour))
            data["width"].append(2.5 if one.id == chosen else 1.2)
            if one.id == chosen:
                spread = {"x": xs, "low": self.broken(mean - deviation)[1], "high": self.broken(mean + deviation)[1]}
                self.area.glyph.fill_color = hex_colour(one.colour)
        self._lines = lines
        self.means.data, self.spread.data = data, spread

    def show_chosen(self) -> None:
        """Show the spread of the class that is chosen now."""
        self._show(getattr(self, "_lines", {}))
