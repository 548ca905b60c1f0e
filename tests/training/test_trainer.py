"""Training learns, is reproducible, returns the epoch that validation chose, and stops when the loss is not finite."""

import numpy as np
import pytest
import torch

from hsi.core import devices
from hsi.errors import TrainingError
from hsi.models import build_model
from hsi.models.symmetries import apply_symmetry, move_starts
from hsi.models.windows import gather_windows, pad_scene
from hsi.settings import TrainingSettings
from hsi.training import engines
from hsi.training.engines import DenseEngine
from hsi.training.tiles import MOST_WINDOWS, STEP_WINDOWS, Pixels, group_tiles, plan_tiles
from hsi.training.trainer import Trainer
from tests.inference.reference import score_pixels

CPU = torch.device("cpu")


def make_problem(height=24, width=26):
    """Components in which the left and the right half differ, and a third class in the middle rows."""
    generator = np.random.default_rng(0)
    codes = np.zeros((height, width), np.int64)
    codes[:, width // 2 :] = 1
    codes[height // 3 : 2 * height // 3, width // 4 : 3 * width // 4] = 2
    components = generator.normal(size=(13, height, width)).astype(np.float32)
    components[:3] += 2.5 * np.eye(3, dtype=np.float32)[codes].transpose(2, 0, 1)
    train = generator.random(codes.shape) < 0.2
    return components, codes, train


def make_trainer(model_name="hybridsn-bn", *, validation=None, seed=0, problem=None, **settings):
    components, codes, train = problem or make_problem()
    held_out = np.zeros_like(train) if validation is None else validation & ~train
    model = build_model(model_name, components=13, window=11, classes=3, seed=seed)
    settings = TrainingSettings(**{"epochs": 12, **settings})
    padded = pad_scene(torch.from_numpy(components), 11).numpy()
    return Trainer(model, padded, codes, train, held_out, settings, device=CPU, seed=seed)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        *[(f"hybridsn-{kind}", {"engine": "dense", "epochs": 40}) for kind in ("bn", "se", "cbam")],
        *[(f"hybridsn-{kind}", {"engine": "patch", "epochs": 12, "batch": 32}) for kind in ("bn", "se", "cbam")],
        ("cnn1d", {"epochs": 90}),
        ("cnn2d", {"epochs": 10}),
        *[(name, {"epochs": 20}) for name in ("cnn3d", "ssrn", "ssftt")],
        ("hybridsn-ds-gap", {"epochs": 40}),
        *[
            pytest.param(name, {"epochs": 20, "batch": 32}, marks=pytest.mark.slow)
            for name in ("mobilenet-v1", "shufflenet-v2")
        ],
    ],
)
def test_networks_and_engines_learn_a_simple_scene(model, settings):
    components, codes, train = make_problem()
    fitted = make_trainer(model, amp="off", **settings).fit()
    mapped = score_pixels(fitted.model, components).argmax(0).numpy()
    hybridsn = "engine" in settings
    assert np.mean(mapped[~train] == codes[~train]) > (0.75 if hybridsn else 0.7)  # chance is 0.4
    assert fitted.history[-1].loss < fitted.history[0].loss * (1 / 2 if hybridsn else 2 / 3)


@pytest.mark.parametrize(
    ("model", "engine", "epochs"),
    [("hybridsn-bn", "dense", 300), ("hybridsn-bn", "patch", 100), ("resnet", "auto", 150), ("resnet", "patch", 150)],
)
def test_epochs_are_enough_for_300_steps_but_for_the_textbook_loop(model, engine, epochs):
    recipe = make_trainer(model, engine=engine, epochs=None, **({"batch": 64} if model == "resnet" else {})).recipe
    assert (recipe.engine, recipe.epochs) == ("dense" if engine == "dense" else "patch", epochs)


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_the_same_seed_trains_the_same_network_without_the_global_generator(engine):
    before = torch.random.get_rng_state()
    one, same, other = (make_trainer(engine=engine, seed=seed, epochs=3).fit() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [fitted.model.state_dict() for fitted in (one, same, other)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["dense1.weight"], weights[2]["dense1.weight"])
    assert one.history == same.history


def test_the_epoch_of_the_highest_training_accuracy_is_used_where_asked_for():
    how = {"lr_schedule": "constant", "lr": 8e-3}
    fitted = make_trainer(epochs=10, restore_best=True, **how).fit()
    accuracies = [epoch.accuracy for epoch in fitted.history]
    assert fitted.epoch == 1 + int(np.argmax(accuracies)) < 10
    shorter = make_trainer(epochs=fitted.epoch, **how).fit()
    weights = fitted.model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in shorter.model.state_dict().items())


