"""A network that is trained on drawn labels in a process of its own, with progress, and can be cancelled.

The process runs what ``hsi classify`` runs. It gets its task as JSON on standard input, whose end also ends it, so that
nothing goes on when the server is killed, and it writes a line of JSON for each event to standard output.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import Advance, Reporter, report_to
from hsi.core.files import hash_files
from hsi.core.interrupts import interrupts_on_termination
from hsi.core.memory import MB, limit_memory
from hsi.core.scene import Block
from hsi.errors import HsiError, LabelError
from hsi.io.geotiff import gdal_env
from hsi.labelling.cross_validation import cross_validate
from hsi.labelling.quick import MOST_COMPONENTS, PixelFeatures, QuickClassifier
from hsi.labelling.store import LabelStore
from hsi.settings import InputSettings, Settings, reading_arguments
from hsi.splits import choose_rule

if TYPE_CHECKING:
    from hsi.workflows.inputs import Inputs

MODELS = ("hybridsn", "hybridsn-ds-gap")  # the second has a hundredth of the weights, and trains for longer
SECONDS_BETWEEN = 0.2  # two events of progress
SECONDS_TO_END = 10.0  # of a cancelled process, before it is killed
NICENESS = 5  # so that the page stays quick
RUN = "run"


@dataclass(frozen=True)
class NetworkTask:
    """What is trained and mapped: the files of a scene, how it and its ``options.labels`` are read, the settings, and
    the folder ``out`` that the run will have."""

    scene: tuple[Path, ...]
    options: InputSettings
    settings: Settings
    out: Path

    @property
    def classify_command(self) -> tuple[str, ...]:
        """The command that writes the same run."""
        return ("hsi", "classify", *self._arguments, "--split", str(self.settings.split.rule), "--out", str(self.out))

    @property
    def train_command(self) -> tuple[str, ...]:
        """The command that writes the same model, and no map."""
        rule = self.settings.split.rule
        split = () if rule == "all" else ("--split", str(rule))
        return ("hsi", "train", *self._arguments, *split, "--out", f"{self.out}.safetensors")

    @property
    def test_command(self) -> tuple[str, ...] | None:
        """The command that holds out half of the shapes for a test; None where that is what the run does."""
        if self.settings.split.rule != "all":
            return None
        return ("hsi", "classify", *self._arguments, "--split", "polygons", "--out", f"{self.out}-test")

    @property
    def _arguments(self) -> tuple[str, ...]:
        given, seed = (*map(str, self.scene), *reading_arguments(self.options)), self.settings.seed
        return (*given, "--model", self.settings.model.name, *(["--seed", str(seed)] if seed else []))


def make_task(
    store: LabelStore, scene: Sequence[Path], out: Path, model: str = MODELS[0], hold_out: bool = False
) -> NetworkTask:
    """The task to train a network on the labels of a store, and to map its scene.

    All shapes train, as in ``hsi train``; with ``hold_out`` about half of each class only test. Raises
    :class:`LabelError` unless two classes are drawn, and with ``hold_out`` unless each has two shapes.
    """
    labels = store.drawn_pixels().labels
    if len(labels.table) < 2:
        raise LabelError(f"{store.path}: a network needs two classes or more: draw shapes of another one")
    if hold_out and choose_rule(labels)[0] != "polygons":
        one = next(count.name for count in store.counts() if count.shapes == 1)
        raise LabelError(f"{store.path}: class '{one}' has one shape, so none can be held out: draw a second one")
    settings = Settings.model_validate({"model": {"name": model}, "split": {"rule": "polygons" if hold_out else "all"}})
    return NetworkTask(tuple(scene), store.reading_options, settings, out)


@dataclass(frozen=True)
class NetworkMap:
    """A finished run in a temporary ``folder``: its ``accuracy``, see ``accuracy.json``, and the SHA-256 of its inputs
    ``sums``."""

    folder: Path
    accuracy: Mapping[str, Any]
    sums: Mapping[str, str]

    def read(self, block: Block) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Class ids ``(h, w)`` of a part of the map, 0 for no data, and confidence float32, 1 where there is none."""
        ids, nodata = self._layer("map.tif", block)
        if (self.folder / "confidence.tif").exists():
            confidence = np.nan_to_num(self._layer("confidence.tif", block)[0])
        else:
            confidence = np.ones(ids.shape, np.float32)
        return ids if nodata is None else np.where(ids == nodata, 0, ids), confidence

    def _layer(self, name: str, block: Block) -> tuple[NDArray[Any], float | None]:
        import rasterio

        rows, columns = block.slices
        with gdal_env(), rasterio.open(self.folder / name) as dataset:
            window = ((rows.start, rows.stop), (columns.start, columns.stop))
            return dataset.read(1, window=window), dataset.nodata


