"""``hsi predict``: map a scene of any size with a saved model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsi.workflows.inputs import open_input_scene
from hsi.workflows.outputs import areas_of, cut_as_before
from hsi.workflows.provenance import StageTimer, hash_files, peak_memory, versions
from hsi.workflows.resume import hash_array
from hsi.workflows.run_folder import WorkDirectory, check_free_file, check_unfinished, unfinished_files, was_placing

from .beside import layer_files, map_report, older_files
from .cli_support.cluster_options import ClusterOptions, cluster_options
from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.input_options import SceneOptions, scene_options
from .cli_support.results import show_areas
from .cli_support.terminal import progress, say, warn
from .reporting import write_map_report
from .spreading import Farm, check_cluster, map_on_workers, usual_limit

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from hsi.core.events import Advance
    from hsi.core.memory import MemoryPlan
    from hsi.core.scene import Scene
    from hsi.inference.map_files import MapOptions, MapSummary
    from hsi.inference.model_file import SavedModel
    from hsi.inference.resume import StripCache
    from hsi.preprocessing.band_matching import BandMatch

ENGINES = ("auto", "dense", "patch")
EPILOG = """\b
Examples:
  hsi predict runs/demo/model.safetensors data/indian_pines.mat --out map.tif
  hsi predict model.safetensors flightline.hdr --out map.tif \\
      --max-memory 1GB --probabilities --reject 0.6
  hsi predict model.safetensors /vsis3/bucket/scene.tif --out map.tif \\
      --scheduler tcp://host:8786
