from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.accuracy.area_estimation import estimate_map
from hsi.accuracy.calibration import measure_calibration
from hsi.accuracy.leakage import audit_split
from hsi.accuracy.metrics import CLASS_METRICS, OVERALL_METRICS, Metric, confusion_matrix, measure_accuracy
from hsi.core.labels import default_table, printable_name
from hsi.errors import OutputError
from hsi.report.html import Provenance, Report, render_report
from hsi.report.tables import (
    escape_latex,
    escape_markdown,
    markdown_code,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
    write_tables,
)
from pipelines.cli_support.results import show_accuracy

HOSTILE = 'a|b, "c"\n& 50 % of_{x}^2 ~ #1 $\\end{table}$ <b>*'


def report(*names: str, truth=(0, 0, 0, 1), predicted=(0, 0, 1, 1)) -> dict:
    names = names or ("corn", "oats")
    table = default_table(range(1, len(names) + 1)).renamed(dict(enumerate(names, 1)))
    confusion = confusion_matrix(np.array(truth), np.array(predicted), len(names))
    return measure_accuracy(confusion, table, range(10, 10 + len(names)))


def full_report() -> dict:
    codes = np.zeros((4, 6), int)
    train = np.indices(codes.shape).sum(axis=0) % 2 == 0
    audit = audit_split(train, ~train, codes, 3).to_dict()
    return {**report("corn", "oats", "peas"), "model": "hybridsn", "split": "random 10%", "seed": 0, "audit": audit}


def markdown_cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_json_is_the_report_itself():
    assert json.loads(to_json(full_report())) == full_report()
    with pytest.raises(ValueError, match="JSON"):
        to_json({"kappa": float("nan")})


def test_csv_has_a_row_per_class_and_the_summary_in_fractions():
    rows = csv_rows(to_csv(report()))
    assert [row["row"] for row in rows[:5]] == ["class", "class", "overall_accuracy", "average_accuracy", "kappa"]
    assert [row["row"] for row in rows[5:]] == ["quantity_disagreement", "allocation_disagreement"]
    corn, oats, overall, average, kappa, quantity, allocation = rows
    assert (float(quantity["value"]), float(allocation["value"])) == (0.25, 0)
    assert float(oats["users_low"]) < float(oats["users_accuracy"]) == 0.5 < float(oats["users_high"])
    assert (corn["id"], corn["name"], corn["train"], corn["test"]) == ("1", "corn", "10", "3")
    assert float(corn["producers_accuracy"]) == pytest.approx(2 / 3)
    assert float(corn["low"]) < 2 / 3 < float(corn["high"])
    assert float(overall["value"]) == 0.75
    assert float(overall["low"]) < 0.75 < float(overall["high"])
    assert float(average["value"]) == pytest.approx(5 / 6)
    assert float(kappa["value"]) == report()["kappa"]


def test_people_read_percent_with_two_decimals():
    markdown, latex = to_markdown(report()), to_latex(report())
    assert "| 1 | corn | 10 | 3 | 66.67 | 20.77 to 93.85 | 100.00 | 34.24 to 100.00 | 80.00 | 66.67 |" in markdown
    assert "| Overall accuracy | 75.00 |" in markdown
    assert "| Quantity disagreement | 25.00 |" in markdown
    assert r"1 & corn & 10 & 3 & 66.67 & 20.77 to 93.85 & 100.00 & 34.24 to 100.00 & 80.00 & 66.67 \\" in latex
    assert r"Kappa $\times$ 100" in latex


def test_undefined_numbers_are_dashes_or_empty_and_absent_classes_are_noted():
    made = report("corn", "oats", "peas")
    peas = csv_rows(to_csv(made))[2]
    names = ("producers_accuracy", "users_accuracy", "f1", "iou", "low", "high", "users_low", "users_high")
    assert [peas[name] for name in names] == [""] * 8
    assert "| 3 | peas | 12 | 0 | – | – | – | – | – | – |" in to_markdown(made)
    assert r"3 & peas & 12 & 0 & -- & -- & -- & -- & -- & -- \\" in to_latex(made)
    for text in (to_markdown(made), to_latex(made)):
        assert "No test pixels, so not in the average accuracy: peas." in text


