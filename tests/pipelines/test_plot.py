"""``hsi plot``: the figures of finished runs and comparisons, drawn again."""

import json
import shutil

import pytest
from PIL import Image

from hsi.report.figures import RUN_FIGURES
from tests.conftest import QUICK, ROOT

ABLATION = ROOT / "docs" / "results" / "ablation"


@pytest.fixture
def copied(tiff_run, tmp_path):
    """A run of its own, without its figures."""
    out = tmp_path / "run"
    shutil.copytree(tiff_run.out, out, ignore=shutil.ignore_patterns("figures"))
    return out


def changed(out, **inputs):
    record = json.loads((out / "run.json").read_text())
    record["inputs"] |= inputs
    (out / "run.json").write_text(json.dumps(record))


def test_the_figures_are_exactly_those_that_the_run_drew(tiff_run, run, tmp_path):
    assert {path.name for path in (tiff_run.out / "figures").iterdir()} == {f"{name}.png" for name in RUN_FIGURES}
    wanted = ("map", "false_colour", "truth_and_map", "spectra", "training_curves")
    done = run("plot", tiff_run.out, *(word for name in wanted for word in ("--figure", name)), "--out", "again")
    assert (done.code, done.stderr) == (0, "")
    for name in wanted:
        again, drawn = tmp_path / "again" / f"{name}.png", tiff_run.out / "figures" / f"{name}.png"
        assert again.read_bytes() == drawn.read_bytes(), name
    assert done.stdout.splitlines()[-1].split() == ["open", "again"]


def test_only_the_figures_that_are_named(tiff_run, run, tmp_path):
    assert run("plot", tiff_run.out, "--figure", "split", "--figure", "spectra", "--out", "some").code == 0
    assert {path.name for path in (tmp_path / "some").iterdir()} == {"split.png", "spectra.png"}


def test_maps_of_a_scene_with_a_place_have_a_scale_bar(tiff_run, mat_run):
    heights = []
    for out in (tiff_run.out, mat_run.out):
        with Image.open(out / "figures" / "false_colour.png") as picture:
            heights.append(picture.height)
    assert heights[0] > heights[1] + 100


def test_pdf_beside_the_png_of_the_run(copied, run):
    done = run("plot", copied, "--figure", "map", "--format", "pdf")
    assert done.code == 0
    assert (copied / "figures" / "map.pdf").read_bytes().startswith(b"%PDF")
    assert done.stdout.splitlines()[-1].split() == ["open", str(copied / "figures" / "map.pdf")]


def test_figures_that_are_there_are_kept_unless_told(copied, run):
    assert run("plot", copied, "--figure", "split").code == 0
    path = copied / "figures" / "split.png"
    path.write_bytes(b"mine")
    refused = run("plot", copied, "--figure", "split")
    assert (refused.code, len(refused.complaints)) == (1, 1)
    assert "--overwrite" in refused.stderr and path.read_bytes() == b"mine"
    assert run("plot", copied, "--figure", "split", "--overwrite").code == 0
    assert path.read_bytes() != b"mine"


class TestTheScene:
    def test_gone_it_leaves_two_figures_out_with_a_warning(self, copied, run):
        changed(copied, scene="nowhere.tif")
        for name in ("ground_truth", "confidence"):  # fewer figures take less time
            (copied / f"{name}.tif").unlink()
        done = run("plot", copied)
        assert done.code == 0
        (warning,) = done.warnings
        assert "nowhere.tif" in warning and "false_colour and spectra" in warning
        left = {path.stem for path in (copied / "figures").iterdir()}
        assert left == {"map", "split", "confusion_matrix", "reliability", "training_curves"}

    def test_gone_it_is_an_error_where_it_is_asked_for(self, copied, run):
        changed(copied, scene="nowhere.tif")
        done = run("plot", copied, "--figure", "spectra")
        assert (done.code, len(done.complaints)) == (2, 1)
        assert "nowhere.tif" in done.stderr
        assert not (copied / "figures").exists()

    def test_changed_it_is_not_taken_for_the_old_one(self, copied, scenes, run):
        changed(copied, sha256={str(scenes["tiff"]): "0" * 64})
        done = run("plot", copied, "--figure", "false_colour")
        assert done.code == 2
        assert "has changed since" in done.stderr


