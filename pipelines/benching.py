"""What ``hsi bench`` measures, piece by piece, and the tables of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.workflows.provenance import machine, peak_memory, versions

from .cli_support.terminal import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.benchmarking import Rates

LARGE_COMPONENTS, LARGE_MODEL = 15, "hybridsn-bn"
LIKE_INDIAN_PINES = {"height": 145, "width": 145, "bands": 200, "classes": 16, "field": 18, "noise": 0.05}
TARGET = 0.984  # HybridSN's published overall accuracy on Indian Pines with 10 %
EPOCHS_TRIED = (40, 60, 90, 130, 190, 280)
PUBLISHED_EPOCHS = 100
WAYS = ("nothing", "map dense", "map conventional", "train dense", "train patch", "train conventional")


@dataclass(frozen=True)
class Sizes:
    """What is measured at: components and window, HybridSN's own on Indian Pines by default, runs behind a median, rows
    that are mapped the conventional way, and the side and the windows of the large scene."""

    components: int = 30
    window: int = 25
    repeats: int = 5
    rows: int = 20
    large: int = 1024
    large_windows: tuple[int, ...] = (25, 13)


def check_models(text: str) -> tuple[str, ...]:
    """The names of HybridSN variants. Raises :class:`UnknownNameError` for any other."""
    from hsi.errors import UnknownNameError
    from hsi.models import MODELS
    from hsi.models.hybridsn import HybridSN

    names = tuple(name.strip() for name in text.split(","))
    known = [name for name, entry in MODELS.items() if getattr(entry.build, "func", None) is HybridSN]
    for name in names:
        if name not in known:
            raise UnknownNameError("HybridSN variant", name, known)
    return names


class Prepared:
    """A scene's components ``(K, H, W)``, class codes and the training pixels of ``--train 10%``, seed 0."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        from hsi.io import open_labels, open_scene
        from hsi.preprocessing.reducers import fit_reducer, reduce_cube
        from hsi.settings import ReducerSettings
        from hsi.splits import make_split, parse_sample_size

        scene = open_scene(path)
        labels = open_labels(None, scene)
        cube = scene.read()
        valid = np.asarray(np.isfinite(cube).all(axis=2))
        reducer = fit_reducer(scene, ReducerSettings(name="pca", components=sizes.components), valid)
        self.components: NDArray[np.float32] = reduce_cube(cube, reducer, valid)
        self.codes, self.classes = labels.codes(), len(labels.table)
        self.train = make_split(labels, train=parse_sample_size("10%"), seed=0).train


