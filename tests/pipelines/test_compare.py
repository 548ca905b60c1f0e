"""``hsi compare``: what it runs, reuses, writes and shows; most runs are made in the test's own process."""

import contextlib
import json
import shutil

import pytest
import yaml

from hsi.experiments import run as run_module
from hsi.experiments.results import MEASURES
from tests.conftest import names_in, run_here, run_in_subprocess

TABLES = {"report.html", *(f"comparison.{suffix}" for suffix in ("json", "csv", "md", "tex", "png", "pdf"))}
ROWS = [
    {"name": "nearest", "settings": {"model": {"name": "position"}}},
    {"name": "maximum likelihood", "settings": {"model": {"name": "gml"}}},
]
TOO_WIDE = {"name": "too wide", "settings": {"model": {"name": "position", "window": 41}}}


@contextlib.contextmanager
def in_this_process(folder):
    """Runs made here, one after another, instead of in processes; yields their names."""
    names = []

    def run_jobs(wanted, slots, ended, changed, gpus):
        for job in wanted:
            names.append(job.name)
            changed([job.name])
            done = run_here(*job.arguments, cwd=folder)
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.write_text(done.stdout + done.stderr)
            ended(job, done.code, 0.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_jobs", run_jobs)
        yield names


@pytest.fixture
def compare(tmp_path):
    """``hsi compare`` in the test's folder; the names of its runs, without their hashes, are in ``compare.names``."""
    with in_this_process(tmp_path) as names:

        def work(*arguments):
            names.clear()
            done = run_here("compare", *arguments, cwd=tmp_path)
            work.names = [name.rpartition("-")[0] for name in names]
            return done

        yield work


@pytest.fixture
def experiment(tmp_path, scenes):
    """Write an experiment and return its name."""

    def write(**changes):
        values = {"title": "A trial", "scene": str(scenes["mat"]), "seeds": 2, "settings": {"model": {"window": 11}}}
        (tmp_path / "trial.yaml").write_text(yaml.safe_dump({**values, "rows": ROWS, **changes}))
        return "trial.yaml"

    return write


@pytest.fixture(scope="module")
def three(tmp_path_factory, scenes):
    """Three baselines over eight seeds. Not to be changed."""
    cwd = tmp_path_factory.mktemp("three")
    with in_this_process(cwd) as names:
        options = ("--models", "position,knn,gml", "--window", 11, "--seeds", 8)
        done = run_here("compare", scenes["mat"], *options, cwd=cwd)
        assert (done.code, len(names)) == (0, 24), done.stderr
    return cwd / "runs" / "compare" / "scene", done


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_model_and_seed_is_a_run_and_the_models_of_a_seed_share_their_split(three):
    out, _ = three
    runs = sorted(path.name.rpartition("-")[0] for path in (out / "runs").iterdir())
    assert runs == sorted(f"{model}-random-seed{seed}" for model in ("position", "knn", "gml") for seed in range(8))
    assert names_in(out) == {*TABLES, "runs", "configs", "logs"}
    hashes = {}
    for path in (out / "runs").iterdir():
        hashes.setdefault(content(path / "run.json")["seed"], set()).add(content(path / "accuracy.json")["split_hash"])
    assert [len(of_seed) for of_seed in hashes.values()] == [1] * 8
    assert len(set.union(*hashes.values())) == 8


def test_the_terminal_shows_means_tests_and_the_audit_in_80_columns(three):
    out, done = three
    lines = [line for line in done.stdout.splitlines() if line.startswith("finished ")]
    assert len(lines) == 24 and all(": OA " in line for line in lines)
    table = done.stdout.partition("random 10%\n")[2].partition("audit")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert [line.split()[0] for line in table.splitlines()[3:6]] == ["position", "knn", "gml"]
    for key in MEASURES:
        values = [content(path / "accuracy.json")[key] for path in (out / "runs").glob("gml-*")]
        assert f"{100 * sum(values) / 8:.2f}±" in table
    assert "position-only OA" in done.stdout
    assert "OA, AA, kappa: gml leads every other row (p = 0.016 or less)" in done.stdout
    assert "McNemar, Holm over 16 tests: gml has more test pixels right than position in 8 of 8 runs" in done.stdout


def test_json_records_what_was_compared_and_how_to_make_a_run_again(three, scenes, tmp_path, no_figures):
    record = content(three[0] / "comparison.json")
    assert record["command"][:2] == ["hsi", "compare"]
    assert record["scene"] == {"path": str(scenes["mat"])} and list(record["sha256"]) == [str(scenes["mat"])]
    assert record["versions"]["hsi"] and len(record["machines"]) == 1 and len(record["runs"]) == 24
    assert record["runs"][0]["settings"]["model"]["name"] == "position"
    command = record["runs"][2]["command"]
    assert command[:3] == ["hsi", "classify", str(scenes["mat"])]
    done = run_here(*command[1:-1], tmp_path / "again", cwd=three[0].parents[2])
    assert done.code == 0, done.stderr
    assert (tmp_path / "again" / "map.tif").read_bytes() == (three[0].parents[2] / command[-1] / "map.tif").read_bytes()


@pytest.mark.slow
def test_only_what_is_missing_changed_or_damaged_is_run(compare, experiment, tmp_path):
    assert compare(experiment()).code == 0
    assert len(compare.names) == 4
    again = compare("trial.yaml")
    assert (again.code, compare.names) == (0, [])
    assert "4: 4 finished before, 0 to run" in again.stdout
    (report,) = tmp_path.glob("runs/compare/trial/runs/nearest-random-seed0-*/accuracy.json")
    report.unlink()
    compare("trial.yaml", "--seeds", 3)
    new = ["nearest-random-seed0", "nearest-random-seed2", "maximum-likelihood-random-seed2"]
    assert (compare.names, content(report)["model"]) == (new, "position")
    compare(experiment(rows=[ROWS[0], ROWS[1] | {"settings": {"model": {"name": "gml", "window": 13}}}]))
    assert compare.names == [f"maximum-likelihood-random-seed{i}" for i in (0, 1)]


def test_other_data_means_other_runs(compare, experiment, scenes, tmp_path):
    shutil.copy(scenes["npy"], tmp_path / "cube.npy")
    shutil.copy(scenes["npy"].with_name("scene_gt.npy"), tmp_path / "elsewhere.npy")

    def runs(**scene):
        assert compare(experiment(rows=ROWS[:1], scene={"path": "cube.npy", **scene}, seeds=1)).code == 0
        return len(compare.names)

    assert runs(labels="elsewhere.npy") == 1
    (tmp_path / "elsewhere.npy").rename(tmp_path / "moved.npy")
    assert (runs(labels="moved.npy"), runs(labels="moved.npy", background=3)) == (0, 1)
    records = [content(path) for path in tmp_path.glob("runs/compare/trial/runs/*/run.json")]
    (record,) = (record for record in records if record["inputs"]["labels"] == "moved.npy")
    assert {"--background", "3"} <= set(record["command"])


def test_a_run_that_fails_is_reported_and_the_rest_stands(compare, experiment, tmp_path):
    done = compare(experiment(rows=[TOO_WIDE, *ROWS]))
    assert done.code == 1
    failed = [line for line in done.warnings if line.startswith("warning: failed: too-wide-random-seed")]
    assert len(failed) == 2
    assert "model.window is 41, larger than the scene of 36 x 40 pixels" in failed[0]
    assert "model.window is 41" in (tmp_path / failed[0].rpartition("(")[2].rstrip(")")).read_text()
    assert done.complaints[-1].startswith("error: 2 of 6 runs failed")
    assert "maximum likelihood" in done.stdout
    assert "too wide" not in done.stdout.partition("audit")[0]
    record = content(tmp_path / "runs/compare/trial/comparison.json")
    assert [entry["row"] for entry in record["failed"]] == ["too wide", "too wide"]
    compare("trial.yaml")
    assert len(compare.names) == 2
    assert "all 2 runs failed, the first with: " in compare("trial.yaml", "--only", "too wide").complaints[-1]
    again = content(tmp_path / "runs/compare/trial/comparison.json")
    for entry in again["failed"]:  # its log has a new name
        entry["log"] = entry["log"].replace("-2.log", ".log")
    assert again["date"] >= record["date"]  # to the second
    assert again == {**record, "date": again["date"]}


def test_the_tables_of_another_comparison_and_other_files_stay(compare, experiment, tmp_path):
    assert compare(experiment(seeds=1)).code == 0
    before = content(tmp_path / "runs/compare/trial/comparison.json")
    done = compare(experiment(seeds=1, title="Another trial"))
    assert done.code == 1
    assert "holds the tables of 'A trial', which those of 'Another trial' would replace" in done.complaints[-1]
    assert content(tmp_path / "runs/compare/trial/comparison.json") == before
    assert compare("trial.yaml", "--out", "other").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    done = compare("trial.yaml", "--out", "mine")
    assert (done.code, compare.names) == (1, [])
    assert "holds files that are no comparison" in done.complaints[0]


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        (
            {"rows": [{"name": "a", "settings": {"model": {"name": "svn"}}}]},
            (),
            "row 'a', split 'random': unknown model",
        ),
        (
            {"rows": [{"name": "a", "settings": {"model": {"name": "svm"}, "training": {"epochs": 3}}}]},
            (),
            "trial.yaml: row 'a', split 'random': --epochs (training.epochs) means nothing to svm",
        ),
        ({}, ("--models", "svm"), "trial.yaml: an experiment defines what is run"),
        ({}, ("--epochs", 3), "an experiment defines what is run"),
        ({}, ("--labels", "a.tif"), "an experiment defines what is run"),
        ({}, ("--jobs", 0), "--jobs"),
        (None, (), "give models to compare"),
        (None, ("--models", "svm,svm"), "the row names 'svm' and 'svm' give the same names of files"),
        (None, ("--models", "hybridsn-bm"), "row 'hybridsn-bm', split 'random': unknown model 'hybridsn-bm': did you"),
        (None, ("--models", "svm", "--split", "given:none.tif"), "none.tif"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(compare, experiment, scenes, tmp_path, changes, arguments, words):
    name = experiment(**changes or {})
    done = compare(scenes["mat"] if changes is None else name, *arguments)
    assert done.code in (1, 2)
    assert len(done.complaints) == 1 and words in done.complaints[0]
    assert [path.name for path in tmp_path.iterdir()] == ["trial.yaml"]


def test_a_dry_run_lists_the_runs_of_the_chosen_rows_and_makes_none(compare, experiment, tmp_path):
    done = compare(experiment(seeds=1), "--only", "nearest")
    assert compare.names == ["nearest-random-seed0"] and "maximum likelihood" not in done.stdout
    shown = compare("trial.yaml", "--seeds", "0,4", "--dry-run")
    assert (shown.code, compare.names) == (0, [])
    states = [line.split()[0] for line in shown.stdout.splitlines() if "runs/compare" in line]
    assert states == ["finished", "to", "to", "to"]
    assert "4: 1 finished, 3 to run" in shown.stdout
    assert not list(tmp_path.glob("runs/compare/trial/*/*seed4*"))


@pytest.mark.slow
def test_settings_and_costs_of_networks_are_for_networks_where_baselines_are_rows_too(compare, scenes, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("seed: 7\ntraining: {label_smoothing: 0.1}\n")
    options = ("--window", 11, "--components", 13, "--epochs", 1, "--no-symmetries", "--no-blend", "--device", "cpu")
    models = ("hybridsn-bn", "hybridsn-ds-gap", "knn")
    done = compare(scenes["mat"], "--models", ",".join(models), "--seeds", "3,", "--config", config, *options)
    assert done.code == 0, done.stderr
    assert "the seed in" in done.stdout and "220,004" in done.stdout
    assert "Wilcoxon's smallest possible p with 1 run on shared splits is 1" in done.stdout
    out = tmp_path / "runs/compare/scene"
    network, small, baseline = (content(next(out.glob(f"runs/{name}-random*/run.json"))) for name in models)
    assert (network["seed"], network["recipe"]["epochs"], network["recipe"]["label_smoothing"]) == (3, 1, 0.1)
    assert (baseline["settings"]["model"]["window"], baseline["settings"]["training"]["epochs"]) == (11, None)
    assert {"pareto.png", "pareto.pdf"} <= {path.name for path in out.iterdir()}
    lines = [line.split(" | ") for line in (out / "comparison.md").read_text().splitlines()]
    header, row = (next(line for line in lines if line[0] == name) for name in ("| Row", "| hybridsn-ds-gap"))
    assert 0 < float(row[header.index("Multiply-adds (M/pixel)")]) < 1
    first, second, _ = content(out / "comparison.json")["runs"]
    assert first["multiply_adds"] > second["multiply_adds"] > 0
    assert second["weight_bytes"] >= 4 * small["parameters"] and second["pixel_seconds"] > 0


def test_an_open_fold_is_a_run_for_each(compare, scenes):
    options = ("--window", 11, "--split", "kfold-random", "--set", "split.folds=2", "--seeds", 1)
    done = compare(scenes["mat"], "--models", "position,gml", *options)
    assert done.code == 0, done.stderr
    assert compare.names == [f"{model}-kfold-random-seed0-fold{i}" for model in ("position", "gml") for i in (1, 2)]
    assert "no independent runs" in done.stdout and "kfold-random, 2 folds\n" in done.stdout


def test_an_interrupt_says_what_is_finished_and_the_command_goes_on(compare, experiment, monkeypatch):
    uninterrupted = run_module.run_jobs

    def interrupted(wanted, *others):
        uninterrupted(wanted[:1], *others)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "run_jobs", interrupted)
    done = compare(experiment())
    assert done.code == 130
    assert done.warnings == ["warning: 1 of 4 runs are finished and stay: the same command goes on from there"]
    monkeypatch.setattr(run_module, "run_jobs", uninterrupted)
    assert compare("trial.yaml").code == 0
    assert len(compare.names) == 3


@pytest.mark.slow
def test_runs_are_processes_of_their_own(experiment, tmp_path):
    done = run_in_subprocess("compare", experiment(rows=ROWS[:1], seeds=1), "--jobs", 2, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert "1 at a time, 1 threads each" in done.stdout and "\nfinished    nearest-random-seed0" in done.stdout
    out = tmp_path / "runs/compare/trial"
    (run,) = (out / "runs").iterdir()
    assert {"map.tif", "report.html", "run.json"} <= {path.name for path in run.iterdir()}
    assert not (run / "figures").exists()
    assert content(run / "run.json")["machine"]["threads"] == 1
    assert "written" in (out / "logs" / f"{run.name}.log").read_text()


def test_runs_have_figures_where_they_are_wanted(experiment, compare, tmp_path, no_figures):
    assert compare(experiment(rows=ROWS[:1], seeds=1), "--figures").code == 0
    (run,) = (tmp_path / "runs/compare/trial/runs").iterdir()
    assert "--no-figures" not in content(run / "run.json")["command"]


def test_changed_records_of_finished_runs_are_refused_in_one_line(compare, experiment, tmp_path):
    assert compare(experiment(rows=ROWS[:1])).code == 0
    folder = next(tmp_path.glob("runs/compare/trial/runs/*seed0-*"))
    hostile = {
        "accuracy.json": {"overall_accuracy": 10**400, "classes": [None], "audit": "x", "split": {"a": 1e308}},
        "run.json": {"command": None, "seconds": {"read": 1}, "parameters": -1, "machine": []},
    }
    for name, values in hostile.items():
        stored = (folder / name).read_text()
        for key, value in values.items():
            (folder / name).write_text(json.dumps({**json.loads(stored), key: value}))
            done = compare("trial.yaml")
            assert done.code == 1 and len(done.complaints) == 1
            assert f"{folder.relative_to(tmp_path) / name}: is damaged" in done.stderr
        (folder / name).write_text(stored)
