"""Training and mapping on an accelerator: equal to the CPU, with the device's own random numbers and few transfers.

The device is the pretend one of :mod:`tests.accelerator`, or that of the environment variable ``HSI_TEST_DEVICE``, such
as ``cuda``, where the same tests run on real hardware.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

import hsi
from hsi.core.devices import read_generator, resolve_device
from hsi.core.synthetic import make_scene
from hsi.inference.scores import padded_scores
from hsi.models import MODELS, build_model, build_networks
from hsi.models.windows import gather_windows, pad_scene
from hsi.settings import TrainingSettings
from hsi.training.checkpoint import load_checkpoint, save_checkpoint
from hsi.training.trainer import Trainer
from tests.accelerator import NAME, count_transfers, pretend_device
from tests.models.model_makers import wake

CPU = torch.device("cpu")
CHOSEN = os.environ.get("HSI_TEST_DEVICE", NAME)
only_pretend = pytest.mark.skipif(CHOSEN != NAME, reason="what the pretend device refuses and counts")
WINDOWS = {"two windows": (11, 13)}


@pytest.fixture(scope="module")
def device() -> torch.device:
    return pretend_device() if CHOSEN == NAME else resolve_device(CHOSEN)


@pytest.fixture
def on_cpu_and_device(device):
    return CPU, device


@cache
def problem():
    """Components ``(13, 20, 22)`` of three classes, their codes, and masks of training and validation pixels."""
    generator = np.random.default_rng(0)
    codes = np.zeros((20, 22), np.int64)
    codes[:, 11:] = 1
    codes[7:14, 5:16] = 2
    components = generator.normal(size=(13, 20, 22)).astype(np.float32)
    components[:3] += 2.5 * np.eye(3, dtype=np.float32)[codes].transpose(2, 0, 1)
    number = generator.random(codes.shape)
    return components, codes, number < 0.1, number > 0.93


def make_trainer(device, name="hybridsn-bn", windows=(11,), amp="off", **settings):
    components, codes, train, validation = problem()
    model = wake(build_networks(name, windows=windows, components=13, classes=3))
    padded = pad_scene(torch.from_numpy(components), max(windows)).numpy()
    given = TrainingSettings(**{"epochs": 2, "lr": 2e-4, "amp": "off", **settings})
    trainer = Trainer(model, padded, codes, train, validation, given, device=device, seed=0)
    trainer.recipe = replace(trainer.recipe, bfloat16=amp == "auto")
    return trainer


def scores_of(model, device, **how):
    """The scores of all pixels on the CPU, ``(classes, H, W)``."""
    padded = pad_scene(torch.from_numpy(problem()[0]), model.window)
    mapped = torch.zeros(3, 20, 22)
    for block, scores in padded_scores(model, padded, device=device, tile=16, **how):
        mapped[:, *block.slices] = scores.cpu()
    return mapped


def assert_same_map(on_cpu, on_device, device, share=0.99, **how):
    maps = [scores_of(model, one, **how).softmax(0) for model, one in ((on_cpu, CPU), (on_device, device))]
    assert maps[0].std() > 0.1, "equal probabilities would show nothing"
    assert (maps[0].argmax(0) == maps[1].argmax(0)).float().mean() > share
    torch.testing.assert_close(*maps, rtol=0, atol=0.02)


def refusals(device):
    """Code that fails on CUDA, by name."""
    ours, other = torch.ones(3, 4, device=device), torch.ones(3, 4)
    index, mask = torch.tensor([0, 1]), torch.tensor([True, False, True])
    return {
        "a sum": lambda: ours + other,
        "a sum in place": lambda: torch.tensor(1.0).add_(ours.sum()),
        "a layer": lambda: torch.nn.Linear(4, 2)(ours),
        "a CPU mask": lambda: ours[mask],
        "a device's index": lambda: other[index.to(device)],
        "index_select": lambda: ours.index_select(0, index),
        "index_add": lambda: ours.index_add_(0, index, ours[:2]),
        "gather": lambda: ours.gather(0, torch.zeros(1, 4, dtype=torch.int64)),
        "numbers of both": lambda: torch.stack([ours.sum(), torch.tensor(1.0)]),
        "numpy": lambda: ours.numpy(),
        "an array": lambda: np.asarray(ours),
        "a CPU generator": lambda: torch.rand(3, device=device, generator=torch.Generator()),
        "a CPU generator in place": lambda: ours.normal_(generator=torch.Generator()),
    }


@pytest.mark.parametrize("what", refusals(CPU))
def test_the_device_refuses_what_cuda_refuses(device, what):
    if what == "a CPU mask" and CHOSEN != NAME:
        pytest.skip("CUDA copies it")
    with pytest.raises((RuntimeError, TypeError), match="device"):
        refusals(device)[what]()


def test_the_device_allows_what_cuda_allows(device):
    ours = torch.arange(6.0, device=device).view(3, 2)
    assert (ours * torch.tensor(2.0)).device.type == device.type
    assert ours[torch.tensor([2, 0])].tolist() == [[4, 5], [0, 1]]
    assert torch.where(ours > 1, ours, torch.tensor(0.0)).sum().item() == 14
    assert ours.to(CPU).numpy().sum() == 15
    with torch.autocast(device.type, dtype=torch.bfloat16):
        assert (ours @ ours.T).dtype == torch.bfloat16
        assert (ours.bfloat16().softmax(1)).dtype == torch.float32


@only_pretend
def test_transfers_and_waits_are_counted(device):
    ours, index = torch.ones(3, device=device), torch.tensor([0])
    with count_transfers() as seen:
        ours[index], ours.cpu(), float(ours[0]), ours.sum().item(), torch.ones(3).to(device), ours[ours > 0]
        torch.ones(3) + 1
    assert (seen.to_device, seen.to_host, seen.waits) == (2, 3, 4)


TRAININGS = {
    "dense": {},
    "patch": {"engine": "patch", "batch": 24},
    "se, dense": {"name": "hybridsn-se"},
    "se, patch": {"name": "hybridsn-bn-se", "engine": "patch", "batch": 24, "optimiser": "adam", "epochs": 1},
    "cbam, dense": {"name": "hybridsn-bn-cbam"},
    "two windows": {"windows": (11, 13)},
    "context dropout, dense": {"context_dropout": 0.5},
    "context dropout, patch": {"context_dropout": 0.5, "engine": "patch", "batch": 24, "epochs": 1},
    "bfloat16": {"amp": "auto"},
    "balance, plateau": {"balance": 0.5, "lr_schedule": "plateau"},
}


@pytest.mark.parametrize("what", TRAININGS)
def test_training_and_maps_are_those_of_the_cpu(device, what):
    fitted = [make_trainer(one, **TRAININGS[what]).fit() for one in (CPU, device)]
    assert {value.device.type for value in fitted[1].model.state_dict().values()} == {device.type}
    rough = what == "bfloat16" or CHOSEN != NAME
    losses = [[(one.loss, one.validation_loss) for one in each.history] for each in fitted]
    np.testing.assert_allclose(*losses, rtol=0.05 if rough else 1e-3)
    assert_same_map(fitted[0].model, fitted[1].model, device)


# networks whose layers others have
SAME_LAYERS = {"hybridsn", "hybridsn-cbam", "hybridsn-bn-se"}


@pytest.mark.parametrize("name", sorted(set(MODELS) - SAME_LAYERS))
def test_every_network_runs_two_steps_and_a_map(device, name):
    components, _, train, _ = problem()
    rows, columns = (torch.from_numpy(places[:6]) for places in np.nonzero(train))
    padded = pad_scene(torch.from_numpy(components), 11)
    losses, maps = [], []
    for one in (CPU, device):
        model = wake(build_model(name, components=13, window=11, classes=3)).to(one)
        optimiser = torch.optim.SGD(model.parameters(), 1e-3)
        targets, patches = (
            torch.tensor([0, 1, 2, 1, 0, 2], device=one),
            gather_windows(padded.to(one), rows.to(one), columns.to(one), 11),
        )
        torch.manual_seed(0)
        for _ in range(2):
            loss = torch.nn.functional.cross_entropy(model(patches), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        maps += [scores.cpu() for _, scores in padded_scores(model, padded[:, :14, :14], device=one)]
    np.testing.assert_allclose(losses[:2], losses[2:], rtol=2e-3 if CHOSEN == NAME else 0.05)
    torch.testing.assert_close(*maps, rtol=0.01, atol=0.01 if CHOSEN == NAME else 0.5)


def test_a_training_resumes_with_the_random_numbers_of_the_device(device, tmp_path):
    class Stopped(Exception):
        pass

    def stop(trainer):
        if trainer.state.steps_done == 3:
            save_checkpoint(tmp_path / "c.safetensors", trainer.checkpoint())
            raise Stopped

    how = {"engine": "patch", "batch": 24, "epochs": 2}
    before = [read_generator(one) for one in (CPU, device)]
    expected = make_trainer(device, **how).fit()
    with pytest.raises(Stopped):
        make_trainer(device, **how).fit(after_step=stop)
    trainer = make_trainer(device, **how)
    trainer.resume(load_checkpoint(tmp_path / "c.safetensors"))
    found = trainer.fit()
    assert [torch.equal(*pair) for pair in zip(before, (read_generator(one) for one in (CPU, device)), strict=True)]
    if CHOSEN == NAME:  # CUDA's sums have no fixed order
        assert found.history == expected.history
    else:
        np.testing.assert_allclose(found.history[-1].loss, expected.history[-1].loss, rtol=1e-2)
    trainer = make_trainer(CPU, **how)
    trainer.resume(load_checkpoint(tmp_path / "c.safetensors"))  # of another device: its dropout differs
    assert len(trainer.fit().history) == 2


def test_the_complete_classification_is_that_of_the_cpu(device, no_figures):
    """With validation, a temperature, averages over symmetries, blending and a classifier of spectra."""
    cube, labels, _ = make_scene(20, 20, bands=14, classes=3, field=7)
    settings = {"mapping.calibrate": True, "mapping.symmetries": True, "mapping.blend": True, "training.amp": "off"}
    how = {"window": 11, "components": 13, "reducer": "pca", "epochs": 2, "train": 12, "validation": 6, "seed": 1}
    found = [hsi.classify(cube, labels, device=str(one), settings=settings, **how) for one in (CPU, device)]
    assert (found[0].classes == found[1].classes).mean() > 0.99
    np.testing.assert_allclose(found[0].confidence, found[1].confidence, atol=0.02)


@only_pretend
@pytest.mark.parametrize(
    ("what", "to_device", "begin"),
    [("dense", 0, 0), ("patch", 0, 1), ("two windows", 0, 0), ("context dropout, dense", 1, 0), ("bfloat16", 0, 0)],
)
def test_a_training_step_waits_once_for_the_device(device, what, to_device, begin):
    """``to_device`` are copies of one step, ``begin`` those of an epoch; the loss is read at the end of a step."""
    trainer, seen = make_trainer(device, **{**TRAININGS[what], "epochs": 1}), []
    with count_transfers() as count:
        trainer.fit(after_step=lambda _: seen.append((count.to_device, count.waits)))
    assert seen == [(begin + to_device * step, step) for step in range(1, len(seen) + 1)]
    assert count.waits == len(seen) + 2  # the validation of the epoch, and the check of the weights


@only_pretend
@pytest.mark.parametrize("symmetries", [False, True])
def test_a_mapped_tile_is_copied_once_in_each_direction(device, symmetries):
    model = make_trainer(device, "hybridsn-bn-cbam" if not symmetries else "hybridsn-bn").model
    padded = pad_scene(torch.from_numpy(problem()[0]), model.window)
    with count_transfers() as count:
        [scores.cpu() for _, scores in padded_scores(model, padded, device=device, symmetries=symmetries)]
    assert (count.to_device, count.to_host, count.waits) == (1, 1, 1)
