"""The eight symmetries of the square."""

from __future__ import annotations

from torch import Tensor


def symmetry(array: Tensor, which: int) -> Tensor:
    """One of the eight symmetries of the square (0 to 7) applied to the last two axes."""
    if which & 1:
        array = array.flip(-1)
    if which & 2:
        array = array.flip(-2)
    return array.transpose(-1, -2) if which & 4 else array


def undo_symmetry(array: Tensor, which: int) -> Tensor:
    """What :func:`symmetry` of that number turned, turned back."""
    if which & 4:
        array = array.transpose(-1, -2)
    if which & 2:
        array = array.flip(-2)
    return array.flip(-1) if which & 1 else array
