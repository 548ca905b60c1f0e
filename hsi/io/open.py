"""Open a scene or labels, whatever format they are in."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsi.core.colours import default_colours
from hsi.core.labels import ClassTable, LabelMap, label_map
from hsi.core.scene import Georeference, Scene
from hsi.errors import LabelError, SceneFileError, UsageError
from hsi.io.align import align_labels, grid_mismatch, places_to_align, same_grid
from hsi.io.arrays import (
    fitting_planes,
    listing,
    named,
    read_together,
    select_cube,
    select_plane,
    several_planes,
    training_and_test,
)
from hsi.io.formats._product import find_product
from hsi.io.formats.gdal import is_remote, open_remote
from hsi.io.reader import READERS, Array, ArrayInfo, LabelContent, Reader, check_file
from hsi.io.vector_files import KNOWN, is_vector
from hsi.io.vector_labels import read_vector_labels
from hsi.settings import InputSettings


def label_names(source: Path) -> list[str]:
    """What a scene's label file may be called, without suffix, most usual first."""
    stem = source.stem
    if source.suffix.lower() == ".hdr" and source.with_suffix("").is_file():
        stem = source.with_suffix("").stem  # scene.img.hdr is the header of scene.img
    names = [f"{stem}_gt"]
    if stem.lower().endswith("_corrected"):
        names.append(f"{stem[: -len('_corrected')]}_gt")
    return [*names, f"{stem}_labels"]


def label_files(source: Path) -> list[Path]:
    """The files beside ``source`` with one of :func:`label_names` and a format that is known, sorted."""
    found = []
    for name in label_names(source):
        files = [entry for entry in sorted(source.parent.iterdir()) if _is_called(entry, name) and entry.is_file()]
        files = [f for f in files if is_vector(f) or any(reader.accepts(f) for _, reader in READERS.items())]
        if any(entry.suffix.lower() == ".hdr" for entry in files):
            # an ENVI header stands for the data file beside it
            files = [f for f in files if is_vector(f) or any(reader.has_suffix(f) for _, reader in READERS.items())]
        found += files
    return found


def _is_called(path: Path, name: str) -> bool:
    given, wanted = path.name.lower(), name.lower()
    if given == wanted:
        return True
    suffixes = given.removeprefix(f"{wanted}.")
    return suffixes != given and "." not in suffixes.removesuffix(".hdr")


SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg")


@dataclass(frozen=True)
class Found:
    """Where labels were found: a file, the name of the array in it, and how to read it."""

    path: Path
    name: str
    read: Callable[[], LabelContent]
    notes: tuple[str, ...] = ()


def open_scene(path: Path | str, variable: str | None = None) -> Scene:
    """The cube in a file as a :class:`Scene` ``(H, W, B)``; formats that allow it are read by window later.

    ``path`` may be the folder of a product, or GDAL's name for a raster behind a network. ``variable`` names one of
    several cubes in a file. Raises :class:`SceneFileError` for a file that is missing, damaged or of no known format,
    :class:`SceneError` when it holds no cube of real numbers, and :class:`UsageError` for a wrong ``variable`` or when
    several cubes need one.
    """
    path = Path(path)
    if is_remote(path):
        if variable is not None:
            raise UsageError(f"{path}: a raster behind a network holds one cube: leave --variable {variable} out")
        return open_remote(path)
    path = find_product(path)
    check_file(path)
    if is_vector(path):
        raise SceneFileError(f"{path}: holds polygons or points, expected a cube; give it as --labels of a scene")
    reader = reader_for(path)
    return reader.open(path, select_cube(path, reader.arrays(path), variable))


def open_labels(
    path: Path | str | None,
    like: Scene,
    options: InputSettings | None = None,
) -> LabelMap:
    """The labels ``(H, W)`` of a scene, with class names and colours where the file has them.

    Without ``path`` they are looked for in the scene's own file (a 2-D array of whole numbers of the scene's size) and
    then beside it (``<stem>_gt.*``, ``<stem without _corrected>_gt.*``, ``<stem>_labels.*``). Two arrays called like
    ``TR`` and ``TE`` that share no pixel are taken together. Of the ``options`` only those of labels are used;
    ``background`` is 0 unless the file names a nodata value; pixels of the nodata value never have a class.

    A GeoPackage, Shapefile or GeoJSON is drawn onto the scene, see :func:`read_vector_labels`. With ``align`` a class
    raster on another grid is reprojected to the scene's by nearest neighbour. The ``notes`` of the result say what was
    left out.

    Raises :class:`LabelError` when there are none, several, or they do not fit the scene's pixels or its place on the
    ground, :class:`SceneFileError` for a damaged file and :class:`UsageError` for a wrong array, field or
    layer and for an option that has no meaning for these labels.
    """
    options = options or InputSettings()
    found = _find_labels(like, options.label_variable) if path is None else Path(path)
    if isinstance(found, Path):
        check_file(found)
        if is_vector(found):
            return read_vector_labels(found, like, options)
        found = _labels_in(found, like, options.label_variable)
    return _raster_labels(found, like, options)


