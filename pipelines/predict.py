"""``hsi predict``: map a scene of any size with a saved model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.cluster.client import ClusterOptions
from hsi.settings import InputSettings, OutputSettings

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.options import VECTOR, output_options, scene_options
from .cli_support.results import show_areas
from .cli_support.terminal import say

if TYPE_CHECKING:
    from hsi.workflows.predict import PredictedMap

ENGINES = Choice(("auto", "dense", "patch"))
EPILOG = """\b
Examples:
  hsi predict runs/demo/model.safetensors data/indian_pines.mat --out map.tif
  hsi predict model.safetensors flightline.hdr --out map.tif \\
      --max-memory 1GB --probabilities --reject accuracy:95%
  hsi predict model.safetensors tile1.tif tile2.tif --out map.tif
  hsi predict model.safetensors /vsis3/bucket/scene.tif --out map.tif \\
      --scheduler tcp://host:8786
"""


@click.command("predict", cls=Command, epilog=EPILOG)
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("scene_paths", metavar="SCENE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The map to write, a GeoTIFF.")
@click.option("--overwrite", is_flag=True, help="Replace a map that hsi wrote there.")
@click.option("--resume", is_flag=True, help="Continue a map that was interrupted; without one, start it.")
@click.option(
    "--max-memory", help="Most memory of this process and of each worker, such as 1GB. [default: half of what is free, "
    "shared by --workers; 2GB with --scheduler]",
)  # fmt: skip
@click.option("--probabilities", is_flag=True, help="Also write the probability of every class, one band each.")
@click.option(
    "--reject", metavar="TARGET",
    help='Leave pixels "unclassified" so that of the other validation pixels 95 % are right: accuracy:95%; or below a '
    "confidence: 0.6, of a model with --calibrate.",
)  # fmt: skip
@click.option("--reject-rate", metavar="SHARE", help="Reject the least confident share of validation pixels: 5%.")
@click.option("--novelty", is_flag=True, help="Also write the distance of each pixel from the training pixels.")
@click.option("--smooth", help="Majority filter of the map, such as majority:3. [default: none]")
@click.option("--min-area", metavar="AREA", help="Smallest area of a class: 0.5ha, 5000m2 or 12px. [default: none]")
@click.option("--vector", type=click.Path(path_type=Path), metavar="FILE", help=VECTOR)
@output_options
@click.option("--no-report", is_flag=True, help="Write no report of the map, which reads the scene once more.")
@click.option("--cog", is_flag=True, help="Write cloud-optimised GeoTIFFs.")
@click.option(
    "--symmetries/--no-symmetries", default=None,
    help="Average with the scene after a half turn: twice the work. [default: as the model says]",
)  # fmt: skip
@click.option("--blend/--no-blend", default=None, help="Average over similar neighbours. [default: as the model says]")
@click.option("--resample-bands", is_flag=True, help="Interpolate the model's bands when the scene has others.")
@click.option("--scale", metavar="NUMBER|auto", help="Multiply values; auto: by what the training scene suggests.")
@click.option("--engine", type=ENGINES, default="auto", show_default=True, help="Shared trunk or patches.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--scheduler", metavar="ADDRESS", help="Work on the workers of this Dask scheduler: tcp://host:8786.")
@click.option("--workers", type=click.IntRange(1), help="Work in that many processes here, of one thread each.")
@click.option(
    "--block-timeout", type=click.FloatRange(1), metavar="SECONDS",
    help="Send a block to another worker when no result came in that time. [default: 600]",
)  # fmt: skip
@scene_options
def command(
    model_path: Path,
    scene_paths: tuple[Path, ...],
    out: Path,
    inputs: InputSettings,
    outputs: OutputSettings,
    no_report: bool,
    scheduler: str | None,
    workers: int | None,
    block_timeout: float | None,
    **options: Any,
) -> None:
    """Map SCENE with the model in MODEL (from 'hsi train' or a run of 'hsi classify').

    Several SCENEs are one scene: its bands, a file each, or tiles on one grid, of which the first counts where they
    overlap; a folder of bands is one, too.

    The scene is read, mapped and written by blocks, so that its size does not matter. With the map come its
    confidence, a report to open in a browser, and a record with the areas of the classes. With --scheduler or
    --workers, Dask workers read and map the blocks, and this process writes them.
    """
    from hsi.workflows.predict import PredictOptions, predict

    cluster = ClusterOptions(scheduler, workers, block_timeout)
    wanted = PredictOptions(report=not no_report, stac=outputs.stac, cluster=cluster, **options)
    predicted = predict(model_path, scene_paths, out, wanted, inputs, ["hsi", *sys.argv[1:]])
    show_areas(predicted.record["areas"])
    show_map(predicted, out)


def show_map(predicted: PredictedMap, out: Path) -> None:
    """Print speed, what is not on the map, and the files, the report last."""
    summary, record, report = predicted.summary, predicted.record, predicted.files.get("report")
    pixels = summary.without_data + sum(summary.pixels.values())
    memory = f"peak memory {record['peak_memory_bytes'] / 10**9:.2f} GB"
    say("speed", f"{pixels:,} pixels in {record['seconds']['map']:.1f} s, {memory}")
    if 0 < summary.without_data < pixels:
        say("no data", f"{summary.without_data:,} pixels")
    if summary.novel is not None:
        share = f"{summary.novel:,} pixels ({summary.novel / max(1, pixels - summary.without_data):.1%})"
        say("novelty", f"{share} are farther from every class than 99.9 % of the training pixels")
    say("written", *map(str, predicted.files.values()))
    say("open", f"{f'{report} in a browser, or ' if report else ''}{out} in QGIS")
