"""The registry of figures; tests of ``hsi plot`` draw all that it holds."""

from dataclasses import replace

import numpy as np

from hsi.core.labels import default_table
from hsi.report.figures import RUN_FIGURES, RunFigures, figure

TABLE = default_table([1, 2, 3, 4])


def test_without_truth_only_the_map_is_drawn():
    run = RunFigures("New image", TABLE, np.ones((10, 10), int), np.zeros((10, 10, 3), np.uint8))
    assert list(run.drawings()) == ["map", "false_colour"]


def test_a_registered_figure_is_drawn_where_its_parameters_are_given(monkeypatch):
    monkeypatch.setitem(RUN_FIGURES, "sum", None)

    @figure("sum", "truth and confidence, added")
    def sum_figure(truth, confidence, title, ground=None):
        return f"{title}: {truth + confidence}"

    run = RunFigures("Test", TABLE, np.ones((2, 2), int), truth=1)
    assert RUN_FIGURES["sum"].shows == "truth and confidence, added"
    assert "sum" not in run.drawings()
    assert replace(run, confidence=2).drawings()["sum"]() == "Test: 3"
