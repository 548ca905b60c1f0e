"""A training that stopped after any step is resumed from its checkpoint with the same result in every bit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hsi.errors import OutputError, ResumeError, TrainingError
from hsi.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.training.test_trainer import make_problem, make_trainer

VALIDATION = np.random.default_rng(5).random(make_problem()[1].shape) < 0.1
KINDS = {
    "dense": {"epochs": 4, "context_dropout": 0.5, "validation": VALIDATION},
    "patches": {"epochs": 2, "engine": "patch", "batch": 40, "validation": VALIDATION},
    "plateau": {"epochs": 4, "lr_schedule": "plateau", "validation": VALIDATION, "optimiser": "adam"},
    "step": {"epochs": 5, "lr_schedule": "step"},
    "cosine": {"epochs": 3, "lr_schedule": "cosine"},
    "constant": {"epochs": 3, "lr_schedule": "constant"},
}
COMPLEX = torch.zeros(8, 1, 7, 3, 3, dtype=torch.complex64)  # of the first kernel's shape


class Stopped(Exception):
    pass


def stop_after(step, path):
    """An ``after_step`` that takes a checkpoint and stops."""

    def after(trainer):
        if trainer.state.steps_done == step:
            save_checkpoint(path, trainer.checkpoint())
            raise Stopped

    return after


def stopped_and_resumed(step, path, **settings):
    with pytest.raises(Stopped):
        make_trainer(**settings).fit(after_step=stop_after(step, path))
    trainer = make_trainer(**settings)
    trainer.resume(load_checkpoint(path))
    return trainer.fit()


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_with_the_same_weights_and_history(kind, tmp_path):
    before = torch.random.get_rng_state()
    uninterrupted = make_trainer(**KINDS[kind])
    expected = uninterrupted.fit()
    steps = uninterrupted.state.steps_done
    for step in {1, steps // 2, steps - 1, steps}:
        found = stopped_and_resumed(step, tmp_path / "c.safetensors", **KINDS[kind])
        assert found.history == expected.history
        assert (found.epoch, found.recipe) == (expected.epoch, expected.recipe)
        weights, same = expected.model.state_dict(), found.model.state_dict()
        assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_checkpoint_replaces_the_one_before_atomically(tmp_path, monkeypatch):
    path, trainer = tmp_path / "c.safetensors", make_trainer(epochs=1)
    trainer.fit(after_step=lambda trainer: save_checkpoint(path, trainer.checkpoint()))
    before = path.read_bytes()

    def fill(part, content):
        part.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(path, Checkpoint({}, {}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_are_no_numbers_are_never_stored():
    def spoil(trainer):
        next(trainer.model.parameters()).data.fill_(float("nan"))
        trainer.checkpoint()

    with pytest.raises(TrainingError, match="no numbers after step 1"):
        make_trainer(epochs=2).fit(after_step=spoil)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    return load_checkpoint(path)


def facts(**changes):
    """A change of the facts of a checkpoint: entries of a section, None to remove it, or for each group."""

    def change(checkpoint):
        new = dict(checkpoint.facts)
        for name, entries in changes.items():
            old = new.pop(name)
            if entries is not None:
                new[name] = [{**group, **entries} for group in old] if isinstance(old, list) else {**old, **entries}
        return Checkpoint(checkpoint.tensors, new)

    return change


def tensor(name, value):
    """A change of a tensor of a checkpoint, None to remove it."""

    def change(checkpoint):
        tensors = {**checkpoint.tensors, name: value}
        return Checkpoint({key: one for key, one in tensors.items() if one is not None}, checkpoint.facts)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *[(facts(**{section: None}), "does not fit") for section in ("state", "history", "groups", "schedule")],
        (facts(state={"step": [1]}), "does not fit"),
        (facts(state={"step": -1}), "does not fit"),
        (facts(state={"loss": {}}), "does not fit"),
        (facts(state={"seconds": "long"}), "does not fit"),
        (facts(state={"kept_epoch": 1}), "does not fit"),
        (facts(state={"seen": 0}), "does not fit"),
        (facts(schedule={"_anneal_func_type": 127}), "does not fit"),
        (facts(schedule={"cycle_momentum": [True]}), "does not fit"),
        (facts(schedule={"last_epoch": 900}), "does not fit"),
        (facts(schedule={"total_steps": 1}), "does not fit"),
        (facts(schedule={"strange": 1}), "does not fit"),
        (facts(groups={"amsgrad": True}), "amsgrad"),
        (facts(groups={"betas": [0.9]}), "betas"),
        (facts(groups={"betas": [0.9, 2]}), "betas"),
        (facts(groups={"lr": [1]}), "lr"),
        (facts(groups={"lr": -1.0}), "out of range"),
        (facts(groups={"max_lr": [1.0]}), "max_lr"),
        (tensor("optimiser.0.exp_avg", torch.zeros(2)), "does not fit"),
        (tensor("optimiser.0.exp_avg", None), "does not fit"),
        (tensor("optimiser.0.exp_avg", COMPLEX), "not those of this optimiser"),
        (tensor("optimiser.0.step", torch.zeros(2)), "does not fit"),
        (tensor("optimiser.900.step", torch.zeros(())), "does not fit"),
        (tensor("optimiser.x.step", torch.zeros(())), "does not fit"),
        (tensor("generator.own", torch.zeros(8)), "does not fit"),
        (tensor("generator.cpu", None), "does not fit"),
        (tensor("kept.first", torch.zeros(1)), "does not fit"),
    ],
)
def test_an_inconsistent_checkpoint_is_refused(change, words, checkpoint):
    with pytest.raises(ResumeError, match=words):
        make_trainer(epochs=2).resume(change(checkpoint))


def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    with pytest.raises(ResumeError, match="does not fit this training"):
        make_trainer("hybridsn-se", epochs=2).resume(checkpoint)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        (json.dumps({"format": 99}), "format 99"),
        ('{"format": 1e400}', "cannot be read"),
    ],
)
def test_other_files_are_refused(metadata, words, tmp_path):
    path = tmp_path / "c.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata=None if metadata is None else {"hsi": metadata})
    with pytest.raises(ResumeError, match=words):
        load_checkpoint(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    for content in (b"", b"no tensors"):
        path.write_bytes(content)
        with pytest.raises(ResumeError, match=r"c\.safetensors: the checkpoint cannot be read"):
            load_checkpoint(path)
