"""Open a scene or labels, whatever format they are in."""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.class_colours import name_colours
from hsi.core.events import info, warning
from hsi.core.labels import ClassTable, LabelMap, decode_one_hot, label_map
from hsi.core.scene import Georeference, Scene
from hsi.errors import HsiError, LabelError, SceneFileError, UsageError
from hsi.io.align import align_labels, grid_mismatch, places_to_align, same_grid
from hsi.io.arrays import find_label_array, find_training_and_test, format_arrays, get_array, select_cube, select_labels
from hsi.io.axes import GOOD, WIDTHS, Axes, find_axes, is_centres, last_name, letter_of, parse_axes
from hsi.io.class_files import ClassFile, apply_class_file, read_class_file
from hsi.io.formats._envi_header import is_envi_header
from hsi.io.formats._product import find_product, report_unused, to_nanometres
from hsi.io.formats._wavelengths import read_header_bands, read_table_bands, sensor_bands
from hsi.io.formats.gdal import is_remote, open_remote, read_remote_labels
from hsi.io.label_checks import note_fill_values, note_similar_names
from hsi.io.reader import (
    READERS,
    REAL_KINDS,
    Array,
    ArrayInfo,
    ArrayReader,
    ArraysReader,
    LabelContent,
    Reader,
    arrange_axes,
    check_file,
    crop_labels,
    describe_content,
)
from hsi.io.stac.item import Asset, Item, is_item, read_item
from hsi.io.stac.scene import add_item_facts
from hsi.io.vector_files import TABLES, VECTOR_FORMATS, is_vector
from hsi.io.vector_labels import read_vector_labels
from hsi.settings import InputSettings

LARGEST_ONE_HOT = 1 << 28  # values of one-hot labels, which are read at once
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg")


@dataclass(frozen=True)
class LabelSource:
    """A class raster: its file, the name of the array in it, and how to read it."""

    path: Path
    name: str
    read: Callable[[], LabelContent]
    notes: tuple[str, ...] = ()
    plane: tuple[int, int] | None = None  # rows and columns, where they are known before reading
    place: Callable[[], Georeference | None] = lambda: None


def open_scene(
    path: Path | str,
    variable: str | None = None,
    axes: str | None = None,
    labels: Path | tuple[int, int] | None = None,
    asset: str | None = None,
) -> Scene:
    """The cube in a file as a :class:`Scene` ``(H, W, B)``; formats that allow it are read by window later.

    ``path`` may be the folder of a product, GDAL's name for a raster behind a network, a web address, or a STAC Item,
    of whose assets ``asset`` names one. ``variable`` names one of several cubes in a file. ``axes`` is the order of its
    axes, such as ``BHW``, for formats that leave it open; without it names and lengths in the file decide, and the size
    of its ``labels``, a file or (rows, columns). Raises :class:`SceneFileError` for a file that is missing, damaged or
    of no known format, :class:`SceneError` when it holds no cube of real numbers, and :class:`UsageError` for a wrong
    ``asset``, ``variable`` or ``axes``, when several assets or cubes need one, and where nothing says which axis is the
    bands.
    """
    path = Path(path)
    if is_item(path):
        return _open_item(path, asset, variable, axes, labels)
    if asset is not None:
        raise UsageError(f"{path}: is no STAC Item, and asset={asset} names a part of one: leave it out")
    if is_remote(path):
        _refuse_remote(path, variable, axes)
        return open_remote(path)
    path = find_product(path)
    check_file(path)
    if is_vector(path):
        raise SceneFileError(f"{path}: holds polygons or points, expected a cube; give it as the labels of a scene")
    reader = find_reader(path)
    arrays = reader.arrays(path)
    array = select_cube(path, arrays, variable)
    if isinstance(reader, ArraysReader):
        return _open_array(reader, path, arrays, array, axes, labels)
    _refuse_axes(path, axes, reader.title)
    return reader.open(path, array)


