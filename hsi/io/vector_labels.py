"""Labels from polygons and points: drawn onto the pixels of a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.class_colours import name_colours
from hsi.core.events import warning
from hsi.core.georeference import crs_name
from hsi.core.labels import LARGEST_ID, ClassTable, LabelMap, label_map
from hsi.core.scene import Block, Scene
from hsi.errors import LabelError, SceneError, UsageError
from hsi.io.class_files import ClassFile, apply_class_file
from hsi.io.label_checks import note_similar_names
from hsi.io.reader import convert_errors
from hsi.io.vector_files import TABLES, Layer, read_layer, read_shapes, shorten
from hsi.io.vectors.write import UPWARDS
from hsi.settings import InputSettings

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int32]
AREAS = ("Polygon", "MultiPolygon")
SHAPES = (*AREAS, "Point", "MultiPoint")
LONGEST_NAME = 200
MOST_NAMES = 5


@dataclass(frozen=True)
class Classes:
    """Class id of each feature ``(n,)`` int64, which of them have one, and the names of text classes."""

    ids: NDArray[np.int64]
    known: Mask
    names: Mapping[int, str]
    notes: list[str]

    def quote(self, i: int) -> str:
        """The name of a class, or its number, for a message."""
        return f"'{shorten(self.names.get(i, str(i)))}'"


@dataclass(frozen=True)
class Canvas:
    """The pixels of a scene, and the rule by which a polygon gets them."""

    shape: tuple[int, int]
    transform: tuple[float, ...]
    crs: str
    all_touched: bool

    def draw(self, geometries: NDArray[Any], numbers: Numbers) -> Numbers:
        """``numbers`` of the geometries on their pixels ``(H, W)`` int32, 0 elsewhere; later ones cover others."""
        from affine import Affine
        from rasterio.features import rasterize

        drawn: Numbers = rasterize(
            zip(geometries, numbers.tolist(), strict=True),
            out_shape=self.shape,
            transform=Affine(*self.transform),
            fill=0,
            dtype="int32",
            all_touched=self.all_touched,
        )
        return drawn

    def gives_a_pixel(self, geometry: Any) -> bool:
        """Whether the geometry would get any pixel if it were the only one; only the pixels around it are drawn."""
        window = self.window_of(np.array([geometry], object))
        return window is not None and bool(self.draw_on(window, np.array([geometry], object)).any())

    def window_of(self, geometries: NDArray[Any]) -> Block | None:
        """The pixels of the scene around the geometries; None where there are none."""
        import shapely
        from affine import Affine

        to_columns, to_rows = np.array((~Affine(*self.transform))[:6]).reshape(2, 3)
        columns, rows = (shapely.get_coordinates(geometries) @ line[:2] + line[2] for line in (to_columns, to_rows))
        left, top = (max(0, int(np.floor(axis.min()))) for axis in (columns, rows))
        right, bottom = min(self.shape[1], int(columns.max()) + 1), min(self.shape[0], int(rows.max()) + 1)
        return Block(top, left, bottom - top, right - left) if right > left and bottom > top else None

    def draw_on(self, window: Block, geometries: NDArray[Any]) -> Mask:
        """The pixels ``(h, w)`` of a window that the geometries get."""
        a, b, c, d, e, f = self.transform
        corner = a * window.column + b * window.row + c, d * window.column + e * window.row + f
        part = replace(self, shape=(window.height, window.width), transform=(a, b, corner[0], d, e, corner[1]))
        return part.draw(geometries, np.ones(len(geometries), np.int32)) > 0

    @property
    def outline(self) -> Any:
        """The scene as a polygon in map coordinates."""
        import shapely

        (height, width), (a, b, c, d, e, f) = self.shape, self.transform
        corners = [(0, 0), (width, 0), (width, height), (0, height)]
        return shapely.Polygon([(a * x + b * y + c, d * x + e * y + f) for x, y in corners])


def read_vector_labels(path: Path, like: Scene, options: InputSettings, known: ClassFile | None = None) -> LabelMap:
    """Polygons and points of a vector file as labels ``(H, W)`` of a scene, with the number of each pixel's feature.

    Features are numbered from 1 in the order of the file, points of MultiPoints and parts of the only feature of a
    class after them. A polygon labels the pixels whose centre it contains, with
    ``options.all_touched`` those that it touches; a point labels its pixel. Pixels under features of different classes
    have no label; under several of one class they belong to the last. Classes have the ids, names and colours of those
    that are ``known``. ``notes`` list what was left out.

    Raises :class:`LabelError` when the scene or the file has no CRS, for lines, fractions and other classes that are no
    ids, and when no pixel is labelled; :class:`UsageError` for a wrong layer, field or option, or without geopandas;
    :class:`SceneFileError` for a damaged file.
    """
    options.check_vector(path)
    return draw_layer(read_layer(path, options, like.area.full if like.area else like), like, options, known)


def draw_layer(layer: Layer, like: Scene, options: InputSettings, known: ClassFile | None = None) -> LabelMap:
    """The features of a layer as labels ``(H, W)`` of a scene; see :func:`read_vector_labels`."""
    path, known = layer.path, known or layer.classes
    layer, canvas, classes, geometries, usable, notes_on_shapes = _place_features(layer, like, options, known)
    notes = [*layer.notes, *classes.notes, *notes_on_shapes]
    wanted = classes.known & usable
    if not wanted.any():
        raise LabelError(f"{path}: no feature has both a shape and a class: {'; '.join(notes)}")
    if options.all_touched and not any(geometry.geom_type in AREAS for geometry in geometries[wanted]):
        raise UsageError(f"{path}: holds points only: leave all_touched out, which is for polygons")
    with convert_errors(path, "polygons and points"):
        inside, notes_on_place = _select_inside(path, geometries, wanted, canvas, like)
        geometries, inside, classes, notes_on_parts = _split_parts(layer, geometries, inside, classes, canvas)
        numbers, notes_on_pixels = _draw_features(geometries, inside, classes, canvas)
    notes += [*notes_on_place, *notes_on_parts, *notes_on_pixels, *_note_absent(classes, numbers)]
    if not numbers.any():
        raise LabelError(f"{path}: no pixel of the scene {like.name} gets a label: {'; '.join(notes)}")
    names = classes.names  # numbers without a field of names are named after themselves
    unlabelled = -1 if 0 in names and layer.kind == "text" else options.background or 0
    own = {place: layer.colours[name] for place, name in enumerate(names.values()) if name in layer.colours}
    chosen = name_colours(tuple(names.values()), own)
    labels = label_map(
        np.where(numbers > 0, np.append(0, classes.ids)[numbers], unlabelled),
        background=unlabelled,
        table=ClassTable(tuple(names), tuple(names.values()), chosen) if names else None,
        source=path,
        variable=layer.field,
        polygons=numbers,
        notes=tuple(notes),
    )
    return apply_class_file(labels, known) if known else labels


def features_in_pixels(
    layer: Layer, like: Scene, options: InputSettings, known: ClassFile | None = None
) -> tuple[NDArray[Any], Classes, Mask, list[str]]:
    """Geometries ``(n,)`` in (column, row) from the upper left corner of a scene, their classes, which of them can be
    drawn, and notes. Raises as :func:`read_vector_labels` does."""
    import shapely
    from affine import Affine

    _, canvas, classes, geometries, usable, notes = _place_features(layer, like, options, known)
    to_columns, to_rows = np.array((~Affine(*canvas.transform))[:6]).reshape(2, 3)

    def to_pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([xy @ line[:2] + line[2] for line in (to_columns, to_rows)], axis=1)

    return shapely.transform(geometries, to_pixels), classes, classes.known & usable, notes


def _place_features(
    layer: Layer, like: Scene, options: InputSettings, known: ClassFile | None
) -> tuple[Layer, Canvas, Classes, NDArray[Any], Mask, list[str]]:
    """The layer with its notes, the pixels to draw on, classes, geometries in the coordinates of these pixels, which of
    them can be drawn, and notes on them."""
    layer = _place_without_crs(layer, like)
    canvas = _make_canvas(layer, like, options.all_touched)
    classes = _assign_classes(layer, options.background, known)
    with convert_errors(layer.path, "polygons and points"):
        geometries, usable, notes = _project_geometries(layer, canvas.crs)
    return layer, canvas, classes, geometries, usable, notes


def draw_polygons(path: Path, like: Scene, kind: str) -> tuple[Block, Mask] | None:
    """The window of a scene around the polygons of a file, and its pixels ``(h, w)`` whose centres lie in one.

    None where no polygon reaches into the scene. ``kind`` is what the polygons are, for a message. Raises
    :class:`LabelError` where scene or file have no CRS, :class:`SceneError` for other shapes than polygons,
    :class:`SceneFileError` for a damaged file and :class:`UsageError` without geopandas.
    """
    layer = read_shapes(path, like.area.full if like.area else like)
    canvas = _make_canvas(layer, like, all_touched=False)
    others = {str(name) for name in layer.frame.geom_type if name} - {*AREAS}
    if others:
        raise SceneError(f"{path}: holds shapes of type {', '.join(sorted(others))}; {kind} is polygons: buffer them")
    with convert_errors(path, "polygons"):
        geometries, usable, notes = _project_geometries(layer, canvas.crs)
        window = canvas.window_of(geometries[usable]) if usable.any() else None
        pixels = canvas.draw_on(window, geometries[usable]) if window else np.zeros((0, 0), bool)
    for note in notes:
        warning(f"{path}: {note}")
    return (window, pixels) if window else None


def describe_extents(path: Path, like: Scene) -> str:
    """Where the polygons of a file and a scene lie in the scene's CRS."""
    import shapely

    layer = read_shapes(path, like.area.full if like.area else like)
    canvas = _make_canvas(layer, like, all_touched=False)
    geometries, usable, _ = _project_geometries(layer, canvas.crs)
    theirs, ours = (_format_extent(shapely.total_bounds(shape)) for shape in (geometries[usable], canvas.outline))
    return f"it reaches {theirs}, the scene {ours}{f' in {crs_name(canvas.crs)}' if canvas.crs else ''}"


