"""Vector files: which formats are known, which layer and which field of a file hold the classes."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsi.errors import LabelError, SceneFileError, UsageError
from hsi.io.reader import convert_errors, first_bytes
from hsi.settings import InputSettings
from hsi.version import install_hint

KNOWN = "GeoPackage (.gpkg), Shapefile (.shp), GeoJSON (.geojson)"
SQLITE, SHAPE = b"SQLite format 3\x00", b"\x00\x00\x27\x0a"
# number the features of a file, and say nothing of what is on the ground
ID_FIELDS = frozenset({"id", "fid", "ogc_fid", "gid", "objectid", "featureid", "feature_id", "uuid"})
TYPES = {"OFTString": "text", "OFTInteger": "integer", "OFTInteger64": "integer", "OFTReal": "real"}
SUBTYPES = {"OFSTJSON": "JSON", "OFSTUUID": "UUID", "OFSTBoolean": "true or false"}
USABLE = ("text", "integer", "real")
MOST = 12


@dataclass(frozen=True)
class Layer:
    """The features of a layer: a ``frame`` (GeoDataFrame) with the class field and the geometries.

    ``kind`` of the field is "text", "integer" or "real"; ``note`` says how it was chosen when nobody named it.
    """

    path: Path
    frame: Any
    field: str
    kind: str
    note: str | None = None

    @property
    def crs(self) -> Any:
        """The layer's CRS as pyproj has it, None when it has none."""
        return self.frame.crs


def is_vector(path: Path) -> bool:
    """Whether a file is one of the known vector formats, going by its name or its first bytes."""
    return path.suffix.lower() in (".gpkg", ".shp", ".geojson") or _format_of(path) is not None


def read_layer(path: Path, options: InputSettings) -> Layer:
    """The layer and class field that are asked for, or the only ones that there are.

    Raises :class:`SceneFileError` for a damaged file, :class:`UsageError` for a wrong layer or field or when one has
    to be named, and when geopandas is not installed, :class:`LabelError` for a file without features or fields.
    """
    _require_geopandas(path)
    import pyogrio

    if _format_of(path) is None:
        raise SceneFileError(
            f"{path}: is not a vector file: it starts with {first_bytes(path, 8)!r}, expected one of {KNOWN}; "
            "rename it to its real format or export it again"
        )
    title = str(_format_of(path))
    with convert_errors(path, title), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_parts(path)
        name = _choose_layer(path, pyogrio.list_layers(path), options.label_layer)
        fields = _fields(pyogrio.read_info(path, layer=name))
        field, note = _choose_field(path, fields, options.label_field)
        frame = pyogrio.read_dataframe(path, layer=name, columns=[field], on_invalid="ignore")
    if not len(frame):
        raise LabelError(f"{path}: layer '{shown(name)}' has no features; draw some or name another file")
    return Layer(path, frame, field, fields[field], note)


def shown(name: str, most: int = 60) -> str:
    """A name from a file, cut to what fits into a message."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _format_of(path: Path) -> str | None:
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


def _require_geopandas(path: Path) -> None:
    try:
        import geopandas  # noqa: F401
        import pyogrio  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{path}: vector labels need geopandas: {install_hint('vector')} ({error})") from error


def _check_parts(path: Path) -> None:
    """Raise :class:`SceneFileError` for a Shapefile without its index or its attributes."""
    if path.suffix.lower() != ".shp":
        return
    beside = {entry.name.lower() for entry in path.parent.iterdir()}
    missing = [suffix for suffix in (".shx", ".dbf") if f"{path.stem}{suffix}".lower() not in beside]
    if missing:
        raise SceneFileError(f"{path}: is a Shapefile without its {' and '.join(missing)}; put all its files together")


def _choose_layer(path: Path, layers: Any, wanted: str | None) -> str:
    """``layers`` are rows of a name and a geometry type, which is None for a table without geometry."""
    names = [str(name) for name, geometry_type in layers if geometry_type is not None]
    listed = ", ".join(shown(name) for name in names[:MOST]) + (" and more" if len(names) > MOST else "")
    if not names:
        raise LabelError(f"{path}: holds no layer with geometries; name a file with polygons or points")
    if wanted is None:
        if len(names) > 1:
            raise UsageError(f"{path}: holds {len(names)} layers: {listed}; name one with --label-layer")
        return names[0]
    if wanted not in names:
        raise UsageError(f"{path}: no layer '{shown(wanted)}' for --label-layer: {_near(wanted, names)}known: {listed}")
    return wanted


def _fields(info: dict[str, Any]) -> dict[str, str]:
    """Fields of a layer and what they hold, in the order of the file."""
    rows = zip(info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True)
    return {str(name): SUBTYPES.get(subtype) or TYPES.get(kind) or kind[3:].lower() for name, kind, subtype in rows}


def _choose_field(path: Path, fields: dict[str, str], wanted: str | None) -> tuple[str, str | None]:
    """The field of the classes, and a note when nobody named it."""
    several = [f"{shown(name)} ({kind})" for name, kind in fields.items()]
    listed = ", ".join(several[:MOST]) + (f" and {len(several) - MOST} more" if len(several) > MOST else "")
    if not fields:
        raise LabelError(f"{path}: its features have no fields, so no class; add a text or integer field")
    if wanted is None:
        likely = [n for n, kind in fields.items() if kind in ("text", "integer") and n.lower() not in ID_FIELDS]
        if len(likely) != 1:
            raise UsageError(f"{path}: which field holds the class? Name it with --label-field: it has {listed}")
        note = f"classes are taken from the field '{shown(likely[0])}' (--label-field names another)"
        return _check_field(path, likely[0], fields), note
    if wanted not in fields:
        raise UsageError(
            f"{path}: no field '{shown(wanted)}' for --label-field: {_near(wanted, list(fields))}it has {listed}"
        )
    return _check_field(path, wanted, fields), None


def _check_field(path: Path, name: str, fields: dict[str, str]) -> str:
    if fields[name] not in USABLE:
        raise UsageError(
            f"{path}: field '{shown(name)}' holds {fields[name]}, but a class is text or a whole number; "
            "name another --label-field"
        )
    if name == "geometry":
        raise UsageError(f"{path}: a field called 'geometry' cannot be told from the geometries: rename it in the file")
    return name


def _near(wanted: str, names: Sequence[str]) -> str:
    lowered = {shown(name).lower(): shown(name) for name in names}
    near = [lowered[name] for name in difflib.get_close_matches(wanted[:60].lower(), list(lowered), n=3, cutoff=0.5)]
    return f"did you mean {' or '.join(near)}? " if near else ""