def _open_item(
    path: Path, name: str | None, variable: str | None, axes: str | None, labels: Path | tuple[int, int] | None
) -> Scene:
    """The cube of a STAC Item, with what the Item says of its bands and pixels."""
    item = read_item(path)
    asset = item.choose_asset(name)
    info("asset", f"{asset.name} of {item.name}")

    def read_mask(mask: Asset) -> LabelContent:
        file, address = _place_of(item, mask)
        if is_remote(file):
            return read_remote_labels(file, address)
        check_file(file)
        reader = find_reader(file)
        planes = [array for array in reader.arrays(file) if array.is_plane]
        if len(planes) != 1:
            raise SceneFileError(f"{file}: holds {len(planes)} planes (rows, columns), expected one")
        return reader.read_labels(file, planes[0])

    file, address = _place_of(item, asset)
    if is_remote(file):
        _refuse_remote(file, variable, axes)
        return add_item_facts(open_remote(file, address), item, asset, read_mask)
    if is_item(file):
        raise SceneFileError(f"{path}: its asset {asset.name} is another STAC Item, {file}: give that one")
    return add_item_facts(open_scene(file, variable, axes, labels), item, asset, read_mask)


def _place_of(item: Item, asset: Asset) -> tuple[Path, str]:
    """The path of an asset, without a signature, and its address."""
    address = item.locate(asset)
    return Path(address.partition("?")[0]) if is_remote(Path(address)) else Path(address), address


def _refuse_remote(path: Path, variable: str | None, axes: str | None) -> None:
    """Raise :class:`UsageError` for what a raster behind a network has no use for."""
    if variable is not None:
        raise UsageError(f"{path}: a raster behind a network holds one cube: leave variable={variable} out")
    _refuse_axes(path, axes, "a raster behind a network")


def _refuse_axes(path: Path, axes: str | None, title: str) -> None:
    if axes is not None:
        raise UsageError(f"{path}: is {title}, which says where its rows, columns and bands are: leave --axes out")


def _open_array(
    reader: ArraysReader,
    path: Path,
    arrays: Sequence[ArrayInfo],
    cube: ArrayInfo,
    given: str | None,
    labels: Path | tuple[int, int] | None,
) -> Scene:
    """A cube with the order of its axes, and with the wavelengths, widths and good bands that lie along its bands."""
    vectors = [array for array in arrays if array.is_vector and array.name]
    found = Axes(parse_axes(given), "as given") if given else _find_axes(reader, path, arrays, cube, labels)
    scene = reader.open(path, replace(cube, axes=found.order))
    how = "" if found.order == reader.usual_axes else f", axes {found.order} {found.reason}"
    facts = _read_band_facts(reader, path, vectors, scene)
    return replace(scene, axes=found.order, format=f"{scene.format}{how}", **facts)


def _find_axes(
    reader: ArraysReader,
    path: Path,
    arrays: Sequence[ArrayInfo],
    cube: ArrayInfo,
    labels: Path | tuple[int, int] | None,
) -> Axes:
    """The order of a cube's axes by what else is in the file, and by its labels; raises :class:`UsageError`."""
    vectors = [(array.name, math.prod(array.shape)) for array in arrays if array.is_vector and array.name]
    lengths = {side: {length for name, length in vectors if letter_of(name) == side} for side in "HW"}
    lengths["B"] = {length for name, length in vectors if is_centres(name) or WIDTHS.search(last_name(name))}
    inside = {array.plane for array in arrays if array.is_plane and array != cube and 1 not in array.plane}
    names, planes = cube.axes or "???", [_label_sizes(path, labels), inside]
    found = find_axes(cube.shape, names=names, lengths=lengths, planes=planes, usual=reader.usual_axes)
    if found is None:
        raise UsageError(
            f"{path}: nothing says which axis of {cube} holds the bands: give --axes HWB for rows, columns, bands, "
            "--axes BHW for bands first, or another order"
        )
    if not found.reason and len(set(cube.shape)) == 1:
        warning(f"{path}: the axes of {cube} are equal and taken as rows, columns, bands: --axes BHW puts bands first")
    return found


def _label_sizes(path: Path, labels: Path | tuple[int, int] | None) -> set[tuple[int, int]]:
    """The (rows, columns) of the rasters that may be the labels of a scene: those given, or files in its folder."""
    if isinstance(labels, tuple):
        return {labels}
    sizes = set()
    for file in [labels] if labels else _label_files(path):
        with suppress(HsiError):  # it is reported when the labels are opened
            if not is_vector(file):
                sizes |= {array.plane for array in find_reader(file).arrays(file) if array.is_plane}
    return sizes


