"""The pixels that trained a model: stored in few bytes, and found again on other grids."""

from dataclasses import replace

import numpy as np
import pytest

from hsi.core.scene import Georeference, scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.inference.training_pixels import runs_of, runs_to_mask, runs_to_text, text_to_runs, training_pixels

PLACE = synthetic_georeference()
CUBE = np.random.default_rng(0).uniform(1, 100, (30, 40, 5)).astype(np.float32)
USED = np.zeros((30, 40), bool)
USED[5:9, 10:20] = USED[20, 3] = True


def scene(cube=CUBE, place=PLACE):
    return replace(scene_from_array(cube), georeference=place)


def moved(columns, rows, size=1.0):
    """The grid whose first pixel begins at a column and a row of the usual one, with pixels of another size."""
    a, b, c, d, e, f = PLACE.transform
    return Georeference(PLACE.crs, (a * size, b, c + a * columns, d, e * size, f + e * rows))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 1])
def test_runs_are_the_mask(share):
    mask = np.random.default_rng(1).random((13, 17)) < share
    runs = runs_of(np.flatnonzero(mask))
    assert np.array_equal(runs_to_mask(text_to_runs(runs_to_text(runs), mask.shape), mask.shape), mask)


@pytest.mark.parametrize("runs", [[5], [-1, 2], [0, 100], [2**62, 2**62, 2**62, 2**62], [1] * 300])
def test_runs_that_are_no_part_of_a_raster_are_refused(runs):
    with pytest.raises(ValueError, match="more than their scene has"):
        text_to_runs(runs_to_text(np.array(runs)), (5, 5))


@pytest.mark.parametrize("text", ["no base64!", "AAAA", runs_to_text(np.arange(2))[:-8]])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError):
        text_to_runs(text, (5, 5))


class TestOnAnotherGrid:
    def found(self, other):
        runs = training_pixels(scene(), USED).runs_on(other)
        return None if runs is None else runs_to_mask(runs, other.shape[:2])

    def test_the_same(self):
        assert np.array_equal(self.found(scene()), USED)

    def test_a_part(self):
        assert np.array_equal(self.found(scene(CUBE[4:22, 2:30], moved(2, 4))), USED[4:22, 2:30])

    @pytest.mark.parametrize("times", [2, 3])
    def test_smaller_pixels(self, times):
        fine = np.kron(USED, np.ones((times, times), bool))
        assert np.array_equal(self.found(scene(np.zeros((*fine.shape, 5)), moved(0, 0, 1 / times))), fine)

    def test_larger_pixels(self):
        coarse = USED.reshape(10, 3, 20, 2).any(axis=(1, 3))
        a, _, c, _, e, f = PLACE.transform
        place = Georeference(PLACE.crs, (a * 2, 0, c, 0, e * 3, f))
        assert np.array_equal(self.found(scene(np.zeros((10, 20, 5)), place)), coarse)

    def test_another_crs(self):
        from rasterio.warp import calculate_default_transform

        a, _, c, _, e, f = PLACE.transform
        corners = (c, f + 30 * e, c + 40 * a, f)
        transform, width, height = calculate_default_transform(PLACE.crs, "EPSG:3857", 40, 30, *corners)
        found = self.found(scene(np.zeros((height, width, 5)), Georeference("EPSG:3857", tuple(transform)[:6])))
        assert found.mean() == pytest.approx(USED.sum() / (height * width), rel=0.3)

    def test_elsewhere(self):
        assert not self.found(scene(CUBE, moved(500, 0))).any()

    @pytest.mark.parametrize(("here", "there"), [(None, None), (None, PLACE), (PLACE, None)])
    def test_without_a_place_the_spectra_decide(self, here, there):
        trained = training_pixels(scene(place=there), USED)
        assert np.array_equal(trained.runs_on(scene(CUBE.astype(np.float64), here)), trained.runs)
        assert trained.runs_on(scene(CUBE[::-1], here)) is None
        assert trained.runs_on(scene(CUBE[:-1], here)) is None
