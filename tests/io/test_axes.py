"""Which axis holds the bands: names, then lengths and labels; the usual order where they leave it open."""

import numpy as np
import pytest

import hsi
from hsi.core.events import Recorder, report_to
from hsi.errors import UsageError
from hsi.io.axes import find_axes, is_centres, letter_of
from hsi.io.open import open_scene
from hsi.settings import InputSettings
from hsi.workflows.inputs import open_any_scene, read_inputs
from tests.io.file_makers import mat, mat73, npy, npz, small_cube, small_labels, tiff
from tests.io.helpers import refuse_scene

FIRST = np.moveaxis(small_cube(), 2, 0)  # (B, H, W)
MAKERS = {
    "npy": lambda folder, cube: npy(folder / "x.npy", cube),
    "npz": lambda folder, cube: npz(folder / "x.npz", cube=cube),
    "mat": lambda folder, cube: mat(folder / "x.mat", cube=cube),
    "mat73": lambda folder, cube: mat73(folder / "x.mat", cube=cube),
}


@pytest.mark.parametrize(
    ("shape", "known", "order"),
    [
        ((40, 52, 24), {}, None),
        ((40, 52, 24), {"usual": "HWB"}, "HWB"),
        ((40, 52, 24), {"names": "H??"}, None),
        ((40, 52, 24), {"names": "WH?"}, "WHB"),
        ((40, 52, 24), {"names": "HHB", "lengths": {"B": {24}}}, "HWB"),
        ((40, 52, 24), {"names": "H??", "lengths": {"B": {52}}}, "HBW"),
        ((24, 40, 52), {"lengths": {"B": {24}}, "usual": "HWB"}, "BHW"),
        ((40, 52, 24), {"lengths": {"H": {40}}}, None),
        ((40, 52, 24), {"lengths": {"H": {40}, "W": {52}}}, "HWB"),
        ((24, 40, 24), {"lengths": {"B": {24}}, "planes": [{(24, 40)}]}, "HWB"),
        ((24, 40, 52), {"planes": [{(40, 52)}], "usual": "HWB"}, "BHW"),
        ((24, 24, 24), {"planes": [{(24, 24)}], "lengths": {"B": {24}}}, None),
        ((24, 24, 24), {"planes": [{(24, 24)}], "usual": "HWB"}, "HWB"),
        ((24, 40, 52), {"planes": [{(9, 9)}, {(40, 52)}]}, "BHW"),
        ((24, 40, 52), {"planes": [{(40, 52)}], "lengths": {"B": {52}}}, None),  # one of the two is wrong
    ],
)
def test_what_is_known_leaves_one_order(shape, known, order):
    found = find_axes(shape, **known)
    assert (found and found.order) == order


@pytest.mark.parametrize(
    ("shape", "axes", "warned"), [((5, 5, 5), None, 1), ((5, 5, 5), "HWB", 0), ((5, 5, 4), None, 0)]
)
def test_equal_axes_are_warned_of(shape, axes, warned, tmp_path):
    np.save(tmp_path / "cube.npy", np.arange(np.prod(shape)).reshape(shape))
    with report_to(recorder := Recorder()):
        hsi.open_scene(tmp_path / "cube.npy", axes=axes)
    assert [("--axes BHW" in text) for text in recorder.warnings] == [True] * warned


def test_usual_names():
    names = "y Lat n_rows downtrack lines | X cross_track Samples nx | bands wavelength num_bands | dim_0 phony_1 time"
    assert "".join(letter_of(name) or "-" for name in names.replace("| ", "").split()) == "HHHHHWWWWBBB---"
    wavelengths = ("wl", "WL_nm", "a/central_wavelengths", "good_wavelengths", "fwhm", "waveform")
    assert [name for name in wavelengths if is_centres(name)] == ["wl", "WL_nm", "a/central_wavelengths"]


@pytest.mark.parametrize("make", MAKERS)
def test_bands_first_in_arrays_by_the_size_of_labels_or_as_given(make, tmp_path):
    path = MAKERS[make](tmp_path, FIRST)
    assert open_scene(path).shape == FIRST.shape  # nothing says otherwise
    np.testing.assert_array_equal(open_scene(path, axes="BHW").read(), small_cube())
    np.save(tmp_path / "labels.npy", small_labels())
    scene = open_any_scene(path, InputSettings(labels=tmp_path / "labels.npy"))
    np.testing.assert_array_equal(scene.read(), small_cube())
    assert scene.format.endswith(", axes BHW by the size of the labels")


def test_wavelengths_in_matlab_and_numpy_files_decide_and_are_read(tmp_path):
    for path in (
        mat(tmp_path / "a.mat", cube=FIRST, wavelengths=np.arange(400.0, 900, 100)[None]),
        npz(tmp_path / "b.npz", cube=FIRST, wl=np.arange(0.4, 0.9, 0.1)),
    ):
        scene = open_scene(path)
        assert (scene.shape, scene.wavelengths) == ((11, 7, 5), pytest.approx([400, 500, 600, 700, 800]))


def test_arrays_in_memory():
    inputs = read_inputs(FIRST, small_labels(), InputSettings())
    assert inputs.scene.shape == (11, 7, 5)
    np.testing.assert_array_equal(hsi.open_scene(small_cube().swapaxes(0, 1), axes="WHB").read(), small_cube())


def test_a_format_or_array_that_names_its_axes_takes_none(tmp_path):
    refuse_scene(tiff(tmp_path / "x.tif", small_cube()), "leave --axes out", error=UsageError, axes="BHW")
    with pytest.raises(UsageError, match="axes"):
        hsi.open_scene(hsi.open_scene(small_cube()), axes="HWB")
