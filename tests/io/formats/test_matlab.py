"""MATLAB files of all versions; those that lie about their numbers are refused before SciPy reads them."""

import os
import struct
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from hsi import open_labels
from hsi.core.scene import Block, scene_from_array
from hsi.errors import HsiError, SceneError, SceneFileError, UsageError
from hsi.io import open_scene
from tests.io.file_makers import mat, mat73, replaced, small_cube, small_labels
from tests.io.helpers import refuse_scene

DOUBLES = struct.pack("<II", 9, 8 * 385)  # the tag of 385 numbers of 8 bytes


@pytest.fixture
def plain(tmp_path):
    """A cube of float64, not compressed."""
    scipy.io.savemat(tmp_path / "cube.mat", {"cube": small_cube("f8")})
    return tmp_path / "cube.mat"


@pytest.fixture
def hdf5(tmp_path):
    with h5py.File(tmp_path / "v73.mat", "w") as file:
        yield file


class TestVersion5:
    def test_big_endian_files_are_read_too(self, tmp_path):
        scipy.io.savemat(tmp_path / "big.mat", {"cube": small_cube(">i4")})
        assert open_scene(tmp_path / "big.mat").read().dtype.isnative

    def test_labels_in_version_4(self, tmp_path):
        scipy.io.savemat(tmp_path / "old.mat", {"gt": small_labels("f8")}, format="4")
        labels = open_labels(tmp_path / "old.mat", scene_from_array(small_cube()))
        np.testing.assert_array_equal(labels.values, small_labels())

    def test_a_header_that_is_cut_off(self, plain):
        os.truncate(plain, 60)
        refuse_scene(plain, "cut off after 60 bytes")

    def test_declared_sizes_are_checked_before_anything_is_allocated(self, plain):
        replaced(plain, struct.pack("<3i", 11, 7, 5), struct.pack("<3i", 100_000, 100_000, 200))
        refuse_scene(plain, "2,000,000,000,000 bytes", "cannot hold it")

    @pytest.mark.parametrize(
        ("kind", "count"),
        [*((kind, 3080) for kind in (0, 8, 14, 20, 37, 65535)),
         *((9, count) for count in (0, 3072, 3088, 2**31, 2**32 - 8))],
    )  # fmt: skip
    def test_numbers_of_an_unknown_type_or_another_count(self, kind, count, plain):
        refuse_scene(replaced(plain, DOUBLES, struct.pack("<II", kind, count)), "'cube'", "damaged")

    def test_numbers_of_an_unknown_type_in_a_compressed_variable(self, tmp_path):
        path = mat(tmp_path / "cube.mat", cube=small_cube("f8"))
        raw = path.read_bytes()
        packed = zlib.compress(zlib.decompress(raw[136:]).replace(DOUBLES, struct.pack("<II", 99, 3080)))
        path.write_bytes(raw[:128] + struct.pack("<II", 15, len(packed)) + packed)
        refuse_scene(path, "'cube'", "damaged")

    def test_labels_of_an_unknown_type(self, tmp_path):
        scipy.io.savemat(tmp_path / "gt.mat", {"gt": small_labels("f8")})
        replaced(tmp_path / "gt.mat", struct.pack("<II", 9, 8 * 77), struct.pack("<II", 11, 8 * 77))
        with pytest.raises(SceneFileError, match=r"gt\.mat: its variable 'gt'"):
            open_labels(tmp_path / "gt.mat", scene_from_array(small_cube()))

    def test_two_variables_of_one_name(self, plain):
        raw = plain.read_bytes()
        plain.write_bytes(raw + raw[128:])
        with pytest.raises(HsiError):
            open_scene(plain, variable="cube")

    def test_a_name_without_end(self, tmp_path):
        scipy.io.savemat(tmp_path / "cube.mat", {"a_cube_here": small_cube()})
        endless = struct.pack("<II", 1, 2**31 - 1)
        refuse_scene(replaced(tmp_path / "cube.mat", struct.pack("<II", 1, 11), endless), "cut off")

    def test_objects_functions_and_cells_are_never_loaded(self, tmp_path, monkeypatch):
        """SciPy is asked for the cube alone."""
        cells = np.array([["a", np.eye(2)]], object)
        words = {"words": np.array(["abc", "def"]), "mask": small_cube() > 3}
        path = mat(tmp_path / "cube.mat", cube=small_cube(), cells=cells, record={"f": cells}, **words)
        append_opaque(path)
        wanted, load = [], scipy.io.loadmat
        monkeypatch.setattr(scipy.io, "loadmat", lambda *a, **k: wanted.append(k["variable_names"]) or load(*a, **k))
        np.testing.assert_array_equal(open_scene(path).read(), small_cube())
        assert wanted == [["cube"]]
        refuse_scene(path, "found handle__ (scalar, opaque)", error=SceneError, variable="handle__")
        refuse_scene(path, "found cells (1 x 2, cell)", error=SceneError, variable="cells")