def test_a_report_without_test_pixels_still_makes_all_tables(tmp_path):
    assert len(write_tables(tmp_path, report(truth=np.zeros(0, int), predicted=np.zeros(0, int)))) == 4
    assert "| Overall accuracy | – | – |" in (tmp_path / "accuracy.md").read_text()


def test_the_leakage_audit_has_a_section_of_its_own():
    section = to_markdown(full_report()).partition("## Leakage audit")[2]
    audit = full_report()["audit"]
    for line in (
        f"| Test windows of 3 × 3 that contain a training pixel | {100 * audit['contains_training']:.2f} % |",
        f"| Test windows of 3 × 3 that overlap a training window | {100 * audit['overlaps_training']:.2f} % |",
        f"by position only | {100 * audit['position_accuracy']:.2f} % |",
        "share nothing with training windows | none left |",
    ):
        assert line in section
    free = to_markdown({**full_report(), "audit": {**audit, "leak_free": 7, "leak_free_accuracy": 0.5}})
    assert "share nothing with training windows | 50.00 % (7 pixels) |" in free
    assert "## Leakage audit" not in to_markdown({**full_report(), "audit": None})


def test_what_is_known_of_the_run_is_noted():
    known, unknown = {**full_report(), "split_notes": ["7 of 16 blocks train"]}, report()
    for line in (
        "- Model: hybridsn.",
        "- Split: random 10%.",
        "- Split: 7 of 16 blocks train.",
        "- Seed: 0.",
        "- Leakage audit: mostly interpolation",
    ):
        assert line in to_markdown(known)
        assert line not in to_markdown(unknown)
    latex = to_latex(known)
    assert r"Split: random 10\%." in latex
    assert r"100.0 \% of test windows" in latex
    unclassified = report(predicted=(0, 0, -1, 1))
    assert "Unclassified test pixels, counted as wrong: 1." in to_markdown(unclassified)
    assert csv_rows(to_csv(unclassified))[0]["unclassified"] == "1"


def test_hostile_names_stay_inside_their_cell():
    made = report(HOSTILE, "oats")
    lines = to_markdown(made).splitlines()
    assert {len(markdown_cells(line)) for line in lines if line.startswith("| 1") or line.startswith("| 2")} == {10}
    assert "<b>" not in to_markdown(made)
    assert csv_rows(to_csv(made))[0]["name"] == " ".join(HOSTILE.split())
    latex = to_latex(made)
    assert latex.count(r"\end{table}") == 1
    row = next(line for line in latex.splitlines() if line.startswith("1 &"))
    assert len(re.findall(r"(?<!\\)&", row)) == 9


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_name_survives(name):
    made = report(name, "oats")
    rows = csv_rows(to_csv(made))
    plain = " ".join(printable_name(name).split())
    assert rows[0]["name"] in (plain, f"'{plain}") and not rows[0]["name"].startswith(tuple("=+-@\t\r"))
    assert len(rows) == 7
    assert markdown_cells("| " + escape_markdown(name) + " |") in ([escape_markdown(name).strip()], [""])
    escaped = escape_latex(name)
    assert not re.search(r"(?<!\\)[&%$#_]", escaped.replace(r"$\times$", "").replace(r"$\pm$", ""))
    assert len(escaped.splitlines()) <= 1
    assert escaped.count("{") == escaped.count("}") or re.search(r"[{}]", name)


def test_latex_spells_out_special_characters():
    assert escape_latex("a & b_5%\n#1 {x} $y$") == r"a \& b\_5\% \#1 \{x\} \$y\$"
    assert escape_latex("\\x~^") == r"\textbackslash{}x\textasciitilde{}\textasciicircum{}"


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_of_text_is_a_formula_and_no_number_is_escaped(name):
    made = report(name, "oats", predicted=(1, 1, 1, 0))  # kappa is negative
    rows = csv_rows(to_csv(made))
    assert rows[0]["name"] == "'" + name.strip() and rows[1]["name"] == "oats"
    kappa = next(row for row in rows if row["row"] == "kappa")
    assert float(kappa["value"]) == made["kappa"] < 0


