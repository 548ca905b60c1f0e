"""``hsi compare``: what it runs, keeps, writes and says; most runs are made in the test's own process."""

import contextlib
import json
import shutil

import pytest
import yaml

from hsi.experiments import run as run_module
from hsi.experiments.results import MEASURES
from tests.conftest import ROOT, run_apart, run_here

TABLES = {"report.html", *(f"comparison.{suffix}" for suffix in ("json", "csv", "md", "tex", "png", "pdf"))}
ROWS = [
    {"name": "nearest", "settings": {"model": {"name": "position"}}},
    {"name": "maximum likelihood", "settings": {"model": {"name": "gml"}}},
]


@contextlib.contextmanager
def in_this_process(folder):
    """Runs made here and without figures, one after another, instead of in processes; yields their names."""
    names = []

    def run_jobs(wanted, slots, threads, ended, changed, gpus):
        for job in wanted:
            names.append(job.name)
            changed([job.name])
            done = run_here(*job.arguments, cwd=folder)
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.write_text(done.stdout + done.stderr)
            ended(job, done.code, 0.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_jobs", run_jobs)
        patch.setattr("hsi.report.figures.write_figures", lambda folder, run, **how: [])
        yield names


@pytest.fixture
def compare(tmp_path):
    """``hsi compare`` in the test's folder; what it ran is in ``compare.names``."""
    with in_this_process(tmp_path) as names:

        def work(*arguments):
            names.clear()
            return run_here("compare", *arguments, cwd=tmp_path)

        work.names = names
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


def plain(names):
    """Names of runs without the hash at their end."""
    return [name.rpartition("-")[0] for name in names]


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_model_and_seed_is_a_run_of_its_own(three):
    out, _ = three
    runs = sorted(path.name.rpartition("-")[0] for path in (out / "runs").iterdir())
    assert runs == sorted(f"{model}-random-seed{seed}" for model in ("position", "knn", "gml") for seed in range(8))
    assert {path.name for path in out.iterdir()} == {*TABLES, "runs", "configs", "logs"}
    for path in (out / "runs").iterdir():
        assert content(path / "run.json")["settings"]["split"]["rule"] == "random"


def test_the_models_of_a_seed_share_their_split(three):
    hashes = {}
    for path in (three[0] / "runs").iterdir():
        hashes.setdefault(content(path / "run.json")["seed"], set()).add(content(path / "accuracy.json")["split_hash"])
    assert [len(found) for found in hashes.values()] == [1] * 8
    assert len(set.union(*hashes.values())) == 8


def test_the_table_tells_means_tests_and_the_audit_in_80_columns(three):
    out, done = three
    table = done.stdout.partition("random 10%\n")[2].partition("audit")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert [line.split()[0] for line in table.splitlines()[3:6]] == ["position", "knn", "gml"]
    for key in MEASURES:
        values = [content(path / "accuracy.json")[key] for path in (out / "runs").glob("gml-*")]
        assert f"{100 * sum(values) / 8:.2f}±" in table
    assert "position-only OA" in done.stdout
    assert "OA, AA, kappa: gml leads every other row (p = 0.016 or less)" in done.stdout
    assert "McNemar, Holm over 16 tests: gml has more test pixels right than position in 8 of 8 runs" in done.stdout


def test_the_end_of_each_run_is_told_at_once(three):
    lines = [line for line in three[1].stdout.splitlines() if line.startswith("finished ")]
    assert len(lines) == 24
    assert all(": OA " in line for line in lines)


def test_the_best_is_bold_where_the_tests_support_it(three):
    bold = [line for line in (three[0] / "comparison.md").read_text().splitlines() if "**" in line]
    assert len(bold) == 1
    assert bold[0].startswith("| gml | 8 | **")
    assert r"gml & 8 & \textbf{" in (three[0] / "comparison.tex").read_text()


def test_json_keeps_how_it_came_about(three, scenes):
    found = content(three[0] / "comparison.json")
    assert found["command"][:2] == ["hsi", "compare"]
    assert found["scene"] == {"path": str(scenes["mat"])}
    assert list(found["sha256"]) == [str(scenes["mat"])]
    assert found["versions"]["hsi"]
    assert len(found["machines"]) == 1
    assert len(found["runs"]) == 24
    assert found["runs"][0]["settings"]["model"]["name"] == "position"


def test_a_run_can_be_made_again_by_its_command(three, scenes, tmp_path, no_figures):
    command = content(three[0] / "comparison.json")["runs"][2]["command"]
    assert command[:3] == ["hsi", "classify", str(scenes["mat"])]
    done = run_here(*command[1:-1], tmp_path / "again", cwd=three[0].parents[2])
    assert done.code == 0, done.stderr
    assert (tmp_path / "again" / "map.tif").read_bytes() == (three[0].parents[2] / command[-1] / "map.tif").read_bytes()


def test_what_is_finished_is_not_run_again(compare, experiment):
    assert compare(experiment()).code == 0
    assert len(compare.names) == 4
    again = compare("trial.yaml")
    assert (again.code, compare.names) == (0, [])
    assert "4: 4 finished before, 0 to run" in again.stdout
    compare("trial.yaml", "--seeds", 3)
    assert plain(compare.names) == ["nearest-random-seed2", "maximum-likelihood-random-seed2"]
    compare(experiment(rows=[ROWS[0], ROWS[1] | {"settings": {"model": {"name": "gml", "window": 13}}}]))
    assert plain(compare.names) == [f"maximum-likelihood-random-seed{i}" for i in (0, 1)]


def test_other_data_means_other_runs(compare, experiment, scenes, tmp_path):
    shutil.copy(scenes["npy"], tmp_path / "cube.npy")
    shutil.copy(scenes["npy"].with_name("scene_gt.npy"), tmp_path / "elsewhere.npy")
    rows, scene = ROWS[:1], {"path": "cube.npy", "labels": "elsewhere.npy"}
    name = experiment(rows=rows, scene=scene, seeds=1)
    assert compare(name).code == 0
    assert len(compare.names) == 1
    (tmp_path / "elsewhere.npy").rename(tmp_path / "moved.npy")
    assert compare(experiment(rows=rows, scene=scene | {"labels": "moved.npy"}, seeds=1)).code == 0
    assert compare.names == []
    assert compare(experiment(rows=rows, scene=scene | {"labels": "moved.npy", "background": 3}, seeds=1)).code == 0
    assert len(compare.names) == 1
    record = content(next((tmp_path / "runs/compare/trial/runs").glob(f"{compare.names[0]}/run.json")))
    assert record["inputs"]["labels"] == "moved.npy"
    assert {"--background", "3"} <= set(record["command"])


def test_a_run_that_fails_is_reported_and_the_rest_stands(compare, experiment, tmp_path):
    wide = {"name": "too wide", "settings": {"model": {"name": "position", "window": 41}}}
    done = compare(experiment(rows=[wide, *ROWS]))
    assert done.code == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: failed: too-wide-random-seed")]
    assert len(told) == 2
    assert "model.window is 41, larger than the scene of 36 x 40 pixels" in told[0]
    log = told[0].rpartition("(")[2].rstrip(")")
    assert "model.window is 41" in (tmp_path / log).read_text()
    assert done.complaints[-1].startswith("error: 2 of 6 runs failed")
    assert "maximum likelihood" in done.stdout
    assert "too wide" not in done.stdout.partition("audit")[0]
    found = content(tmp_path / "runs/compare/trial/comparison.json")
    assert [entry["row"] for entry in found["failed"]] == ["too wide", "too wide"]
    compare("trial.yaml")
    assert len(compare.names) == 2


def test_the_tables_of_another_comparison_are_left_alone(compare, experiment, tmp_path):
    assert compare(experiment(seeds=1)).code == 0
    before = content(tmp_path / "runs/compare/trial/comparison.json")
    done = compare(experiment(seeds=1, title="Another trial"))
    assert done.code == 1
    assert "holds the tables of 'A trial', which those of 'Another trial' would replace" in done.complaints[-1]
    assert content(tmp_path / "runs/compare/trial/comparison.json") == before
    assert compare(experiment(seeds=1, title="Another trial"), "--out", "other").code == 0


def test_no_table_is_made_of_nothing(compare, experiment, tmp_path):
    wide = {"name": "too wide", "settings": {"model": {"name": "position", "window": 41}}}
    done = compare(experiment(rows=[wide]))
    assert done.code == 1
    assert "all 2 runs failed, the first with: model.window is 41" in done.complaints[-1]
    assert not list(tmp_path.glob("runs/compare/trial/comparison.*"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": [ROWS[0], {"name": "a", "settings": {"modle": {}}}]}, "row 'a', split 'random': unknown setting"),
        ({"rows": [{"name": "a", "settings": {"model": {"name": "svn"}}}]}, "row 'a', split 'random': unknown model"),
        (
            {"rows": [{"name": "a", "settings": {"model": {"name": "svm"}, "training": {"epochs": 3}}}]},
            "row 'a', split 'random': --epochs (training.epochs) means nothing to svm",
        ),
        ({"splits": [{"name": "b", "rule": "blocks", "folds": 3}]}, "row 'nearest', split 'b': the split 'blocks'"),
        ({"splits": [{"name": "b", "train": "200%"}]}, "row 'nearest', split 'b': a share lies above 0%"),
        ({"titel": "b"}, "unknown setting 'titel': did you mean title"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(compare, experiment, tmp_path, changes, told):
    done = compare(experiment(**changes))
    assert (done.code, len(done.complaints)) == (2, 1)
    assert done.complaints[0].startswith("error: trial.yaml: ")
    assert told in done.complaints[0]
    assert [path.name for path in tmp_path.iterdir()] == ["trial.yaml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("trial.yaml", "--models", "svm"), "trial.yaml: an experiment says itself what is run"),
        (("trial.yaml", "--epochs", 3), "an experiment says itself what is run"),
        (("trial.yaml", "--labels", "a.tif"), "an experiment says itself what is run"),
        (("trial.yaml", "--seeds", "a"), "seeds: takes a number of seeds such as 5 or a list"),
        (("trial.yaml", "--only", "nearset"), "unknown row 'nearset': did you mean nearest"),
        (("trial.yaml", "--jobs", 0), "--jobs"),
        (("ablatoin",), "ablatoin: no such configuration file"),
        (("SCENE",), "models says what to compare"),
        (("SCENE", "--models", "svm,svm"), "the row names 'svm' and 'svm' are alike"),
        (
            ("SCENE", "--models", "hybridsn-bm"),
            "row 'hybridsn-bm', split 'random': unknown model 'hybridsn-bm': did you",
        ),
        (("SCENE", "--models", "svm", "--epochs", 3), "--epochs (training.epochs) means nothing to svm"),
        (("SCENE", "--models", "svm", "--split", "given:none.tif"), "none.tif"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(compare, experiment, scenes, tmp_path, arguments, told):
    experiment()
    done = compare(*(scenes["mat"] if word == "SCENE" else word for word in arguments))
    assert done.code in (1, 2)
    assert len(done.complaints) == 1
    assert told in done.complaints[0]
    assert [path.name for path in tmp_path.iterdir()] == ["trial.yaml"]


def test_a_folder_of_other_files_is_left_alone(compare, experiment, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    done = compare(experiment(), "--out", "mine")
    assert (done.code, compare.names) == (1, [])
    assert "holds files that are no comparison" in done.complaints[0]
    assert "is a file" in compare("trial.yaml", "--out", "trial.yaml").complaints[0]


def test_a_dry_run_lists_the_runs_and_makes_none(compare, experiment, tmp_path):
    compare(experiment(seeds=1))
    shown = compare("trial.yaml", "--seeds", "0,4", "--dry-run")
    assert (shown.code, compare.names) == (0, [])
    states = [line.split()[0] for line in shown.stdout.splitlines() if "runs/compare" in line]
    assert states == ["finished", "finished", "to", "to"]
    assert "4: 2 finished, 2 to run" in shown.stdout
    assert not list(tmp_path.glob("runs/compare/trial/*/*seed4*"))


def test_rows_can_be_picked(compare, experiment):
    done = compare(experiment(seeds=1), "--only", "nearest")
    assert plain(compare.names) == ["nearest-random-seed0"]
    assert "maximum likelihood" not in done.stdout


def test_settings_of_networks_are_for_networks_where_comparators_stand_beside(compare, scenes, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("seed: 7\ntraining: {label_smoothing: 0.1}\n")
    options = ("--window", 11, "--components", 13, "--epochs", 1, "--no-symmetries", "--no-blend", "--device", "cpu")
    done = compare(scenes["mat"], "--models", "hybridsn-bn,knn", "--seeds", "3,", "--config", config, *options)
    assert done.code == 0, done.stderr
    assert "the seed in" in done.stdout
    runs = tmp_path / "runs/compare/scene/runs"
    network, baseline = (content(next(runs.glob(f"{name}-*/run.json"))) for name in ("hybridsn-bn", "knn"))
    assert (network["seed"], network["recipe"]["epochs"], network["recipe"]["label_smoothing"]) == (3, 1, 0.1)
    model = {"name": "knn", "window": 11, "second_window": 0, "width": None, "resolution": None}
    assert baseline["settings"]["model"] == model
    assert baseline["settings"]["training"]["epochs"] is None
    assert "220,004" in done.stdout
    assert "Wilcoxon's smallest possible p with 1 run on shared splits is 1" in done.stdout


def test_an_open_fold_is_a_run_for_each(compare, scenes):
    options = ("--window", 11, "--split", "kfold-random", "--set", "split.folds=2", "--seeds", 1)
    done = compare(scenes["mat"], "--models", "position,gml", *options)
    assert done.code == 0, done.stderr
    runs = [f"{model}-kfold-random-seed0-fold{fold}" for model in ("position", "gml") for fold in (1, 2)]
    assert plain(compare.names) == runs
    assert "no independent runs" in done.stdout
    assert "kfold-random, 2 folds\n" in done.stdout


def test_an_interrupt_says_what_is_kept_and_how_to_go_on(compare, experiment, monkeypatch):
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


def test_a_damaged_run_is_made_again(compare, experiment, tmp_path):
    compare(experiment(seeds=1))
    (report,) = tmp_path.glob("runs/compare/trial/runs/nearest-*/accuracy.json")
    report.write_text("{")
    assert compare("trial.yaml").code == 0
    assert plain(compare.names) == ["nearest-random-seed0"]
    assert content(report)["model"] == "position"


def test_runs_are_processes_of_their_own(experiment, tmp_path):
    done = run_apart("compare", experiment(rows=ROWS[:1], seeds=1), "--jobs", 2, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    assert "1 at a time, 1 threads each" in done.stdout
    assert "\nfinished    nearest-random-seed0" in done.stdout
    out = tmp_path / "runs/compare/trial"
    (run,) = (out / "runs").iterdir()
    assert {"map.tif", "report.html", "run.json"} <= {path.name for path in run.iterdir()}
    assert not (run / "figures").exists()
    assert content(run / "run.json")["machine"]["threads"] == 1
    assert "written" in (out / "logs" / f"{run.name}.log").read_text()
    assert {path.name for path in out.iterdir()} == {*TABLES, "runs", "configs", "logs"}


def test_runs_have_figures_where_they_are_wanted(experiment, compare, tmp_path):
    assert compare(experiment(rows=ROWS[:1], seeds=1), "--figures").code == 0
    (run,) = (tmp_path / "runs/compare/trial/runs").iterdir()
    assert "--no-figures" not in content(run / "run.json")["command"]
    assert run_here("plot", run, "--figure", "map", "--out", "drawn", cwd=tmp_path).code == 0


def test_the_ablation_is_found_by_its_name(compare, tmp_path, monkeypatch):
    def make_plan(experiment, where, out):
        raise SystemExit(print(where, experiment.title, out))

    monkeypatch.setattr(run_module, "make_plan", make_plan)
    place = ROOT / "configs" / "experiments" / "ablation.yaml"
    title = "HybridSN on Indian Pines, one change at a time"
    assert compare("ablation").stdout == f"{place} {title} runs/compare/ablation\n"


def test_rows_of_the_light_experiment_run_on_a_small_scene_and_their_costs_are_drawn(compare, experiment, tmp_path):
    """Half the width and the other engine among them; fewer epochs and a smaller window than the experiment's."""
    light = yaml.safe_load((ROOT / "configs" / "experiments" / "light.yaml").read_text())
    wanted = ("hybridsn-bn", "hybridsn-ds-gap", "mobilenet-v1 at half width")
    rows = [row for row in light["rows"] if row["name"] in wanted]
    for row in rows:
        row["settings"]["model"]["window"] = 11
    light["settings"]["training"]["epochs"] = 1
    done = compare(experiment(rows=rows, settings=light["settings"], splits=light["splits"][:1], seeds=1))
    assert done.code == 0, done.stderr
    out = tmp_path / "runs/compare/trial"
    assert {"pareto.png", "pareto.pdf"} <= {path.name for path in out.iterdir()}
    table = (out / "comparison.md").read_text().splitlines()
    header = next(line for line in table if line.startswith("| Row"))
    cells = [cell.strip() for cell in header.split("|")]
    row = next(line for line in table if line.startswith("| hybridsn-ds-gap")).split("|")
    assert 0 < float(row[cells.index("Multiply-adds (M/pixel)")]) < 1
    assert float(row[cells.index("Map (µs/pixel)")].replace(",", "")) > 0
    runs = content(out / "comparison.json")["runs"]
    assert runs[0]["multiply_adds"] > runs[1]["multiply_adds"] > 0
    assert all(run["weight_bytes"] >= 4 * run["parameters"] and run["pixel_seconds"] > 0 for run in runs)
