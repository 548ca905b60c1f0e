"""Denoise a scene: before it is classified, or into a cube of its own, ``hsi denoise`` and :func:`hsi.denoise`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from hsi.core import events
from hsi.core.devices import resolve_device
from hsi.core.installation import machine, versions
from hsi.core.memory import MB, parse_memory, resident_memory, usual_limit
from hsi.core.scene import Array, Block, PixelSurvey, Scene, scene_from_array
from hsi.errors import UsageError
from hsi.io import open_scene
from hsi.io.cubes import STRIP, check_cube_name, cube_files, cube_writer
from hsi.io.formats.gdal import address_of
from hsi.preprocessing.bands import BandSelection, format_ranges
from hsi.preprocessing.denoisers import DENOISERS, denoise_scene
from hsi.preprocessing.denoisers.denoised_scene import WORKING_BYTES, cache_scene, clean_stored
from hsi.preprocessing.denoisers.denoiser import (
    BandStatistics,
    Denoiser,
    DenoisingResult,
    least_noisy_bands,
    make_denoiser,
    select_bands_to_clean,
)
from hsi.preprocessing.denoisers.mnf import MNFTruncation
from hsi.preprocessing.denoisers.quality import held_out_block, measure_denoiser
from hsi.preprocessing.mosaic import files_of_tiles
from hsi.preprocessing.reducers import find_reducer, valid_blocks
from hsi.preprocessing.reducers.reducer import Summary
from hsi.report.html import Report, write_report_page
from hsi.report.html.denoising import denoising_section
from hsi.report.html.provenance import denoising_provenance
from hsi.settings import DenoisingSettings, InputSettings, ReducerSettings, Settings, input_settings, validated
from hsi.workflows.inputs import (
    Inputs,
    bad_pixels,
    check_usable,
    choose_input_bands,
    input_files,
    open_any_scene,
    survey_bands,
)
from hsi.workflows.provenance import StageTimer, date_now, hash_inputs, peak_memory
from hsi.workflows.resolve import check_denoising, is_baseline
from hsi.workflows.run_folder import check_free_files, unfinished_files

if TYPE_CHECKING:
    from hsi.workflows.inputs import SceneLike

MOST_ROWS = 512  # that are written at a time
LIBRARIES = 400 * MB  # what the libraries, moments and GDAL's cache take
LEAST_BUDGET = 48 * MB  # for cleaning a tile


@dataclass(frozen=True, eq=False)
class DenoisedScene:
    """A scene with less noise; :func:`hsi.denoise` returns it.

    ``scene.read()`` is the cube ``(H, W, B)``, in the dtype and with the bands of the scene that was given. ``record``
    is what the cube's JSON file holds: method, bands, and PSNR, SSIM and spectral angle on noise that was added;
    ``files`` are the paths of what was written, the report last.
    """

    scene: Scene
    record: Mapping[str, Any]
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def denoise(
    scene: SceneLike,
    out: Path | str | None = None,
    *,
    method: str,
    bands: str | None = None,
    stack: int | None = None,
    steps: int | None = None,
    components: int | None = None,
    strength: float | None = None,
    seed: int = 0,
    device: str | None = None,
    max_memory: str | None = None,
    overwrite: bool = False,
    progress: bool | events.Report | None = None,
    command: Sequence[str] = ("hsi.denoise",),
    **reading: Any,
) -> DenoisedScene:
    """Remove noise from a scene: the same size, bands and dtype, and how much it helped.

    The same as ``hsi denoise``. Bands that are not chosen, those that the file marks as bad and pixels without data
    stay as they are. Integers are rounded and clipped to their range. Nothing is printed.

    Args:
        scene: A file's path, an array ``(H, W, B)``, an ``xarray.DataArray``, or a :class:`Scene`.
        out: The cube to write, ``.hdr`` (ENVI) or ``.tif``, with a record ``.json`` and a report ``.html``; without it
            nothing is written and the cube is in memory.
        method: ``dncnn``, a network that is trained on the scene's cleanest bands (Zhang et al. 2017,
            doi:10.1109/TIP.2017.2662206); ``mnf``, the components of least signal over noise are left out (Green et al.
            1988, doi:10.1109/36.3001); or ``tv``, total variation (Chambolle 2004,
            doi:10.1023/B:JMIV.0000011325.36760.1e).
        bands: Bands to clean, counted from 1: ``all``, ``noisiest:20``, or ``104-108,220``.
        stack: ``dncnn``: neighbouring bands that are cleaned together, odd, 5 when left out.
        steps: ``dncnn``: steps of its training, 800 when left out.
        components: ``mnf``: components to reconstruct from, those with more signal than noise when left out.
        strength: ``tv``: multiple of the estimated noise of each band, 0.5 when left out.
        seed: Decides the training and the noise that the method is measured on.
        device: ``dncnn``: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        max_memory: Most memory to use, such as ``"1GB"``; half of what is free when left out. A cube in memory comes on
            top.
        overwrite: Whether to replace a cube of that name.
        progress: As for :func:`hsi.classify`.
        command: What record and report name as the command that made them.
        **reading: How to read the scene: ``asset``, ``variable``, ``axes``, ``wavelengths``, ``georef``, ``aoi``,
            ``mask``, ``mask_out``, ``nodata`` and ``keep_bad_bands``.

    Raises:
        UsageError: for a method that is not known, a parameter that has no effect on it, and too little memory.
        SceneError: for a scene that cannot be read or has no usable pixel.
        OutputError: for files that are there already or cannot be written.
    """
    own = {"stack": stack, "steps": steps, "components": components, "strength": strength}
    settings = validated(DenoisingSettings, {"method": method, "bands": bands, **own})
    scene_inputs = ("asset", "variable", "axes", "wavelengths", "georef", "aoi", "mask", "mask_out", "nodata")
    options = input_settings((*scene_inputs, "keep_bad_bands"), **reading)
    check_denoising(settings)
    if device is not None:
        if not DENOISERS[method].trains:
            raise UsageError(f"device has no effect on {method}, which is computed on the CPU: leave it out")
        resolve_device(device)
    path, files = None if out is None else Path(out), tuple[Path, ...]()
    if path:
        check_cube_name(path)
        files = (*cube_files(path), path.with_suffix(".json"), path.with_suffix(".html"))
        check_free_files(path, files, overwrite=overwrite, inputs=input_files(scene, options))
    limit, timer = parse_memory(max_memory) if max_memory else usual_limit(), StageTimer()
    with events.report_to(recorder := events.reporter_for(progress)):
        surveyed = survey_noisy_scene(open_any_scene(scene, options), options)
        stored = surveyed.scene
        rows, budget = plan_rows(stored, limit)

        def fit() -> DenoisingResult:
            with timer.stage("learn"):
                return fit_denoising(surveyed.used, surveyed.survey.valid, settings, seed, device or "auto")

        if path is None:
            result, cube = fit(), np.empty(stored.shape, stored.dtype)
            with timer.stage("write"):
                for block, values in clean_blocks(surveyed, result, rows, budget):
                    cube[block.slices] = values
            array = scene_from_array(cube)
            cleaned = stored.with_fetch(array.fetch, source=None, format=array.format, bands=array.bands)
            record = describe_denoising(surveyed, result, timer, command)
        else:
            with unfinished_files(path, resume=None, overwrite=overwrite) as work:
                result, draft = fit(), work.files / path.name
                with timer.stage("write"):
                    write_cube(draft, surveyed, result, rows, budget)
                record = describe_denoising(surveyed, result, timer, command)
                with timer.stage("report"):
                    write_denoising_report(draft, surveyed, result, record)
            cleaned = open_scene(path)
    return DenoisedScene(cleaned, record, files, tuple(recorder.warnings))


@dataclass(frozen=True)
class SurveyedScene:
    """A scene as given, the part of it that is ``used`` (no bad, constant or dead bands), and its survey."""

    scene: Scene
    used: Scene
    survey: PixelSurvey
    bands: BandSelection


def survey_noisy_scene(scene: Scene, reading: InputSettings) -> SurveyedScene:
    """Find the bad bands and pixels of a scene, and report them. Raises :class:`SceneError` if no pixel is left."""
    (height, width, count), where = scene.shape, scene.source or scene.name
    events.info("scene", f"{where} ({scene.format}): {height} x {width} pixels, {count} bands, {scene.dtype}")
    bands, survey = survey_bands(scene, choose_input_bands(scene, reading), reading)
    if bands.dropped:
        reasons = ", ".join(f"{len(numbers)} {reason}" for reason, numbers in bands.dropped.items())
        events.info("left", f"{count - len(bands.used)} bands as they are: {reasons}")
    if survey.invalid:
        events.warning(bad_pixels(survey))
    check_usable(survey, where)
    return SurveyedScene(scene, bands.apply(scene).exclude_fill(survey.fill), survey, bands)


def plan_rows(scene: Scene, limit: int) -> tuple[int, int]:
    """Rows to write at a time, and bytes that cleaning a tile may take, within ``limit`` bytes of memory.

    Raises :class:`UsageError` for too little.
    """
    row = scene.width * len(scene.bands) * (3 * scene.dtype.itemsize + 8)
    left = limit - resident_memory() - LIBRARIES
    budget = min(WORKING_BYTES, left // 2)
    rows = min(MOST_ROWS, left // 2 // row) // STRIP * STRIP
    if rows < STRIP or budget < LEAST_BUDGET:
        least = (resident_memory() + LIBRARIES + 2 * max(STRIP * row, LEAST_BUDGET)) / MB + 1
        raise UsageError(f"max_memory is {limit / MB:,.0f} MB; this scene needs at least {least:,.0f} MB")
    return rows, budget


def clean_blocks(
    surveyed: SurveyedScene, result: DenoisingResult, rows: int, budget: int
) -> Iterator[tuple[Block, Array]]:
    """Blocks of the denoised scene, ``rows`` rows each, ``(h, w, B)`` in the dtype of the scene."""
    scene, valid = surveyed.scene, surveyed.survey.valid
    with events.progress("write", "rows") as advance:
        for block in scene.extent.strips(rows):
            yield block, clean_stored(scene, surveyed.used, result.denoiser, block, valid, budget)
            advance(block.row + block.height, scene.height)


def write_cube(path: Path, surveyed: SurveyedScene, result: DenoisingResult, rows: int, budget: int) -> None:
    """Write the denoised scene; only selected bands of valid pixels differ from the scene."""
    note = f"Denoised by hsi: {result.denoiser.describe()}"
    with rasterio.Env(GDAL_CACHEMAX=64 * MB), cube_writer(path, surveyed.scene, note) as write:
        for block, values in clean_blocks(surveyed, result, rows, budget):
            write(block, values)


def describe_denoising(
    surveyed: SurveyedScene, result: DenoisingResult, timer: StageTimer, command: Sequence[str]
) -> dict[str, Any]:
    """The record next to a denoised cube: what was done and how well."""
    return {
        "command": [*command],
        "date": date_now(),
        "scene": address_of(surveyed.scene),
        "variable": surveyed.scene.variable,
        "axes": surveyed.scene.axes,
        "crs": surveyed.scene.georeference.crs if surveyed.scene.georeference else None,
        "sha256": hash_inputs(*files_of_tiles(surveyed.scene)),
        "denoising": result.to_dict(),
        "bands": surveyed.bands.to_dict(),
        "invalid_pixels": surveyed.survey.invalid,
        "versions": versions(),
        "machine": machine(),
        "seconds": dict(timer.seconds),
        "peak_memory_bytes": peak_memory(),
    }


def write_denoising_report(
    path: Path, surveyed: SurveyedScene, result: DenoisingResult, record: Mapping[str, Any]
) -> None:
    """The record and the page of the cube ``path``, whose pictures are read from what was written."""
    record_path = path.with_suffix(".json")
    record_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    report = Report(
        title=surveyed.scene.name,
        kind="Denoising",
        lead=f"{len(result.numbers)} of {len(surveyed.scene.bands)} bands cleaned with {result.denoiser.title}",
        provenance=denoising_provenance(record),
        sections=[denoising_section(result, open_scene(path).keep_bands(surveyed.used.bands))],
        files=sorted(file.name for file in (*cube_files(path), record_path)),
    )
    write_report_page(path.with_suffix(".html"), report)


def denoise_inputs(inputs: Inputs, settings: Settings, timer: StageTimer, folder: Path | None = None) -> Inputs:
    """The inputs with a denoised scene, where the settings ask for it: in a temporary file in ``folder``, because it is
    read several times."""
    if settings.denoising.method is None:
        return inputs
    with timer.stage("denoise"):
        valid = inputs.survey.valid
        result = fit_denoising(inputs.scene, valid, settings.denoising, settings.seed, settings.device)
        check_components(result, settings)
        cleaned = denoise_scene(inputs.scene, result.denoiser, valid)
        with events.progress("denoise", "rows") as advance:
            scene = cache_scene(cleaned, folder, advance)
    return replace(inputs, scene=scene, denoising=result)


def check_components(result: DenoisingResult, settings: Settings) -> None:
    """Warn of MNF before MNF; raise :class:`UsageError` where it leaves fewer components than the reducer makes.

    A baseline reduces nothing, or takes what there is.
    """
    denoiser = result.denoiser
    if is_baseline(settings) or not isinstance(denoiser, MNFTruncation):
        return
    reducer = find_reducer(settings.reducer)
    wanted = settings.reducer.components or int(getattr(reducer, "usual_components", 0))
    if denoiser.components_ < wanted and len(result.numbers) == len(result.before.bands):
        raise UsageError(
            f"mnf leaves {denoiser.components_} components in the scene, and {wanted} are to be made of it: "
            f"denoising.components {wanted} or more, or fewer reducer.components"
        )
    if reducer.name == "mnf":
        events.warning(
            "denoising with mnf leaves the components that the reducer mnf selects: it changes next to nothing"
        )


def fit_denoising(
    scene: Scene, valid: NDArray[np.bool_], settings: DenoisingSettings, seed: int, device: str
) -> DenoisingResult:
    """Fit the denoiser to a scene, measure it on noise that is known, and report both; ``valid`` is ``(H, W)``.

    Raises :class:`UsageError` for bands and settings that do not suit the scene, and what training raises.
    """
    denoiser = make_denoiser(settings)
    denoiser.check(len(scene.bands))
    summary = summarise_scene(scene, valid)
    known = BandStatistics.of(summary)
    denoiser.bands_ = np.asarray(select_bands_to_clean(settings.bands, scene.bands, known), np.int64)
    denoiser.learn(summary)
    if denoiser.trains:
        train_denoiser(denoiser, scene, valid, summary, seed=seed, device=device)
    with events.progress("measure", "levels") as advance:
        measured = measure_denoiser(denoiser, scene, valid, summary, seed, advance)
    result = DenoisingResult(denoiser, scene, known, valid, tuple(measured), seed)
    report_denoising(result)
    return result


def report_denoising(result: DenoisingResult) -> None:
    """Report the method, the bands and the quality before and after, a line for each kind of noise."""
    numbers, bands = result.numbers, len(result.before.bands)
    some = f"{len(numbers)} of {bands} bands: {format_ranges(numbers)}"
    events.info("denoised", f"{result.denoiser.describe()}; {f'all {bands} bands' if len(numbers) == bands else some}")
    if not result.measured:
        events.warning("too few valid rows can be spared to measure on noise that is known: judge by the pictures")
    for i, one in enumerate(result.measured):
        noisy, cleaned = one.noisy, one.cleaned
        psnr, ssim = f"{noisy.psnr:.1f} to {cleaned.psnr:.1f} dB", f"{noisy.ssim:.3f} to {cleaned.ssim:.3f}"
        angle = f"{noisy.angle:.2f} to {cleaned.angle:.2f}°"
        events.info("" if i else "held out", f"{one.noise}: PSNR {psnr}, SSIM {ssim}, angle {angle}")


def summarise_scene(scene: Scene, valid: NDArray[np.bool_]) -> Summary:
    """Moments of the valid pixels and of the differences between neighbours, in one pass of bounded memory."""
    settings = ReducerSettings(name="mnf")
    with events.progress("noise", "rows") as advance:
        return find_reducer(settings)(settings).summary_of(valid_blocks(scene, valid, advance))


def train_denoiser(
    denoiser: Denoiser, scene: Scene, valid: NDArray[np.bool_], summary: Summary, *, seed: int, device: str
) -> None:
    """Give DnCNN a network, trained on the scene's cleanest bands outside of the rows that are held out.

    The same seed gives the same network on a CPU. Raises what reading, drawing patches and training raise.
    """
    from hsi.preprocessing.denoisers.dncnn import DnCNNDenoiser, build_network
    from hsi.preprocessing.denoisers.dncnn_training import sample_patches, train_network

    assert isinstance(denoiser, DnCNNDenoiser), "the only one that is trained"
    random, centres = np.random.default_rng(seed), least_noisy_bands(BandStatistics.of(summary))
    held_out = held_out_block(scene.height, scene.width)
    rows = held_out.row if held_out else scene.height
    with events.progress("patches", "places") as advance:
        examples = sample_patches(denoiser, scene, valid, centres, rows, random, advance)
    denoiser.network_ = build_network(denoiser.stack, seed)
    with events.progress("train", "steps") as advance:
        train_network(denoiser.network_, examples, denoiser.steps, resolve_device(device), random, advance)
    denoiser.on(device)