def test_validation_pixels_choose_the_epoch():
    _, codes, _ = make_problem()
    validation = np.random.default_rng(5).random(codes.shape) < 0.3
    trainer = make_trainer(validation=validation, epochs=20, lr=5e-3)
    fitted = trainer.fit()
    seen = [epoch for epoch in fitted.history if epoch.validation_accuracy is not None]
    best = max(seen, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss))
    assert fitted.epoch == best.epoch
    parts = [part for parts in trainer.validation.steps(torch.Generator()) for part in parts]
    with torch.no_grad():
        scores = [pair for part in parts for pair in trainer._scores(trainer.validation, part)]
    right = torch.cat([s.argmax(1) == c for s, c in scores]).float().mean()
    assert float(right) == pytest.approx(best.validation_accuracy)


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [1.5e-3] * 10), ("step", [1.5e-3] * 4 + [1.5e-4] * 4 + [1.5e-5] * 2)]
)
def test_rates_of_the_flat_schedules(schedule, expected):
    fitted = make_trainer(lr_schedule=schedule, epochs=10).fit()
    assert [epoch.lr for epoch in fitted.history] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_rates_of_the_curved_schedules(schedule):
    rates = [epoch.lr for epoch in make_trainer(lr_schedule=schedule, epochs=20, lr=2e-3).fit().history]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(2e-3, rel=0.05) and rates[-1] < 1e-4
    assert peak == 0 if schedule == "cosine" else 3 <= peak <= 8
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_plateau_lowers_the_rate_when_validation_no_longer_improves():
    _, codes, _ = make_problem()
    validation = np.random.default_rng(5).random(codes.shape) < 0.2
    fitted = make_trainer(validation=validation, lr_schedule="plateau", lr=1e-2, epochs=24).fit()
    assert all(epoch.validation_loss is not None for epoch in fitted.history)
    assert fitted.history[-1].lr < 1e-2


def test_a_loss_that_is_not_finite_stops_with_the_step_the_rate_and_a_hint():
    components, codes, train = make_problem()
    components[0, 0, 0] = np.inf
    problem, message = (components, codes, np.ones_like(train)), "at learning rate 0.0015: .*--lr 0.0002"
    with pytest.raises(TrainingError, match=rf"the loss is nan in step 1 of 12 \(epoch 1 of 12\) {message}"):
        make_trainer(problem=problem, batch=train.size, lr_schedule="constant").fit()