class TestWhatCannotBeDrawn:
    def test_a_near_name_is_suggested(self, copied, run):
        done = run("plot", copied, "--figure", "spectre")
        assert (done.code, len(done.complaints)) == (2, 1)
        assert "did you mean spectra" in done.stderr

    def test_a_figure_without_its_data(self, copied, run):
        (copied / "confidence.tif").unlink()
        done = run("plot", copied, "--figure", "confidence")
        assert done.code == 2
        assert "nothing to draw it from" in done.stderr

    def test_a_run_that_kept_no_ground_truth(self, copied, run):
        (copied / "ground_truth.tif").unlink()
        assert run("plot", copied, "--figure", "difference").code == 2
        assert run("plot", copied, "--figure", "confusion_matrix").code == 0

    @pytest.mark.parametrize(("name", "says"), [("empty", "holds neither"), ("missing", "no such folder")])
    def test_a_folder_that_is_no_run(self, name, says, run, tmp_path):
        (tmp_path / "empty").mkdir()
        done = run("plot", name)
        assert (done.code, len(done.complaints)) == (2, 1)
        assert says in done.stderr

    @pytest.mark.parametrize("name", ["run.json", "accuracy.json", "map.tif", "split.tif"])
    def test_damaged_files_are_named(self, name, copied, run):
        (copied / name).write_bytes(b"{")
        done = run("plot", copied, "--figure", "map")
        assert (done.code, len(done.complaints)) == (1, 1)
        assert name in done.stderr

    @pytest.mark.parametrize("content", ["{}", '{"splits": [{}], "runs": []}', "[]", "{"])
    def test_a_damaged_comparison_is_named(self, content, run, tmp_path):
        (tmp_path / "comparison.json").write_text(content)
        done = run("plot", ".")
        assert (done.code, len(done.complaints)) == (1, 1)
        assert "comparison.json" in done.stderr

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("run.json", lambda facts: facts.pop("inputs")),
            ("run.json", lambda facts: facts.update(inputs=3)),
            ("run.json", lambda facts: facts["bands"].update(kept=["../x"])),
            ("run.json", lambda facts: facts["history"][0].update(loss={})),
            ("accuracy.json", lambda facts: facts.update(classes=None)),
            ("accuracy.json", lambda facts: facts["classes"][0].pop("name")),
            ("accuracy.json", lambda facts: facts["classes"][-1].update(id=2**63)),
            ("accuracy.json", lambda facts: facts.update(confusion_matrix=[[1], [2, 3]])),
            ("accuracy.json", lambda facts: facts["calibration"].update(bins=[{}])),
            ("accuracy.json", lambda facts: facts["calibration"].update(pixels=0)),
        ],
    )
    def test_records_that_tell_something_else_are_named(self, name, change, copied, run):
        facts = json.loads((copied / name).read_text())
        change(facts)
        (copied / name).write_text(json.dumps(facts))
        done = run("plot", copied)
        assert (done.code, len(done.complaints)) == (1, 1), done.stderr
        assert f"{name}: is damaged, or of another version of hsi" in done.stderr
        assert not (copied / "figures").exists()

    @pytest.mark.parametrize(
        "change",
        [
            lambda facts: facts.update(splits=[]),
            lambda facts: facts["splits"][0].update(rows=[{"name": 5}]),
            lambda facts: facts["splits"][0].update(rule=7),
            lambda facts: facts["splits"][0].update(position={"mean": {}}),
            lambda facts: facts["runs"][0].update(overall_accuracy=[[1]]),
            lambda facts: facts["runs"][0].update(overall_accuracy=1e300),
            lambda facts: facts["splits"][0].update(rows=[{"name": f"row {i}"} for i in range(10_000)]),
        ],
    )
    def test_a_comparison_that_tells_something_else_is_named(self, change, run, tmp_path):
        facts = json.loads((ABLATION / "comparison.json").read_text())
        change(facts)
        (tmp_path / "comparison.json").write_text(json.dumps(facts))
        done = run("plot", ".")
        assert (done.code, len(done.complaints)) == (1, 1), done.stderr
        assert "comparison.json: is damaged, or of another version of hsi" in done.stderr


def test_a_comparison_has_its_box_plot_and_its_costs(run, tmp_path):
    done = run("plot", ABLATION, "--format", "svg", "--out", "drawn")
    assert (done.code, done.stderr) == (0, "")
    assert "<svg" in (tmp_path / "drawn" / "comparison.svg").read_text()[:2000]
    assert "hybridsn" in (tmp_path / "drawn" / "pareto.svg").read_text()
    refused = run("plot", ABLATION, "--figure", "map")
    assert refused.code == 2 and "is a comparison" in refused.stderr


def test_comparators_alone_have_no_costs_to_draw(run, tmp_path):
    facts = json.loads((ABLATION / "comparison.json").read_text())
    for split in facts["splits"]:
        split["rows"] = [{**row, "parameters": None} for row in split["rows"]]
    (tmp_path / "comparison.json").write_text(json.dumps(facts))
    assert run("plot", tmp_path, "--out", "drawn").code == 0
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["comparison.png"]
    refused = run("plot", tmp_path, "--figure", "pareto")
    assert refused.code == 2 and "what compared networks cost: " in refused.stderr


def test_the_wavelengths_are_kept_for_it(run, scenes, no_figures, tmp_path):
    assert run("classify", scenes["envi"], *QUICK[:2], "--model", "knn", "--out", "run").code == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["inputs"]["wavelengths_nm"][0] == pytest.approx(450)
