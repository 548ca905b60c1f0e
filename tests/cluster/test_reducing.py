"""Reducers fitted by workers: what one pass over the scene gives, and always the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hsi.cluster.connecting import connected
from hsi.cluster.reducing import fit_reducer_on
from hsi.config import ReducerSettings
from hsi.errors import ClusterError, SceneFileError, UsageError
from hsi.readers import open_scene
from hsi.reducers import fit_reducer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(cluster):
    with connected(scheduler=cluster.address) as client:
        yield client


@pytest.fixture(scope="module")
def scene(work):
    return open_scene(work.scene).keep_bands([0, 1, 2, 4, 5, 7, 8, 9, 11, 14])


@pytest.fixture(scope="module")
def valid(scene):
    mask = np.isfinite(scene.read()).all(axis=2)
    mask[::7, 3:9] = False
    return mask


@pytest.mark.parametrize("name", ["pca", "mnf", "identity"])
def test_the_same_as_in_one_pass_to_rounding(name, client, scene, valid):
    settings, steps = ReducerSettings(name=name, components=None if name == "identity" else 5), []
    fitted = fit_reducer_on(
        client, scene, settings, valid, lambda done, total: steps.append((done, total)), budget=32_000
    )
    for key, value in fit_reducer(scene, settings, valid).state().items():
        np.testing.assert_allclose(fitted.state()[key], value, rtol=1e-6, atol=1e-9)
    again = fit_reducer_on(client, scene, settings, valid, budget=32_000)
    assert all(again.state()[key].tobytes() == value.tobytes() for key, value in fitted.state().items())
    assert steps[-1] == (300, 300)


def test_settings_that_do_not_suit_are_refused_before_any_work(client, scene, valid):
    with pytest.raises(UsageError, match="11 components asked for"):
        fit_reducer_on(client, scene, ReducerSettings(components=11), valid)


def test_a_scene_that_workers_do_not_see(client, scene, valid):
    with pytest.raises((SceneFileError, ClusterError), match=r"elsewhere\.tif: no such file"):
        fit_reducer_on(client, replace(scene, source=Path("/elsewhere.tif")), ReducerSettings(components=5), valid)
