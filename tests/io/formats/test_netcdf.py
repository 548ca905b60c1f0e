"""NetCDF and HDF5 files: arrays by name, sizes, links to other files and endless lists of texts."""

import os
import struct

import h5py
import numpy as np
import pytest
import rasterio

from hsi import open_labels
from hsi.core.scene import Block
from hsi.errors import SceneError, UsageError
from hsi.io import open_scene
from hsi.io.formats._hdf5 import HEAP
from hsi.io.formats.netcdf import NO_VARIABLE
from hsi.settings import InputSettings
from hsi.workflows.inputs import open_any_scene
from tests.io import product_makers
from tests.io.file_makers import NORTH_UP, small_cube, small_labels
from tests.io.helpers import check_place, refuse_labels, refuse_scene

CUBE = np.moveaxis(small_cube("f4"), 2, 0)
YX = [NORTH_UP.f - 30 * (np.arange(11) + 0.5), NORTH_UP.c + 30 * (np.arange(7) + 0.5)]


def hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


def netcdf(path, dims, place=True, mapping=True, **coordinates):
    """``reflectance`` (11, 7, 5) and ``gt`` with these dimensions, such as ``band y x``, as xarray writes them."""
    axes = {"y": 0, "lat": 0, "latitude": 0, "downtrack": 0, "x": 1, "lon": 1, "longitude": 1, "crosstrack": 1}
    order = [axes.get(dim, 2) for dim in dims.split()]
    values = {axis: YX[axis] for axis in (0, 1)} if place else {}
    with h5py.File(path, "w") as file:
        file["reflectance"] = small_cube("f4").transpose(order)
        file["gt"] = small_labels("i4").transpose([axis for axis in order if axis < 2])
        for dim, axis in zip(dims.split(), order, strict=True):
            size = small_cube().shape[axis]
            file[dim] = coordinates.pop(dim, values.get(axis, np.zeros(size, "f4")))
            file[dim].make_scale(
                dim if axis in values or (axis == 2 and dim == "wavelength") else f"{NO_VARIABLE}. {size}"
            )
        for name, axis in [("reflectance", order), ("gt", [axis for axis in order if axis < 2])]:
            for place, one in enumerate(axis):
                file[name].dims[place].attach_scale(file[dims.split()[order.index(one)]])
        for name, numbers in coordinates.items():
            file[name] = numbers
        if mapping:
            file["spatial_ref"] = 0
            file["spatial_ref"].attrs["crs_wkt"] = rasterio.CRS.from_epsg(32633).to_wkt()
            file["reflectance"].attrs["grid_mapping"] = "spatial_ref"
    return path


class TestAxes:
    @pytest.mark.parametrize("suffix", [".h5", ".nc", ".hdf5"])
    def test_labels_in_the_file_decide(self, suffix, tmp_path):
        scene = open_scene(hdf5(tmp_path / f"x{suffix}", one=CUBE, plane=small_labels("i4")))
        np.testing.assert_array_equal(scene.read(), small_cube("f4"))
        np.testing.assert_array_equal(scene.read(Block(3, 2, 4, 3)), small_cube("f4")[3:7, 2:5])

    @pytest.mark.parametrize(
        "dims",
        ["y x band", "band y x", "lat lon wavelength", "wavelength lat lon", "downtrack crosstrack bands", "x y band"],
    )
    def test_names_of_dimensions_decide(self, dims, tmp_path):
        path = netcdf(tmp_path / "x.nc", dims, place=False)
        scene = open_scene(path)
        np.testing.assert_array_equal(scene.read(Block(3, 2, 4, 3)), small_cube("f4")[3:7, 2:5])
        np.testing.assert_array_equal(open_labels(None, scene).values, small_labels())

    @pytest.mark.parametrize("extra", [{"wavelengths": np.arange(400.0, 900, 100)}, {"lat": YX[0], "lon": YX[1]}])
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
    def test_lengths_of_vectors_decide(self, extra, order, tmp_path):
        scene = open_scene(hdf5(tmp_path / "x.h5", cube=small_cube("f4").transpose(order), **extra))
        np.testing.assert_array_equal(scene.read(), small_cube("f4"))

    @pytest.mark.parametrize("where", ["cube", "/"])
    def test_wavelengths_can_be_attributes(self, where, tmp_path):
        path = hdf5(tmp_path / "x.h5", cube=small_cube())
        with h5py.File(path, "a") as file:
            file[where].attrs.update(wavelengths=np.arange(0.4, 0.9, 0.1), wavelength_units="um")
        scene = open_scene(path)
        assert (scene.axes, scene.wavelengths) == ("HWB", pytest.approx([400, 500, 600, 700, 800]))

    def test_labels_in_another_file_decide(self, tmp_path):
        path = hdf5(tmp_path / "x.h5", cube=small_cube())
        for name in ("other.npy", "x_gt.npy"):
            np.save(tmp_path / name, small_labels())
            options = InputSettings(labels=tmp_path / name if name == "other.npy" else None)
            scene = open_any_scene(path, options)
            assert (scene.shape, scene.axes) == ((11, 7, 5), "HWB")
        np.save(tmp_path / "turned.npy", small_labels().T)
        turned = InputSettings(labels=tmp_path / "turned.npy")
        refuse_labels(tmp_path / "turned.npy", open_any_scene(path, turned), "transposed")

    @pytest.mark.parametrize("extra", [{}, {"wavelengths": np.arange(4.0, 28)}, {"gt": np.eye(24, dtype="u1")}])
    def test_what_stays_open_is_asked(self, extra, tmp_path):
        cube = np.arange(24**3, dtype="u2").reshape(24, 24, 24)
        path = hdf5(tmp_path / "x.h5", cube=cube, **extra)
        refuse_scene(path, "which axis of cube (24 x 24 x 24, uint16)", "--axes HWB", "--axes BHW", error=UsageError)
        for axes in ("HWB", "bhw", "WBH"):
            expected = cube.transpose([axes.upper().index(axis) for axis in "HWB"])
            np.testing.assert_array_equal(open_scene(path, axes=axes).read(), expected)
        refuse_scene(path, "--axes HHB", error=UsageError, axes="HHB")

    def test_the_order_given_counts_for_labels_of_the_same_file(self, tmp_path):
        path = hdf5(tmp_path / "x.h5", cube=CUBE.swapaxes(1, 2), gt=small_labels().T)
        scene = open_scene(path, axes="BWH")
        np.testing.assert_array_equal(scene.read(), small_cube())
        np.testing.assert_array_equal(open_labels(None, scene).values, small_labels())


