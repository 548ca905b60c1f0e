"""Draw the random sample of a map that its accuracy is estimated from: ``hsi sample`` and :func:`hsi.sample`."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.accuracy.area_estimation import DESIGNS, LEAST, Design
from hsi.accuracy.rejection import parse_share
from hsi.accuracy.sample_size import (
    allocate_points,
    expected_error,
    fit_minimum,
    outweighed_classes,
    points_for_error,
)
from hsi.core import events
from hsi.core.files import write_output
from hsi.core.labels import LARGEST_ID, ClassTable, default_table
from hsi.core.scene import Block, Scene
from hsi.errors import LabelError, UnknownNameError, UsageError
from hsi.inference.map_files import UNCLASSIFIED
from hsi.io import open_scene
from hsi.io.label_checks import describe_named_zero, is_class_name
from hsi.io.masks import pixels_in_use
from hsi.io.open import find_reader, replace_nodata
from hsi.io.reader import LabelContent
from hsi.io.vectors.write import DRIVERS, UPWARDS, check_place, need_geopandas, write_frame
from hsi.settings import PIXEL_INPUTS, input_settings
from hsi.workflows.run_folder import check_free_files

CLASS_FIELD = "class"  # the field that the interpreter fills in
OF_MAP = ("map_id", "map_class")  # fields of the class that the map has there
MAP_PIXELS = "map_pixels"  # the field of the number of pixels that could be drawn, by which evaluate knows the area
TABLE = ".csv"
USUAL_LEAST = 50  # points a class, as Olofsson et al. (2014) recommend: 50 to 100
LISTED = 5  # classes in a warning
BLOCK = 16 * 2**20  # bytes of a block as float64


@dataclass(frozen=True, eq=False)
class MapSample:
    """A random sample of a map's pixels; :func:`hsi.sample` returns it.

    ``rows``, ``columns`` (from 0) and ``map_ids``, the class ids of the map, are ``(n,)`` int64, in random order.
    ``classes`` has for each class of the map its ``id``, ``name``, ``pixels``, ``share`` of the pixels that could be
    drawn and ``points``. ``standard_error`` is the one of the overall accuracy (a fraction) to expect where
    ``expected_accuracy`` of each class are right. ``file`` is what was written.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    map_ids: NDArray[np.int64]
    classes: tuple[dict[str, Any], ...]
    design: Design
    standard_error: float
    expected_accuracy: float
    file: Path | None = None
    warnings: tuple[str, ...] = field(default=())