def _place_without_crs(layer: Layer, like: Scene) -> Layer:
    """A layer without CRS in pixel coordinates of a scene without one, both in the coordinates that QGIS shows it in:
    those of its transform, or pixels to the right and upwards from the upper left corner; others as they are."""
    import shapely

    place = (like.area.full if like.area else like).georeference
    transform: tuple[float, ...] = place.transform if place else UPWARDS
    a, b, c, d, e, f = transform
    mixed = layer.in_pixels or layer.frame.crs is not None or (place is not None and place.crs is not None)
    if mixed or a * e == b * d or layer.path.suffix.lower() in TABLES:
        return layer
    inverse = np.linalg.inv(np.array([[a, b, c], [d, e, f], [0, 0, 1]], np.float64))
    moved = shapely.transform(layer.frame.geometry.to_numpy(object), lambda xy: xy @ inverse[:2, :2].T + inverse[:2, 2])
    meant = "those of the scene" if place else "pixels to the right and upwards from the scene's upper left corner"
    note = f"neither the file nor the scene has a CRS: coordinates are taken as {meant}"
    frame = layer.frame.set_geometry(moved)
    return replace(layer, frame=frame, in_pixels=True, notes=(*layer.notes, note))


def _make_canvas(layer: Layer, like: Scene, all_touched: bool) -> Canvas:
    path, place = layer.path, like.georeference
    if layer.in_pixels:
        corner = like.area.window if like.area else like.extent
        transform = (1.0, 0.0, float(corner.column), 0.0, 1.0, float(corner.row))
        return Canvas((like.height, like.width), transform, "", all_touched)
    if place is None or not place.crs:
        lacks = "no CRS" if place else "no place on the ground"
        raise LabelError(
            f"{path}: the scene {like.name} has {lacks}, so polygons and points cannot be drawn on it; give "
            "georef=FILE, a raster of the same pixels that has a CRS and transform, or a table (.csv) of row and column"
        )
    a, b, _, d, e, _ = place.transform
    if a * e == b * d:
        raise LabelError(f"{path}: the transform of the scene {like.name} is not invertible; give georef=FILE")
    return Canvas((like.height, like.width), place.transform, place.crs, all_touched)