class TestPlace:
    @pytest.mark.parametrize("dims", ["y x band", "band y x", "x y band"])
    def test_coordinates_are_centres_of_pixels(self, dims, tmp_path):
        path = netcdf(tmp_path / "x.nc", dims)
        scene = open_scene(path)
        check_place(scene, NORTH_UP, 32633)
        assert open_labels(None, scene).values.shape == (11, 7)

    def test_longitude_and_latitude_are_wgs_84(self, tmp_path):
        """As the orthorectified EMIT scene that xarray writes, whose look-up table is applied."""
        lat, lon = 33.4 - 0.000542 * (np.arange(11) + 0.5), -115.9 + 0.000542 * (np.arange(7) + 0.5)
        lengths = {"wavelengths": np.arange(0.4, 0.9, 0.1), "good_wavelengths": np.array([1.0, 1, 1, 1, 0])}
        given = {"latitude": lat, "longitude": lon, **lengths}
        scene = open_scene(netcdf(tmp_path / "x.nc", "latitude longitude bands", mapping=False, **given))
        check_place(scene, rasterio.Affine(0.000542, 0, -115.9, 0, -0.000542, 33.4), 4326)
        assert scene.wavelengths == pytest.approx([400, 500, 600, 700, 800])
        assert scene.good == (True, True, True, True, False)
        rounded = {"latitude": lat.astype("f4"), "longitude": lon.astype("f4")}
        rough = open_scene(netcdf(tmp_path / "f4.nc", "latitude longitude bands", mapping=False, **rounded))
        assert rough.georeference.transform == pytest.approx(scene.georeference.transform, abs=2e-5)

    @pytest.mark.parametrize(
        "coordinates", [{"place": False}, {"y": np.arange(11), "x": np.arange(7)}, {"y": np.arange(11.0) ** 2}]
    )
    def test_a_crs_alone_is_no_place(self, coordinates, tmp_path):
        scene = open_scene(netcdf(tmp_path / "x.nc", "y x band", **coordinates))
        assert (scene.georeference, scene.unplaced) == (None, "a CRS and no even coordinates of rows and columns")

    def test_coordinates_in_kilometres(self, tmp_path):
        path = netcdf(tmp_path / "x.nc", "y x band", y=YX[0] / 1000, x=YX[1] / 1000)
        with h5py.File(path, "a") as file:
            for name in "yx":
                file[name].attrs["units"] = "km"
        check_place(open_scene(path), NORTH_UP, 32633)

    def test_a_geotransform_in_the_file(self, tmp_path):
        path = netcdf(tmp_path / "x.nc", "y x band", place=False)
        with h5py.File(path, "a") as file:
            file["spatial_ref"].attrs["GeoTransform"] = "500000.0 30.0 0.0 4000000.0 0.0 -30.0"
        check_place(open_scene(path), NORTH_UP, 32633)


def test_packed_numbers(tmp_path):
    with h5py.File(tmp_path / "x.nc", "w") as file:
        data = file.create_dataset("cube", data=np.where(small_cube() == 3, -1, small_cube()).astype("i1"))
        data.attrs.update(scale_factor=0.5, add_offset=2.0, _FillValue=np.int8(-1), _Unsigned="true")
    expected = np.where(small_cube() == 3, np.nan, small_cube() * 0.5 + 2)
    np.testing.assert_allclose(open_scene(tmp_path / "x.nc", axes="HWB").read(), expected)


