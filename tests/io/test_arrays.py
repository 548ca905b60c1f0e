"""Which array of a file is the cube, and which the labels."""

import numpy as np
import pytest

from hsi import open_labels
from hsi.core.scene import scene_from_array
from hsi.errors import SceneError, UsageError
from hsi.io import open_scene
from tests.io.file_makers import mat, mat73, npy, npz, small_cube, small_labels, tiff
from tests.io.helpers import refuse_labels, refuse_scene

SCENE = scene_from_array(small_cube())
FRACTIONS = np.random.default_rng(3).random((11, 7))


@pytest.fixture(params=["mat", "mat73", "npz"])
def save(request, tmp_path):
    """Writes named arrays to one file."""
    make = {"mat": mat, "mat73": mat73, "npz": npz}[request.param]
    return lambda **arrays: make(tmp_path / f"x.{'npz' if make is npz else 'mat'}", **arrays)


class TestCube:
    def test_two_need_a_name(self, save):
        path = save(raw=small_cube(), clean=small_cube("f4"))
        listed = ["2 cubes", "raw (11 x 7 x 5, uint16)", "clean (11 x 7 x 5,"]
        refuse_scene(path, *listed, "variable=NAME", error=UsageError)
        assert open_scene(path, "clean").variable == "clean"

    def test_a_wrong_name_suggests_the_near_one(self, save):
        path = save(salinas=small_cube(), other=small_labels())
        refuse_scene(
            path, "no variable 'SALINA' (variable)", "did you mean salinas?", error=UsageError, variable="SALINA"
        )
        refuse_scene(path, "3 axes", "other (11 x 7, uint8)", error=SceneError, variable="other")

    def test_a_name_for_a_file_of_one_array(self, tmp_path):
        refuse_scene(npy(tmp_path / "x.npy", small_cube()), "leave variable out", error=UsageError, variable="cube")

    def test_none_lists_what_the_file_holds(self, save):
        path = save(gt=small_labels(), extra=small_cube()[0])
        refuse_scene(path, "expected a 3-D array", "gt (11 x 7, uint8)", "extra (7 x 5, uint16)", error=SceneError)

    @pytest.mark.parametrize(("values", "kind"), [(small_cube() > 3, "logical"), (small_cube() * 1j, "complex")])
    def test_truth_values_and_complex_numbers_are_none(self, values, kind, tmp_path):
        paths = (
            npz(tmp_path / "x.npz", cube=values),
            npy(tmp_path / "x.npy", values),
            mat(tmp_path / "x.mat", cube=values),
        )
        for path in paths:
            refuse_scene(path, f"(11 x 7 x 5, {kind})", error=SceneError)


class TestLabels:
    @pytest.mark.parametrize("dtype", ["uint8", "float64"])
    def test_the_plane_of_integers_in_the_scene_s_own_file(self, dtype, save):
        path = save(cube=small_cube(), truth=small_labels(dtype), latitude=FRACTIONS, wavelengths=np.ones((1, 5)))
        labels = open_labels(None, open_scene(path))
        assert (labels.source, labels.variable) == (path, "truth")
        np.testing.assert_array_equal(labels.values, small_labels())

    @pytest.mark.parametrize("inside", [True, False])
    def test_several_need_a_name(self, inside, tmp_path):
        cube = {"cube": small_cube()} if inside else {}
        path = mat(tmp_path / "x.mat", first=small_labels(), second=small_labels(), **cube)
        scene, given = (open_scene(path), None) if inside else (SCENE, path)
        refuse_labels(given, scene, "first (11 x 7, uint8)", "second (11 x 7, uint8)", "label_variable=NAME")
        assert open_labels(given, scene, variable="first").variable == "first"
        refuse_labels(given, scene, "did you mean first", error=UsageError, variable="frist")

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"cube": small_cube()}, ["2-D array of integers, found 11 x 7 x 5 (uint16) that is not one-hot"]),
            (
                {"a": small_labels(shape=(3, 4)), "b": small_labels(shape=(5, 6))},
                ["none of its 2-D arrays", "11 x 7 pixels", "a (3 x 4, uint8)", "b (5 x 6, uint8)"],
            ),
            ({"x": FRACTIONS}, ["integers"]),
        ],
    )
    def test_none_lists_what_the_file_holds(self, arrays, words, tmp_path):
        refuse_labels(mat(tmp_path / "gt.mat", **arrays), SCENE, *words)

    def test_a_photograph_of_three_bands_is_none(self, tmp_path):
        refuse_labels(tiff(tmp_path / "gt.tif", small_cube("u1", (11, 7, 3))), SCENE, "colours", "photograph")