def test_latex_rows_do_not_begin_with_what_belongs_to_the_row_before():
    assert escape_latex("[2cm] *a") == "{[}2cm] {*}a"


def test_code_in_markdown_holds_backticks():
    assert markdown_code("hsi a\nb") == "`hsi a b`" and markdown_code("a `b` ``c") == "``` a `b` ``c ```"


def test_files_are_written_and_replaced_all_or_none(tmp_path):
    folder = tmp_path / "new" / "folder"
    made = report("maïs", "oats")
    for _ in range(2):
        paths = write_tables(folder, made)
    assert [path.name for path in paths] == ["accuracy.json", "accuracy.csv", "accuracy.md", "accuracy.tex"]
    assert json.loads(paths[0].read_text(encoding="utf-8"))["classes"][0]["name"] == "maïs"
    for path, write in zip(paths[1:], (to_csv, to_markdown, to_latex), strict=True):
        assert path.read_bytes() == write(made).encode()
    with pytest.raises(ValueError, match="JSON"):
        write_tables(tmp_path / "out", {**report(), "kappa": float("inf")})
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(paths[0], report())


def test_areas_of_the_map_are_in_every_table_with_a_dash_where_the_place_is_not_known():
    areas = [
        {"id": 1, "name": HOSTILE, "pixels": 12, "hectares": 1.08},
        {"id": 2, "name": "oats", "pixels": 3, "hectares": None},
    ]
    with_areas = {**report(), "areas": areas}
    rows = [row for row in csv_rows(to_csv(with_areas)) if row["row"] == "area"]
    assert [(row["id"], row["pixels"], row["hectares"]) for row in rows] == [("1", "12", "1.08"), ("2", "3", "")]
    cells = [markdown_cells(line) for line in to_markdown(with_areas).splitlines() if line.startswith("|")]
    assert ["1", escape_markdown(HOSTILE), "12", "1.08"] in cells
    assert ["2", "oats", "3", "–"] in cells
    latex = to_latex(with_areas)
    assert f"1 & {escape_latex(HOSTILE)} & 12 & 1.08" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert to_latex(report()).count(r"\begin{tabular}") == 1


def complete_report() -> dict:
    """Everything that a report can have."""
    counts = np.array([[40, 4, 0], [2, 30, 0], [0, 0, 0]])
    table = default_table([1, 2]).renamed({1: HOSTILE, 2: "oats"})
    estimate = estimate_map(counts, np.array([600, 400, 0]), table, "stratified", 0.04)
    confidence = np.linspace(0.4, 1, 30)
    calibration = measure_calibration(confidence, confidence > 0.5)
    doubts = ["the reference pixels lie side by side"]
    return {**report(HOSTILE, "oats"), "calibration": calibration, "estimate": {**estimate, "doubts": doubts}}


def test_calibration_is_in_every_table():
    made = complete_report()
    markdown, latex, rows = to_markdown(made), to_latex(made), csv_rows(to_csv(made))
    error = f"{made['calibration']['error'] * 100:.2f}"
    assert f"| Expected calibration error | {error} |" in markdown
    assert f"Expected calibration error & & & {error}" in latex.replace("&  &", "& &").replace("&  &", "& &")
    assert f"expected calibration error {error} %." in markdown
    assert "| 93.33 to 100.00 | 4 |" in markdown
    (total,) = [row for row in rows if row["row"] == "expected_calibration_error"]
    assert (float(total["value"]), total["pixels"]) == (made["calibration"]["error"], "30")
    bins = [row for row in rows if row["row"] == "reliability"]
    assert sum(int(row["pixels"]) for row in bins) == 30
    assert float(bins[-1]["value"]) == 1 and bins[0]["value"] == ""


