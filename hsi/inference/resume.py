"""The finished strips of a map in a folder, so that an interrupted map can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.files import remove_files, write_atomically
from hsi.core.scene import Block
from hsi.errors import OutputError, ResumeError

FACTS = "map.json"
STRIP = "rows-{:08d}.npz"  # the number is the strip's first row
Layers = Mapping[str, NDArray[Any]]


class StripCache:
    """The finished strips of a map in ``folder``, each in a file that is written atomically.

    A strip is complete rows of the scene: its layers by name, class ids ``(h, W)`` and bands ``(C, h, W)``. Strips may
    be saved in any order, by one process. ``facts`` is everything the strips depend on (model, scene, options, rows and
    tiles), as plain values, stored at the first use of a folder. A folder without facts is emptied.

    Raises :class:`ResumeError` for a folder with other facts, or facts that cannot be read, and :class:`OutputError`
    when it cannot be written.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        known = read_facts(folder)
        wanted = json.loads(json.dumps(dict(facts)))
        if known is None:
            clear_strips(folder)
            with write_atomically(folder / FACTS, durable=True) as part:
                part.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        elif known != wanted:
            names = [name for name in {**wanted, **known} if wanted.get(name) != known.get(name)]
            raise ResumeError(f"{folder}: the map begun there was made with other {', '.join(names)}")
        self.done = frozenset(int(path.stem.removeprefix("rows-")) for path in folder.glob("rows-*.npz"))

    def save(self, block: Block, layers: Layers) -> None:
        """Save the layers of a strip, which is then done. Raises :class:`OutputError`."""
        with write_atomically(self._path(block), durable=True) as part:
            np.savez(part, allow_pickle=False, **layers)
        self.done |= {block.row}

    def load(self, block: Block) -> dict[str, NDArray[Any]]:
        """The layers of a strip that is done. Raises :class:`ResumeError` when they cannot be read."""
        path = self._path(block)
        try:
            with np.load(path, allow_pickle=False) as file:
                layers = dict(file)
        except Exception as error:  # damaged files raise many kinds in numpy and zipfile
            reason = " ".join(str(error).split())[:160]
            raise ResumeError(f"{path}: a strip of the map begun there cannot be read: {reason}") from error
        if any(np.shape(values)[-2:] != (block.height, block.width) for values in layers.values()):
            raise ResumeError(f"{path}: has a strip of another size than {block.height} x {block.width} pixels")
        return layers

    def remove(self) -> None:
        """Remove the strips, and the folder unless something else is in it."""
        clear_strips(self.folder)

    def _path(self, block: Block) -> Path:
        if not self.folder.is_dir():
            raise OutputError(f"{self.folder}: was removed while the map was made")
        return self.folder / STRIP.format(block.row)


def clear_strips(folder: Path) -> None:
    """Remove the strips in a folder, and the folder unless something else is in it."""
    remove_files(folder, FACTS, "rows-*.npz", ".map.*.part.json", ".rows-*.part.npz")


def read_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a folder, see :class:`StripCache`; None where no map was begun. Raises :class:`ResumeError`."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ResumeError(f"{path}: cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise ResumeError(f"{path}: has a {type(facts).__name__} instead of facts by name")
    return facts
