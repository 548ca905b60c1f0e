"""Build the QGIS plugin: its parameters from the commands' options, and ``dist/hsi_processing.zip``.

``python integrations/qgis/build.py`` writes the parameters, ``--zip FILE`` also the archive, the same bytes each time.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hsi.baselines import BASELINES
from hsi.core.files import write_atomically
from hsi.settings import Declaration, InputSettings, declarations
from hsi.version import __version__
from pipelines.cli import cli
from pipelines.cli_support.completion import COMPLETED
from pipelines.cli_support.help import GENERAL, heading_of
from pipelines.cli_support.options import SettingOption

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = Path(__file__).resolve().parent / "hsi_processing"
PARAMETERS = PLUGIN / "parameters.json"
METADATA = PLUGIN / "metadata.txt"
LONGEST_LABEL = 72  # letters; a wider dialog scrolls
DATE = (1980, 1, 1, 0, 0, 0)  # of the files in the archive
LEFT_OUT = {"scheduler", "workers", "block_timeout", "run__track", "label_layer"}  # the layer is that of the vectors
MAIN = {  # what the dialog shows first; all else is advanced
    *("labels", "label_field", "model__name", "split__rule", "design", "points", "probabilities", "vector", "out"),
    "overwrite",
}
KINDS = {  # options whose values QGIS has widgets for
    **dict.fromkeys(("aoi", "mask", "mask_out"), "layer"),
    **dict.fromkeys(("label_field", "label_name_field"), "field"),
    **dict.fromkeys(("georef", "confidence"), "raster"),
    **{"label_crs": "crs", "vector": "new_vector", "assignments": "lines"},
}
LABELS = {  # shorter than the options' help, or without what only a command line can do
    "labels": "Labelled polygons or points",
    "model__name": "Network or baseline",
    "split__rule": "Training and test pixels",
    "reducer__name": "Reduction of the bands",
    "training__engine": "Engine",
    "training__lr_schedule": "Schedule of the learning rate",
    "denoising__method": "Denoise the scene first",
    "device": "Device: auto, cpu, cuda, cuda:1 or mps",
    "mask_out": "Raster or polygons of pixels to leave out",
    "figures": "Draw the figures",
    "assignments": "Other settings, one NAME=VALUE in a line, such as training.clip=0.5",
    "config": "File of settings (YAML)",
    "vector": "Polygons of the map's areas",
    "max_memory": "Most memory, such as 1GB",
    "mapping__min_area": "Smallest area of a class: 0.5ha, 5000m2 or 12px",
    "reject": "Leave the least certain pixels unclassified: accuracy:95%, or 0.6",
}
RASTER_LABELS = "Class raster, in place of polygons or points"
SCENE = {"name": "SCENE", "option": "", "kind": "raster", "label": "Hyperspectral scene", "required": True}
MAP = {**SCENE, "name": "MAP", "label": "Map, a class raster"}
MORE = {
    **{"name": "MORE_FILES", "option": "", "kind": "rasters", "label": "More bands or tiles of the same scene"},
    "advanced": True,
}
MODEL = {
    **{"name": "MODEL", "option": "", "kind": "file", "label": "Model", "filter": "Models (*.safetensors)"},
    "required": True,
}
REPORT = {"name": "REPORT", "kind": "html", "label": "Report"}
TABLE = {"name": "ACCURACY", "kind": "html", "label": "Accuracy table", "file": "accuracy.csv"}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "classify": {
        "title": "Classify",
        "inputs": [SCENE, MORE],
        "out": {"kind": "new_folder", "label": "Folder of the results"},
        "outputs": [
            {"name": "MAP", "kind": "raster", "label": "Map", "file": "map.tif", "load": True},
            {"name": "CONFIDENCE", "kind": "raster", "label": "Confidence", "file": "confidence.tif"},
            {"name": "MODEL_FILE", "kind": "file", "label": "Model", "file": "model.safetensors"},
            TABLE,
            {**REPORT, "file": "report.html"},
        ],
    },
    "train": {
        "title": "Train",
        "inputs": [SCENE, MORE],
        "out": {"kind": "new_file", "label": "Model", "filter": "Models (*.safetensors)"},
        "outputs": [],
    },
    "predict": {
        "title": "Predict",
        "inputs": [MODEL, SCENE, MORE],
        "out": {"kind": "new_raster", "label": "Map"},
        "outputs": [
            {"name": "CONFIDENCE", "kind": "raster", "label": "Confidence", "file": "{stem}_confidence.tif"},
            {**REPORT, "file": "{stem}_report.html"},
        ],
    },
    "evaluate": {
        "title": "Evaluate",
        "inputs": [MAP],
        "out": {"kind": "new_folder", "label": "Folder of the report and tables"},
        "outputs": [TABLE, {**REPORT, "file": "report.html"}],
    },
    "sample": {
        "title": "Draw a validation sample",
        "inputs": [MAP],
        "out": {"kind": "new_vector", "label": "Sample", "required": True},
        "outputs": [],
    },
}


def describe_algorithms() -> dict[str, Any]:
    """All that the plugin knows of the commands."""
    return {"version": __version__, "algorithms": [_describe(name, **about) for name, about in ALGORITHMS.items()]}


def _describe(name: str, title: str, inputs: list[Any], out: dict[str, Any], outputs: list[Any]) -> dict[str, Any]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option)]
    found = [one for option in options for one in _parameters(option, command, out)]
    first = [one for one in found if not one.get("advanced") and one["name"] not in ("OUTPUT", "VECTOR", "OVERWRITE")]
    last = sorted((one for one in found if one not in first), key=lambda one: not one.get("advanced"))
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n"))
    return {"name": name, "title": title, "help": text, "parameters": [*inputs, *first, *last], "outputs": outputs}


def _parameters(option: click.Option, command: click.Command, out: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters of an option: none, one, or two where QGIS asks for vectors and rasters in two widgets."""
    name = option.name or ""
    if heading_of(option) == GENERAL or name in LEFT_OUT:
        return
    words = option.opts[0].removeprefix("--")
    one: dict[str, Any] = {"name": words.replace("-", "_").upper(), "option": option.opts[0]}
    if name == "out":
        yield {"name": "OUTPUT", "option": "--out", **out}
        return
    one |= {"kind": _kind(option), "label": _label(option), "help": option.help or ""}
    if name not in MAIN:
        one["advanced"] = True
    if one["kind"] == "choice":
        one["choices"] = ["yes", "no"] if option.secondary_opts else _choices(option, command)
    if option.secondary_opts:
        one["no_option"] = option.secondary_opts[0]
    elif not option.is_flag and isinstance(option.default, (str, int, float)):
        one["default"] = option.default
    if name == "labels":
        if command.name == "evaluate":
            one["label"] = LABELS[name]  # they have no default there
        yield {**one, "kind": "vectors", "layer_option": "--label-layer"}
        yield {**one, "name": "LABEL_RASTER", "kind": "raster", "label": RASTER_LABELS, "advanced": True}
        return
    if one["kind"] in ("integer", "number"):
        one |= _bounds(option)
    yield one


