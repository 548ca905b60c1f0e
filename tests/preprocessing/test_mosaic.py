"""Tiles of one scene, joined where they lie."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array, survey_scene
from hsi.errors import SceneError
from hsi.io import open_scene
from hsi.preprocessing.mosaic import join_tiles
from tests.io import file_makers
from tests.io.file_makers import NORTH_UP, small_cube

CUBE = small_cube("i2") + 1


def place(row: int, column: int) -> dict:
    return {"crs": "EPSG:32633", "transform": NORTH_UP @ rasterio.Affine.translation(column, row)}


@pytest.fixture
def tile(tmp_path):
    """A part of the cube as a file at its place."""

    def work(rows, columns, cube=CUBE, *, at=None, **options):
        path = tmp_path / f"{len([*tmp_path.iterdir()])}.tif"
        row, column = at or (rows.start or 0, columns.start or 0)
        return open_scene(file_makers.tiff(path, cube[rows, columns], **{**place(row, column), **options}))

    return work


def test_two_by_two_with_an_overlap(tile):
    parts = [((0, 6), (0, 4)), ((0, 6), (3, 7)), ((4, 11), (0, 4)), ((6, 11), (4, 7))]
    tiles = [tile(slice(*rows), slice(*columns)) for rows, columns in parts]
    for order in (tiles, tiles[::-1]):
        scene = join_tiles(order)
        np.testing.assert_array_equal(scene.read(), CUBE)
        assert scene.georeference.transform == tuple(NORTH_UP)[:6]
        block = Block(3, 2, 5, 4)
        np.testing.assert_array_equal(scene.keep_bands([0, 3]).read(block), CUBE[block.slices][..., [0, 3]])
        assert scene.tiles == tuple(one.source for one in order)


@pytest.mark.parametrize(("dtype", "nodata"), [("i2", None), ("i2", -9), ("f4", None), ("f4", -9)])
def test_the_first_with_data_counts_and_gaps_are_no_data(dtype, nodata, tile):
    cube = CUBE.astype(dtype)
    first, second = cube.copy(), cube + 100
    first[2, 2] = 0 if nodata is None else nodata
    first[3, 3, 0] = -9  # of one band only
    options = {"nodata": nodata}
    scene = join_tiles([
        tile(slice(0, 5), slice(0, 5), first, **options), tile(slice(1, 8), slice(0, 7), second, **options)
    ])  # fmt: skip
    expected = second.copy()
    expected[:5, :5] = first[:5, :5]
    expected[2, 2] = second[2, 2]
    valid = np.zeros((8, 7), bool)
    valid[:5, :5], valid[1:8] = True, True
    if nodata:
        valid[3, 3] = False
    np.testing.assert_array_equal(scene.read()[valid], expected[:8][valid])
    np.testing.assert_array_equal(survey_scene(scene).valid, valid)


@pytest.mark.parametrize(("dtype", "fill"), [("i2", -9999), ("u2", 65535), ("f4", -9999), ("f4", -3.4028235e38)])
def test_fill_that_no_file_declares_does_not_hide_a_neighbour(dtype, fill, tile):
    cube = CUBE.astype(dtype)
    first = cube.copy()
    first[:, 4:] = fill
    scene = join_tiles([tile(slice(0, 11), slice(0, 7), first), tile(slice(0, 6), slice(3, 7), cube)])
    np.testing.assert_array_equal(scene.read()[:6], cube[:6])
    assert not survey_scene(scene).valid[6:, 4:].any()  # where no tile has data


def test_tiles_that_are_far_from_each_other_are_warned_of(tile):
    with report_to(recorder := Recorder()):
        scene = join_tiles([tile(slice(0, 4), slice(0, 4)), tile(slice(0, 4), slice(0, 4), at=(20, 30))])
    assert scene.shape == (24, 34, 5)
    assert recorder.warnings[0].startswith("the tiles cover 3.9% of the rectangle around them")


def test_different_nodata_values(tile):
    one, other = CUBE.copy(), CUBE.copy()
    one[1, 1], one[2, 2], other[8, 0] = -9, -5, -5  # -5 is a number in the first
    scene = join_tiles([
        tile(slice(0, 6), slice(0, 7), one, nodata=-9), tile(slice(6, 11), slice(0, 7), other, nodata=-5)
    ])  # fmt: skip
    assert np.argwhere(~survey_scene(scene).valid).tolist() == [[1, 1], [8, 0]]
    assert (scene.dtype, scene.read()[2, 2, 0]) == (np.float32, -5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"crs": "EPSG:32634"}, "its CRS is EPSG:32634"),
        ({"transform": NORTH_UP @ rasterio.Affine.translation(0.4, 6)}, "it lies on another grid"),
        ({"transform": NORTH_UP @ rasterio.Affine.scale(2)}, "pixels of 60 x 60 metre and 30 x 30 metre"),
        ({"cube": CUBE[:, :, :4]}, "it has 4 bands, not 5"),
        ({"cube": CUBE.astype("f4")}, "its values are float32, not int16"),
    ],
)
def test_what_does_not_fit_is_named(changed, says, tile):
    first, other = tile(slice(0, 6), slice(0, 7)), tile(slice(6, 11), slice(0, 7), **changed)
    with pytest.raises(SceneError, match=says) as caught:
        join_tiles([first, other])
    assert str(caught.value).startswith(f"{other.source}: does not join {first.source}: ")


def test_other_wavelengths_and_no_place(tile):
    first = replace(tile(slice(0, 6), slice(0, 7)), wavelengths=(400, 500, 600, 700, 800))
    with pytest.raises(SceneError, match="its band 2 is at 501 nm, not 500 nm"):
        join_tiles([first, replace(first, wavelengths=(400, 501, 600, 700, 800))])
    with pytest.raises(SceneError, match="scene: has no place on the ground, by which tiles are joined"):
        join_tiles([first, scene_from_array(CUBE)])
