"""Blocks against published arithmetic, published networks from the same builder, and invalid configurations."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hsi.errors import ConfigError, UsageError
from hsi.models import MODELS, blocks, build_model, count_flops, count_parameters
from hsi.models.backbone import Backbone, BackboneConfig, load_backbone, shipped_backbones
from hsi.models.blocks import (
    BLOCKS,
    Basic,
    Bottleneck,
    ConvNorm,
    FusedMBConv,
    Inception,
    InvertedResidual,
    Separable,
    Shuffle,
    Split,
    divisible,
    shuffle_channels,
)

TABLES = [name for name, entry in MODELS.items() if entry.multipliers]
IMAGENET = Path(__file__).parent / "imagenet"


def multiply_adds(module, *shape):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(*shape))
    return counter.get_total_flops() // 2


def weights(module):
    """Parameters of convolutions and dense layers, without those of norms."""
    return sum(p.numel() for name, p in module.named_parameters() if "norm" not in name)


class TestBlocks:
    @pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(32, 64, 3), (24, 40, 5)])
    def test_separable_takes_the_papers_share_of_a_full_convolution(self, inputs, outputs, kernel):
        full, separable = ConvNorm(inputs, outputs, kernel), Separable(inputs, outputs, kernel=kernel)
        share = 1 / outputs + 1 / kernel**2  # MobileNet, section 3.1
        assert weights(separable) / weights(full) == pytest.approx(share)
        counts = [multiply_adds(block, 1, inputs, 9, 9) for block in (separable, full)]
        assert counts[1] == 81 * kernel**2 * inputs * outputs
        assert counts[0] / counts[1] == pytest.approx(share)

    @pytest.mark.parametrize(("stride", "outputs", "there"), [(1, 16, True), (2, 16, False), (1, 24, False)])
    @pytest.mark.parametrize("block", [InvertedResidual, FusedMBConv])
    def test_a_shortcut_is_only_where_stride_is_one_and_shapes_match(self, block, stride, outputs, there):
        module, x = block(16, outputs, stride).eval(), torch.randn(2, 16, 9, 9)
        with torch.no_grad():
            y = module(x)
            for parameter in module.project.parameters():
                parameter.zero_()
            silent = module(x)
        assert y.shape == (2, outputs, -(-9 // stride), -(-9 // stride))
        assert torch.equal(silent, x if there else torch.zeros_like(silent))

    def test_the_bottleneck_of_v2_is_linear_and_its_inside_is_clipped_at_six(self):
        module = InvertedResidual(8, 12).eval()
        inside = []
        module.depthwise.register_forward_hook(lambda _, __, out: inside.append(out))
        with torch.no_grad():
            out = module(100 * torch.randn(2, 8, 7, 7))
        assert out.min() < 0
        assert inside[0].min() >= 0 and inside[0].max() == 6

    def test_inverted_has_the_parameters_of_the_papers_table(self):
        # (1 x 1, t C), (3 x 3 depthwise), (1 x 1, C'), table 1 of MobileNet V2
        assert weights(InvertedResidual(24, 32, 2, expand=6)) == 24 * 144 + 9 * 144 + 144 * 32
        assert weights(InvertedResidual(32, 16, expand=1)) == 9 * 32 + 32 * 16

    @pytest.mark.parametrize(("se", "squeeze", "squeezed"), [(0.25, "expanded", 24), (0.25, "input", 4)])
    def test_the_gate_squeezes_to_its_share(self, se, squeeze, squeezed):
        module = InvertedResidual(16, 24, se=se, squeeze=squeeze, activation="hardswish")
        assert module.attention.squeeze.weight.shape == (squeezed, 96)
        assert module.attention.excite.weight.shape == (96, squeezed)

    def test_a_gate_lies_between_nothing_and_all(self):
        gate = Basic(32, 32, se=1 / 16).attention
        assert gate.squeeze.out_features == 2
        x = 10 * torch.randn(4, 32, 5, 5)
        ratio = gate(x) / x
        assert ((ratio > 0) & (ratio < 1)).all()
        assert (ratio.amax(dim=(2, 3)) - ratio.amin(dim=(2, 3))).abs().max() < 1e-4  # one weight a channel

    @pytest.mark.parametrize(("channels", "groups"), [(12, 3), (24, 2), (24, 4)])
    def test_a_shuffle_is_a_permutation_that_mixes_groups(self, channels, groups):
        x = torch.arange(float(channels)).view(1, -1, 1, 1).expand(2, -1, 3, 4)
        order = shuffle_channels(x, groups)[0, :, 0, 0].long()
        assert sorted(order.tolist()) == list(range(channels))
        per_group = channels // groups
        for new in order.split(per_group):  # every new group holds channels of every old one
            assert set((new // per_group).tolist()) == set(range(groups))
        assert torch.equal(shuffle_channels(shuffle_channels(x, groups), per_group), x)

    def test_without_a_shuffle_groups_would_not_meet(self, monkeypatch):
        def reached(module):
            x = torch.randn(1, 24, 5, 5, requires_grad=True)
            module.eval()(x)[0, 0, 2, 2].backward()
            return int((x.grad.abs().sum(dim=(0, 2, 3)) > 0).sum())

        torch.manual_seed(0)
        module = Shuffle(24, 24, groups=3)
        with torch.no_grad():
            module.reduce.norm.bias.fill_(3)  # no ReLU is shut
        both = reached(module)
        monkeypatch.setattr(blocks, "shuffle_channels", lambda x, groups: x)
        assert reached(module) <= 9 < both

    def test_shuffle_at_stride_two_concatenates_the_averages(self):
        module, x = Shuffle(24, 60, 2, groups=3).eval(), torch.rand(1, 24, 8, 8)
        assert module(x).shape == (1, 60, 4, 4)
        torch.testing.assert_close(module(x)[:, :24], torch.nn.functional.avg_pool2d(x, 3, 2, 1))

    def test_half_of_the_channels_pass_a_split_unchanged(self):
        module, x = Split(16, 16).eval(), torch.randn(2, 16, 6, 6)
        with torch.no_grad():
            out = module(x)
        torch.testing.assert_close(out[:, 0::2], x[:, :8])
        assert not torch.allclose(out[:, 1::2], x[:, 8:])
        assert weights(module) == 2 * 8 * 8 + 9 * 8
        assert Split(16, 24, 2)(x).shape == (2, 24, 3, 3)

    def test_groups_make_a_bottleneck_lighter_by_their_number(self):
        # table 1 of ResNeXt: 64 channels in the middle against 128 in 32 groups, about 70 thousand each
        resnet, resnext = Bottleneck(256, 256), Bottleneck(256, 256, ratio=2, groups=32)
        assert weights(resnet) == 256 * 64 + 9 * 64 * 64 + 64 * 256
        assert weights(resnext) == 256 * 128 + 9 * 128 * 4 + 128 * 256

    @pytest.mark.parametrize(
        ("inputs", "branches", "thousands", "millions"),
        [(192, [64, 96, 128, 16, 32, 32], 159, 128), (256, [128, 128, 192, 32, 96, 64], 380, 304)],
    )
    def test_inception_has_the_figures_of_googlenets_table(self, inputs, branches, thousands, millions):
        outputs = branches[0] + branches[2] + branches[4] + branches[5]
        module = Inception(inputs, outputs, branches=branches)
        assert weights(module) / 1024 == pytest.approx(thousands, abs=1)  # modules 3a and 3b; its K is 1024
        assert multiply_adds(module, 1, inputs, 28, 28) / 1e6 == pytest.approx(millions, abs=1)

    def test_channels_are_multiples_that_lose_no_more_than_a_tenth(self):
        assert [divisible(c) for c in (3, 12, 18, 20, 91, 184)] == [8, 16, 24, 24, 88, 184]
        assert divisible(60, 12) == 60

    @pytest.mark.parametrize("name", sorted(BLOCKS))
    def test_every_block_halves_at_stride_two_and_its_widest_is_no_less_than_its_ends(self, name):
        options = {"branches": [8, 8, 8, 8, 4, 4]} if name == "inception" else {}
        outputs = 24 if name in ("pool", "inception") else 48
        module = BLOCKS[name](24, outputs, 2, **options)
        assert module(torch.randn(2, 24, 8, 8)).shape == (2, outputs, 4, 4)
        assert module.widest >= outputs


# Parameters as published to their digits; exact as in the authors' or the usual code, batch norm's scale and shift
# included. Multiply-adds at 224 x 224 pixels.
@pytest.mark.parametrize(
    ("name", "parameters", "millions", "work"),
    [
        ("mobilenet-v1", 4_231_976, "4.2", 569),
        ("mobilenet-v2", 3_504_872, "3.5", 300),
        ("mobilenet-v3-large", 5_483_032, "5.5", 217),
        ("shufflenet-v1", 1_865_728, "1.9", 137),
        ("shufflenet-v2", 2_278_604, "2.3", 145),
        ("resnet-18", 11_689_512, "11.7", 1814),
        ("resnet-50", 25_557_032, "25.6", 4089),
        ("se-resnet-50", 28_088_024, "28.1", 4092),
        ("resnext-50", 25_028_904, "25.0", 4230),
        ("efficientnet-b0", 5_288_548, "5.3", 386),
        ("efficientnet-v2-s", 21_458_488, "21.5", 2850),
        ("vgg-16", 138_357_544, "138.4", 15470),
        ("googlenet", 6_998_552, "7.0", 1583),
    ],
)
def test_the_published_networks_come_from_the_same_builder(name, parameters, millions, work):
    with torch.device("meta"):
        network = Backbone(3, 225, 1000, name=name, config=load_backbone(IMAGENET / f"{name}.yaml")).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.head(torch.empty(1, 3, 224, 224))
    assert count_parameters(network) == parameters
    assert f"{parameters / 1e6:.1f}" == millions
    assert counter.get_total_flops() / 2e6 == pytest.approx(work, abs=1)


def test_mobilenet_v2_has_its_papers_3_4_million_once_norms_are_folded_away():
    with torch.device("meta"):
        network = Backbone(3, 225, 1000, name="v2", config=load_backbone(IMAGENET / "mobilenet-v2.yaml"))
    assert weights(network) == 3_470_760


class TestBackbones:
    @pytest.mark.parametrize("name", TABLES)
    def test_they_take_windows_of_9_to_25(self, name):
        for window in (9, 25):
            model = build_model(name, components=13, window=window, classes=3)
            assert model(torch.randn(2, 13, window, window)).shape == (2, 3)
            assert not model.shares_trunk

    @pytest.mark.parametrize("name", TABLES)
    def test_they_are_light(self, name):
        entry = MODELS[name]
        model = build_model(name, components=entry.components, window=entry.window, classes=16)
        work = count_flops(model)
        assert work.patch == work.dense < 10_000_000
        assert count_parameters(model) < 512_000  # a tenth of HybridSN's

    @pytest.mark.parametrize("name", TABLES)
    def test_width_multiplies_channels_and_resolution_the_side(self, name):
        sizes = {"components": 15, "window": 15, "classes": 5}
        plain, half, coarse = (build_model(name, **sizes, **more) for more in ({}, {"width": 0.5}, {"resolution": 0.6}))
        assert count_parameters(half) < 0.6 * count_parameters(plain)
        # the flattened places of vgg's window are fewer, so that its dense layer is smaller
        assert name == "vgg" or count_parameters(coarse) == count_parameters(plain)
        assert count_flops(coarse).patch < 0.6 * count_flops(plain).patch
        assert coarse(torch.randn(2, 15, 15, 15)).shape == half(torch.randn(2, 15, 15, 15)).shape == (2, 5)

    def test_v1_follows_the_papers_arithmetic_of_the_multipliers(self):
        # alpha D_K^2 M + alpha^2 M N: section 3.3 of MobileNet; the first layer sees all components
        half = build_model("mobilenet-v1", components=15, window=15, classes=2, width=0.5)
        widths = [(16, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
        separable = sum(9 * m + m * n for m, n in widths)
        assert weights(half) == 9 * 15 * 16 + separable + 128 * 2 + 2

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"window": 7}, "vgg needs a window of at least 9, got 7"),
            ({"window": 9, "resolution": 0.5}, "at model.resolution 0.5, got 9: raise --window"),
            ({"width": 0.0}, "model.width 0: vgg multiplies its channels"),
            ({"resolution": 1.5}, "model.resolution 1.5"),
            ({"window": 8}, "must be odd"),
        ],
    )
    def test_sizes_that_leave_nothing_are_refused(self, options, words):
        with pytest.raises(UsageError, match=words):
            build_model("vgg", **{"components": 15, "window": 15, "classes": 3} | options)

    def test_multipliers_are_refused_for_other_networks(self):
        with pytest.raises(UsageError, match=r"model.width means nothing to hybridsn: .*mobilenet-v1"):
            build_model("hybridsn", components=15, window=15, classes=3, width=0.5)


class TestTables:
    @pytest.mark.parametrize("name", list(shipped_backbones()))
    def test_every_shipped_table_is_a_registered_network(self, name):
        entry, table = MODELS[name], shipped_backbones()[name]
        assert (entry.source, entry.window, entry.components) == (table.source, table.window, table.components)

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ("[{block: cnov, channels: 8}]", "unknown block 'cnov': known: basic, bottleneck"),
            ("[{block: conv, channels: 8, expand: 6}]", "the block 'conv' has no option expand: it has"),
            ("[{block: conv}]", "the block 'conv' needs channels"),
            ("[{block: pool, channels: 8}]", "the block 'pool' takes no channels"),
            ("[{block: inception}]", "the block 'inception' needs branches"),
            ("[{block: conv, channels: 8, chanels: 3}]", "did you mean channels"),
            ("[{block: conv, channels: 8, stride: 3}]", "less than or equal to 2"),
            ("[]", "rows"),
        ],
    )
    def test_an_invalid_table_is_refused_with_its_row(self, rows, words, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text(f"source: a\nrows: {rows}\n")
        with pytest.raises(ConfigError, match=words) as caught:
            load_backbone(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_nothing_but_plain_yaml_is_read(self, tmp_path):
        (tmp_path / "a.yaml").write_text("source: !!python/name:os.system\nrows: []\n")
        with pytest.raises(ConfigError, match="is not YAML"):
            load_backbone(tmp_path / "a.yaml")

    def test_a_table_is_data(self):
        rows = [{"block": "conv", "channels": 8, "stride": 2}]
        table = BackboneConfig.model_validate({"source": "a", "rows": rows})
        model = Backbone(4, 9, 3, name="mine", config=table)
        assert model(torch.randn(2, 4, 9, 9)).shape == (2, 3)
