"""Hostile changes of what GeoTIFF, HDF5 and GeoPackage files are built of: tags, datasets with their dimensions, and
geometries."""

from __future__ import annotations

import io
import sqlite3
import struct
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import h5py
import numpy as np

LENGTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
COMPRESSIONS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 33003, 34712, 34887, 34925, 50000, 50001, 50002, 65535)
SIDES = (0, 1, 2, 3, 7, 15, 16, 17, 255, 256, 4096, 65535, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
LARGEST = 10**5  # numbers of a dataset that a change copies
REALS = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e308, 1e-320, 5e5, 4e6)


def mutate_tiff(data: bytes, chance: Random) -> bytes:
    """Types, counts and values of a few tags of a little-endian TIFF or BigTIFF file."""
    changed, big = bytearray(data), data[2:4] == b"\x2b\x00"
    pointer, head, entry, offset = ("<Q", "<Q", "<HHQ", 8) if big else ("<I", "<H", "<HHI", 4)
    (place,) = struct.unpack_from(pointer, data, 8 if big else 4)
    with suppress(struct.error):
        (count,) = struct.unpack_from(head, data, place)
        size = struct.calcsize(entry) + offset
        starts = [place + struct.calcsize(head) + size * number for number in range(min(count, 200))]
        for _ in range(chance.choice((1, 1, 2, 3))):
            _change_tag(changed, chance.choice(starts), entry, offset, chance)
    return bytes(changed)


