"""``hsi rerun``: the same result from a run's record, and the differences where it is not the same."""

import json
import shutil

import numpy as np
import pytest
import rasterio

from hsi.report.compare_runs import compare_runs
from tests.conftest import QUICK

USAGE, FAILURE = 2, 1


@pytest.fixture
def copy_of(tmp_path, scenes):
    """A finished run's folder in the test's own folder, to be changed."""

    def copy(made):
        shutil.copytree(made.out, tmp_path / "run")
        return tmp_path / "run"

    return copy


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_is_reproduced_from_its_record(mat_run, copy_of, run, no_figures, tmp_path):
    first = copy_of(mat_run)
    done = run("rerun", first)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    for name in ("split.tif", "model.safetensors", "map.tif", "confidence.tif", "accuracy.json"):
        assert f"same        {name}: the same bytes" in done.stdout
        assert (tmp_path / "run-rerun" / name).read_bytes() == (first / name).read_bytes()
    assert "reproduced" in done.stdout
    asked = [json.loads((tmp_path / name / "run.json").read_text())["asked"] for name in ("run", "run-rerun")]
    assert asked[0] == asked[1]


def test_options_and_config_of_the_run_count(run, scenes, no_figures, tmp_path, sample):
    (tmp_path / "c.yaml").write_text("model: {name: svm}\nsplit: {train: 30}\n")
    options = ("--config", "c.yaml", "--drop-bands", "3-5", "--seed", 4)
    options = (*options, "--labels", scenes["npy"].with_name("scene_gt.npy"))
    assert run("classify", scenes["npy"], *options, "--out", "svm").code == 0
    (tmp_path / "c.yaml").unlink()
    done = run("rerun", "svm", "--out", "again")
    assert done.code == 0, done.stderr
    assert "same        map.tif" in done.stdout and "model.safetensors" not in done.stdout


def test_a_result_that_differs_is_reported_with_what_has_changed(mat_run, copy_of, run, no_figures, tmp_path):
    first = copy_of(mat_run)
    edit(first / "run.json", lambda record: record["versions"].update(torch="1.0"))
    with rasterio.open(first / "map.tif", "r+") as raster:
        ids = raster.read(1)
        ids[0, :3] = np.where(ids[0, :3] == 3, 7, 3)
        raster.write(ids, 1)
    done = run("rerun", first, "--out", "again")
    assert done.code == FAILURE
    assert "warning: not as when the run was made: versions.torch" in done.stderr
    assert "differs     map.tif: 3 of 1,440 pixels differ" in done.stdout
    assert (
        "run: not reproduced: map.tif: 3 of 1,440 pixels differ; not as when it was made: versions.torch" in done.stderr
    )
    assert (tmp_path / "again" / "run.json").is_file()


def test_inputs_that_changed_and_moved(mat_run, copy_of, run, scenes, no_figures, tmp_path):
    first = copy_of(mat_run)
    edit(first / "run.json", lambda record: record["inputs"].update(scene="gone.mat"))
    assert "gone.mat: no such file" in run("rerun", first, "--out", "again").complaints[0]
    edit(first / "run.json", lambda record: record["inputs"].update(sha256={"x": "0"}))
    done = run("rerun", first, "--scene", scenes["mat"], "--out", "again")
    assert done.code == 0  # the result is the same all the same
    assert "not as when the run was made: contents of the scene or label files" in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.pop("asked"), "of an earlier hsi"),
        (lambda record: record["asked"]["scene"].update(strange=1), "of an earlier hsi"),
        (lambda record: record["asked"]["settings"].update(sead=1), "did you mean seed"),
        (lambda record: record["asked"].pop("settings"), "of an earlier hsi"),
        (lambda record: record["asked"].update(labels=[]), "of an earlier hsi"),
        (lambda record: record["asked"]["scene"].update(variable={}), "variable"),
        (lambda record: record["asked"]["settings"]["model"].update(name="../../../etc/passwd"), "unknown model"),
        (lambda record: record["asked"]["settings"]["reducer"].update(name="/etc/passwd"), "unknown reducer"),
    ],
)
def test_a_record_that_does_not_do(change, says, mat_run, copy_of, run, tmp_path):
    first = copy_of(mat_run)
    edit(first / "run.json", change)
    before = sorted(tmp_path.rglob("*"))
    done = run("rerun", first)
    assert (done.code, len(done.complaints)) == (USAGE, 1), done.stderr
    assert says in done.complaints[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_run(run, tmp_path):
    (tmp_path / "run.json").write_text("{")
    assert "run.json: no such file: give the folder of a run" in run("rerun", "none").complaints[0]
    assert "run.json: is damaged, expected JSON" in run("rerun", tmp_path).complaints[0]


def test_how_far_models_confidence_and_accuracy_differ(mat_run, tiff_run):
    found = {agreement.part: agreement for agreement in compare_runs(mat_run.out, tiff_run.out)}
    assert not any(found[name].same for name in ("split.tif", "model.safetensors", "confidence.tif", "accuracy.json"))
    assert "other tensors" in found["model.safetensors"].words  # one has validation pixels
    assert "differs by up to" in found["confidence.tif"].words
    assert "overall accuracy" in found["accuracy.json"].words


def test_deterministic_is_harmless_on_a_cpu_and_reported(run, scenes, no_figures, tmp_path):
    import torch

    for name, more in (("a", ()), ("b", ("--set", "deterministic=true"))):
        done = run("classify", scenes["mat"], *QUICK, "--no-symmetries", *more, "--out", name)
        assert done.code == 0, done.stderr
    assert "repeatable  on a CPU without deterministic=true, too" in done.stdout
    assert not torch.are_deterministic_algorithms_enabled()
    assert all(agreement.same for agreement in compare_runs(tmp_path / "a", tmp_path / "b"))
