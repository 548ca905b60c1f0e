"""Windows of a padded scene: gathered with a fast gradient, or in batches.

A scene of ``(H, W)`` pixels is padded with ``window // 2`` zeros on each side, so that the window of pixel
``(row, column)`` starts at ``(row, column)`` of the padded array and every pixel has one, borders included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Array = TypeVar("Array", Tensor, NDArray[np.float32])
BATCH = 64  # windows whose gradients are added at a time: as many as stay in cache in float32


def crop(array: Array, rim: int) -> Array:
    """``(..., h, w)`` without the outermost ``rim`` rows and columns: ``(..., h - 2 rim, w - 2 rim)``."""
    inside: Array = array[..., rim : array.shape[-2] - rim, rim : array.shape[-1] - rim]
    return inside


def pad_scene(components: Tensor, window: int) -> Tensor:
    """Zero padding of ``window // 2`` on each side: ``(K, H, W) -> (K, H + window - 1, W + window - 1)``."""
    half = window // 2
    return F.pad(components, (half, half, half, half))


def gather_windows(array: Tensor, rows: Tensor, columns: Tensor, size: int) -> Tensor:
    """Copies of the windows that start at ``(rows, columns)``: ``([1,] C, h, w) -> (N, C, size, size)``.

    ``rows`` and ``columns`` are int64 of shape ``(N,)``. Windows of an array with channels last in memory have their
    channels last, too. Differentiable, see :class:`_Gather`.
    """
    windows: Tensor = _Gather.apply(array, rows, columns, size)  # type: ignore[no-untyped-call]
    return windows


def view_windows(array: Tensor, size: int) -> Tensor:
    """All windows as a view, without a copy: ``(C, h, w) -> (h', w', C, size, size)``."""
    return array.unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4)


def has_channels_last(images: Tensor) -> bool:
    """Whether images ``(N, C, h, w)`` have their channels last in memory, and are not in the usual order as well."""
    return images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()


class _Gather(torch.autograd.Function):
    """Gather with a backward that adds each window's gradient to a slice, in a fixed order, so that runs agree.

    Autograd's own backward of ``unfold`` and indexing materialises every window of the array.
    """

    @staticmethod
    def forward(ctx: Any, array: Tensor, rows: Tensor, columns: Tensor, size: int) -> Tensor:
        ctx.shape, ctx.size = array.shape, size
        ctx.save_for_backward(rows, columns)
        array = array.flatten(0, -3)
        windows = view_windows(array, size)
        if array.stride(0) == 1 and len(array) > 1:  # channels last
            return windows.permute(0, 1, 3, 4, 2)[rows, columns].permute(0, 3, 1, 2)
        return windows[rows, columns]  # (N, C, size, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        rows, columns = ctx.saved_tensors
        size, layout = ctx.size, torch.channels_last if has_channels_last(gradient) else torch.contiguous_format
        image = torch.empty((1, *ctx.shape[-3:]), device=gradient.device, memory_format=layout).zero_()
        total = image[0]  # in float32
        if not gradient.is_cpu:
            _add_windows_indexed(total, gradient, rows, columns)
        else:
            starts = zip(rows.tolist(), columns.tolist(), strict=True)
            for batch in torch.split(gradient, BATCH):
                for piece, (row, column) in zip(batch.float(), starts):  # noqa: B905 (starts continue in the next batch)
                    total[:, row : row + size, column : column + size].add_(piece)  # += would copy the slice
        image = image.to(gradient.dtype)
        return image if len(ctx.shape) == 4 else image[0], None, None, None


def _add_windows_indexed(total: Tensor, gradient: Tensor, rows: Tensor, columns: Tensor) -> None:
    """The same sum in few kernel launches, one for each place in the window; for GPUs."""
    channels, _, width = total.shape
    size = gradient.shape[-1]
    flat = total.view(channels, -1)
    start = rows * width + columns
    for i in range(size):
        for j in range(size):
            flat.index_add_(1, start + i * width + j, gradient[:, :, i, j].t().to(total.dtype))


def window_rows(array: Tensor, size: int, budget: int = 1 << 22) -> Iterator[Tensor]:
    """All windows in row-major order, in batches: ``(C, h, w) -> (n, C, size, size)`` each.

    ``budget`` is about how many numbers a batch holds, so that it stays in cache; at least one window.
    """
    windows = view_windows(array, size)
    width = windows.shape[1]
    each = array.shape[0] * size * size
    step = max(1, budget // each)
    if step >= width:
        for row in range(0, windows.shape[0], step // width):
            block = windows[row : row + step // width]
            yield block.reshape(-1, *block.shape[2:])
        return
    for row in range(windows.shape[0]):
        for column in range(0, width, step):
            yield windows[row, column : column + step].contiguous()
