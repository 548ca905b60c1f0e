from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsi import open_labels
from hsi.core.scene import Block, Scene, scene_from_array
from hsi.errors import HsiError, LabelError, SceneError, SceneFileError, UsageError
from hsi.io import READERS, open_scene
from tests.io.file_makers import (
    CUBE_MAKERS,
    NORTH_UP,
    edit,
    envi,
    mat,
    mat73,
    npy,
    npz,
    small_cube,
    small_labels,
    tiff,
)

UTM = {"crs": "EPSG:32633", "transform": NORTH_UP}
SAVED_DTYPES = ["uint8", "int16", "uint16", "int32", "float32", "float64"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> dict[str, Scene]:
    """The same cube in every format."""
    folder = tmp_path_factory.mktemp("scenes")
    return {name: open_scene(make(folder, small_cube())) for name, make in CUBE_MAKERS.items()}


def refused(error: type[HsiError], path: Path, *words: str, **options) -> str:
    """The message with which the scene is refused: it names the file, has the words and fits one line."""
    with pytest.raises(error) as caught:
        open_scene(path, **options).read()
    return checked(caught.value, path, *words)


def checked(error: HsiError, path: Path, *words: str) -> str:
    message = str(error)
    assert path.stem in message
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


class TestEveryFormat:
    @pytest.mark.parametrize("name", CUBE_MAKERS)
    def test_reads_back_what_another_library_wrote(self, name: str, scenes: dict[str, Scene]):
        scene = scenes[name]
        assert scene.shape == (11, 7, 5)
        assert scene.dtype == scene.read().dtype == np.uint16
        np.testing.assert_array_equal(scene.read(), small_cube())

    @pytest.mark.parametrize("dtype", SAVED_DTYPES)
    @pytest.mark.parametrize("name", CUBE_MAKERS)
    def test_keeps_the_dtype(self, name: str, dtype: str, tmp_path: Path):
        cube = small_cube(dtype)
        scene = open_scene(CUBE_MAKERS[name](tmp_path, cube))
        assert scene.dtype == scene.read().dtype == np.dtype(dtype)
        np.testing.assert_array_equal(scene.read(), cube)

    @pytest.mark.parametrize("name", CUBE_MAKERS)
    @given(data=st.data())
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_window_is_the_same_as_that_part_of_the_whole(self, name: str, data, scenes: dict[str, Scene]):
        row, column = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 6))
        block = Block(row, column, data.draw(st.integers(1, 11 - row)), data.draw(st.integers(1, 7 - column)))
        np.testing.assert_array_equal(scenes[name].read(block), small_cube()[block.slices])

    @pytest.mark.parametrize("name", CUBE_MAKERS)
    def test_lists_what_is_inside_and_only_its_own_reader_accepts_it(self, name: str, tmp_path: Path):
        path = CUBE_MAKERS[name](tmp_path, small_cube())
        knowing = [reader for _, reader in READERS.items() if reader.recognises(path)]
        assert len(knowing) == 1
        assert knowing[0].accepts(path)
        assert (11, 7, 5) in {array.shape for array in knowing[0].arrays(path)}

    @pytest.mark.parametrize("name", ["mat", "mat73", "npy", "npz", "tiff"])
    def test_is_told_by_its_content_when_the_suffix_says_nothing(self, name: str, tmp_path: Path):
        path = CUBE_MAKERS[name](tmp_path, small_cube())
        bare = path.rename(path.with_suffix(".data"))
        np.testing.assert_array_equal(open_scene(bare).read(), small_cube())

    # MATLAB drops a last axis of length 1
    @pytest.mark.parametrize("name", [name for name in CUBE_MAKERS if not name.startswith("mat")])
    def test_one_pixel_and_one_band_are_a_scene_too(self, name: str, tmp_path: Path):
        assert open_scene(CUBE_MAKERS[name](tmp_path, small_cube(shape=(1, 1, 1)))).shape == (1, 1, 1)

    @pytest.mark.parametrize("name", CUBE_MAKERS)
    @given(data=st.data())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_damaged_bytes_raise_nothing_but_our_own_errors(
        self, name: str, data, scenes: dict[str, Scene], tmp_path: Path
    ):
        whole = scenes[name].source
        assert whole is not None
        parts = [whole, whole.with_suffix(".img")] if whole.suffix == ".hdr" else [whole]
        damaged = data.draw(st.sampled_from(parts))
        for part in parts:
            raw = bytearray(part.read_bytes())
            if part == damaged:
                for _ in range(data.draw(st.integers(0, 6))):
                    # headers and directories are at one end or the other
                    raw[data.draw(st.integers(-min(len(raw), 600), min(len(raw), 600) - 1))] = data.draw(
                        st.integers(0, 255)
                    )
                raw = raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]
            (tmp_path / part.name).write_bytes(raw)
        try:
            scene = open_scene(tmp_path / whole.name)
            scene.read(Block(0, 0, 1, 1))
            open_labels(tmp_path / whole.name, scene)
        except HsiError as error:
            assert "\n" not in str(error)

    @pytest.mark.parametrize("name", CUBE_MAKERS)
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_that_is_cut_off_is_refused(self, name: str, share: float, tmp_path: Path):
        path = CUBE_MAKERS[name](tmp_path, small_cube())
        data = path.with_suffix(".img") if path.suffix == ".hdr" else path
        os.truncate(data, int(data.stat().st_size * share))
        refused(SceneFileError, path)


