"""Reporters: what a recorder stores, and what it passes on."""

from contextlib import nullcontext

from hsi.core.events import Reporter, debug, info, progress, report_to, reporter_for, warning


class Outer(Reporter):
    def __init__(self):
        self.received = []

    def info(self, label, text):
        self.received.append(text)

    def debug(self, label, text):
        self.received.append(text)

    def warning(self, text):
        self.received.append(text)

    def progress(self, title, unit):
        return nullcontext(lambda done, total, note="": self.received.append((title, done, total, note)))


def report_everything():
    info("label", "fact")
    debug("label", "detail")
    warning("doubt")
    with progress("stage", "rows") as advance:
        advance(1, 2, "note")


def test_a_recorder_stores_and_passes_on():
    with report_to(outer := Outer()), report_to(recorder := reporter_for(None)):
        report_everything()
    assert (recorder.messages, recorder.warnings) == ([("label", "fact")], ["doubt"])
    assert outer.received == ["fact", "detail", "doubt", ("stage", 1, 2, "note")]


def test_progress_goes_to_a_function_where_one_is_given():
    stages = []
    with report_to(outer := Outer()), report_to(reporter_for(lambda *stage: stages.append(stage))):
        report_everything()
    assert (stages, outer.received) == ([("stage", 1, 2, "note")], ["fact", "detail", "doubt"])
