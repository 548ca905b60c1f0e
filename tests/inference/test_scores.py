"""Class scores: the same for any tile and engine, of every pixel, in eval mode."""

import numpy as np
import pytest
import torch

from hsi.core import devices
from hsi.inference import scores as scores_module
from hsi.inference.scores import map_precision, pixel_scores
from hsi.models import MODELS, build_model
from hsi.models.windows import pad_scene
from tests.inference.reference import blend, score_pixels
from tests.models.model_makers import wake


def make_components(height=23, width=31):
    return np.random.default_rng(0).normal(size=(13, height, width)).astype(np.float32)


@pytest.mark.parametrize("name", list(MODELS))
def test_tiles_and_engines_give_the_same_scores_for_every_pixel(name):
    model = wake(build_model(name, components=13, window=11, classes=3))
    components = make_components()
    reference = score_pixels(model, components, engine="patch")
    assert torch.isfinite(reference).all() and reference.std() > 0.05
    shared = ({}, {"tile": 8}, {"tile": 31}, {"tile": 1000}) if model.shares_trunk else ()
    for options in (*shared, {"tile": 10, "engine": "patch"}):
        torch.testing.assert_close(score_pixels(model, components, **options), reference, rtol=1e-4, atol=1e-4)


def test_mapping_twice_is_identical_even_after_train_mode():
    model = build_model("hybridsn-bn", components=13, window=11, classes=3)
    first, again = (score_pixels(model.train(), make_components()) for _ in range(2))
    assert torch.equal(first, again)


def test_a_scene_smaller_than_the_window_is_mapped_too():
    model = build_model("hybridsn-se", components=13, window=25, classes=3)
    assert torch.isfinite(score_pixels(model, make_components(6, 9))).all()


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_averaging_over_a_half_turn_gives_a_turned_scene_the_turned_map(engine):
    model = wake(build_model("hybridsn-se", components=13, window=11, classes=3))
    components = make_components(12, 17)
    turned = np.ascontiguousarray(components[:, ::-1, ::-1])
    one, other = (score_pixels(model, values, engine=engine, symmetries=True).exp() for values in (components, turned))
    torch.testing.assert_close(other, one.flip(1, 2), rtol=0, atol=1e-5)
    assert not torch.allclose(one, score_pixels(model, components).softmax(0), atol=1e-3)


@pytest.mark.parametrize("name", ["hybridsn-bn", "hybridsn-se", "hybridsn-bn-cbam"])
def test_gated_heads_map_in_the_precision_of_the_training(name, monkeypatch):
    monkeypatch.setattr(devices, "bfloat16_pays", lambda device: True)
    model, cpu = wake(build_model(name, components=13, window=11, classes=3)), torch.device("cpu")
    exact, rough, again = (score_pixels(model, make_components(), amp=amp) for amp in ("off", "auto", "off"))
    torch.testing.assert_close(rough.softmax(0), exact.softmax(0), rtol=0, atol=0.03)
    assert torch.equal(exact, again)
    gated = name != "hybridsn-bn"
    assert torch.equal(exact, rough) != gated
    assert map_precision(model, cpu, "dense", "auto") == ("bfloat16" if gated else "float32")
    assert {map_precision(model, cpu, *how) for how in (("patch", "auto"), ("dense", "off"))} == {"float32"}
    monkeypatch.setattr(devices, "bfloat16_pays", lambda device: False)
    assert map_precision(model, cpu, "dense", "auto") == "float32"
    assert torch.equal(score_pixels(model, make_components(), amp="auto"), exact)


@pytest.mark.parametrize(("symmetries", "blended"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_scores_of_single_pixels_are_those_of_the_map(engine, symmetries, blended, monkeypatch):
    monkeypatch.setattr(scores_module, "TILE_SIDE", 9)  # so that blending meets seams
    model = wake(build_model("hybridsn-bn-se", components=13, window=11, classes=3))
    components = make_components()
    padded = pad_scene(torch.from_numpy(components), 11)
    chosen = np.random.default_rng(0).random((23, 31)) < 0.1
    chosen[9:18] = False
    options = {"device": torch.device("cpu"), "engine": engine, "symmetries": symmetries, "blended": blended}
    scores = pixel_scores(model.train(), padded, chosen, **options)
    expected = score_pixels(model, components, tile=1000, symmetries=symmetries).softmax(0).numpy()
    if blended:
        expected = blend(expected, components)
    np.testing.assert_allclose(np.exp(scores), expected[:, chosen].T, atol=1e-5)
    assert not model.training
