"""One training on several processes (``torchrun``), each with a part of every step: the loss is that of one process.

``DistributedDataParallel`` averages over processes what each has averaged over its own samples. Here a step is several
tiles of unlike numbers of pixels, of which a process may have none, so gradients of sums are added up instead and the
whole is divided by the pixels of all. What else would depend on the number of processes is shared as well: statistics
of batch norm (``SyncBatchNorm`` does this on GPUs only) and the masks of dropout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hsi.training.engines import Kept
from hsi.training.tiles import Pixels, Tile
from hsi.training.trainer import AfterStep, Fitted, Progress, Trainer

PRIMES, SEEDS = (1_000_003, 7_919), 2**63  # seed, step and part make one seed


@dataclass(frozen=True)
class Group:
    """The processes that train together: this one is number ``rank`` of ``world``."""

    rank: int
    world: int

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in its place."""
        torch.distributed.all_reduce(tensor)
        return tensor


def current_group() -> Group | None:
    """The group that this process has joined, if any."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())


@dataclass
class Span:
    """Which samples of a part of ``total`` are this process's: from ``start`` to ``end``; the rest is elsewhere.

    Without a total all are here, as those of a tile are.
    """

    start: int = 0
    end: int | None = None
    total: int | None = None


class SharedDropout(nn.Dropout):
    """Dropout whose masks are drawn for all samples of a part, so that they do not depend on who has which."""

    def __init__(self, rate: float, span: Span) -> None:
        super().__init__(rate)
        self.span = span

    def forward(self, input: Tensor) -> Tensor:
        """``(n, …)`` with n the samples of this process."""
        if not self.training or self.p == 0:
            return input
        total = len(input) if self.span.total is None else self.span.total
        drawn = torch.rand((total, *input.shape[1:]), device=input.device)
        return input * (drawn[self.span.start : self.span.end] >= self.p) / (1 - self.p)


class _SumOverProcesses(torch.autograd.Function):
    """A sum over processes whose gradient is the sum of the gradients of all."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(values)  # type: ignore[no-untyped-call]
    return total


class SharedNorm(_BatchNorm):
    """Batch norm with the statistics of the samples of all processes; weights and buffers are those of ``norm``."""

    def __init__(self, norm: _BatchNorm, group: Group) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.weight, self.bias, self.group = norm.weight, norm.bias, group
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.training = norm.training

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""

    def forward(self, input: Tensor) -> Tensor:
        """``(n, C, …)`` with n the samples of this process."""
        if not self.training:
            known: Tensor = super().forward(input)
            return known
        x = input.float()
        axes, shape = [0, *range(2, x.dim())], (1, -1, *[1] * (x.dim() - 2))
        sums = torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])])
        sums = _sum_over_processes(sums)
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scale = (variance + self.eps).rsqrt()
        return (centred * (scale * self.weight).view(shape) + self.bias.view(shape)).to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        self.running_var.mul_(1 - self.momentum).add_(variance, alpha=self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


@contextmanager
def shared_layers(model: nn.Module, span: Span, group: Group, norms: bool) -> Iterator[None]:
    """While it lasts, dropout and (with ``norms``) batch norm of a network are those that processes share."""
    found = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()]
    swapped = []
    for parent, name, child in found:
        if norms and isinstance(child, _BatchNorm):
            setattr(parent, name, SharedNorm(child, group))
        elif type(child) is nn.Dropout:
            setattr(parent, name, SharedDropout(child.p, span))
        else:
            continue
        swapped.append((parent, name, child))
    try:
        yield
    finally:
        for parent, name, child in swapped:
            setattr(parent, name, child)


