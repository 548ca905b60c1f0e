"""Vector files: which formats are known, which layer and which field of a file hold the classes."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hsi.core.colours import Colour, parse_hex
from hsi.core.georeference import crs_name
from hsi.core.scene import Scene
from hsi.errors import LabelError, SceneFileError, UsageError, suggest_names
from hsi.io.class_files import ClassFile
from hsi.io.reader import convert_errors, first_bytes, list_files, wrong_format
from hsi.io.vectors.archives import holds_vectors, is_archive, unpack_vectors
from hsi.io.vectors.coordinates import LARGEST_TABLE, infer_numbers, read_coordinates
from hsi.io.vectors.envi_roi import TEXT_START, XML_START, read_roi_text, read_roi_xml
from hsi.io.vectors.features import Features
from hsi.io.vectors.geopackage import read_classes
from hsi.io.vectors.xml_files import check_xml
from hsi.settings import InputSettings
from hsi.version import install_hint

VECTOR_FORMATS = (
    "GeoPackage (.gpkg), Shapefile (.shp, .zip), GeoJSON (.geojson), FlatGeobuf (.fgb), KML (.kml, .kmz), "
    "points in a table (.csv), ENVI regions of interest (.xml, .txt)"
)
SQLITE, SHAPE, FLATGEOBUF = b"SQLite format 3\x00", b"\x00\x00\x27\x0a", b"fgb\x03fgb"
TABLES = (".csv", ".tsv")
GEOPACKAGE = "a GeoPackage"
A_KML, A_TABLE, ROI_TEXT, ROI_XML = "KML", "a table", "ENVI regions as text", "ENVI regions as XML"
# number the features of a file, and are no classes
ID_FIELDS = frozenset({"id", "fid", "ogc_fid", "gid", "objectid", "featureid", "feature_id", "uuid"})
TYPES = {"OFTString": "text", "OFTInteger": "integer", "OFTInteger64": "integer", "OFTReal": "real"}
SUBTYPES = {"OFSTJSON": "JSON", "OFSTUUID": "UUID", "OFSTBoolean": "true or false"}
USABLE = ("text", "integer", "real")
# the first fields of labels that were drawn with hsi, and of maps as polygons: the id of the class, its name and colour
CLASS_FIELDS = ("class_id", "class", "colour")
DRAWN_FIELDS = ("shape", "author", "time")  # what drawn labels have, and are no classes
MOST_NAMES = 12
# of every feature of a KML file, whatever its author wrote
KML_FIELDS = frozenset(
    {"description", "timestamp", "begin", "end", "altitudemode", "tessellate", "extrude", "visibility", "draworder"}
    | {"icon", "snippet"}
)


@dataclass(frozen=True)
class Layer:
    """The features of a layer: a ``frame`` (GeoDataFrame) with the class field and the geometries.

    ``kind`` of the field is "text", "integer" or "real"; ``notes`` name a field that was not given. Coordinates are
    (column, row) from the upper left corner of the scene where they are ``in_pixels``. ``colours`` are by class name,
    ``name_field`` is the column of the classes' names where ``field`` has their ids, and ``classes`` are those that
    :class:`hsi.labelling.store.LabelStore` stored for labels of other programs.
    """

    path: Path
    frame: Any
    field: str
    kind: str
    notes: tuple[str, ...] = ()
    in_pixels: bool = False
    colours: Mapping[str, Colour] = dataclasses.field(default_factory=dict)
    name_field: str | None = None
    classes: ClassFile | None = None


def is_vector(path: Path) -> bool:
    """Whether a file is one of the known vector formats, by its name or its first bytes."""
    named = path.suffix.lower() in (".gpkg", ".shp", ".geojson", ".fgb", ".kml", ".kmz", *TABLES)
    if named or not path.is_file():
        return named
    return _detect_format(path) is not None or (is_archive(first_bytes(path)) and holds_vectors(path))


def read_layer(path: Path, options: InputSettings, like: Scene | None = None) -> Layer:
    """The layer and class field that ``options`` name, or the only ones of the file.

    The pixels and the CRS of the scene ``like`` are those of coordinates in a table or in ENVI's regions of interest
    that do not name a CRS. Raises :class:`SceneFileError` for a damaged file, :class:`UsageError` for a wrong layer,
    field or CRS or when one has to be named, and when geopandas is not installed, :class:`LabelError` for a file
    without features or fields.
    """
    crs = parse_crs(options.label_crs)
    with _opened(path, options.label_layer) as (file, name, title):
        read = _read_text(path, title, like, crs)
        if read is None:
            layer = _read_with_gdal(path, file, title, options.model_copy(update={"label_layer": name}))
        else:
            layer = _layer_from_features(path, read, options)
    return _with_crs(layer, crs)


def parse_crs(text: str | None) -> str | None:
    """A CRS such as ``EPSG:32633`` or ``32633`` as WKT; raises :class:`UsageError` for what is none."""
    if text is None:
        return None
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return str(CRS.from_user_input(f"EPSG:{text}" if text.strip().isdigit() else text.strip()).to_wkt())
    except CRSError:
        raise UsageError(f"label_crs: '{text[:60]}' is no known CRS: write it as EPSG:32633") from None


@contextlib.contextmanager
def _unpacked(path: Path, layer: str | None) -> Iterator[tuple[Path, str | None]]:
    """The file to read and the layer in it: those of an archive, or ``path`` itself."""
    if not is_archive(first_bytes(path)):
        yield path, layer
        return
    with contextlib.ExitStack() as stack:
        with convert_errors(path, "an archive"):
            unpacked = stack.enter_context(unpack_vectors(path, layer))
        yield unpacked


def _read_with_gdal(path: Path, file: Path, title: str, options: InputSettings) -> Layer:
    """A layer of ``file`` in a format that GDAL reads; messages name ``path``."""
    import pyogrio

    name, fields, encoding, field, named = _find_class_field(path, file, title, options)
    drawn = _are_drawn(fields, field, options)
    columns = [field, *named, *(CLASS_FIELDS[2:] if drawn else ())]
    how: dict[str, Any] = {"on_invalid": "ignore", "encoding": encoding}
    frame = pyogrio.read_dataframe(file, layer=name, columns=columns, **how)
    if not len(frame):
        raise LabelError(f"{path}: layer '{shorten(name)}' has no features; draw some or name another file")
    if title == A_KML and fields[field] == "text":  # its fields have no types
        values = infer_numbers([str(value).strip() if value else None for value in frame[field].fillna("")])
        fields[field] = _kind_of(values)
        frame[field] = values
    if drawn:
        colours = dict(zip(frame["class"], map(parse_hex, frame["colour"]), strict=True))
        known = {str(key).strip(): colour for key, colour in colours.items() if key and colour}
        return Layer(path, frame, field, fields[field], colours=known, name_field=named[0])
    read = Layer(path, frame, field, fields[field], _note_field(field, options), name_field=next(iter(named), None))
    return replace(read, classes=_find_classes(file, frame[field], fields[field]) if title == GEOPACKAGE else None)


def _find_classes(file: Path, values: Any, kind: str) -> ClassFile | None:
    """The classes that are stored with labels of another program; None where the field has none of them."""
    entries = read_classes(file)
    present = {str(value).strip() if kind == "text" else value for value in values.dropna()}
    used = any((one.name if kind == "text" else one.id) in present for one in entries)
    return ClassFile(file, entries, exact=True) if used else None


def _find_class_field(
    path: Path, file: Path, title: str, options: InputSettings
) -> tuple[str, dict[str, str], str | None, str, list[str]]:
    """The layer, its fields with their kinds, their encoding, the field of the classes and in a list that of names."""
    import pyogrio

    _check_parts(path, file)
    if title == A_KML:
        check_xml(path, file)
    name = _select_layer(path, _list_layers(path, file), options.label_layer)
    encoding = _encoding_of(file)
    info = pyogrio.read_info(file, layer=name, encoding=encoding)
    types = zip(info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True)
    fields = {str(key): SUBTYPES.get(sub) or TYPES.get(kind) or kind[3:].lower() for key, kind, sub in types}
    if title == A_KML and options.label_field is None:
        fields = {key: kind for key, kind in fields.items() if key.lower() not in KML_FIELDS}
    return name, fields, encoding, *_select_fields(path, fields, options)


def find_class_field(path: Path, options: InputSettings) -> tuple[str, str, str, str | None]:
    """The layer of a GeoPackage, the field of its classes, whether that holds "text" or "integer" (or "real"), and the
    field of the classes' names; features are not read. Raises as :func:`read_layer` does."""
    with _opened(path, options.label_layer) as (file, layer, title):
        found = _find_class_field(path, file, title, options.model_copy(update={"label_layer": layer}))
    name, fields, _, field, named = found
    return name, field, fields[field], next(iter(named), None)


