"""The contract that every registered network keeps, and the published numbers of each."""

import pytest
import torch

from hsi.errors import UnknownNameError, UsageError
from hsi.models import MODELS, build_model, choose_engine, count_parameters
from hsi.windows import gather_windows, pad_scene
from tests.hsi.model_makers import last_layer, wake

PARAMETERS = {
    "hybridsn": 5_122_176,
    "hybridsn-bn": 5_122_416,
    "hybridsn-se": 5_122_688,
    "hybridsn-bn-se": 5_122_928,
    "hybridsn-cbam": 5_122_786,
    "hybridsn-bn-cbam": 5_123_026,
}


def lively(name, *, components=13, window=11, classes=4):
    """A network whose every part matters: random batch-norm statistics and no weight near zero."""
    model = build_model(name, components=components, window=window, classes=classes, seed=3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if "running_mean" in key or key.endswith("bias"):
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))
            elif "running_var" in key or ("norm" in key and key.endswith("weight")):
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return wake(model, seed=5)


def patch_scores(model, scene):
    """The textbook: every patch of a scene through the whole network, ``(classes, H, W)``."""
    height, width = scene.shape[1:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    patches = gather_windows(pad_scene(scene, model.window), rows.flatten(), columns.flatten(), model.window)
    return model(patches).T.reshape(-1, height, width)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(("components", "window"), [(13, 11), (15, 13), (16, 19)])
def test_dense_equals_patch_at_every_pixel_borders_included(name, components, window):
    model = lively(name, components=components, window=window).eval()
    scene = torch.randn(components, 14, 17, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        dense = model.head_map(model.trunk(pad_scene(scene, window)[None]))[0]
        patch = patch_scores(model, scene)
    assert patch.std() > 0.1, "a test on scores that are all alike shows nothing"
    assert dense.shape == patch.shape
    assert (dense - patch).abs().max() < 1e-4 * max(1.0, float(patch.abs().max()))


@pytest.mark.parametrize("name", list(MODELS))
def test_dense_training_has_the_gradient_of_the_patch_loss(name):
    scene = torch.randn(13, 12, 12, generator=torch.Generator().manual_seed(2))
    rows, columns = torch.tensor([0, 3, 3, 11, 6]), torch.tensor([0, 4, 5, 11, 0])
    codes = torch.tensor([0, 1, 2, 3, 1])
    gradients = []
    for dense in (True, False):
        model = lively(name).eval()  # batch norm in eval mode, no dropout
        padded = pad_scene(scene, model.window)
        if dense:
            scores = model.head(gather_windows(model.trunk(padded[None])[0], rows, columns, model.head_window))
        else:
            scores = model(gather_windows(padded, rows, columns, model.window))
        torch.nn.functional.cross_entropy(scores, codes).backward()
        gradients.append({key: value.grad for key, value in model.named_parameters()})
    for key, gradient in gradients[0].items():
        assert gradient is not None, f"{key} does not learn"
        torch.testing.assert_close(gradient, gradients[1][key], rtol=1e-3, atol=1e-5, msg=key)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameters_are_those_of_the_paper(name, parameters):
    assert count_parameters(build_model(name, components=30, window=25, classes=16)) == parameters


@pytest.mark.parametrize("name", list(MODELS))
def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    one, same, other = (build_model(name, components=13, window=11, classes=3, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(last_layer(one).weight, last_layer(other).weight)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_entry_says_where_it_comes_from(name):
    entry = MODELS[name]
    assert entry.name == name
    assert "doi:" in entry.source or "arXiv:" in entry.source


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"components": 12, "window": 25}, "at least 13 components, got 12"),
        ({"components": 30, "window": 9}, "window of at least 11, got 9"),
        ({"components": 30, "window": 24}, "window is 24; it must be odd"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_the_limit(arguments, words):
    with pytest.raises(UsageError, match=words):
        build_model("hybridsn", classes=3, **arguments)


def test_an_unknown_model_is_answered_with_near_names():
    with pytest.raises(UnknownNameError, match="did you mean hybridsn-bn"):
        build_model("hybridsn_bn", components=30, window=25, classes=3)


def test_a_network_without_a_shared_trunk_takes_the_patch_engine():
    from hsi.models import WindowNetwork

    class Padded(WindowNetwork):
        def head(self, features):
            return features.mean(dim=(2, 3))[:, : self.classes]

    model = Padded(components=5, window=5, classes=3)
    assert choose_engine("auto", model) == "patch"
    with pytest.raises(UsageError, match="--engine patch"):
        choose_engine("dense", model)
    scene = torch.randn(5, 6, 7)
    dense = model.head_map(model.trunk(pad_scene(scene, 5)[None]))[0]
    torch.testing.assert_close(dense, patch_scores(model, scene))


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("hybridsn")])
def test_the_fast_trunk_is_the_plain_one(name):
    """Layer by layer as published, on several patches: the same features, and the same gradients."""
    results = []
    for plain in (True, False):
        model = lively(name, components=17, window=13).eval()
        x = torch.randn(3, 17, 13, 13, generator=torch.Generator().manual_seed(1)).requires_grad_()
        if plain:
            y = model.norm1(model.conv1(x.unsqueeze(1))).relu()
            y = model.norm3(model.conv3(model.norm2(model.conv2(y)).relu())).relu()
            y = model.norm4(model.conv4(y.flatten(1, 2))).relu()
        else:
            y = model.trunk(x)
        y.square().mean().backward()
        kernels = [model.conv1.weight.grad, model.conv2.weight.grad, model.conv3.weight.grad, model.conv4.weight.grad]
        results.append([y, x.grad, *kernels])
    for fast, expected in zip(*results, strict=True):
        torch.testing.assert_close(fast, expected, rtol=1e-3, atol=1e-5)
