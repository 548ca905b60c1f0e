"""Files that lie beside a map: those that ``hsi predict`` and ``hsi classify`` wrote with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .terminal import say


def confidence_beside(map_path: Path) -> Path | None:
    """The confidence that ``hsi predict`` or ``hsi classify`` wrote with a map, unless the map was smoothed since."""
    from hsi.mapping import sibling

    smooth = record_of(map_path).get("smooth")
    beside = sibling(map_path, "confidence")
    path = beside if beside.is_file() else of_run(map_path, "confidence.tif")
    if path and smooth:
        say("confidence", f"not compared: the map was smoothed ({smooth}), which its confidence knows nothing of")
        return None
    return path


def of_run(map_path: Path, name: str) -> Path | None:
    """A file of the run of ``hsi classify`` that a map is from; None where there is no such run or file."""
    path = map_path.with_name(name)
    is_run = map_path.name == "map.tif" and map_path.with_name("run.json").is_file()
    return path if is_run and path.is_file() else None


def record_of(map_path: Path) -> dict[str, Any]:
    """What ``hsi predict`` wrote down of a map; empty where it did not."""
    try:
        record = json.loads(map_path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
