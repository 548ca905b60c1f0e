"""Splits and masks read from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.io

from hsi import open_labels
from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array, survey_scene
from hsi.errors import LabelError, SceneError, SceneFileError, SplitError, UsageError
from hsi.io import open_scene
from hsi.io.masks import apply_area, mask_file, open_mask, open_masks, open_split, open_split_classes, split_files
from hsi.settings import input_settings
from hsi.workflows.inputs import open_any_labels
from tests.io import file_makers
from tests.io.file_makers import NORTH_UP, small_cube
from tests.io.helpers import utm_scene

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


def test_a_split_of_two_bands_has_the_classes_of_its_pixels(tmp_path, scene):
    path, classes = tmp_path / "split.tif", np.where(PARTS > 0, 7, 0)
    file_makers.tiff(path, np.stack([PARTS, classes], -1).astype(np.uint8))
    np.testing.assert_array_equal(open_split(str(path), scene), PARTS)
    np.testing.assert_array_equal(open_split_classes(str(path), scene), classes)
    file_makers.tiff(path, PARTS.astype(np.uint8))
    assert open_split_classes(str(path), scene) is None
    file_makers.tiff(path, np.stack([PARTS.T, PARTS.T], -1))
    with pytest.raises(SceneError, match=r"the split is 7 x 11, the scene .* is 11 x 7"):
        open_split(str(path), scene)


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


@pytest.fixture
def placed():
    return utm_scene()


def vectors():
    """The makers of vector files, where geopandas is there."""
    return pytest.importorskip("tests.io.vector_makers")


class TestMaskOut:
    def open(self, scene, **options):
        with report_to(recorder := Recorder()):
            use = open_masks(input_settings(**options), scene)
        return use, dict(recorder.messages).get("mask"), recorder.warnings

    def test_the_share_is_said_and_little_is_warned_of(self, tmp_path, scene):
        clouds = np.zeros(SHAPE, "u1")
        clouds[0, :3] = 1
        path = file_makers.npy(tmp_path / "clouds.npy", clouds)
        use, text, warnings = self.open(scene, mask=path)
        assert (use.sum(), text) == (3, "3.9% of the pixels are used")
        assert "--mask-out those to leave out" in warnings[0]
        use, text, warnings = self.open(scene, mask_out=path)
        assert (use.sum(), text, warnings) == (74, "96.1% of the pixels are used", [])
        assert self.open(scene)[0] is None

    @pytest.mark.parametrize("dtype", ["u2", "i2", "u4"])
    def test_bits_of_quality(self, dtype, tmp_path, scene):
        flags = np.zeros(SHAPE, dtype)
        flags.flat[:4] = [1 << 3, 1 << 4, (1 << 3) + 1, 7]
        path = file_makers.tiff(tmp_path / "qa.tif", flags, nodata=8)  # a nodata value has bits like any other
        use, *_ = self.open(scene, mask_out=f"{path}:bits=3,4")
        assert np.flatnonzero(~use).tolist() == [0, 1, 2]
        assert self.open(scene, mask_out=f"{path}:bits=0")[0].sum() == 75
        top = 8 * flags.itemsize - 1
        assert self.open(scene, mask_out=f"{path}:bits={top}")[0].all()
        with pytest.raises(UsageError, match=f"has no bit {top + 1}: {flags.dtype} has the bits 0 to {top}"):
            self.open(scene, mask_out=f"{path}:bits={top + 1}")

    def test_the_highest_bit_of_signed_numbers(self, tmp_path, scene):
        path = file_makers.npy(tmp_path / "qa.npy", np.where(PARTS == 1, -1, 0).astype("i2"))
        np.testing.assert_array_equal(self.open(scene, mask_out=f"{path}:bits=15")[0], PARTS != 1)

    @pytest.mark.parametrize(("bits", "dtype", "says"), [("3", "f4", "holds float32"), ("a", "u1", "bits are numbers")])
    def test_bits_of_what_has_none(self, bits, dtype, says, tmp_path, scene):
        path = file_makers.npy(tmp_path / "qa.npy", PARTS.astype(dtype))
        with pytest.raises(UsageError, match=says):
            self.open(scene, mask_out=f"{path}:bits={bits}")

    def test_colons_in_names(self, tmp_path, scene):
        path = file_makers.npy(tmp_path / "2024-05-01T10:30:bits=1.npy", PARTS > 1)
        np.testing.assert_array_equal(self.open(scene, mask_out=path)[0], PARTS <= 1)
        assert mask_file(Path("C:/masks/qa.tif")) == (Path("C:/masks/qa.tif"), ())
        assert mask_file(Path("C:/masks/qa.tif:bits=3, 4")) == (Path("C:/masks/qa.tif"), (3, 4))

    def test_nothing_is_left_out(self, tmp_path, scene):
        path = file_makers.tiff(tmp_path / "clouds.tif", np.full(SHAPE, 255, "u1"), nodata=255)
        use, _, warnings = self.open(scene, mask_out=path)
        assert use.all() and "clouds.tif: marks no pixel of the scene" in warnings[0]

    def test_polygons_have_no_bits(self, tmp_path, placed):
        path = vectors().vector(tmp_path / "m.gpkg", [vectors().rectangle(2, 1, 5, 4)])
        with pytest.raises(UsageError, match="bits are those of rasters"):
            self.open(placed, mask_out=f"{path}:bits=3")

    def test_no_pixel_left(self, tmp_path, scene):
        path = file_makers.npy(tmp_path / "all.npy", np.ones(SHAPE))
        with pytest.raises(SceneError, match=r"all\.npy: no pixel is left to use"):
            self.open(scene, mask_out=path)

    @pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
    def test_polygons(self, crs, tmp_path, placed):
        makers = vectors()
        path = makers.vector(
            tmp_path / "m.gpkg", [makers.rectangle(2, 1, 5, 4), makers.rectangle(9, 5, 20, 9)], crs=crs
        )
        expected = np.zeros(SHAPE, bool)
        expected[2:5, 1:4], expected[9:, 5:] = True, True
        np.testing.assert_array_equal(self.open(placed, mask=path)[0], expected)
        np.testing.assert_array_equal(self.open(placed, mask_out=path)[0], ~expected)

    def test_polygons_elsewhere(self, tmp_path, placed):
        makers = vectors()
        path = makers.vector(tmp_path / "far.geojson", [makers.rectangle(50, 50, 60, 60)])
        assert self.open(placed, mask_out=path)[0].all()
        with pytest.raises(SceneError, match=r"the mask misses the scene scene: it reaches x .*, the scene x "):
            self.open(placed, mask=path)
        points = makers.vector(tmp_path / "points.gpkg", [makers.point(2.5, 2.5)])
        with pytest.raises(SceneError, match="holds shapes of type Point; a mask is polygons"):
            self.open(placed, mask=points)


class TestArea:
    """Rows 3 to 7 and columns 2 to 5, without one corner, of 11 x 7."""

    INSIDE = np.ones((5, 4), bool)
    INSIDE[0, 0] = False

    def write(self, kind, tmp_path):
        marked = np.zeros(SHAPE, "u1")
        marked[2:7, 1:5] = self.INSIDE
        if kind == "raster":
            return file_makers.tiff(tmp_path / "aoi.tif", marked, **{**PLACE, "crs": "EPSG:32633"})
        if kind == "array":
            return file_makers.npy(tmp_path / "aoi.npy", marked)
        if kind == "finer raster":
            fine = np.kron(np.pad(marked, 2), np.ones((3, 3), "u1"))
            there = rasterio.Affine(10, 0, NORTH_UP.c - 60, 0, -10, NORTH_UP.f + 60)
            return file_makers.tiff(tmp_path / "aoi.tif", fine, crs="EPSG:32633", transform=there)
        makers = vectors()
        shape = makers.area((2, 2), (2, 5), (7, 5), (7, 1), (3, 1), (3, 2))
        return makers.vector(tmp_path / "aoi.gpkg", [shape], crs="EPSG:4326")

    @pytest.mark.parametrize("kind", ["raster", "array", "finer raster", "polygons"])
    def test_it_crops_and_masks(self, kind, tmp_path, placed):
        scene, block = apply_area(self.write(kind, tmp_path), placed), Block(0, 1, 2, 2)
        assert scene.shape == (5, 4, 5)
        assert scene.georeference.transform == (30, 0, NORTH_UP.c + 30, 0, -30, NORTH_UP.f - 60)
        full = np.where(self.INSIDE[:, :, None], small_cube()[2:7, 1:5], 0)
        np.testing.assert_array_equal(scene.read(), full)
        np.testing.assert_array_equal(scene.keep_bands([1, 3]).read(block), full[block.slices][..., [1, 3]])
        np.testing.assert_array_equal(open_masks(input_settings(), scene), self.INSIDE)

    @pytest.mark.parametrize("cut", [False, True])
    def test_labels_masks_and_splits_of_the_scene_or_of_the_area(self, cut, tmp_path, placed):
        scene = apply_area(self.write("raster", tmp_path), placed)
        window = (slice(2, 7), slice(1, 5))
        values = PARTS[window] if cut else PARTS
        path = file_makers.npy(tmp_path / "parts.npy", values)
        np.testing.assert_array_equal(open_split(str(path), scene), PARTS[window])
        np.testing.assert_array_equal(open_mask(path, scene), PARTS[window] > 0)
        expected = np.where(self.INSIDE, PARTS[window], 0)
        for labels in (path, values):
            np.testing.assert_array_equal(open_any_labels(labels, scene, input_settings()).values, expected)

    def test_georeferenced_labels_of_the_scene_of_the_area_and_of_elsewhere(self, tmp_path, placed):
        scene = apply_area(self.write("raster", tmp_path), placed)
        crs = {"crs": "EPSG:32633"}
        part = rasterio.Affine(*scene.georeference.transform)
        for values, there in ((PARTS, NORTH_UP), (PARTS[2:7, 1:5], part)):
            path = file_makers.tiff(tmp_path / "gt.tif", values, transform=there, **crs)
            np.testing.assert_array_equal(open_labels(path, scene).values, PARTS[2:7, 1:5])
            np.testing.assert_array_equal(open_mask(path, scene), PARTS[2:7, 1:5] > 0)
        path = file_makers.tiff(tmp_path / "gt.tif", PARTS[2:7, 1:5], transform=NORTH_UP, **crs)
        with pytest.raises(LabelError, match="not on the grid of the scene"):
            open_labels(path, scene)
        with pytest.raises(SceneError, match=r"mask is 5 x 4, the scene .*|not on the grid"):
            open_mask(path, scene)

    def test_classes_outside_are_none(self, tmp_path, placed):
        labels = np.zeros(SHAPE, int)
        labels[2, 1], labels[4, 3], labels[10, 6] = 1, 2, 3  # outside the polygon, inside, outside the window
        scene = apply_area(self.write("raster", tmp_path), placed)
        assert open_any_labels(labels, scene, input_settings()).table.ids == (2,)
        with pytest.raises(LabelError, match="no labelled pixel lies in the area of interest"):
            open_any_labels(labels * (labels == 3), scene, input_settings())

    def test_elsewhere_or_too_small(self, tmp_path, placed):
        makers = vectors()
        far = makers.vector(tmp_path / "far.gpkg", [makers.rectangle(50, 50, 60, 60)])
        with pytest.raises(SceneError, match=r"misses the scene scene: it reaches x .*, the scene x .* in EPSG"):
            apply_area(far, placed)
        small = makers.vector(tmp_path / "small.gpkg", [makers.rectangle(2.6, 2.6, 2.9, 2.9)])
        with pytest.raises(SceneError, match="contains no centre of a pixel"):
            apply_area(small, placed)
        there = rasterio.Affine(30, 0, NORTH_UP.c + 9000, 0, -30, NORTH_UP.f)
        raster = file_makers.tiff(tmp_path / "far.tif", np.ones(SHAPE, "u1"), crs="EPSG:32633", transform=there)
        with pytest.raises(SceneError, match=r"misses the scene scene: it is 11 x 7 .*, the scene 11 x 7 pixels"):
            apply_area(raster, placed)

    def test_without_data_is_nodata_or_nan(self, tmp_path):
        path = self.write("array", tmp_path)
        for dtype, nodata, empty in (("i2", -5, -5), ("u2", -9999, 0), ("f4", None, np.nan)):
            scene = apply_area(path, scene_from_array(small_cube(dtype), nodata=nodata))
            np.testing.assert_array_equal(scene.read()[0, 0], np.full(5, empty, dtype))
            np.testing.assert_array_equal(survey_scene(scene).valid, self.INSIDE)


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