class TestWhichFile:
    def test_a_missing_file_suggests_the_names_beside_it(self, tmp_path: Path):
        npy(tmp_path / "Indian_pines.npy", small_cube())
        refused(SceneFileError, tmp_path / "indian_pine.npy", "no such file", "did you mean Indian_pines.npy?")
        refused(SceneFileError, tmp_path / "else" / "x.npy", "no such file", "does not exist either")

    def test_a_folder_says_what_it_holds(self, tmp_path: Path):
        npy(tmp_path / "cube.npy", small_cube())
        refused(SceneFileError, tmp_path, "is a folder", "cube.npy")

    @pytest.mark.parametrize("suffix", [".mat", ".npy", ".npz", ".hdr", ".tif", ".xyz"])
    def test_an_empty_file_says_so(self, suffix: str, tmp_path: Path):
        path = tmp_path / f"empty{suffix}"
        path.touch()
        refused(SceneFileError, path, "is empty (0 bytes)")

    def test_an_unknown_suffix_lists_the_formats(self, tmp_path: Path):
        path = tmp_path / "cube.docx"
        path.write_text("words")
        refused(SceneFileError, path, "found suffix '.docx'", ".mat", ".npy", ".npz", ".hdr", ".tif")

    @pytest.mark.parametrize("suffix", [".mat", ".npy", ".npz", ".hdr", ".tif"])
    def test_a_web_page_saved_under_a_scene_s_name_says_what_it_starts_with(self, suffix: str, tmp_path: Path):
        path = tmp_path / f"cube{suffix}"
        path.write_text("<!DOCTYPE html><title>404 Not Found</title>")
        refused(SceneFileError, path, "<!DOCTYP")

    def test_a_data_file_without_its_header_says_that_it_needs_one(self, tmp_path: Path):
        path = tmp_path / "cube.img"
        path.write_bytes(bytes(100))
        refused(SceneFileError, path, "needs its .hdr in the same folder")

    def test_reading_needs_no_torch(self):
        code = "import sys, hsi.io as r; list(r.READERS); heavy = {'torch', 'h5py', 'rasterio', 'spectral', 'scipy'}"
        code += "; assert not heavy & set(sys.modules), heavy & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestWhichArray:
    @pytest.mark.parametrize("make", [mat, mat73, npz])
    def test_two_cubes_need_a_name(self, make, tmp_path: Path):
        path = make(tmp_path / f"two.{'npz' if make is npz else 'mat'}", raw=small_cube(), clean=small_cube("f4"))
        refused(UsageError, path, "2 cubes", "raw (11 x 7 x 5, uint16)", "clean (11 x 7 x 5,", "variable=NAME")
        assert open_scene(path, "clean").variable == "clean"

    @pytest.mark.parametrize("make", [mat, mat73, npz])
    def test_a_wrong_name_suggests_the_near_one(self, make, tmp_path: Path):
        path = make(tmp_path / f"one.{'npz' if make is npz else 'mat'}", salinas=small_cube(), other=small_labels())
        message = refused(UsageError, path, "no variable 'salina'", variable="salina")
        assert "did you mean salinas?" in message
        refused(SceneError, path, "3 axes", "other (11 x 7, uint8)", variable="other")

    def test_a_name_for_a_file_of_one_array_is_refused(self, tmp_path: Path):
        path = npy(tmp_path / "cube.npy", small_cube())
        refused(UsageError, path, "leave variable out", variable="cube")

    @pytest.mark.parametrize("make", [mat, mat73, npz])
    def test_a_file_without_a_cube_lists_what_it_holds(self, make, tmp_path: Path):
        path = make(tmp_path / f"none.{'npz' if make is npz else 'mat'}", gt=small_labels(), extra=small_cube()[0])
        refused(SceneError, path, "expected a 3-D array", "gt (11 x 7, uint8)", "extra (7 x 5, uint16)")

    def test_other_things_in_a_mat_file_are_no_cubes(self, tmp_path: Path):
        things = {"words": np.array(["abc", "def"]), "record": {"a": 1}, "cell": np.array([1, "x"], dtype=object)}
        path = mat(tmp_path / "mixed.mat", cube=small_cube(), mask=small_cube() > 3, **things)
        assert open_scene(path).variable == "cube"

    @pytest.mark.parametrize(("values", "kind"), [(small_cube() > 3, "logical"), (small_cube() * 1j, "complex")])
    def test_truth_values_and_complex_numbers_are_no_scene(self, values: np.ndarray, kind: str, tmp_path: Path):
        refused(SceneError, npz(tmp_path / "cube.npz", cube=values), kind)
        refused(SceneError, npy(tmp_path / "cube.npy", values), kind)
        refused(SceneError, mat(tmp_path / "cube.mat", cube=values), kind)


