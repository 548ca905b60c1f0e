"""Charts inside the page."""

import re

from hsi.report.html.charts import above, number, reliability_chart, ticks, training_charts


def test_ticks_are_round_and_inside():
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(3, 3) == [3]
    assert (above(93), above(100), above(0.0014), above(0)) == (100, 100, 0.0015, 0)
    assert [number(v) for v in (0, 20, 0.0025, 1e6, 1234)] == ["0", "20", "2.5e-3", "1e6", "1,234"]


def test_a_single_epoch_and_curves_without_validation():
    entry = {"epoch": 1, "loss": 0.0, "accuracy": 1.0, "validation_accuracy": None, "lr": 0.0}
    charts = dict(training_charts([entry]))
    assert list(charts) == ["Loss", "Training accuracy", "Learning rate"] and "circle" in charts["Loss"]
    assert "second" in dict(training_charts([entry | {"validation_accuracy": 0.5}] * 2))["Accuracy"]
    assert training_charts([]) == []


def test_points_lie_where_they_should():
    bins = [{"low": 0.0, "high": 1.0, "pixels": 4, "confidence": 0.5, "accuracy": 0.25}]
    dot = re.search(r'circle class="dot first" cx="([\d.]+)" cy="([\d.]+)"', reliability_chart({"bins": bins}))
    assert tuple(map(float, dot.groups())) == (54 + 0.5 * (380 - 66), 300 - 38 - 0.25 * (300 - 48))
