"""Figures of a given title, size and font."""

import numpy as np
import pytest
from PIL import Image

from hsi.core.labels import default_table
from hsi.errors import UsageError
from hsi.report.figures import ClassSpectra, Ground, Look, parse_size, write_figures
from hsi.report.figures.charts import confusion_figure, training_curves_figure
from hsi.report.figures.look import use_look
from hsi.report.figures.maps import class_map_figure, truth_and_map_figure
from hsi.report.figures.spectra import spectra_figure
from hsi.report.figures.style import finish
from tests.report.figures.test_charts import HISTORY

TABLE = default_table(range(1, 7))
IDS = np.arange(1500).reshape(30, 50) % 6 + 1
SPECTRA = ClassSpectra(np.full(6, 9), np.ones((6, 5)), np.ones((6, 5)), (1, 2, 3, 4, 5), None)
DRAWN = {
    "map": lambda: class_map_figure(IDS, TABLE, "Scene", Ground(30, 30, 0)),
    "both": lambda: truth_and_map_figure(IDS, IDS, TABLE, "Scene", Ground(30, 30, 0)),
    "matrix": lambda: confusion_figure(np.full((6, 6), 1234), TABLE),
    "curves": lambda: training_curves_figure(HISTORY),
    "spectra": lambda: spectra_figure(SPECTRA, TABLE, "Scene"),
}


@pytest.mark.parametrize("name", ["both", "matrix", "spectra"])
def test_a_figure_has_the_size_and_everything_is_on_it(name, tmp_path):
    (path,) = write_figures(tmp_path, {name: DRAWN[name]}, look=Look("A title", parse_size("11 x 7"), 6))
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
        assert picture.size == pytest.approx((1299, 827), abs=1)
    edges = [pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]]
    assert all(edge.min() == 255 for edge in edges), "something reaches over the edge"
    rows, columns = np.nonzero(pixels < 250)
    assert np.ptp(rows) > 480 or np.ptp(columns) > 900, "most of the page is empty"


def shown(name, look):
    with use_look(look):
        figure = finish(DRAWN[name]())
    words = [*figure.texts, *(axes._left_title for axes in figure.axes)]
    return figure, [text.get_text() for text in words if text.get_text()]


def test_a_title_is_on_the_figure_as_it_is():
    assert shown("map", Look("Land $cover$"))[1] == [r"Land \$cover\$"]
    assert shown("matrix", Look("Land cover"))[1] == shown("curves", Look("Land cover"))[1] == ["Land cover"]
    assert shown("curves", Look())[1] == [] and shown("map", Look())[1] == ["Scene: map"]
    assert shown("both", Look())[1] == ["Scene\nground truth", "map"]


def test_letters_are_in_proportion_to_the_font_size():
    usual, large = (shown("curves", Look(letters=letters))[0].axes[0].yaxis.label for letters in (None, 12))
    assert (usual.get_fontsize(), large.get_fontsize()) == (8, 12)


@pytest.mark.parametrize("text", ["16", "16x", "0x9", "1600x900", "axb", "16x9in", "-1x4"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="centimetres"):
        parse_size(text)


def test_a_page_that_is_too_small_and_letters_of_no_size_are_refused():
    for name in ("map", "matrix"):
        with pytest.raises(UsageError, match="too small"), use_look(Look(size=parse_size("2x2"), letters=12)):
            finish(DRAWN[name]())
    with pytest.raises(UsageError, match="3 to 72 points"):
        Look(letters=300)
