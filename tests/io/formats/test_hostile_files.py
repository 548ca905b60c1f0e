"""Files that lie about their sizes, lead elsewhere or hold what could run: refused in one line before harm is done."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import scipy.io

from hsi import open_labels
from hsi.core.memory import resident_memory
from hsi.core.scene import scene_from_array
from hsi.errors import HsiError, SceneError, SceneFileError
from hsi.io import open_scene
from hsi.io.formats._hdf5 import HEAP
from tests.io import product_makers
from tests.io.file_makers import NORTH_UP, edit, envi, mat, npz, small_cube, small_labels, tiff

HUGE = 10**9
PICKLED = b"\x80\x02c__builtin__\nprint\nq\x00."  # a pickle that names a function
PLACE = {"crs": "EPSG:32633", "transform": NORTH_UP}


def refused(path: Path, *words: str, error: type[HsiError] = SceneFileError) -> str:
    """The line with which a scene is refused; it names the file, and little memory is taken until then."""
    before = resident_memory()
    with pytest.raises(error) as caught:
        open_scene(path).read()
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    assert resident_memory() - before < 300 * 2**20
    for word in words:
        assert word in message
    return message


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    raw = path.read_bytes()
    assert old in raw and len(old) == len(new)
    path.write_bytes(raw.replace(old, new))
    return path


class TestSizes:
    """A kilobyte that declares 10^9 x 10^9 pixels."""

    def test_envi(self, tmp_path: Path):
        path = envi(tmp_path / "cube.hdr", small_cube())
        edit(path, "lines = 11", f"lines = {HUGE}")
        edit(path, "samples = 7", f"samples = {HUGE}")
        with pytest.raises(SceneFileError, match=r"fewer than the 10,000,000,000,000,000,000 that cube\.hdr declares"):
            open_scene(path)

    def test_npy(self, tmp_path: Path):
        np.save(tmp_path / "cube.npy", small_cube())
        replaced(tmp_path / "cube.npy", b"(11, 7, 5), }" + b" " * 20, f"({HUGE}, {HUGE}, 5), }}".encode().ljust(33))
        refused(tmp_path / "cube.npy", "is truncated", "10,000,000,000,000,000,000 bytes")

    def test_hdf5(self, tmp_path: Path):
        with h5py.File(tmp_path / "cube.h5", "w") as file:
            file.create_dataset("cube", (5, HUGE, HUGE), "u2", chunks=(1, 100, 100))
        refused(tmp_path / "cube.h5", "declares cube (5 x 1000000000 x 1000000000, uint16)", "0 bytes are stored")

    def test_endless_bands_of_hdf5(self, tmp_path: Path):
        with h5py.File(tmp_path / "cube.h5", "w") as file:
            file.create_dataset("cube", (16_000_000, 2, 2), "u1", chunks=(1000, 2, 2))
        refused(tmp_path / "cube.h5", "16,000,000 bands")

    def test_classic_netcdf_is_refused_with_its_conversion(self, tmp_path: Path):
        (tmp_path / "cube.nc").write_bytes(b"CDF\x01" + struct.pack(">3I", 0, 10, 2**31 - 1) + bytes(200))
        refused(tmp_path / "cube.nc", "classic format", "nccopy -k nc4 cube.nc")

    def test_virtual_raster(self, tmp_path: Path):
        path = virtual(tmp_path)
        edit(path, 'rasterXSize="7" rasterYSize="11"', f'rasterXSize="{HUGE}" rasterYSize="{HUGE}"')
        refused(path, "cannot hold it")

    def test_what_is_neither_netcdf_nor_hdf5(self, tmp_path: Path):
        (tmp_path / "cube.nc").write_bytes(b"<html>" * 100)
        refused(tmp_path / "cube.nc", "is not a NetCDF or HDF5 file", "<html>")


class TestMatlabNumbers:
    def with_numbers(self, path: Path, tag: bytes) -> Path:
        """A cube of float64, whose tag for 3080 bytes of numbers is another."""
        scipy.io.savemat(path, {"cube": small_cube("f8")})
        return replaced(path, struct.pack("<II", 9, 8 * 385), tag)

    @pytest.mark.parametrize("kind", [0, 8, 14, 20, 37, 65535])
    def test_of_no_known_type(self, kind: int, tmp_path: Path):
        refused(self.with_numbers(tmp_path / "cube.mat", struct.pack("<II", kind, 3080)), "'cube'", "damaged")

    @pytest.mark.parametrize("count", [0, 3072, 3088, 2**31, 2**32 - 8])
    def test_of_another_number_than_the_axes_say(self, count: int, tmp_path: Path):
        refused(self.with_numbers(tmp_path / "cube.mat", struct.pack("<II", 9, count)), "damaged")

    def test_in_a_packed_variable(self, tmp_path: Path):
        path = mat(tmp_path / "cube.mat", cube=small_cube("f8"))
        raw = path.read_bytes()
        inner = zlib.decompress(raw[136:]).replace(struct.pack("<II", 9, 3080), struct.pack("<II", 99, 3080))
        packed = zlib.compress(inner)
        path.write_bytes(raw[:128] + struct.pack("<II", 15, len(packed)) + packed)
        refused(path, "'cube'", "damaged")

    def test_twice_under_one_name(self, tmp_path: Path):
        scipy.io.savemat(tmp_path / "cube.mat", {"cube": small_cube()})
        raw = (tmp_path / "cube.mat").read_bytes()
        (tmp_path / "cube.mat").write_bytes(raw + raw[128:])
        with pytest.raises(HsiError):
            open_scene(tmp_path / "cube.mat", variable="cube")

    def test_a_name_without_end(self, tmp_path: Path):
        scipy.io.savemat(tmp_path / "cube.mat", {"a_cube_here": small_cube()})
        name = struct.pack("<II", 1, 11)
        refused(replaced(tmp_path / "cube.mat", name, struct.pack("<II", 1, 2**31 - 1)), "cut off")

    def test_complex_numbers_are_told_before_they_are_read(self, tmp_path: Path):
        refused(mat(tmp_path / "c.mat", cube=small_cube() * 1j), "(11 x 7 x 5, complex)", error=SceneError)

    def test_objects_functions_and_cells_are_never_loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """Beside a cube they are passed over; SciPy is asked for the cube alone."""
        cells = np.array([["a", np.eye(2)]], object)
        path = mat(tmp_path / "cube.mat", cube=small_cube(), cells=cells, record={"f": cells})
        opaque(path)
        wanted: list[Any] = []
        load = scipy.io.loadmat
        monkeypatch.setattr(scipy.io, "loadmat", lambda *a, **k: wanted.append(k["variable_names"]) or load(*a, **k))
        np.testing.assert_array_equal(open_scene(path).read(), small_cube())
        assert wanted == [["cube"]]
        with pytest.raises(SceneError, match=r"found handle__ \(scalar, opaque\)"):
            open_scene(path, variable="handle__")
        with pytest.raises(SceneError, match=r"found cells \(1 x 2, cell\)"):
            open_scene(path, variable="cells")


def opaque(path: Path) -> None:
    """Append a variable ``handle`` of MATLAB's class for opaque objects, with text for its type and class."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")

    parts = [
        element(6, struct.pack("<II", 17, 0)),
        *(element(1, text) for text in (b"handle__", b"MCOS____", b"string__")),
    ]
    inner = b"".join(parts) + element(14, element(6, struct.pack("<II", 13, 0)))
    path.write_bytes(path.read_bytes() + element(14, inner))


