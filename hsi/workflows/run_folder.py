"""A run's folder: written under a temporary name and renamed when complete, never on top of something else."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hsi.core.events import warning
from hsi.errors import HsiError, OutputError, ResumeError

PLACING = "placing"  # a file that says that results are taking their places
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class WorkDirectory:
    """The folder of the work for ``out``, which holds result ``files`` and what to resume from.

    ``shown`` is what the folder of these files is called in messages; ``resume`` and ``overwrite`` are what was asked.
    """

    out: Path
    folder: Path
    shown: Path
    resume: bool = False
    overwrite: bool = False

    @property
    def files(self) -> Path:
        """Where the result is written before it takes its place."""
        return self.folder / "files"

    @property
    def checkpoint(self) -> Path:
        """The training's checkpoint."""
        return self.folder / "checkpoint.safetensors"

    @property
    def strips(self) -> Path:
        """The finished strips of the map."""
        return self.folder / "strips"

    @property
    def resumable(self) -> bool:
        """Whether there is anything to resume from."""
        return self.checkpoint.is_file() or any(self.strips.glob("rows-*.npz"))

    def discard(self) -> None:
        """Remove all that earlier work left."""
        self.checkpoint.unlink(missing_ok=True)
        for folder in (self.strips, self.files):
            shutil.rmtree(folder, ignore_errors=True)
        (self.folder / PLACING).unlink(missing_ok=True)
        self.files.mkdir()

    def restart(self, error: ResumeError) -> None:
        """Start from the beginning because of an error of resuming, where ``overwrite`` allows it; else raise it."""
        if not self.overwrite:
            hint = "give the interrupted command with --resume, or start again with --overwrite"
            raise ResumeError(f"{self.out}: cannot be resumed: {error}: {hint}") from error
        warning(f"{self.out}: cannot be resumed and starts from the beginning: {error}")
        self.discard()


def hidden_folder(place: Path) -> Path:
    """Where the work for a result at ``place`` is under way."""
    return place.with_name(f".{place.name}.partial")


def was_placing(place: Path) -> bool:
    """Whether work was interrupted while its files took their places, so that some of them are there."""
    return (hidden_folder(place) / PLACING).exists()


def check_unfinished(out: Path, place: Path, resume: bool, overwrite: bool) -> None:
    """Raise :class:`OutputError` where interrupted work for ``out`` would be lost unless someone says so."""
    if resume or overwrite:
        return
    resumable = False
    with suppress(OSError):  # reported when the folder is made
        resumable = WorkDirectory(out, hidden_folder(place), out).resumable
    if resumable:
        raise OutputError(f"{out}: an interrupted run can be continued with --resume, or replaced with --overwrite")


