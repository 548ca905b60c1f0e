"""An interrupted map is resumed from its finished strips, with the result of an uninterrupted one."""

import json
import zipfile

import numpy as np
import pytest
import torch

from hsi.core.memory import MemoryPlan
from hsi.core.scene import Block, scene_from_array
from hsi.errors import OutputError, ResumeError
from hsi.inference import predict
from hsi.inference.map_files import MapOptions, layer_files
from hsi.inference.predict import MapJob, map_scene
from hsi.inference.resume import FACTS, StripCache
from hsi.preprocessing.band_matching import BandMatch
from tests.models.model_makers import random_cube, random_model

SCENE = scene_from_array(random_cube(50, 12, 15, seed=3))
BLOCK = Block(4, 0, 3, 5)
LAYERS = {"map": np.arange(15, dtype=np.uint8).reshape(3, 5), "confidence": np.full((1, 3, 5), np.nan, np.float32)}


@pytest.fixture(scope="module")
def saved():
    return random_model(SCENE)


def make(folder, saved, strips=None, progress=None):
    options, plan = MapOptions(probabilities=True, novelty=True, blend=True), MemoryPlan(9, 16, 16 << 20)
    job = MapJob(saved, BandMatch(SCENE, None, ""), options, plan, torch.device("cpu"))
    return map_scene(layer_files(folder / "map.tif", options), job, strips=strips, progress=progress)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("last", [20, 40, 50])
def test_a_resumed_map_is_that_of_an_uninterrupted_run(last, saved, tmp_path, monkeypatch):
    expected = make(tmp_path / "expected", saved)
    folder, classified = tmp_path / "stopped", []

    def stop(done, total):
        if done >= last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(folder, saved, StripCache(folder / "strips", {"seed": 1}), stop)
    assert contents(folder) == {}
    work = predict.classify_strip
    monkeypatch.setattr(predict, "classify_strip", lambda strip, *more: classified.append(strip) or work(strip, *more))
    strips = StripCache(folder / "strips", {"seed": 1})
    before = strips.done
    assert make(folder, saved, strips) == expected
    assert contents(folder) == contents(tmp_path / "expected")
    assert before and not before & {strip.block.row for strip in classified}
    strips.remove()
    assert not (folder / "strips").exists()


def test_strips_come_back_as_they_were_in_any_order(tmp_path):
    strips = StripCache(tmp_path / "p", {})
    strips.save(BLOCK, LAYERS)
    strips.save(Block(0, 0, 3, 5), LAYERS)
    again = StripCache(tmp_path / "p", {})
    assert again.done == {0, 4}
    loaded = again.load(BLOCK)
    assert loaded.keys() == LAYERS.keys()
    assert all(np.array_equal(loaded[name], LAYERS[name], equal_nan=True) for name in LAYERS)


def test_other_facts_are_refused_by_name(tmp_path):
    StripCache(tmp_path / "p", {"model": "a", "rows": 5, "smooth": None}).save(BLOCK, LAYERS)
    with pytest.raises(ResumeError, match=r"made with other model, smooth$"):
        StripCache(tmp_path / "p", {"model": "b", "rows": 5, "smooth": 3})


def test_damaged_strips_and_facts_are_refused(tmp_path):
    strips = StripCache(tmp_path / "p", {})
    strips.save(BLOCK, LAYERS)
    (path,) = (tmp_path / "p").glob("*.npz")
    content = path.read_bytes()
    with pytest.raises(ResumeError, match="another size"):
        strips.load(Block(4, 0, 2, 5))
    path.write_bytes(content[:-40])
    with pytest.raises(ResumeError, match="cannot be read"):
        strips.load(BLOCK)
    for member in ("map", "map.npy"):  # no arrays
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, b"\x93NUMPY\x01\x00\x0a\x00{'descr': (")
        with pytest.raises(ResumeError, match=path.name):
            strips.load(BLOCK)
    for text in ("{", "[]"):
        (tmp_path / "p" / FACTS).write_text(text)
        with pytest.raises(ResumeError, match=FACTS):
            StripCache(tmp_path / "p", {})


def test_files_without_facts_are_not_trusted(tmp_path):
    StripCache(tmp_path / "p", {}).save(BLOCK, LAYERS)
    (tmp_path / "p" / FACTS).unlink()
    assert StripCache(tmp_path / "p", {"rows": 1}).done == set()
    assert json.loads((tmp_path / "p" / FACTS).read_text()) == {"rows": 1}


def test_a_folder_that_was_removed_meanwhile_is_reported(tmp_path):
    strips = StripCache(tmp_path / "p", {})
    strips.remove()
    with pytest.raises(OutputError, match="was removed"):
        strips.save(BLOCK, LAYERS)
