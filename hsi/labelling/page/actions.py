"""What the page can do with the labels: the next place, the network, the accuracy, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import Button, Column, Div, Row

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page


class Actions:
    """The panel of the map and the buttons at the top."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.session
        self.map_state = Div(text="", css_classes=["notes"], sizing_mode="stretch_width")
        self.finish = Button(label="Finish", width=76, button_type="success")
        self.finish.on_click(page.guard(lambda *event: self.end()))
        self.buttons = Row(self.finish, name="buttons", css_classes=["line"])
        self.layout = Column(self.map_state, name="actions", sizing_mode="stretch_width")

    def labels_changed(self) -> None:
        """The labels have changed."""

    def map_changed(self) -> None:
        """The map has changed."""
        now = self.session.map
        share = "" if now.done >= 1 else f", {now.done:.0%} of the scene"
        text = f"Map: {now.maker}{share}" if now.maker else "Draw in one or more classes to get a map."
        self.map_state.text = self.page.plain(text)

    def next_place(self) -> None:
        """Go to the most useful place."""

    def end(self) -> None:
        """Finish."""
        self.page.hint("bye")
