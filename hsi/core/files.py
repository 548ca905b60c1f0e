"""The folder of the configurations, files that are written atomically, and the record of files that hsi wrote."""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from hsi.core.events import progress
from hsi.errors import ConfigError, HsiError, OutputError, UnknownNameError

HASHED_AT_ONCE = 2**22  # bytes
MANIFEST = ".hsi-manifest.json"
KIND = "files that hsi wrote, with their SHA-256"
MODEL_FILE = "model.safetensors"  # in the folder of a run, or of a model
MARKED = ".hsi"  # the end of the name of the file that marks a temporary one as hsi's


def config_dir() -> Path:
    """The folder of the YAML files that come with this package: in a wheel ``hsi/configs``, in a checkout ``configs``.

    Raises :class:`ConfigError` when the installation lacks it.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "scenes").is_dir():
            return folder
    raise ConfigError(f"the configurations are missing from {package}: install hsi again")


def find_shipped(path: Path, folder: str = "") -> Path:
    """The file itself, or one in a folder of :func:`config_dir` when only its name is given, such as ``ablation``."""
    shipped = config_dir() / folder / f"{path.name}.yaml"
    return shipped if not path.exists() and len(path.parts) == 1 and not path.suffix and shipped.is_file() else path


def find_config(path: Path) -> Path:
    """A YAML file of settings, or one of :func:`shipped_configs` by its name, such as ``hybridsn-paper``.

    Raises :class:`UnknownNameError` for a name that is neither.
    """
    found = find_shipped(path)
    if not found.exists() and len(path.parts) == 1 and not path.suffix:
        raise UnknownNameError("configuration", path.name, shipped_configs())
    return found


def shipped_configs() -> dict[str, str]:
    """The settings files that come with this package, by name: the first line of each without its ``#``."""
    files = sorted(config_dir().glob("*.yaml"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for file in files}


def find_model(path: Path) -> Path:
    """The file of a saved model: the path itself, or the file in a folder, such as that of a run."""
    return path / MODEL_FILE if path.is_dir() else path


def cache_folder() -> Path:
    """The user's folder for files that can be made again."""
    import platformdirs

    return platformdirs.user_cache_path("hsi")


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path, with a progress bar; the same file is read once."""
    files = list(dict.fromkeys(paths))
    total, done, sums = sum(path.stat().st_size for path in files), 0, {}
    with progress("hash", "MB") as advance:
        for path in files:
            found = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(HASHED_AT_ONCE):
                    found.update(part)
                    done += len(part)
                    advance(done // 10**6, total // 10**6, path.name)
            sums[str(path)] = found.hexdigest()
    return sums


@contextmanager
def write_atomically(path: Path, durable: bool = False, marked: bool = False) -> Iterator[Path]:
    """A temporary path next to ``path`` that replaces it when the block ends, and is removed if the block raises.

    For files of hsi's own folders; see :func:`write_output` for files of the user's. Missing folders are made. With
    ``durable`` the file is on disk when this returns, even if the machine then stops; what a killed process left of
    one that is ``marked`` is removed when it is written again. Raises :class:`OutputError` naming ``path`` when it
    cannot be written.
    """
    with _temporary(path, marked) as part:
        yield part
        if durable:
            _sync(part)
        os.replace(part, path)  # noqa: PTH105 - atomic on every system
        if durable and os.name == "posix":
            _sync(path.parent)


@contextmanager
def write_output(path: Path, overwrite: bool, option: str = "out") -> Iterator[Path]:
    """A temporary path for a file that is listed in its :class:`Manifest` and put in place when the block ends.

    What a killed process left of the same file is removed. Raises :class:`OutputError` as :meth:`Manifest.check` does,
    before the block.
    """
    manifest = Manifest.of_file(path, option)
    manifest.check([path.name], overwrite)
    with _temporary(path, marked=True) as part:
        yield part
        manifest.place({path.name: part}, overwrite)


def write_new(path: Path, text: str = "") -> Path:
    """Write a file, as NAME-2, NAME-3, … where there is one of that name and other contents; returns its path.

    Raises :class:`OutputError` when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            numbered = path.with_stem(f"{path.stem}-{number}") if number > 1 else path
            try:
                with numbered.open("x", encoding="utf-8") as file:
                    file.write(text)
                return numbered
            except FileExistsError:
                if numbered.is_file() and not numbered.is_symlink() and numbered.read_bytes() == text.encode():
                    return numbered
        raise AssertionError
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _temporary(path: Path, marked: bool = False) -> Iterator[Path]:
    """A new file next to ``path``, removed at the end if it is still there.

    If ``marked``, a locked file next to it says that it is hsi's until then, and those of killed processes are removed.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if marked:
            _remove_remnants(path)
        with _mark(part) if marked else nullcontext():
            try:
                part.touch(exist_ok=False)
                yield part
            finally:
                if part.exists():
                    part.unlink()
    except HsiError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _mark(part: Path) -> Iterator[None]:
    """A file that marks the temporary file ``part`` as hsi's, locked for as long as this process writes it."""
    marker = part.with_name(part.name + MARKED)
    with marker.open("x", encoding="utf-8") as file:
        try:
            lock_file(file.fileno())  # before it has its text, so that a complete one is never without its lock
            file.write(_marker_text(part.name))
            file.flush()
            yield
        finally:
            if os.name == "posix":
                marker.unlink(missing_ok=True)
    marker.unlink(missing_ok=True)  # elsewhere only closed files can be removed


def _marker_text(name: str) -> str:
    return json.dumps({"hsi": "temporary file", "file": name}, indent=2) + "\n"


def _remove_remnants(path: Path) -> None:
    """Remove temporary files for ``path`` whose process was killed; only those that their marker names.

    Their names have 16 random digits, so that what begins with one, such as a database's journal, is hsi's too.
    """
    for marker in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix + MARKED)}"):
        part = marker.with_name(marker.name.removesuffix(MARKED))
        with suppress(OSError, ValueError):
            if marker.is_symlink() or marker.read_text("utf-8") != _marker_text(part.name):
                continue
            with marker.open("r+", encoding="utf-8") as file:
                if lock_file(file.fileno()):
                    remains = part.parent.glob(f"{glob.escape(part.name)}*")
                    for one in sorted(remains, key=lambda one: one == marker):
                        if one.is_file() and not one.is_symlink():
                            one.unlink()


