"""What goes wrong is said in one line that names the file and the way out, and leaves nothing behind."""

import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
import torch

from hsi.errors import SceneFileError
from hsi.workflows import classify, inputs
from tests.conftest import QUICK, SMALL, names_in, run_in_subprocess, started
from tests.io import file_makers

USAGE, FAILURE, INTERRUPTED = 2, 1, 130


def tree(folder):
    """Every file and folder with its size, so that a change is seen."""
    return {path.relative_to(folder): path.stat().st_size if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def refused(run, tmp_path):
    """Run a command that has to fail; the parts of its message are checked."""

    def check(code, *arguments, says=()):
        before = tree(tmp_path)
        done = run(*arguments)
        assert done.code == code, done.stderr
        assert len(done.complaints) == 1, done.stderr
        (line,) = done.complaints
        assert line.startswith("error: ")
        assert len(line) < 500
        for part in says:
            assert part in line
        assert tree(tmp_path) == before  # no runs/ folder and nothing half-written
        return done

    return check


@pytest.fixture
def refuse_file(refused):
    """Classify a file that has to be refused; the message names it."""

    def check(path, *options, code=FAILURE, says=()):
        return refused(code, "classify", path, *QUICK, *options, says=(str(path), *says))

    return check


@pytest.fixture
def mat(tmp_path):
    """Write a .mat file of the given variables."""

    def write(name="cube.mat", **variables):
        scipy.io.savemat(tmp_path / name, variables, do_compression=True)
        return tmp_path / name

    return write


class TestScenes:
    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("scenes.mat", ("no such file", "did you mean scene.mat?")),
            ("nowhere/scene.mat", ("no such file", "does not exist either")),
            ("folder", ("is a folder", "name one file")),
        ],
    )
    def test_no_file(self, name, says, tmp_path, mat, sample, refuse_file):
        mat("scene.mat", cube=sample.cube)
        (tmp_path / "folder").mkdir()
        refuse_file(tmp_path / name, says=says)

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("scene.mat", b"", ("is empty", "download it again")),
            ("scene.mat", b"<!DOCTYPE html><html>", ("is a web page", "download it again")),
            ("scene.mat", b"PK\x03\x04" * 40, ("is not a MATLAB file", "rename it")),
            ("scene.mat", b"%PDF-1.7\n" * 20, ("is not a MATLAB file", "rename it")),
            ("scene.xyz", b"1 2 3\n" * 100, ("suffix '.xyz'", "expected one of", ".hdr")),
        ],
        ids=range(5),
    )
    def test_no_scene(self, name, content, says, tmp_path, refuse_file):
        (tmp_path / name).write_bytes(content)
        refuse_file(tmp_path / name, says=says)

    @pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
    def test_truncated(self, share, mat, sample, refuse_file):
        path = mat(cube=sample.cube, gt=sample.truth)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        refuse_file(path, says=("copy it again",))

    @pytest.mark.parametrize("kind", ["npy", "tiff", "envi-bsq", "mat73"])
    def test_truncated_pixels_of_other_formats(self, kind, tmp_path, sample, refused):
        path = file_makers.CUBE_MAKERS[kind](tmp_path, sample.cube)
        labels = file_makers.npy(tmp_path / "truth.npy", sample.truth)
        data = path.with_suffix(".img") if path.suffix == ".hdr" else path
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
        refused(FAILURE, "classify", path, *QUICK, "--labels", labels, says=(str(data), "truncated"))

    def test_hdf5_without_a_cube(self, tmp_path, sample, refuse_file):
        path = file_makers.mat73(tmp_path / "flat.mat", gt=sample.truth, one=np.arange(5.0))
        refuse_file(path, says=("expected a 3-D array", "gt (36 x 40, uint16)", "give the file that holds the cube"))
        with h5py.File(tmp_path / "text.mat", "w") as file:
            file["cube"] = np.full((4, 5, 6), b"x")
        refuse_file(tmp_path / "text.mat", says=("expected a 3-D array",))

    def test_which_variable(self, mat, sample, refuse_file):
        path = mat(raw=sample.cube, corrected=sample.cube, gt=sample.truth)
        refuse_file(path, code=USAGE, says=("2 cubes", "raw (36 x 40 x 24", "corrected", "variable=NAME"))
        refuse_file(path, "--variable", "correct", code=USAGE, says=("did you mean corrected?",))

    @pytest.mark.parametrize(
        ("change", "says", "warns"),
        [
            (
                lambda cube, truth: cube * np.nan,
                ("cube.npy", "no pixel can be used", "give another file"),
                "1,440 of 1,440 pixels (100.0%) cannot be used: 1,440 NaN or infinite",
            ),
            (
                lambda cube, truth: cube * 0 + 7,
                ("cube.npy", "no usable band"),
                "24 bands hold one value everywhere and are dropped: 1-24",
            ),
            (
                lambda cube, truth: np.where((truth != 0)[:, :, None], np.nan, cube),
                ("truth.npy", "none of its labelled pixels", "label others"),
                "NaN or infinite",
            ),
        ],
    )
    def test_no_pixel_or_band_that_can_be_used(self, change, says, warns, tmp_path, sample, refused):
        path = file_makers.npy(tmp_path / "cube.npy", change(sample.cube, sample.truth))
        labels = file_makers.npy(tmp_path / "truth.npy", sample.truth)
        assert warns in refused(FAILURE, "classify", path, *QUICK, "--labels", labels, says=says).warnings[0]


