"""Maps on a Dask cluster: the bytes of a single process, though workers are killed or hang and schedulers are lost."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from hsi.cluster.client import ClusterOptions
from hsi.cluster.predict import StripClassifier, write_map_on
from hsi.core import memory
from hsi.core.memory import MemoryPlan
from hsi.errors import ClusterError, SceneError
from hsi.inference.map_files import MapOptions, layer_files
from hsi.inference.model_file import load_model
from hsi.inference.predict import MapJob, map_scene
from hsi.inference.resume import StripCache
from hsi.io import open_scene
from hsi.preprocessing.band_matching import match_bands
from tests.cluster.conftest import SIGCONT, SIGKILL, SIGSTOP, Cluster, wait_for
from tests.io import file_makers

pytestmark = pytest.mark.slow

PLAN = MemoryPlan(20, 16, 16 << 20)
OPTIONS = MapOptions(probabilities=True, blend=True)
FILES = ("map.tif", "map_confidence.tif", "map_probabilities.tif", "map.qml", "map.tif.aux.xml")


@pytest.fixture(scope="module")
def job(work):
    saved, usable = load_model(work.model), np.random.default_rng(1).random((300, 40)) < 0.95
    match = match_bands(saved.bands, open_scene(work.scene))
    return MapJob(saved, match, OPTIONS, PLAN, torch.device("cpu"), usable)


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory):
    """The files of a map that one process made, and its counts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    summary = map_scene(layer_files(folder / "map.tif", OPTIONS), job)
    return {name: (folder / name).read_bytes() for name in FILES}, summary


@pytest.fixture
def classifier(work, job):
    return StripClassifier(
        work.model.read_bytes(), (str(work.scene),), None, None, job.match.scene.shape, False, OPTIONS, PLAN, "cpu"
    )


@pytest.fixture
def make_map(tmp_path, job, classifier):
    """A map in the test's folder by the workers at an address."""

    def work(address, classifier=classifier, **options):
        partial, files = StripCache(tmp_path / "strips", {}), layer_files(tmp_path / "map.tif", OPTIONS)
        with ClusterOptions(address).connected() as client:
            return write_map_on(client, files, classifier, job, partial, **options)

    return work


def check(folder, undisturbed, summary):
    files, expected = undisturbed
    assert summary == expected
    assert [name for name in FILES if (folder / name).read_bytes() != files[name]] == []


def test_the_files_are_those_of_one_process_to_the_byte(cluster, make_map, tmp_path, undisturbed):
    steps = []
    summary = make_map(cluster.address, progress=lambda done, total: steps.append((done, total)))
    check(tmp_path, undisturbed, summary)
    assert steps[-1] == (300, 300) and len(steps) == 15 and steps == sorted(set(steps))


def test_finished_strips_are_not_made_again(cluster, make_map, job, tmp_path, undisturbed):
    partial, steps = StripCache(tmp_path / "strips", {}), []

    def stop(done, total):
        steps.append(done)
        if len(steps) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_scene(layer_files(tmp_path / "map.tif", OPTIONS), job, progress=stop, strips=partial)
    steps.clear()
    check(tmp_path, undisturbed, make_map(cluster.address, progress=lambda done, total: steps.append(done)))
    assert len(steps) == 10


def test_a_worker_killed_in_the_middle(cluster, make_map, tmp_path, undisturbed):
    name, steps = cluster.add(), []

    def kill(done, total):
        steps.append(done)
        if len(steps) == 3:
            cluster.signal(name, SIGKILL)

    with ClusterOptions(cluster.address).connected() as client:
        wait_for(lambda: len(client.nthreads()) == 3)
    check(tmp_path, undisturbed, make_map(cluster.address, progress=kill))
    assert cluster.workers[name].wait(10) == -SIGKILL


