"""How fast this machine multiplies and copies, and the least time of a computation at these rates: its floor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

SIDE = 2048  # of the matrices that are multiplied
COPIED = 256 * 2**20  # bytes that are copied: far more than a cache


@dataclass(frozen=True)
class Rates:
    """Multiply-adds a second of a float32 matrix product, and bytes a second read and written by a copy."""

    multiply_adds: float
    bytes: float

    def floor(self, multiply_adds: float, moved: float) -> float:
        """The least seconds for these multiply-adds and bytes moved."""
        return max(multiply_adds / self.multiply_adds, moved / self.bytes)


def median_seconds(work: Callable[[], Any], repeats: int, *, warm_up: bool = True) -> float:
    """Median wall time of a piece of work, after one that is not counted."""
    if warm_up:
        _finish(work)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        _finish(work)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def machine_rates(device: torch.device, repeats: int = 5) -> Rates:
    """The best of several products of square matrices, and of several copies of a large array."""
    left, right = (torch.rand(SIDE, SIDE, device=device) for _ in range(2))
    source = torch.rand(COPIED // 4, device=device)
    target = torch.empty_like(source)
    product = min(median_seconds(lambda: left @ right, 1, warm_up=i == 0) for i in range(repeats))
    copy = min(median_seconds(lambda: target.copy_(source), 1, warm_up=i == 0) for i in range(repeats))
    return Rates(SIDE**3 / product, 2 * COPIED / copy)


def _finish(work: Callable[[], Any]) -> None:
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
