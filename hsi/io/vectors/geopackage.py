"""Rows of a GeoPackage, read with all their fields and changed one by one: nothing else of the file changes.

The format is OGC 12-128r19; rows are changed by SQL because GDAL's bindings for Python that are in use only write
complete layers.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hsi.core.colours import hex_colour, parse_hex
from hsi.core.files import write_atomically
from hsi.errors import OutputError, SceneFileError, UsageError
from hsi.io.class_files import ClassEntry

LARGEST_FILE = 1 << 28  # bytes; a changed file is written as a new one
BUSY_SECONDS = 5.0
CLASS_TABLE = "hsi_classes"
CLASS_COLUMNS = {"class_id": "INTEGER PRIMARY KEY", "class": "TEXT NOT NULL", "colour": "TEXT"}
PLACE_TABLE = "hsi_places"
PLACE_COLUMNS = {"row": "INTEGER NOT NULL", "column": "INTEGER NOT NULL"}
ENVELOPES = (0, 32, 48, 48, 64)  # bytes before a geometry, by the kind of its bounding box
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A layer's rows by their key: the values of all fields as they are stored, and the geometries.

    ``types`` are the declared types of all columns but ``key`` and ``geometry``; ``kind`` is the declared type of the
    geometries, such as GEOMETRY or MULTIPOLYGON; ``crs`` is WKT, None for none.
    """

    name: str
    key: str
    geometry: str
    kind: str
    srs_id: int
    crs: str | None
    types: Mapping[str, str]
    rows: Mapping[int, Row] = field(default_factory=dict)
    shapes: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """The new values of a row's fields and its geometry; no values delete it, no geometry leaves that as it is."""

    values: Row | None
    geometry: Any = None