class TestStructures:
    """Members are listed and read by our own parser, which SciPy's reader is never given."""

    @pytest.fixture(params=[True, False])
    def save(self, request, tmp_path, monkeypatch):
        def write(**variables):
            scipy.io.savemat(tmp_path / "s.mat", variables, do_compression=request.param)
            return tmp_path / "s.mat"

        monkeypatch.setattr(scipy.io, "loadmat", None)
        return write

    def test_cube_labels_wavelengths_and_class_names(self, save):
        names = np.array(["water", "W\u00e4lder", "bare soil"], object)
        members = {"Data": small_cube(), "labels": small_labels(), "class_names": names, "note": "flight 7"}
        path = save(hsi=members | {"wavelength": np.arange(0.4, 0.9, 0.1)}, other=np.eye(3))
        scene = open_scene(path)
        np.testing.assert_array_equal(scene.read(), small_cube())
        assert scene.variable == "hsi.Data"
        assert scene.wavelengths == pytest.approx([400, 500, 600, 700, 800])
        labels = open_labels(None, scene)
        assert (labels.variable, labels.table.names) == ("hsi.labels", ("water", "W\u00e4lder", "bare soil"))
        np.testing.assert_array_equal(labels.values, small_labels())
        assert open_scene(path, "hsi/Data").variable == "hsi.Data"
        np.testing.assert_array_equal(open_labels(path, scene_from_array(small_cube())).values, small_labels())

    def test_nested_structures_cells_and_arrays_of_structures(self, save):
        cells = np.empty(2, object)
        cells[:] = [small_cube("f4"), "text"]
        many = np.array([(small_cube() + 1,), (small_cube() + 2,)], [("cube", object)])
        path = save(a={"b": {"c": small_cube()}, "empty": np.zeros((0, 0))}, d=cells, many=many)
        for name, expected in {"a.b.c": 0, "d{1}": 0, "many(1).cube": 1, "many(2).cube": 2}.items():
            np.testing.assert_array_equal(open_scene(path, name).read(), small_cube() + expected)
        refuse_scene(path, "a.b.c (11 x 7 x 5, uint16)", "many(2).cube", "variable=NAME", error=UsageError)

    def test_members_that_lie_about_their_numbers(self, save):
        path = save(s={"cube": small_cube("f8")})
        if b"cube" not in path.read_bytes():
            return  # the bytes of a compressed file cannot be replaced
        raw = path.read_bytes()
        replaced(path, struct.pack("<3i", 11, 7, 5), struct.pack("<3i", 100_000, 100_000, 200))
        refuse_scene(path, "cannot hold it")
        path.write_bytes(raw)
        refuse_scene(replaced(path, DOUBLES, struct.pack("<II", 9, 3072)), "'s.cube'", "damaged")
        path.write_bytes(raw[:-500])
        refuse_scene(path, "cut off")

    def test_objects_in_structures_are_skipped(self, save):
        path = save(s={"cube": small_cube()})
        append_opaque(path)
        np.testing.assert_array_equal(open_scene(path).read(), small_cube())


def append_opaque(path):
    """Append a variable ``handle__`` of MATLAB's class for opaque objects, with text for its type and class."""

    def element(kind, content):
        return struct.pack("<II", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")

    texts = (element(1, text) for text in (b"handle__", b"MCOS____", b"string__"))
    inner = element(6, struct.pack("<II", 17, 0)) + b"".join(texts)
    inner += element(14, element(6, struct.pack("<II", 13, 0)))
    path.write_bytes(path.read_bytes() + element(14, inner))


class TestVersion73:
    def test_axes_are_reversed(self, tmp_path):
        cube = small_cube(shape=(6, 5, 4))
        scene = open_scene(mat73(tmp_path / "cube.mat", cube=cube))
        assert (scene.shape, scene.format) == ((6, 5, 4), "MATLAB v7.3 (HDF5)")
        np.testing.assert_array_equal(scene.read(Block(1, 2, 3, 2)), cube[1:4, 2:4])

    def test_a_cube_in_a_structure(self, tmp_path, hdf5):
        hdf5["data/cube"] = small_cube().T
        hdf5.close()
        assert open_scene(tmp_path / "v73.mat").variable == "data/cube"

    def test_text_truth_values_complex_and_empty_variables_are_no_cubes(self, tmp_path, hdf5):
        for name, kind in (("text", "char"), ("mask", "logical")):
            hdf5.create_dataset(name, data=small_cube("u1").T).attrs["MATLAB_class"] = np.bytes_(kind)
        hdf5["waves"] = np.zeros((5, 7, 11), [("real", "f8"), ("imag", "f8")])
        hdf5.create_dataset("nothing", data=np.array([0, 0, 5], "u8")).attrs["MATLAB_empty"] = 1
        hdf5.close()
        kinds = ("mask (11 x 7 x 5, logical)", "text (11 x 7 x 5, char)", "waves (11 x 7 x 5, complex)")
        refuse_scene(tmp_path / "v73.mat", *kinds, "nothing (3, empty)", error=SceneError)

    def test_a_dataset_that_was_never_written(self, tmp_path, hdf5):
        hdf5.create_dataset("cube", shape=(200, 100_000, 100_000), dtype="f8", chunks=True)
        hdf5.close()
        refuse_scene(tmp_path / "v73.mat", "only 0 bytes are stored")

    def test_a_dataset_that_points_into_another_file_is_ignored(self, tmp_path, hdf5):
        (tmp_path / "secret.bin").write_bytes(bytes(770))
        mat73(tmp_path / "other.mat", cube=small_cube())
        hdf5["linked"] = h5py.ExternalLink("other.mat", "cube")
        hdf5.create_dataset("stored", (5, 7, 11), "u2", external=[(str(tmp_path / "secret.bin"), 0, 770)])
        hdf5.close()
        refuse_scene(tmp_path / "v73.mat", "found no array", error=SceneError)
