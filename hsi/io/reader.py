"""The interface of all readers, and what they share: checks of a file before it is opened, and errors that name it."""

from __future__ import annotations

import difflib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import Colour
from hsi.core.interrupts import reading
from hsi.core.registry import Registry
from hsi.core.scene import Block, Georeference, Scene, scene_from_array
from hsi.errors import HsiError, SceneFileError

Array = NDArray[Any]

# deflate compresses by a factor of 1032 at most; the rest is room for headers
LARGEST_RATIO = 1100
RENAME = "rename it to its real format, or save or download it again"
# what stands in the place of a file that was not fetched
GIT_LFS, GIT_ANNEX, WEB_PAGE = b"version https://git-lfs", b"/annex/objects/", (b"<!doctype html", b"<html")
SIGNATURES = {
    **dict.fromkeys((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "a TIFF"),
    b"\x89HDF\r\n": "HDF5, which NetCDF-4 and MATLAB v7.3 are too",
    b"CDF": "NetCDF of the classic format",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"MATLAB": "a MATLAB file (.mat)",
    b"PK\x03\x04": "a zip archive, which .npz is too: unpack another one",
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"), "a compressed archive: unpack it"),
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"EHFA_HEADER_TAG": "an ERDAS Imagine file",
    b"%PDF": "a PDF",
    b"SQLite format": "a GeoPackage or another SQLite file",
    b"\x80\x04": "a Python pickle, which is never read",
}
TIFF_START = 4
COPY = "compare its size with the original and copy it again"
UNPACK = "save it uncompressed where it was written, such as 'gdal_translate -co COMPRESS=NONE'"
UNKNOWN = "if other programs open it, save it from there as GeoTIFF or ENVI; else copy it again"
CUT_OFF = re.compile(r"eof = (\d+).*stored_eof = (\d+)")  # HDF5
DAMAGED = (
    "crc",
    "corrupt",
    "data check",
    "decompress",
    "invalid block",
    "invalid distance",
    "invalid code",
    "invalid stored",
)
ENDS_EARLY = (
    *("not a zip file", "could not read bytes", "cut off", "incomplete or truncated", "end of file"),
    *("file short", "can't read", "unable to read", "file read error", "seek or read", "vsifreadl"),  # of GDAL
)
FLOAT_KINDS = frozenset(("float16", "float32", "float64", "float128", "single", "double"))
REAL_KINDS = FLOAT_KINDS | {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
STORE_FILES = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")  # metadata of a Zarr store, which is a folder


@dataclass(frozen=True)
class ArrayInfo:
    """An array inside a file, not loaded.

    ``name`` is empty where the file holds one array only, and ``kind`` is a dtype name such as "uint16", or "logical",
    "char", "complex", "cell". ``shape`` is in the order (rows, columns, bands) unless ``axes`` has another: a letter
    for each axis, H, W or B, and ? where the file does not say it.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    axes: str = ""

    @property
    def is_cube(self) -> bool:
        """Three axes of real numbers."""
        return len(self.shape) == 3 and 0 not in self.shape and self.kind in REAL_KINDS

    @property
    def is_plane(self) -> bool:
        """Two axes (or a first or third of length 1) of real numbers or truth values, as labels have."""
        flat = len(self.shape) == 2 or (len(self.shape) == 3 and 1 in (self.shape[0], self.shape[2]))
        return flat and 0 not in self.shape and self.kind in REAL_KINDS | {"logical"}

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        sides = self.shape if len(self.shape) == 2 else self.shape[:2] if self.shape[2] == 1 else self.shape[1:]
        return (sides[1], sides[0]) if self.is_turned else (sides[0], sides[1])

    @property
    def is_turned(self) -> bool:
        """Whether the file says that columns come before rows."""
        return 0 <= self.axes.find("W") < self.axes.find("H")

    @property
    def is_vector(self) -> bool:
        """One axis (or others of length 1) of real numbers or truth values."""
        return max(self.shape, default=0) == math.prod(self.shape) > 1 and self.kind in REAL_KINDS | {"logical"}

    def __str__(self) -> str:
        shape = " x ".join(str(n) for n in self.shape) or "scalar"
        return f"{self.name or 'one array'} ({shape}, {self.kind})"


@dataclass(frozen=True)
class LabelContent:
    """Labels as a file holds them: values ``(H, W)``, and the file's class names, colours, nodata value and place.

    Pixels of ``hidden`` ``(H, W)`` bool, by an alpha band or a mask of the file, have no label.
    """

    values: Array
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, Colour] = field(default_factory=dict)
    nodata: float | None = None
    georeference: Georeference | None = None
    hidden: NDArray[np.bool_] | None = None


def crop_labels(content: LabelContent, window: Block) -> LabelContent:
    """The labels of a window of a scene, without their place."""
    hidden = None if content.hidden is None else content.hidden[window.slices]
    return replace(content, values=content.values[window.slices], hidden=hidden, georeference=None)


class Reader(ABC):
    """A file format. Messages call it by its ``title``; ``suffixes`` are lower case, with the dot.

    All methods raise :class:`SceneFileError` for a file that is damaged, truncated or of another format, and
    :class:`SceneError` for content that cannot be a scene.
    """

    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    # a product reader takes precedence over the reader of the general format of its files
    is_product: ClassVar[bool] = False

    def has_suffix(self, path: Path) -> bool:
        """Whether the file's name has one of the suffixes of this format."""
        return path.suffix.lower() in self.suffixes

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether the file's content is of this format; as little as possible of it is read."""

    def accepts(self, path: Path) -> bool:
        """Whether this reader would open the file, going by its name or its content."""
        return self.has_suffix(path) or self.recognises(path)

    def identifies(self, path: Path) -> bool:
        """Whether this reader can open a file that no reader accepts, which is tried out."""
        return False

    def files(self, path: Path) -> tuple[Path, ...]:
        """All files of what ``path`` names, for a record of the inputs."""
        return (path,)

    @abstractmethod
    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The arrays in the file, not loaded."""

    @abstractmethod
    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """One of :meth:`arrays` as a scene ``(H, W, B)``, in native byte order."""

    def read_colours(self, path: Path, array: ArrayInfo) -> tuple[LabelContent, str] | None:
        """One of :meth:`arrays` as labels whose classes are colours, and the legend; None where it is no such image."""
        return None

    @abstractmethod
    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """One of :meth:`arrays` as labels ``(H, W)``, loaded."""

    def read_classes(self, path: Path, array: ArrayInfo) -> LabelContent:
        """Class names and colours of :meth:`read_labels`; where a format can, without pixels ``(0, 0)``."""
        return self.read_labels(path, array)

    def read_place(self, path: Path, array: ArrayInfo) -> Georeference | None:
        """The place of one of :meth:`arrays`."""
        return self.read_labels(path, array).georeference


class ArraysReader(Reader):
    """A format of arrays whose axes can come in any order; ``usual_axes`` is that of a cube where nothing says it."""

    usual_axes: ClassVar[str] = ""

    @abstractmethod
    def read_vector(self, path: Path, array: ArrayInfo) -> tuple[Array, str | None]:
        """One of :meth:`arrays` along one axis, and the unit of its numbers."""


class ArrayReader(ArraysReader):
    """A format that NumPy loads or maps; ``form`` is the ``format`` of its scenes."""

    form: ClassVar[str]
    usual_axes = "HWB"

    @abstractmethod
    def load(self, path: Path, array: ArrayInfo) -> Array:
        """One of :meth:`arrays`, loaded or memory-mapped."""

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The array as a scene."""
        values = arrange_axes(self.load(path, array), array.axes)
        return scene_from_array(values, path.stem, path, variable=array.name or None, format=self.form)

    def read_vector(self, path: Path, array: ArrayInfo) -> tuple[Array, str | None]:
        """The numbers; these formats have no units."""
        return np.ravel(self.load(path, array)), None

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The array as labels."""
        return LabelContent(to_plane(np.array(self.load(path, array)), array.is_turned))


READERS: Registry[Reader] = Registry("file format", "hsi.io.formats")


def register_reader(name: str) -> Callable[[type[Reader]], type[Reader]]:
    """Class decorator that adds a reader to :data:`READERS`."""

    def add(reader: type[Reader]) -> type[Reader]:
        READERS.register(name)(reader())
        return reader

    return add


def first_bytes(path: Path, count: int = 16) -> bytes:
    """The start of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def list_files(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names in lower case; empty where it cannot be listed."""
    try:
        return {entry.name.lower(): entry for entry in sorted(folder.iterdir()) if entry.is_file()}
    except OSError:
        return {}


def wrong_format(path: Path, title: str, expected: str, remedy: str = RENAME) -> SceneFileError:
    """The error for a file that does not start as its format does."""
    start, content = first_bytes(path, 8), describe_content(path)
    found = f" ({content})" if content else ""
    return SceneFileError(f"{path}: is not {title}: it starts with {start!r}{found}, expected {expected}; {remedy}")


def describe_content(path: Path) -> str:
    """What a file is by its first bytes, for a message; empty where they tell nothing."""
    start = first_bytes(path, 512)
    named = next((name for signature, name in SIGNATURES.items() if start.startswith(signature)), "")
    if named or not start:
        return named
    if not any(start):
        return "only zeros: perhaps a download that did not finish"
    return "text" if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start) else ""


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store, which is read as a file is."""
    return path.is_dir() and any((path / name).is_file() for name in STORE_FILES)


def check_file(path: Path) -> None:
    """Raise :class:`SceneFileError` unless the path is a file that can be read, is not empty and no stand-in for one,
    or a Zarr store.

    Git LFS and git-annex leave a line of text in the place of a file that was not fetched, and a browser may have
    saved the page of an error or a login.
    """
    try:
        if is_store(path):
            return
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
            inside = f"it holds {', '.join(names)}" if names else "it holds no file"
            raise SceneFileError(f"{path}: is a folder, expected a file: {inside}; name one file")
        if path.is_symlink() and not path.exists():
            raise SceneFileError(f"{path}: is a link to {path.readlink()}, which does not exist; copy the file there")
        if not path.exists():
            raise SceneFileError(f"{path}: no such file{_near_files(path)}")
        if not path.is_file():
            raise SceneFileError(f"{path}: is a device or a pipe, which cannot be read by window; save it as a file")
        with path.open("rb") as file:
            start = file.read(512)
    except HsiError:
        raise
    except OSError as error:
        raise SceneFileError(f"{path}: cannot be read: {error.strerror or error}; check its permissions") from error
    if not start:
        raise SceneFileError(f"{path}: is empty (0 bytes), expected a scene or labels; copy or download it again")
    if start.startswith(GIT_LFS):
        raise SceneFileError(f"{path}: is the pointer of Git LFS and not the file itself: 'git lfs pull' fetches it")
    if start.startswith(GIT_ANNEX):
        raise SceneFileError(f"{path}: is the pointer of git-annex and not the file itself: 'git annex get' fetches it")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(WEB_PAGE) or (text.startswith(b"<?xml") and (b"<html" in text or b"<error>" in text)):
        raise SceneFileError(
            f"{path}: is a web page and not the file, perhaps of an error or a login; download it again in a browser"
        )


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist either"
    names = sorted(entry.name for entry in path.parent.iterdir())
    lowered = {name.lower(): name for name in reversed(names)}
    near = [lowered[name] for name in difflib.get_close_matches(path.name.lower(), list(lowered), n=3, cutoff=0.6)]
    near += [name for name in names if Path(name).stem == path.stem and name not in near][:3]
    return f"; did you mean {' or '.join(near)}?" if near else f"; nothing in {path.parent} has a name like it"


@contextmanager
def convert_errors(path: Path, title: str) -> Iterator[None]:
    """Convert any exception of a library that reads the file into a :class:`SceneFileError` that names the file.

    It says what is wrong: permissions, a missing part of the file, damage, or a compression that is not supported.
    """
    try:
        with reading(path):
            yield
    except HsiError:
        raise
    except MemoryError as error:
        raise SceneFileError(
            f"{path}: its array does not fit in memory, or its header is damaged; "
            "cut it to a smaller area or convert it to ENVI or GeoTIFF, which are read by window"
        ) from error
    except Exception as error:
        raise SceneFileError(f"{path}: cannot be read as {title}: {_explain(path, error)}") from error


def _explain(path: Path, error: BaseException) -> str:
    """What an exception of a library means, and what to do; the reason is that of the first exception of its chain."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    reason = " ".join(str(first).split()).replace(f"{path}: ", "")[:160] or type(first).__name__
    lowered, size = reason.lower(), path.stat().st_size if path.is_file() else 0
    if isinstance(first, PermissionError) or "permission denied" in lowered:
        return "permission denied; check the permissions of the file and its folder"
    if isinstance(first, OSError) and first.errno is not None and first.strerror:
        return f"{first.strerror}; check the disk or the network drive that holds it"
    if match := CUT_OFF.search(reason):
        return f"it is cut off: {int(match[2]) - int(match[1]):,} of {int(match[2]):,} bytes are missing; {COPY}"
    if "codec" in lowered:
        return f"{reason}: this GDAL lacks its compression; {UNPACK}"
    start = first_bytes(path, TIFF_START)
    if "tiff" in lowered and ("directory" in lowered or "header" in lowered) and start in SIGNATURES:
        return f"it is cut off or damaged within its directory, and has {size:,} bytes ({reason}); {COPY}"
    if any(word in lowered for word in ENDS_EARLY) or isinstance(first, EOFError):
        return f"its end is missing, and it has {size:,} bytes ({reason}); {COPY}"
    if any(word in lowered for word in DAMAGED):
        return f"its compressed data are damaged ({reason}); {COPY}"
    return f"{reason}; {UNKNOWN}"


def check_declared_size(path: Path, array: ArrayInfo, stored: int, itemsize: int, ratio: int = LARGEST_RATIO) -> None:
    """Raise :class:`SceneFileError` when ``stored`` bytes cannot unpack to the array that the file declares."""
    declared = math.prod(array.shape) * itemsize
    if declared > stored * ratio:
        raise SceneFileError(
            f"{path}: declares {array}, {declared:,} bytes, but only {stored:,} bytes are stored, "
            "which cannot hold it even compressed; the file is damaged or truncated: copy it again"
        )


def arrange_axes(values: Array, axes: str) -> Array:
    """``(H, W, B)`` of a cube whose axes have that order."""
    return values if axes in ("", "HWB") else values.transpose([axes.index(axis) for axis in "HWB"])


def to_plane(values: Array, is_turned: bool = False) -> Array:
    """``(H, W)`` of ``(H, W)``, or ``(W, H)`` if ``is_turned``, with a third axis of length 1 first or last or without,
    in native byte order."""
    if values.ndim == 3:
        values = values[:, :, 0] if values.shape[2] == 1 else values[0]
    values = values.T if is_turned else values
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def array_kind(dtype: np.dtype[Any]) -> str:
    """The ``kind`` of an :class:`ArrayInfo` for a NumPy dtype."""
    return {"b": "logical", "c": "complex", "S": "char", "U": "char", "O": "object"}.get(dtype.kind, dtype.name)
