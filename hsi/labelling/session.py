"""One sitting: a scene, its picture, its labels and the map that follows them, computed in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, progress, warning
from hsi.core.memory import free_memory, parse_memory
from hsi.core.scene import Block, Scene, survey_scene, take_sample
from hsi.errors import HsiError, UsageError
from hsi.io.masks import open_masks
from hsi.labelling.cross_validation import CrossValidation, cross_validate
from hsi.labelling.finish import Finished, finish, free_folder
from hsi.labelling.network import NetworkTask, NetworkTraining, make_task
from hsi.labelling.picture import ScenePicture, wavelength_channels
from hsi.labelling.quick import MOST_COMPONENTS, PixelFeatures, QuickClassifier, mean_around
from hsi.labelling.store import Edit, LabelStore
from hsi.labelling.suggest import Candidates, Place, find_candidates, suggest_place
from hsi.preprocessing.bands import BandSelection
from hsi.preprocessing.reducers import reduce_cube
from hsi.settings import InputSettings
from hsi.workflows.inputs import check_usable, choose_input_bands, open_any_scene, say_dropped

AT_ONCE = 90_000  # pixels that are classified before anything is shown
COARSE = 8  # every how many pixels of a larger view are classified first
STRIP_PIXELS = 100_000  # that are classified between two checks for changes
LABELS = "_labels.gpkg"  # after the name of the scene


@dataclass(frozen=True)
class MapNow:
    """The map as far as it is: ``ids`` ``(H, W)`` uint16, 0 where there is none, ``confidence`` ``(H, W)`` uint8 from 0
    to 255, and what made it in words. Both arrays change while the map is being computed."""

    ids: NDArray[np.uint16]
    confidence: NDArray[np.uint8]
    maker: str
    done: float = 0.0  # share of the scene


class LabelSession:
    """What the page of ``hsi label`` shows and changes.

    ``path`` is the scene, ``options`` how it and its labels are read; ``max_memory``, such as ``"1GB"``, is the most to
    use, half of what is free by default. Raises what :func:`hsi.open_scene` and :class:`LabelStore` raise.
    ``listen(name, function)`` calls a function, in any thread, when "picture", "map", "labels" or "status" has changed.
    """

    def __init__(self, path: Path, options: InputSettings, max_memory: str | None = None) -> None:
        self.path, self.options = path, options
        self.limit = parse_memory(max_memory) if max_memory else free_memory() // 2
        opened = open_any_scene(path, options)
        self.full_scene = opened
        chosen = choose_input_bands(opened, options)
        with progress("survey"):
            survey = survey_scene(take_sample(chosen.apply(opened)))
        check_usable(survey, path)
        self.bands: BandSelection = chosen.without_useless(chosen.apply(opened), survey)
        say_dropped(self.bands, replace(survey, valid=np.ones((1, 1), bool)))
        self.scene: Scene = _read_by_one(self.bands.apply(opened).exclude_fill(survey.fill))
        self.use = open_masks(options, opened)
        height, width, bands = self.scene.shape
        info("scene", f"{path}: {height} x {width} pixels, {bands} bands")
        self.store = LabelStore(options.labels or labels_file(path), self.scene, options=options)
        self.picture = ScenePicture(self.scene, wavelength_channels(self.scene), self.use)
        self.map = MapNow(np.zeros((height, width), np.uint16), np.zeros((height, width), np.uint8), "", 1.0)
        self.viewport = Block(0, 0, height, width)
        self.features: PixelFeatures | None = None
        self.classifier: QuickClassifier | None = None
        self.status = ""
        self.end: Callable[[], None] = self.close  # ends the sitting
        self.training: NetworkTraining | None = None
        self.outcome: Finished | None = None
        self._trained_revision = 0
        self.accuracy: CrossValidation | None = None
        self._candidates: Candidates | None = None
        self._coarse: NDArray[np.float32] | None = None
        self._coarse_exact = False
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._revision = -1
        self._pool = ThreadPoolExecutor(4, "hsi-label")
        self.store.subscribe(self._note_edit)

    # ---- listeners and threads

    def listen(self, name: str, function: Callable[[], None]) -> None:
        """Call a function when something has changed."""
        self._listeners.setdefault(name, []).append(function)

    def forget_listeners(self) -> None:
        """Call none of the functions any more: their window is closed."""
        self._listeners.clear()

    def announce(self, name: str) -> None:
        """Call the functions that listen to a name."""
        for function in list(self._listeners.get(name, ())):
            function()

    def say(self, text: str) -> None:
        """Show a line of status."""
        self.status = text
        self.announce("status")

    def start(self) -> None:
        """Begin to read the scene and to map it, in the background."""
        self._pool.submit(self._guarded, self._follow)

    def run(self, work: Callable[[], Any]) -> None:
        """Do something in the background; an error is shown as status."""
        self._pool.submit(self._guarded, work)

    def close(self) -> None:
        """End the work in the background."""
        self._ended.set()
        self._wanted.set()
        if self.training is not None:
            self.training.discard()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def ended(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._ended.is_set()

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except HsiError as error:
            self.say(f"error: {error}")
        except Exception as error:
            if not self.ended:
                self.say(f"error: {type(error).__name__}: {error}")
                raise

    # ---- the picture and the map

    @property
    def valid(self) -> NDArray[np.bool_]:
        """The usable pixels ``(H, W)``; all until the scene has been read."""
        return self.picture.usable

    def show(self, viewport: Block) -> None:
        """Say which part of the scene is seen, which is mapped first."""
        self.viewport = viewport

    def show_channels(self, make: Callable[[Scene], Any]) -> None:
        """Show other channels; raises what ``make`` raises."""
        picture = ScenePicture(self.scene, make(self.scene), self.use)
        self.picture = picture
        self.announce("picture")
        if not picture.complete and picture.build(stopped=lambda: self.ended or self.picture is not picture):
            self.announce("picture")

    def use_map(self, ids: NDArray[Any], confidence: NDArray[Any], maker: str) -> None:
        """Show a map of another maker ``(H, W)``, such as a network's, until a label changes."""
        self._revision = self.store.revision
        scaled = np.rint(np.nan_to_num(confidence) * 255).astype(np.uint8)
        self.map = MapNow(ids.astype(np.uint16), scaled, maker, 1.0)
        self.announce("map")

    # ---- the network and the end

    def _task(self, model: str) -> NetworkTask:
        """What trains a network on the labels as they are now."""
        return make_task(self.store, [self.path], free_folder(Path("runs") / self.path.stem / "label"), model)

    @property
    def busy(self) -> bool:
        """Whether a network is being trained."""
        return self.training is not None and self.training.state == "running"

    def train(self, model: str) -> None:
        """Train a network in the background; its map is shown when it is ready.

        Raises :class:`LabelError` with fewer than two classes.
        """
        task = self._task(model)
        if self.training is not None:
            self.training.discard()
        self._trained_revision = self.store.revision
        self.training = NetworkTraining(task, self._training_changed)
        self.announce("training")

    def cancel_training(self) -> None:
        """End the training of a network."""
        if self.training is not None:
            self.training.cancel()

    def _training_changed(self, training: NetworkTraining) -> None:
        self.training = training
        self.say(training.text if training.state == "running" else "")
        if training.state == "failed":
            self.say(f"error: {training.error}")
        result = training.result
        if training.state == "finished" and result is not None:
            confidence = np.ones(result.ids.shape, np.float32) if result.confidence is None else result.confidence
            later = self.store.revision - self._trained_revision
            since = f", without the last {later} changes" if later else ""
            self.use_map(result.ids, confidence, f"network {training.task.settings.model.name}{since}")
        self.announce("training")

    def write_run(self, model: str) -> None:
        """Write labels, model, map and report in the background, as ``hsi classify`` does; then "finished" is announced
        and :attr:`outcome` has the folder and the commands."""
        task = self._task(model)
        self._trained_revision = self.store.revision
        self.run(lambda: self._write_run(task))

    def _write_run(self, task: NetworkTask) -> None:
        self.outcome = finish(task, self.training, changed=self._training_changed)
        self.announce("finished")

    def _note_edit(self, edit: Edit) -> None:
        self.announce("labels")
        self._wanted.set()

    def _follow(self) -> None:
        """Read the scene, then map it after each change of the labels, until the session ends."""
        if not self.picture.complete:
            self.say("reading the scene …")

            def advance(done: int, total: int) -> None:
                self.say(f"reading the scene: {done / total:.0%}")

            picture = self.picture
            if not picture.build(advance, lambda: self.ended):
                return
            self.announce("picture")
        self.say("computing features …")
        height, width, bands = self.scene.shape
        self.features = PixelFeatures(
            self.scene, self.valid, components=min(MOST_COMPONENTS, bands), limit=self.limit // 4
        )
        self.say("")
        if height * width <= AT_ONCE:
            for _ in self.features.prepare():
                pass
        while not self.ended:
            if self._revision != self.store.revision:
                self._remap()
            elif not self.features.ready:
                self._prepare()
            else:
                self._wanted.wait(5)
                self._wanted.clear()

    def _changed(self) -> bool:
        return self.ended or self._revision != self.store.revision

    def _prepare(self) -> bool:
        """Store the components of the scene; False where a label changed meanwhile."""
        assert self.features is not None
        for block in self.features.prepare():
            self.say(f"computing features: {(block.row + block.height) / self.scene.height:.0%}")
            if self._changed():
                return False
        self.say("")
        return True

    def _remap(self) -> None:
        """Fit the quick classifier and map first what is seen, then all of the scene."""
        features = self.features
        assert features is not None
        self._revision = self.store.revision
        labels = self.store.rasterize()
        chosen = labels.labelled & self.valid
        height, width = chosen.shape
        if not chosen.any():
            self.map = MapNow(np.zeros((height, width), np.uint16), np.zeros((height, width), np.uint8), "", 1.0)
            self.classifier = self.accuracy = None
            self.announce("map")
            self.announce("accuracy")
            return
        labels = labels.masked(self.valid)
        points = features.at(chosen)
        self.classifier = QuickClassifier().fit(points, labels.values[chosen])
        self._labelled = labels, points
        before = self.map
        self.map = MapNow(before.ids.copy(), before.confidence.copy(), "quick classifier", 0.0)
        seen = self._seen()
        if seen.height * seen.width <= AT_ONCE:
            self._map_block(seen)
        else:
            self._map_coarsely()
        self.announce("map")
        if not features.ready and not self._prepare():
            return
        rows = max(1, STRIP_PIXELS // width)
        strips = [Block(top, 0, min(rows, height - top), width) for top in range(0, height, rows)]
        if (seen.height, seen.width) == (height, width) and height * width <= AT_ONCE:
            strips = []
        strips.sort(key=lambda block: abs(block.row + block.height / 2 - seen.row - seen.height / 2))
        for number, block in enumerate(strips, 1):
            if self._changed():
                return
            self._map_block(block)
            self.map = replace(self.map, done=number / len(strips))
            self.announce("map")
        self.map = replace(self.map, done=1.0)
        self.announce("map")
        self._assess()

    def _assess(self) -> None:
        """Test the quick classifier on shapes that are held out."""
        labels, points = self._labelled
        reach = max(self.features.sides) // 2 if self.features else 0
        found = cross_validate(labels, points, QuickClassifier, reach, stopped=self._changed)
        if found is not None:
            self.accuracy = found
            self.announce("accuracy")

    def suggest(self) -> Place | None:
        """The place that is most useful to label next; None when there is none left.

        None is given twice, also after a restart: places are stored with the labels.

        Raises :class:`UsageError` while the scene is being read.
        """
        features = self.features
        if features is None or not self.picture.complete:
            raise UsageError("the scene is being read; ask again when that is done")
        if self._candidates is None:
            self._candidates = find_candidates(features, self.valid)
        drawn = self.store.rasterize()
        place = suggest_place(self._candidates, drawn.values, self.store.places, self.classifier, drawn.background)
        if place is not None:
            try:
                self.store.note_place(place.row, place.column)
            except HsiError as error:
                warning(f"{error}; after a restart this place may be suggested again")
        return place

    def _seen(self) -> Block:
        """The part of the viewport inside the scene."""
        height, width, _ = self.scene.shape
        view = self.viewport
        top, left = min(max(view.row, 0), height - 1), min(max(view.column, 0), width - 1)
        bottom, right = min(view.row + view.height, height), min(view.column + view.width, width)
        return Block(top, left, max(1, bottom - top), max(1, right - left))

    def _map_block(self, block: Block) -> None:
        assert self.features is not None
        ids, confidence = self._classify(self.features.read(block))
        valid = self.valid[block.slices]
        self.map.ids[block.slices] = np.where(valid, ids, 0)
        self.map.confidence[block.slices] = np.where(valid, confidence, 0)

    def _map_coarsely(self) -> None:
        """Map every 8th pixel, and give its class to those around it."""
        assert self.features is not None
        height, width, _ = self.scene.shape
        features = self.features
        if self._coarse is None or (features.ready and not self._coarse_exact):
            rows = range(0, height, COARSE)
            self._coarse_exact = features.ready
            read = (self._row_features(row) for row in rows)
            self._coarse = np.concatenate([one[:, ::COARSE] for one in read])
        ids, confidence = self._classify(self._coarse)
        self.map.ids[:] = np.where(self.valid, _spread(ids, height, width), 0)
        self.map.confidence[:] = np.where(self.valid, _spread(confidence, height, width), 0)

    def _row_features(self, row: int) -> NDArray[np.float32]:
        """The features ``(1, W, F)`` of a row, with means over the row alone until all components are stored."""
        features, block = self.features, Block(row, 0, 1, self.scene.width)
        assert features is not None
        if features.ready:
            return features.read(block)
        valid = self.valid[block.slices]
        components = reduce_cube(self.scene.read(block), features.reducer, valid).transpose(1, 2, 0)
        return np.concatenate([mean_around(components, valid, side) for side in features.sides], axis=2)

    def _classify(self, features: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        assert self.classifier is not None
        ids, probabilities = self.classifier.predict(features)
        return ids.astype(np.uint16), np.rint(probabilities.max(axis=-1) * 255).astype(np.uint8)

    def spectrum(self, row: int, column: int) -> NDArray[np.float64] | None:
        """The spectrum ``(B,)`` of a pixel; None where it cannot be used."""
        height, width, _ = self.scene.shape
        if not (0 <= row < height and 0 <= column < width) or not self.valid[row, column]:
            return None
        return np.asarray(self.scene.read(Block(row, column, 1, 1))[0, 0], np.float64)


def _spread(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Values ``(h, w)`` of every 8th pixel for all pixels ``(height, width)``."""
    return np.repeat(np.repeat(values, COARSE, axis=0), COARSE, axis=1)[:height, :width]


def labels_file(scene: Path) -> Path:
    """Where the labels of a scene are unless they are named: ``scene_labels.gpkg`` for ``scene.hdr``."""
    return scene.with_name(f"{scene.stem}{LABELS}")


def _read_by_one(scene: Scene) -> Scene:
    """The same scene, read by one thread at a time: not all libraries of files allow more."""
    lock, fetch = threading.Lock(), scene.fetch

    def fetch_alone(block: Block) -> NDArray[Any]:
        with lock:
            return fetch(block)

    return replace(scene, fetch=fetch_alone)