def _assign_classes(layer: Layer, background: int | None, known: ClassFile | None) -> Classes:
    """The classes of a layer: integers are class ids, texts have those of the class file, or 1 to n in sorted order.

    Texts are stripped of white space at their ends, and blank ones are no class. Features of the class ``background``
    (0 unless given) count as unlabelled, like the pixels of a raster. Raises :class:`LabelError` for fractions, ids out
    of range and very long texts, :class:`UsageError` for a background of text classes.
    """
    values, field = layer.frame[layer.field], f"field '{shorten(layer.field)}'"
    present = values.notna().to_numpy(bool)
    if layer.kind != "text":
        return _number_classes(layer, values.to_numpy(np.float64, na_value=np.nan), background or 0)
    if background is not None:
        raise UsageError(f"{layer.path}: {field} is text, so no class is number {background}: leave background out")
    texts = [str(value).strip() if ok else "" for value, ok in zip(values, present, strict=True)]
    names = sorted(set(texts) - {""})
    longest = max(map(len, names), default=0)
    if len(names) > LARGEST_ID or longest > LONGEST_NAME:
        excess = f"{len(names):,} values" if len(names) > LARGEST_ID else f"a value of {longest:,} characters"
        raise LabelError(
            f"{layer.path}: {field} has {excess}; up to {LARGEST_ID:,} classes with names of up to "
            f"{LONGEST_NAME} characters are possible: name the class field with label_field=NAME"
        )
    codes = known.number(names) if known else {name: i for i, name in enumerate(names, 1)}
    ids = np.array([codes.get(text, -1) for text in texts], np.int64)
    by_id = {i: name for name, i in sorted(codes.items(), key=lambda item: item[1])}
    occurring = Counter(texts)
    counts = {name: occurring[name] for name in sorted(by_id.values())}
    notes = [*_note_missing(layer, ids >= 0), *note_similar_names(counts, "features")]
    return Classes(ids, ids >= 0, by_id, notes)


