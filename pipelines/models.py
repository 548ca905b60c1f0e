"""``hsi models``: the networks and baselines that --model takes."""

from __future__ import annotations

from typing import Any

import click

from hsi.core.files import shipped_configs
from hsi.errors import UsageError

from .cli_support.help import Command
from .cli_support.terminal import add_number_columns, new_table, progress, show

AT_LEAST_ONE = click.IntRange(1)
BANDS, COMPONENTS, WINDOW = 200, 30, 25  # counted for where neither an option nor the method decides
EPILOG = """\b
Examples:
  hsi models
  hsi models --components 15 --window 13 --classes 9
  hsi models --recipes
"""


@click.command("models", cls=Command, epilog=EPILOG)
@click.option(
    "--components",
    type=AT_LEAST_ONE,
    help=f"Components to count for. [default: the method's own, {BANDS} where it takes all bands, else {COMPONENTS}]",
)
@click.option(
    "--window",
    type=AT_LEAST_ONE,
    help=f"Side of the window to count for. [default: the method's own, else {WINDOW}]",
)
@click.option("--classes", type=AT_LEAST_ONE, default=16, show_default=True, help="Classes to count for.")
@click.option("--recipes", is_flag=True, help="List the files of settings that --config takes by name, and stop.")
def command(components: int | None, window: int | None, classes: int, recipes: bool) -> None:
    """List the networks and baselines that --model takes.

    With each network come its weights, its multiply-adds a pixel (patch: every window goes through all of it; dense:
    the windows of a large scene share the trunk), batch norm (bn) and attention, and where it comes from.
    """
    if recipes:
        show_recipes()
        return
    from hsi.models import MODELS, build_model, count_flops, count_parameters

    usual = {"components": components or COMPONENTS, "window": window or WINDOW}
    at = f"at {usual['components']} components, window {usual['window']}, {classes} classes"
    otherwise = "" if components and window else ", or as a line says"
    table = new_table(f"weights (parameters) and multiply-adds a pixel\n{at}{otherwise}")
    table.add_column("model", no_wrap=True)
    add_number_columns(table, "weights", "patch", "dense")
    for heading in ("with", "doi or arXiv"):
        table.add_column(heading, no_wrap=True)
    refused: list[UsageError] = []
    with progress("count", "networks") as advance:
        for i, (name, entry) in enumerate(MODELS.items()):
            advance(i, len(MODELS.items()))
            own = entry.components or (BANDS if entry.reducer == "identity" else COMPONENTS)
            sizes: dict[str, Any] = {"components": components or own, "window": window or entry.window or WINDOW}
            try:
                model = build_model(name, **sizes, classes=classes)
                work = count_flops(model)
                counts = (f"{count_parameters(model):,}", in_millions(work.patch), in_millions(work.dense))
            except UsageError as error:  # a network that cannot take the sizes
                refused.append(error)
                counts = ("too small", "", "")
            parts = ("bn" if entry.norm == "batch" else "", "" if entry.attention == "none" else entry.attention)
            sources = entry.source.replace("doi:", "").replace("arXiv:", "").replace(", ", "\n")
            if sizes != usual:
                all_bands = entry.reducer == "identity" and not components
                taken = f"all bands ({BANDS})" if all_bands else f"{sizes['components']} components"
                sources += f"\n{taken}, window {sizes['window']}"
            table.add_row(name, *counts, " ".join(filter(None, parts)) or "–", sources)
    if len(refused) == table.row_count:
        raise refused[0]
    show(table)
    show_baselines()


def in_millions(count: int) -> str:
    """Three digits and M: ``248M``, ``5.48M``, ``.091M``."""
    millions = count / 1e6
    digits = 0 if millions >= 99.95 else 1 if millions >= 9.995 else 2 if millions >= 0.9995 else 3
    return f"{millions:.{digits}f}M".removeprefix("0")


def show_recipes() -> None:
    """Print the files of settings that come with hsi: what each says of itself."""
    table = new_table("settings that come with hsi, for --config")
    table.add_column("name", no_wrap=True)
    table.add_column("what they are")
    for name, text in shipped_configs().items():
        table.add_row(name, text)
    show(table)


def show_baselines() -> None:
    """Print the baselines: their input, their method and its source."""
    from hsi.baselines import BASELINES

    table = new_table("\nbaselines from scikit-learn and spectral, for 'hsi classify'")
    for column in ("model", "input", "method", "doi"):
        table.add_column(column, no_wrap=True)
    for name, entry in BASELINES.items():
        table.add_row(name, entry.sees, entry.title, entry.source.removeprefix("doi:"))
    show(table)
