"""Mapping: the same answer whatever the tile or the engine, every pixel, always in eval mode."""

import numpy as np
import pytest
import torch

from hsi.inference.blending import blend
from hsi.inference.scores import padded_scores, pixel_scores
from hsi.models import MODELS, build_model
from hsi.models.windows import pad_scene
from tests.inference.whole_scene import map_scene, tile_scores
from tests.models.model_makers import wake

CPU = torch.device("cpu")


def make_components(height=23, width=31):
    return np.random.default_rng(0).normal(size=(13, height, width)).astype(np.float32)


def whole_scores(model, components, **options):
    scores = torch.full((model.classes, *components.shape[1:]), float("nan"))
    for block, part in tile_scores(model, components, device=CPU, **options):
        rows, columns = block.slices
        scores[:, rows, columns] = part
    return scores


@pytest.mark.parametrize("name", list(MODELS))
def test_tiles_and_engines_give_the_same_scores_for_every_pixel(name):
    model = build_model(name, components=13, window=11, classes=3)
    wake(model)
    components = make_components()
    reference = whole_scores(model, components, engine="patch")
    assert torch.isfinite(reference).all() and reference.std() > 0.05
    shared = ({}, {"tile": 8}, {"tile": 31}, {"tile": 1000}) if model.shares_trunk else ()
    for options in (*shared, {"tile": 10, "engine": "patch"}):
        torch.testing.assert_close(whole_scores(model, components, **options), reference, rtol=1e-4, atol=1e-4)


def test_mapping_twice_is_identical_even_after_train_mode():
    model = build_model("hybridsn-bn", components=13, window=11, classes=3)
    components = make_components()
    first = map_scene(model.train(), components, device=CPU)
    again = map_scene(model.train(), components, device=CPU)
    assert np.array_equal(first.codes, again.codes) and np.array_equal(first.confidence, again.confidence)


def test_confidence_is_the_largest_softmax_probability_and_progress_ends_at_all_pixels():
    model = build_model("hybridsn", components=13, window=11, classes=3)
    components = make_components()
    steps = []
    found = map_scene(model, components, device=CPU, tile=10, progress=lambda done, total: steps.append((done, total)))
    best, which = whole_scores(model, components).softmax(0).max(0)
    assert np.allclose(found.confidence, best, atol=1e-5)
    assert np.mean(found.codes == which.numpy()) > 0.999
    assert steps[-1] == (23 * 31, 23 * 31) and steps == sorted(steps)


def test_a_scene_smaller_than_the_window_is_mapped_too():
    model = build_model("hybridsn-se", components=13, window=25, classes=3)
    found = map_scene(model, make_components(6, 9), device=CPU)
    assert found.codes.shape == (6, 9) and np.isfinite(found.confidence).all()


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_averaging_over_symmetries_gives_a_turned_scene_the_turned_map(engine):
    model = build_model("hybridsn-se", components=13, window=11, classes=3)
    wake(model)
    components = make_components(12, 17)
    options = {"device": CPU, "engine": engine, "symmetries": True}
    plain = map_scene(model, components, **options).confidence
    turned = map_scene(model, np.ascontiguousarray(components[:, ::-1].transpose(0, 2, 1)), **options).confidence
    assert np.allclose(turned, plain[::-1].T, atol=1e-5)
    assert not np.allclose(plain, map_scene(model, components, device=CPU).confidence, atol=1e-3)


@pytest.mark.parametrize(("symmetries", "blended"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_scores_of_single_pixels_are_those_of_the_map(engine, symmetries, blended, monkeypatch):
    monkeypatch.setattr("hsi.inference.scores.TILE_SIDE", 9)  # so that blending meets seams
    model = build_model("hybridsn-bn-se", components=13, window=11, classes=3)
    wake(model)
    components = make_components()
    padded = pad_scene(torch.from_numpy(components), 11)
    chosen = np.random.default_rng(0).random((23, 31)) < 0.1
    chosen[9:18] = False
    scores = pixel_scores(
        model.train(), padded, chosen, device=CPU, engine=engine, symmetries=symmetries, blended=blended
    )
    ((_, whole),) = padded_scores(model, padded, device=CPU, tile=1000, symmetries=symmetries)
    expected = whole.softmax(0).numpy()
    if blended:
        expected = blend(expected, components)
    np.testing.assert_allclose(np.exp(scores), expected[:, chosen].T, atol=1e-5)
    assert not model.training
