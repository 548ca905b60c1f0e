"""What the figures of a comparison allow one to conclude, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hsi.accuracy.statistics import SIGNIFICANCE_LEVEL, pairs_needed, smallest_signed_rank
from hsi.experiments.ranking import Ranking, Versus
from hsi.experiments.results import MEASURES, Replicate
from hsi.experiments.summary import Comparison, SplitComparison, Spread
from hsi.report.sections import DASH

METHODS = (
    "Figures are mean ± standard deviation (n - 1) over runs, in percent. The best mean of a column is bold only where "
    "Wilcoxon's signed-rank test over the runs on shared splits (doi:10.2307/3001968), corrected by Holm's method for "
    "all other rows (https://www.jstor.org/stable/4615733), gives p < 0.05 against every one of them. McNemar's test "
    "(doi:10.1007/BF02295996) is within a run, on its test pixels, exact below 25 discordant ones, and takes pixels "
    "for independent, which neighbours are not. 95 % intervals of means are Student's "
    "(doi:10.1093/biomet/6.1.1); the runs share one scene, so they tell how far other seeds may lie, and not how far "
    "other scenes may."
)


def in_percent(spread: Spread | None) -> str:
    """Mean and standard deviation of fractions, such as ``99.26 ± 0.10``; a single run has none, and None is a dash."""
    if spread is None:
        return DASH
    mean = f"{100 * spread.mean:,.2f}"
    return mean if spread.deviation is None else f"{mean} ± {100 * spread.deviation:,.2f}"


def p_text(pvalue: float) -> str:
    """A p-value that never reads as 0 or as below the level when it is not."""
    return "p < 0.001" if pvalue < 0.001 else f"p = {pvalue:.2g}" if pvalue < 0.1 else f"p = {pvalue:.2f}"


def audit_line(split: SplitComparison) -> str:
    """How much the split lets a window classifier see of its training pixels."""
    if split.position is None:
        return "no test pixel, so nothing to audit"
    line = f"position-only OA {in_percent(split.position)} %"
    if split.containing is None:
        return f"{line}; no window: the best method classifies single pixels"
    line += f"; {100 * split.containing.mean:.1f} % of test windows contain training pixels"
    return f"{line}; leak-free OA: {_leak_free(split)}"


def _leak_free(split: SplitComparison) -> str:
    if not split.leak_free or not split.test or not split.leak_free.mean:
        return "no test pixel is left"
    if split.leak_free.mean == split.test.mean:
        return "every OA here is"
    ranking = split.ranking("overall_accuracy")
    best = next(row for row in split.rows if ranking is None or row.name == ranking.best)
    pixels = f"on {split.leak_free.mean:,.0f} of {split.test.mean:,.0f} test pixels"
    return f"{best.name} {in_percent(best.leak_free)} % {pixels}"


def split_title(name: str, rule: str) -> str:
    """Name and rule of a split; the rule alone where it begins with the name."""
    return rule if rule.startswith(name) else f"{name}: {rule}"


def split_notes(split: SplitComparison) -> list[str]:
    """Conclusions on the rows of a split, a sentence each."""
    lines = [f"{row.name}: {row.runs} of {row.planned} runs finished" for row in split.rows if row.runs < row.planned]
    for row, keys in split.unshared.items():
        lines.append(
            f"{_best(split)} and {row} have different splits in {_named(keys)}, so no paired test is made there"
        )
    if split.distinct == 1 < max(row.runs for row in split.rows):
        lines.append("all runs have one and the same split, so they differ by weights and order of training alone")
    lines += _ranking_lines(split)
    lines += _too_few(split)
    lines += _within_line(split)
    if any(fold is not None for within in split.within for _, fold in within.replicates):
        lines.append("folds of one seed train on shared pixels and are no independent runs: read p-values as too small")
    return lines


def _best(split: SplitComparison) -> str:
    ranking = split.ranking("overall_accuracy")
    return ranking.best if ranking else split.rows[0].name


def _named(keys: Iterable[Replicate]) -> str:
    """Seeds and folds in words."""
    return ", ".join(f"seed {seed}" if fold is None else f"seed {seed} fold {fold}" for seed, fold in keys)


def _ranking_lines(split: SplitComparison) -> list[str]:
    """Results of the tests of each measure; measures with the same result share a line."""
    measures: dict[str, list[str]] = {}
    for ranking in split.rankings:
        if ranking.versus:
            measures.setdefault(_verdict(ranking), []).append(MEASURES[ranking.measure])
    return [f"{', '.join(titles)}: {verdict}" for verdict, titles in measures.items()]


def _verdict(ranking: Ranking) -> str:
    if ranking.supported:
        largest = max(one.pvalue or 0 for one in ranking.versus)
        others = "every other row" if len(ranking.versus) > 1 else ranking.versus[0].row
        return f"{ranking.best} leads {others} ({p_text(largest)}{' or less' * (len(ranking.versus) > 1)})"
    unclear = [one for one in ranking.versus if one.row in ranking.open]
    return f"{ranking.best} has the highest mean, but no test shows that it leads {', '.join(map(_doubt, unclear))}"


def _doubt(one: Versus) -> str:
    if one.pvalue is None:
        return f"{one.row} (no shared split)"
    behind = ", behind on shared splits" if (one.lead or 0) < 0 else ""
    return f"{one.row} ({p_text(one.pvalue)}{behind})"


def _too_few(split: SplitComparison) -> list[str]:
    """Why no lead can be claimed, where there are too few runs for any."""
    versus = [one for one in split.rankings[0].versus if one.pvalue is not None] if split.rankings else []
    if not versus:
        return []
    pairs, needed = max(one.pairs for one in versus), pairs_needed(len(versus))
    if pairs >= needed:
        return []
    smallest = smallest_signed_rank(pairs)
    after = f", {min(1, smallest * len(versus)):.3g} after Holm over {len(versus)} rows" if len(versus) > 1 else ""
    least = " (fewer than 6 cannot against even one row)" if pairs < pairs_needed(1) < needed else ""
    return [
        f"Wilcoxon's smallest possible p with {pairs} {_runs(pairs)} on shared splits is {smallest:.3g}{after}: no "
        f"lead can be claimed at {100 * SIGNIFICANCE_LEVEL:.0f} %; {needed} seeds or more could support one{least}"
    ]


def _within_line(split: SplitComparison) -> list[str]:
    if not split.within:
        return []
    tests = sum(len(one.tests) for one in split.within)
    rows = [
        f"{one.row} in {one.better} of {len(one.tests)} {_runs(len(one.tests))}"
        + (f" (fewer in {one.worse})" if one.worse else "")
        for one in split.within
    ]
    number = "1 test" if tests == 1 else f"{tests} tests"
    return [f"McNemar, Holm over {number}: {_best(split)} has more test pixels right than {', than '.join(rows)}"]


def _runs(count: int) -> str:
    return "run" if count == 1 else "runs"


def comparison_notes(comparison: Comparison) -> list[str]:
    """What concerns all splits: failures, and times that cannot be compared."""
    lines = [f"failed: {run.planned.name}: {run.message}" for run in comparison.failed]
    machines = machine_texts(comparison)
    if len(machines) > 1:
        lines.append(f"seconds are of different machines or numbers of threads ({'; '.join(machines)}): do not compare")
    return lines


def machine_texts(comparison: Comparison) -> Sequence[str]:
    """The machines that the runs were made on, each once."""
    machines = [run.record.get("machine") for run in comparison.finished]
    texts = [f"{m['processor']}, {m['threads']} of {m['cores']} cores a run" for m in machines if m]
    devices = {str(run.record.get("device", "cpu")).partition(":")[0] for run in comparison.finished} - {"cpu"}
    return [*dict.fromkeys(texts), *sorted(devices)]
