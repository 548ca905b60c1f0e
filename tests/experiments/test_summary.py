"""Comparisons of small maps whose errors are known: spreads, tests, and what the tables say."""

import csv
import io
import json
import statistics

import numpy as np
import pytest
from PIL import Image

from hsi.accuracy.leakage import audit_split
from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.accuracy.statistics import holm, mcnemar
from hsi.core.labels import codes_of, default_table
from hsi.experiments.figures import ComparisonTold, boxes_of, stored_boxes, write_comparison_figure
from hsi.experiments.notes import audit_line, comparison_notes, split_notes
from hsi.experiments.results import FailedRun, FinishedRun, correct_pixels, read_finished
from hsi.experiments.spec import PlannedRun, Row
from hsi.experiments.summary import Comparison, compare_split, spread
from hsi.experiments.tables import to_csv, to_json, to_latex, to_markdown, write_comparison
from hsi.io.geotiff import write_band, write_class_map
from hsi.report.records import read_record
from hsi.settings import Settings

TABLE = default_table([2, 5])
TRUTH = np.repeat([[2, 5]], 20, axis=0).repeat(6, axis=1).astype(np.uint8)  # (20, 12)
ABOUT = {"command": ["hsi", "compare", "a scene.mat"], "date": "2026-01-02", "versions": {"hsi": "1"}, "seeds": [0, 1]}


def planned(row, seed, fold=None):
    settings = Settings.model_validate({"seed": seed, "split": {"fold": fold, "rule": "kfold-random"} if fold else {}})
    return PlannedRun(row, "random", {}, settings)


def split_of(seed):
    codes = np.full(TRUTH.shape, 3, np.uint8)
    codes[:, [seed % 6, 6 + seed % 6]] = 1
    return codes


def finisher(folder_of_runs):
    """A function that finishes a run of a row, whose map has the first ``wrong`` test pixels wrong."""

    def run(row, seed, wrong, *, split=None, fold=None, machine=None, parameters=10):
        codes = split_of(seed) if split is None else split
        ids, tested = TRUTH.copy(), np.flatnonzero(codes == 3)
        ids.ravel()[tested[:wrong]] = 7 - ids.ravel()[tested[:wrong]]
        folder = folder_of_runs / f"{row}-{seed}-{fold}"
        folder.mkdir()
        write_class_map(folder / "map.tif", ids, TABLE, georeference=None, nodata_mask=None)
        write_band(folder / "split.tif", codes, georeference=None, description="split")
        truth, found = codes_of(TRUTH, TABLE), codes_of(ids, TABLE)
        matrix = confusion_matrix(truth[codes == 3], found[codes == 3], 2)
        report = {
            "split": "random 10%",
            "split_hash": codes.tobytes().hex(),
            **measure_accuracy(matrix, TABLE, [20, 20]),
            "audit": audit_split(codes == 1, codes == 3, truth, 3, found).to_dict(),
        }
        record = {
            "command": ["hsi", "classify", "a scene.mat", "--seed", str(seed)],
            "settings": {},
            "seconds": {"read": 1.0, "train": 2.0 + seed},
            "parameters": parameters,
            "machine": machine or {"processor": "Abacus", "cores": 2, "threads": 1},
        }
        (folder / "accuracy.json").write_text(json.dumps(report))
        (folder / "run.json").write_text(json.dumps(record))
        return read_finished(planned(row, seed, fold), folder)

    return run


@pytest.fixture
def finish(tmp_path):
    return finisher(tmp_path)


def compared(runs, rows=None, **more):
    names = rows or list(dict.fromkeys(run.planned.row for run in runs))
    listed = [row if isinstance(row, Row) else Row(name=row) for row in names]
    return compare_split("random", listed, [run.planned for run in runs], runs, TRUTH, **more)


