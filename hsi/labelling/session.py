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
from hsi.core.memory import MB, free_memory, parse_memory, resident_memory, return_freed_memory, scratch_array
from hsi.core.scene import Block, Scene, forget_pages, survey_scene, take_sample
from hsi.errors import HsiError, UsageError
from hsi.io.masks import open_masks
from hsi.labelling.cross_validation import CrossValidation, cross_validate
from hsi.labelling.finish import Finished, finish, free_folder
from hsi.labelling.network import NetworkTask, NetworkTraining, make_task
from hsi.labelling.picture import Channels, ScenePicture, step_for, wavelength_channels
from hsi.labelling.quick import MOST_COMPONENTS, PixelFeatures, QuickClassifier, mean_around
from hsi.labelling.store import Edit, LabelStore
from hsi.labelling.suggest import Candidates, Place, find_candidates, suggest_place
from hsi.preprocessing.bands import BandSelection
from hsi.preprocessing.reducers import reduce_cube
from hsi.settings import InputSettings
from hsi.workflows.inputs import check_usable, choose_input_bands, open_any_scene, say_dropped

AT_ONCE = 90_000  # pixels that are classified before anything is shown
STRIP_PIXELS = 50_000  # whose features are read at a time
PIECE_PIXELS = 10_000  # that are classified between two checks for changes
ROWS_BETWEEN = 8  # rows of the coarse map that are computed between two checks
WORKING = 620 * MB  # what reading, features and classifying take for a scene of any size, and libraries loaded later
VALID_BYTES = 1  # of a pixel, whether it is usable
LABELS = "_labels.gpkg"  # after the name of the scene


@dataclass(frozen=True)
class MapNow:
    """The map as far as it is: ``ids`` ``(H, W)`` uint16, 0 where there is none, ``confidence`` ``(H, W)`` uint8 from 0
    to 255, and what made it in words. Both arrays change while a map is being computed, and may be those of a file."""

    ids: NDArray[np.uint16]
    confidence: NDArray[np.uint8]
    maker: str
    done: float = 0.0  # share of the scene


