"""``python -m benchmarks.engines`` measures the engines and writes ``benchmarks/results/engines.json``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.engines.measure import VARIANTS, Sizes, measure
from benchmarks.engines.tables import to_markdown
from benchmarks.report import RESULTS, write_results


def parse_models(context: click.Context, option: click.Parameter, text: str) -> list[str]:
    """Names of HybridSN variants with commas between them."""
    choice = click.Choice(VARIANTS)
    return [choice.convert(name.strip(), option, context) for name in text.split(",")]


@click.command()
@click.argument("scene", type=click.Path(path_type=Path, exists=True), required=False)
@click.option(
    "--models",
    default="hybridsn,hybridsn-bn,hybridsn-se,hybridsn-cbam",
    show_default=True,
    callback=parse_models,
    help="HybridSN variants to map with.",
)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Runs behind each median.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Rows to map the conventional way; the time is scaled to all rows.",
)
@click.option("--large", type=click.IntRange(64), default=1024, show_default=True, help="Side of the large scene.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "engines.json", show_default=True)
def main(scene: Path | None, models: Any, repeats: int, rows: int, large: int, device: str, out: Path) -> None:
    """Measure mapping, training, commands and memory on SCENE, or on a generated one as large as Indian Pines.

    The conventional way passes the patch of each pixel through the network, in batches, as other tools do. All results
    are of one run: medians after a warm-up, and ratios between them. It takes some ten minutes on two cores.
    """
    with tempfile.TemporaryDirectory(prefix="hsi-bench-") as scratch:
        sizes = Sizes(repeats=repeats, rows=rows, large=large)
        record = measure(scene, models, sizes, device=device, scratch=Path(scratch))
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
