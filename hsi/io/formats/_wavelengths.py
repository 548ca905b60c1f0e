"""Wavelengths from elsewhere than the scene: a table of numbers, an ENVI header, or a sensor by its name."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from hsi.core.files import config_dir
from hsi.errors import SceneFileError, UnknownNameError
from hsi.io.formats._envi_header import read_envi_header
from hsi.io.formats._product import parse_wavelengths, to_nanometres
from hsi.io.reader import convert_errors

LARGEST_TABLE = 2**20
SEPARATORS = re.compile(r"\s*[,;\t]\s*")
CENTRE_TITLES = re.compile(r"wave|wvl|^wl|cent(?:re|er)|lambda|^nm$")
WIDTH_TITLES = re.compile(r"fwhm|width")
Bands = tuple[tuple[float, ...], tuple[float, ...] | None]  # wavelengths and FWHM in nm


def sensor_names() -> dict[str, Path]:
    """The files of sensors, and of benchmark scenes with wavelengths, by name."""
    sensors = sorted((config_dir() / "sensors").glob("*.yaml"))
    scenes = [path for path in sorted((config_dir() / "scenes").glob("*.yaml")) if "wavelengths" in _load(path)]
    return {path.stem: path for path in (*sensors, *scenes)} | {
        str(_load(path)["sensor"]).lower(): path for path in scenes
    }


def sensor_facts(name: str) -> dict[str, Any]:
    """The facts about a sensor, such as ``wavelengths`` and ``fwhm`` in nm; raises :class:`UnknownNameError`."""
    known = sensor_names()
    key = re.sub(r"[\s_]+", "-", name.strip().lower())
    path = known.get(name) or known.get(key) or known.get(key.replace("-", "_"))
    if path is None:
        raise UnknownNameError("sensor", name, known)
    return _load(path)


def sensor_bands(name: str) -> Bands:
    """The wavelengths and FWHM of the bands of a sensor."""
    facts = sensor_facts(name)
    widths = facts.get("fwhm")
    return tuple(map(float, facts["wavelengths"])), tuple(map(float, widths)) if widths else None


def _load(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return facts


def read_header_bands(path: Path) -> Bands | None:
    """The wavelengths and FWHM of an ENVI header, whose data may be missing; None where it has none."""
    fields = read_envi_header(path)
    centres = fields.texts("wavelength")
    unit = fields.text("wavelength units") or None
    facts = parse_wavelengths(path, len(centres), centres, fields.texts("fwhm"), unit)
    found = facts["wavelengths"]
    return (found, facts["fwhm"]) if found else None


def read_table_bands(path: Path) -> Bands:
    """Wavelengths, and FWHM where there is a second column, of a text file with a line for each band.

    Columns are separated by commas, semicolons, tabs or blanks; between semicolons or tabs, commas are decimal points.
    ``#`` starts a comment. A line of titles says which columns these are; without one, a first column that counts the
    bands is left out. Nanometres or micrometres, by magnitude. Raises :class:`SceneFileError` for anything else.
    """
    with convert_errors(path, "a table of wavelengths"):
        if path.stat().st_size > LARGEST_TABLE:
            raise SceneFileError(f"{path}: is too large for a table of wavelengths, which has a line for each band")
        text = path.read_text(encoding="utf-8-sig")
    lines = [line for line in (line.partition("#")[0].strip(" \t,;\r") for line in text.splitlines()) if line]
    if lines and all(re.search(r"[;\t]", line) for line in lines):
        lines = [line.replace(",", ".") for line in lines]  # as spreadsheets write numbers where a comma is the point
    rows = [SEPARATORS.split(line) if SEPARATORS.search(line) else line.split() for line in lines]
    titles = [title.lower() for title in rows.pop(0)] if rows and _number(rows[0][0]) is None else []
    values = [[_number(cell) for cell in row] for row in rows]
    wrong = next((row for row, numbers in zip(rows, values, strict=True) if None in numbers), None)
    sizes = {len(row) for row in values}
    if not values or wrong or len(sizes) != 1:
        reason = f"'{' '.join(wrong)[:60]}' is no number" if wrong else "its lines differ" if values else "it has none"
        raise SceneFileError(f"{path}: is no table of wavelengths: {reason}; give one wavelength in nm on each line")
    columns = [[value for value in column if value is not None] for column in zip(*values, strict=True)]
    if len(titles) == len(columns):
        centres = next((c for c, title in zip(columns, titles, strict=True) if CENTRE_TITLES.search(title)), columns[0])
        widths = next((c for c, title in zip(columns, titles, strict=True) if WIDTH_TITLES.search(title)), [])
    else:
        counted = len(columns) > 1 and columns[0] in ([*range(len(values))], [*range(1, len(values) + 1)])
        centres, *more = columns[1:] if counted else columns
        widths = more[0] if more else []
    wavelengths, fwhm = to_nanometres(centres, widths)
    if wavelengths is None or min(wavelengths) <= 0:
        span = f"{min(centres):g} to {max(centres):g}"
        raise SceneFileError(f"{path}: {span} are no wavelengths in nm (200 to 20,000) or micrometres (0.3 to 20)")
    return wavelengths, fwhm


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
