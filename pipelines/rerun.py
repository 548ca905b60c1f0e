"""``hsi rerun``: repeat a finished run, and say whether the result is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .cli_support.help import Command
from .cli_support.options import resume_option
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi rerun runs/demo
  hsi rerun runs/demo --scene elsewhere/indian_pines.mat --out /tmp/again
"""


@click.command("rerun", cls=Command, epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new run. [default: RUN-rerun]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--scene", type=click.Path(path_type=Path), help="The file of the scene, if it has moved.")
@click.option("--labels", type=click.Path(path_type=Path), help="The file of the labels, if it has moved.")
@resume_option
def command(
    run: Path,
    out: Path | None,
    overwrite: bool,
    scene: Path | None,
    labels: Path | None,
    resume: bool,
) -> None:
    """Repeat the run in the folder RUN from its run.json, and say whether the result is the same.

    The exit code is 1 if it is not. Versions, machine and input files that have changed are listed before the run,
    since they explain most differences.
    """
    from hsi.experiments.rerun import rerun

    out = out or run.with_name(f"{run.name}-rerun")
    command = ["hsi", *sys.argv[1:]]
    rerun(run, out, scene=scene, labels=labels, overwrite=overwrite, resume=resume, command=command)
    say("reproduced", f"{run}, in {out}")
