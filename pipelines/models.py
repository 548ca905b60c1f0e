"""``hsi models``: what --model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .command import Command
from .terminal import new_table, show

if TYPE_CHECKING:
    from hsi.models import ModelEntry

AT_LEAST_ONE = click.IntRange(1)

BANDS, COMPONENTS, WINDOW = 200, 30, 25  # counted for where neither the method nor anybody says

EPILOG = """\b
Examples:
  hsi models
  hsi models --components 15 --window 13 --classes 9
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
def command(components: int | None, window: int | None, classes: int) -> None:
    """List the networks and comparators that --model takes, with parameters, norm, attention and source."""
    from hsi.errors import UsageError
    from hsi.models import MODELS, build_model, count_parameters

    usual = f"{components or COMPONENTS} components, window {window or WINDOW}, {classes} classes"
    otherwise = "" if components and window else ", or as a line says"
    table = new_table(f"parameters at {usual}{otherwise}")
    for column in ("model", "norm", "attention"):
        table.add_column(column, no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("source", no_wrap=True)
    refused = []
    for name, entry in MODELS.items():
        sizes = sizes_of(entry, components, window)
        try:
            counted = f"{count_parameters(build_model(name, **sizes, classes=classes)):,}"
        except UsageError as error:
            counted = "too small"
            refused.append(error)
        sources = entry.source.replace("doi:", "").replace(", ", "\n")
        if sizes != {"components": components or COMPONENTS, "window": window or WINDOW}:
            sources += f"\n{told(entry, components)}, window {sizes['window']}"
        table.add_row(name, entry.norm, entry.attention, counted, sources)
    if len(refused) == table.row_count:
        raise refused[0]
    show(table)
    show_comparators()


def sizes_of(entry: ModelEntry, components: int | None, window: int | None) -> dict[str, int]:
    """The sizes to count a network's parameters for: those asked for, else its own, else the usual ones."""
    usual = BANDS if entry.reducer == "identity" else COMPONENTS
    return {"components": components or entry.components or usual, "window": window or entry.window or WINDOW}


def told(entry: ModelEntry, components: int | None) -> str:
    """What a network takes as a pixel, in words."""
    if components:
        return f"{components} components"
    if entry.reducer == "identity":
        return f"all bands ({BANDS})"
    return f"{entry.components or COMPONENTS} components"


def show_comparators() -> None:
    """A table of the comparators: what they look at, their method and its source."""
    from hsi.comparators import COMPARATORS

    table = new_table("\ncomparators from scikit-learn and spectral, for 'hsi classify'")
    for column in ("model", "input", "method", "doi"):
        table.add_column(column, no_wrap=True)
    for name, entry in COMPARATORS.items():
        table.add_row(name, entry.sees, entry.title, entry.source.removeprefix("doi:"))
    show(table)
