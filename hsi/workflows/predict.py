"""Map a scene of any size with a saved model; ``hsi predict`` and ``hsi classify`` share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from hsi.accuracy.rejection import FEW, Rejection, parse_rejection
from hsi.cluster.client import ClusterOptions
from hsi.core.devices import resolve_device
from hsi.core.events import Advance, info, progress, warning
from hsi.core.files import find_model
from hsi.core.installation import versions
from hsi.core.labels import codes_of
from hsi.core.memory import parse_memory, usual_limit
from hsi.errors import ResumeError, UsageError
from hsi.inference.map_files import MapOptions, MapSummary, layer_files
from hsi.inference.map_polygons import check_polygon_file, write_polygons
from hsi.inference.model_file import SavedModel, is_model_file, load_model, match_scene
from hsi.inference.predict import MapJob, SceneValues, map_scene, plan_map, read_bands, sieve_map, smooth_map
from hsi.inference.resume import StripCache, clear_strips, read_facts
from hsi.inference.scene_scale import adapt_scene, parse_scale, warn_of_novel_pixels
from hsi.inference.smoothing import min_area_pixels, parse_min_area, parse_smoothing
from hsi.inference.training_pixels import join_runs, runs_to_text
from hsi.io import files_of
from hsi.io.formats.gdal import address_of, is_remote, remote_name
from hsi.io.geotiff import make_cog, nodata_value, read_classes, side_files
from hsi.io.masks import open_masks
from hsi.models import WindowNetwork, choose_engine
from hsi.preprocessing.band_matching import BandMatch
from hsi.preprocessing.mosaic import files_of_tiles
from hsi.report.html import MapView, Report, read_subsampled, sampled_class_spectra, view_step, write_report_page
from hsi.report.html.provenance import map_provenance
from hsi.settings import InputSettings
from hsi.stac.map_item import write_map_item
from hsi.workflows.inputs import Inputs, input_files, mask_files, open_any_scene
from hsi.workflows.outputs import areas_of, files_below, map_files, sample_scene, spectra_notes
from hsi.workflows.provenance import HASHED_AT_ONCE, StageTimer, date_now, hash_files, hash_inputs, peak_memory
from hsi.workflows.resume import hash_array
from hsi.workflows.run_folder import check_free_files, unfinished_files

if TYPE_CHECKING:
    from hsi.workflows.inputs import SceneLike


@dataclass(frozen=True)
class PredictOptions:
    """How a map is made with a saved model, and what is written with it; the options of ``hsi predict``.

    ``symmetries`` and ``blend`` are those of the model's settings where they are None.
    """

    reject: float | str | None = None
    reject_rate: float | str | None = None
    probabilities: bool = False
    novelty: bool = False
    smooth: str | None = None
    min_area: str | None = None
    vector: Path | None = None
    symmetries: bool | None = None
    blend: bool | None = None
    engine: str = "auto"
    device: str = "auto"
    max_memory: str | None = None
    resample_bands: bool = False
    scale: float | str | None = None
    cog: bool = False
    report: bool = True
    stac: bool = False
    overwrite: bool = False
    resume: bool = False
    cluster: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True, eq=False)
class PredictedMap:
    """A map that was made with a saved model; :func:`hsi.predict` returns it.

    ``summary`` has the classes of the map in ``summary.table`` ("unclassified" is one of them where pixels could be
    rejected) and the pixels and hectares of each; ``record`` is what the map's JSON file holds, ``files`` are the paths
    of what was written: "map", "confidence", "probabilities", "novelty", "record" and "report". A layer that was
    written is read from its file when it is first asked for; without files all layers are in memory.
    """

    summary: MapSummary
    record: Mapping[str, Any]
    files: Mapping[str, Path]
    warnings: tuple[str, ...] = ()

    @property
    def nodata(self) -> int:
        """What ``classes`` holds where a pixel lacks data."""
        return nodata_value(self.summary.table)

    @cached_property
    def classes(self) -> NDArray[Any]:
        """Class ids ``(H, W)``, uint8 or uint16."""
        return read_classes(self.files["map"]) if self.files else self.summary.layers["map"]

    @cached_property
    def confidence(self) -> NDArray[Any]:
        """The largest class probability ``(H, W)`` float32, NaN without data."""
        return self._bands("confidence").squeeze(axis=0)

    @cached_property
    def probabilities(self) -> NDArray[Any]:
        """All class probabilities ``(H, W, C)`` float32, NaN without data; :class:`UsageError` unless asked for."""
        return np.moveaxis(self._bands("probabilities"), 0, 2)

    @cached_property
    def novelty(self) -> NDArray[Any]:
        """Distance to training pixels ``(H, W)`` float32, NaN without data; :class:`UsageError` unless asked for."""
        return self._bands("novelty").squeeze(axis=0)

    def _bands(self, name: str) -> NDArray[Any]:
        if name not in (self.files or self.summary.layers):
            raise UsageError(f"the map was made without {name}: give {name}=True to hsi.predict")
        return read_bands(self.files[name]) if self.files else self.summary.layers[name]


def predict(
    model: Path,
    scene: SceneLike,
    out: Path | None,
    options: PredictOptions,
    reading: InputSettings,
    command: Sequence[str],
) -> PredictedMap:
    """Map a scene with the model in a file into ``out`` and the files that belong to it, or without ``out`` in memory;
    :func:`hsi.predict` describes the options, the result and what is raised."""
    refuse_swapped(model, scene, out)
    model = find_model(model)
    parse_scale(options.scale)
    rejection = parse_rejection(options.reject, options.reject_rate)
    wanted = MapOptions(None, options.probabilities, options.novelty, options.engine)
    files = map_files(out, wanted, options.report, options.stac) if out is not None else {}
    given = [model, *input_files(scene, reading)]
    if out is None:
        if options.cluster.given:
            raise UsageError("workers map into a file: give out, or leave scheduler and workers out")
        if options.stac:
            raise UsageError("a STAC Item is written next to a map: give out, or leave stac out")
    else:
        if out.suffix.lower() not in (".tif", ".tiff"):
            raise UsageError(f"{out}: a map is a GeoTIFF: give out a name that ends in .tif")
        names = [*files.values(), *side_files(out)]
        check_free_files(out, names, overwrite=options.overwrite, resume=options.resume, inputs=given)
    if options.vector:
        check_free_files(options.vector, [options.vector], overwrite=options.overwrite, inputs=given, option="vector")
        check_polygon_file(options.vector)
    refuse_band_choices(reading)
    if options.min_area:
        parse_min_area(options.min_area)
    size = parse_smoothing(options.smooth) if options.smooth else None
    options.cluster.check()
    limit = parse_memory(options.max_memory) if options.max_memory else options.cluster.usual_memory()
    job, timer = open_job(model, scene, options, wanted, rejection, reading, limit), StageTimer()
    opened = job.match.scene
    least, place = options.min_area, opened.georeference
    pixels = min_area_pixels(least, place, opened.height, opened.width) if least else 1
    hashes, sums = hash_files([model]), hash_inputs(*mask_files(reading))
    about: dict[str, Any] = {"command": list(command), "model": str(model), "sha256": hashes | sums}
    about["date"] = date_now()
    about |= {"reading": reading.model_dump(mode="json", exclude_defaults=True), "smooth": options.smooth}
    about["rejection"] = describe_rejection(job, rejection) if rejection else None
    about |= {"min_area": least, "vector": str(options.vector) if options.vector else None}
    if out is None:
        report_job(job, limit)
        with timer.stage("map"), progress("map", "rows") as advance:
            summary = map_scene({}, job, progress=advance, in_memory=True)
        summary = smooth_map(None, size, opened, summary) if size else summary
        summary = sieve_map(None, pixels, opened, summary) if pixels > 1 else summary
        record = about | map_record(job, summary, timer)
    else:
        with unfinished_files(out, resume=options.resume, overwrite=options.overwrite) as work:
            facts, fixed = map_facts(job, hashes), bool(options.max_memory)
            job, strips = begin_map(job, work.strips, facts, work.restart, fixed)
            if work.resume:
                rows = sum(block.height for block in job.blocks() if block.row in strips.done)
                info("resumed", f"{rows:,} of {job.match.scene.height:,} rows are mapped already")
            report_job(job, limit)
            drafts = {name: work.files / path.name for name, path in files.items()}
            layers = layer_files(drafts["map"], wanted)
            with timer.stage("map"), progress("map", "rows") as advance:
                if options.cluster.given:
                    summary = map_on_workers(layers, job, strips, advance, model, options)
                else:
                    summary = map_scene(layers, job, progress=advance, strips=strips)
            with timer.stage("finish"), progress("finish"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
                summary = smooth_map(drafts["map"], size, opened, summary) if size else summary
                summary = sieve_map(drafts["map"], pixels, opened, summary, False) if pixels > 1 else summary
                for path in layers.values() if options.cog else ():
                    make_cog(path)
            record = about | map_record(job, summary, timer)
            if options.stac:
                more: dict[str, Any] = {"created": about["date"], "model": model, "cog": options.cog}
                write_map_item(drafts["item"], files["item"], drafts, summary, job.match.stored or opened, **more)
            if options.report:
                with timer.stage("report"), rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
                    write_map_report(drafts, job, summary, record)
                record["peak_memory_bytes"] = peak_memory()
            drafts["record"].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if options.vector:
        layers_of = PredictedMap(summary, record, files)
        write_polygons(options.vector, layers_of.classes, summary.table, place, layers_of.confidence, options.overwrite)
        files = {**files, "vector": options.vector}
    if summary.without_data == opened.height * opened.width:
        warning("nothing is on the map: every pixel lacks data in a band of the model; 'hsi inspect' says more")
    return PredictedMap(summary, record, files)


def refuse_band_choices(reading: InputSettings) -> None:
    """Raise :class:`UsageError` for options that choose bands, which the model has done."""
    for name in ("drop_bands", "drop_wavelengths", "keep_bad_bands"):
        if getattr(reading, name):
            raise UsageError(f"{name} has no effect here, because the model knows its bands: leave it out")


def refuse_swapped(model: Path, scene: SceneLike, out: Path | None) -> None:
    """Raise :class:`UsageError` where the model is given as the scene, and the scene as the model."""
    paths: list[Any] = list(scene) if isinstance(scene, (list, tuple)) else [scene]
    if len(paths) != 1 or not isinstance(paths[0], (str, Path)):
        return
    if is_model_file(Path(paths[0])) and model.is_file() and not is_model_file(model):
        raise UsageError(
            f"{paths[0]} is a model and {model} is none: the model comes first: hsi predict {paths[0]} {model}"
            + (f" --out {out}" if out else "")
        )


def open_job(
    model: Path,
    scene: SceneLike,
    options: PredictOptions,
    wanted: MapOptions,
    rejection: Rejection | None,
    reading: InputSettings,
    limit: int,
) -> MapJob:
    """Load the model, open the scene, and plan a map of it within ``limit`` bytes of memory."""
    device = resolve_device(options.device)
    saved = load_model(model)
    choose_engine(options.engine, saved.model)
    stored = saved.settings.mapping
    wanted = replace(
        wanted,
        reject=choose_threshold(saved, rejection, model) if rejection else None,
        symmetries=bool(stored.symmetries) if options.symmetries is None else options.symmetries,
        blend=bool(stored.blend) if options.blend is None else options.blend,
    )
    opened = open_any_scene(scene, reading)
    wavelengths = opened.wavelengths
    usable = open_masks(reading, opened)
    if usable is not None and saved.denoiser and options.cluster.given:
        raise UsageError(
            "a mask or area on workers has no effect on how the model cleans bands: leave one of the two out"
        )
    resample = options.resample_bands
    opened, scale, fill = adapt_scene(saved, opened, parse_scale(options.scale), resample=resample)
    match = match_scene(saved, opened, resample, usable=usable, device=options.device, fill=fill)
    warn_of_novel_pixels(saved, match)
    if options.resample_bands and not saved.reducer.tolerates_resampling:
        warning(
            f"the model's {saved.reducer.name} components use fine differences between bands, which interpolation "
            "blurs: for scenes of other sensors, train the model with the reducer pca"
        )
    values = SceneValues(scale, reading.nodata, fill, wavelengths if reading.wavelengths else None)
    return MapJob(saved, match, wanted, plan_map(saved, match, wanted, limit), device, usable, values)


def choose_threshold(saved: SavedModel, asked: Rejection, model: Path) -> float:
    """The confidence below which pixels are rejected.

    Raises :class:`UsageError` for a number where the confidence is not calibrated, so that the number has no meaning,
    and for a target where the model has no validation pixels to choose a threshold by.
    """
    calibrate = saved.settings.mapping.calibrate
    calibrated = saved.temperature != 1 or saved.settings.mapping.spectral == "pool" if calibrate is None else calibrate
    if asked.kind == "confidence" and not calibrated:
        target = "give a target such as accuracy:95%, or train" if saved.validation else "train"
        raise UsageError(
            f"reject {asked}: the confidence of {model} is not calibrated, so {asked} does not say how many pixels "
            f"are right: {target} the model with --calibrate --val 10%"
        )
    if saved.validation is None and asked.kind != "confidence":
        raise UsageError(
            f"reject {asked}: {model} has no validation pixels to choose a threshold by: train it with --val 10%"
        )
    return asked.value if saved.validation is None else saved.validation.threshold(asked)


def describe_rejection(job: MapJob, asked: Rejection) -> dict[str, Any]:
    """Report what the threshold does to the validation pixels; returns it for the record."""
    threshold, validation = job.options.reject or 0.0, job.saved.validation
    if validation is None:
        info("rejected", f"where the confidence is below {threshold:.3g}")
        return {"asked": str(asked), "threshold": threshold, "validation": None}
    found = validation.measure(threshold)
    left = "" if found["accuracy_left"] is None else f"; of the others {found['accuracy_left']:.1%} are right"
    of_errors = "" if found["errors_rejected"] is None else f", {found['errors_rejected']:.1%} of the wrong ones"
    info("rejected", f"where the confidence is below {threshold:.3g}: {found['rejected']:.1%} of {found['pixels']:,}")
    info("", f"validation pixels{of_errors}{left} ({found['accuracy']:.1%} of all)")
    if found["pixels"] < FEW:
        warning(f"the threshold of reject is uncertain: it is chosen by {found['pixels']} validation pixels")
    for name in changed_averages(job):
        warning(
            f"the confidence of the validation pixels is with the other choice of {name}, so reject may leave another "
            "share of pixels, and another share of them may be right"
        )
    return {"asked": str(asked), "threshold": threshold, "validation": found}


def changed_averages(job: MapJob) -> list[str]:
    """Which of ``symmetries`` and ``blend`` are not those of the model, by which its confidence was measured."""
    stored = job.saved.settings.mapping
    return [n for n in ("symmetries", "blend") if getattr(job.options, n) != bool(getattr(stored, n))]


def map_inputs(
    inputs: Inputs,
    saved: SavedModel,
    device: str,
    files: Mapping[str, Path],
    options: MapOptions,
    folder: Path | None = None,
) -> MapSummary:
    """Map the scene that a model was trained on into ``files`` by layer and into memory; finished strips are stored in
    ``folder``, and taken from there."""
    match, strips = BandMatch(inputs.scene, None, "the bands it was trained on"), None
    plan = plan_map(saved, match, options, usual_limit())
    job = MapJob(saved, match, options, plan, resolve_device(device), inputs.survey.valid)
    if folder:
        facts = {"weights": hash_weights(saved.model), "temperature": saved.temperature, "options": vars(options)}

        def restart(error: ResumeError) -> None:
            warning(f"the map starts from the beginning: {error}")
            clear_strips(folder)

        job, strips = begin_map(job, folder, facts, restart)
    with progress("map", "rows") as advance:
        return map_scene(files, job, progress=advance, strips=strips, in_memory=True)


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
    plan = job.plan
    try:
        known = read_facts(folder)
        if known is not None:
            rows, tile = known.get("rows"), known.get("tile")
            if not (isinstance(rows, int) and isinstance(tile, int) and rows > 0 and tile > 0):
                raise ResumeError(f"{folder}: does not say how the map begun there is cut")
            if fixed and (rows > plan.rows or tile > plan.tile):
                raise UsageError("max_memory is less than the map was begun with: give as much, or leave it out")
            plan = replace(plan, rows=rows, tile=tile)
        return replace(job, plan=plan), StripCache(folder, {**facts, "rows": plan.rows, "tile": plan.tile})
    except ResumeError as error:
        restart(error)
    return job, StripCache(folder, {**facts, "rows": job.plan.rows, "tile": job.plan.tile})


def hash_weights(model: WindowNetwork) -> str:
    """SHA-256 of a network's weights by their names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def map_facts(job: MapJob, hashes: Mapping[str, str]) -> dict[str, Any]:
    """What the strips of a map depend on, except how the scene is cut, as plain values.

    That is of a scene name, size and time of each of its files, which change with it; of a raster behind a network its
    name and its size in pixels; of a scene in memory a hash of its values.
    """
    scene, files = job.match.stored or job.match.scene, list[list[Any]]()
    for source in files_of_tiles(scene):
        if is_remote(source):
            files.append([remote_name(source), scene.height, scene.width])
        else:
            stats = [(path.name, path.stat()) for path in files_of(source)]
            files += [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    if not files:
        files = [[hash_array(scene.fetch(block)) for block in scene.blocks(HASHED_AT_ONCE)]]
    return {
        "model": sorted(hashes.values()),
        "scene": files,
        "variable": scene.variable,
        "axes": scene.axes,
        "bands": job.match.note,
        "options": vars(job.options),
        "mask": None if job.usable is None else hash_array(job.usable),
        "values": [job.values.scale, job.values.nodata, *map(list, astuple(job.values.fill)), *_given_wavelengths(job)],
        "window": None if scene.area is None else list(astuple(scene.area.window)),
        "device": job.device.type,
        **({"hiding": scene.hiding} if scene.hiding else {}),  # a mask of a STAC Item may not be read each time
    }


def _given_wavelengths(job: MapJob) -> list[float]:
    return list(job.values.wavelengths or ())


def map_on_workers(
    files: Mapping[str, Path], job: MapJob, strips: StripCache, advance: Advance, model: Path, options: PredictOptions
) -> MapSummary:
    """As :func:`map_scene`, with strips that the workers of a cluster classify."""
    from hsi.cluster.predict import BLOCK_SECONDS, StripClassifier, write_map_on

    scene = job.match.scene
    if scene.item and scene.tiles:
        raise UsageError(
            "workers open the files of tiles, and these are of STAC Items: leave scheduler and workers out"
        )
    files_of_scene = (scene.item.path,) if scene.item else files_of_tiles(scene)
    paths = tuple(str(path if is_remote(path) else path.absolute()) for path in files_of_scene)
    if not paths:
        raise UsageError("workers read the scene from its file: give a path, or leave scheduler and workers out")
    about_scene = (paths, scene.variable, scene.axes, scene.shape, options.resample_bands)
    window = scene.area and scene.area.window
    classifier = StripClassifier(
        model.read_bytes(), *about_scene, job.options, job.plan, options.device, window, job.values,
        scene.item and scene.item.asset, scene.hiding,
    )  # fmt: skip
    limit = options.cluster.block_timeout or BLOCK_SECONDS
    with options.cluster.connected() as client:
        threads = client.nthreads()
        info("workers", f"{len(threads)} with {sum(threads.values())} threads at {client.scheduler.address}")
        return write_map_on(client, files, classifier, job, strips, limit=limit, progress=advance)


def report_job(job: MapJob, limit: int) -> None:
    """Report what will be mapped with what, and how the scene is cut."""
    scene, model, plan = job.match.scene, job.saved.settings.model, job.plan
    reducer = job.saved.reducer.describe()
    info("model", f"{model.name}, {model.describe_windows()}, {len(job.saved.table)} classes; {reducer}")
    info("scene", f"{scene.source or scene.name} ({scene.format}): {scene.height} x {scene.width} pixels")
    info("bands", job.match.note)
    if job.saved.temperature != 1:
        info("confidence", f"calibrated, with temperature {job.saved.temperature:.3g}")
        for name in changed_averages(job):
            warning(f"the temperature was fitted with the other choice of {name}, so confidence may be a little off")
    if job.options.symmetries:
        info("averaged", "with the scene after a half turn; without symmetries it is twice as fast")
    if job.options.blend:
        info("blended", "with neighbours of similar spectra; without blend each pixel is on its own")
    cut = f"{plan.rows} rows at a time, tiles of {plan.tile} x {plan.tile} pixels"
    info("memory", f"below {limit / 10**9:.2f} GB: {cut}")


def map_record(job: MapJob, summary: MapSummary, timer: StageTimer) -> dict[str, Any]:
    """What was mapped and how."""
    return {
        "scene": address_of(job.match.scene),
        "tiles": [str(path) for path in job.match.scene.tiles],
        "crs": job.match.scene.georeference.crs if job.match.scene.georeference else None,
        "bands": job.match.note,
        "scale": job.values.scale,
        "trained_on": dict(job.saved.trained_on),
        "training_pixels": find_training_pixels(job),
        "options": vars(job.options),
        "temperature": job.saved.temperature,
        "device": str(job.device),
        "map_precision": job.precision,
        "rows": job.plan.rows,
        "tile": job.plan.tile,
        "areas": areas_of(summary),
        "without_data": summary.without_data,
        "novel": summary.novel,
        "versions": versions(),
        "seconds": timer.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def find_training_pixels(job: MapJob) -> dict[str, Any] | None:
    """The pixels of the map that trained or validated its model, for its record; None where they are not known."""
    runs = join_runs([one.runs_on(job.match.scene) for one in job.saved.training])
    return None if runs is None else {"pixels": int(runs[1::2].sum()), "runs": runs_to_text(runs)}


def write_map_report(files: Mapping[str, Path], job: MapJob, summary: MapSummary, record: Mapping[str, Any]) -> None:
    """Write the report of a map from its files and the scene as stored, of which it shows every n-th pixel.

    Class spectra are over the pixels that are shown, by their mapped class. At most ``job.plan.rows`` rows of the scene
    are in memory at a time.
    """
    scene, table = job.match.stored or job.match.scene, summary.table
    if scene.wavelengths is None and job.match.matrix is None:  # bands were matched by position
        scene = replace(scene, wavelengths=job.saved.bands.wavelengths)
    shape = (scene.height, scene.width)
    step = view_step(*shape)
    with progress("report", "rows") as advance:
        ids, confidence = (
            read_subsampled(files[name], shape, step, partial(advance, note=name)) for name in ("map", "confidence")
        )
        picture, spectra = sample_scene(scene, ids != nodata_value(table), step, advance, job.plan.rows)
    every = spectra.step // step
    classes = sampled_class_spectra(spectra, codes_of(ids[::every, ::every], table), len(table))
    view = MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=table,
        ids=ids,
        pixels=summary.pixels,
        confidence=confidence,
        picture=picture,
        georeference=scene.georeference,
        spectra=spectra.with_classes(classes, "the sampled spectra of pixels mapped so"),
    )
    report = Report(
        title=scene.name,
        kind="Map",
        lead=f"mapped with {record['model']}",
        provenance=map_provenance(record),
        view=view,
        areas=record["areas"],
        files=sorted({*files_below(files["map"].parent), files["record"].name} - {files["report"].name}),
        notes=spectra_notes(view),
    )
    write_report_page(files["report"], report)
