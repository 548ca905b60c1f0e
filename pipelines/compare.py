"""``hsi compare``: rows of settings over splits and seeds, each a run of ``hsi classify``, in one tested table."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from hsi.settings import InputSettings

from .cli_support.completion import completes, model_names
from .cli_support.help import Command
from .cli_support.options import input_options, setting_options

EPILOG = """\b
Examples:
  hsi compare configs/experiments/ablation.yaml --seeds 5
  hsi compare ablation --only "hybridsn,+ batch norm" --dry-run
  hsi compare data/indian_pines.mat --models hybridsn-bn,svm,rf \\
      --train 10% --seeds 10
  hsi compare cube.hdr --labels truth.tif --models hybridsn-bn,svm-window \\
      --split blocks --seeds 0,3,7 --jobs 4
"""


def _listed(context: click.Context, option: click.Parameter, text: str | None) -> list[str]:
    """The words between the commas."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


@click.command("compare", cls=Command, epilog=EPILOG)
@click.argument("what", metavar="EXPERIMENT|SCENE", type=click.Path(path_type=Path))
@click.option(
    "--models",
    callback=_listed,
    shell_complete=completes(model_names, listed=True),
    help="With a SCENE: the networks and baselines to compare, with commas between them.",
)
@click.option("--seeds", help="How many seeds, from 0 on, or a list: 0,3,7. [default: 5, or those of EXPERIMENT]")
@click.option(
    "--only", metavar="ROWS", callback=_listed, help="Rows to run and show, with commas between them. [default: all]"
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True,
    help="Runs at once; they share the cores, and each has a GPU of its own where there are several.",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS",
    help="Runs on the workers of this Dask scheduler (tcp://host:8786), which share the folder OUT and the inputs.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder of runs and tables. [default: runs/compare/NAME]")
@click.option("--figures", is_flag=True, help="Draw the figures of each run, too. 'hsi plot' can do so later.")
@click.option("--dry-run", is_flag=True, help="List the runs and which of them are finished, and stop.")
@input_options
@partial(setting_options, without=("model.name", "seed", "run."))
def command(
    what: Path,
    models: list[str],
    seeds: str | None,
    only: list[str],
    jobs: int,
    scheduler: str | None,
    out: Path | None,
    figures: bool,
    dry_run: bool,
    inputs: InputSettings,
    config: Path | None,
    overrides: dict[str, Any],
) -> None:
    """Compare rows of settings over splits and seeds in one table, with tests of which differences hold.

    EXPERIMENT is a YAML file of rows and splits, or the name of one that comes with hsi; with a SCENE, --models are the
    rows, and all other options are those of 'hsi classify'. --epochs and other settings of networks are then for the
    networks alone where there are baselines among the rows.

    Each run is an 'hsi classify' in its own folder in OUT/runs. Finished runs are not run again unless settings, data
    or the version of hsi changed, so the same command goes on after an interrupt. Tables are written each time.
    """
    from hsi.errors import ComparisonError
    from hsi.experiments.run import compare

    from .cli_support.results import show_comparison, show_plan

    result = compare(
        what,
        models=models,
        seeds=seeds,
        only=only,
        settings=overrides,
        config=config,
        jobs=jobs,
        scheduler=scheduler,
        out=out,
        figures=figures,
        dry_run=dry_run,
        command=["hsi", *sys.argv[1:]],
        **inputs.model_dump(),
    )
    if result.tables is None:
        show_plan(result)
        return
    show_comparison(result.tables, result.files)
    if result.failed:
        raise ComparisonError(
            f"{len(result.failed)} of {len(result.runs)} runs failed and are not in the table: their logs say why; the "
            "same command tries them again"
        )
