"""Work in the background of which only the latest request counts."""

from __future__ import annotations

import threading
from collections.abc import Callable


class LatestWork:
    """What is requested while ``act`` runs is done once after it, however often it was requested."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._wanted = self._running = False

    def request(self) -> bool:
        """Ask for the work; returns whether :meth:`work` has to be started, as it is not under way."""
        with self._lock:
            self._wanted = True
            start, self._running = not self._running, True
            return start

    def work(self) -> None:
        """Act until nothing more is requested."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._running = False
                    return
                self._wanted = False
            try:
                self._act()
            except Exception:
                with self._lock:
                    self._running = False
                raise
