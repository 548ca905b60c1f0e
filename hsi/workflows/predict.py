"""Map a scene of any size with a saved model; ``hsi predict`` and ``hsi classify`` share it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from hsi.cluster.client import ClusterOptions
from hsi.core.devices import resolve_device
from hsi.core.events import Advance, info, progress, warning
from hsi.core.labels import codes_of
from hsi.core.memory import MemoryPlan, free_memory, parse_memory, resident_memory
from hsi.core.scene import Scene
from hsi.errors import ResumeError, UsageError
from hsi.inference.map_files import MapOptions, MapSummary, layer_path
from hsi.inference.model_file import SavedModel, load_model, match_scene
from hsi.inference.predict import map_blocks, map_scene, plan_map, smooth_map
from hsi.inference.resume import StripCache, read_facts
from hsi.inference.smoothing import parse_smoothing
from hsi.io import files_of
from hsi.io.formats.gdal import is_remote, remote_name
from hsi.io.geotiff import make_cog, nodata_value
from hsi.io.masks import open_mask
from hsi.models import WindowNetwork, choose_engine
from hsi.preprocessing.band_matching import BandMatch
from hsi.report.html import (
    MapView,
    Report,
    read_subsampled,
    sampled_class_spectra,
    view_step,
    write_report_page,
)
from hsi.report.html.provenance import map_provenance
from hsi.settings import InputSettings
from hsi.workflows.html import look_at, spectra_notes
from hsi.workflows.inputs import Inputs, open_input_scene
from hsi.workflows.outputs import areas_of, files_below, layer_files, map_report_path, older_map_files
from hsi.workflows.provenance import StageTimer, hash_files, peak_memory, versions
from hsi.workflows.resume import hash_array
from hsi.workflows.run_folder import WorkDirectory, check_free_file, check_unfinished, unfinished_files, was_placing


@dataclass(frozen=True)
class PredictOptions:
    """How a map is made with a saved model, and what is written with it; the options of ``hsi predict``.

    ``symmetries`` and ``blend`` are those of the model's settings where they are None.
    """

    reject: float | None = None
    probabilities: bool = False
    novelty: bool = False
    smooth: str | None = None
    symmetries: bool | None = None
    blend: bool | None = None
    engine: str = "auto"
    device: str = "auto"
    max_memory: str | None = None
    resample_bands: bool = False
    cog: bool = False
    report: bool = True
    overwrite: bool = False
    resume: bool = False
    cluster: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True)
class MapJob:
    """A model, the scene that it maps, and how; ``usable`` ``(H, W)`` leaves out pixels that could be read."""

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


@dataclass(frozen=True, eq=False)
class PredictedMap:
    """A map that was written: its counts, its record, its rasters (the map first), and its report."""

    summary: MapSummary
    record: Mapping[str, Any]
    files: Sequence[Path]
    report: Path | None


def predict_scene(
    model: Path, scene: Path, out: Path, options: PredictOptions, reading: InputSettings, command: Sequence[str]
) -> PredictedMap:
    """Map ``scene`` with the model in a file into ``out`` and the files that belong to it; see :func:`hsi.predict`."""
    wanted = MapOptions(options.reject, options.probabilities, options.novelty, options.engine)
    report = map_report_path(out) if options.report else None
    check_free_map(out, options.overwrite or (options.resume and was_placing(out)), wanted, report)
    check_unfinished(out, out, options.resume, options.overwrite)
    refuse_band_choices(reading)
    size = parse_smoothing(options.smooth) if options.smooth else None
    options.cluster.check()
    limit = parse_memory(options.max_memory) if options.max_memory else options.cluster.usual_memory()
    job = open_job(model, scene, options, wanted, reading, limit)
    timer, hashes = StageTimer(), hash_files([model])
    with staged(out, options.resume, options.overwrite) as work:
        job, strips = begin_map(job, work.strips, map_facts(job, hashes), work.start_anew, bool(options.max_memory))
        if work.resume:
            blocks = map_blocks(job.bundle, job.match, job.options, job.plan)
            rows = sum(block.height for block in blocks if block.row in strips.done)
            info("resumed", f"{rows:,} of {job.match.scene.height:,} rows are mapped already")
        report_job(job, limit)
        draft = work.files / out.name
        with timer.stage("map"), progress("map", "rows") as advance:
            if options.cluster.given:
                summary = map_on_workers(draft, job, strips, advance, model, options)
            else:
                summary = map_here(draft, job, strips, advance)
        with timer.stage("finish"):
            summary = finish_layers(draft, job, size, options.cog, summary)
        record = map_record(job, summary, timer, command)
        record |= {"model": str(model), "sha256": hashes, "smooth": options.smooth}
        if report:
            with timer.stage("report"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
                write_map_report(work.files / report.name, draft, job.shown, summary, record, job.plan.rows)
            record["peak_memory_bytes"] = peak_memory()
        draft.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if summary.without_data == job.match.scene.height * job.match.scene.width:
        warning("nothing is on the map: every pixel lacks data in a band of the model; 'hsi inspect' says more")
    return PredictedMap(summary, record, layer_files(out, wanted), report)


def check_free_map(out: Path, overwrite: bool, options: MapOptions, report: Path | None) -> None:
    """Raise :class:`UsageError` unless ``out`` is called a GeoTIFF, :class:`OutputError` unless it may be written."""
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"--out {out}: a map is a GeoTIFF: give a name that ends in .tif")
    for path in (*layer_files(out, options), out.with_suffix(".json"), *([report] if report else [])):
        check_free_file(path, overwrite)


def refuse_band_choices(reading: InputSettings) -> None:
    """Raise :class:`UsageError` for options that choose bands, which the model has done."""
    for name in ("drop_bands", "drop_wavelengths", "keep_bad_bands"):
        if getattr(reading, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} has no effect here, because the model knows its bands: leave it out")


def open_job(
    model: Path, scene: Path, options: PredictOptions, wanted: MapOptions, reading: InputSettings, limit: int
) -> MapJob:
    """Load the model, open the scene, and plan a map of it within ``limit`` bytes of memory."""
    device = resolve_device(options.device)
    bundle = load_model(model)
    choose_engine(options.engine, bundle.model)
    stored = bundle.settings.mapping
    wanted = replace(
        wanted,
        symmetries=bool(stored.symmetries) if options.symmetries is None else options.symmetries,
        blend=bool(stored.blend) if options.blend is None else options.blend,
    )
    opened = open_input_scene(scene, reading)
    usable = open_mask(reading.mask, opened) if reading.mask else None
    if usable is not None and bundle.denoiser and options.cluster.given:
        raise UsageError("--mask on workers has no effect on how the model cleans bands: leave one of the two out")
    match = match_scene(bundle, opened, options.resample_bands, usable=usable, device=options.device)
    if options.resample_bands and not bundle.reducer.tolerates_resampling:
        warning(
            f"the model's {bundle.reducer.name} components use fine differences between bands, which interpolation "
            "blurs: for scenes of other sensors, train the model with --reducer pca"
        )
    return MapJob(bundle, match, wanted, plan_map(bundle, match, wanted, limit), device, usable)


def map_inputs(
    inputs: Inputs, bundle: SavedModel, device: str, path: Path, options: MapOptions, folder: Path | None = None
) -> MapSummary:
    """Map the scene that a model was trained on, all of it; finished strips are stored in ``folder``, and taken from
    there."""
    match, strips = BandMatch(inputs.scene, None, "the bands it was trained on"), None
    plan = plan_map(bundle, match, options, resident_memory() + free_memory() // 2)
    job = MapJob(bundle, match, options, plan, resolve_device(device), inputs.survey.valid)
    if folder:
        facts = {"weights": hash_weights(bundle.model), "temperature": bundle.temperature, "options": vars(options)}

        def restart(error: ResumeError) -> None:
            warning(f"the map is begun anew: {error}")
            shutil.rmtree(folder, ignore_errors=True)

        job, strips = begin_map(job, folder, facts, restart)
    with progress("map", "rows") as advance:
        return map_here(path, job, strips, advance)


def begin_map(
    job: MapJob,
    folder: Path,
    facts: Mapping[str, Any],
    restart: Callable[[ResumeError], None],
    fixed: bool = False,
) -> tuple[MapJob, StripCache]:
    """The job with the scene cut as in the map that was begun in ``folder``, if there is one, and its finished strips.

    ``restart`` is called where those strips are of no use, such as for a map that was begun with other ``facts``; it
    raises, or empties the folder. Raises :class:`UsageError` when the memory limit is ``fixed`` and too small for them.
    """
    try:
        plan = plan_of(folder, job.plan)
        if fixed and (plan.rows > job.plan.rows or plan.tile > job.plan.tile):
            raise UsageError("max_memory is less than the map was begun with: give as much, or leave it out")
        return replace(job, plan=plan), StripCache(folder, {**facts, "rows": plan.rows, "tile": plan.tile})
    except ResumeError as error:
        restart(error)
    return job, StripCache(folder, {**facts, "rows": job.plan.rows, "tile": job.plan.tile})


def plan_of(folder: Path, plan: MemoryPlan) -> MemoryPlan:
    """The plan with the strips and tiles of the map that was begun, if there is one. Raises :class:`ResumeError`."""
    facts = read_facts(folder)
    if facts is None:
        return plan
    rows, tile = facts.get("rows"), facts.get("tile")
    if not (isinstance(rows, int) and isinstance(tile, int) and rows > 0 and tile > 0):
        raise ResumeError(f"{folder}: does not say how the map begun there is cut")
    return replace(plan, rows=rows, tile=tile)


def hash_weights(model: WindowNetwork) -> str:
    """SHA-256 of a network's weights by their names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def map_facts(job: MapJob, hashes: Mapping[str, str]) -> dict[str, Any]:
    """All that the strips of a map depend on but how it is cut, as plain values."""
    return {
        "model": sorted(hashes.values()),
        "scene": scene_facts(job.match.scene),
        "variable": job.match.scene.variable,
        "bands": job.match.note,
        "options": vars(job.options),
        "mask": None if job.usable is None else hash_array(job.usable),
        "device": job.device.type,
    }


