"""NetCDF and HDF5 files: arrays by name, sizes, links to other files and endless lists of texts."""

import os
import struct

import h5py
import numpy as np
import pytest

from hsi.core.scene import Block
from hsi.errors import SceneError, UsageError
from hsi.io import open_scene
from hsi.io.formats._hdf5 import HEAP
from tests.io import product_makers
from tests.io.file_makers import small_cube, small_labels
from tests.io.helpers import refuse_scene

CUBE = np.moveaxis(small_cube("f4"), 2, 0)


def hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".hdf5"])
def test_bands_come_first(suffix, tmp_path):
    scene = open_scene(hdf5(tmp_path / f"x{suffix}", one=CUBE, plane=small_labels("i4")))
    np.testing.assert_array_equal(scene.read(), small_cube("f4"))
    np.testing.assert_array_equal(scene.read(Block(3, 2, 4, 3)), small_cube("f4")[3:7, 2:5])


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
def test_one_of_several_is_chosen_by_name_and_errors_list_them(suffix, tmp_path):
    path = hdf5(tmp_path / f"x{suffix}", one=CUBE, group__two=CUBE + 1)
    listed = ["one (11 x 7 x 5, float32)", "group/two (11 x 7 x 5, float32)"]
    refuse_scene(path, "holds 2 cubes", "variable=NAME", *listed, error=UsageError)
    np.testing.assert_array_equal(open_scene(path, "group/two").read(), small_cube("f4") + 1)


def test_what_is_no_cube_or_no_such_file(tmp_path):
    path = hdf5(tmp_path / "x.h5", plane=small_labels("i4"), other=small_labels("i4"))
    refuse_scene(path, "plane (11 x 7, int32)", error=SceneError)
    cut = hdf5(tmp_path / "x.nc", one=CUBE)
    os.truncate(cut, 700)
    refuse_scene(cut, "truncated")
    (tmp_path / "page.nc").write_bytes(b"<html>" * 100)
    refuse_scene(tmp_path / "page.nc", "is not a NetCDF or HDF5 file", "<html>")
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + struct.pack(">3I", 0, 10, 2**31 - 1) + bytes(200))
    refuse_scene(tmp_path / "old.nc", "classic format", "nccopy -k nc4 old.nc")


@pytest.mark.parametrize(
    ("shape", "chunks", "words"),
    [
        ((5, 10**9, 10**9), (1, 9, 9), ["declares cube (5 x 1000000000 x 1000000000, uint16)", "0 bytes are stored"]),
        ((16_000_000, 2, 2), (1000, 2, 2), ["16,000,000 bands"]),
    ],
)
def test_declared_sizes_are_checked_before_gdal_reads(shape, chunks, words, tmp_path):
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
