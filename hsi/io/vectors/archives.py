"""Vector files in ZIP archives: zipped Shapefiles, KMZ."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from hsi.errors import SceneFileError, UsageError, suggest_names

PARTS = {
    ".shp": (".shp", ".shx", ".dbf", ".prj", ".cpg"),
    ".gpkg": (".gpkg",),
    ".geojson": (".geojson",),
    ".fgb": (".fgb",),
    ".kml": (".kml",),
}
ZIP = b"PK\x03\x04"
LARGEST_UNPACKED = 1 << 29  # bytes
MOST_NAMES = 12


def is_archive(start: bytes) -> bool:
    """Whether a file that starts so is a ZIP archive."""
    return start.startswith(ZIP)


def holds_vectors(path: Path) -> bool:
    """Whether an archive holds a vector file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(_list_datasets(archive))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


@contextmanager
def unpack_vectors(path: Path, layer: str | None) -> Iterator[tuple[Path, str | None]]:
    """The only vector file of an archive, or the one whose name ``layer`` is, in a temporary folder.

    Names of members decide nothing but which files belong together: all are written under names of ours. With the file
    comes the layer to read in it, which is ``layer`` unless that named the file. Raises :class:`SceneFileError` for an
    archive without vectors or of more than 512 MiB, :class:`UsageError` where ``layer`` has to choose.
    """
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="hsi-") as folder:
        members = _list_datasets(archive)
        chosen, layer = _choose_dataset(path, list(members), layer)
        size = sum(member.file_size for member in members[chosen].values())
        if size > LARGEST_UNPACKED:
            raise SceneFileError(
                f"{path}: unpacks to {size:,} bytes, more than {LARGEST_UNPACKED:,}: unpack it and name the file in it"
            )
        suffix = PurePosixPath(chosen).suffix.lower()
        for part, member in members[chosen].items():
            with archive.open(member) as source, Path(folder, f"layer{part}").open("wb") as target:
                shutil.copyfileobj(source, target)  # no more than the member's declared size
        yield Path(folder, f"layer{suffix}"), layer


def _list_datasets(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """The vector files of an archive by their path in it, each with its parts by lower-case suffix."""
    files: dict[tuple[PurePosixPath, str], dict[str, zipfile.ZipInfo]] = {}
    names: dict[tuple[PurePosixPath, str], dict[str, str]] = {}
    for member in archive.infolist():
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if member.is_dir() or inside.name.startswith("._") or "__MACOSX" in inside.parts:
            continue
        key, suffix = (inside.parent, inside.stem.lower()), inside.suffix.lower()
        files.setdefault(key, {})[suffix] = member
        names.setdefault(key, {})[suffix] = str(inside)
    return {
        names[key][main]: {suffix: found[suffix] for suffix in parts if suffix in found}
        for key, found in files.items()
        for main, parts in PARTS.items()
        if main in found
    }


def _choose_dataset(path: Path, names: list[str], layer: str | None) -> tuple[str, str | None]:
    listed = ", ".join(name[:60] for name in names[:MOST_NAMES]) + (" and more" if len(names) > MOST_NAMES else "")
    if not names:
        raise SceneFileError(
            f"{path}: is an archive without a vector file: expected one of {', '.join(PARTS)} in it; unpack it and "
            "name a file of labels"
        )
    named = [name for name in names if layer in (name, PurePosixPath(name).name, PurePosixPath(name).stem)]
    if layer is not None and len(named) == 1:
        return named[0], None
    if len(names) == 1:
        return names[0], layer
    if layer is None or named:
        raise UsageError(f"{path}: holds {len(names)} vector files: {listed}; name one with label_layer=NAME")
    hint = suggest_names(layer[:60], [PurePosixPath(name).stem[:60] for name in names])
    raise UsageError(f"{path}: no vector file '{layer[:60]}' (label_layer): {hint}it holds {listed}")
