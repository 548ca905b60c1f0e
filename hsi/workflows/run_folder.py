"""Results are written in a work folder and take their places when complete; nothing but earlier results is replaced."""

from __future__ import annotations

import errno
import glob
import json
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hsi.core.events import warning
from hsi.core.files import MANIFEST, Manifest, lock_file, remove_files
from hsi.errors import HsiError, OutputError, ResumeError
from hsi.inference.resume import clear_strips

MARK = "run.json"  # every complete run has one
MARKER = "hsi-work.json"  # every work folder has one
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
    replaces: bool = False  # whether earlier files may be replaced
    complete: bool = False  # whether all files are written

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

    def drafts(self) -> dict[str, Path]:
        """The files of the result by their paths in its folder."""
        found = [path for path in self.files.rglob("*") if path.is_file() and not path.is_symlink()]
        names = {path.relative_to(self.files).as_posix(): path for path in found}
        return {name: path for name, path in names.items() if name != MANIFEST}  # that of a folder moved as such

    def begin(self) -> None:
        """Prepare the folder: what earlier work left is resumed from or removed."""
        if any(folder.is_symlink() for folder in (self.files, self.strips)):
            raise OutputError(
                f"{self.folder}: is not as hsi left it, so it is not used: remove it, or choose another --out"
            )
        if self.resume and self.resumable:
            remove_files(self.files, "**/*")
            self.files.mkdir(exist_ok=True)
            return
        if self.resumable:
            warning(f"{self.out}: the files of an interrupted run are discarded; --resume would have continued it")
        self.discard()

    def discard(self) -> None:
        """Remove all that earlier work left."""
        self._empty()
        self.files.mkdir(exist_ok=True)

    def remove(self) -> None:
        """Remove all that hsi wrote into the folder, and the folder unless something else is in it."""
        self._empty()
        remove_files(self.folder, MARKER)

    def _empty(self) -> None:
        remove_files(self.files, "**/*")
        clear_strips(self.strips)
        remove_files(self.folder, self.checkpoint.name, ".checkpoint.*.part.safetensors")

    def restart(self, error: ResumeError) -> None:
        """Start from the beginning because of an error of resuming, where ``overwrite`` allows it; else raise it."""
        if not self.overwrite:
            hint = "give the interrupted command with --resume, or start again with --overwrite"
            raise ResumeError(f"{self.out}: cannot be resumed: {error}: {hint}") from error
        warning(f"{self.out}: cannot be resumed and starts from the beginning: {error}")
        self.discard()


def find_work(place: Path) -> Path | None:
    """The work folder of an interrupted or running command for a result at ``place``.

    It is recognised by the file in it that names both; other folders and links of such names are not touched.
    """
    with suppress(OSError):
        for folder in sorted(place.parent.glob(f".{glob.escape(place.name)}.*.partial")):
            marker = folder / MARKER
            if folder.is_symlink() or marker.is_symlink() or not marker.is_file():
                continue
            with suppress(OSError, ValueError):
                if marker.read_text("utf-8") == _marker(folder, place):
                    return folder
    return None


def _marker(folder: Path, place: Path) -> str:
    about = {"hsi": "unfinished work", "folder": folder.name, "for": place.name}
    return json.dumps(about, indent=2) + "\n"