def whole(split, runs, failed=()):
    return Comparison("A & B", (split,), tuple(runs), tuple(failed), ABOUT)


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """Nine seeds in which good beats middle and middle beats bad each time."""
    finish = finisher(tmp_path_factory.mktemp("clear"))
    wrong = {"good": 0, "middle": 20, "bad": 60}
    return [finish(row, seed, count + seed) for seed in range(9) for row, count in wrong.items()]


@pytest.fixture
def close(finish):
    """Nine seeds in which two rows take turns and a third is behind."""
    turns = {"one": [5, 9], "two": [9, 5], "bad": [90, 90]}
    return [finish(row, seed, counts[seed % 2]) for seed in range(9) for row, counts in turns.items()]


def test_a_spread_is_mean_deviation_and_t_interval():
    found = spread([0.9, 0.8, None, 0.7])
    assert (found.mean, found.deviation, found.runs) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    reach = 4.302653 * 0.1 / 3**0.5  # the 97.5 % point of t with 2 degrees of freedom
    assert found.interval == (pytest.approx(0.8 - reach), pytest.approx(0.8 + reach))
    assert (spread([0.9]).deviation, spread([0.9]).interval) == (None, None)
    assert spread([None]) is None


def test_rows_are_summed_up_over_seeds(clear):
    split = compared(clear)
    good, middle, _ = split.rows
    values = [run.report["overall_accuracy"] for run in clear if run.planned.row == "middle"]
    assert values[0] == 180 / 200
    assert middle.measures["overall_accuracy"].mean == pytest.approx(statistics.fmean(values))
    assert middle.measures["overall_accuracy"].deviation == pytest.approx(statistics.stdev(values))
    assert (good.seconds["train"].mean, good.seconds["total"].mean) == (6, 7)
    assert (good.runs, good.planned, good.parameters) == (9, 9, 10)
    assert [one.name for one in good.classes] == list(TABLE.names)
    by_position = [run.report["audit"]["position_accuracy"] for run in clear if run.planned.row == "good"]
    assert split.position.mean == pytest.approx(statistics.fmean(by_position))


def test_a_lead_in_every_seed_is_bold_where_there_are_enough_seeds(clear):
    split = compared(clear)
    ranking = split.ranking("overall_accuracy")
    assert (ranking.best, ranking.supported) == ("good", True)
    assert [one.pvalue for one in ranking.versus] == [pytest.approx(2 * 2 / 512)] * 2
    assert "OA, AA, kappa: good leads every other row (p = 0.0078 or less)" in split_notes(split)
    bold = [line for line in to_markdown(whole(split, clear)).splitlines() if "**" in line]
    assert len(bold) == 1
    assert bold[0].startswith("| good | 9 | **98.00 ± 1.37** | **")
    assert to_latex(whole(split, clear)).count(r"\textbf{") == 3


def test_nothing_is_bold_where_one_row_cannot_be_told_from_the_best(close):
    split = compared(close)
    ranking = split.ranking("overall_accuracy")
    assert (ranking.best, ranking.supported, ranking.open) == ("one", False, ("two",))
    text = to_markdown(whole(split, close))
    assert "**" not in text
    assert "one has the highest mean, but is not told from two (p = 1.00)" in text
    assert "bad (" not in text


def test_too_few_seeds_are_said_with_how_many_it_takes(clear):
    split = compared([run for run in clear if run.planned.settings.seed < 5])
    assert not split.ranking("overall_accuracy").supported
    (line,) = [line for line in split_notes(split) if "smallest possible" in line]
    assert "with 5 runs on shared splits is 0.0625, 0.125 after Holm over 2 rows" in line
    assert "no lead can be claimed at 5 %; 7 seeds or more could support one (fewer than 6 cannot" in line


def test_mcnemar_is_within_a_seed_and_corrected_over_rows_and_seeds(clear):
    split = compared(clear)
    raw = {}
    for seed in range(9):
        runs = {run.planned.row: correct_pixels(run, TRUTH) for run in clear if run.planned.settings.seed == seed}
        raw |= {(row, seed): mcnemar(runs["good"], runs[row]).pvalue for row in ("middle", "bad")}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    for one in split.within:
        assert list(one.pvalues) == pytest.approx([corrected[one.row, seed] for seed in range(9)])
        assert (one.better, one.worse, one.tests[0].second) == (9, 0, 0)
    assert (
        "good has more test pixels right than middle in 9 of 9 runs, than bad in 9 of 9 runs" in split_notes(split)[-1]
    )


