"""Scenes and labels from files. One file here adds a format: it registers itself in :data:`READERS`."""

from hsi.io.open import files_of, open_labels, open_scene, open_wavelengths
from hsi.io.reader import READERS, ArrayInfo, LabelContent, Reader

__all__ = [
    "READERS",
    "ArrayInfo",
    "LabelContent",
    "Reader",
    "files_of",
    "open_labels",
    "open_scene",
    "open_wavelengths",
]