def test_a_worker_that_hangs_in_the_middle(cluster, make_map, tmp_path, undisturbed):
    steps = []

    def stop(done, total):
        steps.append(done)
        if len(steps) == 3:
            cluster.signal("w1", SIGSTOP)

    try:
        check(tmp_path, undisturbed, make_map(cluster.address, limit=3, progress=stop))
    finally:
        cluster.signal("w1", SIGCONT)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"paths": ("/nowhere/scene.tif",)}, ClusterError, r"^worker tcp://\S+ cannot use the scene, .*: no such file"),
        ({"hiding": "mask cloud"}, SceneError, "hidden by no mask, expected hidden by mask cloud"),
        ({"shape": (301, 40, 15)}, SceneError, r"finds another scene at .*\(300, 40, 15\), not \(301, 40, 15\)"),
    ],
)
def test_a_scene_that_workers_do_not_have(changed, error, says, cluster, make_map, classifier):
    with pytest.raises(error, match=says):
        make_map(cluster.address, replace(classifier, **changed))


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _low_strips(self, monkeypatch):
        monkeypatch.setattr(memory, "ROWS", (8, 20))

    def test_on_workers_as_in_one_process(self, cluster, run, work, tmp_path):
        for out, options in (("one.tif", ()), ("many.tif", ("--scheduler", cluster.address))):
            values = ("--scale", 1.01, "--nodata", 2000)
            done = run("predict", work.model, work.scene, "--device", "cpu", *values, *options, "--out", out)
            assert done.code == 0, done.stderr
        assert "2 with 2 threads at tcp://" in done.stdout
        for end in (".tif", "_confidence.tif"):
            assert (tmp_path / f"one{end}").read_bytes() == (tmp_path / f"many{end}").read_bytes()

    def test_tiles_and_an_area(self, cluster, run, work, tmp_path):
        """Workers join and crop the scene as one process does."""
        with rasterio.open(work.scene) as raster:
            cube = np.moveaxis(raster.read(), 0, 2)
        grid = {"crs": "EPSG:32633", "transform": rasterio.Affine(20, 0, 5e5, 0, -20, 4e6)}
        down = grid["transform"] @ rasterio.Affine.translation(0, 140)
        upper = file_makers.tiff(tmp_path / "upper.tif", cube[:150], **grid)
        lower = file_makers.tiff(tmp_path / "lower.tif", cube[140:], **{**grid, "transform": down})
        marked = np.zeros((300, 40), "u1")
        marked[11:280, 3:35], marked[20:30, 5:9] = 1, 0
        area = file_makers.tiff(tmp_path / "area.tif", marked, **grid)
        for out, options in (("one.tif", ()), ("many.tif", ("--scheduler", cluster.address))):
            done = run("predict", work.model, upper, lower, "--aoi", area, "--device", "cpu", *options, "--out", out)
            assert done.code == 0, done.stderr
        assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "many.tif").read_bytes()
        with rasterio.open(tmp_path / "many.tif") as raster:
            has_data = (marked != 0) & np.isfinite(cube).all(axis=2)
            assert np.array_equal(raster.read(1) != 0, has_data[11:280, 3:35])

    def test_a_map_is_resumed_after_a_lost_scheduler(self, run, work, tmp_path):
        small = Cluster(tmp_path)

        def kill():
            wait_for(lambda: len(list(tmp_path.glob(".map.tif.*.partial/strips/rows-*.npz"))) >= 3)
            small.scheduler.kill()

        command = ("predict", work.model, work.scene, "--device", "cpu", "--no-blend")
        try:
            small.start(1)
            killing = threading.Thread(target=kill)
            killing.start()
            lost = run(*command, "--scheduler", small.address, "--out", "map.tif")
            killing.join()
        finally:
            small.stop()
        assert lost.code == 1 and "the Dask scheduler is lost" in lost.stderr and "--resume" in lost.stderr
        assert not (tmp_path / "map.tif").exists()
        resumed = run(*command, "--resume", "--out", "map.tif")
        assert resumed.code == 0 and "rows are mapped already" in resumed.stdout
        assert run(*command, "--out", "whole.tif").code == 0
        for end in (".tif", "_confidence.tif"):
            assert (tmp_path / f"map{end}").read_bytes() == (tmp_path / f"whole{end}").read_bytes()
