"""xarray in and out: axes in any order, wavelengths, CRS, class names."""

import builtins
import sys

import numpy as np
import pytest

import hsi
from hsi.errors import LabelError, SceneError, UsageError
from hsi.io.dataarray import is_dataarray, scene_from_dataarray
from tests.conftest import CENTRES

xr = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")

QUICK = {"components": 13, "window": 11, "epochs": 2, "device": "cpu"}


@pytest.fixture
def cube(sample):
    """The sample with bands first, y downwards, a CRS and wavelengths in micrometres."""
    height, width, _ = sample.cube.shape
    array = xr.DataArray(
        np.moveaxis(sample.cube, 2, 0),
        dims=("band", "y", "x"),
        coords={
            "wavelength": ("band", CENTRES / 1000, {"units": "um"}),
            "y": 4_480_000 - 20 * (np.arange(height) + 0.5),
            "x": 500_000 + 20 * (np.arange(width) + 0.5),
        },
        name="field",
    )
    return array.rio.write_crs("EPSG:32616")


@pytest.fixture
def labels(cube, sample):
    return xr.DataArray(sample.truth, dims=("y", "x"), coords={"y": cube.y, "x": cube.x})


class TestScene:
    @pytest.mark.parametrize("order", [("band", "y", "x"), ("y", "x", "band"), ("x", "band", "y")])
    def test_axes_come_in_any_order(self, order, cube, sample):
        scene = hsi.open_scene(cube.transpose(*order))
        assert scene.shape == sample.cube.shape
        assert np.array_equal(scene.read(), sample.cube)
        assert (scene.name, scene.dtype) == ("field", sample.cube.dtype)

    def test_wavelengths_and_place_are_kept(self, cube, scenes):
        scene = hsi.open_scene(cube)
        assert np.allclose(scene.wavelengths, CENTRES)
        assert scene.georeference.transform == (20, 0, 500_000, 0, -20, 4_480_000)
        assert "UTM zone 16N" in scene.georeference.crs

    def test_a_part_of_a_scene_lies_where_it_lies(self, cube):
        assert hsi.open_scene(cube[:, 5:, 3:]).georeference.transform == (20, 0, 500_060, 0, -20, 4_479_900)

    def test_a_crs_without_coordinates_is_no_place(self, cube):
        assert hsi.open_scene(cube.drop_vars(("x", "y"))).georeference is None

    def test_a_raster_opens_as_the_file_does(self, scenes):
        import rioxarray

        with rioxarray.open_rasterio(scenes["tiff"]) as array:
            found, wanted = hsi.open_scene(array), hsi.open_scene(scenes["tiff"])
            assert np.array_equal(found.read(), wanted.read())
            assert found.georeference.transform == wanted.georeference.transform

    def test_only_the_block_that_is_asked_for_is_read(self, cube, sample):
        from hsi.core.scene import Block

        assert np.array_equal(hsi.open_scene(cube).read(Block(2, 3, 4, 5)), sample.cube[2:6, 3:8])

    def test_a_nodata_value_counts(self, cube):
        cube = cube.astype("int32")
        cube[:, 2, 3] = -9999
        cube.attrs["_FillValue"] = -9999
        assert hsi.open_scene(cube).nodata == -9999

    @pytest.mark.parametrize("dims", [("a", "y", "x"), ("band", "time", "x")])
    def test_axes_that_nobody_knows_are_an_error_that_names_them(self, dims, cube):
        array = xr.DataArray(cube.values, dims=dims)
        with pytest.raises(SceneError, match="rename its dims"):
            hsi.open_scene(array)

    def test_text_is_no_scene(self):
        with pytest.raises(SceneError, match="real numbers"):
            hsi.open_scene(xr.DataArray(np.full((2, 2, 2), "a"), dims=("y", "x", "band")))

    def test_what_is_missing_is_told(self, cube, monkeypatch):
        found = builtins.__import__

        def without(name, *rest):
            if name == "rioxarray":
                raise ImportError(name)
            return found(name, *rest)

        monkeypatch.delitem(sys.modules, "rioxarray")
        monkeypatch.setattr("importlib.import_module", without)
        with pytest.raises(UsageError, match=r"\[xarray\]"):
            scene_from_dataarray(cube)

    def test_other_arrays_are_none(self):
        assert not is_dataarray(np.ones(3))


