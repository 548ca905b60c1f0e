"""Every n-th pixel of scenes and rasters, read a few rows at a time."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hsi.core.scene import scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.io.geotiff import write_band
from hsi.report.html import read_subsampled, subsample_scene, track_reads, view_step


def a_cube(shape=(23, 31, 5)):
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)


@pytest.mark.parametrize(("height", "width", "step"), [(145, 145, 1), (1500, 20, 1), (1501, 20, 2), (40, 9000, 6)])
def test_the_longer_side_is_at_most_1500(height, width, step):
    assert view_step(height, width) == step


@pytest.mark.parametrize("step", [1, 2, 5, 40])
@pytest.mark.parametrize("rows", [None, 1, 4, 7])
def test_a_subsampled_scene_is_a_slice_read_with_few_rows_at_a_time(step, rows):
    cube, reads, place = a_cube(), [], synthetic_georeference()
    scene = scene_from_array(cube, georeference=place).keep_bands((1, 3))

    def fetch(block):
        reads.append(block.height)
        return scene.fetch(block)

    small = subsample_scene(replace(scene, fetch=fetch), step, rows)
    read = np.concatenate([small.read(block) for block in small.blocks()])
    assert_array_equal(read, cube[::step, ::step, [1, 3]])
    assert small.shape == read.shape
    assert max(reads) <= (rows or 23)
    assert small.georeference.transform[0] == place.transform[0] * step


def test_reads_are_tracked():
    calls = []
    scene = track_reads(scene_from_array(a_cube()), lambda *now: calls.append(now))
    list(map(scene.read, subsample_scene(scene, 1, 10).blocks()))
    assert calls[-3:] == [(10, 23), (20, 23), (23, 23)]


@pytest.mark.parametrize("step", [1, 2, 3, 257, 700])
def test_a_raster_is_read_by_its_tiles(tmp_path, step):
    values, calls = a_cube((600, 9)).astype(np.float32), []
    write_band(tmp_path / "a.tif", values, georeference=None)
    sampled = read_subsampled(tmp_path / "a.tif", (600, 9), step, lambda *now: calls.append(now))
    assert_array_equal(sampled, values[::step, ::step])
    assert calls == [(256, 600), (512, 600), (600, 600)]
