"""``hsi train``: a model file from a scene and labels, to map other scenes with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hsi.settings import InputSettings, RunSettings
from hsi.workflows.classify import refuse_to_train
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import FittedRun, check_names, fit, repeatable, split_labels
from hsi.workflows.inputs import read_inputs
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import resolve_settings
from hsi.workflows.resume import CheckpointPolicy
from hsi.workflows.run_folder import check_free_file, check_unfinished, unfinished_files

from .cli_support.help import Command
from .cli_support.options import input_options, resume_option, setting_options
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi train scene.tif --labels landcover.tif --out model.safetensors
  hsi train scene.hdr --labels fields.gpkg --label-field crop \\
      --model hybridsn-se --val 10% --out crops.safetensors
"""


@click.command("train", cls=Command, epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@input_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The model file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a model file of that name.")
@resume_option
@setting_options
def command(
    scene_path: Path,
    inputs: InputSettings,
    config: Path | None,
    overrides: Mapping[str, Any],
    run_settings: RunSettings,
    out: Path,
    overwrite: bool,
    resume: bool,
) -> None:
    """Train on the labelled pixels of SCENE and save the model, without a map.

    All labelled pixels train unless --train or --split says otherwise; what they leave is used for nothing. To know
    how good a model is, use 'hsi classify', or 'hsi evaluate' its map against other labels.
    """
    from hsi.settings import load_settings

    settings = load_settings(config, overrides)
    if not settings.split.model_fields_set & {"train", "rule"}:
        settings = load_settings(config, {**overrides, "split.rule": "all"})
    check_free_file(out, overwrite)
    check_unfinished(out, out, resume, overwrite)
    refuse_to_train(settings)
    settings = resolve_settings(settings)
    check_names(settings)
    opened = read_inputs(scene_path, inputs)
    watch = StageTimer()
    with (
        unfinished_files(out, resume=resume, overwrite=overwrite) as work,
        repeatable(settings),
    ):
        opened = denoise_inputs(opened, settings, watch, work.files)
        run = fit(
            opened,
            settings,
            split_labels(opened, settings),
            watch,
            CheckpointPolicy(work, run_settings.checkpoint_seconds),
        )
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
