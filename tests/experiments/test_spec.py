"""Experiments: what a file may hold, which runs it comes to, and what identifies a run."""

from pathlib import Path

import pytest
import yaml

from hsi.core.files import config_dir
from hsi.errors import ConfigError, SceneFileError, UnknownNameError, UsageError
from hsi.experiments.spec import (
    Experiment,
    Row,
    SceneInput,
    choose_rows,
    find_experiment,
    load_experiment,
    merged,
    parse_seeds,
    plan_runs,
    run_key,
    slug,
)
from hsi.settings import Settings, validated

BASE = {
    "title": "A test",
    "scene": "scene.mat",
    "seeds": 2,
    "settings": {"model": {"window": 11}, "training": {"epochs": 3}},
    "splits": [{"name": "random", "train": "10%"}, {"name": "apart", "rule": "blocks", "train": 50}],
    "rows": [{"name": "usual"}, {"name": "slow", "settings": {"training": {"epochs": 9}, "split": {"train": "20%"}}}],
}


@pytest.fixture
def loaded(tmp_path):
    def load(**changes):
        path = tmp_path / "trial.yaml"
        path.write_text(yaml.safe_dump(BASE | changes), encoding="utf-8")
        return load_experiment(path), str(path)

    return load


@pytest.fixture
def planned(loaded):
    return lambda **changes: plan_runs(*loaded(**changes))


def test_every_row_runs_with_every_split_and_seed(planned):
    runs = planned()
    names = [f"{row}-{split}" for split in ("random", "apart") for row in ("usual", "slow")]
    assert [run.name for run in runs] == [f"{name}-seed{seed}" for seed in (0, 1) for name in names]
    assert [run.settings.seed for run in runs] == [0] * 4 + [1] * 4
    for run in runs:  # what is written for a run comes to its settings
        assert Settings.model_validate(yaml.safe_load(yaml.safe_dump(run.values))) == run.settings


def test_rows_win_over_splits_and_splits_over_what_is_shared(planned):
    usual, slow, _, apart = planned()[:4]
    assert (usual.settings.training.epochs, usual.settings.split.train) == (3, "10%")
    assert (slow.settings.training.epochs, slow.settings.split.train) == (9, "20%")
    assert (apart.settings.split.rule, apart.settings.split.train) == ("blocks", "20%")
    assert all(run.settings.model.window == 11 for run in (usual, slow, apart))
    runs = planned(splits=[], settings={"split": {"rule": "blocks", "train": 40}})
    assert {(run.split, run.settings.split.rule) for run in runs} == {("blocks", "blocks")}
    assert runs[0].settings.split.train == "40"


def test_shared_settings_of_networks_leave_baselines_alone(planned):
    rows = [{"name": "net"}, {"name": "svm", "settings": {"model": {"name": "svm"}}}]
    mapping = {"blend": False, "min_area": "6px"}  # a smallest area is of any map
    shared = BASE["settings"] | {"reducer": {"name": "pca"}, "device": "cpu", "mapping": mapping}
    net, svm = planned(rows=rows, settings=shared)[:2]
    assert (net.settings.training.epochs, net.settings.reducer.name, net.settings.mapping.blend) == (3, "pca", False)
    model = {"model": {"name": "svm", "window": 11}, "mapping": {"min_area": "6px"}}
    assert svm.values == {"seed": 0, "split": {"train": "10%"}, **model}
    (alone, *_) = planned(rows=rows[1:], settings=shared)
    assert alone.settings.reducer.name == "pca"


def test_an_open_k_fold_split_is_a_run_for_each_fold(planned):
    runs = planned(splits=[{"name": "k", "rule": "kfold-random", "folds": 3}], seeds=[4])
    assert [run.replicate for run in runs if run.row == "usual"] == [(4, 1), (4, 2), (4, 3)]
    assert runs[-1].name == "slow-k-seed4-fold3"
    assert runs[-1].values["split"]["fold"] == 3


def row(**settings):
    return {"rows": [{"name": "a", "settings": settings}]}


def published(**changes):
    return {"rows": [{"name": "a", "published": {"accuracy": "98", "source": "b", **changes}}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": [{"name": "a", "setings": {}}]}, "unknown setting 'rows.0.setings': did you mean settings"),
        (row(training={"epoch": 3}), "row 'a', split 'random': unknown setting"),
        ({"settings": {"training": {"epoch": 3}}}, "trial.yaml: settings: unknown setting 'training.epoch': did you"),
        ({"splits": [{"name": "b", "rule": "blcoks"}]}, "row 'usual', split 'b': unknown split 'blcoks': did you"),
        ({"splits": [{"name": "b", "block": 0}]}, "splits.0.block: .*found 0"),
        ({"splits": [{"name": "b", "side": 3}]}, "unknown setting 'splits.0.side'.*known here: rule"),
        ({"rows": []}, "rows: .*at least 1"),
        ({"rows": [{"name": "+ SE"}, {"name": "plus se"}]}, "'\\+ SE' and 'plus se' give the same names"),
        (row(seed=3), "list the seeds under 'seeds'"),
        (published(accuracy=98.2), "accuracy: .*string.*98.2"),
        (published(split="radnom"), "published for a 'radnom': did you mean random"),
        (published(split="\ud800"), "holds '.*ud800.*', which is no character"),
        ({"seeds": [1, 1]}, "listed twice"),
        ({"seeds": 0}, "between 1 and 1000, found 0"),
        ({"seeds": [-1]}, "found -1"),
        ({"sceen": "b"}, "unknown setting 'sceen': did you mean scene"),
        ({"scene": {"path": "a", "label": "b"}}, "unknown setting 'scene.label': did you mean labels"),
    ],
)
def test_a_mistake_is_one_line_with_the_file(planned, changes, words):
    with pytest.raises(ConfigError, match=words) as caught:
        planned(**changes)
    assert "trial.yaml: " in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "seeds"), [("5", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), (" 7, ", (7,)), (1, (0,)), ([2, 0], (2, 0))]
)
def test_seeds_are_a_number_or_a_list(given, seeds):
    assert parse_seeds(given) == seeds


