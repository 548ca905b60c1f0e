"""Shapes from corners, strokes and spectra."""

import numpy as np
import pytest

from hsi.core.scene import Block
from hsi.errors import LabelError
from hsi.labelling import regions


def pixels(geometry, shape=(20, 30)):
    from rasterio.features import rasterize

    return rasterize([geometry], out_shape=shape).astype(bool)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 4), (3, 9), (5, 25)])
def test_brush_covers_its_pixels(size, count):
    drawn = pixels(regions.brush_stroke([(10.4, 8.9)], size, (20, 30)))
    assert drawn.sum() == count and drawn[8, 10]


def test_brush_leaves_no_gap_and_is_cut_at_the_edge():
    drawn = pixels(regions.brush_stroke([(2, 2), (25, 15), (28, 3)], 1, (20, 30)))
    rows, columns = np.nonzero(drawn)
    assert set(range(2, 29)) <= set(columns.tolist()) and rows.max() == 15
    assert pixels(regions.brush_stroke([(-1, -1), (1, 1)], 3, (20, 30))).sum() == 9
    with pytest.raises(LabelError, match="inside"):
        regions.brush_stroke([(50, 50)], 3, (20, 30))


def test_mask_returns_as_it_was():
    mask = np.random.default_rng(0).random((20, 30)) < 0.4
    assert np.array_equal(pixels(regions.mask_polygon(mask)), mask)
    part = regions.mask_polygon(mask[5:9, 7:12], 5, 7)
    assert np.array_equal(pixels(part)[5:9, 7:12], mask[5:9, 7:12])


def test_angles_do_not_depend_on_brightness():
    cube = np.array([[[1, 0], [5, 0], [0, 2], [3, 3], [0, 0]]])
    angles = regions.spectral_angles(cube, np.array([2, 0]))
    assert angles[0, :4] == pytest.approx([0, 0, 90, 45], abs=1e-4) and np.isnan(angles[0, 4])


def test_region_grows_to_the_threshold_and_not_over_gaps():
    angles = np.full((20, 30), 10, np.float32)
    angles[4:9, 5:10], angles[6, 7], angles[4:9, 15:20] = 1, 10, 1
    grown = pixels(regions.grow_region(angles, 2, 5, 6))
    assert grown.sum() == 25 and grown[6, 7], "a hole of one pixel is filled, and the second field is another"
    inside = regions.grow_region(angles[4:, 5:], 2, 5, 6, Block(4, 5, 16, 25))
    assert np.array_equal(pixels(inside), grown)
    assert pixels(regions.grow_region(angles, 20, 5, 6)).all()
    assert pixels(regions.grow_region(np.full((20, 30), np.nan, np.float32), 2, 5, 6)).sum() == 1


def test_polygon_has_three_corners():
    assert regions.polygon([(0, 0), (4, 0), (4, 4)]).area == 8
    with pytest.raises(LabelError, match="three corners"):
        regions.polygon([(0, 0), (4, 0)])
    assert regions.rectangle((5, 6), (1, 2)).bounds == (1, 2, 5, 6)
