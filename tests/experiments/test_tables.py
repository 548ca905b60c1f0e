"""Tables of a comparison in every format."""

import csv
import io
import json

from hsi.experiments import tables
from hsi.experiments.results import FailedRun
from hsi.experiments.spec import Row
from hsi.experiments.tables import to_csv, to_json, to_latex, to_markdown
from hsi.report.tables import write_csv
from pipelines.cli_support.results import show_split
from tests.experiments.conftest import compared, everything, planned


def test_a_column_is_added_in_one_place(clear, monkeypatch, capsys):
    column = tables.Column(
        "stages", "Stages", lambda spread: f"{spread.mean:.1f}", run=lambda run: len(run.record["seconds"]),
        outputs=tables.EVERYWHERE, short="st",
    )  # fmt: skip
    monkeypatch.setattr(tables, "COLUMNS", (*tables.COLUMNS, column))
    split = compared(clear)
    comparison = everything(split, clear)
    assert "Stages |\n" in to_markdown(comparison) and r"& Stages \\" in to_latex(comparison)
    assert tables.main_table(split, "html").rows[0][-1] == "2.0"
    assert ",folder,stages,failure," in to_csv(comparison)
    assert json.loads(to_json(comparison))["runs"][0]["stages"] == 2
    show_split(split)
    assert " st\n" in capsys.readouterr().out


def test_a_published_figure_stands_under_its_split_alone(clear):
    published = {"accuracy": "98.22", "source": "a thesis"}
    rows = [Row(name="good", published=published), Row(name="bad", published={**published, "split": "blocks"})]
    text = to_markdown(everything(compared(clear, rows), clear))
    assert "| Published OA (%) |" in text
    assert text.count("98.22") == 2
    assert "Published for good: 98.22 (a thesis)." in text


def test_csv_has_a_line_for_each_run_and_each_failure(clear, tmp_path):
    failed = FailedRun(planned("bad", 11), "window too large,\nsaid twice", tmp_path / "a.log")
    rows = list(csv.DictReader(io.StringIO(to_csv(everything(compared(clear), clear, [failed])))))
    assert len(rows) == len(clear) + 1
    for row, run in zip(rows, clear, strict=False):
        assert (row["row"], int(row["seed"])) == (run.planned.row, run.planned.settings.seed)
        assert float(row["overall_accuracy"]) == run.report["overall_accuracy"]
        assert float(row["total_seconds"]) == run.seconds["total"]
    assert rows[-1]["failure"] == "window too large, said twice"
    assert rows[-1]["kappa"] == ""


def test_json_holds_every_figure_behind_the_tables(clear):
    split = compared(clear)
    found = json.loads(to_json(everything(split, clear)))
    assert found["runs"][1]["command"] == list(clear[1].record["command"])
    (told,) = found["splits"]
    assert told["rows"][1]["measures"]["kappa"]["mean"] == split.rows[1].measures["kappa"].mean
    assert told["rankings"][0]["supported"] is True
    assert (told["within"][0]["better"], told["within"][0]["worse"]) == (9, 0)
    assert found["machines"] == ["Abacus, 1 of 2 cores a run"]


def test_latex_is_escaped_and_balanced(clear):
    text = to_latex(everything(compared(clear), clear))
    assert r"\caption{A \& B; random 10\%. Audit" in text
    assert r"$\pm$" in text
    assert not set("±–×") & set(text)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    rows = [line for line in text.splitlines() if line.startswith(("good &", "middle &", "bad &"))]
    assert len(rows) == 6


def test_names_are_text_in_every_output(clear):
    """A row that begins as a formula, a class with markup and a line break in its name."""
    for run in clear:
        run.report["classes"][0]["name"] = "</td>\n\\input{x}"
    comparison = everything(compared(clear), clear)
    comparison.about["command"] = ["hsi", "`a\n# b"]
    text = to_csv(comparison)
    assert len(text.splitlines()) == len(clear) + 1
    assert "</td> \\input{x}" in text.splitlines()[0]
    assert "\\input{" not in to_latex(comparison)
    markdown = to_markdown(comparison)
    assert "</td>" not in markdown and "\n# b" not in markdown
    assert write_csv(["a"], [{"a": "=x"}, {"a": -1}]) == "a\n'=x\n-1\n"