class TestMatlab:
    def test_big_endian_files_are_read_too(self, tmp_path: Path):
        scipy.io.savemat(tmp_path / "big.mat", {"cube": small_cube(">i4")})
        assert open_scene(tmp_path / "big.mat").read().dtype.isnative

    def test_labels_in_version_4(self, tmp_path: Path):
        scipy.io.savemat(tmp_path / "old.mat", {"gt": small_labels("f8")}, format="4")
        labels = open_labels(tmp_path / "old.mat", scene_from_array(small_cube()))
        np.testing.assert_array_equal(labels.values, small_labels())

    def test_declared_sizes_are_checked_before_anything_is_allocated(self, tmp_path: Path):
        scipy.io.savemat(tmp_path / "huge.mat", {"cube": small_cube()})
        raw = (tmp_path / "huge.mat").read_bytes()
        huge = raw.replace(struct.pack("<3i", 11, 7, 5), struct.pack("<3i", 100_000, 100_000, 200))
        (tmp_path / "huge.mat").write_bytes(huge)
        refused(SceneFileError, tmp_path / "huge.mat", "2,000,000,000,000 bytes", "cannot hold it")

    def test_a_dataset_that_was_never_written_is_refused(self, tmp_path: Path):
        with h5py.File(tmp_path / "unwritten.mat", "w") as file:
            file.create_dataset("cube", shape=(200, 100_000, 100_000), dtype="f8", chunks=True)
        refused(SceneFileError, tmp_path / "unwritten.mat", "only 0 bytes are stored")

    def test_axes_of_version_7_3_are_put_right(self, tmp_path: Path):
        cube = small_cube(shape=(6, 5, 4))
        scene = open_scene(mat73(tmp_path / "cube.mat", cube=cube))
        assert scene.shape == (6, 5, 4)
        assert scene.format == "MATLAB v7.3 (HDF5)"
        np.testing.assert_array_equal(scene.read(Block(1, 2, 3, 2)), cube[1:4, 2:4])

    def test_a_cube_in_a_structure_is_found(self, tmp_path: Path):
        with h5py.File(tmp_path / "nested.mat", "w") as file:
            file.create_dataset("data/cube", data=small_cube().T)
        assert open_scene(tmp_path / "nested.mat").variable == "data/cube"

    def test_text_and_truth_values_of_version_7_3_are_told_from_numbers(self, tmp_path: Path):
        with h5py.File(tmp_path / "kinds.mat", "w") as file:
            for name, kind in (("text", "char"), ("mask", "logical")):
                file.create_dataset(name, data=small_cube("u1").T).attrs["MATLAB_class"] = np.bytes_(kind)
        refused(SceneError, tmp_path / "kinds.mat", "mask (11 x 7 x 5, logical)", "text (11 x 7 x 5, char)")

    def test_complex_and_empty_variables_of_version_7_3_are_no_cubes(self, tmp_path: Path):
        with h5py.File(tmp_path / "kinds.mat", "w") as file:
            parts = np.zeros((5, 7, 11), [("real", "f8"), ("imag", "f8")])
            file["waves"] = parts
            file.create_dataset("nothing", data=np.array([0, 0, 5], "u8")).attrs["MATLAB_empty"] = 1
        refused(SceneError, tmp_path / "kinds.mat", "waves (11 x 7 x 5, complex)", "nothing (3, empty)")

    def test_a_dataset_that_points_into_another_file_is_passed_over(self, tmp_path: Path):
        (tmp_path / "secret.bin").write_bytes(bytes(770))
        with h5py.File(tmp_path / "other.mat", "w") as file:
            file.create_dataset("cube", data=small_cube().T)
        with h5py.File(tmp_path / "links.mat", "w") as file:
            file["linked"] = h5py.ExternalLink("other.mat", "cube")
            external = [(str(tmp_path / "secret.bin"), 0, 770)]
            file.create_dataset("stored", (5, 7, 11), "u2", external=external)
        refused(SceneError, tmp_path / "links.mat", "found no array")

    def test_a_header_that_is_cut_off_says_so(self, tmp_path: Path):
        path = mat(tmp_path / "cut.mat", cube=small_cube())
        os.truncate(path, 60)
        refused(SceneFileError, path, "cut off after 60 bytes")


