"""Messages and progress of the library on the terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hsi.core.events import Advance, Reporter


class Terminal(Reporter):
    """A reporter that prints; rich is imported with the first message."""

    def info(self, label: str, text: str) -> None:
        """Print a line."""
        from .terminal import say

        say(label, text)

    def debug(self, label: str, text: str) -> None:
        """Print a line with ``--verbose``."""
        from .terminal import detail

        detail(label, text)

    def warning(self, text: str) -> None:
        """Print a warning on stderr."""
        from .terminal import warn

        warn(text)

    def progress(self, title: str, unit: str) -> AbstractContextManager[Advance]:
        """Draw a bar on stderr."""
        from .terminal import progress

        return progress(title, unit)