def _number_classes(layer: Layer, values: NDArray[np.float64], background: int) -> Classes:
    """Numbers as float64 ``(n,)``, NaN where there is none; float64 holds ids exactly."""
    known = ~np.isnan(values)
    labelled = known & (values != background)
    wrong = values[labelled & ((values != np.rint(values)) | (values < 0) | (values > LARGEST_ID))]
    if wrong.size:
        raise LabelError(
            f"{layer.path}: field '{shorten(layer.field)}' holds {wrong[0]:.10g}; class ids are integers from 0 to "
            f"{LARGEST_ID}; name another label_field, or with background the number that means unlabelled"
        )
    notes, skipped = _note_missing(layer, known), known & ~labelled
    if skipped.any():
        means = f"class {background}, which means unlabelled (background names another number)"
        notes.append(f"{_count(skipped)} skipped: {means}")
    ids = np.where(labelled, values, 0).astype(np.int64)
    return Classes(ids, labelled, _name_classes(layer, ids, labelled), notes)


def _name_classes(layer: Layer, ids: NDArray[np.int64], labelled: Mask) -> dict[int, str]:
    """The names of classes by id, from the field of names; raises :class:`LabelError` where an id has several."""
    if layer.name_field is None:
        return {}
    texts = layer.frame[layer.name_field]
    names: dict[int, dict[str, int]] = {int(i): {} for i in np.unique(ids[labelled])}
    for i, text in zip(ids[labelled].tolist(), texts[labelled], strict=True):
        name = "" if text is None or text != text else str(text).strip()[:LONGEST_NAME]
        if name:
            names[i][name] = names[i].get(name, 0) + 1
    for i, counts in names.items():
        if len(counts) > 1:
            listed = ", ".join(f"'{shorten(name)}' ({_count(count)})" for name, count in counts.items())
            raise LabelError(
                f"{layer.path}: class {i} has {len(counts)} names in '{shorten(layer.name_field)}': {listed[:400]}; "
                "give it one name, or leave label_name_field out"
            )
    return {i: next(iter(counts), f"class {i}") for i, counts in names.items()}


def _note_missing(layer: Layer, known: Mask) -> list[str]:
    return [] if known.all() else [f"{_count(~known)} skipped: no value in '{shorten(layer.field)}'"]


def _count(features: Mask | int) -> str:
    """``1 feature``, ``1,200 features``."""
    count = int(np.count_nonzero(features)) if isinstance(features, np.ndarray) else features
    return f"{count:,} feature{'' if count == 1 else 's'}"