@dataclass(frozen=True)
class Target:
    """What is written: ``out`` as it was given, its ``place`` without links, and the folder ``shown`` in messages of
    files; ``manifest`` lists what was written there before."""

    out: Path
    place: Path
    shown: Path
    manifest: Manifest

    def __post_init__(self) -> None:
        self.manifest.shown = self.shown

    @classmethod
    def of_run(cls, out: Path, mark: str = MARK) -> Target:
        """A folder of its own, which is complete with the file ``mark``; a link is followed, so that what it points to
        is replaced."""
        place = out.resolve()
        return cls(out, place, out, Manifest.of_folder(place, mark))

    @classmethod
    def of_file(cls, out: Path, option: str = "out") -> Target:
        """A file, and files next to it."""
        place = out.parent.resolve() / out.name
        return cls(out, place, out.parent, Manifest.of_file(place, option))

    @classmethod
    def of_files(cls, folder: Path, name: str) -> Target:
        """Files in a folder that may hold others; ``name`` is what the work folder in it is called."""
        place = folder.resolve()
        return cls(folder, place / name, folder, Manifest.of_folder(place))

    @property
    def was_placing(self) -> bool:
        """Whether work was interrupted while its files took their places, so that some of them are there."""
        return self.manifest.interrupted and find_work(self.place) is not None

    def check_unfinished(self, resume: bool | None, overwrite: bool) -> None:
        """Raise :class:`OutputError` where interrupted work would be lost unless someone says so.

        ``resume`` is None for commands that have no such option.
        """
        if resume or overwrite:
            return
        folder = find_work(self.place)
        if folder and (self.manifest.interrupted or WorkDirectory(self.out, folder, self.out).resumable):
            how = "" if resume is None else "continued with --resume, or "
            raise OutputError(f"{self.out}: an interrupted run can be {how}replaced with --overwrite")

    def check_inputs(self, names: Iterable[str], inputs: Iterable[Path | None]) -> None:
        """Raise :class:`OutputError` for an input that is one of the files to be replaced."""
        from hsi.io import files_of

        replaced = {(self.manifest.root / name).resolve() for name in names}
        for given in inputs if replaced else ():
            files = [given] if given else []
            with suppress(HsiError, OSError):  # reported when it is read
                files += files_of(given) if given else ()
            read = next((file for file in files if file.resolve() in replaced), None)
            if read:
                option = self.manifest.option
                raise OutputError(f"{read}: is read, and the result would replace it: choose another --{option}")