def create_layer(path: Path, name: str, types: Mapping[str, Any], crs: str | None) -> None:
    """Write a GeoPackage with an empty layer of any geometry; ``types`` are NumPy's of its fields."""
    import geopandas
    import pandas as pd

    columns = {key: pd.Series([], dtype=kind) for key, kind in types.items()}
    frame = geopandas.GeoDataFrame(columns, geometry=[], crs=crs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")
        frame.to_file(path, driver="GPKG", layer=name, engine="pyogrio", geometry_type="Unknown")


def read_table(path: Path, name: str) -> Table:
    """All rows of a layer. Raises :class:`SceneFileError` for a damaged file."""
    import pyogrio

    crs = pyogrio.read_info(path, layer=name)["crs"]  # before, as GDAL has an SQLite of its own, with its own locks
    try:
        with closing(_connect(path, "ro")) as base:
            table = _describe(base, name, crs)
            columns = [table.key, table.geometry, *table.types]
            found = base.execute(f"SELECT {', '.join(map(_quote, columns))} FROM {_quote(name)} ORDER BY 1").fetchall()
    except (sqlite3.Error, UnicodeError) as error:
        raise SceneFileError(f"{path}: cannot be read as a GeoPackage: {error}") from error
    rows = {row[0]: dict(zip(table.types, row[2:], strict=True)) for row in found}
    shapes = {row[0]: _decode(row[1]) for row in found}
    return replace(table, rows=rows, shapes=shapes)


def _describe(base: sqlite3.Connection, name: str, crs: Any) -> Table:
    geometry, kind, srs_id = base.execute(
        "SELECT column_name, geometry_type_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
    ).fetchone()
    columns = base.execute(f"PRAGMA table_info({_quote(name)})").fetchall()
    key = next((str(column[1]) for column in columns if column[5]), "rowid")
    types = {str(column[1]): str(column[2]).upper() for column in columns if column[1] not in (key, geometry)}
    return Table(name, key, str(geometry), str(kind).upper(), srs_id, crs, types)


def read_classes(path: Path) -> tuple[ClassEntry, ...]:
    """The classes that :func:`write_classes` stored; none in other files."""
    rows = _read_attributes(path, CLASS_TABLE, CLASS_COLUMNS)
    return tuple(ClassEntry(int(i), str(name), parse_hex(shade)) for i, name, shade in sorted(rows))


def read_places(path: Path) -> tuple[tuple[int, int], ...]:
    """The (row, column) that :func:`write_places` stored; none in other files."""
    return tuple((int(row), int(column)) for row, column in _read_attributes(path, PLACE_TABLE, PLACE_COLUMNS))


def _read_attributes(path: Path, name: str, columns: Mapping[str, str]) -> list[Any]:
    """The rows of a table without geometry, in the order in which they were written; none where it is missing."""
    listed = ", ".join(map(_quote, columns))
    try:
        with closing(_connect(path, "ro")) as base:
            exists = base.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()
            return base.execute(f"SELECT {listed} FROM {name} ORDER BY rowid").fetchall() if exists else []
    except sqlite3.Error as error:
        raise SceneFileError(f"{path}: cannot be read as a GeoPackage: {error}") from error


@contextmanager
def edit_geopackage(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of a file, which takes its place when the block ends without error.

    The copy is made in the same folder and renamed when it is complete and on disk, so that readers have the old file
    or the new one, and a killed process leaves the old one. While another program edits the file, changes are made in
    place by a transaction, because the log of that program would not fit another file. Raises :class:`OutputError`
    when the file cannot be written.
    """
    target = path.resolve()  # a link stays one
    try:
        if _is_edited(target):
            with closing(_connect(target, "rw")) as base, base:
                base.execute("BEGIN IMMEDIATE")
                yield base
            return
        with write_atomically(target, durable=True, marked=True) as part:
            with closing(_connect(target, "ro")) as there, closing(_connect(part, "rw")) as base:
                base.execute("PRAGMA synchronous = OFF")  # the complete file is written to disk before it is renamed
                there.execute("BEGIN")
                there.execute("SELECT 1 FROM sqlite_master").fetchone()  # backup() would wait for ever for a lock
                there.backup(base)
                base.execute("PRAGMA journal_mode = DELETE")  # that of the source may be a log in a second file
                base.execute("PRAGMA journal_mode = MEMORY")
                base.execute("BEGIN")
                yield base
                base.commit()
            shutil.copymode(target, part)
    except sqlite3.Error as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error


def check_size(path: Path) -> None:
    """Raise :class:`UsageError` for a file that is too large to be written as a new one at each change."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UsageError(
            f"{path}: has {size:,} bytes and each change would write all of it: save the layer of the labels in a "
            f"file of its own, of less than {LARGEST_FILE:,}"
        )


def _is_edited(path: Path) -> bool:
    """Whether another program has the file open with changes in a log of its own."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def change_rows(base: sqlite3.Connection, table: Table, changes: Mapping[int, Change]) -> None:
    """Write the changed rows of a layer, by their keys, with the bounding box of the layer and the time."""
    import shapely

    name, key = _quote(table.name), _quote(table.key)
    for number, change in changes.items():
        if change.values is None:
            base.execute(f"DELETE FROM {name} WHERE {key} = ?", (number,))
            continue
        columns = dict(change.values)
        if change.geometry is not None:
            columns[table.geometry] = _encode(change.geometry, table.srs_id)
        names, values = [_quote(column) for column in columns], [*columns.values()]
        if base.execute(f"SELECT 1 FROM {name} WHERE {key} = ?", (number,)).fetchone():
            placed = ", ".join(f"{column} = ?" for column in names)
            base.execute(f"UPDATE {name} SET {placed} WHERE {key} = ?", (*values, number))
        else:
            marks = ", ".join("?" * (len(names) + 1))
            base.execute(f"INSERT INTO {name} ({', '.join([key, *names])}) VALUES ({marks})", (number, *values))
    drawn = [change.geometry for change in changes.values() if change.geometry is not None]
    if {geometry.geom_type.upper() for geometry in drawn} - {table.kind}:  # the layer may hold any from now on
        base.execute(
            "UPDATE gpkg_geometry_columns SET geometry_type_name = 'GEOMETRY' WHERE table_name = ?", (table.name,)
        )
    if drawn:  # the box may be larger than the rows, but must not be smaller
        sides = zip(("min_x", "min_y", "max_x", "max_y"), shapely.total_bounds(drawn).tolist(), strict=True)
        grown = ", ".join(f"{side} = {side[:3]}(coalesce({side}, {value!r}), {value!r})" for side, value in sides)
        base.execute(f"UPDATE gpkg_contents SET {grown} WHERE table_name = ?", (table.name,))
    base.execute(
        "UPDATE gpkg_contents SET last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?",
        (table.name,),
    )


def add_columns(base: sqlite3.Connection, table: Table, types: Mapping[str, str]) -> None:
    """Add the columns that a layer lacks, without values."""
    for name, kind in types.items():
        base.execute(f"ALTER TABLE {_quote(table.name)} ADD COLUMN {_quote(name)} {kind}")


def write_classes(base: sqlite3.Connection, classes: Iterable[ClassEntry]) -> None:
    """Store ids, names and colours of all classes in a table without geometry, in place of those that it has."""
    rows = [(one.id, one.name, hex_colour(one.colour) if one.colour else None) for one in classes]
    _write_attributes(base, CLASS_TABLE, CLASS_COLUMNS, rows)


def write_places(base: sqlite3.Connection, places: Iterable[tuple[int, int]]) -> None:
    """Store (row, column) of places, in place of those that are stored."""
    _write_attributes(base, PLACE_TABLE, PLACE_COLUMNS, list(places))


def _write_attributes(
    base: sqlite3.Connection, name: str, types: Mapping[str, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    columns = ", ".join(f"{_quote(column)} {kind}" for column, kind in types.items())
    base.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    base.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
        (name, name),
    )
    base.execute(f"DELETE FROM {name}")
    base.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(types))})", rows)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    base = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS)
    base.isolation_level = None  # transactions begin where this module begins them
    base.create_function("ST_IsEmpty", 1, lambda blob: int(_bounds(blob) is None), deterministic=True)
    for place, name in enumerate(("ST_MinX", "ST_MinY", "ST_MaxX", "ST_MaxY")):
        base.create_function(name, 1, lambda blob, place=place: _bound(blob, place), deterministic=True)
    return base


def _quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _decode(blob: Any) -> Any:
    """The geometry in the binary form of GeoPackage; None for none, and for a kind that shapely does not have."""
    import shapely

    if not isinstance(blob, bytes) or blob[:2] != b"GP" or len(blob) < 8 or blob[3] >> 5 & 1:
        return None
    kind = blob[3] >> 1 & 7
    start = 8 + (ENVELOPES[kind] if kind < len(ENVELOPES) else len(blob))
    return shapely.from_wkb(blob[start:], on_invalid="ignore")


def _encode(geometry: Any, srs_id: int) -> bytes:
    """The binary form of a geometry: magic, version, flags, CRS, bounding box, WKB (OGC 12-128r19, clause 2.1.3)."""
    import shapely

    west, south, east, north = shapely.bounds(geometry)
    head = b"GP\x00\x03" + struct.pack("<i4d", srs_id, west, east, south, north)
    form: bytes = shapely.to_wkb(geometry, flavor="iso", byte_order=1)
    return head + form


def _bounds(blob: Any) -> tuple[float, ...] | None:
    """The bounding box of a stored geometry: west, south, east, north; None where it is empty."""
    import shapely

    geometry = _decode(blob)
    if geometry is None or geometry.is_empty:
        return None
    west, south, east, north = shapely.bounds(geometry).tolist()
    return west, south, east, north


def _bound(blob: Any, place: int) -> float | None:
    bounds = _bounds(blob)
    return None if bounds is None else bounds[place]


def signature(path: Path) -> tuple[int, ...]:
    """Numbers that differ after another program has changed a file; empty where it is missing."""
    found: list[int] = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = os.stat(file)  # noqa: PTH116 - of two files, of which one is often missing
        except OSError:
            continue
        found += [status.st_ino, status.st_size, status.st_mtime_ns]
    return tuple(found)
