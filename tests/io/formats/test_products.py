from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi import open_labels
from hsi.core.scene import Block, Scene, survey_scene
from hsi.errors import HsiError, LabelError, SceneError, SceneFileError, UsageError
from hsi.io import READERS, open_scene
from tests.io.file_makers import edit, envi, mat73, npy, small_cube, small_labels, tiff
from tests.io.product_makers import (
    PLACE,
    PRISMA_SWIR,
    PRISMA_VNIR,
    PRODUCTS,
    Product,
    aviris_ng,
    desis,
    emit,
    emit_grid,
    enmap,
    neon,
    prisma,
)

HDF5 = [name for name in PRODUCTS if name not in ("enmap", "desis")]


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> dict[str, tuple[Product, Scene]]:
    """Every product, alone in its folder, and the scene that is read from it."""
    made = {name: make(tmp_path_factory.mktemp(name)) for name, make in PRODUCTS.items()}
    return {name: (product, open_scene(product.path)) for name, product in made.items()}


def refused(path: Path, *words: str, error: type[HsiError] = SceneFileError) -> str:
    with pytest.raises(error) as caught:
        open_scene(path).read()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


class TestEveryProduct:
    @pytest.mark.parametrize("name", PRODUCTS)
    def test_holds_the_physical_values_that_were_stored(self, name: str, products):
        product, scene = products[name]
        assert scene.shape == product.expected.shape
        assert scene.dtype == scene.read().dtype == np.float32
        np.testing.assert_allclose(scene.read(), product.expected, rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize("name", PRODUCTS)
    @given(data=st.data())
    @settings(max_examples=15, deadline=None)
    def test_a_window_is_the_same_as_that_part_of_the_whole(self, name: str, data, products):
        product, scene = products[name]
        height, width, _ = product.expected.shape
        row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        block = Block(row, column, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - column)))
        np.testing.assert_array_equal(scene.read(block), scene.read()[block.slices])

    @pytest.mark.parametrize("name", PRODUCTS)
    def test_no_other_product_and_no_matlab_reader_recognises_it(self, name: str, products):
        path = products[name][0].path
        knowing = [key for key, reader in READERS.items() if reader.recognises(path)]
        assert [key for key in knowing if READERS[key].is_product] == [name.removesuffix("-swath").split("-conti")[0]]
        assert set(knowing) - {name.split("-swath")[0].split("-conti")[0]} <= {"gdal", "subdatasets"}

    def test_no_product_reader_grabs_a_general_file(self, tmp_path: Path):
        cube = small_cube()
        made = [
            mat73(tmp_path / "c.mat", cube=cube), npy(tmp_path / "c.npy", cube), tiff(tmp_path / "c.tif", cube),
            envi(tmp_path / "c.hdr", cube), tiff(tmp_path / "ENMAP01-SPECTRAL_IMAGE.TIF", cube),
            tmp_path / "nothing-METADATA.XML",
        ]  # fmt: skip
        with h5py.File(tmp_path / "c.h5", "w") as file:
            file["reflectance"] = cube
        for path in [*made, tmp_path / "c.h5"]:
            assert not [key for key, reader in READERS.items() if reader.is_product and reader.accepts(path)]

    @pytest.mark.parametrize("name", PRODUCTS)
    def test_is_found_in_its_folder(self, name: str, products):
        path = products[name][0].path
        assert open_scene(path.parent).source == path

    def test_one_of_two_in_a_folder_must_be_named(self, tmp_path: Path):
        emit(tmp_path), neon(tmp_path)
        refused(tmp_path, "holds 2 products", "EMIT_L2A", "NEON_D02")

    @pytest.mark.parametrize("name", PRODUCTS)
    def test_has_no_labels_of_its_own(self, name: str, products):
        scene = products[name][1]
        with pytest.raises(LabelError, match="no labels found"):
            open_labels(None, scene)
        with pytest.raises(LabelError, match="labels"):
            open_labels(scene.source, scene)

    @pytest.mark.parametrize("name", PRODUCTS)
    def test_wavelengths_rise_and_go_with_fwhm(self, name: str, products):
        scene = products[name][1]
        assert scene.wavelengths is not None and scene.fwhm is not None
        assert len(scene.wavelengths) == len(scene.fwhm) == len(scene.bands)
        assert list(scene.wavelengths) == sorted(scene.wavelengths)
        assert min(scene.wavelengths) > 350

    @pytest.mark.parametrize("name", PRODUCTS)
    def test_its_border_without_data_is_no_usable_pixel(self, name: str, products):
        product, scene = products[name]
        found = survey_scene(scene)
        void = ~np.isfinite(product.expected).all(axis=2) | (product.expected == -9999).any(axis=2)
        np.testing.assert_array_equal(found.valid, ~void)
        assert found.nodata == np.count_nonzero(void) > 0

    @pytest.mark.parametrize("name", PRODUCTS)
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
    def test_one_that_is_cut_off_is_refused(self, name: str, share: float, tmp_path: Path):
        path = PRODUCTS[name](tmp_path).path
        os.truncate(path, int(path.stat().st_size * share))
        refused(path, path.name)

    @pytest.mark.parametrize("name", PRODUCTS)
    @given(data=st.data())
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_damaged_bytes_raise_nothing_but_our_own_errors(self, name: str, data, products, tmp_path: Path):
        whole = products[name][0].path
        parts = sorted(whole.parent.iterdir())
        damaged = data.draw(st.sampled_from(parts))
        for part in parts:
            raw = bytearray(part.read_bytes())
            if part == damaged:
                for _ in range(data.draw(st.integers(1, 8))):
                    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
            (tmp_path / part.name).write_bytes(raw)
        try:
            open_scene(tmp_path / whole.name).read(Block(0, 0, 1, 1))
        except HsiError as error:
            assert "\n" not in str(error)


