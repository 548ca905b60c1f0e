"""What goes wrong is said in one line that names the file and the way out, and leaves nothing behind."""

import json
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from hsi.errors import SceneFileError
from hsi.workflows import classify, inputs
from tests.conftest import IDS, QUICK, SMALL, run_in_subprocess, started
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
    def test_missing(self, tmp_path, mat, sample, refuse_file):
        mat("scene.mat", cube=sample.cube)
        refuse_file(tmp_path / "scenes.mat", says=("no such file", "did you mean scene.mat?"))

    def test_missing_folder(self, tmp_path, refuse_file):
        refuse_file(tmp_path / "nowhere" / "scene.mat", says=("no such file", "does not exist either"))

    def test_a_folder(self, tmp_path, refuse_file):
        (tmp_path / "scene").mkdir()
        refuse_file(tmp_path / "scene", says=("is a folder", "name one file"))

    def test_empty(self, tmp_path, refuse_file):
        (tmp_path / "scene.mat").touch()
        refuse_file(tmp_path / "scene.mat", says=("is empty", "download it again"))

    @pytest.mark.parametrize("start", [b"<!DOCTYPE html><html>", b"PK\x03\x04" * 40, b"%PDF-1.7\n" * 20])
    def test_not_a_mat(self, start, tmp_path, refuse_file):
        (tmp_path / "scene.mat").write_bytes(start)
        refuse_file(tmp_path / "scene.mat", says=("is not a MATLAB file", "rename it"))

    def test_a_format_nobody_knows(self, tmp_path, refuse_file):
        (tmp_path / "scene.xyz").write_bytes(b"1 2 3\n" * 100)
        refuse_file(tmp_path / "scene.xyz", says=("suffix '.xyz'", "expected one of", ".hdr"))

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

    def test_hdf5_with_a_cube_of_text(self, tmp_path, refuse_file):
        path = tmp_path / "text.mat"
        with h5py.File(path, "w") as file:
            file["cube"] = np.full((4, 5, 6), b"x")
        refuse_file(path, says=("expected a 3-D array",))

    def test_two_cubes(self, mat, sample, refuse_file):
        path = mat(raw=sample.cube, corrected=sample.cube, gt=sample.truth)
        refuse_file(path, code=USAGE, says=("2 cubes", "raw (36 x 40 x 24", "corrected", "variable=NAME"))

    def test_a_variable_that_is_not_there(self, mat, sample, refuse_file):
        path = mat(indian_pines=sample.cube, gt=sample.truth)
        refuse_file(path, "--variable", "indian_pine", code=USAGE, says=("did you mean indian_pines?",))

    def test_all_nan(self, tmp_path, sample, refuse_file):
        path = file_makers.npy(tmp_path / "cube.npy", np.full(sample.cube.shape, np.nan))
        labels = file_makers.npy(tmp_path / "truth.npy", sample.truth)
        done = refuse_file(path, "--labels", labels, says=("no pixel can be used", "give another file"))
        assert "1,440 of 1,440 pixels" in done.warnings[0]
        assert "1,440 NaN or infinite" in done.warnings[0]

    def test_all_constant(self, tmp_path, sample, refuse_file):
        path = file_makers.npy(tmp_path / "cube.npy", np.full(sample.cube.shape, 7))
        labels = file_makers.npy(tmp_path / "truth.npy", sample.truth)
        done = refuse_file(path, "--labels", labels, says=("no usable band",))
        assert done.warnings == ["warning: 24 bands hold one value everywhere and are dropped: 1-24"]

    def test_pixels_without_a_number_under_every_label(self, tmp_path, sample, refuse_file):
        cube = np.where((sample.truth != 0)[:, :, None], np.nan, sample.cube)
        path = file_makers.npy(tmp_path / "cube.npy", cube)
        labels = file_makers.npy(tmp_path / "truth.npy", sample.truth)
        done = refuse_file(path, "--labels", labels, says=(str(labels), "none of its labelled pixels", "label others"))
        assert "NaN or infinite" in done.warnings[0]


