"""The engines and the conventional way compute the same, and the benchmark measures and writes every part."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.engines import measure
from benchmarks.engines.__main__ import main
from benchmarks.engines.conventional import Conventional, conventional_pass, conventional_scores
from benchmarks.engines.engines import time_map, time_training
from benchmarks.engines.rates import Rates, machine_rates
from benchmarks.engines.tables import to_markdown
from hsi.core.synthetic import make_scene
from hsi.models import build_model
from hsi.models.build import multiply_adds
from hsi.models.windows import pad_scene
from tests.models.test_models import lively, patch_scores

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["hybridsn", "hybridsn-bn", "hybridsn-se", "hybridsn-bn-cbam"])
def test_the_conventional_network_has_the_scores_and_gradients_of_the_engines(name):
    patches = torch.randn(5, 15, 13, 13, generator=torch.Generator().manual_seed(0))
    results = []
    for wrap in (Conventional, lambda network: network):
        model = lively(name, components=15, window=13).eval()
        scores = wrap(model)(patches)
        scores.square().sum().backward()
        results.append([scores, model.conv1.weight.grad, model.conv3.weight.grad, model.dense1.weight.grad])
    for conventional, ours in zip(*results, strict=True):
        torch.testing.assert_close(conventional, ours, rtol=1e-3, atol=1e-4 * float(ours.detach().abs().max()))


def test_a_conventional_map_is_the_map_of_patches():
    model = lively("hybridsn-bn").eval()
    scene = torch.randn(13, 9, 8, generator=torch.Generator().manual_seed(1))
    padded = pad_scene(scene, model.window).numpy()
    with torch.no_grad():
        expected = patch_scores(model, scene)
    torch.testing.assert_close(conventional_scores(model, padded, 9, 8, CPU), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(conventional_scores(model, padded, 3, 8, CPU), expected[:, :3], rtol=1e-4, atol=1e-4)


def test_a_conventional_pass_learns():
    model = build_model("hybridsn-bn", components=13, window=11, classes=2, seed=0)
    codes = np.arange(80).reshape(8, 10) // 40
    scene = torch.from_numpy((codes * 2.0 - 1.0).astype(np.float32)).expand(13, 8, 10).contiguous()
    losses = [
        conventional_pass(model, pad_scene(scene, 11).numpy(), codes, np.ones((8, 10), bool), CPU) for _ in range(6)
    ]
    assert losses[-1] < losses[0] / 2


def test_multiply_adds_are_those_of_the_arithmetic():
    assert multiply_adds(lambda: torch.rand(3, 5) @ torch.rand(5, 7)) == 3 * 5 * 7
    model = build_model("hybridsn", components=30, window=25, classes=16)
    count = multiply_adds(lambda: Conventional(model)(torch.rand(1, 30, 25, 25)))
    assert round(count / 1e6) == 248  # a pixel, the conventional way


def test_a_floor_is_the_slower_of_arithmetic_and_memory():
    rates = Rates(multiply_adds=1e9, bytes=1e6)
    assert rates.floor(2e9, 1e6) == 2
    assert rates.floor(1e9, 5e6) == 5
    measured = machine_rates(CPU, repeats=1)
    assert measured.multiply_adds > 1e8
    assert measured.bytes > 1e8


def test_a_map_and_a_training_pass_are_timed_and_agree():
    model = lively("hybridsn-bn-se")
    components = np.random.default_rng(0).standard_normal((13, 12, 10), np.float32)
    rates = Rates(1e9, 1e9)
    times = time_map(model, components, rates, device=CPU, repeats=1, rows=4)
    assert (times.pixels, times.timed) == (120, 40)
    assert times.largest_difference < 0.1 and times.same_class > 0.9  # gated heads may be in bfloat16
    assert times.ratio == times.conventional / times.dense
    assert times.floor > 0
    codes, train = np.arange(120).reshape(12, 10) % 4, np.zeros((12, 10), bool)
    codes[0], train[2:5] = -1, True
    everything, split = time_training(model, components, codes, train, rates, device=CPU, repeats=1)
    assert (everything.pixels, split.pixels) == (110, 30)
    assert everything.timed == split.timed == 30
    assert everything.conventional / 110 == pytest.approx(split.conventional / 30)
    assert everything.floor > split.floor > 0
    for spent in (everything, split):
        assert min(spent.conventional, spent.patch, spent.dense, spent.together) > 0
        assert (spent.steps, spent.ratio) == (1, spent.conventional / spent.together)


@pytest.mark.slow
def test_every_part_is_measured_and_tabulated(monkeypatch, tmp_path):
    cube, labels, _ = make_scene(24, 20, bands=20, classes=3, field=8, seed=1)
    np.savez(tmp_path / "scene.npz", cube=cube, gt=labels)
    accuracies = iter([0.9, 0.9, 0.9, 0.97, 0.99])  # of three commands, then of more and more epochs

    def classify(path, out, device, *options):
        run = {"options": options, "wall": 3.0, "stages": {"read": 0.1, "train": 2.0}, "peak_bytes": 10**9}
        return {**run, "overall_accuracy": next(accuracies)}

    monkeypatch.setattr(measure, "WAYS", ("train conventional",))
    monkeypatch.setattr(measure, "run_hsi", lambda *words: 0.5)
    monkeypatch.setattr(measure, "classify", classify)
    sizes = measure.Sizes(components=13, window=11, repeats=1, rows=3, large=64, large_windows=(11,))
    names = ["hybridsn-bn", "hybridsn-se"]
    record = measure.measure(tmp_path / "scene.npz", names, sizes, device="cpu", scratch=tmp_path)
    assert [row["model"] for row in record["map"]] == [*names, "hybridsn-se, trained"]
    assert all(row["same_class"] > 0.9 and row["largest_difference"] < 0.3 for row in record["map"])
    assert set(record["averages"]["seconds"]) == {"plain", "averaged", "averaged and blended"}
    assert all(min(row["conventional"], row["patch"], row["dense"]) > 0 for row in record["training"])
    everything, split = record["training"][:2]
    assert everything["pixels"] > split["pixels"] == everything["timed"]
    assert [(row["side"], row["pixels"]) for row in record["large"]] == [(32, 32**2), (64, 64**2)]
    assert [row["way"] for row in record["memory"]] == ["train conventional"]
    assert record["memory"][0]["peak_bytes"] > 10**7
    assert [run["overall_accuracy"] for run in record["target"]["tried"]] == [0.97, 0.99]
    assert record["target"]["ratio"] == 100 * split["conventional"] / 2.0
    assert record["materialised_patches"]["Indian Pines"] > 10**8
    written = to_markdown(record)
    assert "| `hybridsn-se, trained` |" in written and "`hsi classify --train 55.5%`, everything, 1.00 ×" in written


def test_an_unknown_network_is_refused():
    done = CliRunner().invoke(main, ["--models", "hybridsn-be"])
    assert done.exit_code == 2 and "'hybridsn-bn'" in done.output
