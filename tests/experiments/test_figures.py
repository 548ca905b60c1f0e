"""Figures of a comparison: box plot, Pareto plot, and the same from a stored comparison."""

import numpy as np
from PIL import Image

from hsi.experiments.figures import (
    ComparisonRecord,
    boxes_of,
    comparison_drawings,
    frontier,
    known_costs,
    points,
    write_comparison_figures,
)
from hsi.experiments.tables import write_comparison
from hsi.report.records import read_record
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
    stored = read_record(tmp_path / "comparison.json", ComparisonRecord)
    assert boxes_of(stored) == boxes_of(comparison)
    assert known_costs(stored.splits) == known_costs(comparison.splits) == ["parameters"]


def test_the_frontier_is_what_no_cheaper_row_beats(finish):
    rows = (("cheap", 30, 10), ("dear", 10, 1000), ("idle", 20, 2000))
    split = compared([finish(row, 0, wrong, parameters=cost) for row, wrong, cost in rows])
    placed = points(split.rows, "parameters")
    assert [point.row for point in placed] == ["cheap", "dear", "idle"]
    assert [point.row for point in frontier(placed)] == ["cheap", "dear"]


def test_costs_are_drawn_where_networks_are_compared(finish):
    runs = [finish(row, 1, 5, parameters=None) for row in ("svm", "rf")]
    assert list(comparison_drawings(everything(compared(runs), runs))) == ["comparison"]