def test_packed_numbers_with_a_factor_for_each_band(tmp_path):
    path, factors = hdf5(tmp_path / "x.h5", cube=small_cube()), np.array([1.0, 2, 3, 4, 5])
    with h5py.File(path, "a") as file:
        file["cube"].attrs["scale_factor"] = factors
    np.testing.assert_array_equal(open_scene(path, axes="HWB").read(), small_cube() * factors)
    with h5py.File(path, "a") as file:
        file["cube"].attrs["scale_factor"] = factors[:4]
    refuse_scene(path, "'scale_factor' has 4 numbers for 5 bands", axes="HWB")


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
def test_one_of_several_is_chosen_by_name_and_errors_list_them(suffix, tmp_path):
    path = hdf5(tmp_path / f"x{suffix}", one=CUBE, group__two=CUBE + 1)
    listed = ["one (5 x 11 x 7, float32)", "group/two (5 x 11 x 7, float32)"]
    refuse_scene(path, "holds 2 cubes", "variable=NAME", *listed, error=UsageError)
    np.testing.assert_array_equal(open_scene(path, "group/two", "BHW").read(), small_cube("f4") + 1)


def test_what_is_no_cube_or_no_such_file(tmp_path):
    path = hdf5(tmp_path / "x.h5", plane=small_labels("i4"), other=small_labels("i4"))
    refuse_scene(path, "plane (11 x 7, int32)", error=SceneError)
    cut = hdf5(tmp_path / "x.nc", one=CUBE)
    os.truncate(cut, 700)
    refuse_scene(cut, "is cut off")
    (tmp_path / "page.nc").write_bytes(b"one,two\n" * 100)
    refuse_scene(tmp_path / "page.nc", "is not a NetCDF or HDF5 file", "(text)")
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + struct.pack(">3I", 0, 10, 2**31 - 1) + bytes(200))
    refuse_scene(tmp_path / "old.nc", "classic format", "nccopy -k nc4 old.nc")


@pytest.mark.parametrize(
    ("shape", "chunks", "words"),
    [
        ((5, 10**9, 10**9), (1, 9, 9), ["declares cube (5 x 1000000000 x 1000000000, uint16)", "0 bytes are stored"]),
        ((10**9, 2, 2), (1000, 2, 2), ["declares cube (1000000000 x 2 x 2, uint16)"]),
    ],
)
def test_declared_sizes_are_checked_before_anything_is_read(shape, chunks, words, tmp_path):
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        file.create_dataset("cube", shape, "u2", chunks=chunks)
    refuse_scene(tmp_path / "cube.h5", *words)


@pytest.mark.parametrize("how", ["link", "group", "storage", "virtual"])
def test_data_in_another_file_are_refused(how, tmp_path):
    secret = hdf5(tmp_path / "secret.h5", a__cube=CUBE)
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        if how in ("link", "group"):
            file["b"] = h5py.ExternalLink("secret.h5", "a" if how == "group" else "a/cube")
        elif how == "storage":
            file.create_dataset("b", (5, 11, 7), "u2", external=[(str(secret), 0, 770)])
        else:
            layout = h5py.VirtualLayout((5, 11, 7), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "a/cube", (5, 11, 7))
            file.create_virtual_dataset("b", layout)
    refuse_scene(tmp_path / "cube.h5", "'b' lie in another file")


def test_a_product_whose_groups_are_in_another_file_is_refused(tmp_path):
    path = product_makers.neon(tmp_path).path
    path.rename(tmp_path / "secret.h5")
    with h5py.File(path, "w") as file:
        file["SERC"] = h5py.ExternalLink("secret.h5", "SERC")
    refuse_scene(path, "lie in another file")


@pytest.mark.parametrize("free", [bytes(16), b"\xff" * 16, struct.pack("<QQ", 0, 2**40), struct.pack("<QQ", 1, 2**63)])
def test_texts_without_end_are_refused(free, tmp_path):
    """HDF5 itself loops for ever at a free space of size 0, or of one that overflows."""
    path = product_makers.aviris_ng(tmp_path).path
    raw = bytearray(path.read_bytes())
    heap = raw.index(HEAP)
    size = int.from_bytes(raw[heap + 8 : heap + 16], "little")
    place = heap + 16
    while int.from_bytes(raw[place : place + 2], "little"):
        place += 16 + -(-int.from_bytes(raw[place + 8 : place + 16], "little") // 8) * 8
    assert place < heap + size
    raw[place : place + 16] = free
    path.write_bytes(raw)
    refuse_scene(path, "damaged list of texts")


def test_dimensions_of_another_type_are_ignored(tmp_path):
    with h5py.File(tmp_path / "cube.nc", "w") as file:
        cube = file.create_dataset("cube", data=small_cube(np.float32))
        cube.attrs["DIMENSION_LIST"] = cube.ref  # the functions of HDF5 for dimensions crash on it
        cube.attrs["DIMENSION_LABELS"] = 3
        file["wavelength"] = np.linspace(400, 900, 5)
    assert open_scene(tmp_path / "cube.nc").shape == (11, 7, 5)
