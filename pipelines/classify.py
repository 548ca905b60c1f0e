"""``hsi classify``: from a cube and labels to a map and an accuracy table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .input_options import LabelOptions, SceneOptions, label_options, scene_options
from .inputs import Inputs, read_inputs
from .options import overrides_of, setting_options
from .outputs import describe_run, show_accuracy, show_written, write_rasters, write_report
from .record import Stopwatch, hash_files
from .run_folder import check_free, run_folder
from .terminal import progress, say, warn

if TYPE_CHECKING:
    from hsi.config import Settings
    from hsi.inference import Prediction
    from hsi.labels import LabelMap
    from hsi.scene import Scene
    from hsi.splits import Split
    from hsi.training import Epoch, Trainer

EPILOG = """\b
Examples:
  hsi classify data/indian_pines.mat --model hybridsn-se
  hsi classify data/indian_pines.mat --model hybridsn-cbam --lr-schedule step \\
      --train 10% --seed 3 --out runs/try3
  hsi classify cube.hdr --labels truth.tif --train 50 --val 5%
"""


@click.command("classify", epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@label_options
@scene_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings as YAML; options given here win over it.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/SCENE/MODEL-seedN]")
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
    out = out or Path("runs") / scene_path.stem / f"{settings.model.name}-seed{settings.seed}"
    check_free(out, overwrite)
    watch = Stopwatch()
    with watch.stage("import"):
        check_names(settings)
    with watch.stage("read"):
        inputs = read_inputs(scene_path, scene_options, label_options)
    with run_folder(out, overwrite) as folder:
        report = classify(inputs, settings, folder, watch)
    show_accuracy(report)
    show_written(out)


def classify(inputs: Inputs, settings: Settings, folder: Path, watch: Stopwatch) -> dict[str, Any]:
    """The whole flow from a split to a complete run in ``folder``; returns the accuracy report."""
    scene, labels = inputs.scene, inputs.labels
    split = split_labels(labels, settings)
    from hsi.bundle import Bundle, save_bundle
    from hsi.devices import resolve_device
    from hsi.inference import map_scene
    from hsi.models import build_model
    from hsi.reducers import fit_reducer, reduce_scene
    from hsi.training import Trainer

    device = resolve_device(settings.device)
    check_window(settings.model.window, scene)
    with watch.stage("reduce"), progress("reduce", "rows") as advance:
        reducer = fit_reducer(scene, settings.reducer, inputs.survey.valid, advance)
        components = reduce_scene(scene, reducer, inputs.survey.valid, advance)
    model = build_model(
        settings.model.name,
        components=reducer.components,
        window=settings.model.window,
        classes=len(labels.table),
        seed=settings.seed,
    )
    trainer = Trainer(
        model, components, labels.codes(), split.train, split.validation, settings.training,
        device=device, seed=settings.seed,
    )  # fmt: skip
    say(
        "reducer",
        f"{reducer.describe()}; fitted on all {np.count_nonzero(inputs.survey.valid):,} valid pixels, labelled or not",
    )
    say_plan(settings, trainer)
    with watch.stage("train"), progress("train", "epochs") as advance:
        fitted = trainer.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)))
    with watch.stage("map"), progress("map", "pixels") as advance:
        prediction = map_scene(model, components, device=device, engine=fitted.recipe.engine, progress=advance)
    with watch.stage("assess"):
        report = assess(labels, split, prediction, settings)
    with watch.stage("write"):
        hashes = hash_files([scene.source, labels.source])
        write_rasters(folder, inputs, split, prediction)
        write_report(folder, inputs, split, prediction, fitted, report)
        bundle = Bundle(model, reducer, labels.table, settings, scene.bands, scene.wavelengths, hashes)
        save_bundle(folder / "model.safetensors", bundle)
    record = describe_run(inputs, settings, split, fitted, reducer, watch, hashes)
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return report


def split_labels(labels: LabelMap, settings: Settings) -> Split:
    """Make the split and say its sizes and warnings."""
    from hsi.splits import make_split, parse_amount

    wanted = settings.split
    validation = parse_amount(wanted.validation) if wanted.validation else None
    split = make_split(
        labels, rule=wanted.rule, train=parse_amount(wanted.train), validation=validation, seed=settings.seed
    )
    sizes = {"training": split.train, "validation": split.validation, "test": split.test}
    listed = ", ".join(f"{int(mask.sum()):,} {name}" for name, mask in sizes.items() if mask.any())
    say("split", f"{split.rule}, seed {settings.seed}: {listed} pixels")
    for warning in split.warnings:
        warn(warning)
    return split


def check_names(settings: Settings) -> None:
    """Raise :class:`UsageError` for a model, reducer, rule, amount or device that does not exist, before any work."""
    from hsi.devices import resolve_device
    from hsi.models import MODELS
    from hsi.reducers import REDUCERS
    from hsi.splits import SPLITS, parse_amount

    _ = MODELS[settings.model.name], REDUCERS[settings.reducer.name], SPLITS[settings.split.rule]
    for amount in (settings.split.train, settings.split.validation):
        if amount is not None:
            parse_amount(amount)
    resolve_device(settings.device)


def check_window(window: int, scene: Scene) -> None:
    """Raise :class:`UsageError` for a window that is larger than the scene."""
    from hsi.errors import UsageError

    if window > max(scene.height, scene.width):
        size = f"{scene.height} x {scene.width} pixels"
        raise UsageError(f"--window is {window}, larger than the scene of {size}: try a smaller one")


def say_plan(settings: Settings, trainer: Trainer) -> None:
    """Print what will be trained, how and where."""
    from hsi.devices import describe_device
    from hsi.models import count_parameters

    recipe, model = trainer.recipe, trainer.model
    say("model", f"{settings.model.name}: {count_parameters(model):,} parameters, window {model.window}")
    number = "bfloat16" if recipe.bfloat16 else "float32"
    say("training", f"{recipe.engine} engine, {number}, on {describe_device(trainer.device)}")
    say("", f"{recipe.epochs} epochs of {recipe.steps // recipe.epochs} steps, {recipe.optimiser}, "
            f"{recipe.lr_schedule} learning rate up to {recipe.lr:g}")  # fmt: skip


def epoch_note(epoch: Epoch) -> str:
    """Loss and accuracy for the progress bar."""
    note = f"loss {epoch.loss:.3f} accuracy {epoch.accuracy:.1%}"
    return note if epoch.validation_accuracy is None else f"{note} validation {epoch.validation_accuracy:.1%}"


def assess(labels: LabelMap, split: Split, prediction: Prediction, settings: Settings) -> dict[str, Any]:
    """Accuracy on test pixels and the leakage audit, as one report."""
    from hsi.audit import audit_split
    from hsi.metrics import confusion_matrix, measure_accuracy

    codes, test = labels.codes(), split.test
    confusion = confusion_matrix(codes[test], prediction.codes[test], len(labels.table))
    training = [part.train for part in split.counts(labels).values()]
    report = measure_accuracy(confusion, labels.table, training).to_dict()
    audit = audit_split(split.train, test, codes, settings.model.window, prediction.codes) if test.any() else None
    return {
        "model": settings.model.name,
        "seed": settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        **report,
        "audit": audit.to_dict() if audit else None,
    }