@contextmanager
def unfinished(target: Target, *, resume: bool | None, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work for a target; the block puts the files there as its last act.

    What an earlier command left is resumed with ``resume`` and discarded without; files that were taking their places
    do so first. When the block fails, the folder stays if there is anything in it to resume from, which a note of the
    error says, and is removed otherwise. Raises :class:`OutputError` for what cannot be written, or is being written
    by another process.
    """
    target.check_unfinished(resume, overwrite)
    made = [folder for folder in target.place.parents if not folder.exists()]
    with _claimed(target) as folder:
        work = WorkDirectory(target.out, folder, target.shown, bool(resume), overwrite, replaces=overwrite)
        try:
            if target.manifest.interrupted and work.files.is_dir():
                work.complete = True
                target.manifest.resume(work.drafts())
                work.complete, work.replaces = False, True
            work.begin()
            yield work
            work.remove()
            made = []
        except BaseException as error:
            explained = _explained(error, work)
            if explained is error:
                raise
            raise explained from error
        finally:
            if not (work.resumable or work.complete):
                work.remove()
                for parent in made:  # innermost first
                    with suppress(OSError):  # something else is in it
                        parent.rmdir()


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
    if work.complete and isinstance(error, OutputError):
        error.add_note(f"the finished files are in {work.files}")
    elif work.resumable and not isinstance(error, ResumeError) and not getattr(error, "__notes__", None):
        error.add_note(f"the work so far is stored next to {work.out}: the same command with --resume continues it")
    return error


@contextmanager
def _claimed(target: Target) -> Iterator[Path]:
    """The work folder, found or made, which no other process has; the lock ends with the process."""
    busy = OutputError(f"{target.out}: is being written by another process: choose another --out")
    try:
        folder = find_work(target.place) or _make_work(target.place)
        handle = os.open(folder / MARKER, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise busy from None  # it ended just now
    except OSError as error:
        raise OutputError(f"{target.out}: cannot be written: {error.strerror}: choose another --out") from None
    try:
        if lock_file(handle) is False:  # None on Windows, where two commands with one --out are not detected
            raise busy
        yield folder
    finally:
        os.close(handle)


def _make_work(place: Path) -> Path:
    folder = place.with_name(f".{place.name}.{secrets.token_hex(8)}.partial")
    folder.mkdir(parents=True)
    (folder / MARKER).write_text(_marker(folder, place), encoding="utf-8")
    return folder


@contextmanager
def unfinished_files(out: Path, *, resume: bool | None, overwrite: bool) -> Iterator[WorkDirectory]:
    """Work for the file ``out`` and files next to it: all that is in ``files`` moves there when the block ends well,
    and files that an earlier result had in addition are removed.

    Raises :class:`OutputError` as :func:`unfinished` does, and when the files cannot be moved.
    """
    target = Target.of_file(out)
    with unfinished(target, resume=resume, overwrite=overwrite) as work:
        yield work
        work.complete = True
        target.manifest.place(work.drafts(), work.replaces, stale=None)


@contextmanager
def new_files(folder: Path, name: str, *, overwrite: bool, stale: Collection[str] = ()) -> Iterator[WorkDirectory]:
    """Work for files in a folder that may hold others, such as tables and figures; ``stale`` ones are removed.

    Raises :class:`OutputError` as :func:`unfinished_files` does.
    """
    target = Target.of_files(folder, name)
    with unfinished(target, resume=None, overwrite=overwrite) as work:
        yield work
        work.complete = True
        target.manifest.place(work.drafts(), work.replaces, stale)


def check_free_files(
    out: Path,
    files: Iterable[Path],
    *,
    overwrite: bool,
    resume: bool | None = None,
    inputs: Iterable[Path | None] = (),
    option: str = "out",
) -> None:
    """Raise :class:`OutputError` unless the file ``out`` and the ``files`` next to it may be written.

    None of them may be one of the ``inputs``.
    """
    target, names = Target.of_file(out, option), [file.name for file in files]
    target.check_unfinished(resume, overwrite)
    target.check_inputs(names, inputs)
    target.manifest.check(names, overwrite or bool(resume and target.was_placing))


def check_new_files(
    folder: Path, name: str, files: Iterable[str], *, overwrite: bool, inputs: Iterable[Path | None] = ()
) -> None:
    """Raise :class:`OutputError` unless :func:`new_files` may write ``files``, none of which are ``inputs``."""
    target, names = Target.of_files(folder, name), list(files)
    target.check_inputs(names, inputs)
    target.manifest.check(names, overwrite)


def check_free(
    out: Path, overwrite: bool, resume: bool = True, inputs: Iterable[Path | None] = (), mark: str = MARK
) -> None:
    """Raise :class:`OutputError` unless a run, or another folder of results with the file ``mark``, may be written to
    ``out``.

    With ``overwrite`` the files of an earlier run are replaced, unless they have changed or are among the ``inputs``;
    other files in that folder stay. Unless ``resume``, there must be no interrupted run either.
    """
    try:
        there = out.exists()
    except OSError as error:  # such as a name that is too long
        raise OutputError(f"{out}: cannot be written: {error.strerror}: choose another --out") from None
    target, kind = Target.of_run(out, mark), "run" if mark == MARK else "model"
    target.check_unfinished(resume, overwrite)
    if not there:
        return
    if target.place in (Path.cwd(), *Path.cwd().parents):
        raise OutputError(f"{out}: is where you are, and a {kind} takes the place of its folder: choose another --out")
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; a {kind} needs a folder: choose another --out")
    if not any(out.iterdir()):
        return
    manifest = target.manifest
    if mark not in manifest.files:
        lacks = "no record of the files that hsi wrote" if (out / mark).exists() else f"files that are no {kind} of hsi"
        raise OutputError(f"{out}: holds {lacks}, so it is left alone: choose another --out")
    if not (overwrite or (resume and target.was_placing)):
        raise OutputError(f"{out}: holds a finished {kind}: choose another --out, or replace it with --overwrite")
    target.check_inputs(manifest.files, inputs)
    manifest.check([name for name in manifest.files if os.path.lexists(target.place / name)], overwrite=True)


@contextmanager
def run_folder(out: Path, overwrite: bool, resume: bool = False, mark: str = MARK) -> Iterator[WorkDirectory]:
    """Work on a run, or another folder of results with the file ``mark``; its ``files`` become ``out`` when the block
    ends well, or replace those of an earlier one there.

    Raises :class:`OutputError` when ``out`` is taken or cannot be written.
    """
    check_free(out, overwrite, resume, mark=mark)
    target = Target.of_run(out, mark)
    with unfinished(target, resume=resume, overwrite=overwrite) as work:
        yield work
        work.complete = True
        check_free(out, work.replaces, mark=mark)  # another run may have finished meanwhile
        drafts, manifest = work.drafts(), target.manifest
        if target.place.is_dir() and any(target.place.iterdir()):
            manifest.place(drafts, work.replaces, stale=None)
            return
        manifest.list_only(drafts)
        manifest.store(work.files / MANIFEST)
        try:
            work.files.rename(target.place)
        except OSError as error:
            raise OutputError(f"{out}: the finished files cannot be put in place: {error.strerror}") from None