def virtual(folder: Path) -> Path:
    """A virtual raster of ``cube.tif``."""
    rasterio.shutil.copy(tiff(folder / "cube.tif", small_cube(), **PLACE), folder / "cube.vrt", driver="VRT")
    return folder / "cube.vrt"


class TestOtherFiles:
    """Names in a file lead to no other file."""

    @pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "/vsicurl/http://127.0.0.1:9/a.tif", "\0", ""])
    def test_sources_of_a_virtual_raster_lie_in_its_folder(self, name: str, tmp_path: Path):
        tiff(tmp_path / "secret.tif", small_cube(), **PLACE)
        (tmp_path / "inside").mkdir()
        path = virtual(tmp_path / "inside")
        text = path.read_text().replace("cube.tif", name or "")
        path.write_text(text.replace(str(tmp_path / "inside"), "") if name.startswith("/") else text)
        refused(path)

    def test_a_link_in_the_folder_leads_nowhere_else(self, tmp_path: Path):
        path = virtual(tmp_path)
        (tmp_path / "inside").mkdir()
        path = path.rename(tmp_path / "inside" / "cube.vrt")
        (tmp_path / "inside" / "cube.tif").symlink_to(tmp_path / "cube.tif")
        refused(path, "outside its folder")

    def test_a_virtual_raster_of_no_raster(self, tmp_path: Path):
        path = virtual(tmp_path)
        (tmp_path / "cube.tif").write_text("<VRTDataset/>")
        refused(path, "no raster")

    @pytest.mark.parametrize("kind", ["VRTRawRasterBand", "VRTDerivedRasterBand"])
    def test_a_virtual_raster_that_runs_or_reads_raw_bytes(self, kind: str, tmp_path: Path):
        path = virtual(tmp_path)
        edit(
            path,
            '<VRTRasterBand dataType="UInt16" band="1"',
            f'<VRTRasterBand dataType="UInt16" band="1" subClass="{kind}"',
        )
        refused(path, kind, "gdal_translate")

    def test_a_virtual_raster_of_an_envi_file(self, tmp_path: Path):
        source = envi(tmp_path / "cube.hdr", small_cube()).with_suffix(".img")
        rasterio.shutil.copy(source, tmp_path / "cube.vrt", driver="VRT")
        np.testing.assert_array_equal(open_scene(tmp_path / "cube.vrt").read(), small_cube())

    @pytest.mark.parametrize("how", ["link", "group", "storage", "virtual"])
    def test_data_of_hdf5_in_another_file(self, how: str, tmp_path: Path):
        with h5py.File(tmp_path / "secret.h5", "w") as file:
            file["a/cube"] = np.moveaxis(small_cube(), 2, 0)
        with h5py.File(tmp_path / "cube.h5", "w") as file:
            if how in ("link", "group"):
                file["b"] = h5py.ExternalLink("secret.h5", "a" if how == "group" else "a/cube")
            elif how == "storage":
                file.create_dataset("b", (5, 11, 7), "u2", external=[(str(tmp_path / "secret.h5"), 0, 770)])
            else:
                layout = h5py.VirtualLayout((5, 11, 7), "u2")
                layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "a/cube", (5, 11, 7))
                file.create_virtual_dataset("b", layout)
        refused(tmp_path / "cube.h5", "'b' lie in another file")

    def test_a_product_whose_groups_are_in_another_file(self, tmp_path: Path):
        path = product_makers.neon(tmp_path).path
        path.rename(tmp_path / "secret.h5")
        with h5py.File(path, "w") as file:
            file["SERC"] = h5py.ExternalLink("secret.h5", "SERC")
        refused(path, "lie in another file")

    def test_members_of_an_archive_are_names_and_no_paths(self, tmp_path: Path):
        path = npz(tmp_path / "cube.npz", **{"../../cube": small_cube(), "/etc/gt": small_labels()})
        before = sorted(tmp_path.parent.rglob("*"))
        scene = open_scene(path)
        assert scene.variable == "../../cube"
        assert open_labels(None, scene).variable == "/etc/gt"
        assert sorted(tmp_path.parent.rglob("*")) == before

    def test_a_header_s_fields_are_no_paths(self, tmp_path: Path):
        path = envi(tmp_path / "cube.hdr", small_cube())
        (tmp_path / "secret").write_bytes(bytes(770))
        text = path.read_text()
        path.write_text(text + "data file = secret\ndescription = {../secret}\nfile name = /etc/passwd\n")
        np.testing.assert_array_equal(open_scene(path).read(), small_cube())


