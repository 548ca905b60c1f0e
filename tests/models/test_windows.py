"""Windows: gathering, its gradient, and the padding that gives every pixel one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsi.models.windows import _add_windows_indexed, gather_windows, pad_scene, window_rows


@st.composite
def scenes_with_pixels(draw: st.DrawFn) -> tuple[int, int, int, list[tuple[int, int]]]:
    window = draw(st.integers(0, 4)) * 2 + 1
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    pixel = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    return height, width, window, draw(st.lists(pixel, min_size=1, max_size=20))


@given(scenes_with_pixels())
@settings(max_examples=60, deadline=None)
def test_a_window_is_the_neighbourhood_of_its_pixel_with_zeros_outside(case):
    height, width, window, pixels = case
    scene = torch.arange(1, 3 * height * width + 1, dtype=torch.float32).view(3, height, width)
    rows, columns = torch.tensor(pixels).T
    windows = gather_windows(pad_scene(scene, window), rows, columns, window)
    half = window // 2
    for (row, column), found in zip(pixels, windows, strict=True):
        for i in range(-half, half + 1):
            for j in range(-half, half + 1):
                inside = 0 <= row + i < height and 0 <= column + j < width
                expected = scene[:, row + i, column + j] if inside else torch.zeros(3)
                assert torch.equal(found[:, half + i, half + j], expected)


@given(scenes_with_pixels(), st.sampled_from([torch.contiguous_format, torch.channels_last]))
@settings(max_examples=40, deadline=None)
def test_gradient_equals_that_of_plain_slicing(case, layout):
    height, width, window, pixels = case
    rows, columns = torch.tensor(pixels).T
    generator = torch.Generator().manual_seed(0)
    scene = torch.randn(2, height, width, generator=generator, dtype=torch.float64)
    weights = torch.randn(len(pixels), 2, window, window, generator=generator, dtype=torch.float64)
    ours, plain = scene.clone().requires_grad_(), scene.clone().requires_grad_()
    windows = gather_windows(pad_scene(ours, window)[None].contiguous(memory_format=layout)[0], rows, columns, window)
    assert windows.is_contiguous(memory_format=layout)
    (windows * weights.contiguous(memory_format=layout)).sum().backward()
    padded = pad_scene(plain, window)
    sum(
        (padded[:, r : r + window, c : c + window] * w).sum() for (r, c), w in zip(pixels, weights, strict=True)
    ).backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-5, atol=1e-5)


@given(scenes_with_pixels())
@settings(max_examples=20, deadline=None)
def test_the_gradient_for_gpus_is_the_same_sum(case):
    height, width, window, pixels = case
    rows, columns = torch.tensor(pixels).T
    gradient = torch.randn(len(pixels), 2, window, window, generator=torch.Generator().manual_seed(1))
    total = torch.zeros(2, height + window - 1, width + window - 1)
    expected = total.clone()
    _add_windows_indexed(total, gradient, rows, columns)
    for (row, column), piece in zip(pixels, gradient, strict=True):
        expected[:, row : row + window, column : column + window] += piece
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("budget", [1, 40, 200, 10**6])
def test_rows_of_windows_cover_the_scene_in_order_whatever_the_budget(budget):
    array = torch.from_numpy(np.random.default_rng(0).random((2, 7, 9), dtype=np.float32))
    batches = list(window_rows(array, 3, budget))
    rows, columns = torch.meshgrid(torch.arange(5), torch.arange(7), indexing="ij")
    assert torch.equal(torch.cat(batches), gather_windows(array, rows.flatten(), columns.flatten(), 3))
    assert budget < 10**6 or len(batches) == 1
