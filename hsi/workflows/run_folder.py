"""A run's folder: written beside its final place and renamed when complete, never on top of something else."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsi.errors import OutputError
from hsi.workflows.unfinished import Unfinished, check_unfinished, unfinished

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
def run_folder(out: Path, overwrite: bool, resume: bool = False) -> Iterator[Unfinished]:
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


def check_free_file(path: Path, overwrite: bool) -> None:
    """Raise :class:`OutputError` unless a file may be written to ``path``."""
    from hsi.errors import OutputError

    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give --out the name of a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already: choose another --out, or replace it with --overwrite")
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: cannot be written: {folder} is no folder to write into: choose another --out")
