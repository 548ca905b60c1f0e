"""``hsi evaluate``: how accurate a map is, by labels that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .input_options import LabelOptions, label_options
from .inputs import open_input_labels
from .outputs import check_free_file, show_accuracy
from .terminal import say, warn

if TYPE_CHECKING:
    from hsi.labels import ClassTable, LabelMap

EPILOG = """\b
Examples:
  hsi evaluate map.tif --labels reference.gpkg --label-field class
  hsi evaluate runs/demo/map.tif --labels truth.tif --out accuracy
"""


@click.command("evaluate", epilog=EPILOG)
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@label_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write accuracy.json, .csv, .md and .tex into.")
@click.option("--overwrite", is_flag=True, help="Replace the tables in that folder.")
def command(map_path: Path, label_options: LabelOptions, out: Path | None, overwrite: bool) -> None:
    """Compare MAP, a class raster, with reference labels: accuracy per class, OA, AA and kappa.

    Classes are matched by name, or by id where one side has no names. Every labelled pixel that the map covers
    counts, so the labels must be ones that the map was not trained on.
    """
    from hsi.errors import UsageError
    from hsi.tables import write_tables

    if label_options.labels is None:
        raise UsageError("give the reference with --labels, for example --labels reference.gpkg --label-field class")
    if out:
        for suffix in ("json", "csv", "md", "tex"):
            check_free_file(out / f"accuracy.{suffix}", overwrite)
    mapped, reference = read_both(map_path, label_options)
    report = compare(mapped, reference)
    show_accuracy(report)
    if out:
        for i, path in enumerate(write_tables(out, report)):
            say("" if i else "written", str(path))


def read_both(map_path: Path, options: LabelOptions) -> tuple[LabelMap, LabelMap]:
    """The map and the reference on its grid."""
    from hsi.readers import open_scene

    mapped = read_map(map_path)
    grid = open_scene(map_path)
    reference = open_input_labels(grid, options)
    say("map", f"{map_path}: {grid.height} x {grid.width} pixels, {len(mapped.table)} classes")
    labelled = np.count_nonzero(reference.labelled)
    say("reference", f"{reference.source}: {len(reference.table)} classes, {labelled:,} labelled pixels")
    return mapped, reference


def read_map(path: Path) -> LabelMap:
    """A class raster with all classes that it names, those that no pixel has among them.

    Raises :class:`LabelError` for a raster that holds no classes and :class:`SceneFileError` for a damaged one.
    """
    from hsi.errors import LabelError, SceneError
    from hsi.labels import default_table
    from hsi.readers import open_labels, open_scene
    from hsi.readers.opening import reader_for

    try:
        mapped = open_labels(path, open_scene(path))
    except (LabelError, SceneError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise LabelError(f"{path}: is no class map, which has one band of whole numbers: {reason}") from error
    reader = reader_for(path)
    names = reader.read_labels(path, reader.arrays(path)[0]).names
    named = {i for i in names if i >= 0 and i != mapped.background}
    known = dict(zip(mapped.table.ids, mapped.table.names, strict=True))
    table = default_table([*{*named, *known}]).renamed({**names, **known})
    return replace(mapped, table=table)


def compare(mapped: LabelMap, reference: LabelMap) -> dict[str, Any]:
    """The accuracy report of a map by the reference labels where the map has data."""
    from hsi.labels import codes_of
    from hsi.mapping import UNCLASSIFIED, without
    from hsi.metrics import confusion_matrix, measure_accuracy

    table = mapped.table if UNCLASSIFIED in reference.table.names else without(mapped.table, UNCLASSIFIED)
    code_of = class_codes(table, reference)
    truth = np.array([*code_of, -1])[codes_of(reference.values, reference.table)]
    truth = np.where(reference.labelled, truth, -1)
    counted = (truth >= 0) & mapped.labelled
    uncovered = int(np.count_nonzero((truth >= 0) & ~mapped.labelled))
    if uncovered:
        warn(f"{uncovered:,} labelled pixels lie where the map has no data and are not counted")
    confusion = confusion_matrix(truth[counted], codes_of(mapped.values, table)[counted], len(table))
    report = measure_accuracy(confusion, table, [0] * len(table)).to_dict()
    return {
        "model": str(mapped.source),
        "split": f"reference {reference.source}",
        "seed": None,
        **report,
        "uncovered": uncovered,
        "audit": None,
    }


def class_codes(table: ClassTable, reference: LabelMap) -> list[int]:
    """For each class of the reference its position in the map's table, by name, whatever the case.

    Where one side names its classes by nothing but their ids, the ids count. Raises :class:`LabelError` for a class
    that the map does not know.
    """
    from hsi.errors import LabelError

    theirs = reference.table
    ours = [name.strip().casefold() for name in table.names]
    wanted = [name.strip().casefold() for name in theirs.names]
    if set(wanted) <= set(ours):
        return [ours.index(name) for name in wanted]
    if (only_numbered(table) or only_numbered(theirs)) and set(theirs.ids) <= set(table.ids):
        return [table.ids.index(i) for i in theirs.ids]
    strange = [name for name, key in zip(theirs.names, wanted, strict=True) if key not in ours]
    raise LabelError(
        f"{reference.source}: the map has no class {', '.join(strange[:5])}; it has {', '.join(table.names)}"
    )


def only_numbered(table: ClassTable) -> bool:
    """Whether the names say no more than the ids."""
    return all(name in (f"class {i}", str(i)) for i, name in zip(table.ids, table.names, strict=True))
