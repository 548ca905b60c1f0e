"""Figures of a comparison: box plot, Pareto plot, and the same from a stored comparison."""

import numpy as np
from PIL import Image

from hsi.experiments.figures import (
    COMPARISON_FIGURES,
    figure_values,
    frontier,
    points,
    read_comparison_figures,
    write_comparison_figures,
)
from hsi.experiments.tables import write_comparison
from hsi.report.figures import drawings
from tests.experiments.conftest import compared, everything


def test_files_are_written_again_from_the_same_runs(clear, tmp_path):
    comparison = everything(compared(clear), clear)
    for _ in range(2):
        paths = [*write_comparison(tmp_path, comparison), *write_comparison_figures(tmp_path, comparison)]
    assert [path.suffix for path in paths] == [".json", ".csv", ".md", ".tex", ".png", ".pdf", ".png", ".pdf"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths[4::2]:
        with Image.open(path) as picture:
            assert min(picture.size) > 200 and np.asarray(picture.convert("L")).std() > 5
    assert paths[-1].read_bytes().startswith(b"%PDF")
    stored, drawn = read_comparison_figures(tmp_path), figure_values(comparison)
    assert stored["panels"] == drawn["panels"]
    assert stored["costs"] == drawn["costs"] == ["parameters"]


def test_the_frontier_is_what_no_cheaper_row_beats(finish):
    rows = (("cheap", 30, 10), ("dear", 10, 1000), ("idle", 20, 2000))
    split = compared([finish(row, 0, wrong, parameters=cost) for row, wrong, cost in rows])
    placed = points(split.rows, "parameters")
    assert [point.row for point in placed] == ["cheap", "dear", "idle"]
    assert [point.row for point in frontier(placed)] == ["cheap", "dear"]


def test_costs_are_drawn_where_networks_are_compared(finish):
    runs = [finish(row, 1, 5, parameters=None) for row in ("svm", "rf")]
    assert list(drawings(COMPARISON_FIGURES, figure_values(everything(compared(runs), runs)))) == ["comparison"]
