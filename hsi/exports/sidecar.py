"""The JSON file next to an ONNX file that geoai's ``ONNXGeoModel`` reads: its name, task, input and classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hsi.exports.network import OPSET

TASKS = {True: "image-classification", False: "semantic-segmentation"}  # of patches, or of pixels


def sidecar_path(path: Path) -> Path:
    """Such as ``landcover.onnx.json``."""
    return path.with_name(f"{path.name}.json")


def describe_for_hosts(facts: Mapping[str, Any], names: Sequence[str]) -> str:
    """The content for an ONNX file with the metadata ``facts``, whose outputs are classes of these ``names``.

    The keys are those of geoai's ``export_to_onnx``. Sizes that are free are left out.
    """
    batch, channels, *sides = facts["input"]["shape"].split(" x ")
    sizes = dict(zip(("input_height", "input_width"), map(int, sides), strict=True)) if sides[0].isdigit() else {}
    values = {
        "model_name": facts["model"],
        "task": TASKS[batch == "N"],
        **sizes,
        "input_channels": int(channels),
        "opset_version": OPSET,
        "output_names": [facts["output"]["name"]],
        "id2label": {str(place): name for place, name in enumerate(names)},
        "num_labels": len(names),
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
