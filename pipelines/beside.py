"""Files that lie beside a map: those that ``hsi predict`` and ``hsi classify`` write with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.workflows.html import REPORT

from .cli_support.terminal import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.inference.map_files import MapOptions


def layer_files(out: Path, options: MapOptions) -> list[Path]:
    """The rasters that a map with these options consists of, the map first."""
    from hsi.inference.map_files import layer_path

    kinds = {"confidence": True, "probabilities": options.probabilities, "novelty": options.novelty}
    return [out, *(layer_path(out, kind) for kind, wanted in kinds.items() if wanted)]


def older_files(out: Path) -> list[Path]:
    """What a map of this name may have had beside it; with another map it would be wrong."""
    from hsi.inference.map_files import MapOptions

    layers = layer_files(out, MapOptions(probabilities=True, novelty=True))[1:]
    return [*layers, map_report(out)] if out.exists() else []


def map_report(map_path: Path) -> Path:
    """The report beside a map: ``map.tif`` has ``map_report.html``."""
    return map_path.with_name(f"{map_path.stem}_{REPORT}")


def confidence_beside(map_path: Path) -> Path | None:
    """The confidence that ``hsi predict`` or ``hsi classify`` wrote with a map, unless the map was smoothed since."""
    from hsi.inference.map_files import layer_path

    smooth = record_of(map_path).get("smooth")
    beside = layer_path(map_path, "confidence")
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


def split_of_run(map_path: Path, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The codes ``shape`` (H, W) of ``split.tif`` of the run that a map is from; None where there is none."""
    from hsi.io.geotiff import read_classes

    path = of_run(map_path, "split.tif")
    codes = read_classes(path) if path else None
    return codes if codes is not None and codes.shape == shape else None