def sample(
    map: Path | str,
    out: Path | str | None = None,
    *,
    design: Design = "stratified",
    points: int | None = None,
    target_error: float | str | None = None,
    expected_accuracy: float | str = "80%",
    min_points: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool | events.Report | None = None,
    **reading: Any,
) -> MapSample:
    """Draw pixels of a class map at random, to be interpreted and given to :func:`hsi.evaluate`.

    The same as ``hsi sample``. The map is read twice by blocks, whatever its size. Pixels without data and unclassified
    ones are not drawn, and no pixel is drawn twice. Points are the centres of the pixels, in random order, with the
    fields ``id``, ``map_id`` and ``map_class``, ``map_pixels``, the number of pixels that could be drawn, and
    ``class``, which is empty. Nothing is printed.

    Args:
        map: A class raster ``(H, W)`` of integers, such as ``map.tif`` of a run.
        out: The file to write: ``.gpkg`` in the map's CRS, ``.geojson`` in longitude and latitude, or ``.csv`` with
            row and column from 0, and x and y where the map has a CRS. A ``.gpkg`` of a map without a place is in
            pixels to the right and upwards from the upper left corner, where QGIS shows such a map.
        design: ``stratified`` draws from each class, by area but at least ``min_points``; ``simple`` from all pixels.
        points: How many pixels to draw.
        target_error: Instead, the standard error of the overall accuracy to reach, such as ``"2%"``, by equation 13 of
            Olofsson et al. (2014, doi:10.1016/j.rse.2014.02.015).
        expected_accuracy: The expected share of right pixels of each class, for the standard error.
        min_points: ``stratified``: the smallest number for each class, 50 when left out, or fewer where ``points`` do
            not suffice for that. Of classes with fewer pixels, all are drawn.
        seed: Decides which pixels are drawn, and their order.
        overwrite: Whether to replace a file of that name.
        progress: As for :func:`hsi.classify`.
        **reading: Which pixels of the map may be drawn: ``aoi``, ``mask`` and ``mask_out``; give :func:`hsi.evaluate`
            the same.

    Raises:
        UsageError: for parameters that make no sense together, more points than pixels, or too few for the classes.
        LabelError: for a map that holds no classes.
        SceneFileError: for a file that is missing or damaged.
        OutputError: for a file that is there already or cannot be written.
    """
    options, path = input_settings(PIXEL_INPUTS, **reading), Path(map)
    file = None if out is None else Path(out)
    if design not in DESIGNS:
        raise UnknownNameError("design", design, DESIGNS)
    if (points is None) == (target_error is None):
        raise UsageError("give either points, how many pixels to draw, or target_error, such as 2%")
    if min_points is not None and design == "simple":
        raise UsageError("min_points is for the design stratified: leave it out, or choose that design")
    for name, value, lowest in (("points", points, LEAST), ("min_points", min_points, LEAST), ("seed", seed, 0)):
        if value is not None and value < lowest:
            raise UsageError(f"{name} is at least {lowest}, found {value}")
    accuracy = parse_share(expected_accuracy, "expected_accuracy", "give a share such as 80%")
    target = None if target_error is None else parse_share(target_error, "target_error", "give a share such as 2%")
    if file:
        check_sample_file(file)
        check_free_files(file, [file], overwrite=overwrite, inputs=[path, options.aoi, options.mask, options.mask_out])
    with events.report_to(recorder := events.reporter_for(progress)):
        grid = open_scene(path)
        if file:
            check_place(file, grid.georeference.crs if grid.georeference else None)
        pixels = MapPixels(path, grid, pixels_in_use(options, grid))
        mapped = np.array([pixels.counts[i] for i in pixels.table.ids], np.int64)
        wanted = points if points is not None else points_for_error(mapped, accuracy, target or 1.0)
        drawn = choose_points(pixels.table, mapped, design, wanted, min_points)
        random = np.random.default_rng(seed)
        places = draw_pixels(pixels, mapped, drawn if design == "stratified" else wanted, random)
        rows, columns, codes = random.permutation(places).T
        drawn = np.bincount(codes, minlength=len(mapped))
        warn_of_rare_classes(pixels.table, mapped, drawn, design)
        found = MapSample(
            rows, columns, np.array(pixels.table.ids)[codes], describe_classes(pixels.table, mapped, drawn), design,
            expected_error(mapped, drawn if design == "stratified" else mapped * (wanted / mapped.sum()), accuracy),
            accuracy, file, tuple(recorder.warnings),
        )  # fmt: skip
        if file:
            write_points(file, found, grid, np.array(pixels.table.names, object)[codes], overwrite)
    return found


def check_sample_file(path: Path) -> None:
    """Raise :class:`UsageError` unless a sample can be written to a file of that name."""
    if path.suffix.lower() not in (*DRIVERS, TABLE):
        raise UsageError(f"{path}: points go to a GeoPackage (.gpkg), GeoJSON (.geojson) or table (.csv): name one")
    if path.suffix.lower() in DRIVERS:
        need_geopandas(path, "points in .gpkg and .geojson")


