"""Finished runs of an experiment, summed up: spreads over seeds, and paired tests on the splits they share."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hsi.accuracy.statistics import t_interval
from hsi.core.events import Advance
from hsi.errors import SceneFileError
from hsi.experiments.ranking import Ranking, Within, compare_within, rank, unshared_splits
from hsi.experiments.results import MEASURES, FailedRun, FinishedRun, Replicate
from hsi.experiments.spec import PlannedRun, Published, Row


@dataclass(frozen=True)
class Spread:
    """Mean over ``runs`` runs, standard deviation (n - 1) and 95 % t-interval, both None for one run."""

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    runs: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of the values that are defined; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), deviation, t_interval(known), len(known))


@dataclass(frozen=True)
class ClassSpread:
    """Producer's accuracy of a class over the runs; None where it never had a test pixel."""

    id: int
    name: str
    accuracy: Spread | None


@dataclass(frozen=True)
class RowSummary:
    """A row under one split: ``measures`` by the keys of :data:`MEASURES`, ``seconds`` by train and total.

    ``leak_free`` is the accuracy on test pixels whose windows share nothing with training windows; ``parameters`` is
    None for a baseline, ``planned`` the runs there should be. ``multiply_adds`` are a pixel's, by the engine that
    mapped it, ``weight_bytes`` those of the network's numbers, and ``pixel_seconds`` those of a core for mapping a
    pixel on a CPU; None where the record of a run lacks them. ``finished`` are its runs, which JSON lists elsewhere.
    """

    name: str
    published: Published | None
    planned: int
    runs: int
    measures: Mapping[str, Spread | None]
    classes: tuple[ClassSpread, ...]
    leak_free: Spread | None
    seconds: Mapping[str, Spread | None]
    parameters: int | None
    multiply_adds: int | None
    weight_bytes: int | None
    pixel_seconds: Spread | None
    finished: tuple[FinishedRun, ...] = ()


@dataclass(frozen=True)
class SplitComparison:
    """All rows under one split, in their order; ``rankings`` of every measure, ``within`` of the overall accuracy.

    Of the runs of the row with the highest overall accuracy: ``rule`` is their split in words, ``position`` the overall
    accuracy by position alone, ``containing`` the share of test windows that hold training pixels (None without
    windows), ``leak_free`` the number of test pixels whose windows share nothing with training windows, ``test`` that
    of all, ``distinct`` how many different splits there are. ``unshared`` are the rows whose splits differ from its
    own, with the runs in which they do: no test was made there.
    """

    name: str
    rule: str
    rows: tuple[RowSummary, ...]
    position: Spread | None
    containing: Spread | None
    leak_free: Spread | None
    test: Spread | None
    distinct: int
    rankings: tuple[Ranking, ...]
    within: tuple[Within, ...]
    unshared: Mapping[str, tuple[Replicate, ...]]

    def ranking(self, measure: str) -> Ranking | None:
        """The ranking of a measure; None where no row has it."""
        return next((one for one in self.rankings if one.measure == measure), None)


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared. ``about`` holds scene, seeds, command, date, versions, machine."""

    title: str
    splits: tuple[SplitComparison, ...]
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]
    about: Mapping[str, Any]


def compare_split(
    name: str,
    rows: Sequence[Row],
    planned: Sequence[PlannedRun],
    finished: Sequence[FinishedRun],
    progress: Advance = lambda done, total, note="": None,
) -> SplitComparison:
    """Sum up the ``finished`` of the ``planned`` runs of one split.

    Rows without a finished run are left out. ``progress(done, total)`` counts the maps that are read for the tests.
    Raises :class:`ValueError` without a finished run.
    """
    runs = {row.name: {r.planned.replicate: r for r in finished if r.planned.row == row.name} for row in rows}
    runs = {row: by_replicate for row, by_replicate in runs.items() if by_replicate}
    if not runs:
        raise ValueError(f"the split {name} has no finished run to compare")
    counts = {row.name: sum(run.row == row.name for run in planned) for row in rows}
    rankings = tuple(filter(None, (rank(measure, runs) for measure in MEASURES)))
    best = rankings[0].best if rankings else next(iter(runs))
    audits = [run.audit for run in runs[best].values()]
    return SplitComparison(
        name=name,
        rule=_rule(list(runs[best].values())),
        rows=tuple(
            _summary(row, name, counts[row.name], list(runs[row.name].values())) for row in rows if row.name in runs
        ),
        position=spread(audit.get("position_accuracy") for audit in audits),
        containing=spread(audit.get("contains_training") for audit in audits if audit.get("window") != 1),
        leak_free=spread(audit.get("leak_free") for audit in audits),
        test=spread(audit.get("test") for audit in audits),
        distinct=len({run.report["split_hash"] for run in runs[best].values()}),
        rankings=rankings,
        within=compare_within(best, runs, progress),
        unshared=unshared_splits(best, runs),
    )


def _rule(runs: Sequence[FinishedRun]) -> str:
    """The split of the runs in words, all folds together."""
    rule = str(runs[0].report["split"])
    folds = {run.planned.replicate[1] for run in runs}
    return re.sub(r"fold \d+ of (\d+)", r"\1 folds", rule) if len(folds) > 1 else rule


def _summary(row: Row, split: str, planned: int, runs: Sequence[FinishedRun]) -> RowSummary:
    for run in runs:
        if [entry["id"] for entry in run.report["classes"]] != [entry["id"] for entry in runs[0].report["classes"]]:
            raise SceneFileError(f"{run.folder}: its classes are not those of {runs[0].folder}: remove it")
    by_class = [[run.report["classes"][i] for run in runs] for i in range(len(runs[0].report["classes"]))]
    return RowSummary(
        name=row.name,
        published=row.published if row.published and row.published.split in (None, split) else None,
        planned=planned,
        runs=len(runs),
        measures={key: spread(run.report[key] for run in runs) for key in MEASURES},
        classes=tuple(
            ClassSpread(one[0]["id"], one[0]["name"], spread(entry["producers_accuracy"] for entry in one))
            for one in by_class
        ),
        leak_free=spread(run.audit.get("leak_free_accuracy") for run in runs),
        seconds={key: spread(run.seconds[key] for run in runs) for key in ("train", "total")},
        parameters=runs[0].record.get("parameters"),
        multiply_adds=runs[0].multiply_adds,
        weight_bytes=runs[0].record.get("weight_bytes"),
        pixel_seconds=spread(run.pixel_seconds for run in runs),
        finished=tuple(runs),
    )
