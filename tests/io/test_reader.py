"""Files that cannot be read: one line that says what is wrong with each, and what to do."""

import errno
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from hsi.errors import SceneFileError
from hsi.io import open_scene
from hsi.io.formats._product import open_dataset
from hsi.io.reader import convert_errors
from tests.io.file_makers import UTM, envi, mat, npy, npz, small_cube, tiff
from tests.io.helpers import check_message, refuse_scene

CUBE = np.random.default_rng(0).integers(0, 2000, (60, 50, 5)).astype("u2")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5953527\n"


@pytest.mark.parametrize("name", ["x.mat", "x.tif", "x.npy", "x.h5", "x.hdr", "x.npz", "x.img", "x"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, ["pointer of Git LFS", "git lfs pull"]),
        (b"/annex/objects/MD5E-s5953527--0a.mat\n", ["pointer of git-annex", "git annex get"]),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", ["web page", "download it again"]),
        (b"\xef\xbb\xbf<HTML><head>", ["web page"]),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', ["web page"]),
        (b"", ["empty (0 bytes)"]),
    ],
)
def test_what_stands_in_the_place_of_a_file(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    refuse_scene(tmp_path / name, *words)


@pytest.mark.parametrize("name", ["x.mat", "x.tif", "x.npy", "x.h5", "x.npz", "x.raw"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"row,column,band\n1,2,3\n" * 40, "text"),
        (b"\x1f\x8b\x08\x00" + bytes(99), "a compressed archive: unpack it"),
        (bytes(999), "only zeros"),
        (b"%PDF-1.4", "a PDF"),
        (b"\x80\x04\x95\x10", "a Python pickle"),
    ],
)
def test_the_content_of_a_file_of_another_format(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    refuse_scene(tmp_path / name, words)


def test_a_folder_a_broken_link_and_a_pipe(tmp_path):
    refuse_scene(tmp_path, "is a folder")
    (tmp_path / "x.tif").symlink_to(tmp_path / "gone.tif")
    refuse_scene(tmp_path / "x.tif", "is a link to", "gone.tif, which does not exist")
    os.mkfifo(tmp_path / "x.mat")
    refuse_scene(tmp_path / "x.mat", "a pipe")


@pytest.mark.parametrize("make", [tiff, lambda path, cube: envi(path.with_suffix(".hdr"), cube).with_suffix(".img")])
def test_a_folder_without_permission(make, tmp_path, monkeypatch):
    path = make(tmp_path / "x.tif", CUBE)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)  # its files may be opened and not listed
        np.testing.assert_array_equal(open_scene(path).read(), CUBE)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        refuse_scene(path, "cannot be read: Permission denied; check its permissions")


@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_a_cut_off_geotiff_says_by_how_much(options, tmp_path):
    path = tiff(tmp_path / "x.tif", CUBE, **options, **UTM)
    size = path.stat().st_size
    os.truncate(path, size - 1234)
    refuse_scene(path, "is cut off: at least 1,234 bytes are missing")
    os.truncate(path, 100)
    refuse_scene(path, "cut off or damaged within its directory, and has 100 bytes")


def test_other_files_that_are_cut_off(tmp_path):
    for path, words in (
        (mat(tmp_path / "m.mat", cube=CUBE), "is cut off: at least 500 bytes are missing"),
        (npy(tmp_path / "n.npy", CUBE), "500 fewer"),
        (npz(tmp_path / "z.npz", cube=CUBE), "its end is missing"),
        (hdf5(tmp_path / "h.h5"), "it is cut off: 500 of"),
        (envi(tmp_path / "e.hdr", CUBE).with_suffix(".img"), "500 fewer"),
    ):
        os.truncate(path, path.stat().st_size - 500)
        refuse_scene(path, words)


@pytest.mark.parametrize("make", [mat, npz])
def test_compressed_data_that_were_changed(make, tmp_path):
    path = make(tmp_path / ("x.mat" if make is mat else "x.npz"), cube=CUBE)
    raw = bytearray(path.read_bytes())
    raw[-300 if make is npz else -5] ^= 255
    path.write_bytes(raw)
    refuse_scene(path, "its compressed data are damaged")


def hdf5(path, filters=()):
    """A cube, by filters that may not exist: each number takes the place of deflate."""
    space, steps = h5py.h5s.create_simple(CUBE.shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    steps.set_chunk(CUBE.shape)
    for number in filters:
        steps.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))
    with h5py.File(path, "w") as file:
        data = h5py.h5d.create(file.id, b"cube", h5py.h5t.NATIVE_UINT16, space, steps)
        data.write_direct_chunk((0, 0, 0), CUBE.tobytes())
        file["wavelengths"] = np.linspace(400, 900, 5)
    return path


@pytest.mark.parametrize(("number", "name"), [(32015, "Zstandard"), (32001, "Blosc"), (4242, "4242")])
@pytest.mark.parametrize("suffix", [".h5", ".mat", ".nc"])
def test_an_hdf5_filter_that_is_not_installed(number, name, suffix, tmp_path, capfd):
    refuse_scene(hdf5(tmp_path / f"x{suffix}", [number]), f"the HDF5 filter {name}, which HDF5 lacks", "h5repack")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("code", "name"), [(50002, "JXL"), (9999, "9999")])
def test_a_geotiff_of_an_unknown_compression(code, name, tmp_path):
    path = tiff(tmp_path / "x.tif", CUBE, compress="deflate", **UTM)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"\x03\x01\x03\x00") + 8  # the value of the tag "compression"
    raw[place : place + 2] = code.to_bytes(2, "little")
    path.write_bytes(raw)
    refuse_scene(path, "missing codec", name, "this GDAL lacks its compression", "COMPRESS=NONE")


def test_a_driver_that_gdal_lacks(tmp_path):
    with pytest.raises(SceneFileError) as caught, open_dataset(tmp_path / "x.ecw", "x.ecw", "ECW", "a raster"):
        pass
    check_message(caught.value, "x.ecw: GDAL was built without its ECW driver")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied; check the permissions"),
        (OSError("x.tif: Permission denied"), "permission denied"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; check the disk or the network drive"),
        (ValueError("an odd thing"), "an odd thing; if other programs open it"),
        (EOFError(), "its end is missing"),
    ],
)
def test_errors_of_libraries(error, words, tmp_path):
    path = npy(tmp_path / "x.npy", small_cube())
    with pytest.raises(SceneFileError) as caught, convert_errors(path, "a NumPy file"):
        raise RuntimeError("see the previous exception") from error
    check_message(caught.value, "x.npy: cannot be read as a NumPy file", words)


def test_what_does_not_fit_in_memory(tmp_path):
    with pytest.raises(SceneFileError, match="does not fit in memory"), convert_errors(tmp_path / "x", "a file"):
        raise MemoryError
