"""How figures are written."""

import threading

import matplotlib
import numpy as np
import pytest

from hsi.core.labels import default_table
from hsi.errors import OutputError, UnknownNameError
from hsi.report.figures import Ground, write_figure
from hsi.report.figures.maps import class_map_figure
from tests.report.figures.test_maps import colours_of

TABLE = default_table([1, 2, 3, 4])


def a_map(i=1):
    return class_map_figure(np.full((20, 20), i), TABLE, "map", Ground(30, 30, 0))


def test_an_unwritable_figure_and_an_unknown_format_are_named(tmp_path):
    (tmp_path / "map.png").mkdir()
    with pytest.raises(OutputError, match=r"map\.png"):
        write_figure(tmp_path / "map.png", a_map())
    with pytest.raises(UnknownNameError, match="did you mean pdf"):
        write_figure(tmp_path / "map.pdd", a_map())


def test_figures_can_be_drawn_in_threads(tmp_path):
    threads = [threading.Thread(target=lambda i=i: write_figure(tmp_path / f"{i}.png", a_map(i))) for i in TABLE.ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(TABLE.colours[i - 1] in colours_of(tmp_path / f"{i}.png") for i in TABLE.ids)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file_and_settings_stay_as_they_were(tmp_path, kind):
    before = dict(matplotlib.rcParams)
    for name in "ab":
        write_figure(tmp_path / f"{name}.{kind}", a_map())
    content = (tmp_path / f"a.{kind}").read_bytes()
    assert content == (tmp_path / f"b.{kind}").read_bytes()
    assert dict(matplotlib.rcParams) == before
    if kind == "pdf":  # letters are TrueType
        assert b"/FontFile2" in content and b"/Type3" not in content