class TestEnmapAndDesis:
    @pytest.mark.parametrize("make", [enmap, desis])
    def test_the_metadata_the_image_and_the_folder_open_the_same_scene(self, make, tmp_path: Path):
        product = make(tmp_path)
        metadata = next(entry for entry in tmp_path.iterdir() if entry.suffix.lower() == ".xml")
        assert repr(open_scene(metadata)) == repr(open_scene(product.path)) == repr(open_scene(tmp_path))

    @pytest.mark.parametrize("make", [enmap, desis])
    def test_lies_where_its_image_lies(self, make, tmp_path: Path):
        scene = open_scene(make(tmp_path).path)
        assert scene.georeference is not None
        assert rasterio.crs.CRS.from_wkt(scene.georeference.crs).to_epsg() == 32633
        assert scene.georeference.transform == tuple(PLACE["transform"])[:6]

    def test_bands_that_hold_no_data_are_dead(self, tmp_path: Path):
        stored = np.random.default_rng(0).integers(1, 9000, (6, 5, 8))
        stored[:, :, 3:5] = -32768
        found = survey_scene(open_scene(enmap(tmp_path, stored).path))
        assert found.dead == (3, 4)
        assert found.nodata == 1

    @pytest.mark.parametrize("make", [enmap, desis])
    def test_a_missing_image_is_named(self, make, tmp_path: Path):
        product = make(tmp_path)
        metadata = next(entry for entry in tmp_path.iterdir() if entry.suffix.lower() == ".xml")
        product.path.unlink()
        refused(metadata, "SPECTRAL_IMAGE.TIF, which is missing")

    def test_without_metadata_the_image_is_a_plain_geotiff(self, tmp_path: Path):
        product = enmap(tmp_path)
        next(entry for entry in tmp_path.iterdir() if entry.suffix.lower() == ".xml").unlink()
        scene = open_scene(product.path)
        assert (scene.format, scene.wavelengths, scene.dtype) == ("GeoTIFF", None, np.int16)

    def test_metadata_for_another_number_of_bands_is_refused(self, tmp_path: Path):
        product = enmap(tmp_path)
        tiff(product.path, small_cube("i2"))
        refused(product.path, "describes 12 bands, but the image has 5")

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("<GainOfBand>0.0001<", "<GainOfBand>much<", "<GainOfBand> is 'much', expected a number"),
            ("<GainOfBand>0.0001<", "<GainOfBand>0<", "scale factors or offsets are zero"),
            ("<GainOfBand>0.0001<", "<GainOfBand>nan<", "expected a number"),
            ("<FWHMOfBand>6.5</FWHMOfBand>", "", "<FWHMOfBand> is ''"),
            ("</level_X>", "", "EnMAP L2A"),
        ],
    )
    def test_damaged_metadata_is_refused(self, old: str, new: str, words: str, tmp_path: Path):
        product = enmap(tmp_path)
        metadata = next(entry for entry in tmp_path.iterdir() if entry.suffix == ".XML")
        text = metadata.read_text()
        metadata.write_text(text.replace(old, new, 3) if "FWHM" not in old else text.replace(old, new, 1))
        if "FWHM" in old:  # the first band tells what kind of product it is
            metadata.write_text(text[: text.rindex(old)] + text[text.rindex(old) + len(old) :])
        refused(product.path, words)

    def test_a_doctype_is_refused(self, tmp_path: Path):
        product = enmap(tmp_path)
        metadata = next(entry for entry in tmp_path.iterdir() if entry.suffix == ".XML")
        bomb = '<!DOCTYPE level_X [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        edit(metadata, "<level_X>", f"{bomb}<level_X>")
        refused(product.path, "declares a DOCTYPE")

    def test_other_bands_in_the_document_are_not_counted(self, tmp_path: Path):
        metadata = desis(tmp_path).path.with_name("DESIS-HSI-L2A-DT1203190212_025-20191203T021128-V0210-METADATA.xml")
        assert len(ElementTree.parse(metadata).getroot().findall(".//band")) == 13
        assert open_scene(metadata).shape[2] == 12


