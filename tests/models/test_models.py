"""The contract of all registered networks, and the published numbers of each."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from hsi.errors import UnknownNameError, UsageError
from hsi.models import (
    MODELS,
    Flops,
    SpectralPool,
    WindowNetwork,
    build_model,
    choose_engine,
    count_flops,
    count_parameters,
    filter_components,
    fit_linear,
    fit_support_vectors,
    hybridsn,
    join_linear,
    layers,
    leading_inputs,
    place_inputs,
    sum_linear,
)
from hsi.models.attention import SpatialAttention
from hsi.models.layers import GatedLinearAsConv, LinearAsConv, slide_dense, slide_gated_dense, unfold_depth
from hsi.models.windows import gather_windows, pad_scene
from tests.models.model_makers import last_layer, wake

PARAMETERS = [
    ("hybridsn", 30, 25, 16, 5_122_176),
    ("hybridsn-bn", 30, 25, 16, 5_122_416),
    ("hybridsn-se", 30, 25, 16, 5_122_688),
    ("hybridsn-bn-se", 30, 25, 16, 5_122_928),
    ("hybridsn-cbam", 30, 25, 16, 5_122_786),
    ("hybridsn-bn-cbam", 30, 25, 16, 5_123_026),
    ("cnn1d", 220, 1, 8, 81_408),
    # three and nine filters for each component, and six hidden units
    ("cnn2d", 30, 5, 16, (9 * 30 + 1) * 90 + (9 * 90 + 1) * 270 + (270 + 1) * 180 + (180 + 1) * 16),
    ("cnn3d", 103, 5, 9, 28 * 20 + 61 * 20 + 541 * 35 + 2 * 106 * 35 + 71 * 35 + (35 * 14 + 1) * 9),
    ("ssrn", 200, 7, 16, 364_168),
    # convolutions and their norms, tokens, the transformer's block, the dense layer
    ("ssftt", 30, 13, 16, 240 + (8 * 28 * 9 + 1) * 64 + 128 + 10 * 64 + 4 * 65 * 64 + 65 * 8 + 9 * 64 + 256 + 65 * 16),
]


def lively(name, *, components=13, window=11, classes=4):
    """A network in which every part has an effect: random batch-norm statistics and no weight near zero."""
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
    """Every patch of a scene through the complete network, ``(classes, H, W)``."""
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
    assert patch.std() > 0.1, "equal scores would show nothing"
    assert dense.shape == patch.shape
    assert (dense - patch).abs().max() < 1e-4 * max(1.0, float(patch.abs().max()))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dense_training_has_the_gradient_of_the_patch_loss(name, layout):
    scene = torch.randn(13, 12, 12, generator=torch.Generator().manual_seed(2))
    rows, columns = torch.tensor([0, 3, 3, 11, 6]), torch.tensor([0, 4, 5, 11, 0])
    codes = torch.tensor([0, 1, 2, 3, 1])
    gradients = []
    for dense in (True, False):
        model = lively(name).eval()  # batch norm in eval mode, no dropout
        padded = pad_scene(scene, model.window)
        if dense:
            scores = model.head_at(model.trunk(padded[None]).contiguous(memory_format=layout), rows, columns)
        else:
            scores = model(gather_windows(padded, rows, columns, model.window))
        torch.nn.functional.cross_entropy(scores, codes).backward()
        gradients.append({key: value.grad for key, value in model.named_parameters()})
    for key, gradient in gradients[0].items():
        assert gradient is not None, f"{key} does not learn"
        largest = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(gradient, gradients[1][key], rtol=1e-3, atol=1e-5 * largest, msg=key)


@pytest.mark.parametrize(("name", "components", "window", "classes", "parameters"), PARAMETERS)
def test_parameters_are_those_of_the_paper_or_of_its_layers(name, components, window, classes, parameters):
    assert count_parameters(build_model(name, components=components, window=window, classes=classes)) == parameters


@pytest.mark.parametrize(("bands", "length", "pool"), [(220, 24, 5), (224, 24, 5), (103, 11, 3)])
def test_cnn1d_filters_and_pools_as_in_the_paper(bands, length, pool):
    model = build_model("cnn1d", components=bands, window=1, classes=8)
    assert (model.conv.kernel_size, model.pool) == ((length,), pool)


def test_trunks_have_the_strides_of_the_papers():
    # 103 bands, 101 after the first layer, 51 and 26 after the strided ones, 14 after the last
    cnn3d = build_model("cnn3d", components=103, window=5, classes=9)
    assert cnn3d.trunk(torch.zeros(1, 103, 8, 9)).shape == (1, 35 * 14, 4, 5)
    ssrn = build_model("ssrn", components=200, window=7, classes=16)
    assert ssrn.depth == 97 and ssrn.trunk(torch.zeros(2, 200, 7, 7)).shape == (2, 24, 5, 5)


def test_the_fast_trunk_of_ssrn_is_the_plain_one():
    model = lively("ssrn", components=20, window=7).eval()
    tiles = torch.randn(3, 20, 8, 9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        x = model.conv1(tiles.permute(0, 2, 3, 1).reshape(3, 1, 72, 20))  # bands last
        for block in model.spectral:
            x = x + block.conv2(block.norm2(block.conv1(block.norm1(x).relu())).relu())
        x = model.conv2(model.norm2(x).relu()).reshape(3, 128, 8, 9)
        plain = model.conv3(model.norm3(x).relu())
        torch.testing.assert_close(model.trunk(tiles), plain, rtol=1e-4, atol=1e-4)


def test_the_tokens_of_ssftt_are_weighted_means_of_a_windows_places():
    model = lively("ssftt", components=13, window=11)
    features = torch.randn(3, 64, 7, 7, generator=torch.Generator().manual_seed(0))
    tokens = model.tokens(features)
    assert tokens.shape == (3, 4, 64)
    shuffled = features.flatten(2)[:, :, torch.randperm(49)].view(3, 64, 7, 7)
    torch.testing.assert_close(model.tokens(shuffled), tokens, rtol=1e-4, atol=1e-5)  # places have no order
    assert (tokens <= features.amax(dim=(2, 3))[:, None] + 1e-5).all()
    with torch.no_grad():
        model.weigh.weight.zero_()
    torch.testing.assert_close(model.tokens(features)[:, 0], features.mean(dim=(2, 3)))


def test_cnn1d_ignores_the_neighbours_and_the_others_do_not():
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(2, 20, 11, 11, generator=generator)
    others = torch.randn(2, 20, 11, 11, generator=generator)
    others[:, :, 5, 5] = patches[:, :, 5, 5]
    for name in ("cnn1d", "cnn2d", "cnn3d", "ssrn", "ssftt"):
        model = lively(name, components=20, window=11).eval()
        with torch.no_grad():
            assert torch.equal(model(patches), model(others)) == (name == "cnn1d")


def test_cnn1d_gives_a_pixel_the_same_scores_in_any_window():
    scene = torch.randn(20, 6, 5, generator=torch.Generator().manual_seed(0))
    scores = []
    for window in (1, 9):
        model = build_model("cnn1d", components=20, window=window, classes=3).eval()
        assert choose_engine("auto", model) == "dense"
        with torch.no_grad():
            scores.append(model.head_map(model.trunk(pad_scene(scene, window)[None])))
    torch.testing.assert_close(*scores)


@pytest.mark.parametrize(
    ("name", "components", "window", "words"),
    [
        ("hybridsn", 12, 25, "HybridSN needs at least 13 components, got 12"),
        ("hybridsn", 30, 9, "window of at least 11, got 9"),
        ("hybridsn", 30, 24, "window is 24; it must be odd"),
        ("cnn1d", 8, 1, "cnn1d needs at least 9 components, got 8: choose a --model that takes so few .cnn2d, "),
        ("cnn2d", 30, 3, "cnn2d needs a window of at least 5, got 3: raise --window"),
        ("cnn3d", 2, 5, "at least 3 components, got 2"),
        ("cnn3d", 30, 3, "window of at least 5, got 3"),
        ("ssrn", 6, 7, "SSRN needs at least 7 components, got 6"),
        ("ssrn", 30, 1, "window of at least 3, got 1"),
        ("ssftt", 2, 13, "SSFTT needs at least 3 components, got 2"),
        ("ssftt", 30, 3, "window of at least 5, got 3"),
    ],
)
def test_unsuitable_sizes_are_refused_with_the_limit(name, components, window, words):
    with pytest.raises(UsageError, match=words):
        build_model(name, classes=3, components=components, window=window)


@pytest.mark.parametrize("name", ["cnn1d", "cnn2d", "cnn3d", "ssrn", "ssftt"])
def test_the_smallest_sizes_work_and_what_is_published_is_in_the_entry(name):
    components, window = {"cnn1d": (9, 1), "cnn2d": (1, 5), "cnn3d": (3, 5), "ssrn": (7, 3), "ssftt": (3, 5)}[name]
    model = build_model(name, components=components, window=window, classes=3).eval()
    assert model(torch.randn(2, components, window, window)).shape == (2, 3)
    entry = MODELS[name]
    build_model(name, components=entry.components or 200, window=entry.window, classes=3)
    assert (entry.reducer == "identity") == (entry.components is None)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_same_seed_gives_the_same_weights_without_the_global_generator(name):
    before = torch.random.get_rng_state()
    one, same, other = (build_model(name, components=13, window=11, classes=3, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(last_layer(one).weight, last_layer(other).weight)


def test_glorot_has_the_limits_of_keras_and_no_biases():
    sizes = {"components": 13, "window": 11, "classes": 3}
    one, same = (build_model("hybridsn", **sizes, seed=7, initialisation="glorot") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    limit = (6 / (63 + 8 * 63)) ** 0.5  # of the inputs and outputs of the first layer, 8 filters of 7 x 3 x 3
    assert 0.9 * limit < float(one.conv1.weight.abs().max()) <= limit
    assert not any(bool(layer.bias.any()) for layer in (one.conv1, one.conv4, one.dense1, one.dense3))


@pytest.mark.parametrize("name", list(MODELS))
def test_every_entry_has_a_source(name):
    entry = MODELS[name]
    assert entry.name == name
    assert "doi:" in entry.source or "arXiv:" in entry.source


def test_an_unknown_model_is_answered_with_near_names():
    with pytest.raises(UnknownNameError, match="did you mean hybridsn-bn"):
        build_model("hybridsn_bn", components=30, window=25, classes=3)


def test_a_network_without_a_shared_trunk_takes_the_patch_engine():
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


@pytest.mark.parametrize("name", [name for name, *_ in PARAMETERS if name.startswith("hybridsn")])
def test_the_fast_trunk_is_the_plain_one(name):
    """Layer by layer as published, on several patches: the same features, and the same gradients."""
    results = []
    for plain in (True, False):
        model = lively(name, components=17, window=13).eval()
        x = torch.randn(3, 17, 13, 13, generator=torch.Generator().manual_seed(1)).requires_grad_()
        if plain:
            y = x.unsqueeze(1)
            for conv, norm in ((model.conv1, model.norm1), (model.conv2, model.norm2), (model.conv3, model.norm3)):
                y = norm(conv(y).flatten(2, 3)).unflatten(2, (-1, y.shape[-1] - 2)).relu()  # batch norm is 2-D here
            y = model.norm4(model.conv4(y.flatten(1, 2))).relu()
        else:
            y = model.trunk(x)
        y.square().mean().backward()
        kernels = [model.conv1.weight.grad, model.conv2.weight.grad, model.conv3.weight.grad, model.conv4.weight.grad]
        results.append([y, x.grad, *kernels])
    for fast, expected in zip(*results, strict=True):
        torch.testing.assert_close(fast, expected, rtol=1e-3, atol=1e-5)


class TestLinearAsConv:
    def slid(self, window=11, size=(40, 47)):
        generator = torch.Generator().manual_seed(0)
        layer = torch.nn.Linear(6 * window**2, 5)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        return LinearAsConv(layer, window), torch.randn(1, 6, *size, generator=generator)

    @pytest.mark.parametrize(("window", "size"), [(11, (36, 36)), (11, (40, 47)), (13, (90, 41)), (17, (61, 140))])
    def test_the_fourier_transform_gives_what_the_convolution_gives(self, window, size):
        slide, features = self.slid(window, size)
        with torch.no_grad():
            assert slide.pays(features)
            torch.testing.assert_close(
                slide(features), slide_dense(slide.layer, features, window), rtol=1e-4, atol=1e-3
            )

    @pytest.mark.parametrize(
        ("native", "dtype", "error"), [(False, None, 1e-5), (True, None, 1e-5), (True, torch.bfloat16, 6e-3)]
    )
    @pytest.mark.parametrize("roughness", [0, 1e-3, 1])
    def test_a_gate_of_each_window_weighs_its_channels(self, native, dtype, error, roughness, monkeypatch):
        monkeypatch.setattr(layers, "bfloat16_pays", lambda device: native)
        generator = torch.Generator().manual_seed(0)
        features = torch.rand(1, 40, 44, 57, generator=generator)
        slide = GatedLinearAsConv(torch.nn.Linear(40 * 121, 5), 11)
        smooth = torch.nn.functional.avg_pool2d(features, 11, stride=1)[0].permute(1, 2, 0)  # (34, 47, 40)
        gates = (8 * smooth[..., :2] @ torch.randn(2, 40, generator=generator)).sigmoid()
        gates = (gates + roughness * torch.rand(gates.shape, generator=generator)).clamp(0, 1)
        with torch.no_grad():
            assert slide.pays(features)
            ranks = [len(channels) for _, channels in layers.factor_gates(gates[:20, :20])]
            assert (sum(ranks) < 20) == (roughness == 0)
            expected = slide_gated_dense(slide.layer, features[0], gates, 11).permute(2, 0, 1)[None]
            found, most = slide.gated(features, gates, dtype), float(expected.abs().max())
            torch.testing.assert_close(found, expected, rtol=0, atol=error * most)
            assert dtype is None or not torch.allclose(found, expected, rtol=0, atol=1e-5 * most)

    def test_gates_that_are_no_numbers_give_no_numbers(self):
        slide, features = self.slid()
        with torch.no_grad():
            slide = GatedLinearAsConv(slide.layer, 11)
            assert slide.gated(features, torch.full((30, 37, 6), torch.nan)).isnan().all()

    def test_changed_weights_are_used(self):
        slide, features = self.slid()
        with torch.no_grad():
            before = slide(features)
            slide.layer.weight.mul_(2)
            slide.layer.bias.zero_()
            after = slide(features)
            expected = slide_dense(slide.layer, features, 11)
        torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-3)
        assert not torch.allclose(before, after)

    def test_gradients_flow_through_the_convolution(self):
        slide, features = self.slid()
        assert not slide.pays(features)
        slide(features).sum().backward()
        assert slide.layer.weight.grad.abs().max() > 0

    @pytest.mark.parametrize("name", ["hybridsn", "hybridsn-bn", "hybridsn-se"])
    def test_a_map_with_it_is_the_map_of_patches(self, name):
        model = lively(name, window=19).eval()
        scene = torch.randn(13, 26, 29, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            features = model.trunk(pad_scene(scene, 19)[None])
            assert model.slide_dense1.pays(features)
            dense, patch = model.head_map(features)[0], patch_scores(model, scene)
        assert (dense - patch).abs().max() < 1e-4 * float(patch.abs().max())
        assert torch.equal(dense.argmax(0), patch.argmax(0))


class TestFlops:
    """Multiply-adds counted from running networks against arithmetic by hand."""

    def test_of_hybridsn_patch_by_patch_and_with_a_shared_trunk(self):
        layers = [24 * 8 * 63, 20 * 16 * 8 * 45, 18 * 32 * 16 * 27, 64 * 576 * 9]  # of one place: depths x weights
        patch = sum(one * side**2 for one, side in zip(layers, (23, 21, 19, 17), strict=True))
        dense = 64 * 17**2 * 256 + 256 * 128 + 128 * 16
        found = count_flops(build_model("hybridsn", components=30, window=25, classes=16))
        assert found == Flops(patch + dense, sum(layers) + dense)
        assert (round(found.patch / 1e6), round(found.dense / 1e6, 1)) == (248, 5.5)

    def test_of_its_separable_form_without_the_first_dense_layer(self):
        layers = [24 * 8 * 63, 20 * (8 * 45 + 8 * 16), 18 * (16 * 27 + 16 * 32), 576 * 9 + 576 * 64]
        dense = 64 * 128 + 128 * 16
        found = count_flops(build_model("hybridsn-ds-gap", components=30, window=25, classes=16))
        assert found.dense == sum(layers) + dense < 100_000
        assert found.patch == sum(one * side**2 for one, side in zip(layers, (23, 21, 19, 17), strict=True)) + dense

    def test_a_gate_and_a_transformer_count_too(self):
        plain, gated = (
            count_flops(build_model(name, components=15, window=15, classes=4)) for name in ("hybridsn", "hybridsn-se")
        )
        assert gated.patch - plain.patch == gated.dense - plain.dense == 2 * 64 * 4
        block = 5 * 64 * 3 * 64 + 2 * 5 * 5 * 64 + 5 * 64 * 64 + 2 * 5 * 64 * 8
        tokens = 2 * 49 * 64 * 4
        trunk = 13 * 8 * 27 * 81 + 8 * 13 * 9 * 64 * 49
        found = count_flops(build_model("ssftt", components=15, window=11, classes=4))
        assert found.patch == trunk + tokens + block + 64 * 4

    def test_a_network_that_pads_shares_nothing_and_is_not_changed(self):
        model = build_model("resnet", components=13, window=11, classes=3).train()
        found = count_flops(model)
        assert found.patch == found.dense > 0
        assert model.training and not next(model.parameters()).is_meta


class TestSeparable:
    def test_it_has_few_weights_in_its_convolutions_and_no_large_layer(self):
        full, ds, pooled = (
            build_model(name, components=30, window=25, classes=16)
            for name in ("hybridsn-bn", "hybridsn-ds", "hybridsn-ds-gap")
        )
        convolutions = [
            sum(p.numel() for name, p in model.named_parameters() if "dense" not in name) for model in (full, ds)
        ]
        assert convolutions[1] < 0.2 * convolutions[0]
        assert count_parameters(ds) - count_parameters(pooled) > 4_700_000
        assert count_parameters(pooled) < 60_000

    def test_the_sum_of_slices_is_the_grouped_3d_convolution(self):
        block = lively("hybridsn-ds").eval().spectral2
        x = torch.randn(2, 7, 8, 9, 10, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            y = block.depthwise(x.transpose(1, 2)).transpose(1, 2)  # (2, 3, 8, 7, 8)
            plain = block.norm2(block.pointwise(block.norm1(y.flatten(0, 1)).relu())).relu().view(2, 3, 16, 7, 8)
            torch.testing.assert_close(block(x), plain, rtol=1e-4, atol=1e-5)


class TestJoinedLinear:
    def joined(self, name="hybridsn-bn-se", classes=3, kind="discriminant"):
        random = np.random.default_rng(0)
        pixels, codes = random.normal(size=(60, 17)).astype(np.float32), np.arange(60) % classes
        pixels[:, 0] += codes
        network = lively(name, components=17, window=13, classes=classes).eval()
        return join_linear(network, kind, pixels, codes), pixels, codes

    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize(
        ("kind", "estimator", "share"),
        [("discriminant", LinearDiscriminantAnalysis(), 0.5), ("logistic", LogisticRegression(), 0.9)],
    )
    def test_it_is_the_weighted_geometric_mean_of_both(self, classes, kind, estimator, share):
        joined, pixels, codes = self.joined(classes=classes, kind=kind)
        patches = torch.randn(5, 17, 13, 13, generator=torch.Generator().manual_seed(1))
        spectral = estimator.fit(pixels, codes).predict_proba(patches[:, :, 6, 6].numpy()).clip(1e-4)
        with torch.no_grad():
            expected = joined.network(patches).softmax(1).numpy().clip(1e-4) ** (1 - share) * spectral**share
            found = joined(patches).softmax(1).numpy()
        np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-4)

    @pytest.mark.parametrize("name", ["hybridsn", "hybridsn-bn-cbam", "ssftt"])
    def test_dense_is_patch(self, name):
        joined, *_ = self.joined(name)
        tile = torch.randn(1, 17, 17, 16, generator=torch.Generator().manual_seed(2))
        rows, columns = torch.meshgrid(torch.arange(5), torch.arange(4), indexing="ij")
        patches = gather_windows(tile[0], rows.flatten(), columns.flatten(), 13)
        with torch.no_grad():
            dense = joined.head_map(joined.trunk(tile))[0].flatten(1).T
            torch.testing.assert_close(dense, joined(patches), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("kind", ["discriminant", "logistic"])
    def test_a_class_that_was_not_trained_is_never_named(self, kind):
        network = lively("hybridsn", components=17, window=13, classes=4).eval()
        pixels = np.random.default_rng(0).normal(size=(20, 17)).astype(np.float32)
        joined = join_linear(network, kind, pixels, np.arange(20) % 2 * 2)
        with torch.no_grad():
            named = joined(torch.randn(50, 17, 13, 13, generator=torch.Generator().manual_seed(3))).argmax(1)
        assert set(named.tolist()) <= {0, 2}

    def test_classes_that_are_far_apart_are_all_named(self):
        pixels, codes = np.random.default_rng(0).normal(size=(60, 17)).astype(np.float32), np.arange(60) % 3
        pixels += 60 * np.eye(17, dtype=np.float32)[codes]  # the intercepts of the discriminant are below -1000
        network = lively("hybridsn", components=17, window=13, classes=3).eval()
        joined = join_linear(network, "discriminant", pixels, codes)
        joined.weights.copy_(torch.tensor([0.0, 1.0, 0.0]))
        patches = torch.from_numpy(pixels[:9])[..., None, None].expand(-1, -1, 13, 13)
        with torch.no_grad():
            assert joined(patches).argmax(1).tolist() == codes[:9].tolist()


class TestSpectralPool:
    def pool(self, name="hybridsn-bn", known=(0, 1, 2)):
        random = np.random.default_rng(0)
        codes = np.array(known)[np.arange(90) % len(known)]
        pixels, spectra = (random.normal(size=(90, size)).astype(np.float32) for size in (17, 6))
        pixels[:, 0] += codes
        spectra[:, 1] += codes
        network = lively(name, components=17, window=13, classes=4).eval()
        pool = SpectralPool(network, fit_support_vectors(spectra, codes, 4, cost=10.0, gamma=0.1))
        linears = [fit_linear("discriminant", pixels, codes, 4), fit_linear("logistic", spectra, codes, 4, cost=0.1)]
        placed = [place_inputs(linear, first, 23) for linear, first in zip(linears, (0, 17), strict=True)]
        pool.linear = sum_linear(placed, [0.8, 0.6])
        pool.weights.copy_(torch.tensor([0.3, 0.5, 0.4]))
        return pool.eval(), spectra, codes

    @pytest.mark.parametrize("known", [(0, 1, 2), (1, 3)])
    def test_the_margins_are_those_of_scikit_learn(self, known):
        pool, spectra, codes = self.pool(known=known)
        machine = SVC(C=10.0, gamma=0.1, decision_function_shape="ovo").fit(spectra, codes)
        others = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
        margins = machine.decision_function(others).reshape(50, -1) * (-1 if len(known) == 2 else 1)
        logs = np.full((50, 4), -np.inf)
        for code in known:
            pairs = itertools.combinations(known, 2)
            signs = [(code == one) * 1 - (code == other) * 1 for one, other in pairs]
            own = [np.log1p(np.exp(-2 * sign * margins[:, i])) for i, sign in enumerate(signs) if sign]
            logs[:, code] = -np.sum(own, axis=0) * 2 / len(known)
        with torch.no_grad():
            found = pool.machine(torch.from_numpy(others))
        np.testing.assert_allclose(found[:, list(known)], logs[:, list(known)], atol=1e-4)
        assert set(found.argmax(1).tolist()) <= set(known)

    @torch.no_grad()
    def test_it_is_the_weighted_sum_of_logarithms_of_probabilities(self):
        pool, *_ = self.pool()
        patches = torch.randn(5, 23, 13, 13, generator=torch.Generator().manual_seed(1))
        middle = patches[:, :, 6, 6]
        scores = pool.network(patches[:, :17]), pool.linear(middle), pool.machine(middle[:, 17:])
        logs = [one.softmax(1).clamp(min=1e-4).log() for one in scores]
        found, expected = pool(patches), 0.3 * logs[0] + 0.5 * logs[1] + 0.4 * logs[2]
        torch.testing.assert_close(found[:, :3], expected[:, :3], rtol=1e-4, atol=1e-4)
        assert (found[:, 3] < -100).all()  # it was not trained

    def test_a_sum_of_linear_classifiers_is_one(self):
        random = np.random.default_rng(0)
        codes = np.arange(60) % 3
        first, last = (torch.from_numpy(random.normal(size=(60, size)).astype(np.float32)) for size in (5, 2))
        one, other = fit_linear("discriminant", first.numpy(), codes, 4), fit_linear("logistic", last.numpy(), codes, 4)
        both = sum_linear([place_inputs(one, 0, 7), place_inputs(other, 5, 7)], [0.8, 0.6])
        scores = both(torch.cat([first, last], 1))
        torch.testing.assert_close(scores[:, :3], (0.8 * one(first) + 0.6 * other(last))[:, :3])
        assert (scores[:, 3] < -1000).all()  # it was not trained
        torch.testing.assert_close(leading_inputs(place_inputs(one, 0, 7), 5)(first), one(first))

    @pytest.mark.parametrize("name", ["hybridsn-bn", "ssftt"])
    @torch.no_grad()
    def test_dense_is_patch(self, name):
        pool, *_ = self.pool(name)
        tile = torch.randn(1, 23, 17, 16, generator=torch.Generator().manual_seed(2))
        rows, columns = torch.meshgrid(torch.arange(5), torch.arange(4), indexing="ij")
        patches = gather_windows(tile[0], rows.flatten(), columns.flatten(), 13)
        dense = pool.head_map(pool.trunk(tile))[0].flatten(1).T
        torch.testing.assert_close(dense, pool(patches), rtol=1e-4, atol=1e-4)


class TestFilteredPool:
    def pool(self, window):
        random = np.random.default_rng(0)
        pixels, codes = random.normal(size=(60, 17)).astype(np.float32), np.arange(60) % 4
        network = lively("hybridsn-bn", components=17, window=window, classes=4).eval()
        pool = SpectralPool(network, fit_support_vectors(pixels, codes, 4, cost=10.0, gamma=0.1), filtered=True)
        pool.linear = fit_linear("discriminant", pixels, codes, 4)
        pool.weights.copy_(torch.tensor([0.3, 0.5, 0.4]))
        return pool.eval()

    @pytest.mark.parametrize("window", [11, 13, 25])
    @torch.no_grad()
    def test_dense_is_patch(self, window):
        pool = self.pool(window)
        tile = torch.randn(1, 17, window + 4, window + 3, generator=torch.Generator().manual_seed(2))
        tile[..., :6, :7] = 0  # without data
        rows, columns = torch.meshgrid(torch.arange(5), torch.arange(4), indexing="ij")
        patches = gather_windows(tile[0], rows.flatten(), columns.flatten(), window)
        dense = pool.head_map(pool.trunk(tile))[0].flatten(1).T
        torch.testing.assert_close(dense, pool(patches), rtol=1e-4, atol=1e-4)

    def test_the_filter_averages_noise_and_leaves_edges_and_pixels_without_data(self):
        random = torch.Generator().manual_seed(0)
        tile = 0.05 * torch.randn(1, 9, 30, 30, generator=random)
        tile[..., 15:] += 3  # an edge
        tile[..., 12, 12] = 0
        filtered = filter_components(tile)
        assert filtered.shape == (1, 9, 20, 20)
        assert filtered[..., 7, 7].abs().max() == 0
        assert filtered[..., :10].std() < 0.25 * tile[..., :15].std()
        torch.testing.assert_close(filtered[..., 10:].mean(), torch.tensor(3.0), atol=0.02, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("side", [3, 5, 9, 26])
def test_spatial_attention_and_its_gradient_as_published(layout, side):
    attention = SpatialAttention().double()
    features = torch.randn(2, 6, side, side, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    statistics = torch.stack([features.mean(dim=1), features.amax(dim=1)], dim=1)
    expected = features * torch.sigmoid(attention.weigh(statistics))
    found = attention(features)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    inputs = (features, attention.weigh.weight)
    for one, other in zip(*(torch.autograd.grad(y, inputs, upstream) for y in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["hybridsn-se", "hybridsn-cbam", "hybridsn-bn-cbam"])
def test_a_gate_at_every_window_is_the_gate_at_each(name):
    model = build_model(name, components=13, window=13, classes=3).eval()
    features = torch.randn(1, 64, 7, 300)
    with torch.no_grad():
        plain, quick = WindowNetwork.head_map(model, features), model.head_map(features)
    assert plain.shape == quick.shape == (1, 3, 3, 296)
    torch.testing.assert_close(quick, plain, atol=1e-6, rtol=1e-5)


class TestUnfoldDepth:
    @pytest.mark.parametrize("depth", [1, 3, 5])
    def test_runs_of_neighbours_and_their_gradient(self, depth):
        x = torch.randn((2, 5, 3, 4, 4), dtype=torch.float64, requires_grad=True)
        runs = unfold_depth(x, depth)
        places = 5 - depth + 1
        assert runs.shape[0] == 2 * places and runs.shape[1] == 3 * depth
        last = runs.reshape(2, places, *runs.shape[1:]).select(0, 1).select(0, places - 1)
        plain = torch.cat([x.detach()[1, places - 1 + i] for i in range(depth)])
        assert torch.equal(last.detach(), plain)
        assert torch.autograd.gradcheck(lambda array: unfold_depth(array, depth), x)

    @pytest.mark.parametrize("name", ["hybridsn", "hybridsn-bn"])
    def test_channels_last_are_the_same_trunk(self, name, monkeypatch):
        model = build_model(name, components=16, window=11, classes=3).train()
        tile, found = torch.randn(2, 16, 14, 13), []
        for last in (False, True):
            monkeypatch.setattr(hybridsn, "_channels_last", lambda tiles, last=last: last)
            model.zero_grad()
            features = model.trunk(tile)
            (features**2).sum().backward()
            found.append(
                [features.detach(), *(weight.grad for weight in model.parameters() if weight.grad is not None)]
            )
        assert found[0][0].shape == (2, 64, 6, 5)
        for plain, last in zip(*found, strict=True):
            torch.testing.assert_close(last, plain, atol=1e-3, rtol=1e-3)

    def test_bfloat16_is_near(self):
        model = build_model("hybridsn-bn", components=15, window=11, classes=3).eval()
        tile = torch.randn(1, 15, 20, 20)
        with torch.no_grad():
            plain = model.trunk(tile)
            with torch.autocast("cpu", torch.bfloat16):
                near = model.trunk(tile)
        assert near.dtype == torch.bfloat16
        torch.testing.assert_close(near.float(), plain, atol=0.05 * float(plain.abs().max()), rtol=0.1)
