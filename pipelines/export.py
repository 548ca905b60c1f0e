"""``hsi export``: a saved model as a file for other programs, or as a folder to share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.settings import InputSettings

from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import add_number_columns, new_table, say, show

if TYPE_CHECKING:
    from hsi.exports.check import Check
    from hsi.exports.network import Format, Shape, Values

FORMATS, SHAPES, VALUES = ("onnx", "torchscript", "deepness", "folder"), ("patch", "tile"), ("bands", "components")
NETWORK = "saved network, float32"
EPILOG = """\b
Examples:
  hsi export model.safetensors --format onnx --out landcover.onnx
  hsi export model.safetensors --format onnx --input tile --out tile.onnx
  hsi export model.safetensors --format torchscript --out landcover.pt
  hsi export model.safetensors --format onnx --int8 --out small.onnx \\
      --check scene.hdr --labels reference.tif
  hsi export model.safetensors --format deepness --out qgis.onnx
  hsi export runs/demo --format folder --licence cc-by-4.0 --out landcover
"""


@click.command("export", cls=Command, epilog=EPILOG)
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), required=True,
    help="ONNX, TorchScript, ONNX for QGIS' Deepness, or a folder with a model card.",
)  # fmt: skip
@click.option(
    "--input", "shape", type=click.Choice(SHAPES),
    help="Windows one by one, or a tile of any size whose windows share the convolutions. [default: patch]",
)  # fmt: skip
@click.option(
    "--values", type=click.Choice(VALUES),
    help="Raw bands, with the reduction inside of the file, or components that were reduced before. [default: bands]",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file or folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace a file that hsi wrote there.")
@click.option(
    "--int8", is_flag=True, help="onnx: 8-bit weights, a quarter of the size; --check measures what it costs."
)
@click.option("--licence", metavar="ID", help="folder: the model's licence, such as cc-by-4.0.")
@click.option("--check", type=click.Path(path_type=Path), help="A labelled scene to compare file and model on.")
@input_options
def command(
    model_path: Path,
    form: Format,
    shape: Shape | None,
    values: Values | None,
    out: Path,
    overwrite: bool,
    int8: bool,
    licence: str | None,
    check: Path | None,
    inputs: InputSettings,
) -> None:
    """Write the model in MODEL, a file or a folder that has it, for programs that run it without hsi, or to share it.

    In go float32 values with zeros around the scene and where there is no ground, out come class probabilities of the
    middle pixels, by one look at each: maps of 'hsi predict' are averaged and blended on top where the model says so.
    Window, bands and classes are in the file's metadata under "hsi". The file is compared with the model before it
    gets its name.
    """
    from hsi.workflows.export import export

    result = export(
        model_path, out, format=form, input=shape, values=values, int8=int8, licence=licence, check=check,
        overwrite=overwrite, **inputs.model_dump(exclude_unset=True),
    )  # fmt: skip
    if form != "folder":
        show_metadata(result.metadata)
    say("size", ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in result.sizes.items()))
    if result.check:
        show_check(result.check)
    say("written", str(result.file))


def show_metadata(metadata: Mapping[str, Any]) -> None:
    """Print the input and the output of the file."""
    window, (_, channels, side, _) = metadata["window"], metadata["input"]["shape"].split(" x ")
    size = f"{side} x {side}" if side.isdigit() else f"at least {window} x {window}"
    say("input", f'"input", float32: {channels} {metadata["input"]["values"]}, {size} pixels')
    say("output", f'"probabilities" of {len(metadata["classes"]["ids"])} classes')


def show_check(check: Check) -> None:
    """Print the accuracy of the network and of each file."""
    table = new_table(f"on {check.pixels:,} labelled pixels")
    table.add_column("")
    add_number_columns(table, "OA %", "same class %", "largest difference")
    table.add_row(NETWORK, f"{check.accuracy:.2%}".rstrip("%"), "", "")
    for name, file in check.files.items():
        shares = [f"{share:.2%}".rstrip("%") for share in (file.accuracy, file.agreement)]
        table.add_row(name, *shares, f"{file.difference:.2g}")
    show(table)
