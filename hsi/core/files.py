"""The folder of the configurations, and files that are written atomically."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsi.errors import ConfigError, HsiError, OutputError


def config_dir() -> Path:
    """The folder of the YAML files that come with this package: in a wheel ``hsi/configs``, in a checkout ``configs``.

    Raises :class:`ConfigError` when the installation lacks it.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "scenes").is_dir():
            return folder
    raise ConfigError(f"the configurations are missing from {package}: install hsi again")


def cache_folder() -> Path:
    """The user's folder for files that can be made again."""
    import platformdirs

    return platformdirs.user_cache_path("hsi")


@contextmanager
def write_atomically(path: Path, durable: bool = False) -> Iterator[Path]:
    """A temporary path next to ``path`` that replaces it when the block ends, and is removed if the block raises.

    Missing folders are made. With ``durable`` the file is on disk when this returns, even if the machine then stops.
    Raises :class:`OutputError` naming ``path`` when it cannot be written.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if durable:
            _sync(part)
        os.replace(part, path)  # noqa: PTH105 - atomic on every system
        if durable and os.name == "posix":
            _sync(path.parent)
    except HsiError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if part.exists():
            part.unlink()


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
