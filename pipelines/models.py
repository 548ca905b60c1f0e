"""``hsi models``: what --model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .cli_support.help import Command
from .cli_support.terminal import new_table, progress, show

if TYPE_CHECKING:
    from hsi.errors import UsageError
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
    """List the networks and baselines that --model takes.

    With each network come its weights, its multiply-adds a pixel (patch: every window goes through all of it; dense:
    the windows of a large scene share the trunk), batch norm (bn) and attention, and where it comes from.
    """
    from hsi.models import MODELS

    usual = f"{components or COMPONENTS} components, window {window or WINDOW}, {classes} classes"
    otherwise = "" if components and window else ", or as a line says"
    table = new_table(f"weights (parameters) and multiply-adds a pixel\nat {usual}{otherwise}")
    table.add_column("model", no_wrap=True)
    for heading in ("weights", "patch", "dense"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("with", no_wrap=True)
    table.add_column("doi or arXiv", no_wrap=True)
    refused: list[UsageError] = []
    with progress("count", "networks") as advance:
        for i, (name, entry) in enumerate(MODELS.items()):
            advance(i, len(MODELS.items()))
            sizes = sizes_of(entry, components, window)
            sources = entry.source.replace("doi:", "").replace("arXiv:", "").replace(", ", "\n")
            if sizes != {"components": components or COMPONENTS, "window": window or WINDOW}:
                sources += f"\n{describe_input(entry, components)}, window {sizes['window']}"
            table.add_row(name, *counted(name, sizes, classes, refused), parts(entry), sources)
    if len(refused) == table.row_count:
        raise refused[0]
    show(table)
    show_baselines()


def counted(name: str, sizes: dict[str, int], classes: int, refused: list[UsageError]) -> tuple[str, str, str]:
    """Parameters and multiply-adds in both modes; a network that cannot take the sizes is ``refused``."""
    from hsi.errors import UsageError
    from hsi.models import build_model, count_flops, count_parameters

    try:
        model = build_model(name, **sizes, classes=classes)
    except UsageError as error:
        refused.append(error)
        return "too small", "", ""
    work = count_flops(model)
    return f"{count_parameters(model):,}", in_millions(work.patch), in_millions(work.dense)


def in_millions(count: int) -> str:
    """Three digits and M: ``248M``, ``5.48M``, ``.091M``."""
    millions = count / 1e6
    digits = 0 if millions >= 99.95 else 1 if millions >= 9.995 else 2 if millions >= 0.9995 else 3
    return f"{millions:.{digits}f}M".removeprefix("0")


def parts(entry: ModelEntry) -> str:
    """Batch norm and attention, as in the names of HybridSN's variants."""
    found = ["bn"] if entry.norm == "batch" else []
    return " ".join([*found, *([] if entry.attention == "none" else [entry.attention])]) or "–"


def sizes_of(entry: ModelEntry, components: int | None, window: int | None) -> dict[str, int]:
    """The sizes to count a network's parameters for: those asked for, else its own, else the usual ones."""
    usual = BANDS if entry.reducer == "identity" else COMPONENTS
    return {"components": components or entry.components or usual, "window": window or entry.window or WINDOW}


def describe_input(entry: ModelEntry, components: int | None) -> str:
    """What a network takes as a pixel, in words."""
    if components:
        return f"{components} components"
    if entry.reducer == "identity":
        return f"all bands ({BANDS})"
    return f"{entry.components or COMPONENTS} components"


def show_baselines() -> None:
    """A table of the baselines: what they look at, their method and its source."""
    from hsi.baselines import BASELINES

    table = new_table("\nbaselines from scikit-learn and spectral, for 'hsi classify'")
    for column in ("model", "input", "method", "doi"):
        table.add_column(column, no_wrap=True)
    for name, entry in BASELINES.items():
        table.add_row(name, entry.sees, entry.title, entry.source.removeprefix("doi:"))
    show(table)