class MapPixels:
    """The classes of a map and their pixels, read by blocks: ``counts`` by class id of those that may be drawn, in
    ``table``; ``use`` ``(H, W)`` bool limits them.

    Raises :class:`LabelError` for a raster that holds no classes, and one without pixels to draw.
    """

    def __init__(self, path: Path, grid: Scene, use: NDArray[np.bool_] | None) -> None:
        self.path, self.use = path, use
        self.scene = grid if grid.stored is None else grid.stored
        if len(self.scene.bands) != 1:
            raise LabelError(
                f"{path}: is no class map, which has one band of integers: it has {len(self.scene.bands)} bands"
            )
        reader = find_reader(path)
        names = {i: name for i, name in reader.read_classes(path, reader.arrays(path)[0]).names.items() if name}
        unclassified = {i for i, name in names.items() if name == UNCLASSIFIED}
        self.by_block: list[tuple[Block, dict[int, int]]] = []
        found: dict[int, int] = {}
        with events.progress("count", "rows") as advance:
            for block in self.scene.blocks(BLOCK):
                counts = np.bincount(self.read(block).ravel() + 1)[1:]
                here = {int(i): int(counts[i]) for i in np.flatnonzero(counts)}
                self.by_block.append((block, here))
                for i, count in here.items():
                    found[i] = found.get(i, 0) + count
                advance(block.row + block.height, grid.height)
        left_out = sum(found.get(i, 0) for i in unclassified)
        self.counts = {i: count for i, count in found.items() if i not in unclassified}
        if not self.counts:
            raise LabelError(f"{path}: has no classified pixel to draw{' in the area and masks' * (use is not None)}")
        self.table = default_table([*self.counts]).renamed({i: names[i] for i in self.counts if i in names})
        void = int(grid.height * grid.width if use is None else np.count_nonzero(use)) - sum(found.values())
        if void and self.scene.nodata != 0 and 0 not in found and is_class_name(names.get(0)):
            events.warning(
                f"{path}: {describe_named_zero(names[0], void)}, and not drawn: give the file a nodata value"
            )
        if left_out:
            share = left_out / (left_out + sum(self.counts.values()))
            events.warning(
                f"{left_out:,} unclassified pixels ({share:.1%}) are not drawn: the estimates will be for the others"
            )

    def read(self, block: Block) -> NDArray[np.int64]:
        """The class ids of a block ``(h, w)``, -1 where no pixel may be drawn."""
        stored = self.scene.read(block)[:, :, 0]
        hidden = stored == 0 if self.scene.hiding else None  # so hidden pixels are read
        values, background = replace_nodata(LabelContent(stored, nodata=self.scene.nodata, hidden=hidden), None)
        void = (values == background) | (np.isnan(values) if values.dtype.kind == "f" else False)
        if self.use is not None:
            void |= ~self.use[block.slices]
        ids = np.where(void, 0, values)
        wrong = ids[(ids != np.rint(ids)) | (ids < 0) | (ids > LARGEST_ID)]
        if wrong.size:
            raise LabelError(
                f"{self.path}: is no class map, which has one band of integers from 0 to {LARGEST_ID}: it holds "
                f"{wrong[0]:g}"
            )
        return np.where(void, -1, ids.astype(np.int64))


def choose_points(
    table: ClassTable, mapped: NDArray[np.int64], design: Design, points: int, least: int | None
) -> NDArray[np.int64]:
    """The points of each class ``(C,)`` int64 of a stratified sample; those to expect of a simple one.

    Raises :class:`UsageError` for more points than pixels and for too few.
    """
    total = int(mapped.sum())
    if points > total:
        raise UsageError(f"points: {points:,} are more than the {total:,} pixels that may be drawn: give fewer")
    if design == "simple":
        return np.asarray(np.rint(mapped * (points / total)), np.int64)
    needed = int(np.minimum(mapped, least or USUAL_LEAST).sum())
    lowest = int(np.minimum(mapped, LEAST).sum())
    if points < lowest:
        raise UsageError(f"points: the design stratified needs {LEAST} for each class, {lowest} here, found {points}")
    if points >= needed:
        return allocate_points(mapped, points, least or USUAL_LEAST)
    if least is not None:
        raise UsageError(
            f"points: {points} are too few for min_points {least} of {len(table)} classes: give {needed}, or fewer "
            "min_points"
        )
    fewer = fit_minimum(mapped, points)
    events.warning(
        f"{points} points are {fewer} for each of {len(table)} classes, fewer than the {USUAL_LEAST} that are "
        f"recommended, so the accuracies of classes will be uncertain: {needed} would do"
    )
    return allocate_points(mapped, points, fewer)