def _are_drawn(fields: Mapping[str, str], field: str, options: InputSettings) -> bool:
    """Whether the classes have their ids, names and colours in :data:`CLASS_FIELDS`, and no field was named."""
    return options.label_field is None and field == CLASS_FIELDS[0] and {*CLASS_FIELDS} <= fields.keys()


def _list_layers(path: Path, file: Path) -> Any:
    """Rows of a layer's name and geometry type; raises :class:`LabelError` for a type that is not read."""
    import pyogrio

    try:
        return pyogrio.list_layers(file)
    except pyogrio.errors.GeometryError as error:  # triangles, surfaces, any geometry with heights or measures
        raise LabelError(
            f"{path}: has a layer whose geometry type is not read: save it as polygons or points without heights, as "
            "ogr2ogr -dim XY -nlt PROMOTE_TO_MULTI new.gpkg old.gpkg does"
        ) from error


def _read_text(path: Path, title: str, like: Scene | None, crs: str | None) -> Features | None:
    """The features of a file in a format that GDAL does not read; None for the others."""
    shape = (like.height, like.width) if like else (0, 0)
    if title == A_TABLE:
        place = like.georeference if like else None
        return read_coordinates(path, shape, place.crs if place else None, crs)
    if title == ROI_TEXT:
        return read_roi_text(path, shape)
    return read_roi_xml(path) if title == ROI_XML else None