def _kind(option: click.Option) -> str:
    if option.name in KINDS:
        return KINDS[option.name]
    if option.is_flag:
        return "choice" if option.secondary_opts else "flag"
    if isinstance(option.type, click.Choice) or (isinstance(option, SettingOption) and _setting(option).choices):
        return "choice"
    if option.name and option.name.replace("__", ".") in COMPLETED and option.name != "device":
        return "choice"
    kinds = {click.Path: "file", click.types.IntParamType: "integer", click.types.FloatParamType: "number"}
    return next((word for kind, word in kinds.items() if isinstance(option.type, kind)), "text")


def _choices(option: click.Option, command: click.Command) -> list[str]:
    if isinstance(option.type, click.Choice):
        return list(option.type.choices)
    names = [item.value for item in option.shell_complete(click.Context(command), "")]
    without = (
        set(BASELINES) if command.name == "train" and option.name == "model__name" else set()
    )  # they are not saved
    return [name for name in names if name not in without and not name.endswith(":")]  # "given:" is a file's prefix


def _setting(option: click.Option) -> Declaration:
    known = {entry.name: entry for entry in (*declarations(), *declarations(InputSettings))}
    return known[(option.name or "").replace("__", ".")]


def _bounds(option: click.Option) -> dict[str, Any]:
    """The smallest and largest value of a number, inclusive, where they are declared."""
    if not isinstance(option, SettingOption):
        return {"minimum": low} if (low := getattr(option.type, "min", None)) is not None else {}
    facts = _setting(option).field.metadata
    bounds = {"minimum": next((fact.ge for fact in facts if hasattr(fact, "ge")), None)}
    return {name: value for name, value in bounds.items() if value is not None}


def _label(option: click.Option) -> str:
    """The help of an option as the label of a widget: options by their words, no full stop, long parts left out."""
    text = re.sub(
        r"--([a-z-]+)", lambda found: f'"{found[1].replace("-", " ")}"', " ".join((option.help or "").split())
    )
    sentence, bracket, default = text.partition(" [default: ")
    label = LABELS.get(option.name or "") or sentence.rstrip(".")
    complete = f"{label}{bracket}{default}"
    if len(complete) <= LONGEST_LABEL:
        return complete
    return label if len(label) <= LONGEST_LABEL else re.split(r"[:;] ", label)[0]


def metadata() -> str:
    """``metadata.txt`` with the version of ``hsi``."""
    return re.sub(r"(?m)^version=.*$", f"version={__version__}", METADATA.read_text(encoding="utf-8"))


def write_parameters() -> None:
    """Write what the plugin knows of the commands into its folder."""
    text = json.dumps(describe_algorithms(), indent=1, ensure_ascii=False) + "\n"
    for path, content in ((PARAMETERS, text), (METADATA, metadata())):
        path.write_text(content, encoding="utf-8")


def write_archive(path: Path) -> None:
    """Write the plugin as QGIS installs it: one folder in a ZIP, with the licence."""
    files = {f"hsi_processing/{file.name}": file for file in PLUGIN.iterdir() if file.is_file()}
    files["hsi_processing/LICENSE"] = ROOT / "LICENSE"
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, DATE)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


@click.command()
@click.option("--zip", "archive", type=click.Path(path_type=Path), help="The archive to write.")
def main(archive: Path | None) -> None:
    """Write the parameters of the plugin and its archive."""
    write_parameters()
    if archive:
        write_archive(archive)
        click.echo(f"{archive}: install it in QGIS by Plugins > Manage and Install Plugins > Install from ZIP")


if __name__ == "__main__":
    main()