class TestLabels:
    def test_none_anywhere(self, tmp_path, sample, refuse_file):
        path = file_makers.npy(tmp_path / "cube.npy", sample.cube)
        refuse_file(path, says=("no labels found", "cube_gt.*", "labels=FILE"))

    def test_missing_file(self, mat, sample, tmp_path, refused):
        path = mat(cube=sample.cube)
        missing = tmp_path / "cube_gt.mat"
        refused(FAILURE, "classify", path, "--labels", missing, says=(str(missing), "no such file", "cube.mat"))

    def test_of_another_shape(self, mat, sample, refused):
        scene, labels = mat(cube=sample.cube), mat("truth.mat", gt=sample.truth[:-1])
        says = (f"{labels} (gt)", "the labels are 35 x 40", "36 x 40", "give the labels of this scene")
        refused(FAILURE, "classify", scene, *QUICK, "--labels", labels, says=says)

    def test_transposed(self, mat, sample, refused):
        scene, labels = mat(cube=sample.cube), mat("truth.mat", gt=sample.truth.T)
        says = (str(labels), "transposed", "40 x 36", "swap the rows and columns")
        refused(FAILURE, "classify", scene, *QUICK, "--labels", labels, says=says)

    def test_transposed_in_the_same_file(self, mat, sample, refuse_file):
        refuse_file(mat(cube=sample.cube, gt=sample.truth.T), says=("gt (40 x 36, uint16) is transposed",))

    def test_all_background(self, mat, sample, refuse_file):
        path = mat(cube=sample.cube, gt=np.zeros_like(sample.truth))
        refuse_file(path, says=("(gt)", "every pixel is background (0)"))

    def test_fractions(self, mat, sample, refused):
        labels = mat("truth.mat", gt=sample.truth + 0.5)
        says = (str(labels), "integers", "0.5")
        refused(FAILURE, "classify", mat(cube=sample.cube), *QUICK, "--labels", labels, says=says)

    def test_negative_ids(self, mat, sample, refused):
        labels = mat("truth.mat", gt=sample.truth.astype(int) - 1)
        says = (str(labels), "-1", "--background")
        refused(FAILURE, "classify", mat(cube=sample.cube), *QUICK, "--labels", labels, says=says)

    def test_one_class(self, mat, sample, refuse_file):
        path = mat(cube=sample.cube, gt=np.where(sample.truth == 3, 3, 0))
        refuse_file(path, says=("2 or more classes", "class 3"))

    def test_two_candidates(self, mat, sample, refuse_file):
        path = mat(cube=sample.cube, first=sample.truth, second=sample.truth)
        refuse_file(path, says=("first", "second", "label_variable=NAME"))

    def test_a_cube_given_as_labels(self, mat, sample, refuse_file):
        path = mat(cube=sample.cube, gt=sample.truth)
        refuse_file(path, "--label-variable", "cube", says=("label_variable", "it holds gt"), code=USAGE)

    def test_a_scene_elsewhere(self, scenes, sample, tmp_path, refused):
        import rasterio

        far = {"crs": "EPSG:32616", "transform": rasterio.Affine(20, 0, 600_000, 0, -20, 4_480_000)}
        labels = file_makers.tiff(tmp_path / "far.tif", sample.truth, **far)
        refused(FAILURE, "classify", scenes["tiff"], *QUICK, "--labels", labels, says=(str(labels), "grid"))


class TestGeoref:
    @pytest.mark.parametrize(
        ("content", "says"),
        [(None, "no such file"), (b"nothing", "raster")],
    )
    def test_no_raster(self, content, says, scenes, tmp_path, refused):
        path = tmp_path / "reference.tif"
        if content:
            path.write_bytes(content)
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--georef", path, says=(str(path), says))

    def test_of_another_size(self, scenes, tmp_path, refused):
        path = file_makers.tiff(tmp_path / "other.tif", np.zeros((5, 6), np.uint8), transform=file_makers.NORTH_UP)
        says = (str(path), "5 x 6", "36 x 40")
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--georef", path, says=says)

    def test_without_a_place(self, scenes, sample, tmp_path, refused):
        path = file_makers.tiff(tmp_path / "plain.tif", sample.truth)
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--georef", path, says=(str(path), "no transform"))


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--components", 25), ("25 components", "24 usable bands", "--components 24")),
            (("--components", 12), ("at least 13", "12")),
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


class TestConfigs:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("modle: {name: hybridsn}", ("unknown setting 'modle'", "did you mean model?")),
            ("training: {epoch: 3}", ("unknown setting 'training.epoch'", "did you mean epochs?")),
            ("training: {lr_schedule: cosin}", ("training.lr_schedule", "did you mean cosine?")),
            ("model: {window: 12}", ("must be odd",)),
            ("seed: [1, 2", ("is not YAML",)),
            ("seed: !!python/object/apply:os.system ['touch hacked']", ("is not YAML",)),
            ("- 1\n- 2\n", ("expected settings such as 'seed: 0'", "list")),
            ("model: 3", ("model", "3")),
            ("3: 4", ("3",)),
            ("\x00\x01", ("is not YAML",)),
            ("a: &a [*a]", ("'a'",)),
            ("[" * 1500, ("is not YAML",)),
        ],
        ids=range(12),
    )
    def test_text_that_is_no_configuration(self, text, says, scenes, tmp_path, refused):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path), *says))

    def test_bytes_that_are_no_text(self, scenes, tmp_path, refused):
        path = tmp_path / "mine.yaml"
        path.write_bytes(b"seed: \xff\xfe\x80")
        refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path),))

    def test_larger_than_a_configuration(self, scenes, tmp_path, refused):
        path = tmp_path / "huge.yaml"
        with path.open("wb") as file:
            file.truncate(50 * 2**20)
        refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path), "larger than"))

    def test_missing(self, scenes, tmp_path, refused):
        path = tmp_path / "none.yaml"
        refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path), "no such"))

    def test_a_value_that_grows_when_it_is_shown(self, scenes, tmp_path, refused):
        path = tmp_path / "laughs.yaml"
        value = "[x, x, x, x, x, x, x, x]"
        for i in range(4):  # each level is eight times the one inside
            value = f"[&a{i} {value}{f', *a{i}' * 7}]"
        path.write_text(f"seed: {value}\n")
        refused(USAGE, "classify", scenes["mat"], "--config", path, says=(str(path),))


