"""Splits and masks read from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.io

from hsi import open_labels
from hsi.core.scene import scene_from_array
from hsi.errors import LabelError, SceneError, SceneFileError, SplitError, UsageError
from hsi.io import open_scene
from hsi.io.masks import open_mask, open_split, split_files
from tests.io import file_makers
from tests.io.file_makers import NORTH_UP, small_cube

SHAPE = (11, 7)
PARTS = np.random.default_rng(4).integers(0, 4, SHAPE).astype(np.uint8)
PLACE = {"crs": "EPSG:32616", "transform": NORTH_UP}


@pytest.fixture
def scene():
    return scene_from_array(small_cube())


def two(tmp_path: Path, train: np.ndarray, test: np.ndarray) -> str:
    files = [file_makers.npy(tmp_path / f"{name}.npy", mask) for name, mask in (("train", train), ("test", test))]
    return ",".join(map(str, files))


def test_what_a_mask_of_its_own_hides_is_not_marked(tmp_path, scene):
    path = file_makers.tiff(tmp_path / "clear.tif", np.ones(SHAPE, "u1"))
    with rasterio.open(path, "r+") as raster:
        raster.write_mask(np.where(PARTS == 1, 0, 255).astype("u1"))
    np.testing.assert_array_equal(open_mask(path, scene), PARTS != 1)


@pytest.mark.parametrize("kind", ["tif", "npy", "mat", "hdr"])
def test_one_raster_of_codes(kind, tmp_path, scene):
    path = tmp_path / f"split.{kind}"
    if kind == "tif":
        file_makers.tiff(path, PARTS)
    elif kind == "npy":
        file_makers.npy(path, PARTS)
    elif kind == "mat":
        scipy.io.savemat(path, {"split": PARTS})
    else:
        file_makers.envi(path, PARTS[:, :, None])
    np.testing.assert_array_equal(open_split(str(path), scene), PARTS)


def test_nodata_is_not_used(tmp_path, scene):
    path = tmp_path / "split.tif"
    parts = np.where(PARTS == 0, 255, PARTS).astype(np.uint8)
    file_makers.tiff(path, parts, nodata=255)
    np.testing.assert_array_equal(open_split(str(path), scene), PARTS)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_two_rasters_may_hold_class_ids(dtype, tmp_path, scene):
    train, test = (np.where(part, 9, 0).astype(dtype) for part in (PARTS == 1, PARTS == 3))
    codes = open_split(two(tmp_path, train, test), scene)
    np.testing.assert_array_equal(codes, np.where(PARTS == 2, 0, PARTS))


NAMES = [("TR", "TE"), ("train_gt", "test_gt"), ("TRLabel", "TSLabel"), ("trainset", "testset"), ("x_train", "x_test")]


@pytest.mark.parametrize("names", NAMES, ids="-".join)
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_mat_of_training_and_test_labels(names, version, tmp_path):
    ids = np.random.default_rng(1).integers(1, 4, SHAPE)
    train, test = (np.where(part, ids, 0).astype(float) for part in (PARTS == 1, PARTS == 3))
    arrays = {"input": small_cube(), names[0]: train, names[1]: test}
    path = tmp_path / "houston.mat"
    file_makers.mat(path, **arrays) if version == "5" else file_makers.mat73(path, **arrays)
    scene = open_scene(path)
    np.testing.assert_array_equal(open_split(str(path), scene), np.where(PARTS == 2, 0, PARTS))
    for given in (None, path):  # found with the scene, or named
        labels = open_labels(given, scene)
        np.testing.assert_array_equal(labels.values, np.where(np.isin(PARTS, (1, 3)), ids, 0))
        assert labels.variable == f"{names[0]} + {names[1]}"
        assert "are taken together; --split given:" in labels.notes[0]


def test_a_variable_can_still_be_named(tmp_path):
    train = np.where(PARTS == 1, 2, 0)
    path = file_makers.mat(tmp_path / "x.mat", cube=small_cube(), TR=train, TE=np.where(PARTS == 3, 1, 0))
    np.testing.assert_array_equal(open_labels(None, open_scene(path), variable="TR").values, train)


def test_arrays_that_share_pixels_are_no_training_and_test_labels(tmp_path):
    path = file_makers.mat(tmp_path / "x.mat", cube=small_cube(), TR=PARTS, TE=PARTS)
    with pytest.raises(LabelError, match="2 arrays could be the labels"):
        open_labels(None, open_scene(path))
    with pytest.raises(SplitError, match="pixels are marked for training and for the test"):
        open_split(str(path), open_scene(path))


def test_a_name_with_a_comma_is_one_file(tmp_path, scene):
    path = file_makers.npy(tmp_path / "a,b.npy", PARTS)
    assert split_files(str(path)) == (path,)
    np.testing.assert_array_equal(open_split(str(path), scene), PARTS)


def test_what_cannot_be_a_split_is_explained(tmp_path, scene):
    with pytest.raises(SceneFileError, match="no such file"):
        split_files(str(tmp_path / "none.tif"))
    codes = file_makers.npy(tmp_path / "codes.npy", PARTS * 2)
    with pytest.raises(SplitError, match=r"codes.npy: a split holds .* found also 4, 6; .*given:train.tif,test.tif"):
        open_split(str(codes), scene)
    for text in (f"{codes},{codes},{codes}", f"{codes},"):
        with pytest.raises(UsageError, match="with a comma between"):
            open_split(text, scene)
    with pytest.raises(SceneError, match=r"the split is 7 x 11, the scene .* is 11 x 7"):
        open_split(str(file_makers.npy(tmp_path / "turned.npy", PARTS.T)), scene)
    with pytest.raises(SceneError, match=r"one plane of codes, or two called TR and TE, found a .*, b "):
        open_split(str(file_makers.mat(tmp_path / "two.mat", a=PARTS, b=PARTS)), scene)
    with pytest.raises(SceneError, match=r"the mask leaves no pixel: .*give another --split given:TRAIN,TEST"):
        open_split(two(tmp_path, PARTS == 1, np.zeros(SHAPE, bool)), scene)


def test_a_split_of_another_place_is_refused(tmp_path):
    scene = open_scene(file_makers.tiff(tmp_path / "scene.tif", small_cube(), **PLACE))
    moved = {**PLACE, "transform": rasterio.Affine(30, 0, 500_090, 0, -30, 4_000_000)}
    path = file_makers.tiff(tmp_path / "split.tif", PARTS, **moved)
    with pytest.raises(SceneError, match="not on the grid of the scene"):
        open_split(str(path), scene)


class TestMask:
    def test_it_uses_what_is_neither_zero_nor_nan_nor_nodata(self, tmp_path, scene):
        values = np.ones(SHAPE, "f4")
        values[0, 0], values[1, 1], values[2, 2] = 0, np.nan, -5
        use = open_mask(file_makers.tiff(tmp_path / "mask.tif", values, nodata=-5), scene)
        assert use.dtype == bool
        np.testing.assert_array_equal(np.argwhere(~use), [[0, 0], [1, 1], [2, 2]])

    def test_it_comes_in_any_format(self, tmp_path, scene):
        values = np.eye(*SHAPE, dtype=np.uint8)
        paths = (file_makers.npy(tmp_path / "m.npy", values), file_makers.mat(tmp_path / "m.mat", m=values),
                 file_makers.envi(tmp_path / "m.hdr", values[:, :, None]))  # fmt: skip
        for path in paths:
            np.testing.assert_array_equal(open_mask(path, scene), values > 0)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.ones((7, 11)), "the mask is 7 x 11, the scene scene is 11 x 7 pixels"),
            (np.zeros((11, 7)), "the mask leaves no pixel"),
            (np.ones((11, 7, 3)), "a mask is one plane"),
        ],
    )
    def test_a_mask_that_does_not_fit_is_refused(self, values, message, tmp_path, scene):
        with pytest.raises(SceneError, match=message):
            open_mask(file_makers.npy(tmp_path / "mask.npy", values), scene)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"crs": "EPSG:32634"}, "the mask's is EPSG:32634"),
            ({"transform": NORTH_UP @ NORTH_UP.translation(1, 0)}, "the mask's upper left"),
        ],
    )
    def test_a_mask_of_another_place_is_refused(self, changed, message, tmp_path):
        scene = open_scene(file_makers.tiff(tmp_path / "scene.tif", small_cube(), **PLACE))
        with pytest.raises(SceneError, match=message):
            open_mask(file_makers.tiff(tmp_path / "mask.tif", np.ones(SHAPE, "u1"), **PLACE | changed), scene)