class TestNumpy:
    def test_python_objects_are_never_loaded(self, tmp_path: Path):
        class Bomb:
            def __reduce__(self):
                return Path.touch, (tmp_path / "ran",)

        objects = np.empty((2, 2, 2), object)
        objects[:] = Bomb()
        np.save(tmp_path / "bomb.npy", objects, allow_pickle=True)
        np.savez(tmp_path / "bomb.npz", cube=objects)
        (tmp_path / "pickle.npy").write_bytes((tmp_path / "bomb.npy").read_bytes().partition(b"\n")[2])
        refused(SceneFileError, tmp_path / "bomb.npy", "Python objects", "refused")
        refused(SceneError, tmp_path / "bomb.npz", "object")
        refused(SceneFileError, tmp_path / "pickle.npy", "not a .npy file")
        assert not (tmp_path / "ran").exists()

    def test_a_short_file_says_how_many_bytes_are_missing(self, tmp_path: Path):
        path = npy(tmp_path / "short.npy", small_cube())
        os.truncate(path, path.stat().st_size - 70)
        refused(SceneFileError, path, "needs 770 bytes", "found 700 (70 fewer)")

    def test_an_archive_member_that_declares_too_much_is_refused(self, tmp_path: Path):
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (90000, 90000, 200), }".ljust(117) + b"\n"
        with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
            archive.writestr("cube.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        refused(SceneFileError, tmp_path / "huge.npz", "cube (90000 x 90000 x 200, float64)", "cannot hold it")

    def test_an_empty_archive_holds_no_array(self, tmp_path: Path):
        refused(SceneError, npz(tmp_path / "none.npz"), "found no array")

    def test_npy_is_mapped_and_not_read(self, tmp_path: Path):
        path = tmp_path / "large.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(3000, 3000, 300)).flush()  # sparse
        assert open_scene(path).read(Block(2999, 2999, 1, 1)).shape == (1, 1, 300)
        path.unlink()


class TestEnvi:
    @pytest.mark.parametrize("byte_order", [0, 1])
    @pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "uint32", "int64"])
    def test_every_interleave_and_byte_order(self, interleave: str, byte_order: int, dtype: str, tmp_path: Path):
        header = envi(tmp_path / "cube.hdr", small_cube(dtype), interleave, byte_order)
        for path in (header, header.with_suffix(".img")):
            scene = open_scene(path)
            assert scene.format == f"ENVI {interleave.upper()}"
            np.testing.assert_array_equal(scene.read(Block(2, 1, 5, 3)), small_cube(dtype)[2:7, 1:4])

    @pytest.mark.parametrize("name", ["cube", "cube.IMG", "cube.dat", "cube.raw", "cube.bil"])
    def test_the_data_file_may_have_any_usual_name(self, name: str, tmp_path: Path):
        header = envi(tmp_path / "cube.hdr", small_cube())
        header.with_suffix(".img").rename(tmp_path / name)
        np.testing.assert_array_equal(open_scene(header).read(), small_cube())
        np.testing.assert_array_equal(open_scene(tmp_path / name).read(), small_cube())

    def test_the_header_may_be_named_after_the_data_file(self, tmp_path: Path):
        header = envi(tmp_path / "cube.hdr", small_cube()).rename(tmp_path / "cube.img.hdr")
        for path in (header, tmp_path / "cube.img"):
            np.testing.assert_array_equal(open_scene(path).read(), small_cube())

    @pytest.mark.parametrize(
        ("unit", "values"),
        [
            ("Nanometers", [400, 500, 600, 700, 800]),
            ("Micrometers", [0.4, 0.5, 0.6, 0.7, 0.8]),
            ("um", [0.4, 0.5, 0.6, 0.7, 0.8]),
            ("µm", [0.4, 0.5, 0.6, 0.7, 0.8]),
            ("Unknown", [0.4, 0.5, 0.6, 0.7, 0.8]),
            ("Unknown", [400, 500, 600, 700, 800]),
        ],
    )
    def test_wavelengths_come_out_in_nanometres(self, unit: str, values: list[float], tmp_path: Path):
        fields = {"wavelength": values, "fwhm": [value / 100 for value in values], "wavelength units": unit}
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **fields))
        assert scene.wavelengths == pytest.approx((400, 500, 600, 700, 800))
        assert scene.fwhm == pytest.approx((4, 5, 6, 7, 8))

    def test_a_unit_that_is_no_length_gives_no_wavelengths(self, tmp_path: Path):
        fields = {"wavelength": [1, 2, 3, 4, 5], "wavelength units": "Wavenumber"}
        assert open_scene(envi(tmp_path / "cube.hdr", small_cube(), **fields)).wavelengths is None

    @pytest.mark.parametrize("values", [[1, 2, 3], ["x"] * 5, [-1] * 5])
    def test_a_wavelength_list_that_does_not_fit_is_an_error(self, values: list, tmp_path: Path):
        refused(SceneError, envi(tmp_path / "cube.hdr", small_cube(), wavelength=values), "'wavelength'", "correct")

    def test_place_and_nodata(self, tmp_path: Path):
        place = ["UTM", "1", "1", "500000", "4000000", "30", "30", "33", "North", "WGS-84"]
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **{"map info": place, "data ignore value": -9999}))
        assert scene.nodata == -9999
        assert scene.georeference is not None
        assert scene.georeference.transform == tuple(NORTH_UP)[:6]
        assert rasterio.crs.CRS.from_wkt(scene.georeference.crs) == rasterio.crs.CRS.from_epsg(32633)

    def test_without_map_info_there_is_no_place(self, tmp_path: Path):
        assert open_scene(envi(tmp_path / "cube.hdr", small_cube())).georeference is None

    @pytest.mark.parametrize(("change", "found"), [(-10, "10 fewer"), (4, "4 more")])
    def test_a_data_file_of_another_length_says_by_how_much(self, change: int, found: str, tmp_path: Path):
        path = envi(tmp_path / "cube.hdr", small_cube())
        os.truncate(path.with_suffix(".img"), 770 + change)
        refused(SceneFileError, path, found, "770", "11 lines x 7 samples x 5 bands of uint16")

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("interleave = bsq", "interleave = tiled", ["'tiled'", "bsq, bil or bip"]),
            ("data type = 12", "data type = 99", ["'99'", "12 (uint16)"]),
            ("byte order = 0", "byte order = 7", ["'7'"]),
            ("lines = 11", "lines = many", ["'lines' is 'many'"]),
            ("lines = 11", "lines = 0", ["'lines' is '0'"]),
            ("lines = 11", "lines = 99999999999", ["11 lines".replace("11", "99999999999")]),
            ("bands = 5", "", ["bands"]),
            ("header offset = 0", "header offset = -4", ["'-4'"]),
            ("data type = 12", "data type = 12\nfile compression = 1", ["compressed"]),
            ("data type = 12", "data type = 12\nmajor frame offsets = {1, 1}", ["frame offsets"]),
            ("data type = 12", "data type = 12\ndata ignore value = none", ["'data ignore value'", "a number"]),
        ],
    )
    def test_a_header_that_cannot_be_right_names_the_field(self, old: str, new: str, words: list[str], tmp_path: Path):
        path = edit(envi(tmp_path / "cube.hdr", small_cube()), old, new)
        refused(SceneFileError, path, *words)

    def test_class_colours_that_are_no_numbers_name_the_field(self, tmp_path: Path):
        fields = {"file type": "ENVI Classification", "class lookup": ["red", "green", "blue"]}
        path = envi(tmp_path / "gt.hdr", small_labels()[:, :, None], **fields)
        with pytest.raises(SceneFileError, match="'class lookup'"):
            open_labels(path, scene_from_array(small_cube()))

    def test_a_header_in_another_encoding_is_an_error_that_names_it(self, tmp_path: Path):
        path = envi(tmp_path / "cube.hdr", small_cube())
        path.write_bytes(path.read_bytes() + "description = {Köln}\n".encode("latin-1"))
        refused(SceneFileError, path, "an ENVI header")

    def test_a_missing_data_file_says_what_was_looked_for(self, tmp_path: Path):
        path = envi(tmp_path / "cube.hdr", small_cube())
        path.with_suffix(".img").unlink()
        refused(SceneFileError, path, "data file is missing", "cube.img")

    def test_a_spectral_library_is_no_scene(self, tmp_path: Path):
        path = edit(envi(tmp_path / "cube.hdr", small_cube()), "ENVI Standard", "ENVI Spectral Library")
        refused(SceneError, path, "spectral library")

    def test_class_names_and_colours_of_a_classification(self, tmp_path: Path):
        fields = {
            "file type": "ENVI Classification",
            "classes": 4,
            "class names": ["Unclassified", "corn", "oats", "woods"],
            "class lookup": [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255],
        }
        path = envi(tmp_path / "gt.hdr", small_labels()[:, :, None], **fields)
        labels = open_labels(path, scene_from_array(small_cube()))
        assert labels.background == 0
        assert labels.table.names == ("corn", "oats", "woods")
        assert labels.table.colours == ((255, 0, 0), (0, 255, 0), (0, 0, 255))