"""


@click.command("predict", cls=Command, epilog=EPILOG)
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The map to write, a GeoTIFF.")
@click.option("--overwrite", is_flag=True, help="Replace a map of that name.")
@click.option("--resume", is_flag=True, help="Go on with a map that was interrupted; if there is none, start it.")
@click.option(
    "--max-memory",
    help="Most memory to use, such as 1GB; of each worker where there are any. [default: half of what is free, shared "
    "by --workers; 2GB with --scheduler]",
)
@click.option("--probabilities", is_flag=True, help="Also write the probability of every class, one band each.")
@click.option("--reject", type=float, help='Below this confidence a pixel is "unclassified".')
@click.option("--novelty", is_flag=True, help="Also write how unlike the training pixels each pixel is.")
@click.option("--smooth", help="Majority filter of the map, such as majority:3. [default: none]")
@click.option("--no-report", is_flag=True, help="Write no report of the map, which reads the scene once more.")
@click.option("--cog", is_flag=True, help="Write cloud-optimised GeoTIFFs.")
@click.option(
    "--symmetries/--no-symmetries", default=None,
    help="Average over the square's eight symmetries: eight times the work. [default: as the model says]",
)  # fmt: skip
@click.option(
    "--blend/--no-blend", default=None,
    help="Average over the neighbours that look alike. [default: as the model says]",
)  # fmt: skip
@click.option("--resample-bands", is_flag=True, help="Interpolate the model's bands when the scene has others.")
@click.option("--engine", type=Choice(ENGINES), default="auto", show_default=True, help="Shared trunk or patches.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@cluster_options
@click.option(
    "--block-timeout", type=click.FloatRange(1), metavar="SECONDS",
    help="Send a block to another worker when no result came in that time. [default: 600]",
)  # fmt: skip
@scene_options
def command(
    model_path: Path,
    scene_path: Path,
    out: Path,
    overwrite: bool,
    resume: bool,
    max_memory: str | None,
    probabilities: bool,
    reject: float | None,
    novelty: bool,
    smooth: str | None,
    no_report: bool,
    cog: bool,
    resample_bands: bool,
    symmetries: bool | None,
    blend: bool | None,
    engine: str,
    device: str,
    cluster: ClusterOptions,
    block_timeout: float | None,
    scene_options: SceneOptions,
) -> None:
    """Map SCENE with the model in MODEL (from 'hsi train' or a run of 'hsi classify').

    The scene is read, mapped and written by blocks, so that its size does not matter. Beside the map come its
    confidence, a report to open in a browser, and a record with the areas of the classes. With --scheduler or
    --workers, Dask workers read and map the blocks, and this process writes them.
    """
    import rasterio

    from hsi.core.devices import resolve_device
    from hsi.core.memory import parse_memory
    from hsi.errors import UsageError
    from hsi.inference.map_files import MapOptions
    from hsi.inference.model_file import load_model, match_scene
    from hsi.inference.predict import plan_map
    from hsi.inference.smoothing import parse_smoothing
    from hsi.models import choose_engine

    options = MapOptions(reject, probabilities, novelty, engine)
    reports = [] if no_report else [map_report(out)]
    check_free_map(out, overwrite or (resume and was_placing(out)), options, reports)
    check_unfinished(out, out, resume, overwrite)
    refuse_band_choices(scene_options)
    size = parse_smoothing(smooth) if smooth else None
    check_cluster(cluster, block_timeout)
    limit = parse_memory(max_memory) if max_memory else usual_limit(cluster)
    place = resolve_device(device)
    bundle = load_model(model_path)
    choose_engine(engine, bundle.model)
    asked = {"symmetries": symmetries, "blend": blend}
    stored = bundle.settings.mapping.model_dump(include=set(asked))
    options = replace(options, **(stored | {name: value for name, value in asked.items() if value is not None}))
    scene = open_input_scene(scene_path, scene_options)
    usable = open_input_mask(scene, scene_options)
    if usable is not None and bundle.denoiser and cluster.given:
        raise UsageError("--mask on workers has no effect on how the model cleans bands: leave one of the two out")
    match = match_scene(bundle, scene, resample_bands, usable=usable, device=device)
    if resample_bands and not bundle.reducer.stands_resampling:
        warn(
            f"the model's {bundle.reducer.name} components use fine differences between bands, which interpolation "
            "blurs: for scenes of other sensors, train the model with --reducer pca"
        )
    job = Job(bundle, match, options, plan_map(bundle, match, options, limit), place, usable)
    watch, sums = StageTimer(), hash_files([model_path])
    with staged(out, resume, overwrite) as work:
        job, partial = begin_map(work, job, map_facts(job, sums), bool(max_memory))
        say_plan(job, limit)
        draft = work.files / out.name
        farm = Farm(cluster, model_path, resample_bands, device, block_timeout) if cluster.given else None
        with watch.stage("map"), progress("map", "rows") as advance:
            summary = map_strips(draft, job, partial, advance, farm)
        with watch.stage("finish"):
            summary = finish_layers(draft, job, size, cog, summary)
        record = describe(job, summary, watch)
        record |= {"model": str(model_path), "sha256": sums, "smooth": smooth}
        if not no_report:
            with watch.stage("report"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
                write_map_report(map_report(draft), draft, job.shown, summary, record, job.plan.rows)
            record["peak_memory_bytes"] = peak_memory()
        draft.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    show_areas(record["areas"])
    say_result(job, summary, watch, [*layer_files(out, options), out.with_suffix(".json")], reports)


@dataclass(frozen=True)
class Job:
    """A model, the scene that it maps, and how."""

    bundle: SavedModel
    match: BandMatch
    options: MapOptions
    plan: MemoryPlan
    device: torch.device
    usable: NDArray[np.bool_] | None

    @property
    def shown(self) -> Scene:
        """The scene as its report shows it: as stored, with the model's wavelengths where bands were matched by
        position."""
        scene, known = self.match.stored or self.match.scene, self.bundle.bands.wavelengths
        by_position = scene.wavelengths is None and self.match.matrix is None
        return replace(scene, wavelengths=known) if by_position else scene


def check_free_map(out: Path, overwrite: bool, options: MapOptions, reports: Sequence[Path]) -> None:
    """Raise :class:`UsageError` unless ``out`` is called a GeoTIFF, :class:`OutputError` unless it may be written."""
    from hsi.errors import UsageError

    if out.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"--out {out}: a map is a GeoTIFF: give a name that ends in .tif")
    for path in (*layer_files(out, options), out.with_suffix(".json"), *reports):
        check_free_file(path, overwrite)


def refuse_band_choices(options: SceneOptions) -> None:
    """Raise :class:`UsageError` for options that choose bands, which the model has done."""
    from hsi.errors import UsageError

    given = {
        "--drop-bands": options.drop_bands,
        "--drop-wavelengths": options.drop_wavelengths,
        "--keep-bad-bands": options.keep_bad_bands,
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} has no effect here, because the model knows its bands: leave it out")


def open_input_mask(scene: Scene, options: SceneOptions) -> NDArray[np.bool_] | None:
    """The pixels that ``--mask`` leaves, ``(H, W)``; None without one."""
    from hsi.io.masks import open_mask

    return open_mask(options.mask, scene) if options.mask else None


@contextmanager
def staged(out: Path, resume: bool, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work on a map; its files move to ``out``'s folder when the block ends well, and layers of an older map go.

    Raises :class:`OutputError` when they cannot be written.
    """
    with unfinished_files(out, resume=resume, overwrite=overwrite) as work:
        yield work
        for path in older_files(out):
            path.unlink(missing_ok=True)