def draw_pixels(
    pixels: MapPixels, mapped: NDArray[np.int64], wanted: NDArray[np.int64] | int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Row, column and position in the class table ``(n, 3)`` of pixels drawn without replacement: so many of each class
    ``(C,)``, or of all pixels together."""
    ids = np.array(pixels.table.ids)
    in_block = np.array([[here.get(i, 0) for i in pixels.table.ids] for _, here in pixels.by_block], np.int64)
    strata = [[position] for position in range(len(ids))] if isinstance(wanted, np.ndarray) else [[*range(len(ids))]]
    sizes = np.atleast_1d(wanted)
    # the numbers of the pixels of a stratum from the first row to the last, of which some are drawn
    ends = [np.cumsum(in_block[:, stratum].sum(axis=1)) for stratum in strata]
    numbers = [
        np.sort(random.choice(int(mapped[stratum].sum()), int(size), replace=False, shuffle=False))
        for stratum, size in zip(strata, sizes, strict=True)
    ]
    splits = [np.searchsorted(drawn, np.append(0, end)) for drawn, end in zip(numbers, ends, strict=True)]
    places = []
    with events.progress("draw", "rows") as advance:
        for index, (block, _) in enumerate(pixels.by_block):
            chosen = [drawn[split[index] : split[index + 1]] for drawn, split in zip(numbers, splits, strict=True)]
            values = pixels.read(block) if any(here.size for here in chosen) else None
            for stratum, here, end in zip(strata, chosen, ends, strict=True):
                if values is None or not here.size:
                    continue
                inside = np.flatnonzero(np.isin(values, ids[stratum]))
                rows, columns = np.divmod(inside[here - (end[index] - len(inside))], block.width)
                codes = np.searchsorted(ids, values[rows, columns])
                places.append(np.stack([rows + block.row, columns + block.column, codes], axis=1))
            advance(block.row + block.height, pixels.scene.height)
    found = np.concatenate(places)
    return found[np.lexsort(found.T[1::-1])]  # by row and column, however the map was read


def warn_of_rare_classes(
    table: ClassTable, mapped: NDArray[np.int64], drawn: NDArray[np.int64], design: Design
) -> None:
    """Warn of classes with few points, and of those whose area and omissions few points decide."""
    few = (drawn < np.minimum(mapped, USUAL_LEAST)) if design == "simple" else np.zeros(len(mapped), bool)
    if few.any():
        events.warning(
            f"fewer than {USUAL_LEAST} points in {_listed(table, few, drawn)}: their accuracies will be uncertain, and "
            "the design stratified draws at least that many"
        )
    small = mapped < USUAL_LEAST
    if small.any() and design == "stratified":
        events.warning(f"rare on the map: {_listed(table, small, mapped)}, fewer than {USUAL_LEAST} pixels each")
    rare = outweighed_classes(mapped, drawn) & ~small & ~few
    if rare.any():
        worth = (mapped / np.maximum(drawn, 1)).max() / mapped.sum()
        listed = _listed(table, rare, [f"{share:.2%}" for share in mapped / mapped.sum()])
        events.warning(
            f"rare on the map: {listed}: one point of theirs that lies in a large class stands for up to {worth:.2%} "
            "of the map, so their estimated areas and producer's accuracies will be uncertain; more points help"
        )


def _listed(table: ClassTable, which: NDArray[np.bool_], numbers: Any) -> str:
    """Names of classes with their numbers: ``oats (20), corn (7)``, and how many more."""
    found = [f"{table.names[i]} ({numbers[i]})" for i in np.flatnonzero(which)]
    more = len(found) - LISTED
    return ", ".join(found[:LISTED]) + (f" and {more} more" if more > 0 else "")


def describe_classes(
    table: ClassTable, mapped: NDArray[np.int64], drawn: NDArray[np.int64]
) -> tuple[dict[str, Any], ...]:
    """Pixels and points of each class."""
    rows = zip(table.ids, table.names, mapped.tolist(), drawn.tolist(), strict=True)
    total = int(mapped.sum())
    return tuple(
        {"id": i, "name": name, "pixels": pixels, "share": pixels / total, "points": points}
        for i, name, pixels, points in rows
    )


def write_points(path: Path, found: MapSample, grid: Scene, names: NDArray[np.object_], overwrite: bool) -> None:
    """Write the points of a sample, with the map's class ``names`` ``(n,)``."""
    place = grid.georeference
    crs = place.crs if place else None
    a, b, c, d, e, f = place.transform if place else UPWARDS
    x, y = found.columns + 0.5, found.rows + 0.5
    x, y = a * x + b * y + c, d * x + e * y + f
    columns: dict[str, Any] = {"id": np.arange(1, len(names) + 1), OF_MAP[0]: found.map_ids, OF_MAP[1]: names}
    columns[MAP_PIXELS] = np.full(len(names), sum(row["pixels"] for row in found.classes))
    columns[CLASS_FIELD] = np.full(len(names), None, object)
    if path.suffix.lower() == TABLE:
        where = {"row": found.rows, "column": found.columns} | ({"x": x, "y": y} if crs else {})
        columns = {"id": columns.pop("id"), **where, **columns, CLASS_FIELD: [""] * len(names)}
        with write_output(path, overwrite) as part, part.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(columns)
            lines.writerows(zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True))
        return
    import geopandas
    import shapely

    frame = geopandas.GeoDataFrame(columns, geometry=shapely.points(x, y), crs=crs)
    frame[CLASS_FIELD] = frame[CLASS_FIELD].astype("string")  # a column without values has no type of its own
    write_frame(path, frame, path.stem, "points", overwrite)