def measure(path: Path | None, names: tuple[str, ...], sizes: Sizes, *, device: str, scratch: Path) -> dict[str, Any]:
    """All figures as one record."""
    from hsi.benchmarking import machine_rates
    from hsi.core.devices import describe_device, resolve_device

    where = resolve_device(device)
    scene = path or write_scene(scratch / "scene.npz")
    rates = machine_rates(where)
    record: dict[str, Any] = {
        "date": date.today().isoformat(),
        "device": describe_device(where),
        "machine": machine(),
        "versions": versions(),
        "scene": str(path.name) if path else "generated, as large as Indian Pines",
        "rates": {"gigamultiply_adds_s": rates.multiply_adds / 1e9, "gigabytes_s": rates.bytes / 1e9},
    }
    prepared, sides = Prepared(scene, sizes), (sizes.large // 2, sizes.large)
    pieces: dict[str, Callable[[], Any]] = {
        "map": lambda: [map_row(name, prepared, rates, where, sizes) for name in names],
        "training": lambda: [row for name in names for row in training_rows(name, prepared, rates, where, sizes)],
        "large": lambda: [large_row(window, side, rates, where) for window in sizes.large_windows for side in sides],
        "memory": lambda: memory_rows(names[-1], scene, sizes, device),
        "start": lambda: start_rows(scene, sizes.repeats),
        "classify": lambda: classify_row(scene, scratch, device),
        "target": lambda: target_row(scene, scratch, device),
    }
    with progress("bench", "pieces") as advance:
        for done, (name, piece) in enumerate(pieces.items()):
            advance(done, len(pieces), name)
            record[name] = piece()
    add_published_way(record, sizes)
    return record


def write_scene(path: Path) -> Path:
    """A generated scene with its ground truth."""
    from hsi.core.synthetic import make_scene

    sizes: dict[str, Any] = LIKE_INDIAN_PINES
    cube, labels, _ = make_scene(**sizes)
    np.savez(path, cube=cube, gt=labels)
    return path


def network(name: str, components: int, window: int, classes: int) -> Any:
    """A network of the bench, with the same weights every time."""
    from hsi.models import build_model

    return build_model(name, components=components, window=window, classes=classes, seed=0)


def map_row(name: str, scene: Prepared, rates: Rates, device: Any, sizes: Sizes) -> dict[str, Any]:
    """A variant's map of the scene."""
    from hsi.benchmarking import time_map

    model = network(name, sizes.components, sizes.window, scene.classes)
    rows = min(sizes.rows, scene.components.shape[1])
    times = time_map(model, scene.components, rates, device=device, repeats=sizes.repeats, rows=rows)
    return {"model": name, **asdict(times), "ratio": times.ratio}


def training_rows(name: str, scene: Prepared, rates: Rates, device: Any, sizes: Sizes) -> list[dict[str, Any]]:
    """A variant's passes over all labelled pixels, and over the training pixels."""
    from hsi.benchmarking import time_training

    model = network(name, sizes.components, sizes.window, scene.classes)
    passes = time_training(
        model, scene.components, scene.codes, scene.train, rates, device=device, repeats=sizes.repeats
    )
    return [{"model": name, **asdict(times), "ratio": times.ratio} for times in passes]


def large_row(window: int, side: int, rates: Rates, device: Any) -> dict[str, Any]:
    """The map of a large scene of random components, whose values make no difference to the time."""
    from hsi.benchmarking import time_map

    components = np.random.default_rng(0).standard_normal((LARGE_COMPONENTS, side, side), np.float32)
    model = network(LARGE_MODEL, LARGE_COMPONENTS, window, 6)
    times = time_map(model, components, rates, device=device, repeats=1, rows=2)
    return {"model": LARGE_MODEL, "window": window, "side": side, **asdict(times), "ratio": times.ratio}


def memory_rows(name: str, path: Path, sizes: Sizes, device: str) -> list[dict[str, Any]]:
    """Peak resident memory of each way to map and to train, in a process of its own."""
    rows = []
    for way in WAYS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(
                {"way": way, "model": name, "peak_bytes": pool.submit(peak_of, way, name, path, sizes, device).result()}
            )
    return rows


def peak_of(way: str, name: str, path: Path, sizes: Sizes, device_name: str) -> int:
    """The peak memory of this process after it has mapped some rows or trained a pass; run it in one of its own."""
    import torch

    from hsi.benchmarking import conventional_pass, conventional_scores
    from hsi.benchmarking.engines import dense_scores
    from hsi.core.devices import resolve_device
    from hsi.models.windows import pad_scene
    from hsi.settings import TrainingSettings
    from hsi.training.trainer import Trainer

    scene, device = Prepared(path, sizes), resolve_device(device_name)
    model = network(name, sizes.components, sizes.window, scene.classes)
    padded = pad_scene(torch.from_numpy(scene.components), sizes.window)
    _, height, width = scene.components.shape
    verb, _, how = way.partition(" ")
    if way == "map dense":
        dense_scores(model, padded, device)
    elif way == "map conventional":
        conventional_scores(model, padded.numpy(), min(8, height), width, device)
    elif way == "train conventional":
        conventional_pass(model, padded.numpy(), scene.codes, scene.train, device)
    elif verb == "train":
        settings = TrainingSettings.model_validate({"engine": how, "epochs": 1})
        nothing = np.zeros_like(scene.train)
        Trainer(model, padded.numpy(), scene.codes, scene.train, nothing, settings, device=device, seed=0).fit()
    return peak_memory()


def run_hsi(*words: object) -> float:
    """Wall seconds of a command in a process of its own. Raises ``RuntimeError`` with its last words if it fails."""
    command = [sys.executable, "-P", "-m", f"{__package__}.cli", *map(str, words)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"hsi {' '.join(map(str, words))}: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - started


def start_rows(path: Path, repeats: int) -> dict[str, float]:
    """Median wall seconds of commands that do little."""
    commands: dict[str, list[Any]] = {"hsi --help": ["--help"], "hsi inspect": ["inspect", path]}
    return {
        name: float(np.median([run_hsi(*words) for _ in range(repeats + 1)][1:])) for name, words in commands.items()
    }


def classify_row(path: Path, scratch: Path, device: str) -> dict[str, Any]:
    """``hsi classify`` with its defaults, by stage."""
    return classified(path, scratch / "defaults", device)


def classified(path: Path, out: Path, device: str, *options: object) -> dict[str, Any]:
    """A run of ``hsi classify``: wall seconds, seconds by stage, peak memory and overall accuracy."""
    wall = run_hsi("classify", path, "--train", "10%", "--device", device, "--out", out, *options)
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    accuracy = json.loads((out / "accuracy.json").read_text(encoding="utf-8"))
    return {
        "options": [str(word) for word in options],
        "wall": wall,
        "stages": run["seconds"],
        "peak_bytes": run["peak_memory_bytes"],
        "overall_accuracy": accuracy["overall_accuracy"],
    }


def target_row(path: Path, scratch: Path, device: str) -> dict[str, Any]:
    """The shortest training tried of a single network that maps seed 0's test pixels as well as HybridSN's paper.

    Test pixels choose nothing that is used elsewhere: this tells how long a given accuracy takes.
    """
    from hsi.settings import USUAL_WINDOW

    tried = []
    for epochs in EPOCHS_TRIED:
        options = ("--window", USUAL_WINDOW, "--epochs", epochs)
        run = classified(path, scratch / f"epochs-{epochs}", device, *options)
        tried.append({"epochs": epochs, **run})
        if run["overall_accuracy"] >= TARGET:
            break
    return {"target": TARGET, "tried": tried, "reached": tried[-1]["overall_accuracy"] >= TARGET}


def add_published_way(record: dict[str, Any], sizes: Sizes) -> None:
    """How long the published epochs take the conventional way, by the epoch that was timed, and what they hold."""
    _, training, *_ = record["training"]  # over the training pixels only
    target = record["target"]
    target["conventional"] = PUBLISHED_EPOCHS * training["conventional"]
    if target["reached"]:
        target["ratio"] = target["conventional"] / target["tried"][-1]["stages"]["train"]
    patch = sizes.window**2 * sizes.components * 8
    record["materialised_patches"] = {"Indian Pines": 145 * 145 * patch, "Pavia University": 610 * 340 * 25**2 * 15 * 8}