class RunningStatistics:
    """Batch norm's running statistics over parts that different processes have, as if one had them all in order.

    A part's share in them is what a forward pass leaves of zeros.
    """

    def __init__(self, model: nn.Module, parts: int) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self.norms = [norm for norm in norms if norm.running_mean is not None]
        self.buffers = [b for norm in self.norms for b in (norm.running_mean, norm.running_var) if b is not None]
        self.before = [buffer.clone() for buffer in self.buffers]
        self.counts = [norm.num_batches_tracked.clone() for norm in self.norms if norm.num_batches_tracked is not None]
        size = sum(buffer.numel() for buffer in self.buffers)
        self.shares = torch.zeros(parts, size, device=self.buffers[0].device if self.buffers else None)

    @contextmanager
    def part(self, index: int) -> Iterator[None]:
        """Note the share of a part that passes forward meanwhile."""
        for buffer in self.buffers:
            buffer.zero_()
        yield
        if self.buffers:
            self.shares[index] = torch.cat([buffer.flatten() for buffer in self.buffers])

    def settle(self, group: Group) -> None:
        """Set the statistics as they are after all parts of all processes."""
        if not self.buffers:
            return
        group.add_up(self.shares)
        kept = [1 - (norm.momentum or 0.0) for norm in self.norms for _ in range(2)]
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(before)
        for share in self.shares:
            pieces = torch.split(share, [buffer.numel() for buffer in self.buffers])
            for buffer, piece, factor in zip(self.buffers, pieces, kept, strict=True):
                buffer.mul_(factor).add_(piece)
        for norm, count in zip(self.norms, self.counts, strict=False):
            norm.num_batches_tracked.copy_(count + len(self.shares))  # type: ignore[union-attr]


class SharedTrainer(Trainer):
    """A :class:`Trainer` of which every process of a group has one, made of the same arguments.

    The dense engine's tiles are dealt to the processes; each batch of the patch engine is cut into as many pieces.
    Losses and weights are those of one process in such a group, to rounding, and, but for the masks of dropout, those
    of :class:`Trainer`. Validation pixels are looked at by every process.
    """

    def __init__(self, *given: Any, group: Group, **options: Any) -> None:
        super().__init__(*given, **options)
        self.group, self.span = group, Span()
        for value in self.model.state_dict().values():
            torch.distributed.broadcast(value, 0)

    def fit(self, progress: Progress | None = None, after_step: AfterStep | None = None) -> Fitted:
        """Train together with the other processes, which all end with the same network."""
        with shared_layers(self.model, self.span, self.group, norms=self.recipe.engine == "patch"):
            fitted = super().fit(progress, after_step)
        fitted.model.eval()
        return fitted

    def _backward(self, parts: list[Any], total: int, turn: int, kept: Kept | None) -> tuple[float, int]:
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        tiles = self.recipe.engine == "dense"
        statistics = RunningStatistics(self.model, len(parts)) if tiles else None
        for index, part in enumerate(parts):
            torch.manual_seed(((self.seed * PRIMES[0] + self.state.steps_done) * PRIMES[1] + index) % SEEDS)
            if statistics is None:
                self._patches(part, total, turn, kept, sums)
            elif index % self.group.world == self.group.rank:
                with statistics.part(index):
                    self._add(part, total, turn, kept, sums, 1.0)
            elif kept:
                kept((part.height, part.width))  # drawn by another process, and here to stay in step
        if statistics:
            statistics.settle(self.group)
        self._add_up_gradients()
        self.group.add_up(sums)
        return float(sums[0]), round(float(sums[1]))

    def _patches(self, part: Pixels, total: int, turn: int, kept: Kept | None, sums: Tensor) -> None:
        """The piece of a batch that is this process's; one too small to be cut is everyone's, who count it less."""
        rank, world, number = self.group.rank, self.group.world, len(part)
        alike = number < world
        start, end = (0, number) if alike else (number * rank // world, number * (rank + 1) // world)
        self.span.start, self.span.end, self.span.total = start, end, number

        def mine(shape: tuple[int, ...]) -> Tensor:
            assert kept is not None
            return kept((number, *shape[1:]))[start:end]

        piece = part.take(torch.arange(start, end, device=part.codes.device))
        self._add(piece, total, turn, mine if kept else None, sums, 1 / world if alike else 1.0)

    def _add(self, part: Tile | Pixels, total: int, turn: int, kept: Kept | None, sums: Tensor, weight: float) -> None:
        """Add the gradients of a part's loss to those here, and its loss and pixels right to ``sums``."""
        loss, right = self._add_gradients(part, total / weight, turn, kept)
        sums += torch.stack([loss.double(), right.double() * weight])

    def _add_up_gradients(self) -> None:
        """Every parameter's gradient becomes the sum over all processes."""
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = self.group.add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = torch.split(flat, [parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)