def test_estimates_for_the_map_are_in_every_table():
    made = complete_report()
    markdown, latex, rows = to_markdown(made), to_latex(made), csv_rows(to_csv(made))
    oats = made["estimate"]["classes"][1]
    area, error = oats["area"]["value"], 1.959964 * oats["area"]["standard_error"]
    assert f"| 16.00 | {area:.2f} | {error:.2f} |" in markdown
    assert f"& 16.00 & {area:.2f} & {error:.2f}" in latex
    assert "Overall accuracy of the map, estimated" in markdown
    for words in ("a random sample drawn within each class", "Doubt about the sample: the reference pixels lie side"):
        assert words in markdown and words in latex
    by_name = {(row["row"], row["id"]): row for row in rows}
    assert float(by_name["map_hectares", "2"]["value"]) == area
    assert by_name["map_hectares", "1"]["name"] == " ".join(HOSTILE.split())
    assert float(by_name["map_users_accuracy", "2"]["standard_error"]) == oats["users_accuracy"]["standard_error"]
    overall = made["estimate"]["overall_accuracy"]
    assert [float(by_name["map_overall_accuracy", ""][name]) for name in ("value", "low", "high")] == [
        overall["value"], overall["low"], overall["high"]
    ]  # fmt: skip


def test_every_tabular_has_as_many_cells_as_columns():
    latex = to_latex({**complete_report(), "areas": [{"id": 1, "name": HOSTILE, "pixels": 12, "hectares": 1.08}]})
    tabulars = re.findall(r"\\begin\{tabular\}\{([rl]+)\}(.*?)\\end\{tabular\}", latex, flags=re.DOTALL)
    assert [len(alignment) for alignment, _ in tabulars] == [10, 4, 10]
    for alignment, body in tabulars:
        for line in re.findall(r"^.*&.*$", body, flags=re.MULTILINE):
            spanned = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d)\}", line))
            assert len(re.findall(r"(?<!\\)&", line)) + 1 + spanned == len(alignment), line


class TestAnotherMetric:
    """A metric is one entry in :mod:`hsi.accuracy.metrics`: then it is in all tables, on the terminal and the page."""

    @pytest.fixture
    def made(self, monkeypatch):
        monkeypatch.setitem(
            CLASS_METRICS,
            "specificity",
            Metric("Specificity", lambda one: (one.total - one.truth - one.predicted + one.hits, one.total - one.truth),
                   short="Spec", with_interval=True),
        )  # fmt: skip
        monkeypatch.setitem(
            OVERALL_METRICS, "errors", Metric("Errors", lambda matrix: (matrix.total - matrix.correct, matrix.total))
        )
        return {**report(), "audit": None}

    def test_it_is_in_every_table(self, made):
        corn, oats, *rest = csv_rows(to_csv(made))
        assert (float(corn["specificity"]), float(oats["specificity"])) == (1, pytest.approx(2 / 3))
        assert float(oats["specificity_low"]) < 2 / 3 < float(oats["specificity_high"])
        assert ("errors", "0.25") in [(row["row"], row["value"]) for row in rest]
        assert list(json.loads(to_json(made)))[5] == "errors"
        markdown, latex = to_markdown(made), to_latex(made)
        assert "| IoU (%) | Specificity (%) | 95 % interval |" in markdown and "| Errors | 25.00 |" in markdown
        assert r"\multicolumn{2}{c}{Specificity}" in latex
        assert "& Errors & & & 25.00 &" in re.sub(" +", " ", latex)

    def test_it_is_on_the_terminal_and_the_page(self, made, capsys):
        show_accuracy(made)
        shown = capsys.readouterr().out
        assert shown.splitlines()[1].split()[-2:] == ["IoU", "Spec"]
        assert "kappa 0.5000  Errors 25.00%\n" in shown
        page = render_report(Report("a map", "Classification", "", Provenance("hsi"), accuracy=made))
        assert "Specificity %" in page and "<span>Errors</span><b>25.00<small>%" in page
