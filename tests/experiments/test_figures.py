"""Figures of a comparison: box plot, Pareto plot, and their panels from a stored comparison."""

import numpy as np
import pytest
from PIL import Image

from hsi.experiments.figures import (
    ComparisonTold,
    boxes_of,
    frontier,
    known_costs,
    points,
    stored_boxes,
    write_comparison_figure,
    write_pareto_figure,
)
from hsi.experiments.tables import write_comparison
from hsi.report.records import read_record
from tests.experiments.conftest import compared, everything


def test_files_are_written_again_from_the_same_runs(clear, tmp_path):
    comparison = everything(compared(clear), clear)
    for _ in range(2):
        paths = [
            *write_comparison(tmp_path / "out", comparison),
            *write_comparison_figure(tmp_path / "out", comparison),
        ]
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".md", ".pdf", ".png", ".tex"]
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(paths)
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        assert min(picture.size) > 200
    assert paths[-1].read_bytes().startswith(b"%PDF")
    assert stored_boxes(read_record(tmp_path / "out" / "comparison.json", ComparisonTold)) == boxes_of(comparison)


class TestPareto:
    """Rows with costs: cheap and right, dear and better, dear and no better."""

    @pytest.fixture
    def light(self, finish):
        rows = (("cheap", 30, 10), ("dear", 10, 1000), ("idle", 20, 2000))
        runs = [finish(row, 0, wrong, parameters=cost) for row, wrong, cost in rows]
        return everything(compared(runs), runs)

    def test_the_frontier_is_what_no_cheaper_row_beats(self, light):
        found = points(light.splits[0].rows, "parameters")
        assert [point.row for point in found] == ["cheap", "dear", "idle"]
        assert [point.row for point in frontier(found)] == ["cheap", "dear"]
        assert known_costs(light.splits) == ["parameters"]

    def test_the_plot_is_written_where_networks_have_costs(self, light, finish, tmp_path):
        assert [path.name for path in write_pareto_figure(tmp_path / "out", light)] == ["pareto.png", "pareto.pdf"]
        with Image.open(tmp_path / "out" / "pareto.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5
        runs = [finish(row, 1, 5, parameters=None) for row in ("svm", "rf")]
        assert write_pareto_figure(tmp_path / "none", everything(compared(runs), runs)) == []