def _layer_from_features(path: Path, read: Features, options: InputSettings) -> Layer:
    if options.label_layer is not None:
        raise UsageError(f"{path}: has no layers: leave label_layer out")
    if not read.geometries:
        raise LabelError(f"{path}: has no features; draw some or name another file")
    kinds = {name: _kind_of(values) for name, values in read.fields.items()}
    field, named = _select_fields(path, kinds, options)
    columns = {name: read.fields[name] for name in (field, *named)}
    frame = _frame(read, columns)
    one = len(read.fields) == 1
    notes = (*(() if one else _note_field(field, options)), *read.notes)
    return Layer(path, frame, field, kinds[field], notes, read.in_pixels, read.colours, next(iter(named), None))


def _kind_of(values: list[Any]) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    return "integer" if kinds == {int} else "real" if kinds and kinds <= {int, float} else "text"


def _note_field(name: str, options: InputSettings) -> tuple[str, ...]:
    note = f"classes are taken from the field '{shorten(name)}' (label_field names another)"
    return (note,) if options.label_field is None else ()


def _with_crs(layer: Layer, crs: str | None) -> Layer:
    """The layer in the CRS that was given for it, with a note where its file has another."""
    if crs is None:
        return layer
    if layer.in_pixels:
        raise UsageError(f"{layer.path}: holds pixel coordinates, which have no CRS: leave label_crs out")
    own = layer.frame.crs
    frame = layer.frame.set_crs(crs, allow_override=True)
    if own is None or own == frame.crs:
        return replace(layer, frame=frame)
    note = f"its coordinates are taken as {crs_name(crs)} (label_crs); the file says {crs_name(own.to_wkt())}"
    return replace(layer, frame=frame, notes=(*layer.notes, note))