class LabelSession:
    """What the page of ``hsi label`` shows and changes.

    ``path`` is the scene, ``options`` how it and its labels are read; ``max_memory``, such as ``"1GB"``, is the most to
    use in this process, half of what is free by default, and the most in that which trains a network. What has a value
    for each pixel is in temporary files where memory is short. Raises :class:`UsageError` for too little of it, and
    what :func:`hsi.open_scene` and :class:`LabelStore` raise.
    ``listen(name, function)`` calls a function, in any thread, when "picture", "map", "labels" or "status" has changed.
    """

    def __init__(self, path: Path, options: InputSettings, max_memory: str | None = None) -> None:
        self.path, self.options = path, options
        opened = open_any_scene(path, options)
        self.limit = parse_memory(max_memory) if max_memory else None
        room = plan_room(opened, self.limit)
        return_freed_memory()
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
        self._room = room // 2  # for components; the rest is for the picture and the map
        self.picture = self._make_picture(wavelength_channels(self.scene))
        ids, confidence = (scratch_array((height, width), dtype, room // 16) for dtype in (np.uint16, np.uint8))
        self.map = MapNow(ids, confidence, "", 1.0)
        self.viewport = self.scene.extent
        self.features: PixelFeatures | None = None
        self.classifier: QuickClassifier | None = None
        self.status = ""
        self.end: Callable[[], None] = self.close  # ends the sitting
        self.training: NetworkTraining | None = None
        self.outcome: Finished | None = None
        self._trained_revision = 0
        self.accuracy: CrossValidation | None = None
        self._candidates: Candidates | None = None
        self._coarse_step = max(8, step_for((height * width) ** 0.5, (AT_ONCE / 2) ** 0.5))
        self._coarse: list[NDArray[np.float32]] = []  # features of every such row and column
        self._exact: list[NDArray[np.float32]] = []  # the same from stored components
        self._writing = threading.Lock()
        self._turn = 0  # grows with each maker of the map
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
        picture = self.picture = self._make_picture(make(self.scene))
        self.announce("picture")
        if not picture.complete and picture.build(stopped=lambda: self.ended or self.picture is not picture):
            self.announce("picture")

    def _make_picture(self, channels: Channels) -> ScenePicture:
        return ScenePicture(self.scene, channels, self.use, most=self._room // 4)

    def use_map(self, read: Callable[[Block], tuple[NDArray[Any], NDArray[Any]]], maker: str) -> None:
        """Show a map of another maker, such as a network's, until a label changes; ``read(block)`` gives its class ids
        and confidence, 0 to 1."""
        with self._writing:
            self._turn += 1
            self._revision = self.store.revision
            for block in self._strips():
                ids, confidence = read(block)
                self.map.ids[block.slices] = ids
                self.map.confidence[block.slices] = np.rint(confidence * 255)
            self._release()
            self.map = replace(self.map, maker=maker, done=1.0)
        self.announce("map")

    def _strips(self) -> list[Block]:
        """The scene in strips of complete rows."""
        return list(self.scene.extent.strips(max(1, STRIP_PIXELS // self.scene.width)))

    def _release(self) -> None:
        """Pages of the map's files do not count as this process's memory."""
        forget_pages(self.map.ids)
        forget_pages(self.map.confidence)

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
        self.training = NetworkTraining(task, self._training_changed, self.limit)
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
            later = self.store.revision - self._trained_revision
            since = f", without the last {later} changes" if later else ""
            self.use_map(result.read, f"network {training.task.settings.model.name}{since}")
        self.announce("training")

    def write_run(self, model: str) -> None:
        """Write labels, model, map and report in the background, as ``hsi classify`` does; then "finished" is announced
        and :attr:`outcome` has the folder and the commands."""
        task = self._task(model)
        self._trained_revision = self.store.revision
        self.run(lambda: self._write_run(task))

    def _write_run(self, task: NetworkTask) -> None:
        try:
            self.outcome = finish(task, self.training, changed=self._training_changed, limit=self.limit)
        finally:
            self.announce("training")  # so that Finish can be pressed again where it failed
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
        most = min(MOST_COMPONENTS, bands)
        self.features = PixelFeatures(self.scene, self.valid, components=most, limit=self._room)
        self.say("")
        if height * width <= AT_ONCE:
            for _ in self.features.prepare():
                pass
        while not self.ended:
            try:
                if self._revision != self.store.revision:
                    self._remap()
                elif not self.features.ready:
                    self._prepare()
                else:
                    self._wait(5)
            except HsiError as error:  # such as of a drive that was away for a while
                self.say(f"error: {error}; it is tried again when a label changes")
                self._wait()

    def _wait(self, seconds: float | None = None) -> None:
        """Wait until a label changes or the session ends."""
        self._wanted.wait(seconds)
        self._wanted.clear()

    def _changed(self) -> bool:
        return self.ended or self._revision != self.store.revision

    def _prepare(self) -> bool:
        """Store the components of the scene; False where a label changed meanwhile."""
        features = self.features
        assert features is not None
        if not self._sample(self._changed):
            return False
        for block in features.prepare():
            self.say(f"computing features: {(block.row + block.height) / self.scene.height:.0%}")
            if self._changed():
                return False
        self.say("")
        return self._sample(self._changed)

    def _sample(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Features of every few rows and columns, for the first map of a large view; False where it was ``stopped``."""
        features, (height, width, _) = self.features, self.scene.shape
        assert features is not None
        if height * width <= AT_ONCE:
            return True
        target, step = self._exact if features.ready else self._coarse, self._coarse_step
        for number, row in enumerate(range(len(target) * step, height, step)):
            if number % ROWS_BETWEEN == 0 and stopped():
                return False
            target.append(self._row_features(row)[0, ::step])
        return True

    def _remap(self) -> None:
        """Fit the quick classifier and map first what is seen, then all of the scene."""
        features = self.features
        assert features is not None
        with self._writing:
            self._turn += 1
            turn, self._revision = self._turn, self.store.revision
        drawn = self.store.drawn_pixels()
        labels = drawn.labels.masked(drawn.cut(self.valid))
        rows, columns = np.nonzero(labels.labelled)
        if not rows.size:
            for block in self._strips():
                self.map.ids[block.slices] = self.map.confidence[block.slices] = 0
            self._release()
            self.map = replace(self.map, maker="", done=1.0)
            self.classifier = self.accuracy = None
            self.announce("map")
            self.announce("accuracy")
            return
        points = features.at(drawn.rows[rows], drawn.columns[columns])
        self.classifier = QuickClassifier().fit(points, labels.values[rows, columns])
        self._labelled = labels, points
        self.map = replace(self.map, maker="quick classifier", done=0.0)
        seen, strips = self._seen(), self._strips()
        if seen.height * seen.width <= AT_ONCE:
            if not self._map_block(seen, turn):
                return
        else:
            self._map_coarsely(turn)
        self.announce("map")
        if not features.ready and not self._prepare():
            return
        if (seen.height, seen.width) == self.scene.shape[:2] and seen.height * seen.width <= AT_ONCE:
            strips = []  # it is done
        strips.sort(key=lambda block: abs(block.row + block.height / 2 - seen.row - seen.height / 2))
        for number, block in enumerate(strips, 1):
            if not self._map_block(block, turn):
                return
            self.map = replace(self.map, done=number / len(strips))
            self.announce("map")
        self.map = replace(self.map, done=1.0)
        self.announce("map")
        self._assess()

    def _assess(self) -> None:
        """Test the quick classifier on shapes that are held out."""
        assert self.features is not None
        found = cross_validate(*self._labelled, QuickClassifier, self.features.reach, stopped=self._changed)
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
        drawn, found = self.store.drawn_pixels(), self._candidates
        labels = drawn.at(found.rows, found.columns)
        place = suggest_place(found, labels, self.store.places, self.classifier, drawn.labels.background)
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

    def _map_block(self, block: Block, turn: int) -> bool:
        """Map a block; False, and the rest is not done, where a label has changed, or another map than that of the
        ``turn`` has begun."""
        assert self.features is not None
        if self._changed():
            return False
        features = self.features.read(block)
        for part in block.strips(max(1, PIECE_PIXELS // block.width)):
            top = part.row - block.row
            if self._changed() or not self._write(part, turn, *self._classify(features[top : top + part.height])):
                return False
        return True

    def _write(self, block: Block, turn: int, ids: NDArray[Any], confidence: NDArray[Any]) -> bool:
        valid = self.valid[block.slices]
        with self._writing:
            if turn != self._turn:
                return False
            self.map.ids[block.slices] = np.where(valid, ids, 0)
            self.map.confidence[block.slices] = np.where(valid, confidence, 0)
            self._release()
        return True

    def _map_coarsely(self, turn: int) -> None:
        """Map every few rows and columns, and give their classes to the pixels around them."""
        step = self._coarse_step
        ids, confidence = self._classify(self._coarse_features())
        for block in self._strips():
            places = np.ix_(*(np.arange(each.start, each.stop) // step for each in block.slices))
            self._write(block, turn, ids[places], confidence[places])

    def _coarse_features(self) -> NDArray[np.float32]:
        """The features ``(h, w, F)`` of every few rows and columns; computed now where that has not been done."""
        assert self.features is not None
        for known in (self._exact, self._coarse):
            if len(known) * self._coarse_step >= self.scene.height:
                return np.stack(known)
        self._sample()
        return np.stack(self._exact if self.features.ready else self._coarse)

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


def plan_room(scene: Scene, limit: int | None) -> int:
    """Bytes for arrays of a scene's size within a ``limit`` of memory, besides those that always are in memory.

    Without a limit it is half of what is free. Raises :class:`UsageError` for a limit that is too small for the scene.
    """
    working = WORKING + VALID_BYTES * scene.height * scene.width
    if limit is None:
        return max(0, free_memory() // 2 - working)
    least = resident_memory() + working
    if limit < least:
        need = f"at least {least / MB + 1:,.0f} MB"
        raise UsageError(f"{scene.source}: --max-memory is {limit / MB:,.0f} MB, and labelling this scene needs {need}")
    return limit - least


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