@pytest.mark.parametrize("given", ["", ",", "0", "-1", "a", "1,b", "2,2", "5000000000,", "1001", "1.5", 0, [], [-1]])
def test_what_is_no_list_of_seeds_is_refused(given):
    with pytest.raises(UsageError, match="seed"):
        parse_seeds(given)


def test_rows_are_chosen_by_name(loaded):
    experiment, _ = loaded()
    assert [row.name for row in choose_rows(experiment, ["slow"]).rows] == ["slow"]
    with pytest.raises(UnknownNameError, match="unknown row 'slwo': did you mean slow"):
        choose_rows(experiment, ["slwo"])


def test_names_of_files_differ_as_rows_do():
    assert slug("+ SE") == "plus-se" != slug("SE")
    assert (slug("Überall / *"), slug("日本")) == ("berall", "unnamed")


def test_merging_replaces_values_and_leaves_the_layers_alone():
    low, high = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 3}, "b": {"z": 1}}
    assert merged(low, high) == {"a": {"x": 3, "y": 2}, "b": {"z": 1}}
    assert low == {"a": {"x": 1, "y": 2}, "b": 1}


def test_a_key_changes_with_what_decides_a_run_and_with_nothing_else(planned):
    first, second = planned()[:2]
    scene = SceneInput(path="a/scene.mat")
    key = run_key(first.settings, scene, ["1", "2"])
    assert len(key) == 8
    assert key == run_key(first.settings, SceneInput(path="b/scene.mat", labels="c.tif"), ["2", "1"])
    others = [
        run_key(second.settings, scene, ["1", "2"]),
        run_key(first.settings, scene, ["1", "3"]),
        run_key(first.settings, SceneInput(path="a/scene.mat", drop_bands="3"), ["1", "2"]),
        *(run_key(first.settings, SceneInput(path="a/scene.mat", mask=f"qa.tif:bits={n}"), ["1", "2"]) for n in (3, 4)),
        *(run_key(first.settings, SceneInput(path=f"/vsis3/{name}/scene.tif"), ["1", "2"]) for name in "ab"),
    ]
    assert len({key, *others}) == 8


def test_a_shipped_experiment_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_experiment(Path("ablation")) == config_dir() / "experiments" / "ablation.yaml"
    assert find_experiment(Path("ablatoin")) == Path("ablatoin")
    (tmp_path / "ablation").touch()
    assert find_experiment(Path("ablation")) == Path("ablation")


def test_the_ablation_changes_one_thing_at_a_time():
    experiment = load_experiment(config_dir() / "experiments" / "ablation.yaml")
    planned = [run for run in plan_runs(experiment, "") if (run.split, run.settings.seed) == ("random", 0)]
    runs = {run.row: run.settings for run in planned}
    paper, default = runs.pop("hybridsn"), runs.pop("our default recipe")
    plain = runs.pop("He's weights and the last epoch")
    assert default == Settings.model_validate({"split": {"rule": "random", "train": "10%"}})
    assert (paper.reducer.components, paper.model.window, paper.training.lr) == (30, 25, 0.001)
    both = {"initialisation": "own", "restore_best": False}
    assert plain == paper.model_copy(update={"training": paper.training.model_copy(update=both)})
    for name, settings in runs.items():
        changed = {key for key in Settings.model_fields if getattr(settings, key) != getattr(plain, key)}
        assert changed == {"training" if name == "+ step decay" else "model"}, name
    assert (runs["+ step decay"].training.lr, runs["+ step decay"].training.lr_schedule) == (0.0001, "step")


def test_a_row_starts_from_a_file_of_settings(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: {name: ssrn, window: 7}\ntraining: {lr: 0.01}\n")
    row = Row(name="a", config=tmp_path / "mine.yaml", settings={"model": {"window": 9}})
    assert row.settings == {"model": {"name": "ssrn", "window": 9}, "training": {"lr": 0.01}}
    assert Row(name="a", config="hybridsn-paper").settings["training"]["batch"] == 256
    with pytest.raises(ConfigError, match="unknown configuration 'hybridsn-papr': did you mean hybridsn-paper"):
        validated(Experiment, {"title": "a", "scene": "a.mat", "rows": [{"name": "a", "config": "hybridsn-papr"}]})


def test_a_published_split_is_a_file_next_to_the_scene(loaded, tmp_path):
    (tmp_path / "indian_pines_dase.tif").touch()
    splits = [{"name": "random", "train": "10%"}, {"name": "dase", "rule": "dase"}]
    experiment, where = loaded(scene=str(tmp_path / "indian_pines.mat"), splits=splits, rows=[{"name": "usual"}])
    given = [run for run in plan_runs(experiment, where) if run.split == "dase"]
    for run in given:
        assert run.settings.split.given == run.values["split"]["given"] == str(tmp_path / "indian_pines_dase.tif")
    (tmp_path / "indian_pines_dase.tif").unlink()
    with pytest.raises(SceneFileError, match="hsi fetch indian_pines --split dase --to"):
        plan_runs(experiment, where)