def read_shapes(path: Path, like: Scene) -> Layer:
    """The shapes of the only layer of a file, without fields; raises as :func:`read_layer` does."""
    with _opened(path, None) as (file, name, title):
        read = _read_text(path, title, like, None)
        frame = _read_shapes_with_gdal(path, file, title, name) if read is None else _frame(read, {})
    if not len(frame):
        raise SceneFileError(f"{path}: holds no shape; draw some or name another file")
    return Layer(path, frame, "", "", in_pixels=read is not None and read.in_pixels)


def _read_shapes_with_gdal(path: Path, file: Path, title: str, name: str | None) -> Any:
    import pyogrio

    _check_parts(path, file)
    if title == A_KML:
        check_xml(path, file)
    names = [name] if name else [str(layer) for layer, kind in _list_layers(path, file) if kind is not None]
    if len(names) != 1:
        listed = ", ".join(map(shorten, names[:MOST_NAMES])) or "none"
        raise SceneFileError(f"{path}: holds {len(names)} layers with shapes: {listed}; save one to its own file")
    return pyogrio.read_dataframe(file, layer=names[0], columns=[], on_invalid="ignore")


def _frame(read: Features, columns: Mapping[str, Any]) -> Any:
    import geopandas

    return geopandas.GeoDataFrame(columns, geometry=read.geometries, crs=read.crs)


@contextlib.contextmanager
def _opened(path: Path, layer: str | None) -> Iterator[tuple[Path, str | None, str]]:
    """The file to read, the layer in it and the title of its format; raises for another file."""
    try:
        import geopandas  # noqa: F401
        import pyogrio  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{path}: vector files need geopandas: {install_hint('vector')} ({error})") from error
    with _unpacked(path, layer) as (file, name):
        title = _detect_format(file)
        if title is None:
            raise wrong_format(path, "a vector file", f"one of {VECTOR_FORMATS}")
        with convert_errors(path, title), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield file, name, title