def files_of(path: Path) -> tuple[Path, ...]:
    """Every file that holds the scene or the labels at ``path``: a header and its data, the parts of a Shapefile."""
    if is_vector(path):
        beside = sorted(path.parent.glob(f"{glob.escape(path.stem)}.*")) if path.suffix.lower() == ".shp" else [path]
        return tuple(part for part in beside if part.suffix.lower() in (path.suffix.lower(), *SHAPEFILE_PARTS))
    return reader_for(path).files(path)


def _raster_labels(found: Found, like: Scene, options: InputSettings) -> LabelMap:
    path, name = found.path, found.name
    options.check_raster(path)
    content = found.read()
    place, shape = content.georeference, (content.values.shape[0], content.values.shape[1])
    if options.align:
        places_to_align(path, place, like)
    fits = same_grid(shape, place, like)
    if not fits and not options.align:
        raise _misfit(f"{path} ({name})" if name else str(path), shape, place, like)
    values, background = _settle_background(content, options.background)
    table = _class_table(content)
    labels = label_map(
        values, background=background, table=table, source=path, variable=name or None, notes=found.notes
    )
    return labels if fits else align_labels(labels, table, place, like)


def reader_for(path: Path, also: str = "") -> Reader:
    """The reader whose suffix and content fit best; raises :class:`SceneFileError` when none does.

    The message lists the formats that are known, and ``also`` those that are possible besides.
    """
    check_file(path)
    accepting = [reader for _, reader in READERS.items() if reader.accepts(path)]
    if not accepting:
        known = ", ".join(sorted({suffix for _, reader in READERS.items() for suffix in reader.suffixes}))
        found = f"suffix '{path.suffix}'" if path.suffix else "a name without suffix"
        raise SceneFileError(
            f"{path}: not a format that is known: found {found}, expected one of: {known}{also}; "
            "a raw ENVI data file needs its .hdr beside it"
        )
    return max(accepting, key=lambda reader: (reader.is_product, reader.has_suffix(path), reader.recognises(path)))


def _labels_in(path: Path, like: Scene, variable: str | None) -> Found:
    reader = reader_for(path, f"; {KNOWN}")
    arrays = reader.arrays(path)
    if variable is None:
        shape, read = (like.height, like.width), _values(reader, path)
        return _training_and_test(reader, path, arrays, shape) or _one(
            reader, path, select_plane(path, arrays, shape, read)
        )
    array = named(path, arrays, variable, "--label-variable")
    if not array.is_plane:
        raise LabelError(f"{path}: labels are a 2-D array of whole numbers, found {array}; name another variable")
    return _one(reader, path, array)


def _one(reader: Reader, path: Path, array: ArrayInfo) -> Found:
    return Found(path, array.name, lambda: reader.read_labels(path, array))


def _training_and_test(reader: Reader, path: Path, arrays: Sequence[ArrayInfo], shape: tuple[int, int]) -> Found | None:
    """Training and test labels together, when these are the only planes of the scene's shape and share no pixel."""
    planes = [array for array in arrays if array.is_plane and array.shape[:2] == shape]
    pair = training_and_test(planes) if len(planes) == 2 else None
    content = read_together(reader, path, pair) if pair else None
    if pair is None or content is None:
        return None
    note = f"{pair[0].name} and {pair[1].name} are taken together; --split given:{path} tells them apart"
    return Found(path, f"{pair[0].name} + {pair[1].name}", lambda: content, (note,))


def _values(reader: Reader, path: Path) -> Callable[[ArrayInfo], Array]:
    def read(array: ArrayInfo) -> Array:
        return reader.read_labels(path, array).values

    return read


def _find_labels(like: Scene, variable: str | None) -> Found | Path:
    """An array in the scene's own file, or a file beside it."""
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
        return files[0]
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
    shape = (like.height, like.width)
    together = _training_and_test(reader, source, others, shape)
    if together is not None:
        return together
    fitting = fitting_planes(others, shape, _values(reader, source))
    if len(fitting) > 1:
        raise several_planes(source, fitting)
    return _one(reader, source, fitting[0]) if fitting else None


def _misfit(where: str, found: tuple[int, int], place: Georeference | None, like: Scene) -> LabelError:
    """The error for labels that do not lie pixel on pixel with the scene."""
    if place and like.georeference:
        return grid_mismatch(where, found, place, like)
    expected = (like.height, like.width)
    shapes = f"the labels are {found[0]} x {found[1]}, the scene {like.name} is {expected[0]} x {expected[1]} pixels"
    if found == expected[::-1]:
        return LabelError(f"{where}: transposed: {shapes}; swap the rows and columns of the labels")
    return LabelError(f"{where}: {shapes}; give the labels of this scene with --labels FILE")


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
