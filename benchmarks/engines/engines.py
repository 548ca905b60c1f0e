"""Each engine and the conventional way on the same scene, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.engines.conventional import conventional_pass, conventional_scores
from benchmarks.engines.rates import Rates, median_seconds
from hsi.core.devices import retain_freed_memory
from hsi.inference.blending import blend
from hsi.inference.scores import padded_scores
from hsi.models.build import multiply_adds
from hsi.models.hybridsn import HybridSN
from hsi.models.windows import pad_scene
from hsi.settings import TrainingSettings
from hsi.training.trainer import Trainer

Float = NDArray[np.float32]
Engine = Literal["dense", "patch"]


@dataclass(frozen=True)
class MapTimes:
    """Seconds for a map. ``floor`` is that of the dense engine's plain arithmetic, without transforms.

    ``timed`` pixels were mapped the conventional way and the seconds scaled to all ``pixels``;
    ``largest_difference`` of scores and ``same_class`` are over the timed ones.
    """

    pixels: int
    conventional: float
    dense: float
    first: float
    floor: float
    timed: int
    largest_difference: float
    same_class: float

    @property
    def ratio(self) -> float:
        """How many times faster than the conventional way the dense engine is."""
        return self.conventional / self.dense


@dataclass(frozen=True)
class TrainingTimes:
    """Seconds for every one of ``pixels`` once, forward and backward, and the floor of the dense engine.

    The dense engine takes them in ``steps`` steps, its default, and in one: ``together``. ``timed`` pixels were
    trained on in batches of patches and the seconds scaled to all.
    """

    pixels: int
    timed: int
    conventional: float
    patch: float
    dense: float
    steps: int
    together: float
    floor: float

    @property
    def ratio(self) -> float:
        """How many times faster than the conventional way the dense engine is when it takes one step."""
        return self.conventional / self.together


def dense_scores(model: HybridSN, padded: torch.Tensor, device: torch.device, symmetries: bool = False) -> torch.Tensor:
    """Scores ``(classes, H, W)`` of a padded scene by the dense engine, in the precision of a default map."""
    height, width = (side - model.window + 1 for side in padded.shape[1:])
    scores = torch.empty(model.classes, height, width)
    for block, part in padded_scores(model, padded, device=device, engine="dense", symmetries=symmetries, amp="auto"):
        scores[:, *block.slices] = part.cpu()
    return scores


def time_map(
    model: HybridSN, components: Float, rates: Rates, *, device: torch.device, repeats: int, rows: int
) -> MapTimes:
    """Map ``(K, H, W)`` components by the dense engine, and their first ``rows`` the conventional way."""
    padded = pad_scene(torch.from_numpy(components), model.window)
    _, height, width = components.shape
    with retain_freed_memory():
        first = median_seconds(lambda: dense_scores(model, padded, device), 1, warm_up=False)
        dense = median_seconds(lambda: dense_scores(model, padded, device), repeats, warm_up=False)
    top = padded[:, : rows + model.window - 1]
    reference: list[torch.Tensor] = []
    conventional = median_seconds(
        lambda: reference.append(conventional_scores(model, top.numpy(), rows, width, device)), 1, warm_up=False
    )
    scores = dense_scores(model, top, device)
    side = 48 + model.window - 1
    with torch.no_grad():
        tile = padded[None, :, :side, :side].to(device)
        counted = multiply_adds(lambda: model.head_map(model.trunk(tile))) * height * width / 48**2
    moved = 4.0 * (padded.numel() + scores.numel() * height / rows)
    return MapTimes(
        pixels=height * width,
        conventional=conventional * height / rows,
        dense=dense,
        first=first,
        floor=rates.floor(counted, moved),
        timed=rows * width,
        largest_difference=float((reference[0] - scores).abs().max()),
        same_class=float((reference[0].argmax(0) == scores.argmax(0)).double().mean()),
    )


def time_averages(model: HybridSN, components: Float, *, device: torch.device, repeats: int) -> dict[str, float]:
    """Median seconds of a plain map of ``(K, H, W)`` components, one averaged over the half turn, and one that is also
    blended, as by default."""
    padded = pad_scene(torch.from_numpy(components), model.window)
    guide = torch.from_numpy(components)
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: dense_scores(model, padded, device),
        "averaged": lambda: dense_scores(model, padded, device, symmetries=True),
        "averaged and blended": lambda: blend(
            dense_scores(model, padded, device, symmetries=True).softmax(0).to(device), guide.to(device)
        ),
    }
    with retain_freed_memory():
        return {way: median_seconds(work, repeats) for way, work in ways.items()}


def time_training(
    model: HybridSN, components: Float, codes: NDArray[np.int64], train_mask: NDArray[np.bool_], rates: Rates,
    *, device: torch.device, repeats: int,
) -> tuple[TrainingTimes, TrainingTimes]:  # fmt: skip
    """One pass over all labelled pixels, and one over the training pixels, by either engine and the conventional way.

    ``codes`` are ``(H, W)``, -1 where there is no label. The training pixels are those that patches are timed on.
    """
    padded = pad_scene(torch.from_numpy(components), model.window).numpy()
    timed = int(train_mask.sum())

    def trainer(mask: NDArray[np.bool_], engine: Engine, epochs: int, batch: int | None) -> Trainer:
        settings = TrainingSettings(engine=engine, epochs=epochs, lr_schedule="constant", batch=batch)
        return Trainer(model, padded, codes, mask, np.zeros_like(mask), settings, device=device, seed=0)

    def seconds(mask: NDArray[np.bool_], engine: Engine, epochs: int, batch: int | None = None) -> float:
        """The median time of an epoch after the first."""
        ends: list[float] = []
        trainer(mask, engine, epochs + 1, batch).fit(lambda epoch, epochs: ends.append(time.perf_counter()))
        return float(np.median(np.diff(ends)))

    patch = seconds(train_mask, "patch", 1)
    conventional = median_seconds(lambda: conventional_pass(model, padded, codes, train_mask, device), 1, warm_up=False)
    parameters = sum(weight.numel() for weight in model.parameters())
    moved = 4.0 * (padded.size + 4 * parameters)  # the scene; weights, their gradients and two moments

    def times(mask: NDArray[np.bool_]) -> TrainingTimes:
        pixels = int(mask.sum())
        steps = trainer(mask, "dense", 1, None).recipe.steps
        dense, once = seconds(mask, "dense", repeats), trainer(mask, "dense", 1, pixels)
        return TrainingTimes(
            pixels=pixels,
            timed=timed,
            conventional=conventional * pixels / timed,
            patch=patch * pixels / timed,
            dense=dense,
            steps=steps,
            together=dense if steps == 1 else seconds(mask, "dense", repeats, pixels),
            floor=rates.floor(multiply_adds(once.fit), moved),
        )

    return times(codes >= 0), times(train_mask)
