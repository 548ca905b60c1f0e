"""What the page can do with the labels: the next place, the network, the accuracy, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import Button, Column, Div, InlineStyleSheet, Row, Select, Widget

from hsi.labelling.network import MODELS

if TYPE_CHECKING:
    from hsi.labelling.page.page import Page
    from hsi.labelling.suggest import Place

AROUND = 120  # pixels that are seen around a suggested place
LAST_MS = 1500  # for the last messages to arrive
NOTES = """
:host { font-size: 13px; line-height: 1.4; overflow-wrap: anywhere; }
.doubt { color: #7a4b00; } .sure { font-weight: 600; } .soft { color: #52606d; }
code { display: block; font-size: 11px; margin: 4px 0; padding: 3px 5px; background: #f2f4f5; word-break: break-all; }
"""


class Actions:
    """The panels of map and accuracy, and the buttons of what is done with the labels."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.session
        style = InlineStyleSheet(css=NOTES)
        self.map_state = Div(text="", stylesheets=[style], sizing_mode="stretch_width")
        self.accuracy = Div(text="", stylesheets=[style], sizing_mode="stretch_width")
        self.next = Button(label="Where next? (N)", width=130, button_type="primary")
        self.train = Button(label="Train network", width=116)
        self.model = Select(options=list(MODELS), value=MODELS[0], width=150)
        self.cancel = Button(label="Cancel", width=70, visible=False)
        self.finish = Button(label="Finish", width=76, button_type="success")
        guard = page.guard
        self.next.on_click(guard(lambda event: self.next_place()))
        self.train.on_click(guard(lambda event: self.train_network()))
        self.cancel.on_click(guard(lambda event: self.session.cancel_training()))
        self.finish.on_click(guard(lambda event: self.end()))
        self.buttons = Row(self.finish, name="buttons")
        self.layout = Column(
            self.next, Row(self.train, self.model, self.cancel), self.map_state, page.status, name="actions",
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.accuracy_layout = Column(self.accuracy, name="accuracy", sizing_mode="stretch_width")
        self.labels_changed()
        self.map_changed()
        self.accuracy_changed()
        self.training_changed()

    def labels_changed(self) -> None:
        """The labels have changed."""
        drawn = {shape.class_id for shape in self.session.store.shapes}
        self._too_few = len(drawn) < 2
        self.train.disabled = self._too_few
        self.finish.disabled = self._too_few or self.session.busy

    def map_changed(self) -> None:
        """The map has changed."""
        now = self.session.map
        share = "" if now.done >= 1 else f", {now.done:.0%} of the scene"
        text = f"Shown: {now.maker}{share}" if now.maker else "Draw in two classes or more to get a map."
        self.map_state.text = self.page.plain(text)

    def accuracy_changed(self) -> None:
        """The accuracy has been estimated again."""
        found, plain = self.session.accuracy, self.page.plain
        if found is None:
            self.accuracy.text = "<span class='soft'>not known yet</span>"
            return
        text = plain(found.text[:1].upper() + found.text[1:])
        self.accuracy.text = f"<span class='{'sure' if found.enough else 'doubt'}'>{text}.</span>"

    def next_place(self) -> None:
        """Find the place that is most useful to label, in the background, and go there."""
        if self.next.disabled:
            return
        self.next.disabled = True
        self.session.run(self._find_place)

    def _find_place(self) -> None:
        try:
            place = self.session.suggest()
            self.page.soon(lambda: self._show_place(place))
        finally:
            self.page.soon(lambda: setattr(self.next, "disabled", self.session.outcome is not None))

    def _show_place(self, place: Place | None) -> None:
        if place is None:
            self.page.hint("all useful places have been shown")
            return
        canvas = self.page.canvas
        canvas.go(place.row, place.column, AROUND)
        canvas.targets.data = {"x": [place.column + 0.5], "y": [place.row + 0.5]}
        names = {one.id: one.name for one in self.session.store.classes}
        between = " or ".join(names.get(number, str(number)) for number in place.between)
        what = f"{between}? " if between else ""
        self.page.hint(f"{what}column {place.column + 1}, row {place.row + 1}: draw here what it is")

    def train_network(self) -> None:
        """Train a network in the background."""
        self.session.train(self.model.value)
        self.page.hint("the network is trained in the background; you can go on drawing")

    def training_changed(self) -> None:
        """A network is being trained, or has been."""
        busy = self.session.busy
        self.train.visible, self.model.visible, self.cancel.visible = not busy, not busy, busy
        self.finish.disabled = busy or self._too_few

    def end(self) -> None:
        """Write the run; the page is closed when that is done."""
        self.session.write_run(self.model.value)
        self.finish.disabled = True
        self.page.hint("writing labels, model, map and report …")

    def finished(self) -> None:
        """Show what was written, and end the server."""
        outcome, plain = self.session.outcome, self.page.plain
        assert outcome is not None
        folder, document = outcome.folder.resolve(), self.page.document
        lines = "".join(f"<code>{plain(line)}</code>" for line in outcome.commands)
        self.map_state.text = f"<b>Written: {plain(str(folder))}</b><br>The same again, from the same folder:{lines}"
        self.page.hint(f"finished: {folder}; you can close this window")
        for control in document.select({"type": Widget}):
            control.disabled = True
        document.config.update(reconnect_session=False, notify_connection_status=False)  # the server ends as it should
        document.add_timeout_callback(self.session.end, LAST_MS)