class TestLabels:
    def test_none_anywhere(self, tmp_path, sample, refuse_file):
        path = file_makers.npy(tmp_path / "cube.npy", sample.cube)
        refuse_file(path, says=("no labels found", "cube_gt.*", "labels=FILE"))
        refuse_file(path, "--labels", f"{path}x", says=("no such file", "did you mean cube.npy"))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda truth: truth[:-1], ("(gt)", "the labels are 35 x 40", "36 x 40", "give the labels of this scene")),
            (lambda truth: truth.T, ("transposed", "40 x 36", "swap the rows and columns")),
            (lambda truth: truth + 0.5, ("integers", "0.5")),
            (lambda truth: truth.astype(int) - 1, ("-1", "--background")),
        ],
    )
    def test_of_another_shape_or_type(self, change, says, mat, sample, refused):
        scene, labels = mat(cube=sample.cube), mat("truth.mat", gt=change(sample.truth))
        refused(FAILURE, "classify", scene, *QUICK, "--labels", labels, says=(str(labels), *says))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda truth: {"gt": truth.T}, ("gt (40 x 36, uint16) is transposed",)),
            (lambda truth: {"gt": truth * 0}, ("(gt)", "every pixel is background (0)")),
            (lambda truth: {"gt": np.where(truth == 3, 3, 0)}, ("2 or more classes", "class 3")),
            (lambda truth: {"first": truth, "second": truth}, ("first", "second", "label_variable=NAME")),
        ],
    )
    def test_in_the_same_file(self, change, says, mat, sample, refuse_file):
        refuse_file(mat(cube=sample.cube, **change(sample.truth)), says=says)

    def test_a_cube_given_as_labels(self, mat, sample, refuse_file):
        path = mat(cube=sample.cube, gt=sample.truth)
        refuse_file(path, "--label-variable", "cube", says=("label_variable", "it holds gt"), code=USAGE)

    def test_a_scene_elsewhere(self, scenes, sample, tmp_path, refused):
        far = {"crs": "EPSG:32616", "transform": rasterio.Affine(20, 0, 600_000, 0, -20, 4_480_000)}
        labels = file_makers.tiff(tmp_path / "far.tif", sample.truth, **far)
        refused(FAILURE, "classify", scenes["tiff"], *QUICK, "--labels", labels, says=(str(labels), "grid"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.tif", ("no such file",)),
        ("text.tif", ("raster",)),
        ("other.tif", ("5 x 6", "36 x 40")),
        ("plain.tif", ("no transform",)),
    ],
)
def test_a_georeference_that_cannot_be_taken(name, says, scenes, sample, tmp_path, refused):
    (tmp_path / "text.tif").write_bytes(b"nothing")
    file_makers.tiff(tmp_path / "other.tif", np.zeros((5, 6), np.uint8), transform=file_makers.NORTH_UP)
    file_makers.tiff(tmp_path / "plain.tif", sample.truth)
    refused(FAILURE, "classify", scenes["mat"], *QUICK, "--georef", tmp_path / name, says=(name, *says))


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--components", 25), ("25 components", "24 usable bands", "--components 24")),
            (("--model", "hybridsn-bn", "--components", 12), ("at least 13", "12")),
            (("--components", 0), ("reducer.components", "greater than or equal to 1", "0")),
            (("--window", 12), ("window is 12", "must be odd", "11 or 13")),
            (("--window", 9), ("at least 11", "9")),
            (("--window", 43), ("model.window is 43", "36 x 40", "smaller")),
            (("--window", 11, "--set", "model.second_window=43"), ("second_window is 43", "36 x 40", "smaller")),
            (("--window", 11, "--set", "model.second_window=12"), ("window is 12", "must be odd")),
            (("--window", 11, "--set", "model.second_window=11"), ("leave model.second_window out",)),
            (("--model", "svm", "--set", "model.second_window=25"), ("model.second_window", "means nothing to svm")),
            (("--model", "hybridsn-es"), ("unknown model 'hybridsn-es'", "did you mean", "hybridsn-se")),
            (("--model", "resnot"), ("unknown model 'resnot'", "known: boosting, cnn1d, ")),
            (("--lr-schedule", "cosin"), ("unknown choice 'cosin'", "did you mean cosine?")),
            (("--lr-schedule", "plateau"), ("plateau", "--val")),
            (("--set", "training.optimiser=adamm"), ("did you mean adam",)),
            (("--engine", "fast"), ("training.engine", "dense, patch")),
            (("--reducer", "pac"), ("unknown reducer 'pac'", "did you mean pca?")),
            (("--modle", "hybridsn"), ("--modle", "--model", "hsi classify --help")),
            (("--epochs", "many"), ("--epochs", "'many'")),
            (("--epochs", 0), ("training.epochs", "0")),
            (("--train", "0.1"), ("'0.1'", "10%", "50")),
            (("--train", "120%"), ("120%", "below 100%")),
            (("--train", "60%", "--val", "40%"), ("leave no pixel for the test",)),
            (("--device", "gpu"), ("unknown device 'gpu'", "cuda")),
            (("--seed", -1), ("seed", "-1")),
            (("--lr", "nan"), ("training.lr", "finite")),
            (("--background", "x"), ("--background", "integer")),
        ],
        ids=lambda value: " ".join(map(str, value)) if str(value[0]).startswith("--") else "",
    )
    def test_an_option_that_makes_no_sense(self, options, says, scenes, refused):
        refused(USAGE, "classify", scenes["mat"], *QUICK, *options, says=says)

    def test_more_components_than_bands_that_are_left(self, mat, sample, refused):
        cube = sample.cube.copy()
        cube[:, :, 12:] = 5
        path = mat(cube=cube, gt=sample.truth)
        says = ("13 components", "12 usable bands", "--components 12")
        done = refused(USAGE, "classify", path, *QUICK, says=says)
        assert done.warnings == ["warning: 12 bands hold one value everywhere and are dropped: 13-24"]

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_cuda_that_is_not_there(self, scenes, refused):
        refused(USAGE, "classify", scenes["mat"], *QUICK, "--device", "cuda", says=("'cuda'", "use --device cpu"))

    def test_no_scene_and_unknown_commands(self, refused):
        refused(USAGE, "classify", says=("SCENE", "hsi classify --help"))
        refused(USAGE, "clasify", "x.mat", says=("unknown command 'clasify'", "did you mean classify?"))
        refused(USAGE, "--loud", says=("--loud", "hsi --help"))

    def test_weights_that_are_no_numbers(self, scenes, refused, no_figures):
        options = ("--lr", "1e30", "--epochs", 1)
        refused(FAILURE, "classify", scenes["mat"], *SMALL, *options, says=("are no numbers", "lower lr"))

    def test_a_loss_that_is_no_number(self, scenes, refused):
        options = ("--lr", "1e30", "--epochs", 5)
        refused(FAILURE, "classify", scenes["mat"], *SMALL, *options, says=("the loss is ", "try a lower rate"))