def _project_geometries(layer: Layer, crs: str) -> tuple[NDArray[Any], Mask, list[str]]:
    """The geometries ``(n,)`` in ``crs`` (WKT), two-dimensional and valid, which of them can be drawn, and notes.

    Those that are empty or cannot be projected become None, invalid polygons are repaired, and both are noted. Raises
    :class:`LabelError` for lines, for a layer without CRS and when its CRS cannot be transformed to the scene's.
    """
    import shapely
    from pyproj.exceptions import ProjError

    if layer.frame.crs is None and not layer.in_pixels:
        hint = "its .prj is missing; " if layer.path.suffix.lower() in (".shp", ".zip") else ""
        raise LabelError(
            f"{layer.path}: has no CRS, so it cannot be placed on the scene, which is in {crs_name(crs)}: {hint}name "
            f"its CRS with label_crs, such as --label-crs {_short_crs(crs)} if it is the scene's"
        )
    series = layer.frame.geometry
    present = ~(series.isna() | series.is_empty).to_numpy(bool)
    wrong = [str(name) for name in series.geom_type.to_numpy(object)[present] if name not in SHAPES]
    if wrong:
        raise LabelError(
            f"{layer.path}: {_count(len(wrong))} of type {wrong[0]}; labels are polygons or points: "
            "buffer lines to polygons, split collections, or take them out of the layer"
        )
    try:
        projected = series if layer.in_pixels else series.to_crs(crs)
        geometries = shapely.force_2d(projected.to_numpy(object))
    except ProjError as error:
        reason = " ".join(str(error).split())[:120]
        theirs, ours = crs_name(layer.frame.crs.to_wkt()), crs_name(crs)
        raise LabelError(
            f"{layer.path}: cannot be projected from {theirs} to the scene's {ours}: {reason}; "
            "save the file in the scene's CRS"
        ) from error
    finite = _finite(series.to_numpy(object))
    placed = present & finite & _finite(geometries)
    invalid = placed & ~shapely.is_valid(geometries)
    for i in np.flatnonzero(invalid):
        parts = shapely.get_parts(shapely.make_valid(geometries[i]))
        geometries[i] = shapely.union_all([part for part in parts if part.geom_type in AREAS])
    hollow = placed & shapely.is_empty(geometries)
    usable = placed & ~hollow
    geometries[~usable] = None
    cases = [
        (~present, "skipped: no geometry"),
        (present & ~finite, "skipped: a coordinate is not a finite number"),
        (present & finite & ~placed, f"skipped: no place in the scene's {crs_name(crs)}"),
        (invalid, "repaired: the outline was not valid (it crossed itself)"),
        (hollow, "skipped: no area"),
    ]
    notes = [f"{_count(features)} {fate}" for features, fate in cases if features.any()]
    return geometries, usable, notes


def _finite(geometries: NDArray[Any]) -> Mask:
    """Which geometries ``(n,)`` have only finite coordinates, and are not empty."""
    import shapely

    places, which = shapely.get_coordinates(geometries, return_index=True)
    finite = np.bincount(which, minlength=len(geometries)) > 0
    finite[which[~np.isfinite(places).all(axis=1)]] = False
    return finite


def _short_crs(crs: str) -> str:
    """The code of a CRS (WKT), such as ``EPSG:32633``, or what stands for one."""
    from pyproj import CRS

    code = CRS.from_wkt(crs).to_authority()
    return ":".join(code) if code else "EPSG:32633"


def _select_inside(
    path: Path, geometries: NDArray[Any], wanted: Mask, canvas: Canvas, like: Scene
) -> tuple[Mask, list[str]]:
    """Which wanted features reach into the scene, and notes on the others; raises when none does."""
    import shapely

    outline = canvas.outline
    shapely.prepare(outline)
    # a polygon that only shares an edge with the scene lies outside, a point on the edge need not
    adjacent = shapely.touches(outline, geometries) & (shapely.get_dimensions(geometries) == 2)
    inside = wanted & shapely.intersects(outline, geometries) & ~adjacent
    if not inside.any():
        features, scene = (_format_extent(shapely.total_bounds(shape)) for shape in (geometries[wanted], outline))
        named = crs_name(canvas.crs) if canvas.crs else "pixels"
        raise LabelError(
            f"{path}: its features miss the scene {like.name}: they reach {features}, the scene {scene} in "
            f"{named}; check the CRS of both (label_crs names that of the features), or name another file"
        )
    outside, partly = wanted & ~inside, inside & ~shapely.covers(outline, geometries)
    cases = [(outside, "outside the scene, and skipped"), (partly, "partly outside the scene, and cut at its edge")]
    return inside, [f"{_count(features)} of {wanted.sum():,} {where}" for features, where in cases if features.any()]


