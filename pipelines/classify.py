"""``hsi classify``: from a cube and labels to a map and an accuracy table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hsi.workflows.classify import asked_for, classify, run_name
from hsi.workflows.fit import check_names, repeatable
from hsi.workflows.inputs import read_inputs
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import detail_settings, resolve_settings
from hsi.workflows.resume import CheckpointPolicy
from hsi.workflows.run_folder import check_free, run_folder

from .cli_support.help import Command
from .cli_support.input_options import LabelOptions, SceneOptions, label_options, scene_options
from .cli_support.options import overrides_of, resume_options, setting_options
from .cli_support.results import show_accuracy, show_written

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


@click.command("classify", cls=Command, epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@label_options
@scene_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings as YAML; options given here win over it.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/SCENE/MODEL-SPLIT-seedN]"
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option(
    "--figures/--no-figures", default=True, help="Draw the figures. 'hsi plot' can do so later.", show_default=True
)
@resume_options
@setting_options
def command(
    scene_path: Path,
    label_options: LabelOptions,
    scene_options: SceneOptions,
    config: Path | None,
    out: Path | None,
    overwrite: bool,
    figures: bool,
    resume: bool,
    checkpoint_every: float,
    **options: Any,
) -> None:
    """Train on labelled pixels of SCENE, map all of it, and report accuracy on the pixels left for testing.

    SCENE is a .mat, .npy or .npz file, an ENVI header or a GeoTIFF. Labels are looked for in the same file, then in
    a sibling *_gt file.
    """
    from hsi.settings import load_settings

    settings = load_settings(config, overrides_of(options))
    out = out or Path("runs") / scene_path.stem / run_name(settings)
    check_free(out, overwrite, resume)
    asked = asked_for(settings, scene_options, label_options)
    watch = StageTimer()
    with watch.stage("import"):
        settings = resolve_settings(settings)
        check_names(settings)
    detail_settings(settings)
    with watch.stage("read"):
        inputs = read_inputs(scene_path, scene_options, label_options)
    with (
        run_folder(out, overwrite, resume) as work,
        repeatable(settings),
    ):
        keeping, told = CheckpointPolicy(work, checkpoint_every), ["hsi", *sys.argv[1:]]
        report = classify(inputs, settings, keeping, watch, told, asked, figures)
    show_accuracy(report)
    show_written(out)
