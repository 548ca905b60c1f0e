"""Mean spectra of classes, and how they are drawn."""

import numpy as np
import pytest

from hsi.core.labels import default_table
from hsi.core.scene import Scene, scene_from_array
from hsi.report.figures.spectra import class_spectra, spectra_figure


class Strips(Scene):
    """A scene that is read four rows at a time."""

    def blocks(self, budget=0):
        return super().blocks(budget=4 * self.width * len(self.bands) * 8)


def test_mean_and_deviation_are_those_of_the_pixels_of_each_class():
    rng = np.random.default_rng(3)
    cube, codes = rng.normal(1000, 10, (30, 20, 7)), rng.integers(-1, 3, (30, 20))
    codes[codes == 2] = -1
    scene, calls = Strips(**vars(scene_from_array(cube))), []
    spectra = class_spectra(scene, codes, 3, lambda done, total: calls.append((done, total)))
    for code in (0, 1):
        pixels = cube[codes == code]
        assert spectra.pixels[code] == len(pixels)
        assert spectra.mean[code] == pytest.approx(pixels.mean(axis=0), rel=1e-12)
        assert spectra.deviation[code] == pytest.approx(pixels.std(axis=0, ddof=1), rel=1e-9)
    assert spectra.pixels[2] == 0 and np.isnan(spectra.mean[2]).all()
    assert calls[-1] == (30, 30) and len(calls) == 8


def test_omitted_bands_and_distant_wavelengths_are_holes():
    wavelengths = (400.0, 410.0, 420.0, 430.0, 600.0, 610.0, 620.0, 615.0, 625.0)
    cube = np.random.default_rng(0).random((4, 4, 9))
    scene = scene_from_array(cube, wavelengths=wavelengths).keep_bands([0, 1, 3, 4, 5, 6, 7, 8])
    figure = spectra_figure(class_spectra(scene, np.zeros((4, 4), int), 1), default_table([1]), "Test")
    x = figure.axes[0].lines[0].get_xdata()
    runs = [[float(v) for v in run if np.isfinite(v)] for run in np.split(x, np.flatnonzero(np.isnan(x)))]
    assert [run for run in runs if run] == [[400, 410], [430], [600, 610, 620], [615, 625]]
    assert figure.axes[0].lines[1].get_xdata().tolist() == [430]
    assert figure.axes[0].get_title(loc="left") == "class 1 (16)"
    assert "wavelength (nm)" in [text.get_text() for text in figure.texts]


def test_classes_without_a_pixel_have_no_panel_and_long_names_are_cut():
    table = default_table([1, 2, 3, 4]).renamed({1: "Buildings-Grass-Trees-Drives"})
    spectra = class_spectra(scene_from_array(np.ones((2, 2, 3))), np.array([[0, 3], [3, -1]]), 4)
    figure = spectra_figure(spectra, table, "Test")
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["Buildings-Grass-Trees-D… (1)", "class 4 (2)"]
    assert "band" in [text.get_text() for text in figure.texts]