@contextmanager
def unfinished(out: Path, place: Path, shown: Path, *, resume: bool, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work for ``out``, which will lie at ``place``; the block puts the files there as its last act.

    What an earlier run left is resumed with ``resume`` and discarded without. When the block fails, the folder stays if
    there is anything in it to resume from, which a note of the error says, and is removed otherwise.
    Raises :class:`OutputError` for what cannot be written, or is being written by another process.
    """
    check_unfinished(out, place, resume, overwrite)
    work = WorkDirectory(out, hidden_folder(place), shown, resume, overwrite)
    made = [folder for folder in work.folder.parents if not folder.exists()]
    with _locked(work):
        try:
            _begin(work)
            yield work
            shutil.rmtree(work.folder, ignore_errors=True)
            made = []
        except BaseException as error:
            explained = _explained(error, work)
            if explained is error:
                raise
            raise explained from error
        finally:
            if not work.resumable:
                shutil.rmtree(work.folder, ignore_errors=True)
                for parent in made:  # innermost first
                    with suppress(OSError):  # something else is in it
                        parent.rmdir()


def _begin(work: WorkDirectory) -> None:
    if work.resume and work.resumable:
        shutil.rmtree(work.files, ignore_errors=True)
        work.files.mkdir()
        return
    if work.resumable:
        warning(f"{work.out}: the files of an interrupted run are discarded; --resume would have continued it")
    work.discard()


def _explained(error: BaseException, work: WorkDirectory) -> BaseException:
    """The error in terms of the result instead of the hidden folder, with the way to resume."""
    where = getattr(error, "filename", None)
    ours = where is not None and str(work.folder) in str(where)
    if not work.files.is_dir() and isinstance(error, Exception):
        return OutputError(f"{work.out}: the folder in which it was being written was removed meanwhile: run it again")
    if isinstance(error, OSError) and not isinstance(error, HsiError) and (ours or error.errno in FULL):
        error = OutputError(f"{work.out}: cannot be written ({error.strerror or error})")
    elif isinstance(error, OutputError):
        error = OutputError(str(error).replace(str(work.files), str(work.shown)))
    if work.resumable and not isinstance(error, ResumeError) and not getattr(error, "__notes__", None):
        error.add_note(f"the work so far is stored next to {work.out}: the same command with --resume continues it")
    return error


@contextmanager
def _locked(work: WorkDirectory) -> Iterator[None]:
    """Make the folder and hold it; the lock ends with the process."""
    try:
        work.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(work.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"{work.out}: cannot be written: {error.strerror}: choose another --out") from None
    try:
        _lock(handle, work)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, work: WorkDirectory) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows, where two commands with one --out are not detected
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{work.out}: is being written by another process: choose another --out") from None
    except OSError:  # a file system without locks
        return


@contextmanager
def unfinished_files(out: Path, *, resume: bool, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work for the file ``out`` and files next to it: all that is in ``files`` moves there when the block ends well.

    Raises :class:`OutputError` as :func:`unfinished` does, and when the files cannot be moved.
    """
    place = out.parent.resolve() / out.name
    with unfinished(out, place, out.parent, resume=resume, overwrite=overwrite) as work:
        yield work
        (work.folder / PLACING).touch()
        for path in sorted(work.files.iterdir(), key=lambda path: path.name == out.name):  # the file itself comes last
            path.replace(place.parent / path.name)


MARK = "run.json"  # every complete run has one


def check_free(out: Path, overwrite: bool, resume: bool = True) -> None:
    """Raise :class:`OutputError` unless a run may be written to ``out``.

    With ``overwrite`` an earlier run is replaced; a folder that holds something else is never touched. Unless
    ``resume``, there must be no interrupted run either.
    """
    try:
        there = out.exists()
    except OSError as error:  # such as a name that is too long
        raise OutputError(f"{out}: cannot be written: {error.strerror}: choose another --out") from None
    check_unfinished(out, out.resolve(), resume, overwrite)
    if not there:
        return
    if out.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise OutputError(f"{out}: is where you are, and a run takes the place of its folder: choose another --out")
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; a run needs a folder: choose another --out")
    if not any(out.iterdir()):
        return
    if not (out / MARK).is_file():
        raise OutputError(f"{out}: holds files that are no run of hsi, so it is left alone: choose another --out")
    if not overwrite:
        raise OutputError(f"{out}: holds a finished run: choose another --out, or replace it with --overwrite")


@contextmanager
def run_folder(out: Path, overwrite: bool, resume: bool = False) -> Iterator[WorkDirectory]:
    """Work on a run; its ``files`` become ``out`` when the block ends well.

    Raises :class:`OutputError` when ``out`` is taken or cannot be written.
    """
    check_free(out, overwrite)
    place = out.resolve()  # a link is followed, so that what it points to is replaced
    with unfinished(out, place, out, resume=resume, overwrite=overwrite) as work:
        _put_back(place)
        check_free(out, overwrite)
        yield work
        _take_place(work.files, out, overwrite)


def _put_back(place: Path) -> None:
    """Put an earlier run back that was to be replaced when the process was killed between two renames."""
    for old in place.parent.glob(f".{glob.escape(place.name)}.old-*"):
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(place)


def _take_place(files: Path, out: Path, overwrite: bool) -> None:
    check_free(out, overwrite)  # another run may have finished meanwhile
    place = out.resolve()
    old = place.with_name(f".{place.name}.old-{os.getpid()}")
    try:
        if place.exists():
            place.rename(old)
        files.rename(place)
    except OSError as error:
        raise OutputError(f"{out}: the finished run cannot be put in place: {error.strerror}") from None
    finally:
        if old.exists() and not place.exists():  # an interrupt may have come between the two
            old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def check_free_file(path: Path, overwrite: bool, option: str = "out") -> None:
    """Raise :class:`OutputError` unless a file may be written to ``path``, which ``option`` names."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give --{option} the name of a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already: choose another --{option}, or replace it with --overwrite")
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: cannot be written: {folder} is no folder to write into: choose another --{option}")