class TestOutputs:
    def test_below_a_file(self, scenes, tmp_path, refused):
        (tmp_path / "taken").write_text("mine")
        out = tmp_path / "taken" / "run"
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--out", out, says=(str(out), "choose another --out"))

    def test_the_default_place_below_a_file(self, scenes, tmp_path, refused):
        (tmp_path / "runs").write_text("mine")
        says = ("runs/scene/hybridsn-bn-seed0", "choose another --out")
        refused(FAILURE, "classify", scenes["mat"], *QUICK, says=says)

    def test_a_file(self, scenes, tmp_path, refused):
        (tmp_path / "taken").write_text("mine")
        for overwrite in ((), ("--overwrite",)):
            says = ("taken", "is a file", "choose another --out")
            refused(FAILURE, "classify", scenes["mat"], *QUICK, "--out", "taken", *overwrite, says=says)

    def test_a_name_that_is_too_long(self, scenes, refused):
        refused(
            FAILURE, "classify", scenes["mat"], *QUICK, "--out", "x" * 300, says=("too long", "choose another --out")
        )

    def test_the_folder_one_is_in(self, scenes, refused):
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--out", ".", says=("is where you are",))
        refused(FAILURE, "classify", scenes["mat"], *QUICK, "--out", "..", "--overwrite", says=("is where you are",))


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
        assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == [".run.partial"]
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
    assert [path.name for path in (tmp_path / out.parent).iterdir()] == [f".{out.name}.partial"]


class TestHostileNames:
    NAMES = ("[red]x[/red]", "<b>&amp;", "\x1b[31mred\x07", "5$ \\frac{")

    @staticmethod
    def write(tmp_path, sample, names):
        cube = file_makers.envi(tmp_path / "cube.hdr", sample.cube)
        truth = np.searchsorted(IDS, sample.truth).astype(np.uint8)[:, :, None]
        path = file_makers.envi(tmp_path / "cube_gt.hdr", truth)
        listed = ", ".join(("none", *names))
        path.write_text(path.read_text() + f"classes = 5\nclass names = {{ {listed} }}\n")
        return cube

    @pytest.fixture
    def scene(self, tmp_path, sample):
        return self.write(tmp_path, sample, self.NAMES)

    def test_names_that_look_like_formulas(self, tmp_path, sample, run):
        names = ("$\\frac{$", "$x$", "a $ b", "c")
        done = run("classify", self.write(tmp_path, sample, names), *QUICK, "--out", "run")
        assert (done.code, done.complaints) == (0, [])
        report = json.loads((tmp_path / "run" / "accuracy.json").read_text())
        assert tuple(row["name"] for row in report["classes"]) == names

    def test_names_are_printed_as_they_are_and_escaped_in_files(self, scene, run, tmp_path):
        done = run("classify", scene, *QUICK, "--train", 3, "--out", "run")
        assert (done.code, done.complaints) == (0, [])
        for text in (done.stdout, done.stderr):
            assert "[red]x[/red]" in text
            assert "<b>&amp;" in text
            assert "?[31mred?" in text
            assert "\x1b" not in text
        out = tmp_path / "run"
        report = json.loads((out / "accuracy.json").read_text())
        assert tuple(row["name"] for row in report["classes"]) == self.NAMES
        assert "&lt;b\\>&amp;amp;" in (out / "accuracy.md").read_text()
        assert r"5\$ \textbackslash{}frac\{" in (out / "accuracy.tex").read_text()
        assert "&lt;b&gt;&amp;amp;" in (out / "map.qml").read_text()
        assert "&lt;b&gt;&amp;amp;" in (out / "map.tif.aux.xml").read_text()

    def test_inspect_prints_them_as_they_are(self, scene, run):
        done = run("inspect", scene)
        assert (done.code, done.stderr) == (0, "")
        assert "[red]x[/red]" in done.stdout
        assert "?[31mred?" in done.stdout

    def test_file_names_too(self, tmp_path, sample, run):
        name = "[bold]\x1b[31m\nfield\udcff.npy"
        file_makers.npy(tmp_path / name, sample.cube)
        for command in ("inspect", "classify"):
            done = run(command, name, *(QUICK if command == "classify" else ()))
            assert "[bold]?[31m field?.npy" in done.stdout + done.stderr
            assert "\x1b" not in done.stdout + done.stderr
        assert len(done.complaints) == 1


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
