"""How a run came to be, as the labelled facts at the end of ``report.html``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hsi.preprocessing.bands import format_ranges

if TYPE_CHECKING:
    from hsi.report.html import Provenance

PIXELS = {
    "invalid": "cannot be used",
    "not_finite": "NaN or infinite",
    "nodata": "nodata",
    "zero": "zero in all bands",
    "masked": "outside the mask",
}


def run_provenance(record: Mapping[str, Any]) -> Provenance:
    """Of a run of ``hsi classify``: what its ``run.json`` tells, settings as they came out."""
    from hsi.report.html import Provenance

    inputs, settings = record["inputs"], record["settings"]
    groups = {
        "Method": {
            "model": settings["model"]["name"],
            "window": settings["model"]["window"],
            **({"second window": second} if (second := settings["model"].get("second_window")) else {}),
            "parameters": record["parameters"],
            "reducer": record["reducer"],
            "kept epoch": record.get("kept_epoch"),
            "temperature": _temperature(record.get("calibration")),
            "seed": settings["seed"],
        },
        "Data": {
            "scene": inputs["scene"],
            "variable": inputs["variable"],
            "labels": inputs["labels"],
            "label variable": inputs["label_variable"],
            "recognised as": inputs["recognised_as"],
            "bands": format_ranges(record["bands"]["kept"]),
            **{f"bands {reason}": format_ranges(numbers) for reason, numbers in record["bands"]["dropped"].items()},
            **{f"pixels {PIXELS[name]}": count for name, count in record["pixels"].items() if count},
        },
        "Denoising": _denoising(record),
        "Split": {**settings["split"], "hash": record["split"]["hash"]},
        "Training": {**settings["training"], **record["recipe"]},
        "Reducer": settings["reducer"],
        "Mapping": settings["mapping"],
        "Machine": {
            "device": record["device"],
            **record["machine"],
            "peak memory": f"{record['peak_memory_bytes'] / 10**9:.2f} GB",
        },
        "Versions": record["versions"],
    }
    return Provenance(shlex.join(record["command"]), _worded(groups), dict(record["seconds"]), inputs["sha256"])


def map_provenance(record: Mapping[str, Any]) -> Provenance:
    """Of a map of ``hsi predict``: what the record beside it tells."""
    from hsi.report.html import Provenance

    groups = {
        "Method": {
            "model": record["model"],
            "temperature": record["temperature"],
            "smooth": record["smooth"],
            **record["options"],
        },
        "Data": {"scene": record["scene"], "bands": record["bands"], "pixels without data": record["without_data"]},
        "Machine": {
            "device": record["device"],
            "rows at a time": record["rows"],
            "tile": record["tile"],
            "peak memory": f"{record['peak_memory_bytes'] / 10**9:.2f} GB",
        },
        "Versions": record["versions"],
    }
    trained_on = {f"{name} (the model was trained on it)": found for name, found in record["trained_on"].items()}
    return Provenance(
        shlex.join(record["command"]), _worded(groups), record["seconds"], {**record["sha256"], **trained_on}
    )


def denoising_provenance(record: Mapping[str, Any]) -> Provenance:
    """Of a cube of ``hsi denoise``: what the record beside it tells."""
    from hsi.report.html import Provenance

    groups = {
        "Data": {"scene": record["scene"], "variable": record["variable"]},
        "Denoising": _denoising(record),
        "Machine": {**record["machine"], "peak memory": f"{record['peak_memory_bytes'] / 10**9:.2f} GB"},
        "Versions": record["versions"],
    }
    return Provenance(shlex.join(record["command"]), _worded(groups), dict(record["seconds"]), record["sha256"])


def _denoising(record: Mapping[str, Any]) -> dict[str, Any]:
    found = record.get("denoising") or {}
    kept = {name: found[name] for name in ("method", "source", "seed") if name in found}
    return {**kept, "bands": format_ranges(found["bands"])} if found else {}


def comparison_provenance(about: Mapping[str, Any], machines: Sequence[str]) -> Provenance:
    """Of a comparison: how it came about, and where its runs were."""
    from hsi.report.html import Provenance

    seeds = ", ".join(map(str, about["seeds"]))
    groups = {
        "Comparison": {"date": about["date"], "seeds": seeds, **about["scene"]},
        "Machines": {f"machine {i}": told for i, told in enumerate(machines, start=1)},
        "Versions": about["versions"],
    }
    return Provenance(shlex.join(about["command"]), _worded(groups), {}, about["sha256"])


def _temperature(calibration: Mapping[str, Any] | None) -> float | None:
    return calibration["temperature"] if calibration else None


def _worded(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Facts as text; those that are not there are left out."""
    return {
        heading: {name.replace("_", " "): _in_words(value) for name, value in facts.items() if value is not None}
        for heading, facts in groups.items()
    }


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
