"""The registry, and all figures of a run that it holds."""

from dataclasses import replace

import numpy as np
from PIL import Image

from hsi.core.labels import default_table
from hsi.core.scene import scene_from_array
from hsi.report.figures import RUN_FIGURES, Ground, RunFigures, class_spectra, figure, write_figures
from tests.report.figures.test_charts import CALIBRATION, HISTORY

TABLE = default_table([1, 2, 3, 4])


def test_all_figures_of_a_run(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, (40, 50))
    ids = np.where(rng.random(truth.shape) < 0.9, truth, 1)
    ids[ids == 0] = 2
    run = RunFigures(
        title="Test",
        table=TABLE,
        ids=ids,
        picture=rng.integers(0, 256, (40, 50, 3)).astype(np.uint8),
        truth=truth,
        tested=truth > 0,
        matrix=rng.integers(0, 50, (4, 4)),
        history=HISTORY,
        calibration=CALIBRATION,
        split=rng.integers(0, 4, (40, 50)),
        confidence=rng.random((40, 50)),
        spectra=class_spectra(scene_from_array(rng.random((40, 50, 6))), truth - 1, 4),
        ground=Ground(30.0, 30.0, 0.0),
    )
    paths = write_figures(tmp_path / "figures", run.drawings())
    assert [path.stem for path in paths] == list(RUN_FIGURES)
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert 600 < picture.width < 3000
            assert 300 < picture.height < 2500


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
