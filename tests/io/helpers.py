"""What the tests of readers share: refusals in one line, damaged bytes, and scenes with a georeference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from hsi import open_labels
from hsi.core.memory import resident_memory
from hsi.core.scene import Block, Georeference, Scene, scene_from_array
from hsi.errors import HsiError, LabelError, SceneFileError
from hsi.io import open_scene
from tests.io.file_makers import NORTH_UP, small_cube

FEW = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def refuse_scene(path: Path, *words: str, error: type[HsiError] = SceneFileError, **options: Any) -> None:
    """The scene is refused in one line that names the file and has the words, before much memory is taken."""
    before = resident_memory()
    with pytest.raises(error) as caught:
        open_scene(path, **options).read()
    assert resident_memory() - before < 300 * 2**20
    check_message(caught.value, path.stem[:20], *words)  # a product has several files


def refuse_labels(
    path: Path | None, scene: Scene, *words: str, error: type[HsiError] = LabelError, **options: Any
) -> str:
    """The message, of one line, with which labels of a scene are refused; it has the words."""
    with pytest.raises(error) as caught:
        open_labels(path, scene, **options)
    return check_message(caught.value, path.stem if path else "", *words)


def check_message(error: HsiError, *words: str) -> str:
    message = str(error)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def check_place(scene: Scene, transform: Any, epsg: int) -> None:
    assert scene.georeference is not None
    assert scene.georeference.transform == pytest.approx(tuple(transform)[:6])
    assert CRS.from_wkt(scene.georeference.crs).to_epsg() == epsg


def utm_scene(transform: Any = NORTH_UP, crs: str | None = "EPSG:32633") -> Scene:
    """11 x 7 pixels of 30 m."""
    wkt = CRS.from_string(crs).to_wkt() if crs else None
    return replace(scene_from_array(small_cube()), georeference=Georeference(wkt, tuple(transform)[:6]))


def check_window(data: st.DataObject, scene: Scene, cube: np.ndarray) -> None:
    """A block of any place and size is the same part of the cube."""
    (height, width), draw = cube.shape[:2], data.draw
    row, column = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    block = Block(row, column, draw(st.integers(1, height - row)), draw(st.integers(1, width - column)))
    np.testing.assert_array_equal(scene.read(block), cube[block.slices])


def damage(data: st.DataObject, files: list[Path], folder: Path, edge: int | None = None) -> None:
    """Copies of the files in a folder, one with other bytes (up to ``edge`` from its ends) and perhaps cut off."""
    damaged = data.draw(st.sampled_from(files))
    for file in files:
        raw = bytearray(file.read_bytes())
        if file == damaged:
            reach = min(len(raw), edge or len(raw))
            for _ in range(data.draw(st.integers(0, 8))):
                raw[data.draw(st.integers(-reach, reach - 1))] = data.draw(st.integers(0, 255))
            raw = raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]
        (folder / file.name).write_bytes(raw)
