"""The STAC Item of a saved model, by the Machine Learning Model extension."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hsi.core.files import hash_files
from hsi.core.scene import Scene
from hsi.inference.model_file import SavedModel
from hsi.models import MODELS
from hsi.settings import plain_settings
from hsi.stac.document import (
    BYTES,
    LEGEND,
    dates,
    legend,
    links_to_scene,
    make_item,
    write_item,
)
from hsi.version import __version__

TASKS = ["semantic-segmentation"]  # a class for every pixel
SHA256 = "1220"  # the prefix of its multihash
SEMANTIC = re.compile(r"\d+\.\d+\.\d+")


def write_model_item(
    path: Path, place: Path, file: Path, saved: SavedModel, scenes: Sequence[Scene], *, created: str
) -> None:
    """Write the Item of a model of ``scenes`` to ``path``; it will lie at ``place``, next to the model.

    ``file`` holds the model already, under the name that it will have. Footprint and dates are those of the scenes.
    """
    bands = _bands(saved)
    window, count = saved.model.window, len(saved.bands.bands)
    weights = [*saved.model.parameters(), *saved.model.buffers()]
    model = saved.settings.model
    more = f"-and-{len(scenes) - 1}-more" if len(scenes) > 1 else ""
    version = SEMANTIC.match(torch.__version__)
    properties: dict[str, Any] = {
        "title": f"{model.name}, {model.describe_windows()}, {len(saved.table)} classes of land cover",
        **dates([scene.item for scene in scenes], created, place),
        "mlm:name": _identifier(f"{model.name}-{scenes[0].name}{more}"),
        "mlm:architecture": model.name,
        "mlm:tasks": TASKS,
        "mlm:framework": "PyTorch",
        **({"mlm:framework_version": version[0]} if version else {}),
        "mlm:memory_size": sum(value.numel() * value.element_size() for value in weights),
        "mlm:total_parameters": sum(value.numel() for value in saved.model.parameters()),
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [
            {
                "name": "spectra of a window around each pixel",
                "description": f"Values as in the training scene; the file reduces them ({saved.reducer.describe()}).",
                "bands": [band["name"] for band in bands],
                "input": {
                    "shape": [-1, count, window, window],
                    "dim_order": ["batch", "channel", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": None,
                "resize_type": None,
                "pre_processing_function": None,
            }
        ],
        "mlm:output": [
            {
                "name": "class probabilities",
                "description": "Of the pixel in the middle of the window, in the order of the classes.",
                "tasks": TASKS,
                "result": {"shape": [-1, len(saved.table)], "dim_order": ["batch", "class"], "data_type": "float32"},
                LEGEND: _classes(saved),
                "post_processing_function": None,
            }
        ],
        "mlm:hyperparameters": plain_settings(saved.settings),
        "bands": bands,
    }
    checksum = next(iter(hash_files([file]).values()))
    asset = {
        "href": f"./{file.name}",
        "type": f"{BYTES}; framework=pytorch",
        "roles": ["mlm:model", "mlm:weights", "data"],
        "title": f"Weights, reducer, bands, classes and settings (safetensors), for hsi {__version__} or newer",
        "mlm:artifact_type": "safetensors",
        "file:size": file.stat().st_size,
        "file:checksum": SHA256 + checksum,
        "bands": [{"name": band["name"]} for band in bands],
    }
    source = [
        {"rel": "cite-as", "href": address, "title": "the network's publication"}
        for address in _addresses(MODELS[model.name].source)
    ]
    links = [link for scene in scenes for link in links_to_scene(scene, place.parent)]
    grids = [(one.georeference, one.shape) for one in saved.training]
    item = make_item(properties["mlm:name"], grids, properties, {"model": asset}, [*links, *source])
    write_item(path, item)


def _classes(saved: SavedModel) -> list[dict[str, Any]]:
    """The classes without titles, which readers of the extension refuse; descriptions have the names, too."""
    return [{name: value for name, value in one.items() if name != "title"} for one in legend(saved.table)]


def _bands(saved: SavedModel) -> list[dict[str, Any]]:
    """The model's bands: their numbers in the training scene from 1, and centres and widths in micrometres."""
    bands = [{"name": f"B{number + 1}"} for number in saved.bands.bands]
    lists = {"eo:center_wavelength": saved.bands.wavelengths, "eo:full_width_half_max": saved.bands.fwhm}
    for key, values in lists.items():
        for band, value in zip(bands, values or (), strict=bool(values)):
            band[key] = round(value / 1e3, 9)  # type: ignore[assignment]
    return bands


def _identifier(name: str) -> str:
    """A name of letters, digits, points, hyphens and underscores, as the extension asks for."""
    return re.sub(r"[^0-9A-Za-z_.-]+", "-", name).rstrip("_.-") or "hsi-model"


def _addresses(source: str) -> list[str]:
    """The addresses of the DOIs of a network's source."""
    return [f"https://doi.org/{found}" for found in re.findall(r"doi:([^\s,;]+)", source)]
