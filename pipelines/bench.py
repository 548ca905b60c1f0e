"""``hsi bench``: how fast this machine trains and maps, beside the conventional way and the machine's own limits."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from .cli_support.help import Command
from .cli_support.terminal import say, show_text

VARIANTS = "hybridsn,hybridsn-bn,hybridsn-se,hybridsn-cbam"
EPILOG = """\b
Examples:
  hsi bench
  hsi bench data/indian_pines.mat --models hybridsn-bn --out bench.json
"""


@click.command("bench", cls=Command, epilog=EPILOG)
@click.argument("scene", type=click.Path(path_type=Path), required=False)
@click.option("--models", default=VARIANTS, show_default=True, help="HybridSN variants to map with.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Runs behind each median.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Rows that are mapped the conventional way, to be scaled up to all.",
)
@click.option("--large", type=click.IntRange(64), default=1024, show_default=True, help="Side of the large scene.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures there as JSON, and beside it as .md.")
@click.option("--overwrite", is_flag=True, help="Replace earlier figures.")
def command(
    scene: Path | None, models: str, repeats: int, rows: int, large: int, device: str, out: Path | None,
    overwrite: bool,
) -> None:  # fmt: skip
    """Measure mapping, training, commands and memory on SCENE, or on a generated one as large as Indian Pines.

    The conventional way takes patches in batches through the whole network, as other tools do. All figures are of one
    run: medians after a warm-up, and ratios between them. It takes some ten minutes on two cores.
    """
    from hsi.workflows.run_folder import check_free_file

    from .bench_tables import to_markdown
    from .benching import Sizes, check_models, measure

    names = check_models(models)
    if out is not None:
        for path in (out, out.with_suffix(".md")):
            check_free_file(path, overwrite)
    with tempfile.TemporaryDirectory(prefix="hsi-bench-") as scratch:
        sizes = Sizes(repeats=repeats, rows=rows, large=large)
        record = measure(scene, names, sizes, device=device, scratch=Path(scratch))
    text = to_markdown(record)
    show_text(text)
    if out is not None:
        write_both(out, record, text)
        say("written", f"{out} and {out.with_suffix('.md')}")


def write_both(out: Path, record: dict[str, Any], text: str) -> None:
    """The record as JSON and its tables as Markdown, each complete or not there."""
    from hsi.core.files import write_atomically

    out.parent.mkdir(parents=True, exist_ok=True)
    for path, content in ((out, json.dumps(record, indent=2) + "\n"), (out.with_suffix(".md"), text)):
        with write_atomically(path) as part:
            part.write_text(content, encoding="utf-8")