def _read_band_facts(reader: ArraysReader, path: Path, vectors: Sequence[ArrayInfo], scene: Scene) -> dict[str, Any]:
    """Wavelengths, FWHM and good bands from the arrays of these names along the bands, those of its group first."""
    group = (scene.variable or "").removesuffix(last_name(scene.variable or "", lower=False))
    along = [vector for vector in vectors if math.prod(vector.shape) == len(scene.bands)]
    along.sort(key=lambda vector: not (group and vector.name.startswith(group)))

    def read(wanted: Callable[[str], object]) -> tuple[list[float], str | None]:
        one = next((vector for vector in along if wanted(last_name(vector.name))), None)
        if one is None:
            return [], None
        values, unit = reader.read_vector(path, one)
        return [float(value) for value in values] if np.all(np.isfinite(values)) else [], unit

    (centres, unit), (widths, width_unit), (good, _) = read(is_centres), read(WIDTHS.search), read(GOOD.search)
    wavelengths, fwhm = to_nanometres(centres, widths, unit, width_unit)
    if centres and wavelengths is None:
        report_unused(centres, unit)
    facts = {"wavelengths": wavelengths, "fwhm": fwhm, "good": tuple(value != 0 for value in good) or None}
    return {name: value for name, value in facts.items() if value is not None}


def open_labels(path: Path | str | None, like: Scene, options: InputSettings | None = None) -> LabelMap:
    """The labels ``(H, W)`` of a scene, with class names and colours where the file has them.

    Without ``path`` they are searched in the scene's own file (a 2-D array of integers of the scene's size) and then
    in its folder (``<stem>_gt.*``, ``<stem without _corrected>_gt.*``, ``<stem>_labels.*``). Two arrays with names
    like ``TR`` and ``TE`` that share no pixel are joined. Of the ``options`` only those of labels are used;
    ``background`` is 0 unless the file names a nodata value; pixels of the nodata value never have a class.

    Polygons and points of a vector file are drawn onto the scene, see :func:`read_vector_labels`. With ``align`` a
    class raster on another grid is reprojected to the scene's by nearest neighbour. The ``notes`` of the result list
    what was left out.

    Raises :class:`LabelError` when there are none, several, or they do not fit the scene's pixels or its place on the
    ground, :class:`SceneFileError` for a damaged file and :class:`UsageError` for a wrong array, field or
    layer and for an option that has no meaning for these labels.
    """
    options, full = options or InputSettings(), like.area.full if like.area else like
    source = _find_labels(full, options.label_variable) if path is None else Path(path)
    classes = open_classes(options.classes) if options.classes else None
    if isinstance(source, Path):
        check_file(source)
        if is_vector(source) or source.suffix.lower() == ".zip":
            return read_vector_labels(source, like, options, classes)
        source = _select_source(source, full, options.label_variable)
    labels = _read_raster_labels(source, like, options)
    return apply_class_file(labels, classes) if classes else labels


def open_classes(path: Path) -> ClassFile:
    """The ids, names and colours of the classes in a file, see :func:`hsi.io.class_files.read_class_file`."""

    def read_raster(path: Path) -> LabelContent:
        reader = find_reader(path, "; or .qml, .sld, .csv, .safetensors")
        return reader.read_classes(path, reader.arrays(path)[0])

    return read_class_file(Path(path), read_raster)


def open_wavelengths(source: Path) -> tuple[tuple[float, ...], tuple[float, ...] | None]:
    """Wavelengths and FWHM in nm of the bands of a scene, an ENVI header, a table, or a sensor by its name.

    Raises :class:`UnknownNameError` for what is neither a file nor a sensor, and :class:`SceneFileError` for a file
    without wavelengths.
    """
    if not source.exists() and source.parent == Path() and not source.suffix:
        return sensor_bands(source.name)
    if not is_remote(source) and source.is_file():
        if is_envi_header(source):
            found = read_header_bands(source)
            if found:
                return found
        elif source.suffix.lower() in TABLES or not any(reader.accepts(source) for _, reader in READERS.items()):
            return read_table_bands(source)
    scene = open_scene(source)
    if scene.wavelengths is None:
        raise SceneFileError(f"{source}: has no wavelengths; give a scene that has them, or a table of them in nm")
    return scene.wavelengths, scene.fwhm


