"""A map that stopped goes on from the strips that are done, and ends as if it had not stopped."""

import json
import zipfile

import numpy as np
import pytest
import torch

from hsi.core.memory import MemoryPlan
from hsi.core.scene import Block, scene_from_array
from hsi.errors import OutputError, ResumeError
from hsi.inference.map_files import MapOptions, layer_files
from hsi.inference.predict import MapJob, map_scene
from hsi.inference.resume import FACTS, StripCache
from hsi.preprocessing.band_matching import BandMatch
from tests.models.model_makers import random_bundle, random_cube

SCENE = scene_from_array(random_cube(50, 12, 15, seed=3))
BLOCK = Block(4, 0, 3, 5)
LAYERS = {"map": np.arange(15, dtype=np.uint8).reshape(3, 5), "confidence": np.full((1, 3, 5), np.nan, np.float32)}


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(SCENE)


def make(folder, bundle, partial=None, progress=None):
    options, plan = MapOptions(probabilities=True, novelty=True, blend=True), MemoryPlan(9, 16, 16 << 20)
    job = MapJob(bundle, BandMatch(SCENE, None, ""), options, plan, torch.device("cpu"))
    return map_scene(layer_files(folder / "map.tif", options), job, partial=partial, progress=progress)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("last", [20, 40, 50])
def test_a_map_that_stopped_ends_as_one_that_did_not(last, bundle, tmp_path, monkeypatch):
    whole = make(tmp_path / "whole", bundle)
    folder, classified = tmp_path / "stopped", []

    def stop(done, total):
        if done >= last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(folder, bundle, StripCache(folder / "strips", {"seed": 1}), stop)
    assert contents(folder) == {}
    from hsi.inference import predict as mapping

    work = mapping.classify_strip
    monkeypatch.setattr(mapping, "classify_strip", lambda strip, *more: classified.append(strip) or work(strip, *more))
    partial = StripCache(folder / "strips", {"seed": 1})
    before = partial.done
    assert make(folder, bundle, partial) == whole
    assert contents(folder) == contents(tmp_path / "whole")
    assert before and not before & {strip.block.row for strip in classified}
    partial.remove()
    assert not (folder / "strips").exists()


def test_strips_come_back_as_they_were_in_any_order(tmp_path):
    partial = StripCache(tmp_path / "p", {})
    partial.save(BLOCK, LAYERS)
    partial.save(Block(0, 0, 3, 5), LAYERS)
    again = StripCache(tmp_path / "p", {})
    assert again.done == {0, 4}
    found = again.load(BLOCK)
    assert found.keys() == LAYERS.keys()
    assert all(np.array_equal(found[name], LAYERS[name], equal_nan=True) for name in LAYERS)


def test_other_facts_are_refused_by_name(tmp_path):
    StripCache(tmp_path / "p", {"model": "a", "rows": 5, "smooth": None}).save(BLOCK, LAYERS)
    with pytest.raises(ResumeError, match=r"made with other model, smooth$"):
        StripCache(tmp_path / "p", {"model": "b", "rows": 5, "smooth": 3})


def test_what_is_damaged_is_refused(tmp_path):
    partial = StripCache(tmp_path / "p", {})
    partial.save(BLOCK, LAYERS)
    (path,) = (tmp_path / "p").glob("*.npz")
    with pytest.raises(ResumeError, match="another size"):
        partial.load(Block(4, 0, 2, 5))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ResumeError, match="cannot be read"):
        partial.load(BLOCK)
    for text in ("{", "[]"):
        (tmp_path / "p" / FACTS).write_text(text)
        with pytest.raises(ResumeError, match=FACTS):
            StripCache(tmp_path / "p", {})


@pytest.mark.parametrize("member", ["map", "map.npy"])
def test_a_strip_whose_members_are_no_arrays_is_refused(member, tmp_path):
    partial = StripCache(tmp_path / "strips", {})
    partial.save(BLOCK, LAYERS)
    (path,) = (tmp_path / "strips").glob("rows-*.npz")
    header = b"\x93NUMPY\x01\x00\x0a\x00{'descr': ("
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, header)
    with pytest.raises(ResumeError, match=path.name):
        partial.load(BLOCK)


def test_files_without_facts_are_not_trusted(tmp_path):
    StripCache(tmp_path / "p", {}).save(BLOCK, LAYERS)
    (tmp_path / "p" / FACTS).unlink()
    assert StripCache(tmp_path / "p", {"rows": 1}).done == set()
    assert json.loads((tmp_path / "p" / FACTS).read_text()) == {"rows": 1}


def test_a_folder_that_was_removed_meanwhile_is_said(tmp_path):
    partial = StripCache(tmp_path / "p", {})
    partial.remove()
    with pytest.raises(OutputError, match="was removed"):
        partial.save(BLOCK, LAYERS)
