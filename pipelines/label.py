"""``hsi label``: draw labels on a scene in the browser, and see the map at once."""

from __future__ import annotations

from pathlib import Path

import click

from hsi.settings import InputSettings

from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import say

EPILOG = """\b
Examples:
  hsi label scene.hdr
  hsi label scene.hdr --labels training.gpkg --label-field landcover
  hsi label data/indian_pines.mat --no-browser --port 8080
"""


@click.command("label", cls=Command, epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@input_options
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port. [default: any free one]")
@click.option("--max-memory", help="Most memory of the page and of training, each. [default: half of what is free]")
def command(scene_path: Path, inputs: InputSettings, browser: bool, port: int, max_memory: str | None) -> None:
    """Draw labels on SCENE in the browser and see the map of all of it at once.

    Labels are saved after each change to --labels FILE, a GeoPackage that 'hsi classify' reads, by default
    SCENE_labels.gpkg next to the scene. The page is served to this computer alone; it ends with its button Finish, or
    with Ctrl-C.
    """
    from hsi.labelling.server import check_installed

    check_installed()
    from hsi.labelling.run import label_scene

    outcome = label_scene(
        scene_path, inputs, browser=browser, port=port, max_memory=max_memory,
        opened=lambda address: say("open", address),
    )  # fmt: skip
    say("labels", str(outcome.labels))
    if outcome.folder:
        say("written", str(outcome.folder))
        say("again", *outcome.commands)