def files_of(path: Path) -> tuple[Path, ...]:
    """Every file that holds the scene or the labels at ``path``: a header and its data, the parts of a Shapefile.

    Of a STAC Item that is its document alone.
    """
    if is_item(path):
        return (path,)
    if not is_vector(path):
        return find_reader(path).files(path)
    if path.suffix.lower() != ".shp":
        return (path,)
    parts = sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))
    return tuple(part for part in parts if part.suffix.lower() in (".shp", *SHAPEFILE_PARTS))


def find_reader(path: Path, other_formats: str = "") -> Reader:
    """The reader whose suffix and content fit best; raises :class:`SceneFileError` when none does.

    The message lists the known formats, and ``other_formats`` that are possible too.
    """
    check_file(path)
    accepting = [reader for _, reader in READERS.items() if reader.accepts(path)]
    accepting = accepting or [reader for _, reader in READERS.items() if reader.identifies(path)]
    if not accepting:
        known = ", ".join(sorted({suffix for _, reader in READERS.items() for suffix in reader.suffixes}))
        suffix = f"suffix '{path.suffix}'" if path.suffix else "a name without suffix"
        content = describe_content(path)
        suffix += f" and {content}" if content else ""
        raise SceneFileError(
            f"{path}: not a known format: found {suffix}, expected one of: {known}{other_formats}; "
            "a raw ENVI data file needs its .hdr in the same folder"
        )
    return max(accepting, key=lambda reader: (reader.is_product, reader.has_suffix(path), reader.recognises(path)))


def _select_source(path: Path, like: Scene, variable: str | None) -> LabelSource:
    reader = find_reader(path, f"; {VECTOR_FORMATS}")
    arrays, shape = _arrays_like(reader, path, like), (like.height, like.width)
    if variable is None:
        joined = _join_training_and_test(reader, path, arrays, shape)
        if joined:
            return joined
        for image in arrays if not any(array.is_plane for array in arrays) else ():
            if coloured := reader.read_colours(path, image):
                return LabelSource(path, image.name, lambda: coloured[0], (coloured[1],))
        layered = [array for array in arrays if _has_layers(array, shape)]
        if len(layered) == 1 and not any(array.is_plane for array in arrays):
            return _one_hot_source(reader, path, layered[0], shape)
        return _array_source(reader, path, select_labels(reader, path, arrays, shape))
    array = get_array(path, arrays, variable, "label_variable")
    if _has_layers(array, shape):
        return _one_hot_source(reader, path, array, shape)
    if not array.is_plane:
        raise LabelError(f"{path}: labels are a 2-D array of integers, found {array}; name another variable")
    return _array_source(reader, path, array)


def _arrays_like(reader: Reader, path: Path, like: Scene) -> list[ArrayInfo]:
    """The arrays in a file; if a scene of the same file has columns before rows, so have planes that do not say it."""
    turned = like.axes is not None and like.axes.index("W") < like.axes.index("H") and path == like.source
    arrays = reader.arrays(path)
    return [replace(one, axes="WH") if turned and set(one.axes) <= {"?"} else one for one in arrays]


def _array_source(reader: Reader, path: Path, array: ArrayInfo) -> LabelSource:
    place = partial(reader.read_place, path, array)
    return LabelSource(path, array.name, lambda: reader.read_labels(path, array), plane=array.plane, place=place)


def _has_layers(array: ArrayInfo, shape: tuple[int, int]) -> bool:
    """Whether an array may be one-hot labels of a scene of this ``shape``, whose layers are its first or last axis."""
    if len(array.shape) != 3 or array.kind not in REAL_KINDS | {"logical"}:
        return False
    return math.prod(array.shape) <= LARGEST_ONE_HOT and any(n > 1 for n in _layer_axes(array.shape, shape).values())


