"""``hsi classify``: from a cube and labels to a map and an accuracy table."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hsi.settings import InputSettings, OutputSettings, RunSettings, load_settings

from .cli_support.help import Command
from .cli_support.options import VECTOR, input_options, output_options, resume_option, setting_options
from .cli_support.results import show_accuracy, show_written

EPILOG = """\b
Examples:
  hsi classify data/indian_pines.mat --model hybridsn-se
  hsi classify data/indian_pines.mat --model hybridsn-cbam --train 10% \\
      --lr-schedule step --seed 3 --out runs/try3
  hsi classify cube.hdr --labels truth.tif --split blocks --window 15
  hsi classify cube.hdr --labels truth.tif --split kfold-polygons --fold 1
  hsi classify cube.hdr --labels truth.tif --split given:runs/old/split.tif
"""


@click.command("classify", cls=Command, epilog=EPILOG)
@click.argument("scene_paths", metavar="SCENE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@input_options
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: runs/SCENE/MODEL-SPLIT-seedN]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--figures/--no-figures", default=True, help="Draw the figures; 'hsi plot' can later.")
@click.option("--vector", type=click.Path(path_type=Path), metavar="FILE", help=VECTOR)
@output_options
@resume_option
@setting_options
def command(
    scene_paths: tuple[Path, ...],
    inputs: InputSettings,
    config: Path | None,
    overrides: Mapping[str, Any],
    run_settings: RunSettings,
    out: Path | None,
    overwrite: bool,
    figures: bool,
    vector: Path | None,
    outputs: OutputSettings,
    resume: bool,
) -> None:
    """Train on labelled pixels of SCENE, map all of it, and report accuracy on the pixels left for testing.

    Several SCENEs are the bands or the tiles of one scene, as a folder of bands is. Labels are looked for in the same
    file, then in a sibling *_gt file.
    """
    from hsi.workflows.classify import requested, run_classification, run_name
    from hsi.workflows.inputs import input_files, name_scene, read_inputs

    settings = load_settings(config, overrides)
    out = out or Path("runs") / name_scene(scene_paths) / run_name(settings)
    classified, _ = run_classification(
        lambda: read_inputs(scene_paths, inputs.labels, inputs), settings, out, ["hsi", *sys.argv[1:]],
        asked=requested(settings, inputs), overwrite=overwrite, resume=resume, figures=figures, polygons=vector,
        stac=outputs.stac, sources=input_files(scene_paths, inputs), **run_settings.model_dump(),
    )  # fmt: skip
    show_accuracy(classified.accuracy)
    show_written(out, vector)
