"""What a block of a map costs one core: ``python -m benchmarks.block_times``.

A generated scene is written as an ENVI cube. Blocks of it go through the steps of a cluster's worker (read, reduce,
classify) and of its client (store, write). Each block is done several times and the least time counts. Times are
processor times of this process, with one thread, because other programs may be running; the file is in the system's
cache, so storage is not measured. The last figure is the time of Dask's scheduler and client for an empty task.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.report import RESULTS, write_results
from benchmarks.streaming import Cube
from hsi.core.labels import default_table
from hsi.core.memory import MemoryPlan
from hsi.core.scene import Block, Scene
from hsi.core.synthetic import make_scene
from hsi.inference.map_files import MapOptions, layer_files, map_writer
from hsi.inference.model_file import SavedModel
from hsi.inference.novelty import fit_novelty
from hsi.inference.predict import MapJob, classify_strip
from hsi.inference.resume import StripCache
from hsi.inference.strips import read_strip
from hsi.io import open_scene
from hsi.models import build_model
from hsi.preprocessing.band_matching import BandList, BandMatch
from hsi.preprocessing.reducers import fit_reducer, reduce_scene
from hsi.settings import load_settings

CLASSES, COMPONENTS, WINDOW, TILE = 8, 13, 11, 160
TASKS = 300  # that do nothing, to time the scheduler


def seconds_of(work: Callable[[], Any]) -> float:
    """Processor time of this process during a call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def make_model(scene: Scene) -> SavedModel:
    """A saved model with random weights, which are as fast as trained ones."""
    valid = np.ones((scene.height, scene.width), bool)
    chosen = {"model.name": "hybridsn-bn", "model.window": WINDOW, "reducer.components": COMPONENTS}
    settings = load_settings(None, chosen)
    reducer = fit_reducer(scene, settings.reducer, valid)
    network = build_model("hybridsn-bn", components=COMPONENTS, window=WINDOW, classes=CLASSES, seed=0)
    pixels = reduce_scene(scene, reducer, valid).reshape(COMPONENTS, -1).T[::50]
    novelty = fit_novelty(pixels, np.arange(len(pixels)) % CLASSES, CLASSES)
    bands = BandList(scene.bands, len(scene.bands), scene.wavelengths, scene.fwhm)
    return SavedModel(network.eval(), reducer, default_table(range(1, CLASSES + 1)), settings, bands, novelty, {})


def time_blocks(
    scene: Scene, model: SavedModel, options: MapOptions, rows: int, repeats: int, folder: Path
) -> list[dict[str, Any]]:
    """The least seconds of each stage for each block of a scene."""
    plan = MemoryPlan(rows, TILE, 16 << 20)
    job = MapJob(model, BandMatch(scene, None, ""), options, plan, torch.device("cpu"))
    times: list[dict[str, Any]] = []
    blocks = [Block(row, 0, rows, scene.width) for row in range(0, scene.height, rows)]
    for number, block in enumerate(blocks):
        least: dict[str, float] = {}
        for _ in range(repeats):
            made: dict[str, Any] = {}

            def read(block: Block = block, made: dict[str, Any] = made) -> None:
                made["strip"] = read_strip(scene, model.reducer, block, window=job.window)

            def classify(made: dict[str, Any] = made) -> None:
                made["layers"] = classify_strip(made["strip"], job)

            def write(block: Block = block, made: dict[str, Any] = made) -> None:
                partial = StripCache(folder / "strips", {})
                partial.save(block, made["layers"])
                one = scene_of(scene, block)
                with map_writer(layer_files(folder / "map.tif", options), model.table, one, cache=16 << 20) as writer:
                    writer.add(Block(0, 0, block.height, block.width), partial.load(block))
                partial.remove()

            for stage, work in (("read_and_reduce", read), ("classify", classify), ("write", write)):
                seconds = seconds_of(work)
                least[stage] = min(seconds, least.get(stage, seconds))
        size = sum(layer.nbytes for layer in made["layers"].values())
        times.append({**{stage: round(value, 4) for stage, value in least.items()}, "result_bytes": size})
        click.echo(f"block {number + 1} of {len(blocks)}: {times[-1]}", err=True)
    return times