def _layer_axes(array: tuple[int, ...], shape: tuple[int, int]) -> dict[int, int]:
    """Axes of a 3-D array that may be layers, and their lengths; the last comes first."""
    return {axis: array[axis] for axis in (2, 0) if tuple(np.delete(array, axis)) == shape}


def _one_hot_source(reader: Reader, path: Path, array: ArrayInfo, shape: tuple[int, int]) -> LabelSource:
    axis = next(iter(_layer_axes(array.shape, shape)))
    if isinstance(reader, ArraysReader):
        array, axis = replace(array, axes="HWB" if axis == 2 else "BHW"), 2
    opened = None if isinstance(reader, ArrayReader) else reader.open(path, array)
    values = arrange_axes(reader.load(path, array), array.axes) if isinstance(reader, ArrayReader) else None
    values = np.moveaxis(opened.read() if opened else np.asarray(values), axis, 2)
    ids, note = decode_one_hot(values, f"{path}{f' ({array.name})' if array.name else ''}")
    content = LabelContent(ids, georeference=opened.georeference if opened else None)
    return LabelSource(path, array.name, lambda: content, (note,))


def _join_training_and_test(
    reader: Reader, path: Path, arrays: Sequence[ArrayInfo], shape: tuple[int, int]
) -> LabelSource | None:
    """Training and test labels as one, when these are the only planes of the scene's shape and share no pixel."""
    planes = [array for array in arrays if array.is_plane and array.plane == shape]
    pair = find_training_and_test(planes) if len(planes) == 2 else None
    if pair is None:
        return None
    train, test = (np.nan_to_num(reader.read_labels(path, plane).values) for plane in pair)
    if np.any((train != 0) & (test != 0)):
        return None
    content = LabelContent(np.where(train != 0, train, test))
    note = f"{pair[0].name} and {pair[1].name} are taken together; --split given:{path} separates them"
    return LabelSource(path, f"{pair[0].name} + {pair[1].name}", lambda: content, (note,))


def _find_labels(like: Scene, variable: str | None) -> LabelSource | Path:
    """An array in the scene's own file, or a file in its folder."""
    if like.source is None:
        origin = f"joined from {len(like.tiles)} files" if like.tiles else "not from a file"
        raise LabelError(f"no labels found: {like.name} is {origin}; give labels=FILE")
    path, shape = like.source, (like.height, like.width)
    if is_remote(path):
        raise LabelError(f"no labels found: {path} is behind a network; give labels=FILE")
    reader = find_reader(path)
    others = [array for array in _arrays_like(reader, path, like) if array.name != (like.variable or "")]
    if variable is None:
        joined = _join_training_and_test(reader, path, others, shape)
        if joined:
            return joined
        array = find_label_array(reader, path, others, shape)
        if array:
            return _array_source(reader, path, array)
    elif variable in {array.name for array in others}:
        return _select_source(path, like, variable)
    files = _label_files(path)
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise LabelError(f"{path}: {len(files)} files could hold its labels: {names}; name one with labels=FILE")
    if files:
        return files[0]
    others = [array for array in others if array.name]
    if variable is not None and others:
        get_array(path, others, variable, "label_variable")
    size = f"{like.height} x {like.width}"
    transposed = [array for array in others if array.is_plane and array.plane == shape[::-1]]
    hint = f" (it also holds {format_arrays(others)}; the scene is {size})" if others else ""
    if transposed:
        hint = f" ({transposed[0]} is transposed: the scene is {size})"
    names = ", ".join(f"{name}.*" for name in _label_names(path))
    raise LabelError(f"no labels found in {path}{hint}; searched {names}; give labels=FILE")


def _label_names(source: Path) -> list[str]:
    """The possible names of a scene's label file, without suffix, most usual first."""
    stem = source.stem
    if source.suffix.lower() == ".hdr" and source.with_suffix("").is_file():
        stem = source.with_suffix("").stem  # scene.img.hdr is the header of scene.img
    names = [f"{stem}_gt"]
    if stem.lower().endswith("_corrected"):
        names.append(f"{stem[: -len('_corrected')]}_gt")
    return [*names, f"{stem}_labels"]


