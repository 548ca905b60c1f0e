"""``hsi plot``: draw the figures of a finished run or comparison again, in any format."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.report.figures.run import COMPARISON_FIGURES, RUN_FIGURES
from hsi.workflows.provenance import hash_files
from hsi.workflows.run_folder import check_free_file

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.terminal import progress, say, warn

if TYPE_CHECKING:
    from hsi.core.scene import Scene
    from hsi.report.figures import RunFigures
    from hsi.report.records import RunRecord

OF_SCENE = ("false_colour", "spectra")  # drawn from the scene itself, which is not in the run's folder
EPILOG = """\b
Examples:
  hsi plot runs/demo --format pdf
  hsi plot runs/demo --figure map --figure spectra --out figures
  hsi plot runs/compare/ablation --format svg
"""


@click.command("plot", cls=Command, epilog=EPILOG)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--figure",
    "names",
    multiple=True,
    type=Choice((*RUN_FIGURES, *COMPARISON_FIGURES)),
    metavar="NAME",
    help="Figure to draw; may be given several times. [default: all that can be drawn]",
)
@click.option("--format", "kind", type=Choice(("png", "pdf", "svg")), default="png", show_default=True,
              help="png has 300 dots per inch; letters in pdf are embedded TrueType.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write into. [default: where RUN has them]")
@click.option("--overwrite", is_flag=True, help="Replace figures of that name.")
def command(run: Path, names: tuple[str, ...], kind: str, out: Path | None, overwrite: bool) -> None:
    """Draw the figures of RUN, the folder of an 'hsi classify' or 'hsi compare', from what lies in it.

    They are those that the run has drawn itself. False colour and spectra are of the scene, which has to be where it
    was and as it was.

    The figures of a run: map, false_colour, ground_truth, truth_and_map, difference, split, confidence, spectra,
    confusion_matrix, reliability, training_curves; of a comparison: comparison, and pareto where networks are compared.
    """
    from hsi.errors import UsageError

    if (run / "comparison.json").is_file():
        out = out or run
        paths = plot_comparison(run, names, kind, out, overwrite)
    elif (run / "run.json").is_file():
        out = out or run / "figures"
        paths = plot_run(run, names, kind, out, overwrite)
    else:
        missing = "no such folder" if not run.exists() else "holds neither a run.json nor a comparison.json"
        raise UsageError(f"{run}: {missing}: give the folder of a finished 'hsi classify' or 'hsi compare'")
    for i, path in enumerate(paths):
        say("" if i else "written", str(path))
    say("open", str(paths[0] if len(paths) == 1 else out))


def plot_comparison(run: Path, names: Sequence[str], kind: str, out: Path, overwrite: bool) -> list[Path]:
    """Draw the figures of a comparison; raises :class:`UsageError` for one that it has nothing to draw from."""
    from hsi.errors import UsageError
    from hsi.experiments.figures import ComparisonTold, comparison_figure, known_costs, pareto_figure, stored_boxes
    from hsi.report.figures.style import write_figure
    from hsi.report.records import read_record

    strange = [name for name in names if name not in COMPARISON_FIGURES]
    if strange:
        raise UsageError(f"--figure {strange[0]}: {run} is a comparison, which has {', '.join(COMPARISON_FIGURES)}")
    stored = read_record(run / "comparison.json", ComparisonTold)
    costs = known_costs(stored.splits)
    if "pareto" in names and not costs:
        raise UsageError(f"--figure pareto: {run} compares no two networks, so there are no costs to draw")
    drawings = {
        "comparison": lambda: comparison_figure(stored_boxes(stored)),
        "pareto": lambda: pareto_figure(stored.splits, costs),
    }
    wanted = [name for name in drawings if name in names or (not names and (costs or name != "pareto"))]
    paths = [out / f"{name}.{kind}" for name in wanted]
    for path in paths:
        check_free_file(path, overwrite)
    with progress("figures", "figures") as advance:
        for done, (name, path) in enumerate(zip(wanted, paths, strict=True)):
            advance(done, len(wanted), name)
            write_figure(path, drawings[name]())
    return paths


def plot_run(run: Path, names: Sequence[str], kind: str, out: Path, overwrite: bool) -> list[Path]:
    """Draw the figures of a run; raises :class:`UsageError` for one that it has nothing to draw from."""
    from hsi.errors import UsageError
    from hsi.report.figures import drawings, write_figures

    strange = [name for name in names if name not in RUN_FIGURES]
    if strange:
        raise UsageError(f"--figure {strange[0]}: {run} is a single run; it has {', '.join(RUN_FIGURES)}")
    for name in names:
        check_free_file(out / f"{name}.{kind}", overwrite)
    drawn = read_run(run, names)
    found = drawings(drawn)
    absent = [name for name in names if name not in found]
    if absent:
        raise UsageError(f"--figure {absent[0]}: {run} has nothing to draw it from; it has {', '.join(found)}")
    wanted = list(names or found)
    for name in wanted:
        check_free_file(out / f"{name}.{kind}", overwrite)
    with progress("figures", "figures") as advance:
        return write_figures(out, drawn, kind=kind, only=wanted, progress=advance)


def read_run(run: Path, names: Collection[str]) -> RunFigures:
    """What there is to draw of a run: its folder, and its scene if one of ``names``, or none in particular, needs it.

    A scene that is gone or has changed is an error for figures that are named, and else a warning.
    """
    from hsi.errors import HsiError
    from hsi.report.figures.run import figures_of_run
    from hsi.report.records import AccuracyRecord, RunRecord, read_record

    record = read_record(run / "run.json", RunRecord)
    report = read_record(run / "accuracy.json", AccuracyRecord).model_dump()
    told = record.inputs
    title = told.title or told.recognised_as or Path(told.scene).stem
    wanted = [name for name in OF_SCENE if not names or name in names]
    of_scene: dict[str, Any] = {}
    try:
        scene = open_scene_of(run, record) if wanted else None
    except HsiError as error:
        if names:
            raise
        warn(f"without {' and '.join(wanted)}: {error}")
        scene = None
    if scene:
        of_scene = look_at(scene, run, report, wanted)
    history = [epoch.model_dump() for epoch in record.history or ()]
    return figures_of_run(run, report, title=title, history=history, **of_scene)


def open_scene_of(run: Path, record: RunRecord) -> Scene:
    """The scene of a run; raises :class:`UsageError` when it is not there any more or is not what it was."""
    from hsi.errors import UsageError
    from hsi.io import files_of, open_scene
    from hsi.report.figures.run import scene_of_run

    inputs = record.inputs
    path = Path(inputs.scene)
    if not path.exists():
        raise UsageError(f"{path}: the scene of {run} is not there any more (as seen from {Path.cwd()})")
    sums = hash_files(files_of(path))
    if any(inputs.sha256.get(name) != value for name, value in sums.items()):
        raise UsageError(f"{path}: has changed since {run} was made from it, so it cannot be drawn for that run")
    return scene_of_run(open_scene(path, inputs.variable), record)


def look_at(scene: Scene, run: Path, report: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """False colour and spectra of the scene, as far as they are wanted."""
    from hsi.report.figures import false_colour
    from hsi.report.figures.run import has_truth, table_of, training_spectra, usable_pixels_of

    table, found = table_of(run, report), dict[str, Any]()
    if "false_colour" in wanted:
        with progress("picture", "rows") as advance:
            found["picture"] = false_colour(scene, usable_pixels_of(run, table), advance)
    if "spectra" in wanted and has_truth(run):
        with progress("spectra", "rows") as advance:
            found["spectra"] = training_spectra(run, table, scene, advance)
    return found
