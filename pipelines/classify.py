"""``hsi classify``: from a cube and labels to a map and an accuracy table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .comparators import map_with_comparator
from .fitting import check_names, split_labels
from .input_options import LabelOptions, SceneOptions, label_options, scene_options
from .inputs import Inputs, read_inputs
from .mapped import map_with_network
from .options import overrides_of, setting_options
from .outputs import areas_of, calibration_of, describe_run, show_accuracy, show_written, write_report
from .record import Stopwatch
from .run_folder import check_free, run_folder
from .settling import is_comparator, settle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.config import Settings
    from hsi.labels import LabelMap
    from hsi.splits import Split

EPILOG = """\b
Examples:
  hsi classify data/indian_pines.mat --model hybridsn-se
  hsi classify data/indian_pines.mat --model hybridsn-cbam --train 10% \\
      --lr-schedule step --seed 3 --out runs/try3
  hsi classify data/indian_pines.mat --model svm --train 10%
  hsi classify cube.hdr --labels truth.tif --train 50 --val 5%
  hsi classify cube.hdr --labels truth.tif --split blocks --window 15
  hsi classify cube.hdr --labels truth.tif --split kfold-polygons --fold 1
  hsi classify cube.hdr --labels truth.tif --split given:runs/old/split.tif
"""


@click.command("classify", epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@label_options
@scene_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings as YAML; options given here win over it.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/SCENE/MODEL-SPLIT-seedN]"
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@setting_options
def command(
    scene_path: Path,
    label_options: LabelOptions,
    scene_options: SceneOptions,
    config: Path | None,
    out: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train on labelled pixels of SCENE, map all of it, and report accuracy on the pixels left for testing.

    SCENE is a .mat, .npy or .npz file, an ENVI header or a GeoTIFF. Labels are looked for in the same file, then in
    a sibling *_gt file.
    """
    from hsi.config import load_settings

    settings = load_settings(config, overrides_of(options))
    out = out or Path("runs") / scene_path.stem / run_name(settings)
    check_free(out, overwrite)
    watch = Stopwatch()
    with watch.stage("import"):
        settings = settle(settings)
        check_names(settings)
    with watch.stage("read"):
        inputs = read_inputs(scene_path, scene_options, label_options)
    with run_folder(out, overwrite) as folder:
        report = classify(inputs, settings, folder, watch)
    show_accuracy(report)
    show_written(out)


def classify(inputs: Inputs, settings: Settings, folder: Path, watch: Stopwatch) -> dict[str, Any]:
    """The whole flow from a split to a complete run in ``folder``; returns the accuracy report."""
    from hsi.bundle import save_bundle
    from hsi.rasters import read_classes

    split = split_labels(inputs, settings)
    map_scene = map_with_comparator if is_comparator(settings) else map_with_network
    mapped = map_scene(inputs, settings, split, folder, watch)
    with watch.stage("assess"):
        ids = read_classes(folder / "map.tif")
        report = assess(inputs.labels, split, ids, mapped.settings) | {"areas": areas_of(mapped.summary)}
        report["calibration"] = calibration_of(ids == inputs.labels.values, split.test, folder / "confidence.tif")
    with watch.stage("write"):
        if mapped.bundle:
            save_bundle(folder / "model.safetensors", mapped.bundle)
        write_report(folder, inputs, mapped, ids, report)
    record = describe_run(inputs, mapped, watch)
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return report


def run_name(settings: Settings) -> str:
    """What a run's folder is called when nobody says: model, split (unless random), fold and seed."""
    split = settings.split
    rule = [] if split.rule == "random" else [split.rule]
    fold = [] if split.fold is None else [f"fold{split.fold}"]
    return "-".join([settings.model.name, *rule, *fold, f"seed{settings.seed}"])


def assess(labels: LabelMap, split: Split, ids: NDArray[Any], settings: Settings) -> dict[str, Any]:
    """Accuracy of mapped class ids ``(H, W)`` on test pixels and the leakage audit, as one report."""
    from hsi.audit import audit_split
    from hsi.labels import codes_of
    from hsi.metrics import confusion_matrix, measure_accuracy

    truth, predicted, test = labels.codes(), codes_of(ids, labels.table), split.test
    confusion = confusion_matrix(truth[test], predicted[test], len(labels.table))
    training = [part.train for part in split.counts(labels).values()]
    report = measure_accuracy(confusion, labels.table, training).to_dict()
    window = settings.model.window
    assert window is not None, "settled"
    audit = audit_split(split.train, test, truth, window, predicted) if test.any() else None
    return {
        "model": settings.model.name,
        "seed": settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        "split_notes": [*split.notes, *split.warnings],
        **report,
        "audit": audit.to_dict() if audit else None,
    }
