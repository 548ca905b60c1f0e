"""Map a scene that is larger than memory: ``python -m benchmarks.streaming --size 20GB --max-memory 1GB``.

A generated scene is repeated into an ENVI cube of the size asked for, in a temporary folder. A small model is trained
on the generated scene, and ``hsi predict`` maps a quarter of the cube's height, then all of it, each in a process of
its own. Reported are its peak resident memory as the system counts it, and the throughput of mapping: reading,
reducing, classifying and writing.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.report import RESULTS, run_hsi, write_results
from hsi.core.devices import describe_device, resolve_device
from hsi.core.memory import parse_memory
from hsi.core.synthetic import make_scene

BLOCK_ROWS = 128  # rows of the generated scene
HEADER = """ENVI
description = {{a generated scene, repeated}}
samples = {width}
lines = {height}
bands = {bands}
header offset = 0
file type = ENVI Standard
data type = 12
interleave = bil
byte order = 0
wavelength units = Nanometers
wavelength = {{{wavelengths}}}
map info = {{UTM, 1, 1, 500000, 4480000, 20, 20, 16, North, WGS-84, units=Meters}}
"""


class Cube:
    """An ENVI cube, band interleaved by line, that grows by repeating a block of rows ``(h, W, B)`` uint16."""

    def __init__(self, header: Path, block: np.ndarray, wavelengths: np.ndarray) -> None:
        self.header, self.wavelengths, self.height = header, wavelengths, 0
        self.lines = np.ascontiguousarray(block.transpose(0, 2, 1))  # (h, B, W)

    def grow(self, height: int) -> None:
        """Add rows until there are ``height``."""
        with self.header.with_suffix(".img").open("ab") as file:
            while self.height < height:
                start = self.height % len(self.lines)
                rows = self.lines[start : start + height - self.height]
                rows.tofile(file)
                self.height += len(rows)
        _, bands, width = self.lines.shape
        listed = ", ".join(f"{nm:.3f}" for nm in self.wavelengths)
        text = HEADER.format(width=width, height=self.height, bands=bands, wavelengths=listed)
        self.header.write_text(text, encoding="ascii")


def train_model(folder: Path, block: np.ndarray, labels: np.ndarray, wavelengths: np.ndarray, device: str) -> Path:
    """A model of the smallest network, trained on the generated scene."""
    scene, truth, model = folder / "block.hdr", folder / "block_gt.npy", folder / "model.safetensors"
    Cube(scene, block, wavelengths).grow(len(block))
    np.save(truth, labels)
    small = ("--components", 13, "--window", 11, "--train", 100, "--epochs", 5, "--device", device)
    run_hsi("train", scene, "--labels", truth, *small, "--out", model)
    return model


def map_cube(cube: Cube, model: Path, max_memory: str, device: str) -> dict[str, Any]:
    """Map a cube and say how it went."""
    out = model.with_name("map.tif")
    options = ("--overwrite", "--max-memory", max_memory, "--device", device, "--no-symmetries")
    run_hsi("predict", model, cube.header, "--out", out, *options)
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    seconds = record["seconds"]["map"]
    _, bands, width = cube.lines.shape
    pixels = cube.height * width
    return {
        "rows": cube.height,
        "pixels": pixels,
        "megabytes": pixels * bands * 2 / 10**6,
        "peak_megabytes": record["peak_memory_bytes"] / 10**6,
        "seconds": seconds,
        "pixels_per_second": pixels / seconds,
        "megabytes_per_second": pixels * bands * 2 / 10**6 / seconds,
        "strip_rows": record["rows"],
        "tile": record["tile"],
    }


def to_markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    lines = [
        f"Measured {record['date']} on {record['device']}, torch {record['torch']}: "
        f"{record['model']}; {record['scene']}; `--max-memory {record['max_memory']}`.",
        "",
        "| scene | rows | pixels | peak memory | time | pixels/s | MB/s |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for run in record["runs"]:
        lines.append(
            f"| {run['megabytes'] / 1000:,.2f} GB | {run['rows']:,} | {run['pixels']:,} "
            f"| {run['peak_megabytes']:,.0f} MB | {run['seconds']:,.1f} s | {run['pixels_per_second']:,.0f} "
            f"| {run['megabytes_per_second']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def measure(folder: Path, size: int, max_memory: str, width: int, bands: int, device: str) -> dict[str, Any]:
    """Make scene and model in a folder and map a quarter, then all of it."""
    height = max(4, size // (width * bands * 2))
    block, labels, wavelengths = make_scene(BLOCK_ROWS, width, bands=bands, classes=6)
    model = train_model(folder, block, labels, wavelengths, device)
    cube, runs = Cube(folder / "flightline.hdr", block, wavelengths), []
    for rows in (height // 4, height):
        cube.grow(rows)
        click.echo(f"mapping {rows:,} rows", err=True)
        runs.append(map_cube(cube, model, max_memory, device))
    return {
        "date": date.today().isoformat(),
        "device": f"{describe_device(resolve_device(device))}, {platform.machine()}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "model": "hybridsn-bn, 13 components, window 11, no averaging over symmetries",
        "scene": f"ENVI BIL, {width} pixels wide, {bands} bands, uint16",
        "max_memory": max_memory,
        "runs": runs,
    }


@click.command()
@click.option("--size", default="20GB", show_default=True, help="Size of the cube.")
@click.option("--max-memory", default="1GB", show_default=True, help="Given to 'hsi predict'.")
@click.option("--width", default=640, show_default=True)
@click.option("--bands", default=400, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the temporary folder is made.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "streaming.json", show_default=True)
def main(size: str, max_memory: str, width: int, bands: int, device: str, folder: Path | None, out: Path) -> None:
    """Map a large scene in little memory and write the figures as JSON and Markdown."""
    wanted, free = parse_memory(size), shutil.disk_usage(folder or tempfile.gettempdir()).free
    if wanted * 1.1 > free:
        raise click.ClickException(f"{size} do not fit where {free / 10**9:.1f} GB are free: give another --folder")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        record = measure(Path(name), wanted, max_memory, width, bands, device)
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