def test_the_dense_engine_takes_at_most_so_many_windows_a_step():
    _, _, train = make_problem()
    pixels = int(train.sum())
    few, all_at_once = (make_trainer(engine="dense", batch=batch, epochs=2) for batch in (32, pixels))
    assert (few.recipe.batch, few.recipe.steps) == (32, 2 * -(-pixels // 32))
    assert all_at_once.recipe.steps == 2
    seen = [sum(len(part.pixels) for part in parts) for parts in few.engine.steps(torch.Generator().manual_seed(0))]
    assert max(seen) <= 32
    assert sum(seen) == pixels
    assert few.fit().history[0].loss > few.state.history[1].loss


@pytest.mark.parametrize("name", ["hybridsn-bn-se", "cnn2d"])
def test_a_step_in_pieces_has_the_gradients_of_all_its_windows_at_once(name, monkeypatch):
    gradients = []
    for most in (2048, 7):
        monkeypatch.setattr(engines, "MOST_WINDOWS", most)
        trainer = make_trainer(name, engine="dense", amp="off")
        (parts,) = trainer.engine.steps(trainer.generator)
        assert len(trainer.engine.pieces(parts[0])) > (most == 7)
        trainer.model.eval()  # without dropout, whose masks differ
        loss, right = trainer._backward(parts, len(parts[0].pixels), 0, None)
        gradients.append([loss, right, *(weight.grad for weight in trainer.model.parameters())])
    for at_once, pieces in zip(*gradients, strict=True):
        torch.testing.assert_close(at_once, pieces, rtol=1e-4, atol=1e-6)


def test_every_default_is_resolved():
    recipe = make_trainer("hybridsn", epochs=None).recipe
    assert (recipe.engine, recipe.batch, recipe.lr) == ("dense", None, 2e-3)
    assert recipe.steps == recipe.epochs >= 100, "a small scene is one tile and one step"
    patch = make_trainer("hybridsn", epochs=None, engine="patch", lr_schedule="step").recipe
    assert (patch.batch, patch.lr, patch.epochs) == (256, 1e-4, 100)


@pytest.mark.parametrize("turn", range(8))
def test_windows_of_a_turned_tile_are_the_turned_windows(turn):
    scene = torch.randn(2, 9, 12)
    pixels = Pixels(torch.tensor([0, 3, 8]), torch.tensor([11, 4, 0]), torch.tensor([0, 1, 2]))
    (tile,) = plan_tiles(pixels, 9, 12, 5)
    padded = pad_scene(scene, 5)
    plain = gather_windows(padded, pixels.rows, pixels.columns, 5)
    rows, columns = move_starts(tile.pixels.rows, tile.pixels.columns, (tile.height, tile.width), 5, turn)
    turned = gather_windows(apply_symmetry(tile.cut(padded), turn)[0], rows, columns, 5)
    assert torch.equal(turned, apply_symmetry(plain, turn))


@pytest.mark.parametrize(("height", "width"), [(145, 145), (200, 90), (500, 333)])
def test_tiles_hold_the_window_of_every_labelled_pixel_once(height, width):
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(height * width, generator=generator)[:5000]
    pixels = Pixels(chosen // width, chosen % width, chosen)
    window = 11
    padded = pad_scene(torch.arange(height * width, dtype=torch.float32).view(1, height, width), window)
    tiles = plan_tiles(pixels, height, width, window)
    assert len({(tile.height, tile.width) for tile in tiles}) == 1, "one shape, so that nothing is prepared twice"
    seen = []
    for group in group_tiles(tiles, generator):
        assert sum(len(part.pixels) for part in group) <= MOST_WINDOWS
        for part in group:
            windows = gather_windows(part.cut(padded)[0], part.pixels.rows, part.pixels.columns, window)
            assert torch.equal(windows[:, 0, 5, 5].long(), part.pixels.codes), "the middle is the pixel itself"
            seen.append(part.pixels.codes)
    assert torch.equal(torch.cat(seen).sort().values, chosen.sort().values)


@pytest.mark.parametrize(("height", "width"), [(145, 145), (64, 37)])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_halves_of_a_scene_hold_the_window_of_every_labelled_pixel_once_in_an_epoch(height, width, share):
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(height * width, generator=generator)[: round(share * height * width)]
    model = build_model("hybridsn", components=13, window=11, classes=2)
    padded = pad_scene(torch.arange(height * width, dtype=torch.float32).view(1, height, width), 11)
    engine = DenseEngine(model, padded, Pixels(chosen // width, chosen % width, chosen))
    shapes = set()
    for _ in range(6):
        seen = []
        for (part,) in engine.steps(generator):
            shapes.add((part.height, part.width))
            assert len(part.pixels) <= 1.2 * STEP_WINDOWS
            windows = gather_windows(part.cut(padded)[0], part.pixels.rows, part.pixels.columns, 11)
            assert torch.equal(windows[:, 0, 5, 5].long(), part.pixels.codes), "the middle is the pixel itself"
            seen.append(part.pixels.codes)
        assert torch.equal(torch.cat(seen).sort().values, chosen.sort().values)
    assert shapes == {((height + 1) // 2 + 10, width + 10), (height + 10, (width + 1) // 2 + 10)}


def test_epochs_that_need_more_steps_than_planned_do_not_upset_the_schedule():
    trainer = make_trainer(lr_schedule="one-cycle", epochs=3)
    plain = trainer.engine.steps
    trainer.engine.steps = lambda generator: (part for _ in range(2) for part in plain(generator))
    assert len(trainer.fit().history) == 3


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_full_context_dropout_leaves_the_labelled_pixels_of_tiles_and_the_middle_of_patches(engine):
    components, codes, train = make_problem()
    trainer = make_trainer("hybridsn", amp="off", engine=engine)
    ((part, *_), *_) = trainer.engine.steps(torch.Generator().manual_seed(0))
    trainer.model.eval()
    with torch.no_grad():
        features = trainer.engine.features(part, 0, lambda shape: torch.zeros(shape, dtype=torch.bool))
        scores = trainer.engine.head(features, part)[0]
        if engine == "dense":
            masked = make_trainer("hybridsn", amp="off", problem=(components * train, codes, train))
            masked.model.eval()
            expected = masked.engine.head(masked.engine.features(part), part)[0]
        else:
            patches = torch.zeros(len(part), 13, 11, 11)
            patches[:, :, 5, 5] = torch.from_numpy(components)[:, part.rows, part.columns].T
            expected = trainer.model(patches)
    torch.testing.assert_close(scores, expected)


@pytest.mark.parametrize("engine", ["dense", "patch"])
def test_context_dropout_changes_training_reproducibly(engine):
    losses = [
        [epoch.loss for epoch in make_trainer(engine=engine, amp="off", epochs=3, context_dropout=share).fit().history]
        for share in (0.0, 1.0, 1.0)
    ]
    assert losses[0] != losses[1] == losses[2]


def small_trainer(name, *, side=12, window=11, train=None, **settings):
    """A trainer of a scene of ``side x side`` pixels without any signal, all of which train by default."""
    model = build_model(name, components=15, window=window, classes=3)
    padded, codes = np.ones((15, *[side + window - 1] * 2), np.float32), np.arange(side**2).reshape(side, side) % 3
    train = np.ones(codes.shape, bool) if train is None else train
    return Trainer(model, padded, codes, train, train & False, TrainingSettings(**settings), device=CPU, seed=0)


@pytest.mark.parametrize(("engine", "batch", "recipe"), [("dense", None, (7, 7)), ("patch", 128, (2, 8))])
def test_steps_are_taken_in_complete_epochs(engine, batch, recipe):
    trainer = small_trainer("hybridsn-bn", side=20, engine=engine, steps=7, batch=batch)
    assert (trainer.recipe.epochs, trainer.recipe.steps) == recipe


class TestPrecision:
    @pytest.mark.parametrize(
        ("name", "pays", "amp", "expected"),
        [
            *[(name, True, "auto", True) for name in ("hybridsn-bn", "hybridsn-ds", "resnext", "vgg")],
            *[(name, True, "auto", False) for name in ("mobilenet-v3", "efficientnet", "shufflenet-v2", "cnn3d")],
            ("hybridsn-bn", True, "off", False),
            ("hybridsn-bn", False, "auto", False),
        ],
    )
    def test_bfloat16_is_for_networks_and_devices_that_gain_by_it(self, name, pays, amp, expected, monkeypatch):
        monkeypatch.setattr(devices, "bfloat16_pays", lambda device: pays)
        assert small_trainer(name, epochs=1, amp=amp).recipe.bfloat16 == expected

    def test_no_gradient_overruns_its_memory(self):
        train = np.arange(155 * 155).reshape(155, 155) % 100 == 0
        trainer = small_trainer("cnn3d", side=155, window=5, train=train, epochs=3)
        assert np.isfinite(trainer.fit().history[-1].loss)
