"""Files beside a scene that are named like its labels."""

from __future__ import annotations

from pathlib import Path

from hsi.io.reader import READERS
from hsi.io.vector_files import is_vector


def label_names(source: Path) -> list[str]:
    """What a scene's label file may be called, without suffix, most usual first."""
    stem = source.stem
    if source.suffix.lower() == ".hdr" and source.with_suffix("").is_file():
        stem = source.with_suffix("").stem  # scene.img.hdr is the header of scene.img
    names = [f"{stem}_gt"]
    if stem.lower().endswith("_corrected"):
        names.append(f"{stem[: -len('_corrected')]}_gt")
    return [*names, f"{stem}_labels"]


def label_files(source: Path) -> list[Path]:
    """The files beside ``source`` with one of :func:`label_names` and a format that is known, sorted."""
    found = []
    for name in label_names(source):
        files = [entry for entry in sorted(source.parent.iterdir()) if _is_called(entry, name) and entry.is_file()]
        files = [f for f in files if is_vector(f) or any(reader.accepts(f) for _, reader in READERS.items())]
        if any(entry.suffix.lower() == ".hdr" for entry in files):
            # an ENVI header stands for the data file beside it
            files = [f for f in files if is_vector(f) or any(reader.has_suffix(f) for _, reader in READERS.items())]
        found += files
    return found


def _is_called(path: Path, name: str) -> bool:
    given, wanted = path.name.lower(), name.lower()
    if given == wanted:
        return True
    suffixes = given.removeprefix(f"{wanted}.")
    return suffixes != given and "." not in suffixes.removesuffix(".hdr")
