"""Plug-ins by name: readers, reducers, splits, denoisers, baselines and networks, each in a :class:`Registry`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from hsi.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Plug-ins by name. Their ``package``, and the packages in it, are imported on the first look-up.

    ``kind`` is what error messages call a plug-in ("model").
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self._package = kind, package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds a plug-in under ``name``."""

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add

    def _load(self) -> None:
        if not self._loaded:
            package = importlib.import_module(self._package)
            for module in pkgutil.walk_packages(package.__path__, f"{self._package}."):
                importlib.import_module(module.name)
            self._loaded = True

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def items(self) -> list[tuple[str, T]]:
        """All plug-ins, sorted by name."""
        return [(name, self._entries[name]) for name in self]