class TestPrisma:
    def test_bands_not_acquired_are_left_out_and_the_overlap_of_vnir_is_marked(self, tmp_path: Path):
        scene = open_scene(prisma(tmp_path).path)
        acquired = sorted(value for value in PRISMA_VNIR + PRISMA_SWIR if value)
        assert scene.wavelengths == pytest.approx(acquired, rel=1e-6)
        assert scene.good is not None
        bad = [value for value, good in zip(acquired, scene.good, strict=True) if not good]
        assert bad == [966.0, 977.4]

    def test_its_corners_are_centres_of_pixels(self, tmp_path: Path):
        place = open_scene(prisma(tmp_path).path).georeference
        assert place is not None
        assert place.transform == pytest.approx((30, 0, 500_000, 0, -30, 4_000_000))
        assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 32633

    def test_a_zero_in_one_band_is_a_value(self, tmp_path: Path):
        scene = open_scene(prisma(tmp_path).path)
        assert np.isfinite(scene.read()[1, 1]).all()
        assert np.isnan(scene.read()[0, 0]).all()

    def test_each_spectrometer_has_its_scale(self, tmp_path: Path):
        scene = open_scene(prisma(tmp_path).path)
        assert scene.scale is not None
        assert {round(value * 65535, 4) for value in scene.scale} == {1.3, 0.8}

    @pytest.mark.parametrize("key", ["List_Cw_Swir", "List_Fwhm_Vnir", "L2ScaleVnirMax"])
    def test_a_missing_attribute_is_named(self, key: str, tmp_path: Path):
        path = prisma(tmp_path).path
        with h5py.File(path, "a") as file:
            del file.attrs[key]
        refused(path, f"lacks '{key}'")

    def test_cubes_of_different_size_are_refused(self, tmp_path: Path):
        path, name = prisma(tmp_path).path, "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube"
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = np.ones((5, 6, 9), np.uint16)
        refused(path, "(13, 9) and (5, 9) pixels")


