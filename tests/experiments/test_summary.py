"""Comparisons of small maps whose errors are known: spreads, tests, and what the notes conclude."""

import statistics

import numpy as np
import pytest

from hsi.accuracy.statistics import holm, mcnemar
from hsi.experiments.notes import audit_line, comparison_notes, split_notes
from hsi.experiments.results import correct_pixels
from hsi.experiments.spec import Row
from hsi.experiments.summary import compare_split, spread
from hsi.experiments.tables import to_latex, to_markdown
from tests.experiments.conftest import TABLE, compared, everything, split_of


def test_a_spread_is_mean_deviation_and_t_interval():
    three = spread([0.9, 0.8, None, 0.7])
    assert (three.mean, three.deviation, three.runs) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    reach = 4.302653 * 0.1 / 3**0.5  # the 97.5 % point of t with 2 degrees of freedom
    assert three.interval == (pytest.approx(0.8 - reach), pytest.approx(0.8 + reach))
    assert (spread([0.9]).deviation, spread([0.9]).interval, spread([None])) == (None, None, None)


def test_rows_are_summed_up_over_seeds_with_the_audit_of_the_best(clear):
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
    line = audit_line(split)
    assert line.startswith("position-only OA 86.67 ± 10.00 %; 36.7 % of test windows contain training pixels; ")
    assert line.endswith("leak-free OA: good 98.33 ± 1.46 % on 60 of 200 test pixels")


def test_a_lead_in_every_seed_is_bold_where_there_are_enough_seeds(clear):
    split = compared(clear)
    ranking = split.ranking("overall_accuracy")
    assert (ranking.best, ranking.supported) == ("good", True)
    assert [one.pvalue for one in ranking.versus] == [pytest.approx(2 * 2 / 512)] * 2
    assert "OA, AA, kappa: good leads every other row (p = 0.0078 or less)" in split_notes(split)
    (bold,) = [line for line in to_markdown(everything(split, clear)).splitlines() if "**" in line]
    assert bold.startswith("| good | 9 | **98.00 ± 1.37** | **")
    assert to_latex(everything(split, clear)).count(r"\textbf{") == 3


def test_nothing_is_bold_where_another_row_may_be_as_good(finish):
    """Nine seeds in which two rows take turns and a third is behind."""
    turns = {"one": [5, 9], "two": [9, 5], "bad": [90, 90]}
    close = [finish(row, seed, counts[seed % 2]) for seed in range(9) for row, counts in turns.items()]
    split = compared(close)
    ranking = split.ranking("overall_accuracy")
    assert (ranking.best, ranking.supported, ranking.open) == ("one", False, ("two",))
    text = to_markdown(everything(split, close))
    assert "one has the highest mean, but no test shows that it leads two (p = 1.00)" in text
    assert "**" not in text and "bad (" not in text


def test_a_note_says_how_many_seeds_it_takes(clear):
    split = compared([run for run in clear if run.planned.settings.seed < 5])
    assert not split.ranking("overall_accuracy").supported
    (line,) = [line for line in split_notes(split) if "smallest possible" in line]
    assert "with 5 runs on shared splits is 0.0625, 0.125 after Holm over 2 rows" in line
    assert "no lead can be claimed at 5 %; 7 seeds or more could support one (fewer than 6 cannot" in line


def test_mcnemar_is_within_a_seed_and_corrected_over_rows_and_seeds(clear):
    read = []
    split = compared(clear, progress=lambda done, total: read.append((done, total)))
    raw = {}
    for seed in range(9):
        runs = {run.planned.row: correct_pixels(run) for run in clear if run.planned.settings.seed == seed}
        raw |= {(row, seed): mcnemar(runs["good"], runs[row]).pvalue for row in ("middle", "bad")}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    for one in split.within:
        assert list(one.pvalues) == pytest.approx([corrected[one.row, seed] for seed in range(9)])
        assert (one.better, one.worse, one.tests[0].second) == (9, 0, 0)
    more = "good has more test pixels right than middle in 9 of 9 runs, than bad in 9 of 9 runs"
    assert more in split_notes(split)[-1]
    assert read == [(i, 18) for i in range(18)]


def test_a_seed_whose_splits_differ_makes_no_pair(finish):
    other = np.where(np.arange(12) % 6 == 5, 1, 3).astype(np.uint8)[None].repeat(20, axis=0)
    runs = [finish("good", 2, 1), finish("bad", 2, 40, split=other)]
    split = compared(runs)
    assert not split.ranking("kappa").supported and split.within == ()
    assert "good has the highest mean, but no test shows that it leads bad (no shared split)" in split_notes(split)[1]
    runs += [finish(row, seed, wrong) for seed in (0, 1) for row, wrong in {"good": 1, "bad": 40}.items()]
    split = compared(runs)
    assert split.unshared == {"bad": ((2, None),)}
    assert (split.ranking("overall_accuracy").versus[0].pairs, len(split.within[0].tests)) == (2, 2)
    assert "good and bad have different splits in seed 2, so no paired test is made there" in split_notes(split)


def test_a_row_that_misses_runs_is_compared_on_those_it_has(clear):
    finished = [run for run in clear if run.planned.row != "bad" or run.planned.settings.seed < 3]
    split = compare_split("random", [Row(name="good"), Row(name="bad")], [run.planned for run in clear], finished)
    assert split.ranking("overall_accuracy").versus[0].pairs == 3
    assert split_notes(split)[0] == "bad: 3 of 9 runs finished"


def test_one_row_has_figures_and_no_tests(finish):
    split = compared([finish("only", seed, 3) for seed in range(3)])
    assert split_notes(split) == []
    assert "**" not in to_markdown(everything(split, []))


def test_runs_that_are_not_independent_are_not_called_so(finish):
    split = compared([finish(row, 0, 1, fold=fold) for row in ("a", "b") for fold in (1, 2)])
    assert split.within[0].replicates == ((0, 1), (0, 2))
    assert "read p-values as too small" in split_notes(split)[-1]
    runs = [finish(row, seed, wrong, split=split_of(0)) for seed in (0, 1) for row, wrong in (("c", 1), ("d", 9))]
    assert "all runs have one and the same split" in split_notes(compared(runs))[0]


def test_seconds_of_different_machines_are_not_to_be_compared(finish):
    runs = [finish("a", 0, 1), finish("b", 0, 2, machine={"processor": "Quipu", "cores": 1, "threads": 1})]
    (line,) = comparison_notes(everything(compared(runs), runs))
    assert "Abacus" in line and "Quipu" in line
