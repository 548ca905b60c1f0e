"""ENVI headers: text of ``field = value`` lines in the encodings and spellings that ENVI and GDAL accept."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hsi.errors import SceneFileError
from hsi.io.reader import convert_errors, first_bytes, list_files, wrong_format

Fields = dict[str, str | list[str]]

TITLE = "an ENVI header"
LARGEST_HEADER = 16 * 2**20
BEGINNING = 512
LARGEST_ESRI = 4096
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
ALIASES = {"wavelengths": "wavelength", "wavelength unit": "wavelength units"}
COUNT = re.compile(r"\+?([0-9]{1,18})(\.0*)?")


@dataclass(frozen=True)
class EnviHeader:
    """The ``fields`` of a header, lower case; a list stands in braces. Fields without a value are left out."""

    path: Path
    fields: Mapping[str, str | list[str]]

    def text(self, key: str) -> str:
        """The text of a field, also where braces stand around it; empty without it."""
        return ", ".join(self.texts(key))

    def texts(self, key: str) -> list[str]:
        """The entries of a list; empty without it."""
        value = self.fields.get(key, [])
        return value if isinstance(value, list) else [value]

    def number(self, key: str) -> float | None:
        """The number of a field, None without it; raises :class:`SceneFileError` for what is not a number."""
        if key not in self.fields:
            return None
        try:
            return float(self.text(key))
        except ValueError as error:
            raise SceneFileError(
                f"{self.path}: '{key}' is '{self.text(key)[:40]}', expected a number; correct or delete it"
            ) from error

    def count(self, key: str, least: int = 1, default: str = "") -> int:
        """The integer of a field; raises :class:`SceneFileError` where it is missing or below ``least``."""
        text = self.text(key) or default
        match = COUNT.fullmatch(text)
        if match is None or int(match[1]) < least:
            found = f"is '{text[:40]}'" if text else "is missing"
            raise SceneFileError(f"{self.path}: '{key}' {found}, expected a number from {least}; correct the header")
        return int(match[1])


def is_envi_header(path: Path) -> bool:
    """Whether a file starts with ``ENVI``, after blank lines and in any encoding of :func:`read_envi_header`."""
    return _decode(first_bytes(path, BEGINNING)).lstrip().startswith("ENVI")


def is_esri_header(path: Path) -> bool:
    """Whether a file is the header of ESRI's .bil, .bip, .bsq and .flt, which GDAL reads with their data."""
    words = _decode(first_bytes(path, LARGEST_ESRI)).lower().split()
    return path.suffix.lower() == ".hdr" and {"nrows", "ncols"} <= {*words}


def headers_of(data: Path) -> list[Path]:
    """The headers that a data file may have: ``x.img.hdr`` or ``x.hdr``, in any case of letters.

    They lie in the folder of the file, or of the file that it is a link to.
    """
    files: list[Path] = []
    for file in dict.fromkeys((data, data.resolve())):
        names = (f"{file.name}.hdr".lower(), f"{file.stem}.hdr".lower())
        exact = [file.with_name(name + suffix) for name in (file.name, file.stem) for suffix in (".hdr", ".HDR")]
        found = [header for header in exact if header.is_file()]
        if not found:
            entries = list_files(file.parent)
            found = [entries[name] for name in names if name in entries]
        files += [header for header in found if header != file]
    return files


def read_envi_header(path: Path) -> EnviHeader:
    """The fields of a header: UTF-8, UTF-16 or Latin-1, any line ends; lines that start with ``;`` are comments.

    Underscores in the name of a field are spaces, as GDAL takes them. Raises :class:`SceneFileError` for another file
    and for a list without end.
    """
    if path.stat().st_size > LARGEST_HEADER or not is_envi_header(path):
        raise wrong_format(path, TITLE, "'ENVI'", "name the .hdr file that belongs to the data")
    with convert_errors(path, TITLE):
        text = _decode(path.read_bytes())
    lines = iter(re.split(r"\r\n|\r|\n", text))
    fields: Fields = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if not sign or line.lstrip().startswith(";"):
            continue
        key = " ".join(name.lower().replace("_", " ").split())
        value = value.strip()
        if not value.startswith("{"):
            value = value.partition(";")[0].strip()
            if value:
                fields[ALIASES.get(key, key)] = value
            continue
        parts = [value]
        while "}" not in parts[-1]:
            part = next(lines, None)
            if part is None:
                raise SceneFileError(f"{path}: the list of '{key}' has no end: add the closing brace")
            parts += [] if part.lstrip().startswith(";") else [part.strip()]
        content = "\n".join(parts)[1:].rpartition("}")[0].strip()
        entries = [entry.strip() for entry in content.split(",")]
        while entries and not entries[-1]:
            entries.pop()
        if entries:
            fields[ALIASES.get(key, key)] = content if key == "description" else entries
    return EnviHeader(path, fields)


def _decode(raw: bytes) -> str:
    """Text by its byte order mark, or by the zeros of UTF-16; else UTF-8, and Latin-1 where it is not."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "replace")
    if 0 in raw[:2]:
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