@dataclass
class NetworkTraining:
    """A task that is worked on in the background.

    ``stage``, ``done`` and ``total`` say how far it is, ``warnings`` what it warned of. ``state`` is "running", then
    "finished", "cancelled" or "failed", with an ``error`` in a line. ``changed`` is called, in a thread, at each event.
    The process uses at most ``limit`` bytes of memory.
    """

    task: NetworkTask
    changed: Callable[[NetworkTraining], None] = lambda training: None
    limit: int | None = None
    state: str = "running"
    stage: str = "start"
    done: int = 0
    total: int = 0
    note: str = ""
    error: str = ""
    warnings: list[str] = field(default_factory=list)
    result: NetworkMap | None = None

    def __post_init__(self) -> None:
        self.labels_sum = sum_of_labels(self.task)
        self._folder = Path(tempfile.mkdtemp(prefix="hsi-label-"))
        with (self._folder / "errors.txt").open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
            )
        assert self._process.stdin is not None
        self._process.stdin.write(_to_json(self.task, self._folder / RUN, self.limit) + "\n")
        self._process.stdin.flush()
        self._thread = threading.Thread(target=self._follow, name="hsi-label-network", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """How far it is, in a line."""
        if self.state != "running":
            return f"network: {self.error}" if self.error else f"network {self.state}"
        return f"network: {self.stage}" + (f" {self.done / self.total:.0%}" if self.total else "")

    def cancel(self) -> None:
        """End the work; returns when the process has ended."""
        if self.state == "running":
            self.state = "cancelled"
            self._process.terminate()
            try:
                self._process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def wait(self, seconds: float | None = None) -> str:
        """Wait until it has ended; returns the state."""
        self._thread.join(seconds)
        return self.state

    def discard(self) -> None:
        """Cancel it, and remove its temporary files."""
        self.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # a line of another library
                self._take(json.loads(line))
                self.changed(self)
        code = self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        if self.state == "running":
            self._end(code)
        self.changed(self)

    def _end(self, code: int) -> None:
        if code == 0:
            try:
                self.result = _read_run(self._folder / RUN)
                self.state = "finished"
                return
            except (OSError, ValueError, KeyError) as error:
                self.error = f"its result cannot be read: {error}"
        lines = (self._folder / "errors.txt").read_text("utf-8", "replace").strip().splitlines()
        self.error = self.error or (lines[-1] if lines else f"the process ended with code {code}")
        self.state = "failed"

    def _take(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        if "stage" in event:
            self.stage, self.done, self.total, self.note = (event[key] for key in ("stage", "done", "total", "note"))
        elif "warning" in event:
            self.warnings.append(str(event["warning"]))
        elif "error" in event:
            self.error = str(event["error"])


def sum_of_labels(task: NetworkTask) -> str:
    """The SHA-256 of the labels of a task as they are now; empty where they cannot be read."""
    labels = task.options.labels
    try:
        return hash_files([labels])[str(labels)] if labels else ""
    except OSError:
        return ""


def _to_json(task: NetworkTask, folder: Path, limit: int | None) -> str:
    return json.dumps(
        {
            "scene": [str(path) for path in task.scene],
            "options": task.options.model_dump(mode="json", exclude_unset=True),
            "settings": task.settings.model_dump(mode="json", exclude_unset=True),
            "out": str(task.out),
            "folder": str(folder),
            "limit": limit,
        }
    )


def _read_run(folder: Path) -> NetworkMap:
    """A complete run."""
    if not (folder / "map.tif").exists():
        raise FileNotFoundError(folder / "map.tif")
    accuracy = json.loads((folder / "accuracy.json").read_text("utf-8"))
    record = json.loads((folder / "run.json").read_text("utf-8"))
    return NetworkMap(folder, accuracy, record["inputs"]["sha256"])


class _JsonReporter(Reporter):
    """Writes events as lines of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, **event: Any) -> None:
        self.stream.write(json.dumps(event) + "\n")
        self.stream.flush()

    def info(self, label: str, text: str, /) -> None:
        self.write(info=label, text=text)

    def warning(self, text: str) -> None:
        self.write(warning=text)

    @contextmanager
    def progress(self, title: str, unit: str) -> Iterator[Advance]:
        last = 0.0

        def advance(done: int, total: int, note: str = "") -> None:
            nonlocal last
            if done >= total or time.monotonic() - last > SECONDS_BETWEEN:
                last = time.monotonic()
                self.write(stage=title, done=int(done), total=int(total), note=note)

        self.write(stage=title, done=0, total=0, note="")
        yield advance


def cross_validate_inputs(inputs: Inputs) -> dict[str, Any]:
    """The cross-validation that the page shows, of the labels of a run, as an entry of its accuracy report."""
    valid = inputs.survey.valid
    labels = inputs.labels.masked(valid)
    features = PixelFeatures(inputs.scene, valid, components=min(MOST_COMPONENTS, len(inputs.scene.bands)))
    points = features.at(*np.nonzero(labels.labelled))
    found = cross_validate(labels, points, QuickClassifier, features.reach)
    return {"cross_validation": found and found.to_dict()}


def run_task(text: str, stream: TextIO) -> int:
    """Classify as the JSON of a task says, with events as lines of JSON; returns the exit code."""
    from hsi.workflows.classify import requested, run_classification
    from hsi.workflows.inputs import input_files, read_inputs

    values = json.loads(text)
    scene, out = tuple(map(Path, values["scene"])), Path(values["out"])
    options, settings = InputSettings(**values["options"]), Settings.model_validate(values["settings"])
    task, reporter = NetworkTask(scene, options, settings, out), _JsonReporter(stream)
    try:
        if limit := values.get("limit"):
            limit_memory(limit, lambda: _end_for_memory(reporter, limit))
        with report_to(reporter), interrupts_on_termination():
            run_classification(
                lambda: read_inputs(scene, options.labels, options),
                settings,
                Path(values["folder"]),
                task.classify_command,
                asked=requested(settings, options),
                checkpoint_seconds=None,
                sources=input_files(scene, options),
                assess_more=cross_validate_inputs if settings.split.rule == "all" else None,
            )
    except HsiError as error:
        reporter.write(error=str(error))
        return error.exit_code
    return 0


def _end_for_memory(reporter: _JsonReporter, limit: int) -> None:
    reporter.write(error=f"training needs more memory than the {limit / MB:,.0f} MB of --max-memory: give more")
    os._exit(1)  # the files are removed by the process that began this one


def main() -> int:
    """Work on the task in the first line of standard input; ends, and removes its files, when standard input ends."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    task, alone = sys.stdin.readline(), threading.Event()

    def end_with_parent() -> None:
        sys.stdin.read()
        alone.set()
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        return run_task(task, sys.stdout)
    finally:
        if alone.is_set():
            shutil.rmtree(Path(json.loads(task)["folder"]).parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
