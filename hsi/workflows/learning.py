"""Training within a run: progress, checkpoints, and smaller tiles where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hsi.core.events import progress, say, warn
from hsi.core.interrupts import held_back
from hsi.workflows.provenance import Stopwatch
from hsi.workflows.resume import Keeper, Keeping, tile_of

if TYPE_CHECKING:
    from hsi.settings import Settings
    from hsi.training.trainer import Epoch, Fitted, Trainer

TILE_SIDES = (96, 48, 24)  # of training, one after the other, when the usual tiles do not fit into memory


def train_in_memory(
    make: Callable[[int | None], Trainer],
    settings: Settings,
    keeping: Keeping | None,
    identity: Mapping[str, Any],
    watch: Stopwatch,
) -> tuple[Trainer, Fitted, int | None]:
    """Train with what ``make`` makes for tiles of a side, from smaller and smaller ones until memory suffices.

    Returns the trainer, what it fitted and the step that it went on from. A run that is gone on with begins with the
    tiles that it had. Without ``keeping`` there are no checkpoints. Raises :class:`DeviceMemoryError` when the smallest
    tiles are too large, or batches are.
    """
    from hsi.core.devices import is_out_of_memory
    from hsi.training.distributed import current_group

    sides: list[int | None] = [None, *TILE_SIDES]
    begun = tile_of(keeping)
    for tile in sides[sides.index(begun) if begun in sides else 0 :]:
        trainer = make(tile)
        if tile in (begun, None):
            say_plan(settings, trainer)
        try:
            if keeping is None:
                return trainer, train(trainer, None, watch), None
            keeper = Keeper(keeping, {**identity, "device": trainer.device.type, "recipe": trainer.recipe.to_dict()})
            return trainer, train(trainer, keeper, watch), keeper.resumed_from
        except RuntimeError as error:  # torch's out of memory is one
            if current_group() or not is_out_of_memory(error):  # processes that train together have the same tiles
                raise
            out_of_memory(trainer, tile, error)
        del trainer
        if keeping:
            keeping.work.checkpoint.unlink(missing_ok=True)
    raise AssertionError("the last side ends in an error")


def out_of_memory(trainer: Trainer, tile: int | None, error: RuntimeError) -> None:
    """Say that training starts again with smaller tiles; raises :class:`DeviceMemoryError` where there are none."""
    from hsi.core.devices import release_memory
    from hsi.errors import DeviceMemoryError

    smaller = [side for side in TILE_SIDES if tile is None or side < tile]
    where = f"training runs out of memory on {trainer.device}"
    if trainer.recipe.engine == "patch":
        raise DeviceMemoryError(f"{where} with batches of {trainer.recipe.batch}: give a smaller --batch") from error
    if not smaller:
        raise DeviceMemoryError(
            f"{where} with tiles of {tile} x {tile} pixels, the smallest there are: free some of its memory, or use "
            "--device cpu, a smaller --window, fewer --components or --engine patch with a small --batch"
        ) from error
    warn(f"{where}: it starts again with tiles of {smaller[0]} x {smaller[0]} pixels, which batch norm sees")
    release_memory(trainer.device)


def train(trainer: Trainer, keeper: Keeper | None, watch: Stopwatch) -> Fitted:
    """Train with a progress bar and checkpoints, from the last one of an interrupted run where that is asked for.

    With a keeper an interrupt waits until a checkpoint is written. Raises what :meth:`Trainer.fit` does.
    """
    from hsi.errors import TrainingError

    if keeper is None:
        with watch.stage("train"), progress("train", "epochs") as advance:
            return trainer.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)))
    keeper.go_on(trainer)
    with watch.stage("train"), progress("train", "epochs") as advance, held_back() as keeper.stop:
        try:
            fitted = trainer.fit(lambda epoch, epochs: advance(epoch.epoch, epochs, epoch_note(epoch)), keeper)
        except TrainingError as error:
            keeper.say_last(error)
            raise
        keeper.write(trainer)
    watch.seconds["train"] = round(watch.seconds["train"] + keeper.seconds_before, 3)
    return fitted


@contextmanager
def repeatable(settings: Settings) -> Iterator[None]:
    """Compute the same numbers every time where ``--deterministic`` asks for it."""
    from hsi.core.devices import deterministic_algorithms, resolve_device

    if settings.deterministic and resolve_device(settings.device).type == "cpu":
        say("repeatable", "on a CPU without --deterministic, too")
    with deterministic_algorithms(settings.deterministic):
        yield


def say_plan(settings: Settings, trainer: Trainer) -> None:
    """Print what will be trained, how and where."""
    from hsi.core.devices import describe_device
    from hsi.models import count_parameters

    recipe, model = trainer.recipe, trainer.model
    say("model", f"{settings.model.name}: {count_parameters(model):,} parameters, {settings.model.describe_windows()}")
    number = "bfloat16" if recipe.bfloat16 else "float32"
    say("training", f"{recipe.engine} engine, {number}, on {describe_device(trainer.device)}")
    say("", f"{recipe.epochs} epochs of {recipe.steps // recipe.epochs} steps, {recipe.optimiser}, "
            f"{recipe.lr_schedule} learning rate up to {recipe.lr:g}")  # fmt: skip


def epoch_note(epoch: Epoch) -> str:
    """Loss and accuracy for the progress bar."""
    note = f"loss {epoch.loss:.3f} accuracy {epoch.accuracy:.1%}"
    return note if epoch.validation_accuracy is None else f"{note} validation {epoch.validation_accuracy:.1%}"
