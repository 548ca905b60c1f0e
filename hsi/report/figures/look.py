"""Title, size and letters of figures as a user wants them; see the options of ``hsi plot``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from hsi.errors import UsageError

USUAL_LETTERS = 8.0  # points of the labels of axes
SMALLEST, LARGEST = 2.0, 100.0  # centimetres of a side
INCH = 2.54


@dataclass(frozen=True)
class Look:
    """How figures are drawn: their ``title``, ``size`` in inches and the points of labels; None as it is usual."""

    title: str | None = None
    size: tuple[float, float] | None = None
    letters: float | None = None

    def __post_init__(self) -> None:
        if self.letters is not None and not 3 <= self.letters <= 72:
            raise UsageError(f"the font size is 3 to 72 points, found {self.letters:g}")


_LOOK: ContextVar[Look] = ContextVar("look", default=Look())  # noqa: B039 (it is frozen)


def parse_size(text: str) -> tuple[float, float]:
    """Inches from centimetres as ``16x9``; raises :class:`UsageError` for anything else and for sides that no page
    has."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)\s*(?:cm)?\s*", text)
    if not found:
        raise UsageError(f"the size is width x height in centimetres, such as 16x9, found '{text[:40]}'")
    width, height = map(float, found.groups())
    if not (min(width, height) >= SMALLEST and max(width, height) <= LARGEST):
        raise UsageError(f"the size is in centimetres, {SMALLEST:g} to {LARGEST:g} each, found {width:g} x {height:g}")
    return width / INCH, height / INCH


@contextmanager
def use_look(look: Look) -> Iterator[None]:
    """Within the block, and in this thread, figures are drawn so."""
    token = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(token)


def current_look() -> Look:
    """How figures are drawn here."""
    return _LOOK.get()


def scaled(usual: float) -> float:
    """The size of letters that usually have so many points, or the length of what grows with them."""
    letters = current_look().letters
    return usual if letters is None else usual * letters / USUAL_LETTERS


def too_small(size: tuple[float, float]) -> UsageError:
    """The error for a page that does not hold what has to be on it."""
    width, height = (side * INCH for side in size)
    return UsageError(
        f"the size {width:g} x {height:g} cm is too small for names and labels: give more, or smaller font"
    )