class TestRaster:
    def test_place_and_nodata(self, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube("f4"), nodata=-9999, **UTM))
        assert scene.format == "GeoTIFF"
        assert scene.nodata == -9999
        assert scene.georeference is not None
        assert scene.georeference.transform == tuple(NORTH_UP)[:6]
        assert rasterio.crs.CRS.from_wkt(scene.georeference.crs).to_epsg() == 32633

    @pytest.mark.filterwarnings("error")
    def test_without_a_place_there_is_none_and_no_warning(self, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube()))
        scene.read()
        assert scene.georeference is None

    def test_wavelengths_from_the_tags_of_each_band(self, tmp_path: Path):
        path = tiff(tmp_path / "cube.tif", small_cube(), **UTM)
        assert open_scene(path).wavelengths is None
        with rasterio.open(path, "r+") as file:
            for band in range(1, 6):
                file.update_tags(band, wavelength=str(band / 10), wavelength_units="Micrometers", fwhm="0.01")
        scene = open_scene(path)
        assert scene.wavelengths == pytest.approx((100, 200, 300, 400, 500))
        assert scene.fwhm == pytest.approx((10,) * 5)

    def test_wavelengths_from_gdal_s_imagery_domain(self, tmp_path: Path):
        path = tiff(tmp_path / "cube.tif", small_cube(), **UTM)
        with rasterio.open(path, "r+") as file:
            for band in range(1, 6):
                file.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(band / 10), FWHM_UM="0.02")
        scene = open_scene(path)
        assert scene.wavelengths == pytest.approx((100, 200, 300, 400, 500))
        assert scene.fwhm == pytest.approx((20,) * 5)

    def test_declared_sizes_are_checked_before_anything_is_allocated(self, tmp_path: Path):
        size = {"width": 300_000, "height": 300_000, "count": 4, "dtype": "float64"}
        options = {"tiled": True, "blockxsize": 16384, "blockysize": 16384, "sparse_ok": True, "bigtiff": True}
        rasterio.open(tmp_path / "huge.tif", "w", driver="GTiff", **size, **options, **UTM).close()
        refused(SceneFileError, tmp_path / "huge.tif", "2,880,000,000,000 bytes", "cannot hold it")

    def test_a_file_of_another_format_named_tif_says_so(self, tmp_path: Path):
        path = npy(tmp_path / "cube.npy", small_cube()).rename(tmp_path / "cube.tif")
        refused(SceneFileError, path, "NUMPY", "TIFF")

    def test_a_virtual_raster_stacks_bands(self, tmp_path: Path):
        tiff(tmp_path / "cube.tif", small_cube(), **UTM)
        with rasterio.open(tmp_path / "cube.tif") as source:
            rasterio.shutil.copy(source, tmp_path / "stack.vrt", driver="VRT")
        np.testing.assert_array_equal(open_scene(tmp_path / "stack.vrt").read(), small_cube())

    def test_palette_category_names_and_nodata_of_labels(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), nodata=3, **UTM)
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, {0: (9, 9, 9), 1: (255, 0, 0), 2: (0, 255, 0, 128)})
        names = "".join(f"<Category>{name}</Category>" for name in ("soil", "corn &amp; oats", ""))
        band = f'<PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand>'
        (tmp_path / "gt.tif.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
        labels = open_labels(path, scene_from_array(small_cube()))
        assert labels.background == 3
        assert labels.table.ids == (0, 1, 2)
        assert labels.table.names == ("soil", "corn & oats", "class 2")
        assert labels.table.colours == ((9, 9, 9), (255, 0, 0), (0, 255, 0))

    def test_names_from_an_attribute_table(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels())
        fields = "".join(f"<FieldDefn><Name>{n}</Name><Usage>{u}</Usage></FieldDefn>" for n, u in (("v", 5), ("n", 2)))
        rows = "".join(f"<Row><F>{i}</F><F>{name}</F></Row>" for i, name in ((1, "corn"), (3, "woods")))
        table = f"<GDALRasterAttributeTable>{fields}{rows}</GDALRasterAttributeTable>"
        (tmp_path / "gt.tif.aux.xml").write_text(
            f'<PAMDataset><PAMRasterBand band="1">{table}</PAMRasterBand></PAMDataset>'
        )
        assert open_labels(path, scene_from_array(small_cube())).table.names == ("corn", "class 2", "woods")

    @pytest.mark.parametrize(
        "text",
        [
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><PAMDataset>&a;</PAMDataset>',
            "<PAMDataset>",
            "\xff\xfe",
            f"<PAMDataset>{' ' * 2**20}</PAMDataset>",
        ],
    )
    def test_a_side_file_that_cannot_be_trusted_gives_no_names(self, text: str, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels())
        (tmp_path / "gt.tif.aux.xml").write_text(text, encoding="latin-1")
        assert open_labels(path, scene_from_array(small_cube())).table.names == ("class 1", "class 2", "class 3")


class TestFindingLabels:
    @pytest.mark.parametrize("dtype", ["uint8", "float64"])
    @pytest.mark.parametrize("make", [mat, mat73, npz])
    def test_in_the_scene_s_own_file(self, make, dtype: str, tmp_path: Path):
        path = tmp_path / f"scene.{'npz' if make is npz else 'mat'}"
        fractions = np.random.default_rng(3).random((11, 7))
        make(path, cube=small_cube(), truth=small_labels(dtype), latitude=fractions, wavelengths=np.ones((1, 5)))
        labels = open_labels(None, open_scene(path))
        assert (labels.source, labels.variable) == (path, "truth")
        np.testing.assert_array_equal(labels.values, small_labels())

    @pytest.mark.parametrize(
        ("scene", "labels"),
        [
            ("Salinas_corrected.mat", "Salinas_gt.mat"),
            ("PaviaU.mat", "PaviaU_gt.mat"),
            ("flight.line.3.npy", "flight.line.3_labels.mat"),
            ("PaviaU.npy", "paviau_GT.MAT"),
        ],
    )
    def test_in_a_file_beside_it(self, scene: str, labels: str, tmp_path: Path):
        make = npy if scene.endswith("npy") else lambda path, cube: mat(path, cube=cube)
        mat(tmp_path / labels, gt=small_labels())
        found = open_labels(None, open_scene(make(tmp_path / scene, small_cube())))
        assert found.source == tmp_path / labels
        assert found.counts == {i: int((small_labels() == i).sum()) for i in (1, 2, 3)}

    @pytest.mark.parametrize("name", ["cube.hdr", "cube.img", "cube.img.hdr"])
    def test_an_envi_header_and_its_data_are_one_file_beside_it(self, name: str, tmp_path: Path):
        envi(tmp_path / "cube.hdr", small_cube())
        if name == "cube.img.hdr":
            (tmp_path / "cube.hdr").rename(tmp_path / name)
        envi(tmp_path / "cube_gt.hdr", small_labels()[:, :, None])
        assert open_labels(None, open_scene(tmp_path / name)).source == tmp_path / "cube_gt.hdr"

    def test_side_files_of_gdal_are_no_labels(self, tmp_path: Path):
        tiff(tmp_path / "cube.tif", small_cube())
        tiff(tmp_path / "cube_gt.tif", small_labels())
        (tmp_path / "cube_gt.tif.aux.xml").write_text("<PAMDataset/>")
        assert open_labels(None, open_scene(tmp_path / "cube.tif")).source == tmp_path / "cube_gt.tif"

    def test_nothing_found_says_where_it_looked(self, tmp_path: Path):
        path = mat(tmp_path / "x_corrected.mat", cube=small_cube())
        message = self.failure(None, open_scene(path))
        assert f"no labels found in {path}" in message
        for name in ("x_corrected_gt.*", "x_gt.*", "x_corrected_labels.*", "give labels=FILE"):
            assert name in message
        assert "give labels=FILE" in self.failure(None, scene_from_array(small_cube()))

    def test_several_files_are_listed(self, tmp_path: Path):
        path = npy(tmp_path / "x.npy", small_cube())
        npy(tmp_path / "x_gt.npy", small_labels())
        mat(tmp_path / "x_labels.mat", gt=small_labels())
        message = self.failure(None, open_scene(path))
        assert "x_gt.npy, x_labels.mat" in message
        assert "labels=FILE" in message

    @pytest.mark.parametrize("inside", [True, False])
    def test_several_arrays_need_a_name(self, inside: bool, tmp_path: Path):
        cubes = {"cube": small_cube()} if inside else {}
        path = mat(tmp_path / "x.mat", train=small_labels(), test=small_labels(), **cubes)
        scene = open_scene(path) if inside else scene_from_array(small_cube())
        given_path = None if inside else path
        message = self.failure(given_path, scene)
        for words in ("train (11 x 7, uint8)", "test (11 x 7, uint8)", "label_variable=NAME"):
            assert words in message
        assert open_labels(given_path, scene, variable="train").variable == "train"
        with pytest.raises(UsageError, match="did you mean train"):
            open_labels(given_path, scene, variable="trian")

    def test_a_named_variable_is_looked_for_beside_the_scene_too(self, tmp_path: Path):
        path = mat(tmp_path / "x.mat", cube=small_cube(), own=small_labels())
        mat(tmp_path / "x_gt.mat", fine=small_labels(), coarse=small_labels())
        assert open_labels(None, open_scene(path), variable="coarse").source == tmp_path / "x_gt.mat"

    def test_a_transposed_array_in_the_scene_s_file_is_pointed_out(self, tmp_path: Path):
        path = mat(tmp_path / "x.mat", cube=small_cube(), gt=small_labels().T)
        assert "gt (7 x 11, uint8) is transposed: the scene is 11 x 7" in self.failure(None, open_scene(path))

    @staticmethod
    def failure(path: Path | None, scene: Scene, **options) -> str:
        with pytest.raises(LabelError) as caught:
            open_labels(path, scene, **options)
        return str(caught.value)


class TestFittingLabels:
    failure = staticmethod(TestFindingLabels.failure)

    def test_another_size_names_both(self, tmp_path: Path):
        path = npy(tmp_path / "gt.npy", small_labels(shape=(10, 7)))
        message = self.failure(path, scene_from_array(small_cube()))
        assert "the labels are 10 x 7, the scene scene is 11 x 7" in message
        assert "transposed" not in message

    def test_swapped_axes_are_called_transposed(self, tmp_path: Path):
        path = npy(tmp_path / "gt.npy", small_labels().T)
        assert "transposed: the labels are 7 x 11" in self.failure(path, scene_from_array(small_cube()))

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"cube": small_cube()}, ["2-D array of integers, found cube (11 x 7 x 5, uint16)"]),
            (
                {"a": small_labels(shape=(3, 4)), "b": small_labels(shape=(5, 6))},
                ["none of its 2-D arrays", "11 x 7 pixels", "a (3 x 4, uint8)", "b (5 x 6, uint8)"],
            ),
        ],
    )
    def test_a_file_without_labels_lists_what_it_holds(self, arrays: dict, words: list[str], tmp_path: Path):
        message = self.failure(mat(tmp_path / "gt.mat", **arrays), scene_from_array(small_cube()))
        for word in words:
            assert word in message

    def test_fractions_are_no_labels(self, tmp_path: Path):
        path = npy(tmp_path / "gt.npy", np.random.default_rng(0).random((11, 7)))
        assert "integers" in self.failure(path, scene_from_array(small_cube()))

    def test_a_picture_of_three_bands_is_no_labels(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_cube("u1", (11, 7, 3)))
        assert "11 x 7 x 3" in self.failure(path, scene_from_array(small_cube()))

    def test_a_raster_shifted_by_a_pixel_names_both_corners(self, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube(), **UTM))
        shifted = NORTH_UP @ rasterio.Affine.translation(1, 0)
        path = tiff(tmp_path / "other.tif", small_labels(), crs="EPSG:32633", transform=shifted)
        message = self.failure(path, scene)
        assert "(500000, 4000000)" in message
        assert "(500030, 4000000)" in message

    def test_a_raster_in_another_crs_names_both(self, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube(), **UTM))
        path = tiff(tmp_path / "other.tif", small_labels(), crs="EPSG:32634", transform=NORTH_UP)
        message = self.failure(path, scene)
        assert "EPSG:32633 (WGS 84 / UTM zone 33N)" in message
        assert "EPSG:32634" in message

    def test_the_same_grid_in_two_formats_fits(self, tmp_path: Path):
        place = ["UTM", "1", "1", "500000", "4000000", "30", "30", "33", "North", "WGS-84"]
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **{"map info": place}))
        nudged = NORTH_UP @ rasterio.Affine.translation(0.0001, 0)
        labels = tiff(tmp_path / "other.tif", small_labels(), crs="EPSG:32633", transform=nudged)
        assert open_labels(labels, scene).source == labels

    def test_labels_without_a_place_are_taken_at_their_word(self, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube(), **UTM))
        assert open_labels(npy(tmp_path / "gt.npy", small_labels()), scene).counts


