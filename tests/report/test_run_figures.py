"""What the figures of a stored run and comparison are drawn from, and folders that are damaged or hostile."""

import json
import shutil

import pytest

from hsi.errors import HsiError, SceneFileError, UsageError
from hsi.experiments.figures import read_comparison_figures
from hsi.report.run_figures import read_run_figures
from tests.conftest import ROOT

COMPARISON = ROOT / "docs" / "results" / "ablation" / "comparison.json"


@pytest.fixture
def copied(tiff_run, tmp_path):
    """A run of its own, without its figures."""
    out = tmp_path / "run"
    shutil.copytree(tiff_run.out, out, ignore=shutil.ignore_patterns("figures"))
    return out


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("name", "message"), [("scene", "not there any more"), ("sha256", "has changed since")])
def test_a_scene_that_is_missing_or_changed_is_an_error_for_named_figures(name, message, copied, scenes):
    values = {"scene": "nowhere.tif", "sha256": {str(scenes["tiff"]): "0" * 64}}
    change_json(copied / "run.json", lambda record: record["inputs"].update({name: values[name]}))
    with pytest.raises(UsageError, match=message):
        read_run_figures(copied, ["spectra"])


def test_the_scene_of_a_denoised_run_is_not_drawn_as_it_was_before(copied):
    change_json(copied / "run.json", lambda record: record.update(denoising={"method": "mnf"}))
    with pytest.raises(UsageError, match="denoised its scene"):
        read_run_figures(copied, ["spectra"])
    assert read_run_figures(copied).spectra is None


def test_a_scene_of_another_size_than_the_map_is_an_error(copied):
    change_json(copied / "run.json", lambda record: record["inputs"].update(window=[0, 0, 5, 5]))
    with pytest.raises(UsageError, match="of another size than the map"):
        read_run_figures(copied, ["false_colour"])


@pytest.mark.parametrize("name", ["run.json", "accuracy.json", "map.tif", "split.tif"])
def test_damaged_files_are_named(name, copied):
    (copied / name).write_bytes(b"{")
    with pytest.raises(HsiError, match=name):
        read_run_figures(copied, ["map"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("run.json", lambda record: record.pop("inputs")),
        ("run.json", lambda record: record.update(inputs=3)),
        ("run.json", lambda record: record["bands"].update(kept=["../x"])),
        ("run.json", lambda record: record["history"][0].update(loss={})),
        ("accuracy.json", lambda record: record.update(classes=None)),
        ("accuracy.json", lambda record: record["classes"][0].pop("name")),
        ("accuracy.json", lambda record: record["classes"][-1].update(id=2**63)),
        ("accuracy.json", lambda record: record.update(confusion_matrix=[[1], [2, 3]])),
        ("accuracy.json", lambda record: record["calibration"].update(bins=[{}])),
        ("accuracy.json", lambda record: record["calibration"].update(pixels=0)),
    ],
)
def test_records_with_other_contents_are_named(name, change, copied):
    change_json(copied / name, change)
    with pytest.raises(SceneFileError, match=f"{name}: is damaged, or of another version of hsi"):
        read_run_figures(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(splits=[]),
        lambda record: record["splits"][0].update(rows=[{"name": 5}]),
        lambda record: record["splits"][0].update(rule=7),
        lambda record: record["splits"][0].update(position={"mean": {}}),
        lambda record: record["runs"][0].update(overall_accuracy=[[1]]),
        lambda record: record["runs"][0].update(overall_accuracy=1e300),
        lambda record: record["splits"][0].update(rows=[{"name": f"row {i}"} for i in range(10_000)]),
        lambda record: record.clear(),
    ],
)
def test_comparisons_with_other_contents_are_named(change, tmp_path):
    shutil.copy(COMPARISON, tmp_path)
    change_json(tmp_path / "comparison.json", change)
    with pytest.raises(SceneFileError, match=r"comparison\.json: is damaged, or of another version of hsi"):
        read_comparison_figures(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_comparison_that_is_no_json_object_is_named(content, tmp_path):
    (tmp_path / "comparison.json").write_text(content)
    with pytest.raises(SceneFileError, match=r"comparison\.json: is damaged"):
        read_comparison_figures(tmp_path)
