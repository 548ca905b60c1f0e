"""Scenes of every format, and labels that are given or searched."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from hsi import open_labels
from hsi.core.scene import Block, scene_from_array
from hsi.errors import HsiError, LabelError, SceneError, UsageError
from hsi.io import READERS, open_scene
from hsi.io.masks import open_mask
from tests.io.file_makers import (
    CUBE_MAKERS,
    MAP_INFO,
    NORTH_UP,
    UTM,
    envi,
    mat,
    npy,
    small_cube,
    small_labels,
    tiff,
)
from tests.io.helpers import FEW, check_window, damage, refuse_labels, refuse_scene

PICKLED = b"\x80\x02c__builtin__\nprint\nq\x00."  # a pickle that names a function
SCENE = scene_from_array(small_cube())
each = pytest.mark.parametrize("name", CUBE_MAKERS)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The same cube in every format."""
    folder = tmp_path_factory.mktemp("scenes")
    return {name: open_scene(make(folder, small_cube())) for name, make in CUBE_MAKERS.items()}


class TestEveryFormat:
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
    @each
    def test_reads_what_another_library_wrote(self, name, dtype, tmp_path):
        cube = small_cube(dtype)
        scene = open_scene(CUBE_MAKERS[name](tmp_path, cube))
        assert (scene.shape, scene.dtype, scene.read().dtype) == ((11, 7, 5), cube.dtype, cube.dtype)
        np.testing.assert_array_equal(scene.read(), cube)

    @each
    @given(data=st.data())
    @FEW
    def test_a_window_is_that_part_of_the_scene(self, name, data, scenes):
        check_window(data, scenes[name], small_cube())

    @each
    def test_lists_its_arrays_and_only_its_own_reader_recognises_it(self, name, scenes):
        path = scenes[name].source
        (reader,) = [reader for _, reader in READERS.items() if reader.recognises(path)]
        assert reader.accepts(path)
        assert (11, 7, 5) in {array.shape for array in reader.arrays(path)}

    @pytest.mark.parametrize("name", ["mat", "mat73", "npy", "npz", "tiff"])
    def test_is_recognised_by_its_content_when_the_suffix_is_unknown(self, name, tmp_path):
        path = CUBE_MAKERS[name](tmp_path, small_cube())
        np.testing.assert_array_equal(open_scene(path.rename(path.with_suffix(".data"))).read(), small_cube())

    # MATLAB drops a last axis of length 1
    @pytest.mark.parametrize("name", [name for name in CUBE_MAKERS if not name.startswith("mat")])
    def test_one_pixel_and_one_band_are_a_scene_too(self, name, tmp_path):
        assert open_scene(CUBE_MAKERS[name](tmp_path, small_cube(shape=(1, 1, 1)))).shape == (1, 1, 1)

    @each
    @given(data=st.data())
    @FEW
    def test_damaged_bytes_raise_nothing_but_our_own_errors(self, name, data, scenes, tmp_path):
        path = scenes[name].source
        files = [path, path.with_suffix(".img")] if path.suffix == ".hdr" else [path]
        damage(data, files, tmp_path, edge=600)  # where headers and directories are
        try:
            scene = open_scene(tmp_path / path.name)
            scene.read(Block(0, 0, 1, 1))
            open_labels(tmp_path / path.name, scene)
        except HsiError as error:
            assert "\n" not in str(error)

    @each
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_that_is_cut_off_is_refused(self, name, share, tmp_path):
        path = CUBE_MAKERS[name](tmp_path, small_cube())
        data = path.with_suffix(".img") if path.suffix == ".hdr" else path
        os.truncate(data, int(data.stat().st_size * share))
        refuse_scene(path)


