"""What the readers of satellite and airborne products share."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from hsi.core.scene import Scene
from hsi.errors import LabelError, SceneFileError
from hsi.io.reader import READERS, ArrayInfo, LabelContent, Reader


class ProductReader(Reader):
    """A product with one cube, told by its content, whatever the file is called."""

    is_product = True

    def accepts(self, path: Path) -> bool:
        """Only what it recognises: others use the same suffixes."""
        return self.recognises(path)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one cube."""
        scene = self.open_product(path)
        return (ArrayInfo("", scene.shape, scene.dtype.name),)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The cube, read by window."""
        return self.open_product(path)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """Raise :class:`LabelError`: a product has no labels."""
        raise LabelError(f"{path}: is {self.title}, which holds no labels; give another --labels FILE")

    @abstractmethod
    def open_product(self, path: Path) -> Scene:
        """The product's cube as a scene."""


def product_file(path: Path) -> Path:
    """The file to open for ``path``: of a folder that holds one product its image, else the path itself.

    Raises :class:`SceneFileError` when a folder holds several products.
    """
    if not path.is_dir():
        return path
    products = [reader for _, reader in READERS.items() if reader.is_product]
    entries = sorted(entry for entry in path.iterdir() if entry.is_file() and entry.suffix.lower() != ".xml")
    found = [entry for entry in entries if any(reader.recognises(entry) for reader in products)]
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found[:5])
        raise SceneFileError(f"{path}: holds {len(found)} products: {names}; name one of them")
    return found[0] if found else path