def _label_files(source: Path) -> list[Path]:
    """The files in the folder of ``source`` with one of :func:`_label_names` and a known format, sorted."""
    label_files = []
    for name in _label_names(source):
        files = [entry for entry in sorted(source.parent.iterdir()) if _has_name(entry, name) and entry.is_file()]
        # a table next to a scene may hold anything
        files = [f for f in files if f.suffix.lower() not in TABLES]
        files = [f for f in files if is_vector(f) or any(r.accepts(f) or r.identifies(f) for _, r in READERS.items())]
        if any(entry.suffix.lower() == ".hdr" for entry in files):
            # an ENVI header stands for its data file
            files = [f for f in files if is_vector(f) or any(reader.has_suffix(f) for _, reader in READERS.items())]
        label_files += files
    # a picture often lies next to the labels that it shows
    return [file for file in label_files if file.suffix.lower() not in PICTURES] or label_files


def _has_name(path: Path, name: str) -> bool:
    """Whether a file is called ``name``, in any case of letters, with one suffix at most or ``.hdr`` after it."""
    suffixes = path.name.lower().removeprefix(name.lower())
    if suffixes == path.name.lower():
        return False
    return not suffixes or (suffixes[0] == "." and "." not in suffixes[1:].removesuffix(".hdr"))


def _read_raster_labels(source: LabelSource, like: Scene, options: InputSettings) -> LabelMap:
    path, name = source.path, source.name
    options.check_raster(path)
    where = f"{path} ({name})" if name else str(path)
    if source.plane and source.plane not in like.grid_sizes and not options.align:  # not read, as it may be of any size
        raise grid_mismatch(where, source.plane, source.place(), like)
    content = source.read()
    if like.area and same_grid(content.values.shape, content.georeference, like.area.full):
        content = crop_labels(content, like.area.window)
    place, shape = content.georeference, (content.values.shape[0], content.values.shape[1])
    places = places_to_align(path, place, like) if options.align else None
    fits = same_grid(shape, place, like)
    if not fits and places is None:
        raise grid_mismatch(where, shape, place, like)
    values, background = replace_nodata(content, options.background)
    table = _class_table(content)
    labels = label_map(
        values, background=background, table=table, source=path, variable=name or None, notes=source.notes
    )
    counts = {content.names[i]: count for i, count in labels.counts.items() if content.names.get(i)}
    named = {i: name for i, name in content.names.items() if i != content.nodata}
    found = [*note_fill_values(labels, named, options.background), *note_similar_names(counts, "pixels")]
    labels = replace(labels, notes=(*labels.notes, *found))
    return labels if fits or places is None else align_labels(path, labels, table, places, like)


def replace_nodata(content: LabelContent, background: int | None) -> tuple[Array, int]:
    """Values in which nodata and hidden pixels have become background, and the background."""
    nodata, dtype = content.nodata, content.values.dtype
    if dtype.kind in "iu" and nodata is not None and not np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max:
        nodata = None  # a tag that no pixel can hold
    is_integer = nodata is not None and np.isfinite(nodata) and float(nodata).is_integer()
    if background is None:
        background = int(nodata) if nodata is not None and is_integer else 0
    void = np.zeros(content.values.shape, bool) if content.hidden is None else content.hidden
    if nodata is not None and is_integer and int(nodata) != background:
        void = void | (content.values == nodata)
    if not void.any():
        return content.values, background
    try:
        return np.where(void, np.asarray(background, dtype), content.values), background
    except OverflowError as error:
        raise UsageError(f"background={background} does not fit labels of dtype {dtype}") from error


def _class_table(content: LabelContent) -> ClassTable | None:
    # a palette of uint16 has 65,536 colours, most of them of no class
    present = content.colours.keys() & set(np.unique(content.values).tolist())
    ids = sorted(i for i in {*content.names, *present} if i >= 0)
    if not ids:
        return None
    names = tuple(content.names.get(i) or f"class {i}" for i in ids)
    black = [i for i in content.names if content.colours.get(i) == (0, 0, 0)]  # in palettes also for no colour
    own = {place: content.colours[i] for place, i in enumerate(ids) if i in content.colours}
    if len(black) > 1:
        own = {place: colour for place, colour in own.items() if any(colour)}
    return ClassTable(tuple(ids), names, name_colours(names, own))
