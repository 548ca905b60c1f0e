"""``hsi denoise``: a scene with less noise, and how much it helped."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from hsi.settings import LABEL_INPUTS, InputSettings

from .cli_support.completion import COMPLETED
from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi denoise scene.hdr --method dncnn --out clean.hdr
  hsi denoise scene.hdr --method mnf --components 20 \\
      --bands noisiest:20 --out clean.tif
"""


@click.command("denoise", cls=Command, epilog=EPILOG)
@click.argument("scene_paths", metavar="SCENE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--method", required=True, shell_complete=COMPLETED["denoising.method"],
    help="dncnn (a network that is trained on the scene's cleanest bands), mnf (the components of least signal over "
    "noise are left out) or tv (total variation).",
)  # fmt: skip
@click.option("--bands", help="Bands to clean, counted from 1: all, noisiest:20, or 104-108,220. [default: all]")
@click.option("--stack", type=int, help="dncnn: neighbouring bands that are cleaned together, odd. [default: 5]")
@click.option("--steps", type=int, help="dncnn: steps of its training. [default: 800]")
@click.option("--components", type=int, help="mnf: components to keep. [default: those with more signal than noise]")
@click.option("--strength", type=float, help="tv: times the estimated noise of each band. [default: 0.5]")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The cube to write: .hdr (ENVI) or .tif.")
@click.option("--overwrite", is_flag=True, help="Replace a cube that hsi wrote there.")
@click.option("--max-memory", help="Most memory to use, such as 1GB. [default: half of what is free]")
@click.option(
    "--device", shell_complete=COMPLETED["device"], help="dncnn: auto, cpu, cuda, cuda:1 or mps. [default: auto]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides training and the noise it is judged by.")
@partial(input_options, without={*LABEL_INPUTS, "drop_bands", "drop_wavelengths"})
def command(scene_paths: tuple[Path, ...], inputs: InputSettings, **options: Any) -> None:
    """Write SCENE with less noise: the same size, bands, wavelengths, place and kind of numbers.

    Bands that are not chosen, those that the file marks as bad and pixels without data stay as they are, to the bit.
    With the cube come a record (.json) and a report (.html) with bands before and after, and PSNR, SSIM and spectral
    angle on noise that was added and is known.
    """
    from hsi.workflows.denoise import denoise

    reading, words = inputs.model_dump(exclude_unset=True), ["hsi", *sys.argv[1:]]
    result = denoise(scene_paths, command=words, **options, **reading)
    seconds, report = result.record["seconds"], result.files[-1]
    say("speed", f"learned in {seconds['learn']:.1f} s, written in {seconds['write']:.1f} s")
    say("written", *map(str, result.files))
    say("open", f"{report} in a browser, or {result.scene.source} in QGIS")
