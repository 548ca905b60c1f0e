"""What lies over the picture, and what the picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bokeh.models import Column as Stack
from bokeh.models import Div, RadioButtonGroup, Row, Select, Slider, TextInput, Toggle

from hsi.errors import UsageError
from hsi.labelling.page.painting import confidence_shades
from hsi.labelling.picture import band_channels, component_channels, wavelength_channels

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page

LAYERS = ("map", "confidence", None)
SHADES = ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in confidence_shades()[::32].tolist())
LEGEND = (
    f"<div style='width: 180px; height: 10px; background: linear-gradient(to right, {SHADES})'></div>"
    "<div style='width: 180px; display: flex; justify-content: space-between; font-size: 12px'>"
    "<span>0 %</span><span>confidence</span><span>100 %</span></div>"
)
STRETCHES = {"0.5": 0.5, "1": 1.0, "2": 2.0, "5": 5.0}
WRAP = {"flex-wrap": "wrap", "align-items": "end"}
WAVELENGTHS, COMPONENTS, BANDS = "true colour or near it", "components 1 to 3", "three bands"


class Layers:
    """Controls of the layers and of the picture."""

    def __init__(self, page: Page) -> None:
        self.page, self.canvas = page, page.canvas
        watch = page.watch
        self.layer = RadioButtonGroup(labels=["Map", "Confidence", "None"], active=0, width=200)
        self.labels = Toggle(label="Labels", active=True, width=64, button_type="primary")
        self.opacity = Slider(title="Opacity", start=0, end=1, value=0.6, step=0.05, width=90)
        self.swipe = Slider(title="Swipe", start=0, end=1, value=1, step=0.01, width=90)
        self.threshold = Slider(title="Hatch below", start=0, end=0.95, value=0, step=0.05, width=100)
        self.channels = Select(options=[WAVELENGTHS, COMPONENTS, BANDS], value=WAVELENGTHS, width=170, title="Picture")
        self.bands = TextInput(placeholder="50,27,17", width=90, title="Bands", visible=False)
        self.stretch = Select(
            options=[(key, f"{key} % cut") for key in STRETCHES], value="2", width=84, title="Contrast"
        )
        self.legend = Div(text=LEGEND, visible=False, width=190)
        self.layer.on_change("active", watch(lambda attr, old, new: self._choose(LAYERS[new])))
        self.labels.on_change("active", watch(lambda attr, old, new: self._show_labels(new)))
        self.opacity.on_change("value", watch(lambda attr, old, new: self._fade(new)))
        self.swipe.on_change("value", watch(lambda attr, old, new: self._set("swipe", new)))
        self.threshold.on_change("value", watch(lambda attr, old, new: self._set("threshold", new)))
        self.channels.on_change("value", watch(self._channels))
        self.bands.on_change("value", watch(self._channels))
        self.stretch.on_change("value", watch(lambda attr, old, new: self._set("percent", STRETCHES[new])))
        self.layout = Stack(
            Row(self.layer, self.labels, self.opacity, self.swipe, self.threshold, styles=WRAP, spacing=8),
            Row(self.channels, self.bands, self.stretch, self.legend, styles=WRAP),
            name="layers", sizing_mode="stretch_width",
        )  # fmt: skip

    def next_layer(self) -> None:
        """Map, then confidence, then neither."""
        self.layer.active = (self.layer.active + 1) % len(LAYERS)

    def switch_labels(self) -> None:
        """Show or hide the labels."""
        self.labels.active = not self.labels.active

    def _choose(self, layer: str | None) -> None:
        self.canvas.layer = layer
        self.legend.visible = layer == "confidence"
        self.canvas.look()

    def _show_labels(self, shown: bool) -> None:
        self.canvas.show_shapes(shown)

    def _fade(self, opacity: float) -> None:
        self.canvas.map_glyph.glyph.global_alpha = opacity

    def _set(self, name: str, value: float) -> None:
        setattr(self.canvas, name, value)
        self.canvas.look()

    def _channels(self, *change: Any) -> None:
        """Show other channels; those that have to be computed are in the background."""
        self.bands.visible = self.channels.value == BANDS
        session = self.page.session
        if self.channels.value == BANDS:
            if not self.bands.value.strip():
                self.page.hint("type the numbers of three bands of the file for red, green and blue, such as 50,27,17")
                return
            positions = self._positions(self.bands.value)
            session.run(lambda: session.show_channels(lambda scene: band_channels(scene, positions)))
        elif self.channels.value == COMPONENTS:
            session.run(lambda: session.show_channels(lambda scene: component_channels(scene, session.valid)))
        else:
            session.run(lambda: session.show_channels(wavelength_channels))

    def _positions(self, text: str) -> list[int]:
        """Positions of bands that are given by their numbers in the file, from 1."""
        bands = list(self.page.session.scene.bands)
        try:
            numbers = [int(word) for word in text.replace(" ", ",").split(",") if word]
        except ValueError:
            raise UsageError(f"'{text}': three numbers of bands are wanted, such as 50,27,17") from None
        missing = [number for number in numbers if number - 1 not in bands]
        if missing or len(numbers) != 3:
            fault = f"band {missing[0]} is not used" if missing else f"{len(numbers)} bands are given, not 3"
            raise UsageError(f"{fault}: give three of the numbers {bands[0] + 1} to {bands[-1] + 1}")
        return [bands.index(number - 1) for number in numbers]
