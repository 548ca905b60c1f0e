"""``hsi denoise``: a scene with less noise, and how much it helped."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.preprocessing.denoisers.denoiser import DenoisingResult
from hsi.report.html.denoising import denoising_tables
from hsi.report.html.provenance import denoising_provenance
from hsi.settings import LABEL_INPUTS, InputSettings
from hsi.workflows.inputs import bad_pixels, check_usable, choose_input_bands, open_input_scene, survey_bands
from hsi.workflows.provenance import StageTimer, hash_inputs, machine, peak_memory, versions
from hsi.workflows.run_folder import check_free_file, unfinished_files

from .cli_support.completion import COMPLETED
from .cli_support.help import Command
from .cli_support.options import input_options
from .cli_support.terminal import progress, say, warn

if TYPE_CHECKING:
    from hsi.core.scene import PixelSurvey, Scene
    from hsi.preprocessing.bands import BandSelection
    from hsi.settings import DenoisingSettings

EPILOG = """\b
Examples:
  hsi denoise scene.hdr --method dncnn --out clean.hdr
  hsi denoise scene.hdr --method mnf --components 20 \\
      --bands noisiest:20 --out clean.tif
"""


@click.command("denoise", cls=Command, epilog=EPILOG)
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@click.option(
    "--method", required=True, shell_complete=COMPLETED["denoising.method"],
    help="dncnn (a network that is trained on the scene's cleanest bands), mnf (the components of least signal over "
    "noise are left out) or tv (total variation).",
)  # fmt: skip
@click.option("--bands", help="Bands to clean, counted from 1: all, noisiest:20, or 104-108,220. [default: all]")
@click.option("--stack", type=int, help="dncnn: neighbouring bands that are cleaned together, odd. [default: 5]")
@click.option("--steps", type=int, help="dncnn: steps of its training. [default: 800]")
@click.option("--components", type=int, help="mnf: components to keep. [default: those with more signal than noise]")
@click.option("--strength", type=float, help="tv: times the estimated noise of each band. [default: 0.5]")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The cube to write: .hdr (ENVI) or .tif.")
@click.option("--overwrite", is_flag=True, help="Replace a cube of that name.")
@click.option("--max-memory", help="Most memory to use, such as 1GB. [default: half of what is free]")
@click.option(
    "--device", shell_complete=COMPLETED["device"], help="dncnn: auto, cpu, cuda, cuda:1 or mps. [default: auto]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides training and the noise it is judged by.")
@partial(input_options, without={*LABEL_INPUTS, "drop_bands", "drop_wavelengths"})
def command(
    scene_path: Path,
    out: Path,
    overwrite: bool,
    max_memory: str | None,
    device: str | None,
    seed: int,
    inputs: InputSettings,
    **given: Any,
) -> None:
    """Write SCENE with less noise: the same size, bands, wavelengths, place and kind of numbers.

    Bands that are not chosen, those that the file marks as bad and pixels without data stay as they are, to the bit.
    Beside the cube come a record (.json) and a report (.html) with bands before and after, and PSNR, SSIM and spectral
    angle on noise that was added and is known.
    """
    from hsi.core.memory import free_memory, parse_memory, resident_memory
    from hsi.io.cubes import check_cube_name, cube_files
    from hsi.workflows.denoise import fit_denoising

    settings = denoising_settings(given, device)
    check_cube_name(out)
    beside = (out.with_suffix(".json"), out.with_suffix(".html"))
    for path in (*cube_files(out), *beside):
        check_free_file(path, overwrite)
    limit = parse_memory(max_memory) if max_memory else resident_memory() + free_memory() // 2
    job = prepare(scene_path, inputs)
    rows, budget = plan_rows(job.scene, limit)
    watch = StageTimer()
    with unfinished_files(out, resume=False, overwrite=overwrite) as work:
        with watch.stage("learn"):
            done = fit_denoising(job.used, job.survey.valid, settings, seed, device or "auto")
        with watch.stage("write"), progress("write", "rows") as advance:
            write_cube(work.files / out.name, job, done, rows, budget, advance)
        with watch.stage("report"):
            write_report(work.files / out.name, job, done, watch)
    say("speed", f"learned in {watch.seconds['learn']:.1f} s, written in {watch.seconds['write']:.1f} s")
    for i, path in enumerate((*cube_files(out), *beside)):
        say("" if i else "written", str(path))
    say("open", f"{beside[1]} in a browser, or {cube_files(out)[-1]} in QGIS")


@dataclass(frozen=True)
class Job:
    """A scene as it is in the file, the part of it that is used (no bad, constant or dead bands), and its survey."""

    scene: Scene
    used: Scene
    survey: PixelSurvey
    bands: BandSelection


def denoising_settings(given: dict[str, Any], device: str | None) -> DenoisingSettings:
    """The options as settings; raises :class:`UsageError` for one that has no effect on the method."""
    from hsi.core.devices import resolve_device
    from hsi.errors import UsageError
    from hsi.preprocessing.denoisers import DENOISERS
    from hsi.settings import DenoisingSettings, validated

    settings = validated(DenoisingSettings, given)
    from hsi.workflows.resolve import check_denoising

    check_denoising(settings)
    if device is not None:
        if not DENOISERS[str(settings.method)].trains:
            raise UsageError(f"--device has no effect on {settings.method}, which is computed on the CPU: leave it out")
        resolve_device(device)
    return settings


def prepare(path: Path, options: InputSettings) -> Job:
    """Open the scene and look for bad bands and pixels; says what was found. Raises :class:`SceneError`."""
    scene = open_input_scene(path, options)
    height, width, count = scene.shape
    say("scene", f"{path} ({scene.format}): {height} x {width} pixels, {count} bands, {scene.dtype}")
    bands, survey = survey_bands(scene, choose_input_bands(scene, options), options)
    if bands.dropped:
        say("left", f"{count - len(bands.used)} bands as they are: " + ", ".join(
            f"{len(numbers)} {reason}" for reason, numbers in bands.dropped.items()))  # fmt: skip
    if survey.invalid:
        warn(bad_pixels(survey))
    check_usable(survey, path)
    return Job(scene, bands.apply(scene), survey, bands)


def plan_rows(scene: Scene, limit: int) -> tuple[int, int]:
    """Rows to write at a time, and bytes that cleaning a piece may take. Raises :class:`UsageError` for too little."""
    from hsi.core.memory import MB, resident_memory
    from hsi.errors import UsageError
    from hsi.io.cubes import STRIP
    from hsi.preprocessing.denoisers.denoised_scene import WORKING_BYTES

    row = scene.width * len(scene.bands) * (3 * scene.dtype.itemsize + 8)
    left = limit - resident_memory() - 400 * MB  # what the libraries, moments and GDAL's cache take
    budget = min(WORKING_BYTES, left // 2)
    rows = min(512, left // 2 // row) // STRIP * STRIP
    if rows < STRIP or budget < 48 * MB:
        least = (resident_memory() + 400 * MB + 2 * max(STRIP * row, 48 * MB)) / MB + 1
        raise UsageError(f"--max-memory is {limit / MB:,.0f} MB; this scene needs at least {least:,.0f} MB")
    return rows, budget


def write_cube(path: Path, job: Job, done: DenoisingResult, rows: int, budget: int, advance: Any) -> None:
    """Write the cube, ``rows`` rows at a time; only chosen bands of valid pixels are others than in the file."""
    import rasterio

    from hsi.core.scene import Block
    from hsi.io.cubes import cube_writer
    from hsi.preprocessing.denoisers.denoised_scene import clean_stored

    scene = job.scene
    note = f"Denoised by hsi: {done.denoiser.describe()}"
    with rasterio.Env(GDAL_CACHEMAX=64 * 2**20), cube_writer(path, scene, note) as write:
        for row in range(0, scene.height, rows):
            block = Block(row, 0, min(rows, scene.height - row), scene.width)
            write(block, clean_stored(scene, job.used, done.denoiser, block, job.survey.valid, budget))
            advance(row + block.height, scene.height)


def write_report(path: Path, job: Job, done: DenoisingResult, watch: StageTimer) -> None:
    """The record and the page beside the cube, whose pictures are read from what was written."""
    from hsi.io import open_scene
    from hsi.io.cubes import cube_files
    from hsi.report.html import Report, write_report_page

    after = open_scene(path).keep_bands(job.used.bands)
    record = describe(job, done, watch)
    path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    report = Report(
        title=job.scene.name,
        kind="Denoising",
        lead=f"{len(done.numbers)} of {len(job.scene.bands)} bands cleaned with {done.denoiser.title}",
        facts=denoising_provenance(record),
        tables=[denoising_tables(done, after)],
        files=sorted({*(file.name for file in cube_files(path)), path.with_suffix(".json").name}),
    )
    write_report_page(path.with_suffix(".html"), report)


def describe(job: Job, done: DenoisingResult, watch: StageTimer) -> dict[str, Any]:
    """What was done and how well: the record beside the cube."""
    from hsi.io.formats.gdal import is_remote

    source = job.scene.source
    assert source is not None, "opened from a file"
    return {
        "command": ["hsi", *sys.argv[1:]],
        "scene": str(source),
        "variable": job.scene.variable,
        "sha256": {} if is_remote(source) else hash_inputs(source),
        "denoising": done.to_dict(),
        "bands": job.bands.to_dict(),
        "invalid_pixels": job.survey.invalid,
        "versions": versions(),
        "machine": machine(),
        "seconds": dict(watch.seconds),
        "peak_memory_bytes": peak_memory(),
    }
