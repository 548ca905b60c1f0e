"""Does denoising improve a classification? A scene with added noise is classified with and without denoising.

Noise is added once for each level and cleaned once by each method, which learns from the noisy scene alone; then
every model is trained for each seed on the same split. PSNR and angles are against the scene before noise was added,
over all bands with added noise; that scene has noise of its own, which counts as truth.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import hsi
from benchmarks.report import ROOT, write_results
from hsi.core.installation import machine, versions
from hsi.core.scene import Scene, scene_from_array
from hsi.io import open_labels, open_scene
from hsi.preprocessing.denoisers import NoiseLevels, add_noise, denoise_scene
from hsi.preprocessing.denoisers.quality import measure_quality
from hsi.settings import DenoisingSettings
from hsi.workflows.denoise import fit_denoising

OUT = ROOT / "docs" / "results" / "denoise" / "denoising.json"
LEVELS = {
    "none added": NoiseLevels(),
    "Gaussian 0.2": NoiseLevels(gaussian=0.2),
    "Gaussian 0.6": NoiseLevels(gaussian=0.6),
    "Gaussian 0.1, stripes 0.4, dead 1 %": NoiseLevels(gaussian=0.1, stripes=0.4, dead=0.01),
}
SPARED = "Gaussian 0.6, a quarter of the bands spared"  # those from the middle on, as if noise were of some bands
LEVELS[SPARED] = NoiseLevels(gaussian=0.6)
METHODS: tuple[str | None, ...] = (None, "mnf", "tv", "dncnn")
LIGHT = {
    "mapping.symmetries": False,
    "mapping.blend": False,
    "mapping.spectral": "none",
    "training.context_dropout": 0.0,
}
WINDOW, COMPONENTS = 11, 15


def noisy_scene(scene: Scene, name: str) -> Scene:
    """The scene with the noise of that name, in memory; the same noise each time."""
    cube, levels = scene.read().astype(np.float32), LEVELS[name]
    noisy = (
        add_noise(cube, levels, cube.std(axis=(0, 1)), np.random.default_rng(0)) if levels != NoiseLevels() else cube
    )
    if name == SPARED:
        spared = slice(cube.shape[2] // 2, cube.shape[2] * 3 // 4)
        noisy[:, :, spared] = cube[:, :, spared]
    return scene_from_array(noisy, scene.name)


def cleaned_scene(noisy: Scene, method: str | None, steps: int) -> Scene:
    """The noisy scene cleaned by a method with its default settings but for the steps of DnCNN, and MNF's components:
    as many as the network is given."""
    if method is None:
        return noisy
    own: dict[str, Any] = {"dncnn": {"steps": steps}, "mnf": {"components": COMPONENTS}}.get(method, {})
    settings = DenoisingSettings(method=method, **own)
    valid = np.ones((noisy.height, noisy.width), bool)
    done = fit_denoising(noisy, valid, settings, 0, "cpu")
    return scene_from_array(denoise_scene(noisy, done.denoiser).read(), noisy.name)


def accuracy(scene: Scene, labels: Any, model: str, seed: int, epochs: int) -> float:
    """OA in percent on the test pixels of a random split of 10 % of each class."""
    how: dict[str, Any] = {"epochs": epochs, "settings": LIGHT} if model.startswith("hybridsn") else {}
    result = hsi.classify(scene, labels, model=model, window=WINDOW, train="10%", seed=seed, device="cpu", **how)
    assert result.overall_accuracy is not None
    return 100 * result.overall_accuracy


def table(record: dict[str, Any]) -> str:
    """The results for people."""
    models, seeds = record["models"], record["seeds"]
    lines = [
        "# Denoising before classifying, Indian Pines with noise added\n",
        f"`python -m benchmarks.denoising {record['scene']} --steps {record['steps']} --epochs {record['epochs']}`\n",
        f"Noise in shares of each band's standard deviation. OA in percent, mean ± standard deviation over seeds "
        f"{', '.join(map(str, seeds))}; random split, 10 % of each class; window {WINDOW}, no symmetries, no blending, "
        f"{record['epochs']} steps of training for the network; random forest on all bands. DnCNN with "
        f"{record['steps']} steps, MNF with {COMPONENTS} components. {record['machine']['processor']}, "
        f"{record['machine']['threads']} thread, {record['date']}, PyTorch {record['versions']['torch']}.\n",
        "Where bands are spared, PSNR, SSIM and angles are of the others.\n",
        "| noise | cleaned by | PSNR (dB) | SSIM | angle (°) | " + " | ".join(f"`{model}`" for model in models) + " |",
        "|---|---|---:|---:|---:|" + "---:|" * len(models),
    ]
    for row in record["rows"]:
        shown = (
            ["–"] * 3
            if row["psnr"] is None
            else [f"{row[name]:.{digits}f}" for name, digits in (("psnr", 2), ("ssim", 3), ("angle", 2))]
        )
        cells = [
            f"{statistics.fmean(v):.2f} ± {statistics.stdev(v) if len(v) > 1 else 0:.2f}" for v in row["oa"].values()
        ]
        lines.append(f"| {row['noise']} | {row['method'] or 'nothing'} | {' | '.join([*shown, *cells])} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("scene_path", metavar="SCENE", type=click.Path(path_type=Path))
@click.option("--steps", default=400, show_default=True, help="Training steps of DnCNN.")
@click.option("--epochs", default=40, show_default=True, help="Epochs of the network.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--models", default="hybridsn-bn,rf", show_default=True)
@click.option("--out", default=OUT, type=click.Path(path_type=Path, dir_okay=False))
def main(scene_path: Path, steps: int, epochs: int, seeds: int, models: str, out: Path) -> None:
    """Measure, and write the table after each row."""
    scene = open_scene(scene_path)
    labels = open_labels(None, scene)
    truth, everywhere = scene.read().astype(np.float32), np.ones((scene.height, scene.width), bool)
    record: dict[str, Any] = {"scene": str(scene_path), "steps": steps, "epochs": epochs, "seeds": [*range(seeds)]}
    record |= {"models": models.split(","), "machine": machine(), "versions": versions(), "rows": []}
    record["date"] = time.strftime("%Y-%m-%d")
    for name in LEVELS:
        noisy = noisy_scene(scene, name)
        added = (noisy.read() != truth).any(axis=(0, 1)) | (LEVELS[name] == NoiseLevels())
        for method in METHODS:
            started = time.perf_counter()
            cleaned = cleaned_scene(noisy, method, steps)
            took = time.perf_counter() - started
            quality = vars(measure_quality(truth[:, :, added], cleaned.read()[:, :, added], everywhere))
            quality = quality if np.isfinite(quality["psnr"]) else dict.fromkeys(quality)  # nothing was changed
            oa = {model: [accuracy(cleaned, labels, model, seed, epochs) for seed in range(seeds)]
                  for model in record["models"]}  # fmt: skip
            record["rows"].append({"noise": name, "method": method, **quality, "seconds": took, "oa": oa})
            print(json.dumps(record["rows"][-1]), flush=True)
    write_results(out, record, table(record))


if __name__ == "__main__":
    main()
