"""Networks on windows of two sides give the mean of their probabilities, and are trained independently."""

import pytest
import torch

from hsi.errors import UsageError
from hsi.models import MultiWindowEnsemble, build_networks
from hsi.models.windows import gather_windows, pad_scene
from hsi.settings import TrainingSettings
from hsi.training.trainer import Trainer, count_right
from tests.models.test_models import lively, patch_scores
from tests.training.test_trainer import CPU, make_problem

NAMES = ["hybridsn", "hybridsn-bn", "hybridsn-bn-se", "hybridsn-cbam", "hybridsn-ds-gap", "mobilenet-v1"]


def make_pool(name="hybridsn-bn", windows=(11, 15)):
    return MultiWindowEnsemble([lively(name, window=window, classes=3) for window in windows]).eval()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_probabilities_are_the_mean_of_the_networks_on_their_own_windows(name):
    model, scene = make_pool(name), torch.randn(13, 9, 8, generator=torch.Generator().manual_seed(0))
    scores = patch_scores(model, scene)
    expected = torch.stack([patch_scores(network, scene).softmax(0) for network in model.members]).mean(0)
    torch.testing.assert_close(scores.softmax(0), expected, rtol=1e-4, atol=1e-5)
    dense = model.head_map(model.trunk(pad_scene(scene, model.window)[None]))[0]
    torch.testing.assert_close(dense, scores, rtol=1e-4, atol=1e-4)


def test_the_first_network_has_the_same_weights_with_a_second_one():
    single = build_networks("hybridsn", windows=(11,), components=13, classes=3, seed=4)
    first, second = build_networks("hybridsn", windows=(11, 13), components=13, classes=3, seed=4).members
    assert torch.equal(single.dense1.weight, first.dense1.weight)
    assert not torch.equal(first.conv1.weight, second.conv1.weight)


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_each_network_learns_as_a_single_one(engine):
    components, codes, train = make_problem()
    pool = build_networks("hybridsn-bn", windows=(11, 15), components=13, classes=3, seed=0)
    wanted = TrainingSettings(engine=engine, amp="off", epochs=2, clip=0.05, batch=40)

    def fit(model):
        for network in model.members:
            network.dropout.p = 0.0
        padded = pad_scene(torch.from_numpy(components), model.window).numpy()
        return Trainer(model, padded, codes, train, train & False, wanted, device=CPU, seed=3).fit()

    singles = [
        build_networks("hybridsn-bn", windows=(network.window,), components=13, classes=3) for network in pool.members
    ]
    for own, network in zip(singles, pool.members, strict=True):
        own.load_state_dict(network.state_dict())
    together = fit(pool)
    losses = []
    for own, network in zip(singles, pool.members, strict=True):
        losses.append(fit(own).history[-1].loss)
        for (name, expected), found in zip(own.state_dict().items(), network.state_dict().values(), strict=True):
            torch.testing.assert_close(
                found, expected, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
            )
    assert together.history[-1].loss == pytest.approx(sum(losses) / 2, rel=1e-3)


def test_training_counts_the_pixels_that_the_mean_has_right():
    first, second = torch.tensor([[4.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 3.0]])
    assert int(count_right(torch.stack([first, second]), torch.tensor([0, 1]))) == 2
    assert int(count_right(second, torch.tensor([0, 1]))) == 1


@pytest.mark.parametrize(("name", "windows"), [("hybridsn", (15, 15)), ("cnn1d", (5, 9))])
def test_networks_with_the_same_inputs_make_no_ensemble(name, windows):
    with pytest.raises(UsageError, match=r"leave model\.second_window out"):
        build_networks(name, windows=windows, components=13, classes=3)


def test_a_pool_of_three_is_one_network_like_any_other():
    model = build_networks("hybridsn-bn", windows=(11, 13, 17), components=13, classes=3).eval()
    assert isinstance(model, MultiWindowEnsemble)
    patches = gather_windows(torch.randn(13, 30, 30), torch.tensor([0, 5]), torch.tensor([3, 9]), model.window)
    assert model(patches).shape == (2, 3)