def billions(levels=4):
    """YAML whose value is eight times as long for each level when it is shown."""
    value = "[x, x, x, x, x, x, x, x]"
    for i in range(levels):
        value = f"[&a{i} {value}{f', *a{i}' * 7}]"
    return f"seed: {value}\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, ("no such",)),
        (b"modle: {name: hybridsn}", ("unknown setting 'modle'", "did you mean model?")),
        (b"training: {epoch: 3}", ("unknown setting 'training.epoch'", "did you mean epochs?")),
        (b"training: {lr_schedule: cosin}", ("training.lr_schedule", "did you mean cosine?")),
        (b"model: {window: 12}", ("must be odd",)),
        (b"seed: [1, 2", ("is not YAML",)),
        (b"seed: !!python/object/apply:os.system ['touch hacked']", ("is not YAML",)),
        (b"- 1\n- 2\n", ("expected settings such as 'seed: 0'", "list")),
        (b"model: 3", ("model", "3")),
        (b"3: 4", ("3",)),
        (b"\x00\x01", ("is not YAML",)),
        (b"a: &a [*a]", ("'a'",)),
        (b"[" * 1500, ("is not YAML",)),
        (b"seed: \xff\xfe\x80", ()),
        (b" " * (2**20 + 1), ("larger than",)),
        (billions().encode(), ()),
    ],
    ids=range(16),
)
def test_a_configuration_that_cannot_be_used(content, says, scenes, tmp_path, refused):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path), *says))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--out", "taken/run"), ("taken/run", "choose another --out")),
        ((), ("runs/scene/hybridsn-bn-seed0", "choose another --out")),
        (("--out", "taken"), ("taken", "is a file", "choose another --out")),
        (("--out", "taken", "--overwrite"), ("taken", "is a file", "choose another --out")),
        (("--out", "x" * 300), ("too long", "choose another --out")),
        (("--out", "."), ("is where you are",)),
        (("--out", "..", "--overwrite"), ("is where you are",)),
    ],
    ids=range(7),
)
def test_an_output_that_cannot_be_written(options, says, scenes, tmp_path, refused):
    for name in ("taken", "runs"):
        (tmp_path / name).write_text("mine")
    refused(FAILURE, "classify", scenes["mat"], *QUICK, *options, says=says)


