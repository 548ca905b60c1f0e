"""``python -m benchmarks.gpu`` measures one device in a few minutes and writes ``benchmarks/results/gpu.json``.

Device tests, both engines, a fit of the default recipe, the rate of a map, deterministic algorithms, memory and a
profile by operator. Without a GPU the sizes are small, and the report says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.engines.measure import PreparedScene, Sizes, build, classify, map_rows, training_rows, write_scene
from benchmarks.engines.rates import machine_rates, median_seconds
from benchmarks.engines.tables import maps, table, training
from benchmarks.report import RESULTS, ROOT, write_results
from hsi.core.devices import describe_device, deterministic_algorithms, resolve_device, retain_freed_memory
from hsi.core.installation import machine, versions
from hsi.core.synthetic import make_scene
from hsi.inference.blending import blend
from hsi.inference.scores import padded_scores
from hsi.models.windows import crop, pad_scene
from hsi.settings import USUAL_WINDOW, TrainingSettings
from hsi.training.trainer import Trainer
from hsi.workflows.provenance import peak_memory

MODEL, CLASSES = "hybridsn-bn", 9
TARGETS = {"training": 6.0, "pixels_s": 5e6}  # seconds of the default fit, pixels a second mapped; for an H100
OPERATORS = 12  # in a profile
FULL, QUICK = Sizes(large=2048), Sizes(components=15, window=13, repeats=2, rows=4, large=192)


@click.command()
@click.argument("scene", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--quick/--full", default=None, help="Small sizes. [default: on a CPU]")
@click.option("--tests/--no-tests", default=True, show_default=True, help="Run the tests on the device, too.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "gpu.json", show_default=True)
def main(scene: Path | None, device: str, quick: bool | None, tests: bool, out: Path) -> None:
    """Measure a device on SCENE, or on a generated one as large as Indian Pines."""
    where = resolve_device(device)
    quick = where.type == "cpu" if quick is None else quick
    with tempfile.TemporaryDirectory(prefix="hsi-gpu-") as scratch:
        record = measure(scene, where, QUICK if quick else FULL, quick=quick, tests=tests, scratch=Path(scratch))
    write_results(out, record, to_markdown(record))


def measure(
    path: Path | None, device: torch.device, sizes: Sizes, *, quick: bool, tests: bool, scratch: Path
) -> dict[str, Any]:
    """All results as one record; ``quick`` takes a small generated scene where none is given."""
    record: dict[str, Any] = {
        "date": date.today().isoformat(),
        "device": describe_device(device),
        "kind": device.type,
        "quick": quick,
        "sizes": {"components": sizes.components, "window": sizes.window, "large": sizes.large},
        "machine": machine(),
        "versions": versions(),
        "scene": path.name if path else "generated",
    }
    scene = path or (write_small_scene if quick else write_scene)(scratch / "scene.npz")
    prepared, rates = PreparedScene(scene, sizes), machine_rates(device)
    record["rates"] = {"gigamultiply_adds_s": rates.multiply_adds / 1e9, "gigabytes_s": rates.bytes / 1e9}
    pieces: dict[str, Callable[[], Any]] = {
        "tests": lambda: run_tests(device) if tests else "not run",
        "map": lambda: map_rows(MODEL, prepared, rates, device, sizes),
        "training": lambda: training_rows(MODEL, prepared, rates, device, sizes),
        "fit": lambda: classify(scene, scratch / "run", str(device), *(("--epochs", 20) if quick else ())),
        "rate": lambda: [rate_of_map(device, sizes, bfloat16) for bfloat16 in (False, True)],
        "deterministic": lambda: compare_deterministic(prepared, device, sizes),
        "profile": lambda: profile_work(prepared, device, sizes),
    }
    for name, piece in pieces.items():
        click.echo(f"measuring: {name}", err=True)
        record[name] = piece()
    return record


def write_small_scene(path: Path) -> Path:
    """A generated scene with its ground truth, for CPUs."""
    cube, labels, _ = make_scene(48, 48, bands=40, classes=6, field=12, noise=0.05)
    np.savez(path, cube=cube, gt=labels)
    return path


def run_tests(device: torch.device) -> str:
    """The last line of pytest's report on the device tests; on a CPU they run on the pretend device."""
    chosen = {} if device.type == "cpu" else {"HSI_TEST_DEVICE": str(device)}
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "tests/test_accelerator.py"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **chosen}, check=False, capture_output=True, text=True)
    click.echo(done.stdout if done.returncode else "", err=True)
    return done.stdout.strip().splitlines()[-1].strip("= ")


