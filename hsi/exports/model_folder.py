"""A saved model as a folder to share: its file, ``config.json`` and a model card, the layout that model hubs show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from hsi.core.files import MODEL_FILE, Manifest
from hsi.core.georeference import crs_title, pixel_size
from hsi.errors import UsageError
from hsi.inference.model_file import SavedModel
from hsi.models import count_parameters
from hsi.report.records import read_json
from hsi.report.sections import Table, audit_table, class_table, summary_table
from hsi.report.tables import escape_markdown, markdown_code, markdown_table, notes, one_line
from hsi.version import __version__

CONFIG, CARD = "config.json", "README.md"
FILES = (MODEL_FILE, CONFIG, CARD)
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
UNKNOWN = "unknown"
ACCURACY = "accuracy.json"


def check_licence(licence: str | None) -> None:
    """Raise :class:`UsageError` for what is no identifier of a licence, such as ``cc-by-4.0``."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise UsageError(f"licence {licence[:40]!r}: give an identifier in one word, such as cc-by-4.0 or apache-2.0")


def find_accuracy(model: Path) -> dict[str, Any] | None:
    """The accuracy report of the run that wrote the file ``model``; None where there is none, or one of the two has
    changed since, so that they may not belong together."""
    manifest = Manifest.of_folder(model.parent)
    owned = all(manifest.owns(name) for name in (model.name, ACCURACY))
    return read_json(model.with_name(ACCURACY)) if owned else None


def write_model_folder(
    folder: Path, name: str, model: Path, saved: SavedModel, licence: str | None = None
) -> dict[str, Any]:
    """Write the files of a model folder that will be called ``name``; returns what ``config.json`` holds.

    The model file is copied to the byte.
    """
    accuracy, config = find_accuracy(model), describe_model(saved)
    (folder / MODEL_FILE).write_bytes(model.read_bytes())
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(model_card(name, saved, accuracy, licence), encoding="utf-8", newline="")
    return config


def describe_model(saved: SavedModel) -> dict[str, Any]:
    """Architecture, input, classes and settings as plain values, to read; :func:`load_model` needs the model file."""
    table, settings = saved.table, saved.settings
    return {
        "library_name": "hsi",
        "hsi_version": __version__,
        "architecture": settings.model.name,
        "parameters": count_parameters(saved.model),
        "windows": list(settings.model.windows),
        "components": saved.reducer.components,
        "reducer": saved.reducer.name,
        "bands": asdict(saved.bands),
        "num_labels": len(table),
        "id2label": {str(place): name for place, name in enumerate(table.names)},
        "class_ids": list(table.ids),
        "colours": [list(colour) for colour in table.colours],
        "trained_on": {Path(path).name: sha256 for path, sha256 in saved.trained_on.items()},
        "settings": settings.model_dump(mode="json"),
    }


def model_card(name: str, saved: SavedModel, accuracy: Mapping[str, Any] | None, licence: str | None) -> str:
    """The card in GitHub's Markdown, with the metadata of model hubs on top."""
    settings, shown = saved.settings, escape_markdown(name)
    bands = f"{len(saved.bands.bands)} bands"
    sections = {
        f"# {shown}": f"Maps {len(saved.table)} land-cover classes from hyperspectral scenes of {bands}: "
        f"{settings.model.name}, {settings.model.describe_windows()}, {saved.reducer.describe()}.",
        "## Use": "Install [hsi](https://pypi.org/project/hsi-landcover/), then\n\n"
        f"    hsi predict {one_line(name)} SCENE --out map.tif\n\n"
        "or, in Python, `hsi.predict(folder, scene)`. `config.json` describes the model; it is run from "
        f"`{MODEL_FILE}` alone.",
        "## Trained on": _training(saved),
        "## Classes": markdown_table(_classes(saved)) if accuracy is None else markdown_table(class_table(accuracy)),
        "## Sensor and bands": _bands(saved),
        "## Accuracy": _accuracy(accuracy),
        "## Intended use": "Maps of scenes of the same sensor, season and processing level with the classes above. "
        "Evaluate a map against reference pixels of its own scene before it is used: `hsi sample` draws them, "
        "`hsi evaluate` measures.",
        "## Limits": _listed(_limits(saved, accuracy)),
        "## Licence": f"`{licence}`" if licence else "Not stated: set `license` above before the model is shared.",
    }
    body = "\n\n".join(f"{heading}\n\n{text}" for heading, text in sections.items())
    return f"---\n{_metadata(name, saved, accuracy, licence)}---\n\n{body}\n"


