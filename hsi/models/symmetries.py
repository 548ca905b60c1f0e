"""The eight symmetries of the square."""

from __future__ import annotations

from torch import Tensor

# the scene and its half turn, which maps are averaged over: whatever a network has learnt of up, down, left and right
# cancels. The eight symmetries were no more accurate on held-out halves, see docs/explanation/defaults.md
AVERAGED = (0, 3)


def apply_symmetry(array: Tensor, which: int) -> Tensor:
    """One of the eight symmetries of the square (0 to 7) applied to the last two axes."""
    if which & 1:
        array = array.flip(-1)
    if which & 2:
        array = array.flip(-2)
    return array.transpose(-1, -2) if which & 4 else array


def undo_symmetry(array: Tensor, which: int) -> Tensor:
    """The inverse of :func:`apply_symmetry` with that number."""
    if which & 4:
        array = array.transpose(-1, -2)
    if which & 2:
        array = array.flip(-2)
    return array.flip(-1) if which & 1 else array


def move_starts(
    rows: Tensor, columns: Tensor, shape: tuple[int, int], window: int, which: int
) -> tuple[Tensor, Tensor]:
    """Where windows that start at ``rows`` and ``columns`` of a tile of ``shape`` (h, w) start after
    :func:`apply_symmetry` of the tile."""
    if which & 1:
        columns = shape[1] - window - columns
    if which & 2:
        rows = shape[0] - window - rows
    return (columns, rows) if which & 4 else (rows, columns)