def shorten(name: str, most: int = 60) -> str:
    """A name from a file, cut to what fits into a message."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _detect_format(path: Path) -> str | None:
    """The format by the first bytes, so that GDAL is never asked to open anything else."""
    start = first_bytes(path, 4096)
    if start.startswith(SQLITE) and (start[68:70] == b"GP" or path.suffix.lower() == ".gpkg"):
        return GEOPACKAGE
    if start.startswith(SHAPE) and path.suffix.lower() == ".shp":  # its index starts in the same way
        return "a Shapefile"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        named = path.suffix.lower() == ".geojson" or b'"FeatureCollection"' in start
        return "GeoJSON" if named else None
    if start.startswith(FLATGEOBUF):
        return "FlatGeobuf"
    if start.startswith(TEXT_START):
        return ROI_TEXT
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return ROI_XML if XML_START in text else A_KML if b"<kml" in text else None
    return A_TABLE if path.suffix.lower() in TABLES and b"\x00" not in start.removeprefix(b"\xff\xfe")[:1] else None


def _check_parts(path: Path, file: Path) -> None:
    """Raise :class:`SceneFileError` for a Shapefile without its index or its attributes."""
    if file.suffix.lower() != ".shp":
        return
    files = {entry.name.lower() for entry in file.parent.iterdir()}
    missing = [suffix for suffix in (".shx", ".dbf") if f"{file.stem}{suffix}".lower() not in files]
    if missing:
        raise SceneFileError(f"{path}: is a Shapefile without its {' and '.join(missing)}; put all its files together")


def _encoding_of(file: Path) -> str | None:
    """UTF-8 of a Shapefile in it that does not name its encoding, which GDAL takes for Latin-1; else None."""
    if file.suffix.lower() != ".shp":
        return None
    parts = list_files(file.parent)
    if f"{file.stem}.cpg".lower() in parts:
        return None
    raw = first_bytes(parts[f"{file.stem}.dbf".lower()], LARGEST_TABLE)
    records = raw[int.from_bytes(raw[8:10], "little") :]
    if raw[29:30] != b"\x00" or records.isascii():
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(records)
    except UnicodeDecodeError:
        return None
    return "UTF-8"


def _select_layer(path: Path, layers: Any, wanted: str | None) -> str:
    """``layers`` are rows of a name and a geometry type, which is None for a table without geometry."""
    names = [str(name) for name, geometry_type in layers if geometry_type is not None]
    listed = ", ".join(shorten(name) for name in names[:MOST_NAMES]) + (" and more" if len(names) > MOST_NAMES else "")
    if not names:
        raise LabelError(f"{path}: holds no layer with geometries; name a file with polygons or points")
    if wanted is None:
        if len(names) > 1:
            raise UsageError(f"{path}: holds {len(names)} layers: {listed}; name one with label_layer=NAME")
        return names[0]
    if wanted not in names:
        hint = suggest_names(shorten(wanted), map(shorten, names))
        raise UsageError(f"{path}: no layer '{shorten(wanted)}' (label_layer): {hint}known: {listed}")
    return wanted


def _select_fields(path: Path, fields: dict[str, str], options: InputSettings) -> tuple[str, list[str]]:
    """The field of the classes, and in a list that of their names where one is given.

    Raises :class:`UsageError` for names of classes that are text, and so have names.
    """
    wanted, known = options.label_name_field, fields
    if wanted is None and options.label_field is None and {*CLASS_FIELDS} <= fields.keys():
        return CLASS_FIELDS[0], [CLASS_FIELDS[1]]
    if wanted is None and {"colour", *DRAWN_FIELDS} <= fields.keys():
        known = {name: kind for name, kind in fields.items() if name not in ("colour", *DRAWN_FIELDS)} or fields
        known = known if options.label_field is None else fields
    if wanted is not None and options.label_field is None:
        known = {name: kind for name, kind in fields.items() if name != wanted} or fields
    field = _select_field(path, known, options.label_field)
    if wanted is None:
        return field, []
    named = _select_field(path, fields, wanted, "label_name_field")
    if fields[field] == "text" or named == field:
        raise UsageError(
            f"{path}: label_name_field names the classes whose ids are in label_field, but '{shorten(field)}' holds "
            f"{fields[field]}: name a field of integers with label_field, or leave label_name_field out"
        )
    return field, [named]


def _select_field(path: Path, fields: dict[str, str], wanted: str | None, setting: str = "label_field") -> str:
    """The field of the classes; raises :class:`UsageError` for one that cannot be and when one has to be named."""
    several = [f"{shorten(name)} ({kind})" for name, kind in fields.items()]
    more = len(several) - MOST_NAMES
    listed = ", ".join(several[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    if not fields:
        raise LabelError(f"{path}: its features have no fields, so no class; add a text or integer field")
    if wanted is None:
        likely = [n for n, kind in fields.items() if kind in ("text", "integer") and n.lower() not in ID_FIELDS]
        if len(likely) != 1:
            raise UsageError(f"{path}: which field holds the class? Name it with label_field=NAME: it has {listed}")
        wanted = likely[0]
    if wanted not in fields:
        hint = suggest_names(shorten(wanted), map(shorten, fields))
        raise UsageError(f"{path}: no field '{shorten(wanted)}' ({setting}): {hint}it has {listed}")
    if fields[wanted] not in USABLE:
        raise UsageError(
            f"{path}: field '{shorten(wanted)}' holds {fields[wanted]}, but a class is text or an integer; "
            f"name another {setting}"
        )
    if wanted == "geometry":
        raise UsageError(f"{path}: a field called 'geometry' conflicts with the geometries: rename it in the file")
    return wanted
