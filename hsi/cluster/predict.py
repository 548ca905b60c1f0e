"""A map whose strips are classified by Dask workers that read the scene themselves; the client writes it."""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from distributed import Client, Worker, WorkerPlugin, get_worker
from numpy.typing import NDArray

from hsi.cluster.tasks import TaskQueue
from hsi.core.devices import resolve_device, retain_freed_memory
from hsi.core.events import Advance
from hsi.core.memory import MemoryPlan
from hsi.core.scene import Block, crop_scene
from hsi.errors import ClusterError, HsiError, SceneError
from hsi.inference.map_files import MapOptions, MapSummary
from hsi.inference.model_file import load_model, match_scene
from hsi.inference.predict import AS_STORED, MapJob, SceneValues, classify_strip
from hsi.inference.resume import StripCache
from hsi.inference.strips import read_strip, rows_around
from hsi.io import open_scene
from hsi.io.formats._product import scale_scene
from hsi.preprocessing.stack import join_scenes

BLOCK_SECONDS = 600.0  # the usual time limit of a strip
TAKE_SECONDS, DROP_SECONDS = 300, 10  # for all workers to take the model, with what they have to import, and to drop it


@dataclass
class StripClassifier(WorkerPlugin):  # type: ignore[misc]
    """All that a worker needs to classify any strip of a scene: the bytes of the model's file, the scene's ``paths``,
    absolute or behind a network and several of a mosaic, the ``asset`` where it is a STAC Item, the ``window`` of it
    that is mapped, whose ``shape`` is ``(H, W, bands)``, the masks that are ``hiding`` pixels of it, and how the map is
    made.

    A plug-in of Dask's is sent to each worker once, and to those that come later. Scene and model are opened with the
    first strip, so that an error belongs to a strip and reaches the client.
    """

    model: bytes
    paths: tuple[str, ...]
    variable: str | None
    axes: str | None
    shape: tuple[int, int, int]
    resample: bool
    options: MapOptions
    plan: MemoryPlan
    device: str
    window: Block | None = None
    values: SceneValues = AS_STORED
    asset: str | None = None
    hiding: str = ""
    job: MapJob | None = field(default=None, init=False, repr=False)
    idempotent = True

    @property
    def name(self) -> str:
        """A name that no other map has."""
        facts = repr(replace(self, model=b"")).encode()
        return f"hsi-map-{hashlib.sha256(self.model + facts).hexdigest()[:16]}"

    def setup(self, worker: Worker) -> None:
        """Use one thread for each strip; memory that is freed stays with the process."""
        self.worker, self.stack = worker, ExitStack()
        self.stack.enter_context(retain_freed_memory())
        self.threads_before = torch.get_num_threads()
        torch.set_num_threads(1)

    def teardown(self, worker: Worker) -> None:
        """Release the model and the memory."""
        self.job = None
        torch.set_num_threads(self.threads_before)
        self.stack.close()

    def classify(self, block: Block, usable: NDArray[np.bool_] | None) -> dict[str, NDArray[Any]]:
        """The layers of a strip; ``usable`` ``(rows, W)`` is of the rows that its windows cover."""
        self.job = job = self.job or self._open()
        with rasterio.Env(GDAL_CACHEMAX=job.plan.cache):
            how: dict[str, Any] = {"window": job.window, "convert": job.match.convert, "usable": usable}
            strip = read_strip(job.match.scene, job.saved.reducer, block, **how)
        return classify_strip(strip, job)

    def _open(self) -> MapJob:
        here = f"worker {self.worker.address}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            path.write_bytes(self.model)
            saved = load_model(path)
        try:
            parts = [open_scene(path, self.variable, self.axes, asset=self.asset) for path in self.paths]
            scale, nodata, fill = self.values.scale, self.values.nodata, self.values.fill
            parts = [part if nodata is None else part.declare_nodata(nodata) for part in parts]
            scene = join_scenes(parts)
            scene = replace(scene, wavelengths=self.values.wavelengths or scene.wavelengths)
            scene = crop_scene(scene, self.window) if self.window else scene
            scene = scene if scale == 1 else scale_scene(scene, [scale], [0.0])
            match = match_scene(saved, scene, self.resample, device=self.device, fill=fill)
        except HsiError as error:
            raise ClusterError(f"{here} cannot use the scene, which has to be in shared storage: {error}") from None
        if match.scene.shape != self.shape:
            raise SceneError(f"{here} finds another scene at {self.paths[0]}: {match.scene.shape}, not {self.shape}")
        if match.scene.hiding != self.hiding:  # such as a mask of a STAC Item that only some machines can read
            found, wanted = (f"hidden by {masks or 'no mask'}" for masks in (match.scene.hiding, self.hiding))
            raise SceneError(f"{here} reads {self.paths[0]} with pixels {found}, expected {wanted}: see its warnings")
        return MapJob(saved, match, self.options, self.plan, resolve_device(self.device))


def classify_block(name: str, block: Block, usable: NDArray[np.bool_] | None) -> dict[str, NDArray[Any]]:
    """The task of a worker: the layers of a strip by the plug-in of that name."""
    classifier: StripClassifier = get_worker().plugins[name]
    return classifier.classify(block, usable)


@contextmanager
def _registered(client: Client, classifier: StripClassifier) -> Iterator[None]:
    """Every worker has the classifier within the block."""
    try:
        # not client.register_plugin, which waits for a worker that hangs as long as it hangs
        client.sync(client._register_worker_plugin, classifier, classifier.name, True, callback_timeout=TAKE_SECONDS)
    except (OSError, TimeoutError):
        raise ClusterError("not all workers take the model: restart those that hang, or the scheduler") from None
    try:
        yield
    finally:
        if client.status == "running":
            with suppress(OSError, TimeoutError):  # a worker hangs, or all is lost
                client.sync(
                    client.scheduler.unregister_worker_plugin, name=classifier.name, callback_timeout=DROP_SECONDS
                )


def write_map_on(
    client: Client,
    files: Mapping[str, Path],
    classifier: StripClassifier,
    job: MapJob,
    partial: StripCache,
    *,
    limit: float = BLOCK_SECONDS,
    progress: Advance | None = None,
) -> MapSummary:
    """As :func:`hsi.inference.predict.map_scene`, with the same bytes, with strips that a client's workers classify.

    Each strip is saved in ``partial`` as it arrives, in whatever order, and written once all above it are there;
    strips that ``partial`` has are not made again. A strip without a result ``limit`` seconds after it was submitted
    is sent to another worker. Raises :class:`ClusterError` when the scheduler is lost, with ``partial`` as it was then,
    and what workers and writing raise.
    """
    name, scene, blocks = classifier.name, job.match.scene, {block.row: block for block in job.blocks()}

    def arguments(block: Block) -> tuple[Any, ...]:
        rows = rows_around(scene, block, job.window).slices
        return name, block, None if job.usable is None else job.usable[rows]

    unwritten = deque(blocks.values())
    with job.writer(files) as writer, _registered(client, classifier):

        def write_ready() -> None:
            while unwritten and unwritten[0].row in partial.done:
                block = unwritten.popleft()
                writer.add(block, partial.load(block))

        write_ready()
        missing = [(row, arguments(block)) for row, block in blocks.items() if row not in partial.done]
        for row, layers in TaskQueue(client, classify_block, limit, "rows").results(missing):
            partial.save(blocks[row], layers)
            write_ready()
            if progress:
                progress(sum(blocks[done].height for done in partial.done), scene.height)
    return writer.summary()