def rate_of_map(device: torch.device, sizes: Sizes, bfloat16: bool) -> dict[str, Any]:
    """Pixels a second of a map of random components with blending, and the largest memory on the device."""
    side, window = sizes.large, USUAL_WINDOW
    used = replace(sizes, window=window, components=15)
    components = torch.from_numpy(np.random.default_rng(0).standard_normal((15, side, side), np.float32))
    model, padded = build(MODEL, used, CLASSES), pad_scene(components, window).to(device)
    precision = partial(torch.autocast, device.type, dtype=torch.bfloat16, enabled=bfloat16)

    def work() -> None:
        probabilities = torch.empty(CLASSES, side, side, device=device)
        with precision():
            for block, scores in padded_scores(model, padded, device=device):
                probabilities[:, *block.slices] = scores.float().softmax(0)
        blend(probabilities, crop(padded, window // 2)).argmax(0).cpu()

    reset_peak(device)
    with retain_freed_memory():
        seconds = median_seconds(work, sizes.repeats)
    precise = "bfloat16" if bfloat16 else "float32"
    return {"side": side, "window": window, "precision": precise, "seconds": seconds, "pixels_s": side**2 / seconds,
            "peak_bytes": peak_bytes(device)}  # fmt: skip


def make_trainer(prepared: PreparedScene, device: torch.device, sizes: Sizes, epochs: int) -> Trainer:
    """A trainer of the default recipe on the scene, for some epochs."""
    padded = pad_scene(torch.from_numpy(prepared.components), sizes.window).numpy()
    nothing, settings = np.zeros_like(prepared.train), TrainingSettings(epochs=epochs)
    model = build(MODEL, sizes, prepared.classes)
    return Trainer(model, padded, prepared.codes, prepared.train, nothing, settings, device=device, seed=0)


def compare_deterministic(prepared: PreparedScene, device: torch.device, sizes: Sizes) -> list[dict[str, Any]]:
    """Seconds a step of two equal trainings, with and without deterministic algorithms, and whether they agree."""
    rows = []
    for wanted in (False, True):
        weights, seconds = [], []
        reset_peak(device)
        with deterministic_algorithms(wanted):
            for _ in range(2):
                trained = make_trainer(prepared, device, sizes, 2 * sizes.repeats).fit()
                weights.append(trained.model.state_dict())
                seconds.append(trained.seconds / trained.recipe.steps)
        difference = max(
            float((weights[0][name].double().cpu() - weights[1][name].double().cpu()).abs().max())
            for name in weights[0]
        )
        rows.append({"deterministic": wanted, "step": min(seconds), "largest_difference": difference,
                     "peak_bytes": peak_bytes(device)})  # fmt: skip
    return rows


def profile_work(prepared: PreparedScene, device: torch.device, sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    """The operators that take most time in training steps and in a map, with their share."""
    trainer = make_trainer(prepared, device, sizes, 3)
    padded = pad_scene(torch.from_numpy(prepared.components), sizes.window)

    def map_scene() -> None:
        for _, scores in padded_scores(trainer.model, padded, device=device):
            scores.cpu()

    return {"training": _operators(trainer.fit, device), "map": _operators(map_scene, device)}


def _operators(work: Callable[[], Any], device: torch.device) -> list[dict[str, Any]]:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities) as profiled:
        work()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {entry.key: (getattr(entry, kind) / 1e6, entry.count) for entry in profiled.key_averages()}
    total = sum(seconds for seconds, _ in times.values()) or 1.0
    largest = sorted(times.items(), key=lambda item: -item[1][0])[:OPERATORS]
    return [
        {"operator": name, "calls": calls, "seconds": seconds, "share": seconds / total}
        for name, (seconds, calls) in largest
    ]


def reset_peak(device: torch.device) -> None:
    """Let :func:`peak_bytes` count from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """The largest memory allocated on a GPU; on a CPU that of the process since it started."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()


def to_markdown(record: dict[str, Any]) -> str:
    """The report as Markdown."""
    sizes, fit = record["sizes"], record["fit"]
    quick = " **Small sizes: a check that everything runs, not figures to quote.**" if record["quick"] else ""
    head = (
        f"{record['device']}, {record['date']}, {record['machine']['processor']}, PyTorch "
        f"{record['versions']['torch']}; scene {record['scene']}, {sizes['components']} components, window "
        f"{sizes['window']}.{quick} {record['rates']['gigamultiply_adds_s']:,.0f} billion multiply-adds a second in "
        f"float32 matrix products, {record['rates']['gigabytes_s']:,.0f} GB a second copied.\n\n"
        f"Device tests{' (on the pretend device)' if record['kind'] == 'cpu' else ''}: {record['tests']}."
    )
    options = " ".join(["hsi classify", *fit["options"]])
    fitted = (
        f"`{options}`: training {fit['stages']['train']:.2f} s (H100: at most {TARGETS['training']:.0f} s), everything "
        f"{fit['wall']:.1f} s, overall accuracy {fit['overall_accuracy']:.2%}."
    )
    rates = table(
        [f"map of {sizes['large']} × {sizes['large']} with blending", "seconds", "pixels a second", "peak memory"],
        [[row["precision"], f"{row['seconds']:.3f}", f"{row['pixels_s']:,.0f}", _size(row)] for row in record["rate"]],
    )
    rates += f"\n\nWindow {USUAL_WINDOW}, 15 components; an H100 is to reach {TARGETS['pixels_s']:,.0f} in bfloat16."
    repeated = table(
        ["training", "a step", "largest difference of two runs", "peak memory"],
        [
            ["`--deterministic`" if row["deterministic"] else "default", f"{1e3 * row['step']:.1f} ms",
             f"{row['largest_difference']:.1e}", _size(row)]
            for row in record["deterministic"]
        ],
    )  # fmt: skip
    profiles = [table_of_operators(name, rows) for name, rows in record["profile"].items()]
    return "\n\n".join([head, maps(record), training(record), fitted, rates, repeated, *profiles]) + "\n"


def table_of_operators(name: str, rows: list[dict[str, Any]]) -> str:
    """A profile."""
    cells = [
        [f"`{row['operator']}`", str(row["calls"]), f"{1e3 * row['seconds']:.1f} ms", f"{row['share']:.1%}"]
        for row in rows
    ]
    return table([f"operator, {name}", "calls", "time", "share"], cells)


def _size(row: dict[str, Any]) -> str:
    return f"{row['peak_bytes'] / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
