"""``hsi plot``: draw the figures of a finished run or comparison again, in any format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from hsi.errors import UsageError
from hsi.experiments.figures import COMPARISON_FIGURES, read_comparison_figures
from hsi.report.figures import FORMATS, RUN_FIGURES, Look, drawings, parse_size, write_figures
from hsi.workflows.run_folder import check_new_files, new_files

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.terminal import progress, say

FIGURES = {**RUN_FIGURES, **COMPARISON_FIGURES}
LISTED = "\n".join(f"  {name:<17} {one.shows}" for name, one in FIGURES.items())
EPILOG = f"""\b
Figures of a run, and at the end those of a comparison:
{LISTED}

\b
Examples:
  hsi plot runs/demo --format pdf
  hsi plot runs/demo --figure map --figure spectra --out figures
  hsi plot runs/demo --figure map --title 'Land cover' --size 16x9 \\
      --overwrite
  hsi plot runs/compare/ablation --format svg
"""


def complete_figures(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of figures, and what each shows."""
    return [CompletionItem(name, help=one.shows) for name, one in FIGURES.items() if name.startswith(incomplete)]


@click.command("plot", cls=Command, epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--figure", "names", multiple=True, type=Choice(FIGURES), metavar="NAME",
              shell_complete=complete_figures,
              help="Figure to draw; may be given several times. [default: all that can be drawn]")  # fmt: skip
@click.option("--format", "kind", type=Choice(FORMATS), default="png", show_default=True,
              help="png has 300 dots per inch; letters in pdf are embedded TrueType.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Title of the figures. [default: the scene's, none for charts]")
@click.option("--size", metavar="WxH", help="Width and height in centimetres, such as 16x9. [default: by the figure]")
@click.option("--font-size", "letters", type=float, metavar="PT",
              help="Points of the labels; other letters are in proportion. [default: 8]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write into. [default: where RUN has them]")
@click.option("--overwrite", is_flag=True, help="Replace figures that hsi wrote there.")
def command(
    run: Path,
    names: tuple[str, ...],
    kind: str,
    title: str | None,
    size: str | None,
    letters: float | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Draw the figures of RUN, the folder of an 'hsi classify' or 'hsi compare', from the files in it.

    They are those that the run has drawn itself. False colour and spectra are of the scene, which has to be where it
    was and as it was.
    """
    look = Look(title, parse_size(size) if size else None, letters)
    if (run / "comparison.json").is_file():
        figures, kind_of_run, out = COMPARISON_FIGURES, "a comparison", out or run
    elif (run / "run.json").is_file():
        figures, kind_of_run, out = RUN_FIGURES, "a single run", out or run / "figures"
    else:
        missing = "no such folder" if not run.exists() else "holds neither a run.json nor a comparison.json"
        raise UsageError(f"{run}: {missing}: give the folder of a finished 'hsi classify' or 'hsi compare'")
    strange = [name for name in names if name not in figures]
    if strange:
        raise UsageError(f"--figure {strange[0]}: {run} is {kind_of_run}; it has {', '.join(figures)}")
    # figures of a run are listed in its record, wherever in its folder they are
    root = run if out.resolve().is_relative_to(run.resolve()) else out
    inside = out.resolve().relative_to(root.resolve())

    def check_free(names: Iterable[str]) -> None:
        files = [(inside / f"{name}.{kind}").as_posix() for name in names]
        check_new_files(root, "figures", files, overwrite=overwrite)

    check_free(names)
    if figures is COMPARISON_FIGURES:
        ready = drawings(figures, read_comparison_figures(run))
    else:
        from hsi.report.run_figures import read_run_figures

        of_run = read_run_figures(run, names)
        ready = (of_run if title is None else replace(of_run, title=title)).drawings()
    absent = [name for name in names if name not in ready]
    if absent:
        what = f"--figure {absent[0]}, {figures[absent[0]].shows}"
        raise UsageError(f"{what}: {run} has nothing to draw it from; it has {', '.join(ready)}")
    ready = {name: draw for name, draw in ready.items() if not names or name in names}
    check_free(ready)
    with progress("figures", "figures") as advance, new_files(root, "figures", overwrite=overwrite) as work:
        drafts = write_figures(work.files / inside, ready, kind=kind, look=look, progress=advance)
    paths = [out / draft.name for draft in drafts]
    say("written", *map(str, paths))
    say("open", str(paths[0] if len(paths) == 1 else out))