class TestEmit:
    @given(data=st.data())
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_the_grid_is_what_looking_up_one_pixel_at_a_time_gives(self, data, tmp_path: Path):
        height, width, *grid = (data.draw(st.integers(1, 6)) for _ in range(4))
        swath = data.draw(arrays(np.float32, (height, width, 3), elements=st.floats(0, 1, width=32)))
        x = data.draw(arrays(np.int32, tuple(grid), elements=st.integers(-width, width)))
        y = data.draw(arrays(np.int32, tuple(grid), elements=st.integers(-height, height)))
        x, y = np.where(y == 0, 0, x), np.where(x == 0, 0, y)
        with h5py.File(tmp_path / "emit.nc", "w") as file:
            file["reflectance"] = swath
            file["sensor_band_parameters/wavelengths"] = np.array([400.0, 500, 600])
            file["location/glt_x"], file["location/glt_y"] = x, y
        scene = open_scene(tmp_path / "emit.nc")
        np.testing.assert_array_equal(scene.read(), emit_grid(swath, x, y))
        assert scene.nodata == -9999

    @pytest.mark.parametrize("largest", [1, 200, 10**9])
    def test_the_parts_it_reads_do_not_change_what_comes_out(self, largest: int, tmp_path: Path, monkeypatch):
        monkeypatch.setattr("hsi.io.formats.emit.LARGEST_PART", largest)
        product = emit(tmp_path)
        np.testing.assert_array_equal(open_scene(product.path).read(), product.expected)

    def test_reads_only_the_part_of_the_swath_that_a_block_needs(self, tmp_path: Path, monkeypatch):
        product = emit(tmp_path)
        scene, asked = open_scene(product.path), []
        get = h5py.Dataset.__getitem__

        def spy(dataset, where, *rest):
            values = get(dataset, where, *rest)
            if dataset.name == "/reflectance":
                asked.append(values.shape[0] * values.shape[1])
            return values

        monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
        scene.read(Block(4, 5, 2, 2))
        assert 0 < sum(asked) < 30 < 10 * 8
        asked.clear()
        corner = np.flatnonzero((product.expected == -9999).all(axis=(1, 2)))
        assert corner.size == 0 or not asked

    def test_marks_the_bands_in_opaque_air(self, tmp_path: Path):
        scene = open_scene(emit(tmp_path).path)
        assert scene.good == (True,) * 7 + (False,) + (True,) * 4

    def test_lies_where_its_geotransform_says(self, tmp_path: Path):
        place = open_scene(emit(tmp_path).path).georeference
        assert place is not None
        assert place.transform == (0.000542, 0, -115.9, 0, -0.000542, 33.4)
        assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 4326

    def test_a_swath_has_no_place(self, tmp_path: Path):
        scene = open_scene(emit(tmp_path, gridded=False).path)
        assert scene.georeference is None
        assert scene.shape == (10, 8, 12)

    def test_a_table_that_points_outside_the_swath_is_refused(self, tmp_path: Path):
        refused(emit(tmp_path, glt_offset=3).path, "look-up table (GLT) points to row", "swath of 10 x 8 pixels")

    def test_a_table_of_the_smallest_integer_is_refused(self, tmp_path: Path):
        path = emit(tmp_path).path
        with h5py.File(path, "a") as file:
            file["location/glt_y"][5, 5] = file["location/glt_x"][5, 5] = np.iinfo(np.int32).min
        refused(path, "points to row 2147483648")

    def test_band_parameters_must_be_as_many_as_the_bands(self, tmp_path: Path):
        path = emit(tmp_path).path
        with h5py.File(path, "a") as file:
            del file["sensor_band_parameters/fwhm"]
            file["sensor_band_parameters/fwhm"] = np.ones(5)
        refused(path, "'fwhm' has 5 values, expected 12")

    def test_data_in_another_file_are_not_read(self, tmp_path: Path):
        path = emit(tmp_path).path
        path.rename(tmp_path / "other.nc")
        with h5py.File(path, "w") as file:
            file["reflectance"] = h5py.ExternalLink("other.nc", "reflectance")
            file["sensor_band_parameters/wavelengths"] = np.ones(12)
        refused(path, "lacks the dataset 'reflectance'")

    def test_a_huge_declared_swath_is_refused_before_anything_is_read(self, tmp_path: Path):
        path = tmp_path / "huge.nc"
        with h5py.File(path, "w") as file:
            file.create_dataset("reflectance", (200_000, 200_000, 285), "f4", chunks=(64, 64, 5))
            file["sensor_band_parameters/wavelengths"] = np.ones(285)
        refused(path, "only 0 bytes are stored")


class TestNeonAndAvirisNg:
    def test_bands_in_the_water_vapour_windows_are_bad(self, tmp_path: Path):
        scene = open_scene(neon(tmp_path).path)
        assert scene.good is not None and scene.wavelengths is not None
        bad = [round(value) for value, good in zip(scene.wavelengths, scene.good, strict=True) if not good]
        assert bad == [1351, 1931]

    def test_neon_lies_where_its_map_info_says(self, tmp_path: Path):
        place = open_scene(neon(tmp_path).path).georeference
        assert place is not None
        assert place.transform == (1, 0, 368_000, 0, -1, 4_307_000)
        assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 32618

    def test_aviris_ng_lies_by_its_coordinates(self, tmp_path: Path):
        place = open_scene(aviris_ng(tmp_path).path).georeference
        assert place is not None
        assert place.transform == pytest.approx((30, 0, 500_000, 0, -30, 4_000_000))
        assert rasterio.crs.CRS.from_wkt(place.crs).to_epsg() == 32633


