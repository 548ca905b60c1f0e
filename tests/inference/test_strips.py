"""Strips of components: equal to those of the scene at once for any strips, and errors with the rows."""

import mmap
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.core.scene import Block, scene_from_array
from hsi.errors import BundleError, SceneError
from hsi.inference.strips import component_strips, read_strip, rows_around, strip_blocks
from hsi.preprocessing.reducers import fit_reducer, reduce_scene
from hsi.settings import ReducerSettings
from tests.models.model_makers import random_cube


def fitted_on(cube, components=4):
    return fit_reducer(scene_from_array(cube), ReducerSettings(components=components), np.ones(cube.shape[:2], bool))


def assembled(scene, reducer, **options):
    """All strips concatenated: components ``(K, H, W)`` and valid pixels; checks borders."""
    half = options["window"] // 2
    components, valid, row = [], [], 0
    for strip in component_strips(scene, reducer, **options):
        height = strip.block.height
        assert (strip.block.row, strip.block.column, strip.block.width) == (row, 0, scene.width)
        assert strip.padded.shape == (reducer.components, height + 2 * half, scene.width + 2 * half)
        assert strip.padded.dtype == np.float32
        components.append(strip.padded[:, half : half + height, half : half + scene.width])
        valid.append(strip.valid)
        row += height
    assert row == scene.height
    return np.concatenate(components, axis=1), np.concatenate(valid)


