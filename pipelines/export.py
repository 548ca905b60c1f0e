"""``hsi export``: a saved model as a file for other programs, with raw bands in and class probabilities out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from hsi.settings import InputSettings
from hsi.workflows.inputs import open_any_labels, open_any_scene
from hsi.workflows.provenance import hash_inputs
from hsi.workflows.run_folder import check_free_file

from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import new_table, progress, say, show, warn

if TYPE_CHECKING:
    from hsi.inference.export import ExportedNetwork, Format, Shape, Values
    from hsi.inference.export_check import Check
    from hsi.inference.model_file import SavedModel

FORMATS, SHAPES, VALUES = ("onnx", "torchscript"), ("patch", "tile"), ("bands", "components")
NETWORK, INT8 = "saved network, float32", "int8 weights"
EPILOG = """\b
Examples:
  hsi export model.safetensors --format onnx --out landcover.onnx
  hsi export model.safetensors --format onnx --input tile --out tile.onnx
  hsi export model.safetensors --format torchscript --out landcover.pt
  hsi export model.safetensors --format onnx --int8 --out small.onnx \\
      --check scene.hdr --labels reference.tif
"""


@click.command("export", cls=Command, epilog=EPILOG)
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="ONNX, or TorchScript.")
@click.option(
    "--input", "shape", type=click.Choice(SHAPES), default="patch", show_default=True,
    help="Windows one by one, or a tile of any size whose windows share the convolutions.",
)  # fmt: skip
@click.option(
    "--values", type=click.Choice(VALUES), default="bands", show_default=True,
    help="Raw bands, with the reduction inside of the file, or components that were reduced before.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
@click.option(
    "--int8", is_flag=True, help="onnx: 8-bit weights, a quarter of the size; --check measures what it costs."
)
@click.option("--check", type=click.Path(path_type=Path), help="A labelled scene to compare file and model on.")
@input_options
def command(
    model_path: Path,
    form: str,
    shape: str,
    values: str,
    out: Path,
    overwrite: bool,
    int8: bool,
    check: Path | None,
    inputs: InputSettings,
) -> None:
    """Write the model in MODEL as a file that ONNX Runtime or LibTorch runs without hsi.

    In go float32 values with zeros around the scene and where there is no ground, out come class probabilities of the
    middle pixels, by one look at each: maps of 'hsi predict' are averaged and blended on top where the model says so.
    Window, bands and classes are in the file's metadata under "hsi". The file is compared with the model before it
    gets its name.
    """
    from hsi.errors import UsageError
    from hsi.inference.export import ExportedNetwork, need_onnx
    from hsi.inference.model_file import load_model

    check_request(form, int8, check, inputs, out)
    check_free_file(out, overwrite)
    if form == "onnx":
        need_onnx()
    bundle = load_model(model_path)
    if bundle.denoiser:
        raise UsageError(
            f"{model_path} cleans its scene with {bundle.denoiser.name} first, which no exported file does: map with "
            "'hsi predict', or train it without --denoise"
        )
    deployed = ExportedNetwork(bundle, cast("Shape", shape), cast("Values", values))
    with tempfile.TemporaryDirectory() as folder:
        files = write(deployed, bundle, cast("Format", form), out, int8, Path(folder))
        checked = check_on(check, files, deployed, bundle, inputs) if check else None
        say_written(files, deployed, bundle, form)
    if checked:
        show_check(checked)
    elif int8:
        warn("8-bit weights cost some accuracy, which --check SCENE --labels FILE measures")
    say("written", str(out))


def check_request(form: str, int8: bool, check: Path | None, inputs: InputSettings, out: Path) -> None:
    """Raise :class:`UsageError` for options that would have no effect."""
    from hsi.errors import UsageError
    from hsi.inference.export import SUFFIXES
    from hsi.workflows.predict import refuse_band_choices

    if int8 and form != "onnx":
        raise UsageError("--int8 is done by ONNX Runtime: add --format onnx, or leave it out")
    if out.suffix.lower() != SUFFIXES[form]:
        raise UsageError(f"--out {out}: a file of {form} ends in {SUFFIXES[form]}")
    if check is None and (inputs.given):
        raise UsageError("labels and how to read a scene are for --check: name a scene there, or leave them out")
    refuse_band_choices(inputs)


def write(
    deployed: ExportedNetwork, bundle: SavedModel, form: Format, out: Path, int8: bool, folder: Path
) -> dict[str, tuple[Path, Format]]:
    """Write ``out``, and return the files that there are by their names; with ``int8`` the exact one is temporary."""
    from hsi.core.files import write_atomically
    from hsi.inference.export import describe_export, export_network, quantise

    facts = describe_export(bundle, deployed.shape, "bands" if deployed.folds else "components")
    with progress("export", "steps") as advance:
        advance(0, 2, "trace")
        if not int8:
            with write_atomically(out) as part:
                difference = export_network(deployed, part, form, facts)
            say("same", f"as the saved network, to {difference:.1g} in a probability")
            return {form: (out, form)}
        exact = folder / "exact.onnx"
        export_network(deployed, exact, form, facts)
        advance(1, 2, "int8")
        with write_atomically(out) as part:
            quantise(exact, part)
    return {form: (exact, form), INT8: (out, form)}


def check_on(
    path: Path,
    files: Mapping[str, tuple[Path, Format]],
    deployed: ExportedNetwork,
    bundle: SavedModel,
    inputs: InputSettings,
) -> Check:
    """Run model and files on the labelled pixels of a scene."""
    from hsi.inference.export import run_file
    from hsi.inference.export_check import check_files
    from hsi.io.masks import open_mask
    from hsi.preprocessing.band_matching import match_bands

    opened = open_any_scene(path, inputs)
    truth = open_any_labels(inputs.labels, opened, inputs)
    mask = open_mask(inputs.mask, opened) if inputs.mask else None
    truth = truth if mask is None else truth.masked(mask)
    match = match_bands(bundle.bands, opened)
    if set(hash_inputs(truth.source).values()) & set(bundle.trained_on.values()):
        warn("these labels trained the model: the difference between files counts, and not how high the accuracy is")
    runs = {name: run_file(*file) for name, file in files.items()}
    with progress("check", "rows") as advance:
        return check_files(deployed, bundle.reducer, runs, match, truth, bundle.table.ids, advance)


def say_written(
    files: Mapping[str, tuple[Path, Format]], deployed: ExportedNetwork, bundle: SavedModel, form: str
) -> None:
    """What goes in, what comes out, and how large the files are."""
    kind = "bands" if deployed.folds else "components"
    window = deployed.network.window
    size = f"{window} x {window}" if deployed.shape == "patch" else f"at least {window} x {window}"
    say("input", f'"input", float32: {deployed.channels} {kind}, {size} pixels')
    say("output", f'"probabilities" of {len(bundle.table)} classes')
    sizes = ", ".join(f"{name} {path.stat().st_size / 1e6:.2f} MB" for name, (path, _) in files.items())
    say("size", sizes)


def show_check(check: Check) -> None:
    """Accuracy of the network and of each file."""
    table = new_table(f"on {check.pixels:,} labelled pixels")
    table.add_column("")
    for heading in ("OA %", "same class %", "largest difference"):
        table.add_column(heading, justify="right")
    table.add_row(NETWORK, f"{check.accuracy:.2%}".rstrip("%"), "", "")
    for name, one in check.files.items():
        cells = [f"{one.accuracy:.2%}".rstrip("%"), f"{one.agreement:.2%}".rstrip("%"), f"{one.difference:.2g}"]
        table.add_row(name, *cells)
    show(table)