def begin_map(work: WorkDirectory, job: Job, facts: dict[str, Any], fixed: bool) -> tuple[Job, StripCache]:
    """Where the strips of the map are kept, and the job with the map cut as before if it was begun before.

    Raises :class:`ResumeError` when it was begun with other ``facts``, :class:`UsageError` when the memory that was
    asked for (``fixed``) does not do for it.
    """
    from hsi.errors import ResumeError, UsageError
    from hsi.inference.predict import map_blocks
    from hsi.inference.resume import StripCache

    try:
        plan = cut_as_before(job.plan, work.strips)
        if fixed and (plan.rows > job.plan.rows or plan.tile > job.plan.tile):
            raise UsageError(f"--max-memory is less than {work.out} was begun with: give as much, or leave it out")
        partial = StripCache(work.strips, facts | {"rows": plan.rows, "tile": plan.tile})
    except ResumeError as error:
        work.start_anew(error)
        plan, partial = job.plan, StripCache(work.strips, facts | {"rows": job.plan.rows, "tile": job.plan.tile})
    if work.resume:
        rows = sum(
            block.height for block in map_blocks(job.bundle, job.match, job.options, plan) if block.row in partial.done
        )
        say("resumed", f"{rows:,} of {job.match.scene.height:,} rows are mapped already")
    return replace(job, plan=plan), partial


def map_facts(job: Job, sums: Mapping[str, str]) -> dict[str, Any]:
    """All that the strips of a map depend on but how it is cut, as plain values."""
    return {
        "model": sorted(sums.values()),
        "scene": scene_facts(job.match.scene),
        "variable": job.match.scene.variable,
        "bands": job.match.note,
        "options": vars(job.options),
        "mask": None if job.usable is None else hash_array(job.usable),
        "device": job.device.type,
    }


def scene_facts(scene: Scene) -> list[list[Any]]:
    """Name, size and time of each of a scene's files, by which it is seen whether they have changed.

    Of a raster behind a network its name and its size in pixels.
    """
    from hsi.io import files_of
    from hsi.io.formats.gdal import is_remote, remote_name

    assert scene.source is not None, "opened from a file"
    if is_remote(scene.source):
        return [[remote_name(scene.source), scene.height, scene.width]]
    found = [(path, path.stat()) for path in files_of(scene.source)]
    return [[path.name, stat.st_size, stat.st_mtime_ns] for path, stat in found]