@given(
    height=st.integers(1, 40), width=st.integers(1, 9), rows=st.integers(1, 45), window=st.sampled_from([1, 5, 11, 25])
)
@settings(max_examples=80, deadline=None)
def test_strips_are_parts_of_the_padded_scene_and_identical_when_read_one_by_one(height, width, rows, window):
    cube, half = random_cube(height, width, 3), window // 2
    cube[height // 2, width // 2] = np.nan
    scene, usable = scene_from_array(cube), np.random.default_rng(2).random((height, width)) < 0.9
    reducer, valid = fitted_on(random_cube(9, 9, 3), 2), usable & np.isfinite(cube).all(axis=2)
    padded = np.pad(reduce_scene(scene, reducer, valid), ((0, 0), (half, half), (half, half)))
    strips = list(component_strips(scene, reducer, window=window, rows=rows, usable=usable))
    assert [strip.block for strip in strips] == strip_blocks(scene, window=window, rows=rows)
    for strip in strips:
        row, count = strip.block.row, strip.block.height
        np.testing.assert_allclose(strip.padded, padded[:, row : row + count + 2 * half], rtol=1e-5, atol=1e-5)
        assert np.array_equal(strip.valid, valid[row : row + count])
        around = rows_around(scene, strip.block, window)
        single = read_strip(scene, reducer, strip.block, window=window, usable=usable[around.slices])
        assert single.padded.tobytes() == strip.padded.tobytes()
        assert np.array_equal(single.valid, strip.valid)


def test_pixels_without_data_and_excluded_pixels_are_zero():
    cube = random_cube(20, 6, 5)
    cube[3, 1], cube[4, 2], cube[5, 3, 1] = np.nan, 0, -1
    usable = np.ones((20, 6), bool)
    usable[10:12] = False
    scene = scene_from_array(cube, nodata=-1.0)
    components, valid = assembled(scene, fitted_on(random_cube(9, 9, 5)), window=11, rows=7, usable=usable)
    expected = usable.copy()
    expected[3, 1] = expected[4, 2] = expected[5, 3] = False
    assert np.array_equal(valid, expected)
    assert np.all(components[:, ~valid] == 0) and np.all(np.any(components[:, valid] != 0, axis=0))


def test_selected_bands_are_taken_in_their_order_and_converted():
    cube = random_cube(12, 5, 6)
    scene = scene_from_array(cube).keep_bands([4, 0, 2])
    reducer = fitted_on(cube[:, :, [4, 0, 2]] * 2, 3)
    components, _ = assembled(scene, reducer, window=11, rows=4, convert=lambda values: values * 2)
    expected = reduce_scene(scene_from_array(cube[:, :, [4, 0, 2]] * 2), reducer, np.ones((12, 5), bool))
    np.testing.assert_allclose(components, expected, rtol=1e-4, atol=1e-5)


def test_each_row_is_read_once_and_the_next_ones_while_these_are_worked_on():
    cube = random_cube(50, 4, 5)
    scene = scene_from_array(cube)
    read, threads, both = [], set(), threading.Event()

    def fetch(block):
        read.append((block.row, block.height))
        threads.add(threading.get_ident())
        if block.row >= 10:
            both.set()
        return scene.fetch(block)

    strips = component_strips(replace(scene, fetch=fetch), fitted_on(cube), window=11, rows=10)
    next(strips)
    assert both.wait(timeout=10)  # begun before the second strip is requested
    list(strips)
    assert read == [(row, 10) for row in range(0, 50, 10)]
    assert threading.get_ident() not in threads


def failing(cube, row, error):
    scene = scene_from_array(cube, source="flight.dat")

    def fetch(block):
        if block.row <= row < block.row + block.height:
            raise error
        return scene.fetch(block)

    return replace(scene, fetch=fetch)


def test_an_error_of_reading_names_the_rows():
    cube = random_cube(30, 4, 5)
    strips = component_strips(failing(cube, 17, OSError("disk on fire")), fitted_on(cube), window=11, rows=10)
    with pytest.raises(SceneError, match=r"^flight.dat: rows 11 to 20 of 30 cannot be read: disk on fire$"):
        list(strips)


def test_a_memory_error_is_not_wrapped():
    cube = random_cube(30, 4, 5)
    with pytest.raises(MemoryError):
        list(component_strips(failing(cube, 17, MemoryError()), fitted_on(cube), window=11, rows=10))


def test_other_bands_than_the_reducer_knows_are_refused():
    scene = scene_from_array(random_cube(30, 4, 7))
    with pytest.raises(BundleError, match="fitted on 5"):
        list(component_strips(scene, fitted_on(random_cube(9, 9, 5)), window=11, rows=10))


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system cannot release mapped pages")
@pytest.mark.parametrize("keep", [range(5), [0, 3, 1, 4]])
def test_the_pages_of_a_mapped_file_are_released(tmp_path, keep):
    np.save(tmp_path / "cube.npy", random_cube(3000, 100, 5))
    mapped = np.load(tmp_path / "cube.npy", mmap_mode="r")
    scene = scene_from_array(mapped).keep_bands(list(keep))
    for _ in component_strips(scene, fitted_on(random_cube(9, 9, len(keep))), window=11, rows=100):
        pass
    assert resident_part(tmp_path / "cube.npy") < mapped.nbytes / 10
    assert scene.read(Block(5, 0, 1, 100)).any()  # and can be read again


def resident_part(path):
    """Bytes of a file that are mapped into this process now."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(path)):
            return next(int(fact.split()[1]) * 1024 for fact in lines if fact.startswith("Rss:"))
    return 0


@given(
    height=st.integers(1, 40),
    rows=st.integers(1, 15),
    window=st.sampled_from([1, 5, 11]),
    chosen=st.sets(st.integers(0, 40)),
)
@settings(max_examples=40, deadline=None)
def test_skipped_strips_change_no_other_and_are_not_read(height, rows, window, chosen):
    cube, read = random_cube(height, 6, 3), []
    plain, half = scene_from_array(cube), window // 2

    def fetch(block):
        read.append(block)
        return plain.fetch(block)

    scene, reducer = replace(plain, fetch=fetch), fitted_on(random_cube(9, 9, 3), 2)
    every = list(component_strips(scene, reducer, window=window, rows=rows))
    assert [strip.block for strip in every] == strip_blocks(scene, window=window, rows=rows)
    left = [strip for i, strip in enumerate(every) if i in chosen]
    skip = {strip.block.row for i, strip in enumerate(every) if i not in chosen}
    read.clear()
    found = list(component_strips(scene, reducer, window=window, rows=rows, skip=skip))
    assert [strip.block for strip in found] == [strip.block for strip in left]
    for one, other in zip(found, left, strict=True):
        assert np.array_equal(one.padded, other.padded) and np.array_equal(one.valid, other.valid)
    for block in read:
        assert any(
            block.row < strip.block.row + strip.block.height + half
            and strip.block.row - half < block.row + block.height
            for strip in left
        )
