"""``hsi plot``: the figures of finished runs and comparisons, drawn again."""

import json

import pytest
from PIL import Image

from hsi.report.figures import RUN_FIGURES
from tests.conftest import QUICK, names_in
from tests.report.test_run_figures import COMPARISON, change_json, copied

ABLATION = COMPARISON.parent
__all__ = ["copied"]


def test_the_figures_are_exactly_those_that_the_run_drew(tiff_run, run, tmp_path):
    assert {path.name for path in (tiff_run.out / "figures").iterdir()} == {f"{name}.png" for name in RUN_FIGURES}
    wanted = ("map", "false_colour", "truth_and_map", "spectra", "training_curves")
    done = run("plot", tiff_run.out, *(word for name in wanted for word in ("--figure", name)), "--out", "again")
    assert (done.code, done.stderr) == (0, "")
    assert {name.partition(".")[0] for name in names_in(tmp_path / "again")} == set(wanted)
    for name in wanted:
        again, drawn = tmp_path / "again" / f"{name}.png", tiff_run.out / "figures" / f"{name}.png"
        assert again.read_bytes() == drawn.read_bytes(), name
    assert done.stdout.splitlines()[-1].split() == ["open", "again"]


def test_maps_of_a_scene_with_a_place_have_a_scale_bar(tiff_run, mat_run):
    heights = []
    for out in (tiff_run.out, mat_run.out):
        with Image.open(out / "figures" / "false_colour.png") as picture:
            heights.append(picture.height)
    assert heights[0] > heights[1] + 100


def test_figures_in_the_folder_of_the_run_are_replaced_only_when_asked(copied, run):
    done = run("plot", copied, "--figure", "map", "--format", "pdf")
    path = copied / "figures" / "map.pdf"
    assert done.stdout.splitlines()[-1].split() == ["open", str(path)]
    refused = run("plot", copied, "--figure", "map", "--format", "pdf")
    assert (refused.code, len(refused.complaints)) == (1, 1)
    assert "--overwrite" in refused.stderr
    assert run("plot", copied, "--figure", "map", "--format", "pdf", "--overwrite").code == 0
    path.write_bytes(b"mine")
    changed = run("plot", copied, "--figure", "map", "--format", "pdf", "--out", copied / "figures", "--overwrite")
    assert changed.code == 1 and "map.pdf: has changed since hsi wrote it" in changed.stderr
    assert path.read_bytes() == b"mine"


def test_without_its_scene_a_run_has_two_figures_less_and_a_warning(copied, run):
    change_json(copied / "run.json", lambda record: record["inputs"].update(scene="nowhere.tif"))
    for name in ("ground_truth", "confidence"):  # fewer figures take less time
        (copied / f"{name}.tif").unlink()
    done = run("plot", copied)
    assert done.code == 0
    (warning,) = done.warnings
    assert "nowhere.tif" in warning and "false_colour and spectra" in warning
    drawn = {path.stem for path in (copied / "figures").iterdir()}
    assert drawn == {"map", "split", "confusion_matrix", "reliability", "training_curves"}
    for name in ("difference", "confidence"):
        refused = run("plot", copied, "--figure", name)
        assert refused.code == 2 and "nothing to draw it from" in refused.stderr


@pytest.mark.parametrize(
    ("folder", "name", "says"),
    [
        ("run", "spectre", "did you mean spectra"),
        ("run", "pareto", "is a single run"),
        (ABLATION, "map", "is a comparison"),
        ("empty", "map", "holds neither"),
        ("missing", "map", "no such folder"),
    ],
)
def test_what_is_refused(folder, name, says, copied, run, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("plot", folder, "--figure", name)
    assert (done.code, len(done.complaints)) == (2, 1)
    assert says in done.stderr


def test_title_size_and_font(copied, run, tmp_path):
    options = ("--title", "Land cover", "--size", "12x8", "--font-size", "7")
    done = run("plot", copied, "--figure", "map", "--out", "drawn", *options)
    assert done.code == 0, done.stderr
    with Image.open(tmp_path / "drawn" / "map.png") as picture:
        assert picture.size == pytest.approx((1417, 945), abs=1)
    assert run("plot", ABLATION, "--figure", "pareto", "--out", "again", *options).code == 0
    refused = run("plot", copied, "--size", "800x600")
    assert refused.code == 2 and "in centimetres" in refused.stderr


def test_a_comparison_has_its_box_plot_and_its_costs(run, tmp_path):
    done = run("plot", ABLATION, "--format", "svg", "--out", "drawn")
    assert (done.code, done.stderr) == (0, "")
    assert "<svg" in (tmp_path / "drawn" / "comparison.svg").read_text()[:2000]
    assert "hybridsn" in (tmp_path / "drawn" / "pareto.svg").read_text()


def test_baselines_alone_have_no_costs_to_draw(run, tmp_path):
    record = json.loads(COMPARISON.read_text())
    for split in record["splits"]:
        split["rows"] = [{**row, "parameters": None} for row in split["rows"]]
    (tmp_path / "comparison.json").write_text(json.dumps(record))
    assert run("plot", tmp_path, "--out", "drawn").code == 0
    assert names_in(tmp_path / "drawn") == {"comparison.png"}
    refused = run("plot", tmp_path, "--figure", "pareto")
    assert refused.code == 2 and "what compared networks cost: " in refused.stderr


def test_wavelengths_are_recorded_for_it(run, scenes, no_figures, tmp_path):
    assert run("classify", scenes["envi"], *QUICK[:2], "--model", "knn", "--out", "run").code == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["inputs"]["wavelengths_nm"][0] == pytest.approx(450)