def scene_of(scene: Scene, block: Block) -> Scene:
    """A scene of a block's size, to write a map of it."""
    return replace(scene, height=block.height, width=block.width)


def scheduler_seconds() -> float:
    """Processor time of scheduler, worker and client together for a task that does nothing."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")
    with cluster, Client(cluster) as client:
        client.submit(int, "1").result()

        def work() -> None:
            for number in range(TASKS):
                client.submit(int, str(number), pure=False).result()

        return min(seconds_of(work) for _ in range(3)) / TASKS


def to_markdown(record: dict[str, Any]) -> str:
    """The record as a table: for a pixel, so that blocks of any size can be compared."""
    lines = [
        f"Measured {record['date']} on one core, {record['machine']}, torch {record['torch']}: {record['scene']}; "
        f"{record['model']}. Processor time, least of {record['repeats']}.",
        "",
        "| map | read and reduce | classify | client: store and write | pixels/s per core | bytes read per pixel |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, run in record["runs"].items():
        mean = {stage: np.mean([block[stage] for block in run["blocks"]]) for stage in run["blocks"][0]}
        micro = {stage: f"{seconds / record['block_pixels'] * 1e6:.2f} µs" for stage, seconds in mean.items()}
        lines.append(
            f"| {name} | {micro['read_and_reduce']} | {micro['classify']} | {micro['write']} "
            f"| {run['pixels_per_second']:,.0f} | {record['bytes_per_pixel']} |"
        )
    lines += ["", f"A task that does nothing takes Dask {record['scheduler_seconds'] * 1000:.2f} ms in all."]
    return "\n".join(lines) + "\n"


def measure(folder: Path, width: int, bands: int, rows: int, blocks: int, repeats: int) -> dict[str, Any]:
    """Make the scene and time the blocks of three kinds of map."""
    cube, _, wavelengths = make_scene(rows, width, bands=bands, classes=CLASSES)
    Cube(folder / "scene.hdr", cube, wavelengths).grow(rows * blocks)
    scene = open_scene(folder / "scene.hdr")
    model = make_model(scene)
    assert BandMatch(scene, None, "").matrix is None
    kinds = {
        "plain": MapOptions(),
        "blended": MapOptions(blend=True),
        "half turn and blended": MapOptions(symmetries=True, blend=True),
    }
    runs: dict[str, Any] = {}
    for name, options in kinds.items():
        click.echo(name, err=True)
        times = time_blocks(scene, model, options, rows, repeats, folder)
        worker = float(np.mean([block["read_and_reduce"] + block["classify"] for block in times]))
        runs[name] = {"blocks": times, "pixels_per_second": rows * width / worker}
    return {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "scene": f"ENVI BIL, {width} pixels wide, {bands} bands, uint16",
        "model": f"hybridsn-bn, {COMPONENTS} components, window {WINDOW}, {CLASSES} classes",
        "repeats": repeats,
        "block_pixels": rows * width,
        "bytes_per_pixel": bands * 2,
        "block_bytes": rows * width * bands * 2,
        "scheduler_seconds": scheduler_seconds(),
        "runs": runs,
    }


@click.command()
@click.option("--width", default=640, show_default=True)
@click.option("--bands", default=400, show_default=True)
@click.option("--rows", default=128, show_default=True, help="Rows of a block.")
@click.option("--blocks", default=4, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "block_times.json", show_default=True)
def main(width: int, bands: int, rows: int, blocks: int, repeats: int, out: Path) -> None:
    """Time the blocks of a map on one core and write the figures as JSON and Markdown."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        record = measure(Path(name), width, bands, rows, blocks, repeats)
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
