"""Valid files made hostile: a few random changes each, of bytes, of text, and of what lies inside containers."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from tests.faults.structures import mutate_geopackage, mutate_hdf5, mutate_tiff

WHOLE_NUMBERS = (-1, 0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
LARGE_NUMBERS = (10**9, 10**12, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))
NUMBERS = (*(str(n) for n in (*WHOLE_NUMBERS, *LARGE_NUMBERS)), "1" * 5000, "1e400", "-1e308", "nan", "inf", "1_0", "٣")
NAMES = (
    "../../../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "a/b/c",
    "file:///etc/passwd",
    "/vsicurl/http://127.0.0.1:9/x",
    "a\x00b",
    "</script><script>alert(1)</script>",
    "'; DROP TABLE gpkg_contents; --",
    "$\\frac{",
    "\ud800",
    "\x1b[31m",
    "x" * 3000,
    "",
)
TEXTS = (
    "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system",
    "&a [&b {c: *a}]",
    # each line is nine times the one before
    "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi")),
    "<<: *a",
    "? [1, 2]\n: 3",
    "1: 2",
    "2026-11-28: 1",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "{" * 2000,
    "[" * 2000,
    "{a = {b = {",
    "}",
    "\t",
    "\x00",
    "\ufeff",
    "---\n",
)
LARGEST = 1 << 20

Change = Callable[[bytearray, Random], None]


def mutate(data: bytes, kind: str, chance: Random) -> bytes:
    """The content of a file with one to a few hostile changes; ``kind`` is one of :data:`KINDS`."""
    return KINDS[kind](data, chance)


def mutate_bytes(data: bytes, chance: Random) -> bytes:
    """Bits, numbers and ranges of any bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if changed:
            chance.choice(BYTE_CHANGES)(changed, chance)
    return bytes(changed[: len(data) + LARGEST])


def mutate_start(data: bytes, chance: Random, most: int = 4096) -> bytes:
    """As :func:`mutate_bytes`, mostly where a file's structure is described."""
    if chance.random() < 0.2:
        return mutate_bytes(data, chance)
    return mutate_bytes(data[:most], chance) + data[most:]


def mutate_text(data: bytes, chance: Random) -> bytes:
    """Lines, numbers, values, nesting and encoding of text."""
    if chance.random() < 0.15:
        return mutate_bytes(data, chance)
    text = data.decode("utf-8", "replace")
    for _ in range(chance.choice((1, 1, 2, 3))):
        text = chance.choice(TEXT_CHANGES)(text, chance)
    encoding = chance.choice(("utf-8",) * 12 + ("latin-1", "utf-16"))
    return text[: len(data) + LARGEST].encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")


def mutate_json(data: bytes, chance: Random) -> bytes:
    """Values, keys and nesting of JSON (which is YAML, too), or its text."""
    if chance.random() < 0.2:
        return mutate_text(data, chance)
    return json.dumps(mutate_tree(json.loads(data), chance)).encode()


def mutate_tree(tree: Any, chance: Random) -> Any:
    """A few values of nested lists and mappings replaced, removed, doubled or wrapped."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            return _hostile_value(chance)
        inside, key = chance.choice(places)
        _change_at(inside, key, chance)
    return tree


def mutate_safetensors(data: bytes, chance: Random) -> bytes:
    """The header of a safetensors file and the description in its metadata, or its bytes."""
    if chance.random() < 0.25:
        return mutate_start(data, chance, 600)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    described = header.get("__metadata__", {})
    if "hsi" in described and chance.random() < 0.7:
        described["hsi"] = mutate_json(described["hsi"].encode(), chance).decode("utf-8", "replace")
    else:
        header = mutate_tree(header, chance)
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + data[8 + length :]


def mutate_zip(data: bytes, chance: Random) -> bytes:
    """A member of an archive or its name, with sums that fit, or the archive's bytes."""
    if chance.random() < 0.4:
        return mutate_bytes(data, chance)
    target, written = io.BytesIO(), zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", written) as archive:
        members = source.namelist()
        changed = chance.choice(members)
        for name in members:
            content = source.read(name)
            if name == changed and chance.random() < 0.2:
                name = chance.choice(NAMES).replace("\ud800", "?") + ".npy"
            elif name == changed:
                content = mutate_start(content, chance, 160)
            archive.writestr(name.replace("\x00", "") or "x", content)
    return target.getvalue()


def mutate_mat(data: bytes, chance: Random) -> bytes:
    """What a compressed variable of a MATLAB 5 file unpacks to, packed again, or the file's bytes."""
    tag, length = struct.unpack_from("<ii", data, 128) if len(data) > 136 else (0, 0)
    if tag != 15 or chance.random() < 0.3:
        return mutate_start(data, chance)
    inner = mutate_start(zlib.decompress(data[136 : 136 + length]), chance, 128)
    packed = zlib.compress(inner)
    return data[:128] + struct.pack("<ii", 15, len(packed)) + packed + data[136 + length :]