def _change_tag(data: bytearray, start: int, entry: str, offset: int, chance: Random) -> None:
    tag, kind, count = struct.unpack_from(entry, data, start)
    value, done = start + struct.calcsize(entry), chance.randrange(8)
    if done == 0:
        kind = chance.choice((*LENGTHS, 0, 99))
    elif done == 1:
        count = chance.choice((0, 1, 2, count + 1, 10**6, 2**31, 2**32 - 1))
    elif done == 2:
        tag = chance.choice((256, 257, 258, 259, 277, 284, 317, 322, 323, 324, 325, 330, 338, 339, 34735, 42112, 42113))
    else:
        number = chance.choice(COMPRESSIONS if tag == 259 else SIDES)
        width = min(LENGTHS.get(kind, 4), offset)
        data[value : value + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
    struct.pack_into(entry, data, start, tag, kind, count % (1 << (64 if offset == 8 else 32)))


def mutate_hdf5(data: bytes, chance: Random) -> bytes:
    """Datasets of an HDF5 or NetCDF 4 file with other layouts, types, filters, links, dimensions or attributes."""
    stored = io.BytesIO(data)
    with suppress(Exception), h5py.File(stored, "r+") as file:  # some changes are none that HDF5 writes
        names = list[str]()
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for _ in range(chance.choice((1, 1, 2))):
            name = chance.choice(names)
            with suppress(Exception):
                chance.choice(HDF5_CHANGES)(file, name, chance)
    return stored.getvalue()


def _replaced(file: Any, name: str, **layout: Any) -> None:
    """Another dataset in the place of one, with its attributes."""
    old = file[name]
    if old.size > LARGEST or old.is_virtual:  # one that is made of itself fills the memory
        return
    attributes, values = dict(old.attrs), old[()]
    del file[name]
    layout = {"data": values} | layout if "shape" not in layout else layout
    made = file.create_dataset(name, **layout)
    for key, value in attributes.items():
        with suppress(Exception):
            made.attrs[key] = value


def _other_filters(file: Any, name: str, chance: Random) -> None:
    many = {"chunks": True, "compression": chance.choice(("gzip", "lzf")), "shuffle": True, "fletcher32": True}
    others = {"scaleoffset": 2, "chunks": True}, {"chunks": True, "compression": chance.choice((32001, 32015, 307))}
    _replaced(file, name, **chance.choice((many, *others)))


def _other_chunks(file: Any, name: str, chance: Random) -> None:
    rank = file[name].ndim
    shape = tuple(chance.choice((1, 7, 1000, 10**5)) for _ in range(rank))
    chunks = tuple(min(side, chance.choice((1, 1000, 10**5))) for side in shape)
    _replaced(file, name, shape=shape, chunks=chunks, dtype=file[name].dtype, maxshape=(None,) * rank)


def _other_shape(file: Any, name: str, chance: Random) -> None:
    shape = tuple(chance.choice((0, 1, 3, 11, 10**5)) for _ in range(chance.choice((0, 1, 2, 3, 4, 12))))
    _replaced(file, name, shape=shape, dtype=chance.choice(("f4", "u1", "i8")))


def _other_type(file: Any, name: str, chance: Random) -> None:
    kinds = (
        h5py.string_dtype(), h5py.vlen_dtype(np.int32), h5py.ref_dtype, h5py.enum_dtype({"a": 1}), "S0", "S9", "c16",
        np.dtype([("a", "f4"), ("b", "u1")]), ">f2", "f8", "?", "V7", "(3,)f4", np.dtype("g"),
    )  # fmt: skip
    _replaced(file, name, shape=file[name].shape, dtype=chance.choice(kinds))


def _other_link(file: Any, name: str, chance: Random) -> None:
    del file[name]
    links = (
        h5py.ExternalLink("/etc/passwd", "/a"), h5py.ExternalLink(".", name), h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("/nothing"), h5py.SoftLink("/"),
    )  # fmt: skip
    file[name] = chance.choice(links)


def _virtual(file: Any, name: str, chance: Random) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    layout = h5py.VirtualLayout(shape, dtype)
    source = chance.choice((".", "/etc/passwd", "missing.h5", "%b.h5"))
    layout[...] = h5py.VirtualSource(source, chance.choice((name, "x")), shape=shape)
    file.create_virtual_dataset(name, layout)


def _external_storage(file: Any, name: str, chance: Random) -> None:
    stored = chance.choice((("/etc/passwd", 0, h5py.h5f.UNLIMITED), ("missing.raw", 0, 10**6)))
    _replaced(file, name, shape=file[name].shape, dtype=file[name].dtype, external=[stored])


def _other_attribute(file: Any, name: str, chance: Random) -> None:
    item = chance.choice((file, file[name], file[name].parent))
    keys = ("_FillValue", "DIMENSION_LIST", "DIMENSION_LABELS", "CLASS", "NAME", "_Netcdf4Dimid", "units", "wavelength")
    key = chance.choice((*item.attrs, *keys, "crs_wkt", "spatial_ref", "GeoTransform", "scale_factor", "grid_mapping"))
    values = (
        np.nan, np.inf, -1, 2**63 - 1, "", "x" * 70_000, b"\xff\x00", np.zeros(0), np.zeros((3, 3, 3)), [1, 2], "nan",
        "0 0 0 0 0 0", "1e400 0 0 0 1 0", file[name].ref, h5py.Empty("f4"), np.array(["a", "b"], "S1"), "WGS 84[",
    )  # fmt: skip
    with suppress(KeyError):
        del item.attrs[key]
    item.attrs[key] = chance.choice(values)


def _other_scales(file: Any, name: str, chance: Random) -> None:
    """Dimension scales of other lengths, several of one axis, or scales of themselves."""
    item, other = file[name], file.require_dataset("scale", (chance.choice((0, 1, 5, 1000)),), "f8")
    with suppress(Exception):
        other.make_scale(chance.choice(("x", "lat", "band", "wavelength", "\udcff")))
    for axis in item.dims:
        with suppress(Exception):
            axis.attach_scale(chance.choice((other, item)))
        axis.label = chance.choice(("x", "y", "bands", "", "x" * 5000))


HDF5_CHANGES: tuple[Callable[[Any, str, Random], None], ...] = (
    _other_filters, _other_chunks, _other_shape, _other_type, _other_link, _virtual, _external_storage,
    _other_attribute, _other_attribute, _other_scales,
)  # fmt: skip


def mutate_geopackage(data: bytes, chance: Random) -> bytes:
    """Geometries of a GeoPackage, what describes them, and the fields of its features."""
    base = sqlite3.connect(":memory:")
    base.deserialize(data)
    base.execute("PRAGMA writable_schema=ON")
    for _ in range(chance.choice((1, 1, 2))):
        with suppress(sqlite3.Error, TypeError):
            chance.choice(GEOPACKAGE_CHANGES)(base, chance)
    base.commit()
    return base.serialize()


def _table(base: sqlite3.Connection) -> tuple[str, str]:
    name, column = base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchone()
    for kind, trigger in base.execute("SELECT type, name FROM sqlite_master WHERE type='trigger'").fetchall():
        base.execute(f'DROP {kind} "{trigger}"')  # they call functions that plain SQLite lacks
    return str(name), str(column)


def _other_geometry(base: sqlite3.Connection, chance: Random) -> None:
    name, column = _table(base)
    rows = base.execute(f'SELECT rowid, "{column}" FROM "{name}"').fetchall()
    row, blob = chance.choice(rows)
    changed = bytearray(blob or b"GP\x00\x01" + bytes(5))
    done = chance.randrange(5)
    if done == 0:  # a number of the envelope or of a coordinate
        place = chance.choice(range(8, max(9, len(changed) - 7)))
        changed[place : place + 8] = struct.pack("<d", chance.choice(REALS))
    elif done == 1:  # flags: envelope, emptiness, byte order
        changed[3] = chance.randrange(256)
    elif done == 2:  # the type: curves, collections, Z and M
        start = 8 + {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}.get(changed[3] >> 1 & 7, 0)
        kind = chance.choice((*range(18), 99)) + chance.choice((0, 0, 1000, 2000, 3000, 2**31, 2**30))
        changed[start + 1 : start + 5] = struct.pack("<I", kind % 2**32)
    elif done == 3:  # a count
        place = chance.randrange(max(1, len(changed) - 4))
        changed[place : place + 4] = struct.pack("<I", chance.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1)))
    else:
        del changed[chance.randrange(len(changed)) :]
    base.execute(f'UPDATE "{name}" SET "{column}" = ? WHERE rowid = ?', (bytes(changed), row))


def _other_description(base: sqlite3.Connection, chance: Random) -> None:
    _table(base)
    changes = (
        ("gpkg_geometry_columns", ("geometry_type_name", "srs_id", "z", "m", "column_name", "table_name")),
        ("gpkg_contents", ("data_type", "min_x", "max_y", "srs_id", "last_change", "table_name")),
        ("gpkg_spatial_ref_sys", ("definition", "organization_coordsys_id", "organization", "srs_id")),
    )
    table, columns = chance.choice(changes)
    values = (None, -1, 0, 99, 2**62, float("inf"), "", "CURVEPOLYGON", "GEOMETRY", "nothing", b"\xff\x00", "x" * 9000)
    base.execute(f"UPDATE {table} SET {chance.choice(columns)} = ?", (chance.choice(values),))


def _other_field(base: sqlite3.Connection, chance: Random) -> None:
    name, _ = _table(base)
    values = (None, -1, 1.5, float("inf"), 2**62, "", "x" * 9000, b"\xff\x00", "corn\x00", "=cmd()")
    base.execute(f'UPDATE "{name}" SET cover = ?', (chance.choice(values),))


GEOPACKAGE_CHANGES = (_other_geometry, _other_geometry, _other_geometry, _other_description, _other_field)