class TestOtherNetcdfAndHdf5:
    def file(self, path: Path, **arrays: np.ndarray) -> Path:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name.replace("__", "/")] = values
        return path

    @pytest.mark.parametrize("suffix", [".h5", ".nc", ".hdf5"])
    def test_bands_come_first(self, suffix: str, tmp_path: Path):
        cube = small_cube("f4")
        scene = open_scene(self.file(tmp_path / f"x{suffix}", one=np.moveaxis(cube, 2, 0), plane=small_labels("i4")))
        np.testing.assert_array_equal(scene.read(), cube)
        np.testing.assert_array_equal(scene.read(Block(3, 2, 4, 3)), cube[3:7, 2:5])

    @pytest.mark.parametrize("suffix", [".h5", ".nc"])
    def test_one_of_several_is_chosen_by_name_and_errors_list_them(self, suffix: str, tmp_path: Path):
        cube = np.moveaxis(small_cube("f4"), 2, 0)
        path = self.file(tmp_path / f"x{suffix}", one=cube, group__two=cube + 1)
        message = refused(path, "holds 2 cubes", "variable=NAME", error=UsageError)
        assert "one (11 x 7 x 5, float32)" in message
        assert "group/two (11 x 7 x 5, float32)" in message
        np.testing.assert_array_equal(open_scene(path, "group/two").read(), small_cube("f4") + 1)

    def test_a_file_without_a_cube_lists_what_it_holds(self, tmp_path: Path):
        path = self.file(tmp_path / "x.h5", plane=small_labels("i4"), other=small_labels("i4"))
        refused(path, "plane (11 x 7, int32)", error=SceneError)

    def test_a_file_that_is_cut_off_is_refused(self, tmp_path: Path):
        path = self.file(tmp_path / "x.nc", one=small_cube("f4"))
        os.truncate(path, 700)
        refused(path, "truncated")


class TestScale:
    def test_of_an_envi_header_divides(self, tmp_path: Path):
        fields = {"reflectance scale factor": 10000, "data ignore value": -1}
        cube = small_cube("i2")
        cube[2, 2, 1], cube[:, :, 3] = -1, -1
        scene = open_scene(envi(tmp_path / "x.hdr", cube, **fields))
        assert (scene.dtype, scene.read().dtype) == (np.float32, np.float32)
        assert scene.scale == (0.0001,) * 5
        expected = np.where(cube == -1, np.nan, cube / np.float32(10000)).astype("f4")
        np.testing.assert_allclose(scene.read(), expected, rtol=1e-6)
        assert scene.nodata is not None and np.isnan(scene.nodata)

    def test_of_one_leaves_values_as_they_are(self, tmp_path: Path):
        scene = open_scene(envi(tmp_path / "x.hdr", small_cube("i2"), **{"reflectance scale factor": 1}))
        assert (scene.dtype, scene.scale) == (np.int16, None)

    def test_of_gdal_has_an_offset_too(self, tmp_path: Path):
        path = tiff(tmp_path / "x.tif", small_cube("i2"), nodata=0)
        with rasterio.open(path, "r+") as raster:
            raster.scales, raster.offsets = [0.5, 1, 2, 1, 1], [0, 10, 0, 0, 0]
        scene = open_scene(path)
        expected = small_cube("f4") * [0.5, 1, 2, 1, 1] + [0, 10, 0, 0, 0]
        np.testing.assert_array_equal(scene.read(), expected.astype("f4"))
        assert scene.keep_bands([0, 2]).scale == (0.5, 2.0)

    def test_a_nodata_value_of_zero_needs_every_band(self, tmp_path: Path):
        cube = small_cube("i2") + 1
        cube[0, 0], cube[1, 1, 2] = 0, 0
        path = tiff(tmp_path / "x.tif", cube, nodata=0)
        with rasterio.open(path, "r+") as raster:
            raster.scales = [0.5] * 5
        found = survey_scene(open_scene(path))
        assert (found.nodata, found.not_finite, found.zero) == (1, 0, 0)
        assert found.valid[1, 1]

    def test_what_is_not_finite_is_told_from_nodata(self, tmp_path: Path):
        cube = small_cube("f4") + 1
        cube[0, 0], cube[1, 1, 1] = -5, np.inf
        scene = open_scene(envi(tmp_path / "x.hdr", cube, **{"reflectance scale factor": 2, "data ignore value": -5}))
        found = survey_scene(scene)
        assert (found.nodata, found.not_finite) == (1, 1)

    def test_that_is_not_a_number_is_refused(self, tmp_path: Path):
        path = envi(tmp_path / "x.hdr", small_cube("i2"), **{"reflectance scale factor": "nan"})
        refused(path, "scale factors or offsets")