def lock_file(handle: int) -> bool | None:
    """Whether this process alone has the open file, which has not been removed meanwhile; None where locks are none.

    The lock ends with the process, or when the file is closed.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return os.fstat(handle).st_nlink > 0


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_files(folder: Path, *patterns: str) -> None:
    """Remove the files of these patterns from a work folder of hsi, and the folder unless something else is in it.

    Links are removed and not followed.
    """
    if folder.is_symlink():
        return
    for pattern in patterns:
        for path in sorted(folder.glob(pattern), reverse=True):  # what is in a folder comes before it
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    with suppress(OSError):
        folder.rmdir()


class Manifest:
    """The files that hsi wrote for one result, with the SHA-256 of each, in a hidden file next to them.

    Only these files are ever replaced or removed, and only while they hold what was written. ``files`` are the sums by
    paths relative to ``root``, "/" between their parts; ``earlier`` are those of the result that is being replaced,
    None unless files are taking their places. ``last`` is the file that makes a result of several ones complete,
    ``option`` the one that names the result.
    """

    def __init__(self, root: Path, path: Path, last: str = "", option: str = "out") -> None:
        self.root, self.path, self.last, self.option = root, path, last, option
        self.shown = root  # the folder as messages call it
        self.files: dict[str, str] = {}
        self.earlier: dict[str, list[str]] | None = None
        self.foreign = False
        self._read()

    @classmethod
    def of_folder(cls, folder: Path, last: str = "") -> Manifest:
        """That of a folder of results."""
        return cls(folder, folder / MANIFEST, last)

    @classmethod
    def of_file(cls, path: Path, option: str = "out") -> Manifest:
        """That of a file and the files that belong to it."""
        return cls(path.parent, path.with_name(f".{path.name}{MANIFEST}"), path.name, option)

    @property
    def interrupted(self) -> bool:
        """Whether a command ended while files took their places."""
        return self.earlier is not None

    def owns(self, name: str) -> bool:
        """Whether the file of that name is there and holds what hsi wrote; never for a link, or a file behind one."""
        return self._sum_of(name) is not None

    def _sum_of(self, name: str) -> str | None:
        """The SHA-256 of a file that :meth:`owns`; else None."""
        known = {self.files.get(name), *(self.earlier or {}).get(name, ())} - {None}
        path, parts = self.root / name, [name, *map(str, PurePosixPath(name).parents)][:-1]
        if not known or any((self.root / part).is_symlink() for part in parts) or not path.is_file():
            return None
        try:
            found = hash_files([path])[str(path)]
        except OSError:  # such as for want of permission
            return None
        return found if found in known else None

    def check(self, names: Iterable[str], overwrite: bool) -> None:
        """Raise :class:`OutputError` unless files of these names may be written.

        What is there is replaced with ``overwrite`` alone, and only if hsi wrote it and nothing has changed it.
        """
        if self.foreign:
            raise OutputError(f"{self.path}: is no record of hsi, so it is left alone: choose another --{self.option}")
        for name in names:
            path, shown = self.root / name, self.shown / name
            if path.is_dir() and not path.is_symlink():
                raise OutputError(f"{shown}: is a folder; give --{self.option} the name of a file")
            if os.path.lexists(path):
                self._check_replaceable(name, overwrite)
            folder = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                why = f"cannot be written: {folder} is no folder to write into"
                raise OutputError(f"{shown}: {why}: choose another --{self.option}")

    def _check_replaceable(self, name: str, overwrite: bool) -> None:
        listed = name in {*self.files, *(self.earlier or ())}
        path = self.shown / name
        if listed and not overwrite:
            raise OutputError(f"{path}: exists already: choose another --{self.option}, or replace it with --overwrite")
        if not listed or not self.owns(name):
            why = "has changed since hsi wrote it" if listed else "exists already and is no file that hsi wrote there"
            raise OutputError(f"{path}: {why}, so it is left alone: move it, or choose another --{self.option}")

    def place(self, drafts: Mapping[str, Path], overwrite: bool, stale: Collection[str] | None = ()) -> None:
        """Move complete files to the places of their names, and remove ``stale`` ones (None: all earlier ones).

        The record is written first, so that :meth:`resume` can go on after an interrupt. Raises :class:`OutputError`
        before anything is moved, see :meth:`check`, and when a file cannot be moved.
        """
        self._read()  # other commands may have written meanwhile
        self.check(drafts, overwrite)
        sums = hash_files(drafts.values())
        if self.earlier is not None:  # another command was interrupted, and only what it left is known
            found = {name: self._sum_of(name) for name in {*self.files, *self.earlier}}
            self.files = {name: known for name, known in sorted(found.items()) if known}
        self.earlier = {name: [known] for name, known in self.files.items()}
        remaining = {name: known for name, known in self.files.items() if stale is not None and name not in stale}
        self.files = remaining | {name: sums[str(path)] for name, path in drafts.items()}
        self.store(self.path)
        self._finish(drafts)

    def list_only(self, drafts: Mapping[str, Path]) -> None:
        """List files of a folder that is moved as such."""
        sums = hash_files(drafts.values())
        self.files, self.earlier = {name: sums[str(path)] for name, path in drafts.items()}, None

    def resume(self, drafts: Mapping[str, Path]) -> None:
        """Go on with placing that was interrupted, where all files are in their places or among the ``drafts``."""
        self._read()
        if self.earlier is None:
            return
        sums = hash_files(drafts.values())
        complete = {name: path for name, path in drafts.items() if self.files.get(name) == sums[str(path)]}
        if all(name in complete or self._sum_of(name) == known for name, known in self.files.items()):
            self._finish(complete)

    def _finish(self, drafts: Mapping[str, Path]) -> None:
        """Move the files that are not in their places yet, the last one after all others."""
        assert self.earlier is not None
        if self.last in drafts and len(self.files) > 1 and self.owns(self.last):  # what is incomplete lacks it
            (self.root / self.last).unlink()
        for name in sorted(drafts, key=lambda name: name == self.last):
            self._move(drafts[name], name)
        for name in sorted(self.earlier.keys() - self.files.keys()):
            if self.owns(name):
                (self.root / name).unlink()
                with suppress(OSError):  # something else is in it
                    (self.root / name).parent.rmdir() if "/" in name else None
        self.earlier = None
        self.store(self.path)

    def _move(self, draft: Path, name: str) -> None:
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.owns(name):
                draft.replace(path)
                return
            if path.parent.resolve() != self.root.resolve() / PurePosixPath(name).parent:
                raise FileExistsError
            try:
                os.link(draft, path)  # unlike renaming never replaces what has appeared there
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                if os.path.lexists(path):
                    raise FileExistsError from None
                draft.rename(path)
            draft.unlink(missing_ok=True)
        except FileExistsError:
            self.check([name], overwrite=True)
            raise OutputError(
                f"{self.shown / name}: is in the way of a result: move it, or choose another place"
            ) from None
        except OSError as error:
            raise OutputError(f"{self.shown / name}: cannot be put in place ({error.strerror or error})") from error

    def _read(self) -> None:
        self.files, self.earlier, self.foreign = {}, None, os.path.lexists(self.path)
        if not self.foreign or self.path.is_symlink():
            return
        with suppress(OSError, ValueError, RecursionError):
            text = self.path.read_text(encoding="utf-8")
            stored = json.loads(text)
            if _is_record(stored) and text == _record_text(**stored):
                self.files, self.earlier, self.foreign = stored["files"], stored["earlier"], False

    def store(self, path: Path) -> None:
        """Write the record to ``path``, where it will lie."""
        with write_atomically(path, durable=True, marked=True) as part:
            part.write_text(_record_text(KIND, self.files, self.earlier), encoding="utf-8")


def _record_text(hsi: str, files: Mapping[str, str], earlier: Mapping[str, list[str]] | None) -> str:
    return json.dumps({"hsi": hsi, "files": files, "earlier": earlier}, indent=2) + "\n"


def _is_record(stored: Any) -> bool:
    """Whether a JSON value is a record, whose names do not lead out of its folder."""
    if not isinstance(stored, dict) or stored.keys() != {"hsi", "files", "earlier"} or stored["hsi"] != KIND:
        return False
    files, earlier = stored["files"], {} if stored["earlier"] is None else stored["earlier"]
    return (
        isinstance(files, dict)
        and isinstance(earlier, dict)
        and all(isinstance(known, str) for known in files.values())
        and all(isinstance(known, list) and all(isinstance(one, str) for one in known) for known in earlier.values())
        and not any(PurePosixPath(name).is_absolute() or ".." in name.split("/") for name in (*files, *earlier))
    )
