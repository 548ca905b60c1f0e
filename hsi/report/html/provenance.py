"""How a run was made: the labelled values at the end of ``report.html``, from the records of commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from hsi.core.georeference import crs_title
from hsi.preprocessing.bands import format_ranges
from hsi.report.html.page import Provenance

PIXELS = {
    "invalid": "cannot be used",
    "not_finite": "NaN or infinite",
    "nodata": "nodata",
    "fill": "of a value that the file does not declare as no data",
    "zero": "zero in all bands",
    "masked": "outside the mask",
}


def run_provenance(record: Mapping[str, Any]) -> Provenance:
    """That of a run of ``hsi classify``, from its ``run.json``; settings are the resolved ones."""
    inputs, settings = record["inputs"], record["settings"]
    groups = {
        "Method": {
            "model": settings["model"]["name"],
            "window": settings["model"]["window"],
            "second window": settings["model"].get("second_window") or None,
            "parameters": record["parameters"],
            "reducer": record["reducer"],
            "epoch used": record.get("kept_epoch"),
            "temperature": (record.get("calibration") or {}).get("temperature"),
            "seed": settings["seed"],
        },
        "Data": {
            "scene": inputs["scene"],
            "variable": inputs["variable"],
            "CRS": crs_title(inputs["crs"]),
            "labels": inputs["labels"],
            "label variable": inputs["label_variable"],
            "recognised as": inputs["recognised_as"],
            "bands": format_ranges(record["bands"]["kept"]),
            **{f"bands {reason}": format_ranges(numbers) for reason, numbers in record["bands"]["dropped"].items()},
            **{f"pixels {text}": count for name, text in PIXELS.items() if (count := record["pixels"].get(name))},
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
    return _provenance(record, groups, inputs["sha256"])


def map_provenance(record: Mapping[str, Any]) -> Provenance:
    """That of a map of ``hsi predict``, from its record."""
    groups = {
        "Method": {
            "model": record["model"],
            "temperature": record["temperature"],
            "smooth": record["smooth"],
            "smallest area": record["min_area"],
            **record["options"],
        },
        "Data": {
            "scene": record["scene"],
            "CRS": crs_title(record["crs"]),
            "bands": record["bands"],
            "pixels without data": record["without_data"],
        },
        "Machine": {
            "device": record["device"],
            "rows at a time": record["rows"],
            "tile": record["tile"],
            "peak memory": f"{record['peak_memory_bytes'] / 10**9:.2f} GB",
        },
        "Versions": record["versions"],
    }
    trained_on = {f"{name} (the model was trained on it)": value for name, value in record["trained_on"].items()}
    return _provenance(record, groups, {**record["sha256"], **trained_on})


def denoising_provenance(record: Mapping[str, Any]) -> Provenance:
    """That of a cube of ``hsi denoise``, from its record."""
    groups = {
        "Data": {"scene": record["scene"], "variable": record["variable"], "CRS": crs_title(record["crs"])},
        "Denoising": _denoising(record),
        "Machine": {**record["machine"], "peak memory": f"{record['peak_memory_bytes'] / 10**9:.2f} GB"},
        "Versions": record["versions"],
    }
    return _provenance(record, groups, record["sha256"])


def _denoising(record: Mapping[str, Any]) -> dict[str, Any]:
    denoising = record.get("denoising")
    if not denoising:
        return {}
    values = {name: denoising.get(name) for name in ("method", "source", "seed")}
    return {**values, "bands": format_ranges(denoising["bands"])}


def comparison_provenance(about: Mapping[str, Any], machines: Sequence[str]) -> Provenance:
    """That of a comparison, and the machines of its runs."""
    seeds = ", ".join(map(str, about["seeds"]))
    groups = {
        "Comparison": {"seeds": seeds, **about["scene"]},
        "Machines": {f"machine {i}": text for i, text in enumerate(machines, start=1)},
        "Versions": about["versions"],
    }
    return _provenance(about, groups, about["sha256"])


def _provenance(
    record: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]], hashes: Mapping[str, str]
) -> Provenance:
    """The command, date and seconds of a record, and groups of values as text; values that are None are left out."""
    worded = {
        heading: {name.replace("_", " "): _in_words(value) for name, value in values.items() if value is not None}
        for heading, values in groups.items()
    }
    return Provenance(shlex.join(record["command"]), worded, record.get("seconds", {}), hashes, record["date"])


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
