"""Accuracy on scenes that did not train, of each and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.accuracy.calibration import measure_calibration
from hsi.accuracy.metrics import (
    OVERALL_METRICS,
    ConfusionMatrix,
    confusion_matrix,
    measure_accuracy,
    measure_overall,
)
from hsi.core.events import warning
from hsi.core.labels import ClassTable, codes_of
from hsi.errors import OutputError
from hsi.inference.map_files import MapSummary
from hsi.inference.training_pixels import runs_to_mask, training_pixels
from hsi.report.sections import percent
from hsi.report.tables import write_csv, write_tables
from hsi.splits import Split
from hsi.workflows.fit import Classifier
from hsi.workflows.inputs import Inputs
from hsi.workflows.outputs import areas_of

Report = dict[str, Any]
BY_CONSTRUCTION = "independent: no pixel of this scene trained, so no test window overlaps a training window"
OTHER_GROUND = "away_from_training"
SHORT = ("scene", *OVERALL_METRICS)


@dataclass(frozen=True, eq=False)
class HeldOutScene:
    """A scene that did not train: its name, the accuracy ``report`` and the confusion matrices of all test pixels and
    of those on other ground than the training pixels (None where all are, or nothing is known)."""

    name: str
    report: Report
    confusion: ConfusionMatrix
    elsewhere: ConfusionMatrix | None


def held_out_scenes(inputs: Inputs, split: Split) -> list[int]:
    """The numbers, from 0, of the scenes with test pixels."""
    return [number for number, (_, block) in enumerate(inputs.scenes()) if split.test[block.slices].any()]


def assess_scene(inputs: Inputs, number: int, split: Split, model: Classifier, mapped: MapSummary) -> HeldOutScene:
    """Accuracy of the map of one of the scenes on its test pixels, with an audit of the ground that they share with
    training pixels of other scenes. Warns where there is some."""
    part, block = inputs.scenes()[number]
    name, table, test = inputs.labels.scenes[number].name, part.labels.table, split.test[block.slices]
    truth, ids = part.labels.codes(), mapped.layers["map"]
    predicted = codes_of(ids, table)

    def count(pixels: NDArray[np.bool_]) -> ConfusionMatrix:
        return confusion_matrix(truth[pixels], predicted[pixels], len(table))

    confusion, shared = count(test), find_shared_ground(inputs, number, split)
    training = [counts.train for counts in split.counts(inputs.labels).values()]
    elsewhere, subsets, audit = None, {}, BY_CONSTRUCTION
    if shared is None:
        audit += "; the scenes have no place on the ground, by which to see whether they overlap"
    elif overlap := int(np.count_nonzero(shared & test)):
        elsewhere = count(test & ~shared)
        subsets = {OTHER_GROUND: {**measure_overall(elsewhere), "pixels": elsewhere.total}}
        audit = (
            f"not independent: {overlap:,} of {confusion.total:,} test pixels lie on ground that trained in another "
            f"scene; accuracy without them {percent(subsets[OTHER_GROUND]['overall_accuracy'])} %"
        )
        warning(f"{name}: {audit}")
    else:
        audit += ", and none of its test pixels lies on ground that trained in another scene"
    calibration = None
    if "confidence" in mapped.layers:
        right = (predicted == truth)[test]
        calibration = measure_calibration(mapped.layers["confidence"][0][test], right)
    report = {
        "scene": name,
        "model": model.settings.model.name,
        "seed": model.settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        "split_notes": [*split.notes, *split.warnings, f"Leakage audit: {audit}"],
        **measure_accuracy(confusion, table, training),
        "audit": None,
        "independence": audit,
        "subsets": subsets,
        "areas": areas_of(mapped),
        "calibration": calibration,
    }
    return HeldOutScene(name, report, confusion, elsewhere)


def find_shared_ground(inputs: Inputs, number: int, split: Split) -> NDArray[np.bool_] | None:
    """The pixels ``(H, W)`` of a scene that lie on training or validation pixels of another one.

    None where that is not known, for want of a place on the ground.
    """
    (held_out, _), used = inputs.scenes()[number], split.train | split.validation
    scene, found = held_out.scene, None
    for other, (part, block) in enumerate(inputs.scenes()):
        if other == number or not used[block.slices].any():
            continue
        runs = training_pixels(part.scene, used[block.slices]).runs_on(scene)
        if runs is not None:
            there = runs_to_mask(runs, (scene.height, scene.width))
            found = there if found is None else found | there
    return found


def pool_scenes(scenes: Sequence[HeldOutScene], table: ClassTable, notes: Sequence[str] = ()) -> Report:
    """The accuracy report of the test pixels of all held-out scenes together; ``scenes`` has each one in short."""
    first = scenes[0].report
    one_split = len({one.report["split_hash"] for one in scenes}) == 1
    training = [entry["train"] if one_split else None for entry in first["classes"]]
    subsets = {}
    if any(one.elsewhere for one in scenes):
        elsewhere = _sum([one.elsewhere or one.confusion for one in scenes])
        subsets = {OTHER_GROUND: {**measure_overall(elsewhere), "pixels": elsewhere.total}}
    rule = first["split"] if one_split else "kfold-scenes, each scene held out in turn"
    short = [{name: one.report[name] for name in SHORT} for one in scenes]
    for row, one in zip(short, scenes, strict=True):
        row["test"] = one.confusion.total
    return {
        "model": first["model"],
        "seed": first["seed"],
        "split": rule,
        "split_notes": [*notes, *(f"{one.name}: {one.report['independence']}" for one in scenes)],
        **measure_accuracy(_sum([one.confusion for one in scenes]), table, training),
        "audit": None,
        "subsets": subsets,
        "calibration": None,
        "scenes": short,
    }


def _sum(matrices: Sequence[ConfusionMatrix]) -> ConfusionMatrix:
    counts, unclassified = ([getattr(one, name) for one in matrices] for name in ("counts", "unclassified"))
    return ConfusionMatrix(np.sum(counts, axis=0), np.sum(unclassified, axis=0))


def write_accuracy(folder: Path, pooled: Report, scenes: Sequence[HeldOutScene]) -> None:
    """``accuracy.*`` of all held-out scenes together and, in a folder of its name, of each; and ``scenes.csv``, a row
    for each scene. Raises :class:`OutputError` for a folder that cannot be written to."""
    write_tables(folder, pooled)
    for one in scenes:
        write_tables(folder / one.name, one.report)
    try:
        (folder / "scenes.csv").write_text(write_csv((*SHORT, "test"), pooled["scenes"]), encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(f"{folder}: scenes.csv cannot be written ({error}); choose another folder") from error
