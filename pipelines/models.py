"""``hsi models``: what --model takes."""

from __future__ import annotations

import click

from .terminal import new_table, stdout

AT_LEAST_ONE = click.IntRange(1)

EPILOG = """\b
Examples:
  hsi models
  hsi models --components 15 --window 13 --classes 9
"""


@click.command("models", epilog=EPILOG)
@click.option("--components", type=AT_LEAST_ONE, default=30, show_default=True, help="Components to count for.")
@click.option("--window", type=AT_LEAST_ONE, default=25, show_default=True, help="Side of the window to count for.")
@click.option("--classes", type=AT_LEAST_ONE, default=16, show_default=True, help="Classes to count for.")
def command(components: int, window: int, classes: int) -> None:
    """List the networks and comparators that --model takes, with parameters, norm, attention and source."""
    from hsi.models import MODELS, build_model, count_parameters

    table = new_table(f"parameters at {components} components, window {window}, {classes} classes")
    for column in ("model", "norm", "attention"):
        table.add_column(column, no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("source", no_wrap=True)
    for name, entry in MODELS.items():
        model = build_model(name, components=components, window=window, classes=classes)
        sources = entry.source.replace(", ", "\n")
        table.add_row(name, entry.norm, entry.attention, f"{count_parameters(model):,}", sources)
    stdout.print(table)
    show_comparators()


def show_comparators() -> None:
    """A table of the comparators: what they look at, their method and its source."""
    from hsi.comparators import COMPARATORS

    table = new_table("\ncomparators from scikit-learn and spectral, for 'hsi classify'")
    for column in ("model", "input", "method", "doi"):
        table.add_column(column, no_wrap=True)
    for name, entry in COMPARATORS.items():
        table.add_row(name, entry.sees, entry.title, entry.source.removeprefix("doi:"))
    stdout.print(table)
