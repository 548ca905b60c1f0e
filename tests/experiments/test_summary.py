"""Comparisons of small maps whose errors are known: spreads, tests, and what the notes conclude."""

import statistics

import numpy as np
import pytest

from hsi.accuracy.statistics import holm, mcnemar
from hsi.experiments.notes import audit_line, comparison_notes, split_notes
from hsi.experiments.results import FinishedRun, correct_pixels, read_finished
from hsi.experiments.spec import Row
from hsi.experiments.summary import compare_split, spread
from hsi.experiments.tables import to_latex, to_markdown
from tests.experiments.conftest import TABLE, TRUTH, compared, everything, split_of


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
    bold = [line for line in to_markdown(everything(split, clear)).splitlines() if "**" in line]
    assert len(bold) == 1
    assert bold[0].startswith("| good | 9 | **98.00 ± 1.37** | **")
    assert to_latex(everything(split, clear)).count(r"\textbf{") == 3


def test_nothing_is_bold_where_one_row_cannot_be_told_from_the_best(close):
    split = compared(close)
    ranking = split.ranking("overall_accuracy")
    assert (ranking.best, ranking.supported, ranking.open) == ("one", False, ("two",))
    text = to_markdown(everything(split, close))
    assert "**" not in text
    assert "one has the highest mean, but no test shows that it leads two (p = 1.00)" in text
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
    assert "OA, AA, kappa: a has the highest mean, but no test shows that it leads b (no shared split)" in split_notes(
        split
    )


def test_a_row_that_misses_runs_is_compared_on_those_it_has(clear):
    kept = [run for run in clear if run.planned.row != "bad" or run.planned.settings.seed < 3]
    split = compare_split("random", [Row(name=n) for n in ("good", "bad")], [r.planned for r in clear], kept, TRUTH)
    assert split.ranking("overall_accuracy").versus[0].pairs == 3
    assert split_notes(split)[0] == "bad: 3 of 9 runs finished"


def test_one_row_alone_has_figures_and_no_tests(finish):
    split = compared([finish("only", seed, 3) for seed in range(3)])
    assert split_notes(split) == []
    assert "**" not in to_markdown(everything(split, []))


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


def test_seconds_of_different_machines_are_not_to_be_compared(finish):
    runs = [finish("a", 0, 1), finish("b", 0, 2, machine={"processor": "Quipu", "cores": 1, "threads": 1})]
    (line,) = comparison_notes(everything(compared(runs), runs))
    assert "Abacus" in line
    assert "Quipu" in line


def test_a_folder_without_a_complete_run_is_none(tmp_path, finish):
    run = finish("a", 0, 1)
    assert isinstance(run, FinishedRun)
    (run.folder / "accuracy.json").write_text("{")
    assert read_finished(run.planned, run.folder) is None
    assert read_finished(run.planned, tmp_path / "none") is None