KINDS: dict[str, Callable[[bytes, Random], bytes]] = {
    "bytes": mutate_bytes,
    "start": mutate_start,
    "text": mutate_text,
    "json": mutate_json,
    "safetensors": mutate_safetensors,
    "zip": mutate_zip,
    "mat": mutate_mat,
    "tiff": mutate_tiff,
    "hdf5": mutate_hdf5,
    "gpkg": mutate_geopackage,
}


def _range(data: bytearray, chance: Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 2, 4, 8, 16, 64, 512)))


def _flip(data: bytearray, chance: Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _number(data: bytearray, chance: Random) -> None:
    width = chance.choice((1, 2, 4, 4, 8))
    start = chance.randrange(len(data))
    value = chance.choice((*WHOLE_NUMBERS, *LARGE_NUMBERS)) % (1 << 8 * width)
    data[start : start + width] = value.to_bytes(width, chance.choice(("little", "big")))


def _remove(data: bytearray, chance: Random) -> None:
    start, stop = _range(data, chance)
    del data[start:stop]


def _double(data: bytearray, chance: Random) -> None:
    start, stop = _range(data, chance)
    data[stop:stop] = data[start:stop] * chance.choice((1, 1, 2, 50))


def _move(data: bytearray, chance: Random) -> None:
    (start, stop), place = _range(data, chance), chance.randrange(len(data))
    data[place : place + stop - start] = data[start:stop]


def _fill(data: bytearray, chance: Random) -> None:
    start, stop = _range(data, chance)
    data[start:stop] = chance.choice((b"\x00", b"\xff", b" ", b"\x80")) * (stop - start)


def _insert(data: bytearray, chance: Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = chance.choice((chance.randbytes(4), chance.choice(NUMBERS)[:20].encode(), bytes(1024)))


def _cut(data: bytearray, chance: Random) -> None:
    del data[chance.randrange(len(data)) :]


BYTE_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _number, _number, _number, _remove, _double, _move, _fill, _insert, _cut,
)  # fmt: skip


def _other_number(text: str, chance: Random) -> str:
    found = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if not found:
        return text
    one = chance.choice(found)
    return text[: one.start()] + chance.choice(NUMBERS) + text[one.end() :]


def _other_value(text: str, chance: Random) -> str:
    found = list(re.finditer(r"(?<=[=:>])[^\n{<]*", text))
    if not found:
        return text
    one = chance.choice(found)
    return text[: one.start()] + " " + chance.choice((*NAMES, *TEXTS, *NUMBERS)) + text[one.end() :]


def _other_lines(text: str, chance: Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place = chance.randrange(len(lines))
    done = chance.randrange(4)
    if done == 0:
        del lines[place]
    elif done == 1:
        lines[place:place] = [lines[place]] * chance.choice((1, 2, 300))
    elif done == 2:
        lines[place:place] = [chance.choice((*TEXTS, *NAMES)) + "\n"]
    else:
        lines.insert(chance.randrange(len(lines)), lines.pop(place))
    return "".join(lines)


def _other_letters(text: str, chance: Random) -> str:
    place = chance.randrange(len(text) + 1)
    added = chance.choice((*TEXTS, *NAMES, "{", "}", '"', "\n", "\r", ",", "=", "&", "\u2028", "\x85"))
    return text[:place] + added + text[place + chance.choice((0, 0, 1, 3)) :]


def _shorter(text: str, chance: Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


TEXT_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    _other_number, _other_number, _other_value, _other_value, _other_lines, _other_letters, _shorter,
)  # fmt: skip


def _places(tree: Any) -> Any:
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield tree, key
        yield from _places(tree[key])


def _hostile_value(chance: Random) -> Any:
    whole = chance.choice((*WHOLE_NUMBERS, *LARGE_NUMBERS, 10**400))
    nested: Any = []
    for _ in range(chance.choice((1, 40))):
        nested = [nested]
    name, real = chance.choice(NAMES), chance.choice((float("nan"), float("inf"), -1e308, 0.5, 1e-320))
    return chance.choice((whole, whole, name, real, None, True, nested, {}, {name: whole}, [whole] * 3))


def _change_at(inside: Any, key: Any, chance: Random) -> None:
    value = inside[key]
    done = chance.randrange(6)
    if done == 0:
        del inside[key]
    elif done == 1 and isinstance(inside, list):
        inside.append(value)
    elif done == 1:
        inside[chance.choice(NAMES)] = value
    elif done == 2:
        inside[key] = [value]
    elif done == 3 and isinstance(value, (int, float)):
        inside[key] = chance.choice((-value, value + 1, value * 1000, str(value)))
    else:
        inside[key] = _hostile_value(chance)
