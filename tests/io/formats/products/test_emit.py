"""EMIT: the grid that its look-up table makes of the swath."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsi.core.scene import Block
from hsi.io import open_scene
from hsi.io.formats.products import emit as reader
from tests.io.helpers import FEW, refuse_scene
from tests.io.product_makers import emit, emit_grid


@given(data=st.data())
@FEW
def test_the_grid_is_what_looking_up_one_pixel_at_a_time_gives(data, tmp_path):
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
def test_the_parts_it_reads_do_not_change_the_result(largest, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "LARGEST_PART", largest)
    product = emit(tmp_path)
    np.testing.assert_array_equal(open_scene(product.path).read(), product.expected)


def test_reads_only_the_part_of_the_swath_that_a_block_needs(tmp_path, monkeypatch):
    scene, pixels, get = open_scene(emit(tmp_path).path), [], h5py.Dataset.__getitem__

    def spy(dataset, where, *rest):
        values = get(dataset, where, *rest)
        if dataset.name == "/reflectance":
            pixels.append(values.shape[0] * values.shape[1])
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    scene.read(Block(4, 5, 2, 2))
    assert 0 < sum(pixels) < 30 < 10 * 8


def test_a_swath_has_no_georeference(tmp_path):
    scene = open_scene(emit(tmp_path, gridded=False).path)
    assert (scene.georeference, scene.shape) == (None, (10, 8, 12))


def test_a_table_that_points_outside_the_swath_is_refused(tmp_path):
    refuse_scene(emit(tmp_path, glt_offset=3).path, "look-up table (GLT) points to row", "swath of 10 x 8 pixels")


def test_a_table_of_the_smallest_integer_is_refused(tmp_path):
    path = emit(tmp_path).path
    with h5py.File(path, "a") as file:
        file["location/glt_y"][5, 5] = file["location/glt_x"][5, 5] = np.iinfo(np.int32).min
    refuse_scene(path, "points to row 2147483648")


def test_band_parameters_must_be_as_many_as_the_bands(tmp_path):
    path = emit(tmp_path).path
    with h5py.File(path, "a") as file:
        del file["sensor_band_parameters/fwhm"]
        file["sensor_band_parameters/fwhm"] = np.ones(5)
    refuse_scene(path, "'fwhm' has 5 values, expected 12")


@pytest.mark.parametrize("linked", [True, False])
def test_a_swath_in_another_file_or_without_data_is_refused(linked, tmp_path):
    (other := emit(tmp_path).path).rename(tmp_path / "other.nc")
    with h5py.File(other, "w") as file:
        if linked:
            file["reflectance"] = h5py.ExternalLink("other.nc", "reflectance")
        else:
            file.create_dataset("reflectance", (200_000, 200_000, 285), "f4", chunks=(64, 64, 5))
        file["sensor_band_parameters/wavelengths"] = np.ones(285)
    refuse_scene(other, "lacks the dataset 'reflectance'" if linked else "only 0 bytes are stored")
