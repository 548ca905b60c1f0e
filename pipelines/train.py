"""``hsi train``: a model file from a scene and labels, to map other scenes with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsi.workflows.classify import refuse_to_train
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import FittedRun, check_names, fit, repeatable, split_labels
from hsi.workflows.inputs import read_inputs
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import resolve_settings
from hsi.workflows.resume import CheckpointPolicy
from hsi.workflows.run_folder import check_free_file, check_unfinished, unfinished_files

from .cli_support.help import Command
from .cli_support.input_options import LabelOptions, SceneOptions, label_options, scene_options
from .cli_support.options import overrides_of, resume_options, setting_options
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi train scene.tif --labels landcover.tif --out model.safetensors
  hsi train scene.hdr --labels fields.gpkg --label-field crop \\
      --model hybridsn-se --val 10% --out crops.safetensors
"""


@click.command("train", cls=Command, epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@label_options
@scene_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings as YAML; options given here win over it.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The model file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a model file of that name.")
@resume_options
@setting_options
def command(
    scene_path: Path,
    label_options: LabelOptions,
    scene_options: SceneOptions,
    config: Path | None,
    out: Path,
    overwrite: bool,
    resume: bool,
    checkpoint_every: float,
    **options: Any,
) -> None:
    """Train on the labelled pixels of SCENE and save the model, without a map.

    All labelled pixels train unless --train or --split says otherwise; what they leave is used for nothing. To know
    how good a model is, use 'hsi classify', or 'hsi evaluate' its map against other labels.
    """
    from hsi.settings import load_settings

    overrides = overrides_of(options)
    settings = load_settings(config, overrides)
    if not settings.split.model_fields_set & {"train", "rule"}:
        settings = load_settings(config, overrides | {"split.rule": "all"})
    check_free_file(out, overwrite)
    check_unfinished(out, out, resume, overwrite)
    refuse_to_train(settings)
    settings = resolve_settings(settings)
    check_names(settings)
    inputs = read_inputs(scene_path, scene_options, label_options)
    watch = StageTimer()
    with (
        unfinished_files(out, resume=resume, overwrite=overwrite) as work,
        repeatable(settings),
    ):
        inputs = denoise_inputs(inputs, settings, watch, work.files)
        run = fit(inputs, settings, split_labels(inputs, settings), watch, CheckpointPolicy(work, checkpoint_every))
        save(work.files / out.name, run)
    last = run.fitted.history[run.fitted.epoch - 1]
    say(
        "trained",
        f"{watch.seconds['train']:.0f} s, loss {last.loss:.4f}, accuracy on training pixels {last.accuracy:.2%}",
    )
    say("written", str(out))
    say("next", f"hsi predict {out} SCENE --out map.tif")


def save(out: Path, run: FittedRun) -> None:
    """Write the model file whole or not at all; raises :class:`OutputError`."""
    from hsi.core.files import write_atomically
    from hsi.inference.model_file import save_model

    with write_atomically(out) as part:
        save_model(part, run.bundle)