def map_strips(draft: Path, job: Job, partial: StripCache, advance: Advance, farm: Farm | None) -> MapSummary:
    """Map the scene into ``draft`` and the files beside it, here or on the workers of a ``farm``.

    Strips are taken from ``partial`` where they are done and kept there as they are.
    """
    from hsi.inference.predict import map_scene

    if farm:
        return map_on_workers(draft, job, partial, advance, farm)
    return map_scene(
        draft, job.bundle, job.match, job.options, job.plan,
        device=job.device, usable=job.usable, progress=advance, partial=partial,
    )  # fmt: skip


def finish_layers(draft: Path, job: Job, smooth: int | None, cog: bool, summary: MapSummary) -> MapSummary:
    """Smooth the map by a window of ``smooth`` and turn the files into cloud-optimised ones, as is asked for."""
    import rasterio

    from hsi.inference.predict import smooth_map
    from hsi.io.geotiff import make_cog

    with progress("finish"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
        if smooth:
            summary = smooth_map(draft, smooth, summary.table, job.match.scene, summary)
        if cog:
            for path in layer_files(draft, job.options):
                make_cog(path)
    return summary


def say_plan(job: Job, limit: int) -> None:
    """Print what will be mapped with what, and how it is cut."""
    scene, model, plan = job.match.scene, job.bundle.settings.model, job.plan
    reducer = job.bundle.reducer.describe()
    say("model", f"{model.name}, {model.describe_windows()}, {len(job.bundle.table)} classes; {reducer}")
    say("scene", f"{scene.source} ({scene.format}): {scene.height} x {scene.width} pixels")
    say("bands", job.match.note)
    cut = f"{plan.rows} rows at a time, tiles of {plan.tile} x {plan.tile} pixels"
    if job.bundle.temperature != 1:
        say("confidence", f"calibrated, with temperature {job.bundle.temperature:.3g}")
        stored = job.bundle.settings.mapping
        for name in ("symmetries", "blend"):
            if getattr(job.options, name) != getattr(stored, name):
                warn(f"the temperature was fitted with the other choice of --{name}, so confidence may be a little off")
    if job.options.symmetries:
        say("averaged", "over the eight symmetries of the square; --no-symmetries is eight times faster")
    if job.options.blend:
        say("blended", "with the neighbours that look alike; --no-blend leaves each pixel on its own")
    say("memory", f"below {limit / 10**9:.2f} GB: {cut}")


def describe(job: Job, summary: MapSummary, watch: StageTimer) -> dict[str, Any]:
    """What was mapped and how: the record beside the map."""
    return {
        "command": ["hsi", *sys.argv[1:]],
        "scene": str(job.match.scene.source),
        "bands": job.match.note,
        "trained_on": dict(job.bundle.trained_on),
        "options": vars(job.options),
        "temperature": job.bundle.temperature,
        "device": str(job.device),
        "rows": job.plan.rows,
        "tile": job.plan.tile,
        "areas": areas_of(summary),
        "without_data": summary.without_data,
        "novel": summary.novel,
        "versions": versions(),
        "seconds": watch.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def say_result(job: Job, summary: MapSummary, watch: StageTimer, files: list[Path], reports: list[Path]) -> None:
    """Print speed, what is not on the map, and the files, the reports last."""
    pixels = job.match.scene.height * job.match.scene.width
    say("speed", f"{pixels:,} pixels in {watch.seconds['map']:.1f} s, peak memory {peak_memory() / 10**9:.2f} GB")
    if summary.without_data == pixels:
        warn("nothing is on the map: every pixel lacks data in a band of the model; 'hsi inspect' says more")
    elif summary.without_data:
        say("no data", f"{summary.without_data:,} pixels")
    if summary.novel is not None:
        share = f"{summary.novel:,} pixels ({summary.novel / pixels:.1%})"
        say("novelty", f"{share} are farther from every class than 99.9 % of the training pixels")
    for i, path in enumerate([*files, *reports]):
        say("" if i else "written", str(path))
    say("open", f"{f'{reports[0]} in a browser, or ' if reports else ''}{files[0]} in QGIS")