class TestUnforeseen:
    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero; this was not foreseen"),
            (MemoryError(), "out of memory: try a smaller --window"),
            (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory: try a smaller --window"),
            (OSError(28, "No space left on device", "map.tif"), "run: cannot be written (No space left on device)"),
        ],
    )
    def test_an_error_after_training_leaves_what_can_be_gone_on_with(
        self, error, says, scenes, run, no_figures, monkeypatch, tmp_path
    ):
        def fail(*arguments, **options):
            raise error

        words = ("classify", scenes["mat"], *QUICK, "--no-symmetries", "--out", "deep/er/run")
        with monkeypatch.context() as patch:
            patch.setattr(classify, "save_model", fail)
            done = run(*words)
        assert (done.code, len(done.complaints)) == (FAILURE, 1)
        assert says in done.complaints[0] and "with --resume continues it" in done.complaints[0]
        assert names_in(tmp_path / "deep" / "er") == {".run.partial"}
        assert run(*words, "--resume").code == 0

    def test_debug_shows_where_it_happened(self, tmp_path):
        done = run_in_subprocess("inspect", "nothing.mat", "--debug", cwd=tmp_path)
        assert done.code == 1
        assert "Traceback (most recent call last)" in done.stderr
        assert "SceneFileError: nothing.mat: no such file" in done.stderr

    @pytest.mark.parametrize("words", [("--debug", "classify", "x.mat"), ("classify", "--debug", "x.mat")])
    def test_debug_is_taken_anywhere(self, words, run):
        with pytest.raises(SceneFileError, match=r"x\.mat: no such file"):
            run(*words)

    def test_debug_shows_unforeseen_errors_too(self, scenes, run, monkeypatch):
        monkeypatch.setattr(inputs.io, "open_scene", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("classify", scenes["mat"], "--debug")


@pytest.mark.slow
def test_an_interrupt_while_training_leaves_a_checkpoint_alone(scenes, tmp_path):
    words = ("classify", scenes["mat"], *SMALL, "--epochs", 1_000_000, "--set", "run.checkpoint_seconds=0")
    with started(*words, cwd=tmp_path) as process:
        while not list(tmp_path.rglob("checkpoint.safetensors")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    out = Path("runs", "scene", "hybridsn-bn-seed0")
    told = f"the work so far is stored next to {out}: the same command with --resume continues it"
    assert complained.strip() == f"error: interrupted: {told}"
    assert names_in(tmp_path / out.parent) == {f".{out.name}.partial"}


@pytest.mark.parametrize("command", ["inspect", "classify", "fetch"])
def test_no_command_leaves_anything_for_a_wrong_option(command, refused):
    refused(USAGE, command, "--wrong", says=("--wrong", f"hsi {command} --help"))


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--window", 10), "odd"), (("--components", 2, "--window", 3), "at least 9"), (("--classes", 0), "classes")],
)
def test_models_refuses_sizes_no_network_takes(options, says, refused):
    refused(USAGE, "models", *options, says=(says,))


def test_inspect_refuses_what_is_no_scene(tmp_path, refused):
    Path(tmp_path / "notes.mat").write_text("not a scene" * 30)
    refused(FAILURE, "inspect", "notes.mat", says=("notes.mat", "is not a MATLAB file"))