def _metadata(name: str, saved: SavedModel, accuracy: Mapping[str, Any] | None, licence: str | None) -> str:
    values: dict[str, Any] = {
        "license": licence or UNKNOWN,
        "library_name": "hsi",
        "pipeline_tag": "image-segmentation",
        "tags": ["hyperspectral", "land-cover", "remote-sensing", saved.settings.model.name],
    }
    names = {"overall_accuracy": "Overall accuracy", "average_accuracy": "Average accuracy", "kappa": "Kappa"}
    kinds = {"overall_accuracy": "accuracy"}  # as hubs call it
    found = {key: accuracy[key] for key in names if accuracy[key] is not None} if accuracy else {}
    if accuracy and found:
        result = {
            "task": {"type": "image-segmentation", "name": "land cover"},
            "dataset": {"type": "hyperspectral", "name": f"test pixels, split {accuracy['split']}"},
            "metrics": [
                {"type": kinds.get(key, key), "name": names[key], "value": round(value, 6)}
                for key, value in found.items()
            ],
        }
        values["model-index"] = [{"name": one_line(name), "results": [result]}]
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _training(saved: SavedModel) -> str:
    lines = [f"{markdown_code(Path(path).name)}, SHA-256 `{sha256}`" for path, sha256 in saved.trained_on.items()]
    for one in saved.training:
        (height, width), place = one.shape, one.georeference
        used = int(one.runs[1::2].sum())
        lines.append(f"{used:,} training and validation pixels of a scene of {height:,} x {width:,} pixels")
        if place:
            title = escape_markdown(crs_title(place.crs) or "an unknown CRS")
            lines.append(f"Pixels of {pixel_size(place)}, {title}")
    if saved.denoiser:
        lines.append(f"Denoised first: {escape_markdown(saved.denoiser.describe())}")
    return _listed(lines or ["Arrays in memory, of which nothing is recorded"])


def _classes(saved: SavedModel) -> Table:
    rows = tuple((str(number), name) for number, name in zip(saved.table.ids, saved.table.names, strict=True))
    return Table((("", "Id"), ("", "Class")), "rl", rows)


def _bands(saved: SavedModel) -> str:
    bands, lines = saved.bands, [f"{len(saved.bands.bands)} of the {saved.bands.of} bands of the scene"]
    if bands.wavelengths:
        lines.append(f"From {min(bands.wavelengths):.1f} to {max(bands.wavelengths):.1f} nm, matched within 1 nm")
    else:
        lines.append(f"Without wavelengths: bands are matched by position, in files of {bands.of} bands")
    if saved.levels is not None:
        low, _, high = saved.levels
        lines.append(f"Values from {low.min():.4g} to {high.max():.4g} (percentiles 2 and 98 of the bands)")
    return _listed(lines)


def _accuracy(accuracy: Mapping[str, Any] | None) -> str:
    if accuracy is None:
        return "Not known: the model was trained without test pixels, or its run is not with it."
    audit = audit_table(accuracy)
    leakage = f"### Leakage audit\n\n{markdown_table(audit)}" if audit else ""
    listed = _listed([escape_markdown(note) for note in notes(accuracy)])
    return "\n\n".join(part for part in (markdown_table(summary_table(accuracy)), listed, leakage) if part)


def _limits(saved: SavedModel, accuracy: Mapping[str, Any] | None) -> list[str]:
    lines = [
        "Every pixel is given one of these classes, ground of other classes too: `--novelty` maps how far pixels are "
        "from the training pixels",
        "Values on another scale, other atmospheric correction or other seasons change spectra",
        "Confidence is calibrated on pixels of the training scene"
        if saved.temperature != 1 or saved.settings.mapping.spectral == "pool"
        else "Confidence is not calibrated",
    ]
    if accuracy is not None:
        lines.append("Accuracy was measured within the training scene; on other scenes it is usually lower")
    return lines


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line.rstrip('.')}." for line in lines)
