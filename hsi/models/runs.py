"""Runs of neighbouring components side by side as channels, which make a 3-D convolution a 2-D one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hsi.models.network import tracing


def neighbours(x: Tensor, depth: int, channel: int) -> Tensor:
    """Every run of ``depth`` neighbouring components: ``(N, D, …, C, …) -> (N * (D - depth + 1), …, depth * C, …)``.

    ``channel`` is the axis of ``x`` that C is. In a run channels are in order of components, then as they were.
    """
    if x.requires_grad and torch.is_grad_enabled() and not tracing():
        runs: Tensor = _Neighbours.apply(x, depth, channel)  # type: ignore[no-untyped-call]
        return runs
    return _side_by_side(x, depth, channel)


def _side_by_side(x: Tensor, depth: int, channel: int) -> Tensor:
    places = x.shape[1] - depth + 1
    if places == 1 and channel == 2:
        return x.flatten(1, 2)  # lies in memory like that
    return torch.cat([x[:, i : i + places] for i in range(depth)], dim=channel).flatten(0, 1)


class _Neighbours(torch.autograd.Function):
    """The runs with a backward that adds each place's gradient into one array: autograd's own fills and copies one as
    large as all components for each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int, channel: int) -> Tensor:
        ctx.shape, ctx.depth, ctx.channel = x.shape, depth, channel
        return _side_by_side(x, depth, channel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        images, components = ctx.shape[:2]
        places = components - ctx.depth + 1
        total = gradient.new_zeros(ctx.shape)
        parts = gradient.reshape(images, places, *gradient.shape[1:]).chunk(ctx.depth, ctx.channel)
        for i, part in enumerate(parts):
            total[:, i : i + places].add_(part)
        return total, None, None