def scene_facts(scene: Scene) -> list[list[Any]]:
    """Name, size and time of each of a scene's files, which change with it; of a raster behind a network its name and
    its size in pixels."""
    assert scene.source is not None, "opened from a file"
    if is_remote(scene.source):
        return [[remote_name(scene.source), scene.height, scene.width]]
    files = [(path, path.stat()) for path in files_of(scene.source)]
    return [[path.name, stat.st_size, stat.st_mtime_ns] for path, stat in files]


@contextmanager
def staged(out: Path, resume: bool, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work on a map; its files move to ``out``'s folder when the block ends well, and layers of an older map go.

    Raises :class:`OutputError` when they cannot be written.
    """
    with unfinished_files(out, resume=resume, overwrite=overwrite) as work:
        yield work
        for path in older_map_files(out):
            path.unlink(missing_ok=True)


def map_here(path: Path, job: MapJob, strips: StripCache | None, advance: Advance) -> MapSummary:
    """Write the map to ``path``, with its layers, in this process; finished strips are taken from ``strips``."""
    return map_scene(
        path, job.bundle, job.match, job.options, job.plan,
        device=job.device, usable=job.usable, progress=advance, partial=strips,
    )  # fmt: skip


def map_on_workers(
    path: Path, job: MapJob, strips: StripCache, advance: Advance, model: Path, options: PredictOptions
) -> MapSummary:
    """As :func:`map_here`, on the workers of a cluster."""
    from hsi.cluster.predict import BLOCK_SECONDS, WorkerJob, shared_path, write_map_on

    scene = job.match.scene
    assert scene.source is not None, "opened from a file"
    of_worker = WorkerJob(
        model=model.read_bytes(),
        path=shared_path(scene.source),
        variable=scene.variable,
        shape=scene.shape,
        resample=options.resample_bands,
        options=job.options,
        tile=job.plan.tile,
        cache=job.plan.cache,
        device=options.device,
    )
    with options.cluster.connected() as client:
        threads = client.nthreads()
        info("workers", f"{len(threads)} with {sum(threads.values())} threads at {client.scheduler.address}")
        return write_map_on(
            client, path, of_worker, job.bundle, job.match, job.plan, strips,
            usable=job.usable, limit=options.cluster.block_timeout or BLOCK_SECONDS, progress=advance,
        )  # fmt: skip


def finish_layers(path: Path, job: MapJob, smooth: int | None, cog: bool, summary: MapSummary) -> MapSummary:
    """Smooth the map by a window of ``smooth`` and turn the files into cloud-optimised ones, where asked for."""
    with progress("finish"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
        if smooth:
            summary = smooth_map(path, smooth, summary.table, job.match.scene, summary)
        if cog:
            for layer in layer_files(path, job.options):
                make_cog(layer)
    return summary


def report_job(job: MapJob, limit: int) -> None:
    """Report what will be mapped with what, and how the scene is cut."""
    scene, model, plan = job.match.scene, job.bundle.settings.model, job.plan
    reducer = job.bundle.reducer.describe()
    info("model", f"{model.name}, {model.describe_windows()}, {len(job.bundle.table)} classes; {reducer}")
    info("scene", f"{scene.source} ({scene.format}): {scene.height} x {scene.width} pixels")
    info("bands", job.match.note)
    if job.bundle.temperature != 1:
        info("confidence", f"calibrated, with temperature {job.bundle.temperature:.3g}")
        for name in ("symmetries", "blend"):
            if getattr(job.options, name) != getattr(job.bundle.settings.mapping, name):
                warning(
                    f"the temperature was fitted with the other choice of {name}, so confidence may be a little off"
                )
    if job.options.symmetries:
        info("averaged", "over the eight symmetries of the square; --no-symmetries is eight times faster")
    if job.options.blend:
        info("blended", "with the neighbours that have similar spectra; --no-blend leaves each pixel on its own")
    cut = f"{plan.rows} rows at a time, tiles of {plan.tile} x {plan.tile} pixels"
    info("memory", f"below {limit / 10**9:.2f} GB: {cut}")


def map_record(job: MapJob, summary: MapSummary, timer: StageTimer, command: Sequence[str]) -> dict[str, Any]:
    """What was mapped and how: the JSON file of a map."""
    return {
        "command": list(command),
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
        "seconds": timer.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def write_map_report(
    path: Path, map_path: Path, scene: Scene, summary: MapSummary, record: Mapping[str, Any], rows: int
) -> None:
    """The report of a map, from its files and every n-th pixel of the scene, at most ``rows`` rows of it in memory."""
    with progress("report", "rows") as advance:
        view = map_view(map_path, scene, summary, rows, advance)
    report = Report(
        title=scene.name,
        kind="Map",
        lead=f"mapped with {record['model']}",
        facts=map_provenance(record),
        view=view,
        areas=record["areas"],
        files=sorted({*files_below(map_path.parent), map_path.with_suffix(".json").name} - {path.name}),
        notes=spectra_notes(view),
    )
    write_report_page(path, report)


def map_view(map_path: Path, scene: Scene, summary: MapSummary, rows: int, advance: Advance) -> MapView:
    """Map, confidence and false colour; class spectra are over the stored pixels of the scene by their mapped class."""
    shape = (scene.height, scene.width)
    step = view_step(*shape)
    ids = read_subsampled(map_path, shape, step, lambda done, total: advance(done, total, "map"))
    confidence = read_subsampled(
        layer_path(map_path, "confidence"), shape, step, lambda done, total: advance(done, total, "confidence")
    )
    look = look_at(scene, ids != nodata_value(summary.table), step, advance, rows)
    every = look.spectra.step // step
    codes = codes_of(ids[::every, ::every], summary.table)
    of = "the spectra kept here of pixels mapped so"
    classes = sampled_class_spectra(look.spectra, codes, len(summary.table), of)
    return MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=summary.table,
        ids=ids,
        pixels=summary.pixels,
        confidence=confidence,
        picture=look.picture,
        georeference=scene.georeference,
        spectra=look.with_classes(classes),
    )
