"""The runs of an experiment before the first one starts."""

import pytest

from hsi.experiments.plan import make_plan
from hsi.experiments.spec import scene_experiment
from tests.io.file_makers import NORTH_UP, npy, small_cube, small_labels, tiff
from tests.io.vector_makers import rectangle, vector


@pytest.mark.parametrize(
    ("settings", "rule"),
    [({}, "polygons"), ({"split": {"train": "10%"}}, "polygons"), ({"split": {"rule": "blocks"}}, "blocks")],
)
def test_without_a_rule_polygons_are_held_out(settings, rule, tmp_path):
    scene = tiff(tmp_path / "a.tif", small_cube(), crs="EPSG:32633", transform=NORTH_UP)
    squares = [rectangle(row, 0, row + 2, 4) for row in (0, 3, 6, 9)]
    labels = vector(tmp_path / "a.gpkg", squares, c=["oats", "oats", "beet", "beet"])
    experiment = scene_experiment({"path": scene, "labels": labels, "label_field": "c"}, ["svm"], settings)
    plan = make_plan(experiment, "models", tmp_path / "out")
    assert {(run.planned.split, run.planned.values["split"]["rule"]) for run in plan.runs} == {(rule, rule)}


def test_of_a_raster_pixels_are_drawn_at_random(tmp_path):
    scene = {"path": npy(tmp_path / "a.npy", small_cube()), "labels": npy(tmp_path / "gt.npy", small_labels())}
    plan = make_plan(scene_experiment(scene, ["svm"], {}), "models", tmp_path / "out")
    assert {run.planned.split for run in plan.runs} == {"random"}


@pytest.mark.parametrize(
    ("option", "before", "after"),
    [("classes", "id,name\n1,oats\n", "id,name\n1,beet\n"), ("wavelengths", "500\n600\n700\n", "500\n600\n800\n")],
)
def test_runs_of_a_changed_table_of_classes_or_wavelengths_are_others(option, before, after, tmp_path):
    table = tmp_path / "table.csv"
    cube = small_cube(shape=(11, 7, 3))
    scene = {"path": npy(tmp_path / "a.npy", cube), "labels": npy(tmp_path / "gt.npy", small_labels())}
    experiment, keys = scene_experiment({**scene, option: table}, ["svm"], {}), []
    for text in (before, after, before):
        table.write_text(text)
        plan = make_plan(experiment, "models", tmp_path / "out")
        keys.append(plan.runs[0].key)
    assert keys[0] == keys[2] != keys[1]
    assert str(table) in plan.sha256
