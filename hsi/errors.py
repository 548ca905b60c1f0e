"""Every error this package raises on purpose.

Each child of :class:`HsiError` is also the builtin that a caller would expect, so ``except ValueError`` and
``except OSError`` keep working. A message names the thing, what was found, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest_names(name: str, known: Iterable[str]) -> str:
    """``did you mean a or b? `` with the known names that begin with a wrong one or are close to it; else empty."""
    lowered, given = {entry.lower(): entry for entry in known}, name.lower()
    longer = [entry for entry in lowered if len(given) > 2 and entry.startswith(given)]
    close = difflib.get_close_matches(given, list(lowered), n=3, cutoff=0.5)
    near = [lowered[entry] for entry in list(dict.fromkeys([*longer, *close]))[:3]]
    return f"did you mean {' or '.join(near)}? " if near else ""


class HsiError(Exception):
    """Base of every error raised on purpose. ``exit_code`` is what the command line returns for it."""

    exit_code = 1


class UsageError(HsiError, ValueError):
    """What was asked for makes no sense (exit code 2)."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not in a registry. The message lists the nearest and all the known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {kind} '{name}': {suggest_names(name, names)}known: {', '.join(names)}")
        self.kind, self.name, self.known = kind, name, names


class ConfigError(UsageError):
    """A configuration file or setting that cannot be used."""


class SceneError(HsiError, ValueError):
    """A scene whose content cannot be used."""


class SceneFileError(HsiError, OSError):
    """A file that is missing, truncated or not in the format its name promises."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class LabelError(HsiError, ValueError):
    """Labels that are missing or do not fit the scene."""


class SplitError(HsiError, ValueError):
    """A split that cannot be made from these labels."""


class DeviceError(UsageError):
    """A device that this machine does not have."""


class TrainingError(HsiError, RuntimeError):
    """Training that cannot continue (for example a loss that is not finite)."""


class DeviceMemoryError(HsiError, MemoryError):
    """Work that does not fit into memory however small its pieces."""


class ResumeError(HsiError, RuntimeError):
    """Unfinished work that cannot be resumed: it was made from other settings or data, or is damaged."""


class ComparisonError(HsiError, RuntimeError):
    """Runs of a comparison that failed."""


class ClusterError(HsiError, RuntimeError):
    """A Dask cluster that cannot be reached, is lost, or whose workers cannot do what they are given."""


class BundleError(HsiError, ValueError):
    """A saved model that cannot be read or does not fit the scene."""


class OutputError(HsiError, OSError):
    """An output that exists already or cannot be written."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)