class TestWhichFile:
    def test_a_missing_file_suggests_near_names(self, tmp_path):
        npy(tmp_path / "Indian_pines.npy", small_cube())
        refuse_scene(tmp_path / "indian_pine.npy", "no such file", "did you mean Indian_pines.npy?")
        refuse_scene(tmp_path / "else" / "x.npy", "no such file", "does not exist either")
        refuse_scene(tmp_path, "is a folder", "Indian_pines.npy")

    @pytest.mark.parametrize(
        ("suffix", "content", "words"),
        [
            *((suffix, "", ["is empty (0 bytes)"]) for suffix in ("mat", "npy", "npz", "hdr", "tif", "xyz")),
            *((suffix, "plain text", ["b'plain te' (text)"]) for suffix in ("mat", "npy", "npz", "hdr", "tif")),
            ("docx", "words", ["found suffix '.docx'", ".mat", ".npy", ".npz", ".hdr", ".tif"]),
            ("img", "\0" * 100, ["needs its .hdr in the same folder"]),
        ],
    )
    def test_other_content_is_refused(self, suffix, content, words, tmp_path):
        path = tmp_path / f"cube.{suffix}"
        path.write_text(content)
        refuse_scene(path, *words)


class TestFindingLabels:
    @pytest.mark.parametrize(
        ("scene", "labels"),
        [
            ("Salinas_corrected.mat", "Salinas_gt.mat"),
            ("PaviaU.mat", "PaviaU_gt.mat"),
            ("flight.line.3.npy", "flight.line.3_labels.mat"),
            ("PaviaU.npy", "paviau_GT.MAT"),
        ],
    )
    def test_in_a_file_of_the_same_folder(self, scene, labels, tmp_path):
        path = tmp_path / scene
        npy(path, small_cube()) if scene.endswith("npy") else mat(path, cube=small_cube())
        mat(tmp_path / labels, gt=small_labels())
        found = open_labels(None, open_scene(path))
        assert found.source == tmp_path / labels
        assert found.counts == {i: int((small_labels() == i).sum()) for i in (1, 2, 3)}

    @pytest.mark.parametrize("name", ["cube.hdr", "cube.img", "cube.img.hdr"])
    def test_an_envi_header_and_its_data_are_one_file(self, name, tmp_path):
        envi(tmp_path / "cube.hdr", small_cube())
        if name == "cube.img.hdr":
            (tmp_path / "cube.hdr").rename(tmp_path / name)
        envi(tmp_path / "cube_gt.hdr", small_labels()[:, :, None])
        assert open_labels(None, open_scene(tmp_path / name)).source == tmp_path / "cube_gt.hdr"

    def test_side_files_of_gdal_are_no_labels(self, tmp_path):
        tiff(tmp_path / "cube.tif", small_cube())
        tiff(tmp_path / "cube_gt.tif", small_labels())
        (tmp_path / "cube_gt.tif.aux.xml").write_text("<PAMDataset/>")
        assert open_labels(None, open_scene(tmp_path / "cube.tif")).source == tmp_path / "cube_gt.tif"

    def test_none_lists_the_names_that_were_searched(self, tmp_path):
        path = mat(tmp_path / "x_corrected.mat", cube=small_cube())
        names = ("x_corrected_gt.*", "x_gt.*", "x_corrected_labels.*")
        refuse_labels(None, open_scene(path), f"no labels found in {path}", *names, "give labels=FILE")
        refuse_labels(None, SCENE, "give labels=FILE")
        transposed = open_scene(mat(tmp_path / "y.mat", cube=small_cube(), gt=small_labels().T))
        refuse_labels(None, transposed, "gt (7 x 11, uint8) is transposed: the scene is 11 x 7")

    def test_several_files_are_listed(self, tmp_path):
        npy(tmp_path / "x_gt.npy", small_labels())
        mat(tmp_path / "x_labels.mat", gt=small_labels())
        refuse_labels(None, open_scene(npy(tmp_path / "x.npy", small_cube())), "x_gt.npy, x_labels.mat", "labels=FILE")

    def test_a_named_variable_is_searched_in_other_files_too(self, tmp_path):
        path = mat(tmp_path / "x.mat", cube=small_cube(), own=small_labels())
        mat(tmp_path / "x_gt.mat", fine=small_labels(), coarse=small_labels())
        assert open_labels(None, open_scene(path), variable="coarse").source == tmp_path / "x_gt.mat"