class TestBandMarks:
    MARKS = (True, False, True, True, False)

    def test_of_an_envi_header(self, tmp_path: Path):
        scene = open_scene(envi(tmp_path / "x.hdr", small_cube(), bbl=[1, 0, 1, 1, 0]))
        assert scene.good == self.MARKS
        assert scene.keep_bands([1, 2]).good == (False, True)

    def test_of_geotiff_tags(self, tmp_path: Path):
        path = tiff(tmp_path / "x.tif", small_cube())
        with rasterio.open(path, "r+") as raster:
            for band, good in enumerate(self.MARKS, 1):
                tags = {"wavelength": band / 2, "wavelength_units": "Micrometers", "fwhm": 0.01, "bbl": int(good)}
                raster.update_tags(band, **tags)
        scene = open_scene(path)
        assert scene.good == self.MARKS
        assert scene.wavelengths == (500, 1000, 1500, 2000, 2500)
        assert scene.fwhm == (10,) * 5

    def test_of_geotiff_lists_in_the_envi_domain(self, tmp_path: Path):
        path = tiff(tmp_path / "x.tif", small_cube())
        with rasterio.open(path, "r+") as raster:
            lists = {"wavelength": "{400, 500, 600, 700, 800}", "wavelength_units": "nanometers"}
            raster.update_tags(ns="ENVI", bbl="{1, 0, 1, 1, 0}", **lists)
        scene = open_scene(path)
        assert scene.good == self.MARKS
        assert scene.wavelengths == (400, 500, 600, 700, 800)

    def test_that_are_not_as_many_as_the_bands_are_refused(self, tmp_path: Path):
        path = envi(tmp_path / "x.hdr", small_cube(), bbl=[1, 0, 1])
        refused(path, "'bbl' lists 3 values for 5 bands", error=SceneError)

    @pytest.mark.parametrize("unit", ["Index", "Wavenumber", "GHz"])
    def test_what_is_no_length_is_no_wavelength(self, unit: str, tmp_path: Path):
        fields = {"wavelength": [1, 2, 3, 4, 5], "wavelength units": unit}
        assert open_scene(envi(tmp_path / "x.hdr", small_cube(), **fields)).wavelengths is None


@pytest.mark.parametrize(("driver", "name", "form"), [("HFA", "x.img", "ERDAS Imagine"), ("LAN", "x.lan", "ERDAS LAN")])
def test_erdas_files_are_read(driver: str, name: str, form: str, tmp_path: Path):
    cube = small_cube("u1")
    height, width, bands = cube.shape
    size = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with rasterio.open(tmp_path / name, "w", driver=driver, transform=PLACE["transform"], **size) as raster:
        raster.write(np.moveaxis(cube, 2, 0))
    scene = open_scene(tmp_path / name)
    np.testing.assert_array_equal(scene.read(), cube)
    assert scene.format == form


def test_a_rotated_map_info_is_a_rotated_place(tmp_path: Path):
    info = "{UTM, 1, 1, 500000, 4000000, 30, 30, 33, North, WGS-84, units=Meters, rotation=30}"
    path = envi(tmp_path / "x.hdr", small_cube(), **{"map info": info})
    place = open_scene(path).georeference
    assert place is not None
    a, b, _, d, e, _ = place.transform
    assert np.hypot(a, d) == pytest.approx(30)
    assert np.hypot(b, e) == pytest.approx(30)
    assert abs(np.degrees(np.arctan2(d, a))) == pytest.approx(30)
