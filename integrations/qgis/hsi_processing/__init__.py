"""A Processing provider for QGIS that runs the ``hsi`` command of another Python environment."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """The plugin, as QGIS asks for it."""
    from .provider import Plugin

    return Plugin()
