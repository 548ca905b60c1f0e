"""Confusion matrix, reliability diagram and training curves: the numbers that they draw."""

import numpy as np
import pytest

from hsi.accuracy.calibration import measure_calibration
from hsi.core.labels import default_table
from hsi.report.figures.charts import confusion_figure, reliability_figure, training_curves_figure

HISTORY = [
    {
        "epoch": i,
        "loss": 2.0 / i,
        "accuracy": 1 - 1 / (i + 1),
        "validation_accuracy": None if i % 2 else 0.5,
        "lr": 1e-3,
    }
    for i in range(1, 9)
]
CALIBRATION = measure_calibration(np.linspace(0.3, 1, 50), np.arange(50) % 5 > 0)


def test_confusion_rows_are_ground_truth_in_percent():
    axes = confusion_figure(np.array([[9, 1], [0, 0]]), default_table([1, 2])).axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "9\n90.0"),
        ((1, 0), "1\n10.0"),
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == ["class 1 (10)", "class 2 (0)"]


def test_training_curves_with_and_without_validation():
    alone = [{**entry, "validation_accuracy": None, "loss": 0.0} for entry in HISTORY[:1]]
    assert [len(axes.lines) for axes in training_curves_figure(alone).axes] == [1, 1, 1]
    assert [len(axes.lines) for axes in training_curves_figure(HISTORY).axes] == [1, 2, 1]
    words = [figure.axes[1].get_ylabel() for figure in map(training_curves_figure, (alone, HISTORY))]
    assert words == ["training accuracy (%)", "accuracy (%)"]
    legend = training_curves_figure(HISTORY).axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["training accuracy", "validation accuracy"]


@pytest.mark.parametrize(("classes", "least"), [(3, 6), (16, 5), (30, 4)])
def test_counts_in_cells_fit_them_and_can_be_read(classes, least):
    figure = confusion_figure(np.full((classes, classes), 12_345), default_table(range(1, classes + 1)))
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    side = axes.get_window_extent(renderer).width / classes
    for text in (axes.texts[0], axes.texts[-1]):
        box = text.get_window_extent(renderer)
        assert text.get_visible() and text.get_fontsize() >= least and max(box.width, box.height) < side


def test_reliability_shows_the_bins_that_have_pixels():
    curve, counts = reliability_figure(CALIBRATION).axes
    diagonal, line = curve.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [100, 100]]
    filled = [entry for entry in CALIBRATION["bins"] if entry["pixels"]]
    assert line.get_xdata().tolist() == pytest.approx([100 * entry["confidence"] for entry in filled])
    assert line.get_ydata().tolist() == pytest.approx([100 * entry["accuracy"] for entry in filled])
    assert sum(bar.get_height() for bar in counts.patches) == pytest.approx(100)
    assert f"{CALIBRATION['error']:.2%}" in curve.get_title(loc="left")
