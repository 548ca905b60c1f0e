"""NumPy files: mapped where that is possible, and never unpickled."""

import os
import struct
import zipfile
from pathlib import Path

import numpy as np

from hsi import open_labels
from hsi.core.scene import Block
from hsi.errors import SceneError
from hsi.io import open_scene
from tests.io.file_makers import npy, npz, replaced, small_cube, small_labels
from tests.io.helpers import refuse_scene


def test_python_objects_are_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    objects = np.full((2, 2, 2), Bomb(), object)
    np.save(tmp_path / "bomb.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "bomb.npz", cube=objects)
    (tmp_path / "pickle.npy").write_bytes((tmp_path / "bomb.npy").read_bytes().partition(b"\n")[2])
    refuse_scene(tmp_path / "bomb.npy", "Python objects", "refused")
    refuse_scene(tmp_path / "bomb.npz", "object", error=SceneError)
    refuse_scene(tmp_path / "pickle.npy", "not a .npy file")
    assert not (tmp_path / "ran").exists()


def test_a_short_file_says_how_many_bytes_are_missing(tmp_path):
    path = npy(tmp_path / "short.npy", small_cube())
    os.truncate(path, path.stat().st_size - 70)
    refuse_scene(path, "needs 770 bytes", "found 700 (70 fewer)")


def test_declared_sizes_are_checked_before_anything_is_allocated(tmp_path):
    path = npy(tmp_path / "cube.npy", small_cube())
    replaced(path, b"(11, 7, 5), }" + b" " * 20, b"(1000000000, 1000000000, 5), }".ljust(33))
    refuse_scene(path, "is truncated", "10,000,000,000,000,000,000 bytes")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (90000, 90000, 200), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("cube.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    refuse_scene(tmp_path / "huge.npz", "cube (90000 x 90000 x 200, float64)", "cannot hold it")


def test_an_empty_archive_holds_no_array(tmp_path):
    refuse_scene(npz(tmp_path / "none.npz"), "found no array", error=SceneError)


def test_npy_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(3000, 3000, 300)).flush()  # sparse
    assert open_scene(path).read(Block(2999, 2999, 1, 1)).shape == (1, 1, 300)
    path.unlink()


def test_members_of_an_archive_are_names_and_no_paths(tmp_path):
    path = npz(tmp_path / "cube.npz", **{"../../cube": small_cube(), "/etc/gt": small_labels()})
    before = sorted(tmp_path.parent.rglob("*"))
    scene = open_scene(path)
    assert scene.variable == "../../cube"
    assert open_labels(None, scene).variable == "/etc/gt"
    assert sorted(tmp_path.parent.rglob("*")) == before
