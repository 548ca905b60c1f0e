"""A training that stopped after any step goes on from its checkpoint and ends as if it had not stopped, bit for bit."""

import json

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
    whole = make_trainer(**KINDS[kind])
    expected = whole.fit()
    steps = whole.state.steps_done
    for step in {1, steps // 2, steps - 1, steps}:
        found = stopped_and_resumed(step, tmp_path / "c.safetensors", **KINDS[kind])
        assert found.history == expected.history
        assert (found.epoch, found.recipe) == (expected.epoch, expected.recipe)
        weights, same = expected.model.state_dict(), found.model.state_dict()
        assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_the_global_generator_is_left_alone(tmp_path):
    before = torch.random.get_rng_state()
    stopped_and_resumed(2, tmp_path / "c.safetensors", epochs=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_checkpoint_replaces_the_one_before_whole_or_not_at_all(tmp_path, monkeypatch):
    path, trainer = tmp_path / "c.safetensors", make_trainer(epochs=1)
    trainer.fit(after_step=lambda trainer: save_checkpoint(path, trainer.checkpoint()))
    before = path.read_bytes()

    def fill(tensors, part, metadata):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hsi.training.checkpoint.save_file", fill)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(path, Checkpoint({}, {}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_are_no_numbers_are_never_kept():
    def spoil(trainer):
        next(trainer.model.parameters()).data.fill_(float("nan"))
        trainer.checkpoint()

    with pytest.raises(TrainingError, match="no numbers after step 1"):
        make_trainer(epochs=2).fit(after_step=spoil)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer("hybridsn-se", epochs=2).fit(after_step=stop_after(1, path))
    with pytest.raises(ResumeError, match="does not fit this training"):
        make_trainer("hybridsn-bn", epochs=2).resume(load_checkpoint(path))


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        (json.dumps({"format": 99}), "format 99"),
        ('{"format": 1e400}', "cannot be read"),
    ],
)
def test_what_is_no_checkpoint_is_refused(facts, says, tmp_path):
    path = tmp_path / "c.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata=None if facts is None else {"hsi": facts})
    with pytest.raises(ResumeError, match=says):
        load_checkpoint(path)


@pytest.mark.parametrize("lost", ["state", "history", "groups", "schedule"])
def test_a_checkpoint_that_lacks_something_is_refused(lost, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    whole = load_checkpoint(path)
    less = Checkpoint(whole.tensors, {name: value for name, value in whole.facts.items() if name != lost})
    with pytest.raises(ResumeError, match="does not fit"):
        make_trainer(epochs=2).resume(less)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("state", {"step": [1]}),
        ("state", {"step": -1}),
        ("state", {"loss": {}}),
        ("state", {"seconds": "long"}),
        ("state", {"kept_epoch": 1}),
        ("state", {"seen": 0}),
        ("schedule", {"_anneal_func_type": 127}),
        ("schedule", {"cycle_momentum": [True]}),
        ("schedule", {"last_epoch": 900}),
        ("schedule", {"total_steps": 1}),
        ("schedule", {"strange": 1}),
    ],
)
def test_facts_that_no_training_comes_to_are_refused(part, change, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    whole = load_checkpoint(path)
    other = Checkpoint(whole.tensors, {**whole.facts, part: {**whole.facts[part], **change}})
    with pytest.raises(ResumeError, match="does not fit"):
        make_trainer(epochs=2).resume(other)


@pytest.mark.parametrize(
    "change", [{"amsgrad": True}, {"betas": [0.9]}, {"betas": [0.9, 2]}, {"lr": [1]}, {"lr": -1.0}, {"max_lr": [1.0]}]
)
def test_groups_of_another_optimiser_are_refused(change, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    whole = load_checkpoint(path)
    groups = [{**group, **change} for group in whole.facts["groups"]]
    with pytest.raises(ResumeError, match=f"{next(iter(change))}|out of range"):
        make_trainer(epochs=2).resume(Checkpoint(whole.tensors, {**whole.facts, "groups": groups}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser.0.exp_avg", torch.zeros(2)),
        ("optimiser.0.exp_avg", None),
        ("optimiser.0.step", torch.zeros(2)),
        ("optimiser.900.step", torch.zeros(())),
        ("optimiser.x.step", torch.zeros(())),
        ("generator.own", torch.zeros(8)),
        ("generator.cpu", None),
        ("kept.first", torch.zeros(1)),
    ],
)
def test_tensors_of_another_training_are_refused(name, value, tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    whole = load_checkpoint(path)
    tensors = {key: tensor for key, tensor in {**whole.tensors, name: value}.items() if tensor is not None}
    with pytest.raises(ResumeError, match="does not fit"):
        make_trainer(epochs=2).resume(Checkpoint(tensors, whole.facts))


def test_moments_of_another_dtype_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        make_trainer(epochs=2).fit(after_step=stop_after(1, path))
    whole = load_checkpoint(path)
    moments = whole.tensors["optimiser.0.exp_avg"].to(torch.complex64)
    with pytest.raises(ResumeError, match="not those of this optimiser"):
        make_trainer(epochs=2).resume(Checkpoint({**whole.tensors, "optimiser.0.exp_avg": moments}, whole.facts))


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    for content in (b"", b"no tensors"):
        path.write_bytes(content)
        with pytest.raises(ResumeError, match=r"c\.safetensors: the checkpoint cannot be read"):
            load_checkpoint(path)
