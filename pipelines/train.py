"""``hsi train``: a model file from a scene and labels, to map other scenes with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from hsi.settings import InputSettings, OutputSettings, RunSettings, load_settings

from .cli_support.options import input_options, output_options, resume_option, setting_options
from .cli_support.results import show_scenes
from .cli_support.several import CommandOfScenes, several_labels
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi train scene.tif --labels landcover.tif --out model.safetensors
  hsi train scene.hdr --labels fields.gpkg --label-field crop \\
      --model hybridsn-se --val 10% --out crops.safetensors
  hsi train a.hdr b.hdr --labels a.gpkg b.gpkg --out both.safetensors
  hsi train scenes.yaml --split kfold-scenes --out all.safetensors
"""


@click.command("train", cls=CommandOfScenes, epilog=EPILOG)
@click.argument("scene_paths", metavar="SCENE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@several_labels
@partial(input_options, without=("labels",))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The model file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a model that hsi wrote there.")
@output_options
@resume_option
@partial(setting_options, without=("mapping.min_area",))
def command(
    scene_paths: tuple[Path, ...],
    labels: tuple[Path, ...],
    inputs: InputSettings,
    config: Path | None,
    overrides: Mapping[str, Any],
    run_settings: RunSettings,
    out: Path,
    overwrite: bool,
    outputs: OutputSettings,
    resume: bool,
) -> None:
    """Train on the labelled pixels of SCENE and save the model, without a map.

    All labelled pixels train unless --train or --split says otherwise; what they leave is used for nothing. To know
    how good a model is, use 'hsi classify', or 'hsi evaluate' its map against other labels.

    Several scenes with as many --labels, or a YAML list of them, train one model. --split scenes[:NAME] then tests it
    on complete scenes, and --split kfold-scenes on each in turn.
    """
    from hsi.collection.scenes import find_scenes
    from hsi.collection.train import train_scenes
    from hsi.workflows.inputs import input_files, read_inputs
    from hsi.workflows.train import train_model

    settings = load_settings(config, overrides)
    how: dict[str, Any] = {
        "overwrite": overwrite,
        "resume": resume,
        **run_settings.model_dump(),
        **outputs.model_dump(),
    }
    if scenes := find_scenes(scene_paths, labels, inputs):
        result = train_scenes(scenes, settings, out, **how)
        trained, timer = result.model, result.timer
        show_scenes(result)
    else:
        inputs = inputs.model_copy(update={"labels": labels[0] if labels else None})
        trained, timer = train_model(
            lambda: read_inputs(scene_paths, inputs.labels, inputs), settings, out,
            sources=input_files(scene_paths, inputs), **how,
        )  # fmt: skip
    if trained is None:
        return
    last = trained.trained.history[trained.trained.epoch - 1]
    seconds, accuracy = timer.seconds["train"], f"accuracy on training pixels {last.accuracy:.2%}"
    say("trained", f"{seconds:.0f} s, loss {last.loss:.4f}, {accuracy}")
    say("written", str(out))
    say("next", f"hsi predict {out} SCENE --out map.tif")
