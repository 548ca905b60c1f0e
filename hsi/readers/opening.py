"""Open a scene or labels, whatever format they are in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hsi.errors import LabelError, SceneFileError, UsageError
from hsi.labels import ClassTable, LabelMap, default_colours, label_map
from hsi.readers.choosing import choose_cube, choose_plane, fitting_planes, listing, named, several_planes
from hsi.readers.places import difference
from hsi.readers.reader import READERS, Array, ArrayInfo, LabelContent, Reader, check_file
from hsi.readers.siblings import label_files, label_names
from hsi.scene import Scene

Found = tuple[Reader, Path, ArrayInfo]


def open_scene(path: Path | str, variable: str | None = None) -> Scene:
    """The cube in a file as a :class:`Scene` ``(H, W, B)``; formats that allow it are read by window later.

    ``variable`` names one of several cubes in a ``.mat`` or ``.npz`` file. Raises :class:`SceneFileError` for a file
    that is missing, damaged or of no known format, :class:`SceneError` when it holds no cube of real numbers, and
    :class:`UsageError` for a wrong ``variable`` or when several cubes need one.
    """
    path = Path(path)
    reader = reader_for(path)
    return reader.open(path, choose_cube(path, reader.arrays(path), variable))


def open_labels(
    path: Path | str | None, like: Scene, variable: str | None = None, background: int | None = None
) -> LabelMap:
    """The labels ``(H, W)`` of a scene, with class names and colours where the file has them.

    Without ``path`` they are looked for in the scene's own file (a 2-D array of whole numbers of the scene's size) and
    then beside it (``<stem>_gt.*``, ``<stem without _corrected>_gt.*``, ``<stem>_labels.*``). ``background`` is 0
    unless the file names a nodata value; pixels of the nodata value never have a class.

    Raises :class:`LabelError` when there are none, several, or they do not fit the scene's pixels or its place on the
    ground, :class:`SceneFileError` for a damaged file and :class:`UsageError` for a wrong ``variable``.
    """
    if path is None:
        reader, path, array = _find_labels(like, variable)
    else:
        path = Path(path)
        reader, path, array = _labels_in(path, like, variable)
    content = reader.read_labels(path, array)
    _check_fit(path, array, content, like)
    values, background = _settle_background(content, background)
    table = _class_table(content)
    return label_map(values, background=background, table=table, source=path, variable=array.name or None)


def reader_for(path: Path) -> Reader:
    """The reader whose suffix and content fit best; raises :class:`SceneFileError` when none does."""
    check_file(path)
    accepting = [reader for _, reader in READERS.items() if reader.accepts(path)]
    if not accepting:
        known = "; ".join(f"{reader.title} ({', '.join(reader.suffixes)})" for _, reader in READERS.items())
        found = f"suffix '{path.suffix}'" if path.suffix else "a name without suffix"
        raise SceneFileError(
            f"{path}: not a format that is known: found {found}, expected one of: {known}; "
            "a raw ENVI data file needs its .hdr beside it"
        )
    return max(accepting, key=lambda reader: (reader.has_suffix(path), reader.recognises(path)))


def _labels_in(path: Path, like: Scene, variable: str | None) -> Found:
    reader = reader_for(path)
    arrays = reader.arrays(path)
    if variable is None:
        return reader, path, choose_plane(path, arrays, (like.height, like.width), _values(reader, path))
    array = named(path, arrays, variable, "--label-variable")
    if not array.is_plane:
        raise LabelError(f"{path}: labels are a 2-D array of whole numbers, found {array}; name another variable")
    return reader, path, array


def _values(reader: Reader, path: Path) -> Callable[[ArrayInfo], Array]:
    def read(array: ArrayInfo) -> Array:
        return reader.read_labels(path, array).values

    return read


def _find_labels(like: Scene, variable: str | None) -> Found:
    if like.source is None:
        raise LabelError(f"no labels found: {like.name} is not from a file; give --labels FILE")
    inside = _labels_beside_cube(like, like.source, variable)
    if inside is not None:
        return inside
    files = label_files(like.source)
    if len(files) > 1:
        found = ", ".join(file.name for file in files)
        raise LabelError(
            f"{like.source}: {len(files)} files could hold its labels: {found}; name one with --labels FILE"
        )
    if files:
        return _labels_in(files[0], like, variable)
    reader = reader_for(like.source)
    rest = [array for array in reader.arrays(like.source) if array.name and array.name != like.variable]
    if variable is not None and rest:
        named(like.source, rest, variable, "--label-variable")
    size = f"{like.height} x {like.width}"
    turned = [array for array in rest if array.is_plane and array.shape[:2] == (like.width, like.height)]
    hint = f" ({turned[0]} is transposed: the scene is {size})" if turned else ""
    hint = hint or (f" (it also holds {listing(rest)}; the scene is {size})" if rest else "")
    looked_for = ", ".join(f"{name}.*" for name in label_names(like.source))
    raise LabelError(f"no labels found in {like.source}{hint}; looked for {looked_for}; give --labels FILE")


def _labels_beside_cube(like: Scene, source: Path, variable: str | None) -> Found | None:
    reader = reader_for(source)
    others = [array for array in reader.arrays(source) if array.name != (like.variable or "")]
    if variable is not None:
        return _labels_in(source, like, variable) if variable in {array.name for array in others} else None
    fitting = fitting_planes(others, (like.height, like.width), _values(reader, source))
    if len(fitting) > 1:
        raise several_planes(source, fitting)
    return (reader, source, fitting[0]) if fitting else None


def _check_fit(path: Path, array: ArrayInfo, content: LabelContent, like: Scene) -> None:
    found, expected = content.values.shape, (like.height, like.width)
    where = f"{path} ({array.name})" if array.name else str(path)
    if found != expected:
        shapes = (
            f"the labels are {found[0]} x {found[1]}, the scene {like.name} is {expected[0]} x {expected[1]} pixels"
        )
        if found == expected[::-1]:
            raise LabelError(f"{where}: transposed: {shapes}; swap the rows and columns of the labels")
        raise LabelError(f"{where}: {shapes}; give the labels of this scene with --labels FILE")
    if content.georeference and like.georeference:
        apart = difference(like.georeference, content.georeference, expected)
        if apart:
            raise LabelError(
                f"{where}: not on the grid of the scene {like.name}: {apart}; warp the labels to the scene"
            )


def _settle_background(content: LabelContent, background: int | None) -> tuple[Array, int]:
    """Values in which nodata has become background, and the background."""
    nodata, dtype = content.nodata, content.values.dtype
    if dtype.kind in "iu" and nodata is not None and not np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max:
        nodata = None  # a tag that no pixel can hold
    if nodata is None:
        return content.values, 0 if background is None else background
    whole = np.isfinite(nodata) and float(nodata).is_integer()
    if background is None:
        background = int(nodata) if whole else 0
    if not whole or int(nodata) == background:
        return content.values, background
    try:
        return np.where(content.values == nodata, np.asarray(background, dtype), content.values), background
    except OverflowError as error:
        raise UsageError(f"--background {background} does not fit labels of dtype {dtype}") from error


def _class_table(content: LabelContent) -> ClassTable | None:
    ids = sorted(i for i in {*content.names, *content.colours} if i >= 0)
    if not ids:
        return None
    fallback = dict(zip(ids, default_colours(len(ids)), strict=True))
    return ClassTable(
        tuple(ids),
        tuple(content.names.get(i) or f"class {i}" for i in ids),
        tuple(content.colours.get(i, fallback[i]) for i in ids),
    )
