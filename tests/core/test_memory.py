"""Amounts of memory, and plans within them."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi.core import memory
from hsi.core.memory import (
    CACHES,
    MB,
    ROWS,
    TILE_SIDES,
    MemoryModel,
    free_memory,
    limit_memory,
    parse_memory,
    plan_memory,
    resident_memory,
    usual_limit,
)
from hsi.errors import UsageError
from hsi.models import build_model

GB = 10**9


def work(**changes):
    return MemoryModel(
        **{"width": 1000, "stored": 400, "components": 30, "window": 25, "classes": 10, "outputs": 6, **changes}
    )


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1GB", 10**9), ("512 MB", 512 * 10**6), ("1.5GiB", 1.5 * 2**30), ("2g", 2 * 10**9), ("900mib", 900 * 2**20),
        ("1000000", 10**6), (" 3kB ", 3000), ("1TB", 10**12),
    ],
)  # fmt: skip
def test_parse(text, amount):
    assert parse_memory(text) == amount


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 PB", "1,5GB", "half", "1e9", "nan", "1 i"])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="write 512MB or 2GB"):
        parse_memory(text)


def test_this_process_uses_memory_and_some_is_free():
    assert 10**7 < resident_memory() < 10**11
    assert free_memory() > 0


@given(
    limit=st.floats(0.5, 30),
    window=st.sampled_from([11, 25]),
    components=st.integers(13, 60),
    width=st.integers(1, 20_000),
    stored=st.integers(10, 2000),
    outputs=st.integers(6, 100),
)
def test_a_plan_is_within_its_bounds_and_the_limit(limit, window, components, width, stored, outputs):
    job = work(window=window, components=components, width=width, stored=stored, outputs=outputs)
    budget = int(limit * GB)
    try:
        plan = plan_memory(budget, job)
    except UsageError as error:
        assert "need at least" in str(error)
        return
    assert TILE_SIDES[0] <= plan.tile <= TILE_SIDES[1] and ROWS[0] <= plan.rows <= ROWS[1]
    assert CACHES[0] <= plan.cache <= CACHES[1]
    assert plan.rows * job.row + job.network(plan.tile) + job.held + plan.cache < budget - 0.9 * resident_memory()


def test_more_memory_makes_larger_tiles_and_strips():
    plans = [plan_memory(int(limit * GB) + resident_memory(), work()) for limit in (0.5, 0.7, 1, 4)]
    assert [plan.tile for plan in plans] == sorted(plan.tile for plan in plans)
    assert plans[0].tile < plans[-1].tile == TILE_SIDES[1]
    assert plans[-1].rows == ROWS[1]


@pytest.mark.parametrize(
    ("name", "components", "window", "tile", "megabytes"),
    [
        ("hybridsn", 13, 11, 128, 166), ("hybridsn", 13, 25, 128, 237), ("hybridsn", 15, 19, 128, 221),
        ("hybridsn", 30, 11, 128, 286), ("hybridsn", 30, 19, 88, 173), ("hybridsn", 30, 25, 32, 94),
        ("hybridsn", 30, 25, 80, 184), ("hybridsn", 30, 25, 88, 202), ("hybridsn", 30, 25, 128, 381),
        ("hybridsn", 60, 11, 128, 659), ("hybridsn", 60, 25, 160, 1426),
        ("ssrn", 200, 7, 16, 36), ("ssrn", 200, 7, 62, 306), ("ssrn", 200, 7, 160, 1833), ("ssrn", 30, 7, 160, 254),
        ("cnn3d", 200, 5, 62, 168), ("cnn3d", 200, 5, 160, 1186), ("cnn3d", 100, 5, 96, 201),
        ("cnn2d", 30, 5, 160, 112), ("cnn3d", 30, 5, 160, 160), ("cnn1d", 200, 1, 160, 796),
        ("ssftt", 30, 13, 32, 38), ("ssftt", 30, 13, 160, 114),
        ("ssrn", 200, 7, None, 1022), ("ssrn", 100, 7, None, 369), ("cnn3d", 200, 5, None, 143),
        ("efficientnet", 15, 15, None, 135), ("mobilenet-v2", 15, 25, None, 302), ("mobilenet-v3", 15, 25, None, 242),
        ("resnext", 15, 25, None, 265), ("shufflenet-v1", 15, 25, None, 218), ("inception", 15, 25, None, 196),
        ("vgg", 15, 25, None, 94),
        ("cnn2d", 30, 5, None, 6), ("cnn1d", 200, 1, None, 17), ("ssftt", 30, 13, None, 110),
    ],
)  # fmt: skip
def test_measured_memory_is_within_the_estimate(name, components, window, tile, megabytes):
    bytes_each = build_model(name, components=components, window=window, classes=16).patch_bytes
    job = work(components=components, window=window, patches=0 if tile else 256, patch_bytes=bytes_each)
    assert megabytes * 10**6 < job.network(tile or 16)


def test_the_need_that_is_named_is_enough():
    with pytest.raises(UsageError) as caught:
        plan_memory(10**8, work())
    need = int(str(caught.value).split("at least ")[1].split(" ")[0].replace(",", ""))
    plan = plan_memory((need + 5) * 10**6, work())
    assert plan.tile == TILE_SIDES[0]


def test_the_patch_engine_needs_room_for_its_patches():
    with pytest.raises(UsageError):
        plan_memory(resident_memory() + 6 * 10**8, work(patches=256))
    assert plan_memory(resident_memory() + 3 * GB, work(patches=256)).tile == TILE_SIDES[1]


def test_a_process_with_a_limit_plans_within_it_and_hears_when_it_uses_more(monkeypatch):
    monkeypatch.setattr(memory, "_limit", None)
    exceeded, limit = threading.Event(), resident_memory() + 100 * MB
    limit_memory(limit, exceeded.set)
    assert usual_limit() == limit
    assert not exceeded.wait(0.2)
    array = np.ones(40 * MB)  # of float64
    assert exceeded.wait(10)
    del array
    with pytest.raises(UsageError, match=r"--max-memory is 1 MB, and .* are in use already"):
        limit_memory(MB, exceeded.set)