def test_the_maps_that_are_read_are_counted(clear):
    seen = []
    compared(clear, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 18) for i in range(18)]


def test_a_seed_whose_splits_differ_makes_no_pair(finish):
    other = np.where(np.arange(12) % 6 == 5, 1, 3).astype(np.uint8)[None].repeat(20, axis=0)
    runs = [finish(row, seed, wrong) for seed in (0, 1) for row, wrong in {"good": 1, "bad": 40}.items()]
    runs += [finish("good", 2, 1), finish("bad", 2, 40, split=other)]
    split = compared(runs)
    assert split.unshared == {"bad": ((2, None),)}
    assert split.ranking("overall_accuracy").versus[0].pairs == 2
    assert len(split.within[0].tests) == 2
    assert "good and bad have different splits in seed 2, so no paired test is made there" in split_notes(split)


def test_rows_that_share_no_split_are_never_told_apart(finish):
    other = split_of(4)
    runs = [finish(row, 0, wrong, split=codes) for row, wrong, codes in (("a", 0, None), ("b", 90, other))]
    split = compared(runs)
    assert not split.ranking("kappa").supported
    assert split.within == ()
    assert "OA, AA, kappa: a has the highest mean, but is not told from b (no shared split)" in split_notes(split)


def test_a_row_that_misses_runs_is_compared_on_those_it_has(clear):
    kept = [run for run in clear if run.planned.row != "bad" or run.planned.settings.seed < 3]
    split = compare_split("random", [Row(name=n) for n in ("good", "bad")], [r.planned for r in clear], kept, TRUTH)
    assert split.ranking("overall_accuracy").versus[0].pairs == 3
    assert split_notes(split)[0] == "bad: 3 of 9 runs finished"


def test_one_row_alone_has_figures_and_no_tests(finish):
    split = compared([finish("only", seed, 3) for seed in range(3)])
    assert split_notes(split) == []
    assert "**" not in to_markdown(whole(split, []))


def test_folds_are_runs_of_their_own_and_not_called_independent(finish):
    runs = [finish(row, 0, 1, fold=fold) for row in ("a", "b") for fold in (1, 2)]
    split = compared(runs)
    assert split.within[0].replicates == ((0, 1), (0, 2))
    assert "read p-values as too small" in split_notes(split)[-1]


def test_seeds_of_one_given_split_are_said_to_share_it(finish):
    runs = [finish(row, seed, wrong, split=split_of(0)) for seed in (0, 1) for row, wrong in (("a", 1), ("b", 9))]
    assert "all runs have one and the same split" in split_notes(compared(runs))[0]


def test_the_audit_tells_what_position_alone_achieves(clear):
    line = audit_line(compared(clear))
    assert line.startswith("position-only OA 86.67 ± 10.00 %; 36.7 % of test windows contain training pixels; ")
    assert line.endswith("leak-free OA: good 98.33 ± 1.46 % on 60 of 200 test pixels")


def test_a_published_figure_stands_under_its_split_alone(clear):
    published = {"accuracy": "98.22", "source": "a thesis"}
    rows = [Row(name="good", published=published), Row(name="bad", published={**published, "split": "blocks"})]
    text = to_markdown(whole(compared(clear, rows), clear))
    assert "| Published OA (%) |" in text
    assert text.count("98.22") == 2
    assert "Published for good: 98.22 (a thesis)." in text


