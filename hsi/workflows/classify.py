"""The whole flow, from inputs to a complete run in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.core.events import progress
from hsi.core.reading_options import LabelOptions, SceneOptions
from hsi.workflows.comparators import map_with_comparator
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import split_labels
from hsi.workflows.html import write_run_report
from hsi.workflows.inputs import Inputs
from hsi.workflows.mapped import Mapped, map_with_network
from hsi.workflows.outputs import areas_of, calibration_of, describe_run, write_report
from hsi.workflows.provenance import Stopwatch
from hsi.workflows.resolve import is_comparator
from hsi.workflows.resume import Keeping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.core.labels import LabelMap
    from hsi.settings import Settings
    from hsi.splits import Split


@dataclass(frozen=True)
class Assessed:
    """A scene that is mapped and whose map ``(H, W)`` of class ids was compared with the test pixels."""

    inputs: Inputs
    mapped: Mapped
    ids: NDArray[Any]
    report: dict[str, Any]


def classify(
    inputs: Inputs,
    settings: Settings,
    keeping: Keeping,
    watch: Stopwatch,
    command: Sequence[str],
    asked: Mapping[str, Any],
    figures: bool = True,
) -> dict[str, Any]:
    """The whole flow from a split to the complete files of a run; returns the accuracy report.

    ``asked`` is what the record tells of what was asked for, see :func:`asked_for`; without ``figures`` none are drawn.
    """
    folder = keeping.work.files
    assessed = map_and_assess(inputs, settings, folder, watch, keeping=keeping)
    write_run(assessed, folder, watch, command, asked, figures)
    return assessed.report


def map_and_assess(
    inputs: Inputs,
    settings: Settings,
    folder: Path,
    watch: Stopwatch,
    probabilities: bool = False,
    keeping: Keeping | None = None,
) -> Assessed:
    """Denoise if asked to, split, train, write the map and its confidence (and probabilities) into ``folder``, and
    measure accuracy.

    What can be gone on with is kept where ``keeping`` says.
    Raises :class:`UsageError` for probabilities of a comparator, which keeps only the largest.
    """
    from hsi.errors import UsageError
    from hsi.io.geotiff import read_classes

    if probabilities and is_comparator(settings):
        raise UsageError(f"{settings.model.name} is a comparator, which keeps no probabilities: leave them out")
    inputs = denoise_inputs(inputs, settings, watch, folder)
    split = split_labels(inputs, settings)
    if is_comparator(settings):
        mapped = map_with_comparator(inputs, settings, split, folder, watch)
    else:
        mapped = map_with_network(inputs, settings, split, folder, watch, probabilities, keeping)
    with watch.stage("assess"), progress("assess"):
        ids = read_classes(folder / "map.tif")
        report = assess(inputs.labels, split, ids, mapped.settings) | {"areas": areas_of(mapped.summary)}
        report["calibration"] = calibration_of(ids == inputs.labels.values, split.test, folder / "confidence.tif")
    return Assessed(inputs, mapped, ids, report)


def write_run(
    assessed: Assessed,
    folder: Path,
    watch: Stopwatch,
    command: Sequence[str],
    asked: Mapping[str, Any] | None = None,
    figures: bool = True,
) -> dict[str, Any]:
    """Write the model, the report and ``run.json`` beside the map; returns what the last one says."""
    from hsi.inference.model_file import save_bundle

    mapped = assessed.mapped
    with watch.stage("write"):
        if mapped.bundle:
            save_bundle(folder / "model.safetensors", mapped.bundle)
        spectra = write_report(folder, assessed.inputs, mapped, assessed.report, figures)
    record = describe_run(assessed.inputs, mapped, watch, command)
    if asked is not None:
        record["asked"] = dict(asked)
    with watch.stage("report"):
        write_run_report(folder, assessed.inputs, mapped, assessed.report, record, spectra)
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def asked_for(settings: Settings, scene: SceneOptions, labels: LabelOptions) -> dict[str, Any]:
    """What a run is asked for, as plain values and before anything is settled: enough for ``hsi rerun``."""
    plain = {
        kind: {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
        for kind, options in (("scene", scene), ("labels", labels))
    }
    return {"settings": settings.model_dump(mode="json", exclude_unset=True), **plain}


def run_name(settings: Settings) -> str:
    """What a run's folder is called when nobody says: model, split (unless random), fold and seed."""
    split = settings.split
    rule = [] if split.rule == "random" else [split.rule]
    fold = [] if split.fold is None else [f"fold{split.fold}"]
    return "-".join([settings.model.name, *rule, *fold, f"seed{settings.seed}"])


def assess(labels: LabelMap, split: Split, ids: NDArray[Any], settings: Settings) -> dict[str, Any]:
    """Accuracy of mapped class ids ``(H, W)`` on test pixels and the leakage audit, as one report."""
    from hsi.accuracy.leakage import audit_split
    from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
    from hsi.core.labels import codes_of

    truth, predicted, test = labels.codes(), codes_of(ids, labels.table), split.test
    confusion = confusion_matrix(truth[test], predicted[test], len(labels.table))
    training = [part.train for part in split.counts(labels).values()]
    report = measure_accuracy(confusion, labels.table, training).to_dict()
    audit = audit_split(split.train, test, truth, max(settings.model.windows), predicted) if test.any() else None
    return {
        "model": settings.model.name,
        "seed": settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        "split_notes": [*split.notes, *split.warnings],
        **report,
        "audit": audit.to_dict() if audit else None,
    }