class TestLabels:
    def test_they_may_be_turned_and_have_a_band(self, cube, labels, sample):
        turned = labels.expand_dims("band").transpose("x", "band", "y")
        found = hsi.classify(cube, turned, **QUICK)
        assert np.array_equal(found.labels.values, sample.truth)

    def test_labels_of_another_place_are_an_error(self, cube, labels):
        moved = labels.assign_coords(x=labels.x + 20)
        with pytest.raises(LabelError, match="columns"):
            hsi.classify(cube, moved, **QUICK)
        with pytest.raises(LabelError, match="rows"):
            hsi.classify(cube, labels[::-1], **QUICK)

    @pytest.mark.parametrize("moved", ["", "upwards", "aside"])
    def test_a_file_of_labels_is_placed_by_the_coordinates_of_a_scene_without_crs(self, moved, cube, scenes, sample):
        labels, plain = scenes["tiff"].with_name("scene_gt.tif"), cube.drop_vars("spatial_ref").drop_encoding()
        plain = {"upwards": plain.sortby("y"), "aside": plain.assign_coords(x=plain.x + 60)}.get(moved, plain)
        scene = hsi.open_scene(plain)
        if not moved:
            assert np.array_equal(hsi.open_labels(labels, scene).values, sample.truth)
            uneven = plain.assign_coords(y=plain.y + np.linspace(0, 9, plain.sizes["y"]) ** 2)
            assert hsi.open_scene(uneven).georeference is None
            return
        with pytest.raises(LabelError, match="not on the grid of the scene"):
            hsi.open_labels(labels, scene)

    def test_labels_without_two_axes_are_an_error(self, cube, labels):
        with pytest.raises(LabelError, match="2 axes"):
            hsi.classify(cube, labels.expand_dims(time=2), **QUICK)


class TestMaps:
    def test_a_map_has_the_crs_the_coordinates_and_the_names(self, cube, labels, sample):
        estimator = hsi.HybridSNClassifier(**QUICK, symmetries=False).fit(cube, labels)
        found = estimator.predict(cube)
        assert found.dims == ("y", "x") and found.rio.crs == "EPSG:32616"
        assert found.y.equals(cube.y) and found.x.equals(cube.x)
        assert "wavelength" not in found.coords
        assert found.attrs["class_names"] == list(estimator.class_names_)
        assert found.attrs["flag_meanings"].split() == ["class_3", "class_7", "class_200", "class_300"]
        assert np.array_equal(found.values, estimator.predict(hsi.open_scene(cube)))
        shares = estimator.predict_proba(cube)
        assert shares.dims == ("y", "x", "class") and shares["class"].values.tolist() == [3, 7, 200, 300]
        assert estimator.score(cube, labels) == pytest.approx(np.mean((found == labels).values[sample.truth > 0]))

    def test_a_map_is_written_and_read_by_others(self, cube, labels, tmp_path):
        import rasterio

        hsi.HybridSNClassifier(**QUICK).fit(cube, labels).predict(cube).rio.to_raster(tmp_path / "map.tif")
        with rasterio.open(tmp_path / "map.tif") as raster:
            assert raster.crs == "EPSG:32616" and raster.transform[2] == 500_000 and raster.nodata == 0

    def test_a_result_becomes_a_dataset(self, cube, labels):
        run = hsi.classify(cube, labels, **QUICK, probabilities=True)
        found = run.to_xarray()
        assert set(found.data_vars) == {"classes", "confidence", "probabilities"}
        assert found.rio.crs == "EPSG:32616" and found.y.equals(cube.y)
        assert np.array_equal(found.classes.values, run.classes)
        assert np.array_equal(found.probabilities.sel({"class": "class 7"}).values, run.probabilities[:, :, 1])

    def test_a_result_of_a_file_lies_where_the_file_lies(self, scenes, cube):
        import rasterio

        run = hsi.classify(scenes["tiff"], **QUICK)
        found = run.to_xarray()
        with rasterio.open(scenes["tiff"]) as raster:
            assert found.rio.crs == raster.crs
            assert found.rio.transform(recalc=True) == raster.transform
