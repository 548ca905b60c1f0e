"""Work under way: a hidden folder beside its result that outlives what stops the work, if it can be gone on with."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hsi.core.events import warn
from hsi.errors import HsiError, OutputError, ResumeError

PLACING = "placing"  # a file that says that results are taking their places
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Unfinished:
    """The folder of the work for ``out``, which holds result ``files`` and what to go on from.

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
    def kept(self) -> bool:
        """Whether there is anything to go on from."""
        return self.checkpoint.is_file() or any(self.strips.glob("rows-*.npz"))

    def discard(self) -> None:
        """Start anew: remove all that earlier work left."""
        self.checkpoint.unlink(missing_ok=True)
        for folder in (self.strips, self.files):
            shutil.rmtree(folder, ignore_errors=True)
        (self.folder / PLACING).unlink(missing_ok=True)
        self.files.mkdir()

    def start_anew(self, error: ResumeError) -> None:
        """Start anew because of an error of going on, where ``--overwrite`` allows it; raise it where not."""
        if not self.overwrite:
            hint = "give the command that was interrupted with --resume, or start anew with --overwrite"
            raise ResumeError(f"{self.out}: cannot be gone on with: {error}: {hint}") from error
        warn(f"{self.out}: cannot be gone on with and is started anew: {error}")
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
    kept = False
    with suppress(OSError):  # said when the folder is made
        kept = Unfinished(out, hidden_folder(place), out).kept
    if kept:
        raise OutputError(
            f"{out}: an interrupted run can be gone on with: do so with --resume, or start anew with --overwrite"
        )


@contextmanager
def unfinished(out: Path, place: Path, shown: Path, *, resume: bool, overwrite: bool) -> Iterator[Unfinished]:
    """Work for ``out``, which will lie at ``place``; the block puts the files there as its last act.

    What an earlier run left is gone on with when ``resume`` says so and discarded when not. When the block fails, the
    folder stays if there is anything in it to go on from, which a note of the error says, and else leaves no trace.
    Raises :class:`OutputError` for what cannot be written, or is being written by another process.
    """
    check_unfinished(out, place, resume, overwrite)
    work = Unfinished(out, hidden_folder(place), shown, resume, overwrite)
    made = [folder for folder in work.folder.parents if not folder.exists()]
    with _locked(work):
        try:
            _begin(work)
            yield work
            shutil.rmtree(work.folder, ignore_errors=True)
            made = []
        except BaseException as error:
            told = _explained(error, work)
            if told is error:
                raise
            raise told from error
        finally:
            if not work.kept:
                shutil.rmtree(work.folder, ignore_errors=True)
                for parent in made:  # innermost first
                    with suppress(OSError):  # something else is in it
                        parent.rmdir()


def _begin(work: Unfinished) -> None:
    if work.resume and work.kept:
        shutil.rmtree(work.files, ignore_errors=True)
        work.files.mkdir()
        return
    if work.kept:
        warn(f"{work.out}: what an interrupted run left is discarded; --resume would have gone on with it")
    work.discard()


def _explained(error: BaseException, work: Unfinished) -> BaseException:
    """The error as it is told: of the result instead of the hidden folder, and with how to go on."""
    where = getattr(error, "filename", None)
    ours = where is not None and str(work.folder) in str(where)
    if not work.files.is_dir() and isinstance(error, Exception):
        return OutputError(f"{work.out}: the folder in which it was being written was removed meanwhile: run it again")
    if isinstance(error, OSError) and not isinstance(error, HsiError) and (ours or error.errno in FULL):
        error = OutputError(f"{work.out}: cannot be written ({error.strerror or error})")
    elif isinstance(error, OutputError):
        error = OutputError(str(error).replace(str(work.files), str(work.shown)))
    if work.kept and not isinstance(error, ResumeError) and not getattr(error, "__notes__", None):
        error.add_note(f"the work so far is kept beside {work.out}: the same command with --resume goes on from there")
    return error


@contextmanager
def _locked(work: Unfinished) -> Iterator[None]:
    """Make the folder and hold it; a process that ends in whatever way lets go of it."""
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


def _lock(handle: int, work: Unfinished) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows, where two commands with one --out are not told apart
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"{work.out}: is being written by another process: choose another --out") from None
    except OSError:  # a file system without locks
        return


@contextmanager
def unfinished_files(out: Path, *, resume: bool, overwrite: bool) -> Iterator[Unfinished]:
    """Work for the file ``out`` and files beside it: all that is in ``files`` moves there when the block ends well.

    Raises :class:`OutputError` as :func:`unfinished` does, and when the files cannot be moved.
    """
    place = out.parent.resolve() / out.name
    with unfinished(out, place, out.parent, resume=resume, overwrite=overwrite) as work:
        yield work
        (work.folder / PLACING).touch()
        for path in sorted(work.files.iterdir(), key=lambda path: path.name == out.name):  # the file itself comes last
            path.replace(place.parent / path.name)
