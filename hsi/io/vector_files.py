"""Vector files: which formats are known, which layer and which field of a file hold the classes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsi.errors import LabelError, SceneFileError, UsageError, suggest_names
from hsi.io.reader import convert_errors, first_bytes, wrong_format
from hsi.settings import InputSettings
from hsi.version import install_hint

VECTOR_FORMATS = "GeoPackage (.gpkg), Shapefile (.shp), GeoJSON (.geojson)"
SQLITE, SHAPE = b"SQLite format 3\x00", b"\x00\x00\x27\x0a"
# number the features of a file, and are no classes
ID_FIELDS = frozenset({"id", "fid", "ogc_fid", "gid", "objectid", "featureid", "feature_id", "uuid"})
TYPES = {"OFTString": "text", "OFTInteger": "integer", "OFTInteger64": "integer", "OFTReal": "real"}
SUBTYPES = {"OFSTJSON": "JSON", "OFSTUUID": "UUID", "OFSTBoolean": "true or false"}
USABLE = ("text", "integer", "real")
MOST_NAMES = 12


@dataclass(frozen=True)
class Layer:
    """The features of a layer: a ``frame`` (GeoDataFrame) with the class field and the geometries.

    ``kind`` of the field is "text", "integer" or "real"; ``notes`` name a field that was not given.
    """

    path: Path
    frame: Any
    field: str
    kind: str
    notes: tuple[str, ...] = ()


def is_vector(path: Path) -> bool:
    """Whether a file is one of the known vector formats, by its name or its first bytes."""
    return path.suffix.lower() in (".gpkg", ".shp", ".geojson") or _detect_format(path) is not None


def read_layer(path: Path, options: InputSettings) -> Layer:
    """The layer and class field that ``options`` name, or the only ones of the file.

    Raises :class:`SceneFileError` for a damaged file, :class:`UsageError` for a wrong layer or field or when one has
    to be named, and when geopandas is not installed, :class:`LabelError` for a file without features or fields.
    """
    try:
        import geopandas  # noqa: F401
        import pyogrio
    except ImportError as error:
        raise UsageError(f"{path}: vector labels need geopandas: {install_hint('vector')} ({error})") from error
    title = _detect_format(path)
    if title is None:
        raise wrong_format(path, "a vector file", f"one of {VECTOR_FORMATS}")
    with convert_errors(path, title), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_parts(path)
        name = _select_layer(path, pyogrio.list_layers(path), options.label_layer)
        info = pyogrio.read_info(path, layer=name)
        types = zip(info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True)
        fields = {str(key): SUBTYPES.get(sub) or TYPES.get(kind) or kind[3:].lower() for key, kind, sub in types}
        field = _select_field(path, fields, options.label_field)
        frame = pyogrio.read_dataframe(path, layer=name, columns=[field], on_invalid="ignore")
    if not len(frame):
        raise LabelError(f"{path}: layer '{shorten(name)}' has no features; draw some or name another file")
    note = f"classes are taken from the field '{shorten(field)}' (label_field names another)"
    return Layer(path, frame, field, fields[field], (note,) if options.label_field is None else ())


def shorten(name: str, most: int = 60) -> str:
    """A name from a file, cut to what fits into a message."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _detect_format(path: Path) -> str | None:
    """The format by the first bytes, so that GDAL is never asked to open anything else."""
    start = first_bytes(path, 4096)
    if start.startswith(SQLITE) and (start[68:70] == b"GP" or path.suffix.lower() == ".gpkg"):
        return "a GeoPackage"
    if start.startswith(SHAPE) and path.suffix.lower() == ".shp":  # its index starts in the same way
        return "a Shapefile"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        named = path.suffix.lower() == ".geojson" or b'"FeatureCollection"' in start
        return "GeoJSON" if named else None
    return None


def _check_parts(path: Path) -> None:
    """Raise :class:`SceneFileError` for a Shapefile without its index or its attributes."""
    if path.suffix.lower() != ".shp":
        return
    files = {entry.name.lower() for entry in path.parent.iterdir()}
    missing = [suffix for suffix in (".shx", ".dbf") if f"{path.stem}{suffix}".lower() not in files]
    if missing:
        raise SceneFileError(f"{path}: is a Shapefile without its {' and '.join(missing)}; put all its files together")


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


def _select_field(path: Path, fields: dict[str, str], wanted: str | None) -> str:
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
        raise UsageError(f"{path}: no field '{shorten(wanted)}' (label_field): {hint}it has {listed}")
    if fields[wanted] not in USABLE:
        raise UsageError(
            f"{path}: field '{shorten(wanted)}' holds {fields[wanted]}, but a class is text or an integer; "
            "name another label_field"
        )
    if wanted == "geometry":
        raise UsageError(f"{path}: a field called 'geometry' conflicts with the geometries: rename it in the file")
    return wanted
