"""``hsi.compare`` from Python; its command line has tests of its own in tests/pipelines/test_compare.py."""

import json
from contextlib import nullcontext

import pytest

import hsi
from hsi.core.files import hash_files
from hsi.errors import ConfigError, OutputError, UsageError
from hsi.workflows.run_folder import new_files


@pytest.fixture
def compare(scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def work(*models, **given):
        return hsi.compare(scenes["mat"], models=models, **{"settings": {"model.window": 11}, "seeds": 1, **given})

    return work


@pytest.mark.slow
def test_models_are_compared_and_nothing_is_printed(compare, tmp_path, capfd):
    stages = []
    result = compare("position", "gml", jobs=2, out="both", progress=lambda stage, *how: stages.append(stage))
    assert [run.planned.row for run in result.finished] == ["position", "gml"]
    assert result.finished == result.runs and result.failed == ()
    measures = {row.name: row.measures["overall_accuracy"] for row in result.tables.splits[0].rows}
    assert 0 < measures["position"].mean < measures["gml"].mean <= 1
    assert {path.parent.name for path in result.files} == {"both"} and all(path.is_file() for path in result.files)
    assert result.tables.about["command"] == ["hsi.compare"]
    assert {"compare", "tests"} <= set(stages)
    assert capfd.readouterr() == ("", "")


def test_a_dry_run_only_lists(compare, tmp_path):
    result = compare("position", seeds=[3, 5], dry_run=True, labels=None, background=3)
    assert [run.planned.replicate for run in result.runs] == [(3, None), (5, None)]
    assert (result.finished, result.tables, list(tmp_path.iterdir())) == ((), None, [])


@pytest.mark.parametrize("same", [True, False])
def test_tables_of_another_scene_of_the_same_name_are_not_replaced(same, compare, scenes, tmp_path):
    (tmp_path / "out" / "runs").mkdir(parents=True)
    known = hash_files([scenes["mat"]])[str(scenes["mat"])] if same else "0" * 64
    tables = {"title": "scene", "sha256": {"other/scene.mat": known, "other/labels.mat": "1" * 64}}
    with new_files(tmp_path / "out", "comparison", overwrite=False) as work:
        (work.files / "comparison.json").write_text(json.dumps(tables))
    says = "holds the tables of other files, such as other/scene.mat"
    with nullcontext() if same else pytest.raises(OutputError, match=says):
        compare("position", out="out", dry_run=True)


def test_an_experiment_is_found_by_its_name_and_takes_no_settings(tmp_path):
    with pytest.raises(UsageError, match="an experiment defines what is run"):
        hsi.compare("ablation", settings={"training.epochs": 3})


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"seeds": 0}, UsageError, "seeds: the number of seeds lies between 1 and 1000, found 0"),
        ({"seeds": [2, 2]}, UsageError, "seeds: a seed is listed twice"),
        ({"lables": "a.tif"}, ConfigError, "unknown setting 'scene.lables': did you mean labels"),
        ({"settings": {"model.windw": 3}}, ConfigError, "unknown setting 'model.windw': did you mean window"),
        ({"only": ["svm"]}, UsageError, "unknown row 'svm'"),
        ({"jobs": 2, "scheduler": "tcp://host:8786"}, UsageError, "jobs is for this machine"),
        ({"out": "taken"}, OutputError, "taken: is a file"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare, tmp_path, given, error, words):
    (tmp_path / "taken").touch()
    with pytest.raises(error, match=words):
        compare("position", **given)