class TestFittingLabels:
    def test_another_size_names_both(self, tmp_path):
        sizes = "the labels are 10 x 7, the scene scene is 11 x 7"
        message = refuse_labels(npy(tmp_path / "gt.npy", small_labels(shape=(10, 7))), SCENE, sizes)
        assert "transposed" not in message
        refuse_labels(npy(tmp_path / "gt.npy", small_labels().T), SCENE, "transposed: the labels are 7 x 11")

    def test_the_same_grid_in_two_formats_fits(self, tmp_path):
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **{"map info": MAP_INFO}))
        nudged = NORTH_UP @ rasterio.Affine.translation(0.0001, 0)
        labels = tiff(tmp_path / "other.tif", small_labels(), crs="EPSG:32633", transform=nudged)
        assert open_labels(labels, scene).source == labels

    def test_labels_without_georeference_are_taken_to_fit(self, tmp_path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube(), **UTM))
        assert open_labels(npy(tmp_path / "gt.npy", small_labels()), scene).counts


class TestBackground:
    def labels(self, folder, nodata=None, **options):
        return open_labels(tiff(folder / "gt.tif", small_labels(), nodata=nodata), SCENE, **options)

    @pytest.mark.parametrize(
        ("nodata", "given", "background", "classes"),
        [(None, None, 0, {1, 2, 3}), (2, None, 2, {0, 1, 3}), (2, 0, 0, {1, 3})],
    )
    def test_is_zero_unless_the_file_or_the_user_names_another(self, nodata, given, background, classes, tmp_path):
        labels = self.labels(tmp_path, nodata, background=given)
        assert (labels.background, set(labels.counts)) == (background, classes)

    @pytest.mark.parametrize("nodata", [float("nan"), -9999.0, float(np.finfo(np.float32).min)])
    def test_of_a_float_raster(self, nodata, tmp_path):
        values = np.where(small_labels() == 0, np.float32(nodata), small_labels("f4"))
        labels = open_labels(tiff(tmp_path / "gt.tif", values, nodata=nodata), SCENE)
        assert set(labels.counts) == {1, 2, 3}
        assert labels.labelled.sum() == np.count_nonzero(small_labels())

    def test_that_the_labels_cannot_hold_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="background=-1 does not fit labels of dtype uint8"):
            self.labels(tmp_path, 2, background=-1)


def test_readers_are_listed_without_heavy_imports():
    code = "import sys, hsi.io as r; list(r.READERS); heavy = {'torch', 'h5py', 'rasterio', 'spectral', 'scipy'}"
    code += "; assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_unpickled(tmp_path):
    """No reader finds classes by names from files: an audit hook of Python's sees each that pickle would."""
    program = """
import sys
from pathlib import Path
seen = []
sys.addaudithook(lambda event, arguments: seen.append(arguments) if event == "pickle.find_class" else None)
from hsi.errors import HsiError
from hsi.inference.model_file import load_model
from hsi.training.checkpoint import load_checkpoint
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
    objects = np.full((2, 2, 2), print, object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", cube=objects)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["labels", "mask"])
def test_a_raster_of_another_size_is_refused_without_being_read(kind, tmp_path):
    place = {"crs": "EPSG:32633", "transform": NORTH_UP}
    scene = open_scene(tiff(tmp_path / "scene.tif", small_cube(), **place))
    layout = {"width": 3000, "height": 3000, "count": 1, "dtype": "uint8", "tiled": True, "SPARSE_OK": True}
    with rasterio.open(tmp_path / "sparse.tif", "w", driver="GTiff", **layout, **place):
        pass
    tracemalloc.start()
    try:
        with pytest.raises((LabelError, SceneError), match="3000 x 3000"):
            (open_labels if kind == "labels" else open_mask)(tmp_path / "sparse.tif", scene)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