class TestBackground:
    def labels(self, path: Path, nodata: float | None = None, dtype: str = "uint8", **options):
        path = tiff(path / "gt.tif", small_labels(dtype), nodata=nodata)
        return open_labels(path, scene_from_array(small_cube()), **options)

    def test_is_zero_unless_the_file_says_otherwise(self, tmp_path: Path):
        assert self.labels(tmp_path).background == 0
        assert set(self.labels(tmp_path, nodata=2).counts) == {0, 1, 3}

    def test_given_by_the_user_leaves_nodata_unlabelled_too(self, tmp_path: Path):
        labels = self.labels(tmp_path, nodata=2, background=0)
        assert labels.background == 0
        assert set(labels.counts) == {1, 3}

    @pytest.mark.parametrize("nodata", [float("nan"), -9999.0, float(np.finfo(np.float32).min)])
    def test_of_a_float_raster(self, nodata: float, tmp_path: Path):
        values = small_labels("f4")
        values[values == 0] = nodata
        path = tiff(tmp_path / "gt.tif", values, nodata=nodata)
        labels = open_labels(path, scene_from_array(small_cube()))
        assert set(labels.counts) == {1, 2, 3}
        assert labels.labelled.sum() == np.count_nonzero(small_labels())

    def test_that_the_labels_cannot_hold_is_refused(self, tmp_path: Path):
        with pytest.raises(UsageError, match="background=-1 does not fit labels of dtype uint8"):
            self.labels(tmp_path, nodata=2, background=-1)