@pytest.mark.parametrize("free", [bytes(16), b"\xff" * 16, struct.pack("<QQ", 0, 2**40), struct.pack("<QQ", 1, 2**63)])
def test_hdf5_texts_without_end_are_refused(free: bytes, tmp_path: Path):
    """HDF5 itself goes round for ever at a free space of no size, or of one that overflows."""
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
    refused(path, "damaged list of texts")


def test_nothing_is_unpickled(tmp_path: Path):
    """No reader finds classes by names from files: an audit hook of Python's sees each that pickle would."""
    import subprocess

    program = """
import sys
from pathlib import Path
seen = []
sys.addaudithook(lambda event, arguments: seen.append(arguments) if event == "pickle.find_class" else None)
from hsi.errors import HsiError
from hsi.inference.model_file import load_model
from hsi.training.checkpoint import load_checkpoint
from hsi import open_labels
from hsi.io import open_scene
for path in sorted(Path(sys.argv[1]).iterdir()):
    for read in (open_scene, load_model, load_checkpoint):
        try:
            read(path)
        except HsiError as error:
            assert str(path) in str(error)
        else:
            raise AssertionError(path)
assert not seen, seen
"""
    for suffix in ("npy", "npz", "mat", "safetensors", "hdr", "tif", "nc", "h5"):
        (tmp_path / f"bomb.{suffix}").write_bytes(PICKLED)
    objects = np.empty((2, 2, 2), object)
    objects[:] = print
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", cube=objects)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_labels_of_a_type_that_numpy_lacks(tmp_path: Path):
    scipy.io.savemat(tmp_path / "gt.mat", {"gt": small_labels("f8")})
    replaced(tmp_path / "gt.mat", struct.pack("<II", 9, 8 * 77), struct.pack("<II", 11, 8 * 77))
    with pytest.raises(SceneFileError, match=r"gt\.mat: its variable 'gt'"):
        open_labels(tmp_path / "gt.mat", scene_from_array(small_cube()))
