"""The simulated annotator labels by each rule, and the benchmark writes its table and curves."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import active_labelling
from benchmarks.active_labelling import TITLES, label_scene, main
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import make_scene
from hsi.labelling.quick import pixel_features

SMALL = {"height": 40, "width": 40, "bands": 20, "classes": 3, "field": 12, "noise": 0.02}


@pytest.mark.parametrize("rule", TITLES)
def test_each_rule_labels_a_scene_from_a_blank_start(rule):
    cube, truth, _ = make_scene(**SMALL)
    features = pixel_features(scene_from_array(cube), np.ones(truth.shape, bool))
    runs = [label_scene(features, truth.astype(np.int64), rule, 1, 10) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0]["strokes"] == [2, 5, 10]
    assert runs[0]["oa"][-1] > 60 and runs[0]["looks"][-1] >= 10


def test_finished_runs_are_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr(active_labelling, "GENERATED", SMALL)
    words = [tmp_path / "work", "--scenes", "generated", "--seeds", "2", "--steps", "2"]
    words += ["--out", tmp_path / "out.json", "--picture", tmp_path / "curve.png"]
    first = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert "generated, where-next, seed 1" in first.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert [row["strokes"] for row in record["tests"]] == [2, 2]
    assert "| generated | where next |" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "curve.png").stat().st_size > 1000
    again = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert again.stderr == "" and json.loads((tmp_path / "out.json").read_text()) == record