def _split_parts(
    layer: Layer, geometries: NDArray[Any], inside: Mask, classes: Classes, canvas: Canvas
) -> tuple[NDArray[Any], Mask, Classes, list[str]]:
    """The features with each point of a MultiPoint, and each polygon of the only MultiPolygon of its class, as one of
    their own at the end; and notes. So what a class consists of can be divided between training and test.
    """
    import shapely

    kinds = layer.frame.geometry.geom_type.to_numpy(object)  # before the repair of outlines
    alone = np.bincount(classes.ids[inside], minlength=int(classes.ids.max()) + 1)[classes.ids] == 1
    several = shapely.get_num_geometries(geometries) > 1
    divided = inside & several & ((kinds == "MultiPoint") | (alone & (kinds == "MultiPolygon")))
    parts, which = shapely.get_parts(geometries[divided], return_index=True)
    within = shapely.intersects(canvas.outline, parts)
    parts, which = parts[within], np.flatnonzero(divided)[which[within]]
    areas = [i for i in np.unique(which).tolist() if kinds[i] == "MultiPolygon" and np.count_nonzero(which == i) > 1]
    notes = [
        f"{classes.quote(int(classes.ids[i]))} is one feature of {np.count_nonzero(which == i)} parts, each of which "
        "counts as a polygon"
        for i in areas[:MOST_NAMES]
    ]
    ids, known = (np.concatenate([values, values[which]]) for values in (classes.ids, classes.known))
    remaining = geometries.copy()
    remaining[divided] = None
    joined = np.concatenate([remaining, parts])
    inside = np.concatenate([inside & ~divided, np.ones(len(parts), bool)])
    return joined, inside, replace(classes, ids=ids, known=known), notes


def _format_extent(bounds: Sequence[float]) -> str:
    left, bottom, right, top = bounds
    return f"x {left:.8g} to {right:.8g} and y {bottom:.8g} to {top:.8g}"


def _draw_features(
    geometries: NDArray[Any], inside: Mask, classes: Classes, canvas: Canvas
) -> tuple[Numbers, list[str]]:
    """The feature number of each pixel ``(H, W)``, 0 where none or several classes meet, and notes.

    Features are drawn in the order of their class and once more in reverse: a pixel on which the two drawings show
    one class lies under no other.
    """
    order = np.flatnonzero(inside)
    order = order[np.argsort(classes.ids[order], kind="stable")]
    numbers = (order + 1).astype(np.int32)
    last, first = canvas.draw(geometries[order], numbers), canvas.draw(geometries[order[::-1]], numbers[::-1])
    ids = np.append(0, classes.ids)
    mixed = ids[last] != ids[first]
    notes = []
    if mixed.any():
        pairs, counts = np.unique(ids[first[mixed]] + ids[last[mixed]] * (LARGEST_ID + 1), return_counts=True)
        larger, smaller = divmod(int(pairs[counts.argmax()]), LARGEST_ID + 1)
        most = f"{classes.quote(smaller)} and {classes.quote(larger)}"
        count = int(np.count_nonzero(mixed))
        notes.append(
            f"{count:,} pixel{'s' * (count != 1)} under features of different classes (most: {most}) left unlabelled"
        )
    drawn = np.zeros(len(ids), bool)
    drawn[last], drawn[first] = True, True
    # features that are hidden under others of their class would get a pixel
    empty = sum(1 for i in np.flatnonzero(inside & ~drawn[1:]) if not canvas.gives_a_pixel(geometries[i]))
    if empty:
        hint = "" if canvas.all_touched else " (all_touched labels every pixel that a polygon touches)"
        notes.append(f"{_count(empty)} without a pixel: too small or thin to contain a pixel's centre{hint}")
    return np.where(mixed, np.int32(0), last), notes


def _note_absent(classes: Classes, numbers: Numbers) -> list[str]:
    """A note on classes of the file that no pixel has."""
    present = np.append(0, classes.ids)[np.unique(numbers[numbers > 0])]
    absent = np.setdiff1d(classes.ids[classes.known], present).tolist()
    if not absent:
        return []
    named = ", ".join(map(classes.quote, absent[:MOST_NAMES])) + (" and others" if len(absent) > MOST_NAMES else "")
    count = "1 class is" if len(absent) == 1 else f"{len(absent)} classes are"
    return [f"{count} on no pixel of the scene: {named}"]
