"""Charts as SVG inside the page, in its own colours, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 380.0, 54.0, 12.0, 10.0, 38.0
Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, some ``about`` of them."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = magnitude * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def above(high: float) -> float:
    """The round number at or above ``high`` that ends an axis from 0."""
    marks = ticks(0.0, high)
    step = marks[-1] / max(len(marks) - 1, 1)
    return high if step <= 0 or marks[-1] >= high * (1 - 1e-9) else marks[-1] + step


@dataclass(frozen=True)
class Frame:
    """Axes of a chart of ``width`` x ``height``: limits and labels of both, and whether y is logarithmic."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    logarithmic: bool = False

    def across(self, value: float) -> float:
        """The x of a value in the picture."""
        low, high = self.x
        return round(LEFT + (value - low) / ((high - low) or 1) * (self.width - LEFT - RIGHT), 2)

    def down(self, value: float) -> float:
        """The y of a value in the picture."""
        low, high = map(self._measure, self.y)
        share = (self._measure(value) - low) / ((high - low) or 1)
        return round(self.height - BOTTOM - share * (self.height - TOP - BOTTOM), 2)

    def _measure(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def line(self, points: Points, kind: str) -> str:
        """A line through points, or a dot where there is one alone; ``kind`` is its CSS class."""
        if len(points) == 1:
            return self.dots(points, kind)
        path = " ".join(f"{self.across(x)},{self.down(y)}" for x, y in points)
        return f'<polyline class="line {kind}" points="{path}"/>'

    def dots(self, points: Points, kind: str) -> str:
        """A dot at every point."""
        return "".join(
            f'<circle class="dot {kind}" cx="{self.across(x)}" cy="{self.down(y)}" r="3"/>' for x, y in points
        )

    def axes(self) -> str:
        """Grid, numbers and labels."""
        parts, right, bottom = [], self.width - RIGHT, self.height - BOTTOM
        for value in self._levels():
            y = self.down(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text x="{LEFT - 7}" y="{y + 3.5:.2f}" text-anchor="end">{number(value)}</text>')
        for value in (value for value in ticks(*self.x) if value == int(value)):
            x = self.across(value)
            parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{number(value)}</text>')
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        middle = (LEFT + right) / 2
        parts.append(
            f'<text class="label" x="{middle}" y="{self.height - 5}" text-anchor="middle">{escape(self.x_label)}</text>'
        )
        y = (TOP + bottom) / 2
        turned = f'transform="rotate(-90 11 {y})" x="11" y="{y}"'
        parts.append(f'<text class="label" {turned} text-anchor="middle">{escape(self.y_label)}</text>')
        return "".join(parts)

    def _levels(self) -> list[float]:
        if not self.logarithmic:
            return ticks(*self.y)
        low, high = self.y
        decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        return [10.0**power for power in decades] if len(decades) > 1 else [low, math.sqrt(low * high), high]

    def svg(self, label: str, *parts: str) -> Markup:
        """The chart; ``label`` describes it for screen readers."""
        size = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        return Markup(
            f'<svg class="chart" {size} role="img" aria-label="{escape(label)}">{self.axes()}{"".join(parts)}</svg>'
        )


def number(value: float) -> str:
    """A tick as short as it can be."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-2):
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
    return f"{float(f'{value:.4g}'):,g}" if abs(value) < 1e4 else f"{value:,.0f}"


def reliability_chart(calibration: Mapping[str, Any]) -> Markup:
    """Share that is right against confidence, by bins; ``calibration`` is that of a report."""
    bins = [entry for entry in calibration["bins"] if entry["pixels"]]
    points = [(100 * entry["confidence"], 100 * entry["accuracy"]) for entry in bins]
    frame = Frame(WIDTH, 300, (0, 100), (0, 100), "mean confidence of a bin (%)", "right (%)")
    gaps = "".join(frame.line([(x, x), (x, y)], "gap") for x, y in points)
    line = frame.line([(0, 0), (100, 100)], "ideal")
    label = f"Reliability of {len(bins)} bins: " + ", ".join(f"{y:.0f} % right at {x:.0f} %" for x, y in points)
    return frame.svg(label, line, gaps, frame.line(points, "first"), frame.dots(points, "first"))


def share_chart(calibration: Mapping[str, Any]) -> Markup:
    """Share of the pixels in each bin of confidence."""
    bins = calibration["bins"]
    shares = [100 * entry["pixels"] / calibration["pixels"] for entry in bins]
    frame = Frame(WIDTH, 170, (0, 100), (0, above(max(shares))), "confidence (%)", "pixels (%)")
    bars = []
    for entry, share in zip(bins, shares, strict=True):
        x, y = frame.across(100 * entry["low"]), frame.down(share)
        width, height = frame.across(100 * entry["high"]) - x - 1, frame.down(0) - y
        bars.append(f'<rect class="bar" x="{x + 0.5:.2f}" y="{y}" width="{width:.2f}" height="{height:.2f}"/>')
    return frame.svg("Share of pixels by confidence", *bars)


def training_charts(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    """Loss, accuracy and learning rate by epoch, each with its heading; validation pixels have a line of their own."""
    if not history:
        return []
    losses = _curve(history, "loss")
    shares = [_curve(history, key, 100) for key in ("accuracy", "validation_accuracy")]
    values = [loss for _, loss in losses]
    low = math.floor(min(share for curve in shares for _, share in curve) / 10) * 10.0
    logarithmic = min(values) > 0 and max(values) > 10 * min(values)
    span = (min(values), max(values)) if logarithmic else (0.0, above(max(values)))
    heading = "Accuracy" if shares[1] else "Training accuracy"
    rates = _curve(history, "lr")
    highest = above(max(rate for _, rate in rates))
    return [
        ("Loss", _by_epoch("loss", span, [("first", losses)], logarithmic)),
        (
            heading,
            _by_epoch(f"{heading.lower()} (%)", (low, 100.0), list(zip(("first", "second"), shares, strict=True))),
        ),
        ("Learning rate", _by_epoch("learning rate", (0.0, highest), [("third", rates)])),
    ]


def _curve(history: Sequence[Mapping[str, Any]], key: str, scale: float = 1) -> list[tuple[float, float]]:
    """Epochs and their value of a key; those without one are left out."""
    return [(entry["epoch"], scale * entry[key]) for entry in history if entry.get(key) is not None]


def _by_epoch(
    label: str, span: tuple[float, float], curves: Sequence[tuple[str, Points]], logarithmic: bool = False
) -> Markup:
    """A chart of curves by epoch; its label describes the first."""
    points = curves[0][1]
    first, last = points[0][0], points[-1][0]
    frame = Frame(WIDTH, 230, (first, max(last, first + 1)), span, "epoch", label, logarithmic)
    drawn = [frame.line(curve, kind) for kind, curve in curves if curve]
    return frame.svg(f"{label} by epoch, {number(points[-1][1])} in the last", *drawn)