def test_csv_has_a_line_for_each_run_and_each_failure(clear, tmp_path):
    failed = FailedRun(planned("bad", 11), "window too large,\nsaid twice", tmp_path / "a.log")
    rows = list(csv.DictReader(io.StringIO(to_csv(whole(compared(clear), clear, [failed])))))
    assert len(rows) == len(clear) + 1
    for row, run in zip(rows, clear, strict=False):
        assert (row["row"], int(row["seed"])) == (run.planned.row, run.planned.settings.seed)
        assert float(row["overall_accuracy"]) == run.report["overall_accuracy"]
        assert float(row["total_seconds"]) == run.seconds["total"]
    assert rows[-1]["failure"] == "window too large, said twice"
    assert rows[-1]["kappa"] == ""


def test_json_holds_every_figure_behind_the_tables(clear):
    split = compared(clear)
    found = json.loads(to_json(whole(split, clear)))
    assert found["runs"][1]["command"] == list(clear[1].record["command"])
    (told,) = found["splits"]
    assert told["rows"][1]["measures"]["kappa"]["mean"] == split.rows[1].measures["kappa"].mean
    assert told["rankings"][0]["supported"] is True
    assert (told["within"][0]["better"], told["within"][0]["worse"]) == (9, 0)
    assert found["machines"] == ["Abacus, 1 of 2 cores a run"]


def test_seconds_of_different_machines_are_not_to_be_compared(finish):
    runs = [finish("a", 0, 1), finish("b", 0, 2, machine={"processor": "Quipu", "cores": 1, "threads": 1})]
    (line,) = comparison_notes(whole(compared(runs), runs))
    assert "Abacus" in line
    assert "Quipu" in line


def test_latex_is_escaped_and_balanced(clear):
    text = to_latex(whole(compared(clear), clear))
    assert r"\caption{A \& B; random 10\%. Audit" in text
    assert r"$\pm$" in text
    assert not set("±–×") & set(text)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    rows = [line for line in text.splitlines() if line.startswith(("good &", "middle &", "bad &"))]
    assert len(rows) == 6


def test_files_are_written_again_from_the_same_runs(clear, tmp_path):
    comparison = whole(compared(clear), clear)
    for _ in range(2):
        paths = [
            *write_comparison(tmp_path / "out", comparison),
            *write_comparison_figure(tmp_path / "out", comparison),
        ]
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".md", ".pdf", ".png", ".tex"]
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(paths)
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        assert min(picture.size) > 200
    assert paths[-1].read_bytes().startswith(b"%PDF")
    assert stored_boxes(read_record(tmp_path / "out" / "comparison.json", ComparisonTold)) == boxes_of(comparison)


def test_a_folder_without_a_complete_run_is_none(tmp_path, finish):
    run = finish("a", 0, 1)
    assert isinstance(run, FinishedRun)
    (run.folder / "accuracy.json").write_text("{")
    assert read_finished(run.planned, run.folder) is None
    assert read_finished(run.planned, tmp_path / "none") is None


class TestPareto:
    """Rows with costs: cheap and right, dear and better, dear and no better."""

    @pytest.fixture
    def light(self, finish):
        rows = (("cheap", 30, 10), ("dear", 10, 1000), ("idle", 20, 2000))
        runs = [finish(row, 0, wrong, parameters=cost) for row, wrong, cost in rows]
        return whole(compared(runs), runs)

    def test_the_frontier_is_what_no_cheaper_row_beats(self, light):
        from hsi.experiments.figures import frontier, known_costs, points

        found = points(light.splits[0].rows, "parameters")
        assert [point.row for point in found] == ["cheap", "dear", "idle"]
        assert [point.row for point in frontier(found)] == ["cheap", "dear"]
        assert known_costs(light.splits) == ["parameters"]

    def test_the_plot_is_written_where_networks_have_costs(self, light, finish, tmp_path):
        from hsi.experiments.figures import write_pareto_figure

        assert [path.name for path in write_pareto_figure(tmp_path / "out", light)] == ["pareto.png", "pareto.pdf"]
        with Image.open(tmp_path / "out" / "pareto.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5
        runs = [finish(row, 1, 5, parameters=None) for row in ("svm", "rf")]
        assert write_pareto_figure(tmp_path / "none", whole(compared(runs), runs)) == []
